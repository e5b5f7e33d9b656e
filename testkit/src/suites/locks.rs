//! What the worker relies on about locks, and that a commit whose condition does not hold writes
//! nothing.

use chatops_core::deploy::DeployRecord;
use chatops_core::notification::NotificationKind;
use chatops_core::ports::{Commit, Conflict, Ledger, LockChange, NotificationStore, TargetLock};

use super::support::{
    PortFixture, StoreExt, at, first_commit, id, inherit_lock, noted_commit, pipeline, take_lock,
    target,
};
use crate::suites::suite;

suite! { $ locks_checks:
    takes_a_free_lock,
    a_held_lock_blocks_others_and_names_its_holder,
    taking_again_keeps_since_and_clears_until,
    frees_its_own_lock,
    an_expired_lock_is_taken_at_that_moment,
    a_lock_that_nobody_holds_is_neither_freed_nor_expired,
    a_lock_is_inherited_from_its_holder,
    a_free_lock_is_taken_whoever_it_is_inherited_from,
    an_inherited_lock_is_lost_to_the_deploy_before,
    only_the_named_deploys_lock_is_inherited,
    a_refused_free_writes_nothing_at_all,
    a_refused_take_writes_nothing_at_all,
}

fn free() -> LockChange {
    LockChange::Free { target: target() }
}

fn expire(second: i64) -> LockChange {
    LockChange::Expire {
        target: target(),
        until: at(second),
    }
}

/// The next commit over `record`, at that second, with a change of the lock.
fn change(record: &DeployRecord, second: i64, change: LockChange) -> Commit {
    Commit {
        lock: Some(change),
        ..noted_commit(record, at(second))
    }
}

/// The same, which takes the lock.
fn take(record: &DeployRecord, second: i64) -> Commit {
    change(record, second, take_lock(at(second)))
}

fn lock(n: u32, since: i64, until: Option<i64>) -> TargetLock {
    TargetLock {
        deploy: id(n),
        since: at(since),
        until: until.map(at),
    }
}

pub async fn takes_a_free_lock<F: PortFixture>(it: F) {
    let store = it.store();
    let record = store.begin(1).await;
    store.put(take(&record, 5)).await;
    assert_eq!(store.lock().await, Some(lock(1, 5, None)));
}

pub async fn a_held_lock_blocks_others_and_names_its_holder<F: PortFixture>(it: F) {
    let store = it.store();
    let (one, two) = (store.begin(1).await, store.begin(2).await);
    store.put(take(&one, 5)).await;
    let conflict = store.conflict(take(&two, 9)).await;
    assert_eq!(conflict, Conflict::Lock(lock(1, 5, None)));
}

pub async fn taking_again_keeps_since_and_clears_until<F: PortFixture>(it: F) {
    let store = it.store();
    let record = store.begin(1).await;
    let record = store.put(take(&record, 5)).await;
    let record = store.put(take(&record, 6)).await;
    assert_eq!(store.lock().await, Some(lock(1, 5, None)));
    let record = store.put(change(&record, 7, expire(20))).await;
    store.put(take(&record, 30)).await;
    assert_eq!(store.lock().await, Some(lock(1, 5, None)));
}

pub async fn frees_its_own_lock<F: PortFixture>(it: F) {
    let store = it.store();
    let (one, two) = (store.begin(1).await, store.begin(2).await);
    let one = store.put(take(&one, 5)).await;
    store.put(change(&one, 6, free())).await;
    assert_eq!(store.lock().await, None);
    store.put(take(&two, 6)).await;
    assert_eq!(store.lock().await.unwrap().deploy, id(2));
}

pub async fn an_expired_lock_is_taken_at_that_moment<F: PortFixture>(it: F) {
    let store = it.store();
    let (one, two) = (store.begin(1).await, store.begin(2).await);
    let one = store.put(take(&one, 5)).await;
    let one = store.put(change(&one, 6, expire(20))).await;
    let expiring = lock(1, 5, Some(20));
    assert_eq!(store.lock().await, Some(expiring.clone()));
    let conflict = store.conflict(take(&two, 19)).await;
    assert_eq!(conflict, Conflict::Lock(expiring));
    store.put(take(&two, 20)).await;
    let taken = lock(2, 20, None);
    assert_eq!(store.lock().await, Some(taken.clone()));
    // The holder before has lost it for good.
    for lost in [take_lock(at(21)), free(), expire(30)] {
        let conflict = store.conflict(change(&one, 21, lost)).await;
        assert_eq!(conflict, Conflict::Lock(taken.clone()));
    }
}

pub async fn a_lock_that_nobody_holds_is_neither_freed_nor_expired<F: PortFixture>(it: F) {
    let store = it.store();
    let record = store.begin(1).await;
    for wrong in [free(), expire(30)] {
        assert!(store.commit(change(&record, 1, wrong)).await.is_err());
    }
    assert_eq!(store.lock().await, None);
    store.assert_stored(&record).await;
}

/// Deploy `n` takes the lock over from deploy 1.
fn inherit(record: &DeployRecord, second: i64) -> Commit {
    change(record, second, inherit_lock(at(second), 1))
}

pub async fn a_lock_is_inherited_from_its_holder<F: PortFixture>(it: F) {
    let store = it.store();
    let (one, two) = (store.begin(1).await, store.begin(2).await);
    let one = store.put(take(&one, 5)).await;
    let two = store.put(inherit(&two, 9)).await;
    assert_eq!(store.lock().await, Some(lock(2, 9, None)));
    // And in the first transaction of the deploy, from a lock that expires later.
    store.put(change(&two, 10, free())).await;
    let one = store.put(take(&one, 11)).await;
    store.put(change(&one, 12, expire(90))).await;
    let third = Commit {
        lock: Some(inherit_lock(at(13), 1)),
        ..first_commit(3)
    };
    let three = store.put(third).await;
    assert_eq!(store.lock().await, Some(lock(3, 13, None)));
    // Taking it again keeps `since`, whatever it was inherited from.
    store.put(inherit(&three, 14)).await;
    assert_eq!(store.lock().await, Some(lock(3, 13, None)));
}

pub async fn a_free_lock_is_taken_whoever_it_is_inherited_from<F: PortFixture>(it: F) {
    let store = it.store();
    let two = store.begin(2).await;
    let two = store.put(inherit(&two, 5)).await;
    assert_eq!(store.lock().await, Some(lock(2, 5, None)));
    store.put(change(&two, 6, expire(20))).await;
    // Of a third deploy, and expired.
    let three = store.begin(3).await;
    store.put(inherit(&three, 20)).await;
    assert_eq!(store.lock().await, Some(lock(3, 20, None)));
}

pub async fn an_inherited_lock_is_lost_to_the_deploy_before<F: PortFixture>(it: F) {
    let store = it.store();
    let (one, two) = (store.begin(1).await, store.begin(2).await);
    let one = store.put(take(&one, 5)).await;
    store.put(inherit(&two, 9)).await;
    let taken = lock(2, 9, None);
    for lost in [take_lock(at(10)), free(), expire(30)] {
        let conflict = store.conflict(change(&one, 10, lost)).await;
        assert_eq!(conflict, Conflict::Lock(taken.clone()));
    }
    assert_eq!(store.lock().await, Some(taken));
}

pub async fn only_the_named_deploys_lock_is_inherited<F: PortFixture>(it: F) {
    let store = it.store();
    let (one, two) = (store.begin(1).await, store.begin(2).await);
    let three = store.begin(3).await;
    // Another holds the target by now, for good or for a while.
    let two = store.put(take(&two, 5)).await;
    let conflict = store.conflict(inherit(&three, 6)).await;
    assert_eq!(conflict, Conflict::Lock(lock(2, 5, None)));
    let two = store.put(change(&two, 7, expire(20))).await;
    let conflict = store.conflict(inherit(&three, 8)).await;
    assert_eq!(conflict, Conflict::Lock(lock(2, 5, Some(20))));
    assert_conflict(&*store, inherit(&three, 8), 3).await;
    // To name itself is no way around another's lock either.
    let itself = change(&three, 8, inherit_lock(at(8), 3));
    assert!(matches!(store.conflict(itself).await, Conflict::Lock(_)));
    // Of two heirs the first one wins.
    store.put(change(&two, 9, free())).await;
    store.put(take(&one, 10)).await;
    let fourth = store.begin(4).await;
    store.put(inherit(&three, 11)).await;
    let conflict = store.conflict(inherit(&fourth, 11)).await;
    assert_eq!(conflict, Conflict::Lock(lock(3, 11, None)));
}

pub async fn a_refused_free_writes_nothing_at_all<F: PortFixture>(it: F) {
    let store = it.store();
    let (one, two) = (store.begin(1).await, store.begin(2).await);
    store.put(take(&one, 5)).await;
    for wrong in [free(), expire(9)] {
        assert_conflict(&*store, change(&two, 6, wrong), 2).await;
    }
    // Nor does a creation that fails leave its short id or its notification behind.
    let third = Commit {
        lock: Some(free()),
        ..first_commit(3)
    };
    assert!(matches!(store.conflict(third).await, Conflict::Lock(_)));
    assert_eq!(store.record(3).await, None);
    assert_eq!(store.by_short_id(&id(3).short_id(8)).await, None);
    assert!(store.notification(3).await.is_none());
    store.begin(3).await;
}

pub async fn a_refused_take_writes_nothing_at_all<F: PortFixture>(it: F) {
    let store = it.store();
    let (one, two) = (store.begin(1).await, store.begin(2).await);
    store.put(take(&one, 5)).await;
    assert_conflict(&*store, take(&two, 6), 2).await;
}

/// This commit of deploy `n` conflicts over the lock, and its claim, its event, its record, its timer
/// and the notifications that it requests are as if it had never been.
async fn assert_conflict<S: Ledger + NotificationStore>(store: &S, mut commit: Commit, n: u32) {
    commit.claim = Some(pipeline(7));
    commit.notifications = vec![NotificationKind::Progress, NotificationKind::Final];
    commit.record.due_at = Some(at(-100));
    let stored = async || {
        (
            store.record(n).await,
            store.events(n).await,
            store.lock().await,
            store.due(100, 10).await,
        )
    };
    let before = stored().await;
    assert!(matches!(store.conflict(commit).await, Conflict::Lock(_)));
    assert_eq!(stored().await, before);
    assert_eq!(store.owner(7).await, None);
    let notification = store.notification(n).await.unwrap();
    assert_eq!((notification.version, notification.due_at()), (1, None));
}
