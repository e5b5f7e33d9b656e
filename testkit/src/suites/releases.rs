//! What the worker relies on about the release history of a target: an end is in it with its commit,
//! or not at all.

use std::time::Duration;

use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::ports::{Commit, Ledger};
use chatops_core::release::{LastEnd, MAX_RELEASES, Release, ReleaseHistory, TargetEnd};

use super::support::{PortFixture, StoreExt, at, id, noted_commit, take_lock, target, try_commit};
use crate::suites::suite;

suite! { $ releases_checks:
    a_target_has_no_releases_at_first,
    an_end_is_in_the_history_of_its_target,
    a_history_keeps_the_newest_releases,
    a_commit_that_fails_releases_nothing,
    ends_at_the_same_time_are_all_in_the_history,
}

/// The end of a deploy at that second.
fn end(record: &DeployRecord, state: DeployState, second: i64) -> TargetEnd {
    let request = &record.request;
    TargetEnd {
        target: target(),
        last: LastEnd {
            deploy: record.id,
            short_id: record.short_id.clone(),
            state,
            at: at(second),
        },
        release: (state == DeployState::Succeeded).then(|| Release {
            deploy: record.id,
            short_id: record.short_id.clone(),
            job: request.job.clone(),
            git_ref: request.git_ref.clone(),
            revision: Some("0123abc".to_owned()),
            subject: Some("Fix the \"cart\" – naïvely".to_owned()),
            by: request.slack_user(),
            at: at(second),
            took: Duration::from_millis(1_234),
        }),
    }
}

/// The commit of that end.
fn ending(record: &DeployRecord, state: DeployState, second: i64) -> Commit {
    Commit {
        release: Some(Box::new(end(record, state, second))),
        ..noted_commit(record, at(second))
    }
}

async fn history<S: Ledger + ?Sized>(store: &S) -> ReleaseHistory {
    store.read_releases(&target()).await.unwrap()
}

pub async fn a_target_has_no_releases_at_first<F: PortFixture>(it: F) {
    let store = it.store();
    store.begin(1).await;
    assert_eq!(history(&*store).await, ReleaseHistory::default());
}

pub async fn an_end_is_in_the_history_of_its_target<F: PortFixture>(it: F) {
    let store = it.store();
    let one = store.begin(1).await;
    let expected = ReleaseHistory::default().after(&end(&one, DeployState::Succeeded, 5));
    store.put(ending(&one, DeployState::Succeeded, 5)).await;
    assert_eq!(history(&*store).await, expected);
    let two = store.begin(2).await;
    let expected = expected.after(&end(&two, DeployState::Failed, 6));
    store.put(ending(&two, DeployState::Failed, 6)).await;
    assert_eq!(history(&*store).await, expected);
    assert_eq!(
        expected.current().map(|release| release.deploy),
        Some(id(1))
    );
}

pub async fn a_history_keeps_the_newest_releases<F: PortFixture>(it: F) {
    let store = it.store();
    let many = u32::try_from(MAX_RELEASES).unwrap() + 2;
    for n in 1..=many {
        let record = store.begin(n).await;
        store.put(ending(&record, DeployState::Succeeded, 5)).await;
    }
    let releases = history(&*store).await.releases;
    let kept: Vec<_> = releases.iter().map(|release| release.deploy).collect();
    let newest: Vec<_> = (3..=many).rev().map(id).collect();
    assert_eq!(kept, newest);
}

pub async fn a_commit_that_fails_releases_nothing<F: PortFixture>(it: F) {
    let store = it.store();
    let (one, two) = (store.begin(1).await, store.begin(2).await);
    store
        .put(Commit {
            lock: Some(take_lock(at(4))),
            ..noted_commit(&one, at(4))
        })
        .await;
    // Of a version that has moved on, and with a lock that another deploy holds.
    store
        .conflict(ending(&one, DeployState::Succeeded, 5))
        .await;
    let blocked = Commit {
        lock: Some(take_lock(at(5))),
        ..ending(&two, DeployState::Succeeded, 5)
    };
    store.conflict(blocked).await;
    assert_eq!(history(&*store).await, ReleaseHistory::default());
}

pub async fn ends_at_the_same_time_are_all_in_the_history<F: PortFixture>(it: F) {
    let store = it.store();
    let (one, two) = (store.begin(1).await, store.begin(2).await);
    let (first, second) = tokio::join!(
        try_commit(&*store, ending(&one, DeployState::Succeeded, 5)),
        try_commit(&*store, ending(&two, DeployState::Succeeded, 5)),
    );
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(history(&*store).await.releases.len(), 2);
}
