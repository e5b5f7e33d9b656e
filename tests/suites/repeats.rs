//! A deploy that repeats another one: both are written, or neither is.

use std::sync::Arc;

use chatops_core::audit::{self, Actor, Change};
use chatops_core::deploy::{Head, Reason, State};
use chatops_core::id::{DeployId, Invocation};
use chatops_core::machine;
use chatops_core::ports::{Commit, Conflict, Filter, Repeated, Replies, Store};
use tokio::task::JoinSet;

use super::support::{Fixture, at, bare, begun, done, first, id, noted, timer};
use crate::fixtures::suite;

suite![
    both_deploys_are_written,
    nothing_is_written_if_the_old_one_has_moved_on,
    nothing_is_written_if_the_old_one_is_not_there,
    nothing_is_written_if_the_new_one_is_there,
    a_taken_short_id_leaves_the_old_one_alone,
    the_old_ones_event_has_to_be_its_next,
    only_the_first_transaction_repeats_another,
    one_of_many_retries_wins,
    what_was_repeated_waits_no_longer,
];

/// Deploy `n`, ended `TRIGGER_FAILED`.
pub(crate) async fn failed<S: Store>(store: &S, n: u32) -> Head {
    let head = begun(store, n).await;
    let ended = Change::Ended {
        state: State::TriggerFailed,
        reason: Reason::TriggerRefused {
            status: 400,
            message: "no".to_owned(),
        },
    };
    let by = Actor::Worker(Invocation::new("test"));
    let (head, event) = machine::apply(&head, ended, by, at(1)).unwrap();
    done(store, bare(head, Some(event))).await.unwrap()
}

/// The first commit of deploy `n`, which repeats `old`.
pub(crate) fn retry(old: &Head, n: u32) -> Commit {
    let mut commit = first(n);
    commit.head.retry_of = Some(old.id);
    let by = commit.head.id;
    commit.repeats = Some(Box::new(repeated(old, by)));
    commit
}

fn repeated(old: &Head, by: DeployId) -> Repeated {
    let actor = Actor::Person(old.ask.user.clone());
    let (head, event) = machine::apply(old, Change::Retried { by }, actor, at(2)).unwrap();
    Repeated { head, event }
}

/// That deploy `n` does not exist in any way, and `old` is as it was.
pub(crate) async fn nothing_written<S: Store + Replies>(store: &S, old: &Head, n: u32) {
    assert_eq!(store.head(id(n)).await.unwrap(), None);
    assert_eq!(store.events(id(n)).await.unwrap(), vec![]);
    assert!(store.reply(id(n)).await.unwrap().is_none());
    assert_eq!(store.by_short(&id(n).short(8)).await.unwrap(), None);
    unchanged(store, old).await;
}

async fn unchanged<S: Store>(store: &S, old: &Head) {
    assert_eq!(store.head(old.id).await.unwrap().as_ref(), Some(old));
    let events = store.events(old.id).await.unwrap();
    assert_eq!(audit::verify(old.id, &events, old.last_hash), Ok(()));
}

async fn both_deploys_are_written<F: Fixture>(it: F) {
    let store = it.store();
    let old = failed(&*store, 1).await;
    let commit = retry(&old, 2);
    let after = commit.repeats.as_ref().unwrap().head.clone();
    assert_eq!(after.retried_by, Some(id(2)));
    let new = done(&*store, commit).await.unwrap();
    unchanged(&*store, &new).await;
    unchanged(&*store, &after).await;
    assert_eq!(store.events(id(1)).await.unwrap().len(), 3);
    assert_eq!(store.events(id(2)).await.unwrap().len(), 1);
    assert_eq!(store.by_short(&new.short).await.unwrap(), Some(id(2)));
    assert!(store.reply(id(2)).await.unwrap().is_some());
    // Both go on by themselves.
    done(&*store, noted(&new, at(3))).await.unwrap();
    done(&*store, noted(&after, at(3))).await.unwrap();
}

async fn nothing_is_written_if_the_old_one_has_moved_on<F: Fixture>(it: F) {
    let store = it.store();
    let old = failed(&*store, 1).await;
    let moved = done(&*store, timer(&old, None)).await.unwrap();
    let ended = done(&*store, retry(&old, 2)).await;
    assert_eq!(ended, Err(Conflict::Version), "the past");
    nothing_written(&*store, &moved, 2).await;
    let mut ahead = retry(&moved, 2);
    ahead.repeats.as_mut().unwrap().head.version += 1;
    assert_eq!(
        done(&*store, ahead).await,
        Err(Conflict::Version),
        "the future"
    );
    nothing_written(&*store, &moved, 2).await;
    done(&*store, retry(&moved, 2)).await.unwrap();
}

async fn nothing_is_written_if_the_old_one_is_not_there<F: Fixture>(it: F) {
    let store = it.store();
    let mut missing = failed(&*store, 1).await;
    missing.id = id(9);
    for version in [0, 1, 2] {
        let mut commit = retry(&missing, 2);
        commit.repeats.as_mut().unwrap().head.version = version;
        let ended = done(&*store, commit).await;
        assert_eq!(ended, Err(Conflict::Version), "version {version}");
        assert_eq!(store.head(id(9)).await.unwrap(), None);
        assert_eq!(store.head(id(2)).await.unwrap(), None);
    }
}

async fn nothing_is_written_if_the_new_one_is_there<F: Fixture>(it: F) {
    let store = it.store();
    let old = failed(&*store, 1).await;
    let there = begun(&*store, 2).await;
    let ended = done(&*store, retry(&old, 2)).await;
    assert_eq!(ended, Err(Conflict::Version));
    unchanged(&*store, &old).await;
    unchanged(&*store, &there).await;
}

async fn a_taken_short_id_leaves_the_old_one_alone<F: Fixture>(it: F) {
    let store = it.store();
    let old = failed(&*store, 1).await;
    begun(&*store, 3).await;
    let mut commit = retry(&old, 2);
    commit.head.short = id(3).short(8);
    assert_eq!(done(&*store, commit.clone()).await, Err(Conflict::Short));
    nothing_written(&*store, &old, 2).await;
    commit.head.short = id(2).short(16);
    done(&*store, commit).await.unwrap();
}

async fn the_old_ones_event_has_to_be_its_next<F: Fixture>(it: F) {
    let store = it.store();
    let old = failed(&*store, 1).await;
    let mut skipped = old.clone();
    skipped.events += 1;
    let gap = repeated(&skipped, id(2)).event;
    let again = first(1).event.unwrap();
    let strange = first(2).event.unwrap();
    for wrong in [gap, again, strange] {
        let mut commit = retry(&old, 2);
        commit.repeats.as_mut().unwrap().event = wrong;
        assert!(store.commit(commit).await.is_err());
        nothing_written(&*store, &old, 2).await;
    }
}

async fn only_the_first_transaction_repeats_another<F: Fixture>(it: F) {
    let store = it.store();
    let (old, new) = (failed(&*store, 1).await, begun(&*store, 2).await);
    let mut late = noted(&new, at(3));
    late.repeats = Some(Box::new(repeated(&old, id(2))));
    assert!(store.commit(late).await.is_err());
    let mut itself = first(3);
    itself.repeats = Some(Box::new(Repeated {
        head: noted(&itself.head, at(3)).head,
        event: noted(&itself.head, at(3)).event.unwrap(),
    }));
    assert!(store.commit(itself).await.is_err());
    unchanged(&*store, &old).await;
    unchanged(&*store, &new).await;
    assert_eq!(store.head(id(3)).await.unwrap(), None);
}

async fn one_of_many_retries_wins<F: Fixture>(it: F) {
    let store = it.store();
    let old = failed(&*store, 1).await;
    let mut writers = JoinSet::new();
    for n in 2..10 {
        let store = Arc::clone(&store);
        let commit = retry(&old, n);
        writers.spawn(async move { done(&*store, commit).await });
    }
    let ended = writers.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = ended.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|end| *end == Err(Conflict::Version)));
    let old = store.head(id(1)).await.unwrap().unwrap();
    let new = won[0].as_ref().unwrap();
    assert_eq!(old.retried_by, Some(new.id));
    unchanged(&*store, &old).await;
    unchanged(&*store, new).await;
}

async fn what_was_repeated_waits_no_longer<F: Fixture>(it: F) {
    let store = it.store();
    let waiting = Filter {
        awaits_retry: true,
        ..Filter::default()
    };
    let (old, other) = (failed(&*store, 1).await, failed(&*store, 3).await);
    let page = store.list(&waiting, None, 9).await.unwrap();
    assert_eq!(page.deploys.len(), 2);
    done(&*store, retry(&old, 2)).await.unwrap();
    let page = store.list(&waiting, None, 9).await.unwrap();
    assert_eq!(page.deploys, [other]);
}
