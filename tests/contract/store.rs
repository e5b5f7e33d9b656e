//! What the worker relies on.

use std::sync::Arc;

use chatops_core::audit;
use chatops_core::deploy::Head;
use chatops_core::id::{DeployId, ShortId};
use chatops_core::ports::{Commit, CommitError, Conflict, Due, Lock, Replies, Store};
use chatops_core::reply::{Kind, Telling};
use tokio::task::JoinSet;

use crate::support::{
    Fixture, at, bare, begun, done, expire, first, free, id, noted, pipeline, relock, suite, take,
    target, timer,
};

suite![
    nothing_is_there_at_first,
    a_commit_can_be_read_at_once,
    a_deploy_is_created_once,
    a_write_needs_the_version_before,
    events_come_back_in_order_and_unchanged,
    an_event_has_the_next_number_or_none_is_written,
    takes_a_free_lock,
    a_held_lock_bars_others_and_names_its_holder,
    taking_again_keeps_since_and_clears_until,
    frees_its_own_lock,
    a_lock_that_ran_out_is_taken_at_that_moment,
    a_lock_that_nobody_holds_is_neither_freed_nor_expired,
    a_refused_free_writes_nothing_at_all,
    a_refused_take_writes_nothing_at_all,
    a_pipeline_has_one_owner,
    a_short_id_has_one_deploy,
    conditions_are_checked_in_order,
    owing_starts_at_the_event,
    owing_twice_changes_nothing,
    owing_without_a_reply_item_is_ignored,
    the_reply_item_is_opened_by_the_first_commit_only,
    what_is_due_comes_oldest_first,
    reply_items_come_due_too,
    no_timer_is_never_due,
    one_of_many_writers_wins,
];

async fn nothing_is_there_at_first<F: Fixture>(it: F) {
    let store = it.store();
    assert_eq!(store.head(id(1)).await.unwrap(), None);
    assert_eq!(store.events(id(1)).await.unwrap(), vec![]);
    assert_eq!(store.lock(&target()).await.unwrap(), None);
    assert_eq!(store.owner(pipeline(1)).await.unwrap(), None);
    assert_eq!(store.by_short(&id(1).short(8)).await.unwrap(), None);
    assert_eq!(store.due(at(1_000_000), 10).await.unwrap(), vec![]);
}

async fn a_commit_can_be_read_at_once<F: Fixture>(it: F) {
    let store = it.store();
    let mut head = begun(&*store, 1).await;
    assert_eq!(store.by_short(&head.short).await.unwrap(), Some(head.id));
    for second in 1..20 {
        head = done(&*store, noted(&head, at(second))).await.unwrap();
        assert_eq!(store.head(head.id).await.unwrap().as_ref(), Some(&head));
        assert_eq!(store.told_head(head.id).await.unwrap().as_ref(), Some(&head));
        assert_eq!(store.events(head.id).await.unwrap().len() as u64, head.events);
    }
}

async fn a_deploy_is_created_once<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    assert_eq!(done(&*store, first(1)).await, Err(Conflict::Version));
    let head = done(&*store, noted(&head, at(1))).await.unwrap();
    assert_eq!(done(&*store, first(1)).await, Err(Conflict::Version));
    assert_eq!(store.head(id(1)).await.unwrap(), Some(head));
    assert_eq!(store.events(id(1)).await.unwrap().len(), 2);
}

async fn a_write_needs_the_version_before<F: Fixture>(it: F) {
    let store = it.store();
    let one = first(1).head;
    assert_eq!(done(&*store, noted(&one, at(1))).await, Err(Conflict::Version), "nothing there");
    begun(&*store, 1).await;
    let two = done(&*store, noted(&one, at(1))).await.unwrap();
    assert_eq!(done(&*store, noted(&one, at(2))).await, Err(Conflict::Version), "the past");
    let mut ahead = timer(&two, None);
    ahead.head.version += 1;
    assert_eq!(done(&*store, ahead).await, Err(Conflict::Version), "the future");
    let mut zero = timer(&two, None);
    zero.head.version = 0;
    assert_eq!(done(&*store, zero).await, Err(Conflict::Version), "nothing has version 0");
    assert_eq!(store.head(id(1)).await.unwrap(), Some(two));
}

async fn events_come_back_in_order_and_unchanged<F: Fixture>(it: F) {
    let store = it.store();
    let mut expected = vec![first(1).event.unwrap()];
    let mut head = begun(&*store, 1).await;
    begun(&*store, 2).await;
    for second in 1..=12 {
        let commit = noted(&head, at(second));
        expected.extend(commit.event.clone());
        head = done(&*store, commit).await.unwrap();
        head = done(&*store, timer(&head, None)).await.unwrap();
    }
    let events = store.events(id(1)).await.unwrap();
    assert_eq!(events, expected);
    assert_eq!(audit::verify(id(1), &events, head.last_hash), Ok(()));
    assert_eq!(store.events(id(2)).await.unwrap().len(), 1);
}

async fn an_event_has_the_next_number_or_none_is_written<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    let mut gap = noted(&head, at(1));
    let mut skipped = head.clone();
    skipped.events += 1;
    gap.event = noted(&skipped, at(1)).event;
    let again = bare(gap.head.clone(), first(1).event);
    let strange = bare(gap.head.clone(), noted(&first(2).head, at(1)).event);
    for wrong in [gap, again, strange] {
        assert!(store.commit(wrong).await.is_err());
        assert_eq!(store.head(id(1)).await.unwrap().as_ref(), Some(&head));
        assert_eq!(store.events(id(1)).await.unwrap(), vec![first(1).event.unwrap()]);
    }
}

async fn takes_a_free_lock<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    relock(&*store, &head, at(5), take(at(5))).await.unwrap();
    let lock = Lock { deploy: id(1), since: at(5), until: None };
    assert_eq!(store.lock(&target()).await.unwrap(), Some(lock));
}

async fn a_held_lock_bars_others_and_names_its_holder<F: Fixture>(it: F) {
    let store = it.store();
    let (one, two) = (begun(&*store, 1).await, begun(&*store, 2).await);
    relock(&*store, &one, at(5), take(at(5))).await.unwrap();
    let lock = Lock { deploy: id(1), since: at(5), until: None };
    let refused = relock(&*store, &two, at(9), take(at(9))).await;
    assert_eq!(refused, Err(Conflict::Lock(lock)));
}

async fn taking_again_keeps_since_and_clears_until<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    let head = relock(&*store, &head, at(5), take(at(5))).await.unwrap();
    let head = relock(&*store, &head, at(6), take(at(6))).await.unwrap();
    let lock = Lock { deploy: id(1), since: at(5), until: None };
    assert_eq!(store.lock(&target()).await.unwrap().as_ref(), Some(&lock));
    let head = relock(&*store, &head, at(7), expire(at(20))).await.unwrap();
    relock(&*store, &head, at(30), take(at(30))).await.unwrap();
    assert_eq!(store.lock(&target()).await.unwrap(), Some(lock));
}

async fn frees_its_own_lock<F: Fixture>(it: F) {
    let store = it.store();
    let (one, two) = (begun(&*store, 1).await, begun(&*store, 2).await);
    let one = relock(&*store, &one, at(5), take(at(5))).await.unwrap();
    relock(&*store, &one, at(6), free()).await.unwrap();
    assert_eq!(store.lock(&target()).await.unwrap(), None);
    relock(&*store, &two, at(6), take(at(6))).await.unwrap();
    assert_eq!(store.lock(&target()).await.unwrap().map(|lock| lock.deploy), Some(id(2)));
}

async fn a_lock_that_ran_out_is_taken_at_that_moment<F: Fixture>(it: F) {
    let store = it.store();
    let (one, two) = (begun(&*store, 1).await, begun(&*store, 2).await);
    let one = relock(&*store, &one, at(5), take(at(5))).await.unwrap();
    let one = relock(&*store, &one, at(6), expire(at(20))).await.unwrap();
    let lock = Lock { deploy: id(1), since: at(5), until: Some(at(20)) };
    assert_eq!(store.lock(&target()).await.unwrap().as_ref(), Some(&lock));
    let refused = relock(&*store, &two, at(19), take(at(19))).await;
    assert_eq!(refused, Err(Conflict::Lock(lock)));
    relock(&*store, &two, at(20), take(at(20))).await.unwrap();
    let lock = Lock { deploy: id(2), since: at(20), until: None };
    assert_eq!(store.lock(&target()).await.unwrap().as_ref(), Some(&lock));
    // The one before has lost it for good.
    assert_eq!(
        relock(&*store, &one, at(21), take(at(21))).await,
        Err(Conflict::Lock(lock.clone()))
    );
    assert_eq!(relock(&*store, &one, at(21), free()).await, Err(Conflict::Lock(lock.clone())));
    assert_eq!(relock(&*store, &one, at(21), expire(at(30))).await, Err(Conflict::Lock(lock)));
}

async fn a_lock_that_nobody_holds_is_neither_freed_nor_expired<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    for change in [free(), expire(at(30))] {
        let commit = Commit { lock: Some(change), ..noted(&head, at(1)) };
        assert!(store.commit(commit).await.is_err());
    }
    assert_eq!(store.lock(&target()).await.unwrap(), None);
    assert_eq!(store.head(id(1)).await.unwrap(), Some(head));
}

async fn a_refused_free_writes_nothing_at_all<F: Fixture>(it: F) {
    let store = it.store();
    let (one, two) = (begun(&*store, 1).await, begun(&*store, 2).await);
    relock(&*store, &one, at(5), take(at(5))).await.unwrap();
    for change in [free(), expire(at(9))] {
        refused_whole(&*store, &two.id, Commit { lock: Some(change), ..noted(&two, at(6)) }).await;
    }
    // Nor does a creation that fails leave its short id or its reply item behind.
    let third = Commit { lock: Some(free()), ..first(3) };
    assert!(matches!(done(&*store, third).await, Err(Conflict::Lock(_))));
    assert_eq!(store.head(id(3)).await.unwrap(), None);
    assert_eq!(store.by_short(&id(3).short(8)).await.unwrap(), None);
    assert!(store.reply(id(3)).await.unwrap().is_none());
    begun(&*store, 3).await;
}

async fn a_refused_take_writes_nothing_at_all<F: Fixture>(it: F) {
    let store = it.store();
    let (one, two) = (begun(&*store, 1).await, begun(&*store, 2).await);
    relock(&*store, &one, at(5), take(at(5))).await.unwrap();
    let commit = Commit { lock: Some(take(at(6))), ..noted(&two, at(6)) };
    refused_whole(&*store, &two.id, commit).await;
}

/// The commit conflicts over the lock, and its claim, its event, its head, its timer and what it
/// would owe are as if it had never been.
async fn refused_whole<S: Store + Replies>(
    store: &S,
    deploy: &DeployId,
    mut commit: Commit,
) {
    commit.claim = Some(pipeline(7));
    commit.owe = vec![Kind::Progress, Kind::Final];
    commit.head.due_at = Some(at(-100));
    let before = (
        store.head(*deploy).await.unwrap(),
        store.events(*deploy).await.unwrap(),
        store.lock(&target()).await.unwrap(),
        store.due(at(100), 10).await.unwrap(),
    );
    assert!(matches!(done(store, commit).await, Err(Conflict::Lock(_))));
    let after = (
        store.head(*deploy).await.unwrap(),
        store.events(*deploy).await.unwrap(),
        store.lock(&target()).await.unwrap(),
        store.due(at(100), 10).await.unwrap(),
    );
    assert_eq!(after, before);
    assert_eq!(store.owner(pipeline(7)).await.unwrap(), None);
    let reply = store.reply(*deploy).await.unwrap().unwrap();
    assert_eq!((reply.version, reply.due_at()), (1, None));
}

async fn a_pipeline_has_one_owner<F: Fixture>(it: F) {
    let store = it.store();
    let (one, two) = (begun(&*store, 1).await, begun(&*store, 2).await);
    let claim = |head: &Head, now| Commit { claim: Some(pipeline(7)), ..noted(head, now) };
    let one = done(&*store, claim(&one, at(1))).await.unwrap();
    assert_eq!(store.owner(pipeline(7)).await.unwrap(), Some(id(1)));
    assert_eq!(done(&*store, claim(&two, at(2))).await, Err(Conflict::Claim(id(1))));
    assert_eq!(store.head(id(2)).await.unwrap(), Some(two));
    done(&*store, claim(&one, at(3))).await.unwrap();
    assert_eq!(store.owner(pipeline(7)).await.unwrap(), Some(id(1)));
    assert_eq!(store.owner(pipeline(8)).await.unwrap(), None);
}

async fn a_short_id_has_one_deploy<F: Fixture>(it: F) {
    let store = it.store();
    begun(&*store, 1).await;
    let mut second = first(2);
    second.head.short = id(1).short(ShortId::USUAL);
    assert_eq!(done(&*store, second.clone()).await, Err(Conflict::Short));
    assert_eq!(store.head(id(2)).await.unwrap(), None);
    second.head.short = id(2).short(ShortId::LONGER);
    done(&*store, second).await.unwrap();
    assert_eq!(store.by_short(&id(1).short(ShortId::USUAL)).await.unwrap(), Some(id(1)));
    assert_eq!(store.by_short(&id(2).short(ShortId::LONGER)).await.unwrap(), Some(id(2)));
    assert_eq!(store.by_short(&id(2).short(ShortId::USUAL)).await.unwrap(), None);
}

async fn conditions_are_checked_in_order<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    let held = Commit {
        lock: Some(take(at(1))),
        claim: Some(pipeline(7)),
        ..noted(&head, at(1))
    };
    done(&*store, held).await.unwrap();
    let second = || Commit { lock: Some(take(at(2))), claim: Some(pipeline(7)), ..first(2) };
    let mut all = second();
    all.head.short = id(1).short(8);
    all.head.version = 2;
    assert_eq!(done(&*store, all.clone()).await, Err(Conflict::Version));
    all.head.version = 1;
    assert_eq!(done(&*store, all).await, Err(Conflict::Short));
    assert!(matches!(done(&*store, second()).await, Err(Conflict::Lock(_))));
    let claim = Commit { lock: None, ..second() };
    assert_eq!(done(&*store, claim).await, Err(Conflict::Claim(id(1))));
}

async fn owing_starts_at_the_event<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    let owe = Commit { owe: vec![Kind::Progress], ..noted(&head, at(42)) };
    done(&*store, owe).await.unwrap();
    let reply = store.reply(id(1)).await.unwrap().unwrap();
    assert_eq!(reply.version, 2);
    assert_eq!(reply.progress, Telling::Owed { from: at(42) });
    assert_eq!(reply.last, Telling::NotOwed);
}

async fn owing_twice_changes_nothing<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    let owe = |head, now| Commit { owe: vec![Kind::Final], ..noted(head, now) };
    let head = done(&*store, owe(&head, at(5))).await.unwrap();
    let head = done(&*store, owe(&head, at(6))).await.unwrap();
    let mut reply = store.reply(id(1)).await.unwrap().unwrap();
    assert_eq!((reply.version, &reply.last), (2, &Telling::Owed { from: at(5) }));
    reply.version += 1;
    reply.last = Telling::Told { at: at(7) };
    store.save(reply).await.unwrap();
    done(&*store, owe(&head, at(8))).await.unwrap();
    let reply = store.reply(id(1)).await.unwrap().unwrap();
    assert_eq!((reply.version, reply.last), (3, Telling::Told { at: at(7) }));
}

async fn owing_without_a_reply_item_is_ignored<F: Fixture>(it: F) {
    let store = it.store();
    let head = done(&*store, Commit { open: None, ..first(1) }).await.unwrap();
    let owe = Commit { owe: vec![Kind::Final], ..noted(&head, at(5)) };
    let head = done(&*store, owe).await.unwrap();
    assert!(store.reply(id(1)).await.unwrap().is_none());
    assert_eq!(store.head(id(1)).await.unwrap(), Some(head));
}

async fn the_reply_item_is_opened_by_the_first_commit_only<F: Fixture>(it: F) {
    let store = it.store();
    let head = done(&*store, Commit { open: None, ..first(1) }).await.unwrap();
    let late = Commit { open: first(1).open, ..noted(&head, at(5)) };
    assert!(matches!(store.commit(late).await, Err(CommitError::Store(_))));
    assert!(store.reply(id(1)).await.unwrap().is_none());
    assert_eq!(store.head(id(1)).await.unwrap(), Some(head));
}

async fn what_is_due_comes_oldest_first<F: Fixture>(it: F) {
    let store = it.store();
    for (n, due_at) in [(1, 30), (2, 10), (3, 50), (4, 20), (5, 40)] {
        let mut commit = first(n);
        commit.head.due_at = Some(at(due_at));
        done(&*store, commit).await.unwrap();
    }
    let deploys = |ns: &[u32]| ns.iter().map(|n| Due::Deploy(id(*n))).collect::<Vec<_>>();
    assert_eq!(store.due(at(9), 10).await.unwrap(), vec![]);
    assert_eq!(store.due(at(10), 10).await.unwrap(), deploys(&[2]));
    assert_eq!(store.due(at(40), 10).await.unwrap(), deploys(&[2, 4, 1, 5]));
    assert_eq!(store.due(at(99), 3).await.unwrap(), deploys(&[2, 4, 1]));
    assert_eq!(store.due(at(99), 0).await.unwrap(), vec![]);
    assert_eq!(store.due(at(99), usize::MAX).await.unwrap(), deploys(&[2, 4, 1, 5, 3]));
}

async fn reply_items_come_due_too<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    let owe = Commit { owe: vec![Kind::Final], ..noted(&head, at(20)) };
    let mut owe = owe;
    owe.head.due_at = Some(at(30));
    done(&*store, owe).await.unwrap();
    let mut other = first(2);
    other.head.due_at = Some(at(20));
    done(&*store, other).await.unwrap();
    let expected = [Due::Deploy(id(2)), Due::Reply(id(1)), Due::Deploy(id(1))];
    assert_eq!(store.due(at(30), 10).await.unwrap(), expected);
    assert_eq!(store.due(at(30), 2).await.unwrap(), expected[..2]);
    assert_eq!(store.due(at(19), 10).await.unwrap(), vec![]);
    let mut reply = store.reply(id(1)).await.unwrap().unwrap();
    reply.version += 1;
    reply.last = Telling::Sending { until: at(60) };
    store.save(reply).await.unwrap();
    assert_eq!(store.due(at(59), 10).await.unwrap(), [expected[0], expected[2]]);
    assert!(store.due(at(60), 10).await.unwrap().contains(&Due::Reply(id(1))));
}

async fn no_timer_is_never_due<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    assert_eq!(store.due(at(0), 10).await.unwrap(), vec![Due::Deploy(id(1))]);
    let head = done(&*store, timer(&head, None)).await.unwrap();
    assert_eq!(store.due(at(1_000_000), 10).await.unwrap(), vec![]);
    done(&*store, timer(&head, Some(at(9)))).await.unwrap();
    assert_eq!(store.due(at(9), 10).await.unwrap(), vec![Due::Deploy(id(1))]);
}

async fn one_of_many_writers_wins<F: Fixture>(it: F) {
    let store = it.store();
    let mut head = begun(&*store, 1).await;
    for round in 1..=5 {
        let mut writers = JoinSet::new();
        for writer in 0..8 {
            let store = Arc::clone(&store);
            let commit = noted(&head, at(round * 10 + writer));
            writers.spawn(async move { done(&*store, commit).await });
        }
        let ended = writers.join_all().await;
        let (won, lost): (Vec<_>, Vec<_>) = ended.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|end| *end == Err(Conflict::Version)));
        head = store.head(id(1)).await.unwrap().unwrap();
        assert_eq!(won, [Ok(head.clone())]);
    }
    let events = store.events(id(1)).await.unwrap();
    assert_eq!(audit::verify(id(1), &events, head.last_hash), Ok(()));
    assert_eq!(events.len(), 6);
}
