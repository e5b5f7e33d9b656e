//! What is known of projects.

use chatops_core::config::ProjectSlug;
use chatops_core::ports::{ProjectFacts, ProjectNote, ProjectStore};

use super::support::{PortFixture, at};
use crate::suites::suite;

suite! { $ projects_checks:
    nothing_is_known_of_a_project_at_first,
    a_note_keeps_what_was_noted_before,
    a_later_note_replaces_an_earlier_one,
    projects_are_told_apart,
}

fn slug(repo: &str) -> ProjectSlug {
    ProjectSlug {
        vcs: "gh".to_owned(),
        org: "acme".to_owned(),
        repo: repo.to_owned(),
    }
}

async fn facts<F: PortFixture>(it: &F, repo: &str) -> ProjectFacts {
    it.store().read_project(&slug(repo)).await.unwrap()
}

async fn note<F: PortFixture>(it: &F, repo: &str, note: ProjectNote) {
    it.store().note_project(&slug(repo), note).await.unwrap();
}

pub async fn nothing_is_known_of_a_project_at_first<F: PortFixture>(it: F) {
    assert_eq!(facts(&it, "web").await, ProjectFacts::default());
}

pub async fn a_note_keeps_what_was_noted_before<F: PortFixture>(it: F) {
    note(&it, "web", ProjectNote::Webhook(at(1))).await;
    note(&it, "web", ProjectNote::Pause(at(2))).await;
    let known = ProjectFacts {
        webhook_at: Some(at(1)),
        paused_until: Some(at(2)),
    };
    assert_eq!(facts(&it, "web").await, known);
}

pub async fn a_later_note_replaces_an_earlier_one<F: PortFixture>(it: F) {
    for second in [5, 9, 3] {
        note(&it, "web", ProjectNote::Pause(at(second))).await;
        assert_eq!(facts(&it, "web").await.paused_until, Some(at(second)));
    }
}

pub async fn projects_are_told_apart<F: PortFixture>(it: F) {
    note(&it, "web", ProjectNote::Webhook(at(1))).await;
    assert_eq!(facts(&it, "api").await, ProjectFacts::default());
    assert_eq!(facts(&it, "web").await.webhook_at, Some(at(1)));
}
