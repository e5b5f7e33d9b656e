//! What is known of a project at CircleCI beside its deploys: that its webhooks arrive, and that it asked
//! for a pause. Both only set a pace; nothing is decided by them.

use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::config::ProjectSlug;
use crate::ports::LedgerError;

/// A webhook counts as a sign that webhooks arrive for so long.
const WEBHOOKS_ARRIVE: Duration = Duration::from_hours(7 * 24);

/// A webhook is noted again after so long.
const NOTED_AGAIN: Duration = Duration::from_hours(1);

/// The longest pause that CircleCI or Slack can ask for. What says more is usually a mistake, and asking
/// once in five minutes harms nobody.
pub const MAX_ASKED_PAUSE: Duration = Duration::from_mins(5);

/// What is known of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectFacts {
    /// When one of its webhooks was last noted.
    #[serde(default)]
    pub webhook_at: Option<Time>,
    /// Until when CircleCI asked not to be called (HTTP 429).
    #[serde(default)]
    pub paused_until: Option<Time>,
}

impl ProjectFacts {
    /// Whether its webhooks arrive.
    #[must_use]
    pub fn has_webhooks(&self, now: Time) -> bool {
        self.webhook_at
            .is_some_and(|at| now < at + WEBHOOKS_ARRIVE && at <= now + NOTED_AGAIN)
    }

    /// Whether a webhook has to be noted: once an hour.
    #[must_use]
    pub fn notes_webhook(&self, now: Time) -> bool {
        self.webhook_at
            .is_none_or(|at| now >= at + NOTED_AGAIN || at > now)
    }

    /// The end of a pause that is not over. One further ahead than the longest was set by a clock that
    /// was wrong.
    #[must_use]
    pub fn pause_end(&self, now: Time) -> Option<Time> {
        self.paused_until
            .filter(|until| now < *until && *until <= now + MAX_ASKED_PAUSE)
    }

    /// These facts with a note.
    #[must_use]
    pub fn with(mut self, note: ProjectNote) -> Self {
        match note {
            ProjectNote::Webhook(at) => self.webhook_at = Some(at),
            ProjectNote::Pause(until) => self.paused_until = Some(until),
        }
        self
    }
}

/// Something to be noted of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProjectNote {
    /// One of its webhooks arrived.
    Webhook(Time),
    /// CircleCI asked not to be called until then.
    Pause(Time),
}

/// What is known of projects, one item each.
pub trait ProjectStore: Send + Sync {
    /// What is known of a project.
    fn read_project(
        &self,
        slug: &ProjectSlug,
    ) -> impl Future<Output = Result<ProjectFacts, LedgerError>> + Send;

    /// Notes something; the other fact stays.
    fn note_project(
        &self,
        slug: &ProjectSlug,
        note: ProjectNote,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    #[test]
    fn a_webhook_is_noted_hourly_and_counts_for_a_week() {
        let none = ProjectFacts::default();
        assert!(none.notes_webhook(at(0)) && !none.has_webhooks(at(0)));
        let heard = none.with(ProjectNote::Webhook(at(0)));
        assert!(!heard.notes_webhook(at(3_599)) && heard.notes_webhook(at(3_600)));
        assert!(heard.has_webhooks(at(604_799)) && !heard.has_webhooks(at(604_800)));
    }

    #[test]
    fn a_clock_that_was_wrong_neither_pauses_nor_promises_webhooks() {
        let facts = ProjectFacts::default()
            .with(ProjectNote::Webhook(at(7_200)))
            .with(ProjectNote::Pause(at(7_200)));
        assert!(facts.notes_webhook(at(0)) && !facts.has_webhooks(at(0)));
        assert_eq!(facts.pause_end(at(0)), None);
        assert_eq!(facts.pause_end(at(6_900)), Some(at(7_200)));
        assert_eq!(facts.pause_end(at(7_200)), None);
    }
}
