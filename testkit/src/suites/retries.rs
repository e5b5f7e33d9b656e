//! A deploy that retries another one: both are written, or neither is.

use std::sync::Arc;

use chatops_core::audit::{AuditActor, AuditChange};
use chatops_core::deploy::machine;
use chatops_core::deploy::{DeployRecord, DeployState, EndReason};
use chatops_core::id::{DeployId, InvocationId};
use chatops_core::ports::{
    Commit, Conflict, DeployFilter, Ledger, NotificationStore, RetriedDeploy,
};
use tokio::task::JoinSet;

use super::support::{
    PortFixture, StoreExt, at, bare_commit, begin_deploy, first_commit, first_page, id,
    noted_commit, timer_commit, try_commit,
};
use crate::suites::suite;

suite! { $ retries_checks:
    both_deploys_are_written,
    nothing_is_written_if_the_old_one_has_moved_on,
    nothing_is_written_if_the_old_one_is_not_there,
    nothing_is_written_if_the_new_one_is_there,
    a_taken_short_id_leaves_the_old_one_alone,
    the_old_ones_event_has_to_be_its_next,
    only_the_first_transaction_retries_another,
    one_of_many_retries_wins,
    a_retried_deploy_waits_no_longer,
}

/// Deploy `n`, ended `TRIGGER_FAILED`.
pub async fn failed_deploy<S: Ledger>(store: &S, n: u32) -> DeployRecord {
    let record = begin_deploy(store, n).await;
    fail_deploy(store, record).await
}

/// Ends a deploy `TRIGGER_FAILED`.
pub async fn fail_deploy<S: Ledger>(store: &S, record: DeployRecord) -> DeployRecord {
    let ended = AuditChange::Ended {
        state: DeployState::TriggerFailed,
        reason: EndReason::TriggerRefused {
            status: 403,
            message: "no".to_owned(),
        },
    };
    let by = AuditActor::Worker(InvocationId::new("test"));
    let (record, event) = machine::apply_change(&record, ended, by, at(1)).unwrap();
    try_commit(store, bare_commit(record, Some(event)))
        .await
        .unwrap()
}

/// The first commit of deploy `n`, which retries `old`.
pub fn retry_commit(old: &DeployRecord, n: u32) -> Commit {
    let mut commit = first_commit(n);
    commit.record.retry_of = Some(old.id);
    commit.record.retry_root = Some(old.chain_root());
    let by = commit.record.id;
    commit.retried = Some(Box::new(retried_part(old, by)));
    commit
}

fn retried_part(old: &DeployRecord, by: DeployId) -> RetriedDeploy {
    let actor = AuditActor::User(old.request.qualified_user());
    let (record, event) =
        machine::apply_change(old, AuditChange::Retried { by }, actor, at(2)).unwrap();
    RetriedDeploy {
        record,
        event,
        redraw: None,
    }
}

/// That deploy `n` does not exist in any way, and `old` is as it was.
pub async fn assert_nothing_written<S: Ledger + NotificationStore>(
    store: &S,
    old: &DeployRecord,
    n: u32,
) {
    assert_eq!(store.record(n).await, None);
    assert_eq!(store.events(n).await, vec![]);
    assert!(store.notification(n).await.is_none());
    assert_eq!(store.by_short_id(&id(n).short_id(8)).await, None);
    store.assert_stored(old).await;
}

pub async fn both_deploys_are_written<F: PortFixture>(it: F) {
    let store = it.store();
    let old = failed_deploy(&*store, 1).await;
    let commit = retry_commit(&old, 2);
    let after = commit.retried.as_ref().unwrap().record.clone();
    assert_eq!(after.retried_by, Some(id(2)));
    let new = store.put(commit).await;
    store.assert_stored(&new).await;
    store.assert_stored(&after).await;
    assert_eq!(store.events(1).await.len(), 3);
    assert_eq!(store.events(2).await.len(), 1);
    assert_eq!(store.by_short_id(&new.short_id).await, Some(id(2)));
    assert!(store.notification(2).await.is_some());
    // Both go on by themselves.
    store.note(&new, 3).await;
    store.note(&after, 3).await;
}

pub async fn nothing_is_written_if_the_old_one_has_moved_on<F: PortFixture>(it: F) {
    let store = it.store();
    let old = failed_deploy(&*store, 1).await;
    let moved = store.put(timer_commit(&old, None)).await;
    let past = retry_commit(&old, 2);
    assert_eq!(store.conflict(past).await, Conflict::StaleVersion);
    assert_nothing_written(&*store, &moved, 2).await;
    let mut ahead = retry_commit(&moved, 2);
    ahead.retried.as_mut().unwrap().record.version += 1;
    assert_eq!(store.conflict(ahead).await, Conflict::StaleVersion);
    assert_nothing_written(&*store, &moved, 2).await;
    store.put(retry_commit(&moved, 2)).await;
}

pub async fn nothing_is_written_if_the_old_one_is_not_there<F: PortFixture>(it: F) {
    let store = it.store();
    let mut missing = failed_deploy(&*store, 1).await;
    missing.id = id(9);
    for version in [0, 1, 2] {
        let mut commit = retry_commit(&missing, 2);
        commit.retried.as_mut().unwrap().record.version = version;
        let conflict = store.conflict(commit).await;
        assert_eq!(conflict, Conflict::StaleVersion, "version {version}");
        assert_eq!(store.record(9).await, None);
        assert_eq!(store.record(2).await, None);
    }
}

pub async fn nothing_is_written_if_the_new_one_is_there<F: PortFixture>(it: F) {
    let store = it.store();
    let old = failed_deploy(&*store, 1).await;
    let there = store.begin(2).await;
    let conflict = store.conflict(retry_commit(&old, 2)).await;
    assert_eq!(conflict, Conflict::StaleVersion);
    store.assert_stored(&old).await;
    store.assert_stored(&there).await;
}

pub async fn a_taken_short_id_leaves_the_old_one_alone<F: PortFixture>(it: F) {
    let store = it.store();
    let old = failed_deploy(&*store, 1).await;
    store.begin(3).await;
    let mut commit = retry_commit(&old, 2);
    commit.record.short_id = id(3).short_id(8);
    assert_eq!(store.conflict(commit.clone()).await, Conflict::ShortId);
    assert_nothing_written(&*store, &old, 2).await;
    commit.record.short_id = id(2).short_id(16);
    store.put(commit).await;
}

pub async fn the_old_ones_event_has_to_be_its_next<F: PortFixture>(it: F) {
    let store = it.store();
    let old = failed_deploy(&*store, 1).await;
    let mut skipped = old.clone();
    skipped.events += 1;
    let gap = retried_part(&skipped, id(2)).event;
    let again = first_commit(1).events.remove(0);
    let strange = first_commit(2).events.remove(0);
    for wrong in [gap, again, strange] {
        let mut commit = retry_commit(&old, 2);
        commit.retried.as_mut().unwrap().event = wrong;
        assert!(store.commit(commit).await.is_err());
        assert_nothing_written(&*store, &old, 2).await;
    }
}

pub async fn only_the_first_transaction_retries_another<F: PortFixture>(it: F) {
    let store = it.store();
    let (old, new) = (failed_deploy(&*store, 1).await, store.begin(2).await);
    let mut late = noted_commit(&new, at(3));
    late.retried = Some(Box::new(retried_part(&old, id(2))));
    assert!(store.commit(late).await.is_err());
    let mut itself = first_commit(3);
    itself.retried = Some(Box::new(RetriedDeploy {
        record: noted_commit(&itself.record, at(3)).record,
        event: noted_commit(&itself.record, at(3)).events.remove(0),
        redraw: None,
    }));
    assert!(store.commit(itself).await.is_err());
    store.assert_stored(&old).await;
    store.assert_stored(&new).await;
    assert_eq!(store.record(3).await, None);
}

pub async fn one_of_many_retries_wins<F: PortFixture>(it: F) {
    let store = it.store();
    let old = failed_deploy(&*store, 1).await;
    let mut writers = JoinSet::new();
    for n in 2..10 {
        let store = Arc::clone(&store);
        let commit = retry_commit(&old, n);
        writers.spawn(async move { try_commit(&*store, commit).await });
    }
    let ended = writers.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = ended.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|end| *end == Err(Conflict::StaleVersion)));
    let old = store.record(1).await.unwrap();
    let new = won[0].as_ref().unwrap();
    assert_eq!(old.retried_by, Some(new.id));
    store.assert_stored(&old).await;
    store.assert_stored(new).await;
}

pub async fn a_retried_deploy_waits_no_longer<F: PortFixture>(it: F) {
    let store = it.store();
    let waiting = DeployFilter {
        awaits_retry: true,
        ..DeployFilter::default()
    };
    let old = failed_deploy(&*store, 1).await;
    let other = failed_deploy(&*store, 3).await;
    let page = first_page(&*it.reader(), &waiting, 9).await;
    assert_eq!(page.deploys.len(), 2);
    store.put(retry_commit(&old, 2)).await;
    let page = first_page(&*it.reader(), &waiting, 9).await;
    assert_eq!(page.deploys, [other]);
}
