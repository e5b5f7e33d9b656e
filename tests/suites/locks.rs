//! What the worker relies on about locks, and that a commit whose condition does not hold writes
//! nothing.

use chatops_core::id::DeployId;
use chatops_core::ports::{Commit, Conflict, Lock, Replies, Store};
use chatops_core::reply::Kind;

use super::support::{
    Fixture, at, begun, done, expire, first, free, id, noted, pipeline, relock, take, target,
};
use crate::fixtures::suite;

suite![
    takes_a_free_lock,
    a_held_lock_bars_others_and_names_its_holder,
    taking_again_keeps_since_and_clears_until,
    frees_its_own_lock,
    a_lock_that_ran_out_is_taken_at_that_moment,
    a_lock_that_nobody_holds_is_neither_freed_nor_expired,
    a_refused_free_writes_nothing_at_all,
    a_refused_take_writes_nothing_at_all,
];

async fn takes_a_free_lock<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    relock(&*store, &head, at(5), take(at(5))).await.unwrap();
    let lock = Lock {
        deploy: id(1),
        since: at(5),
        until: None,
    };
    assert_eq!(store.lock(&target()).await.unwrap(), Some(lock));
}

async fn a_held_lock_bars_others_and_names_its_holder<F: Fixture>(it: F) {
    let store = it.store();
    let (one, two) = (begun(&*store, 1).await, begun(&*store, 2).await);
    relock(&*store, &one, at(5), take(at(5))).await.unwrap();
    let lock = Lock {
        deploy: id(1),
        since: at(5),
        until: None,
    };
    let refused = relock(&*store, &two, at(9), take(at(9))).await;
    assert_eq!(refused, Err(Conflict::Lock(lock)));
}

async fn taking_again_keeps_since_and_clears_until<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    let head = relock(&*store, &head, at(5), take(at(5))).await.unwrap();
    let head = relock(&*store, &head, at(6), take(at(6))).await.unwrap();
    let lock = Lock {
        deploy: id(1),
        since: at(5),
        until: None,
    };
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
    assert_eq!(
        store.lock(&target()).await.unwrap().map(|lock| lock.deploy),
        Some(id(2))
    );
}

async fn a_lock_that_ran_out_is_taken_at_that_moment<F: Fixture>(it: F) {
    let store = it.store();
    let (one, two) = (begun(&*store, 1).await, begun(&*store, 2).await);
    let one = relock(&*store, &one, at(5), take(at(5))).await.unwrap();
    let one = relock(&*store, &one, at(6), expire(at(20))).await.unwrap();
    let lock = Lock {
        deploy: id(1),
        since: at(5),
        until: Some(at(20)),
    };
    assert_eq!(store.lock(&target()).await.unwrap().as_ref(), Some(&lock));
    let refused = relock(&*store, &two, at(19), take(at(19))).await;
    assert_eq!(refused, Err(Conflict::Lock(lock)));
    relock(&*store, &two, at(20), take(at(20))).await.unwrap();
    let lock = Lock {
        deploy: id(2),
        since: at(20),
        until: None,
    };
    assert_eq!(store.lock(&target()).await.unwrap().as_ref(), Some(&lock));
    // The one before has lost it for good.
    assert_eq!(
        relock(&*store, &one, at(21), take(at(21))).await,
        Err(Conflict::Lock(lock.clone()))
    );
    assert_eq!(
        relock(&*store, &one, at(21), free()).await,
        Err(Conflict::Lock(lock.clone()))
    );
    assert_eq!(
        relock(&*store, &one, at(21), expire(at(30))).await,
        Err(Conflict::Lock(lock))
    );
}

async fn a_lock_that_nobody_holds_is_neither_freed_nor_expired<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    for change in [free(), expire(at(30))] {
        let commit = Commit {
            lock: Some(change),
            ..noted(&head, at(1))
        };
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
        refused_whole(
            &*store,
            &two.id,
            Commit {
                lock: Some(change),
                ..noted(&two, at(6))
            },
        )
        .await;
    }
    // Nor does a creation that fails leave its short id or its reply item behind.
    let third = Commit {
        lock: Some(free()),
        ..first(3)
    };
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
    let commit = Commit {
        lock: Some(take(at(6))),
        ..noted(&two, at(6))
    };
    refused_whole(&*store, &two.id, commit).await;
}

/// The commit conflicts over the lock, and its claim, its event, its head, its timer and what it
/// would owe are as if it had never been.
async fn refused_whole<S: Store + Replies>(store: &S, deploy: &DeployId, mut commit: Commit) {
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
