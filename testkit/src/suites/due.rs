//! What the worker and its sweeper rely on: which notifications become pending, and what comes due.

use chatops_core::deploy::{DeployRecord, USUAL_PAUSE};
use chatops_core::notification::{DeliveryStatus, NotificationKind};
use chatops_core::ports::{Commit, CommitError, DueItem, Ledger, NotificationStore};

use super::support::{PortFixture, StoreExt, at, first_commit, id, noted_commit, timer_commit};
use crate::suites::suite;

suite! { $ due_checks:
    pending_starts_at_the_event,
    requesting_twice_changes_nothing,
    requesting_without_a_notification_is_ignored,
    the_notification_is_opened_by_the_first_commit_only,
    what_is_due_comes_oldest_first,
    many_due_deploys_come_oldest_first_up_to_the_limit,
    notifications_come_due_too,
    no_timer_is_never_due,
    a_timer_too_far_ahead_is_due_too,
    timers_too_far_ahead_come_last_and_within_the_limit,
    a_notification_too_far_ahead_is_due_too,
}

/// The next commit over `record`, at that second, which requests notifications.
fn requesting(record: &DeployRecord, kind: NotificationKind, second: i64) -> Commit {
    Commit {
        notifications: vec![kind],
        ..noted_commit(record, at(second))
    }
}

/// The first commit of deploy 1, which opens no notification.
fn without_notification() -> Commit {
    Commit {
        open_notifications: None,
        ..first_commit(1)
    }
}

/// The first commit of deploy `n`, due at that second.
fn due_commit(n: u32, second: i64) -> Commit {
    let mut commit = first_commit(n);
    commit.record.due_at = Some(at(second));
    commit
}

fn deploys(ns: impl IntoIterator<Item = u32>) -> Vec<DueItem> {
    ns.into_iter().map(|n| DueItem::Deploy(id(n))).collect()
}

pub async fn pending_starts_at_the_event<F: PortFixture>(it: F) {
    let store = it.store();
    let record = store.begin(1).await;
    let commit = requesting(&record, NotificationKind::Progress, 42);
    store.put(commit).await;
    let notification = store.notification(1).await.unwrap();
    assert_eq!(notification.version, 2);
    let pending = DeliveryStatus::Pending { from: at(42) };
    assert_eq!(notification.progress, pending);
    assert_eq!(notification.final_status, DeliveryStatus::NotRequested);
}

pub async fn requesting_twice_changes_nothing<F: PortFixture>(it: F) {
    let store = it.store();
    let request = |record, second| requesting(record, NotificationKind::Final, second);
    let record = store.begin(1).await;
    let record = store.put(request(&record, 5)).await;
    let record = store.put(request(&record, 6)).await;
    let mut notification = store.notification(1).await.unwrap();
    let pending = DeliveryStatus::Pending { from: at(5) };
    assert_eq!(
        (notification.version, &notification.final_status),
        (2, &pending)
    );
    let delivered = DeliveryStatus::Delivered { at: at(7) };
    notification.version += 1;
    notification.final_status = delivered.clone();
    store.save_notification(notification).await.unwrap();
    store.put(request(&record, 8)).await;
    let notification = store.notification(1).await.unwrap();
    assert_eq!(
        (notification.version, notification.final_status),
        (3, delivered)
    );
}

pub async fn requesting_without_a_notification_is_ignored<F: PortFixture>(it: F) {
    let store = it.store();
    let record = store.put(without_notification()).await;
    let commit = requesting(&record, NotificationKind::Final, 5);
    let record = store.put(commit).await;
    assert!(store.notification(1).await.is_none());
    store.assert_stored(&record).await;
}

pub async fn the_notification_is_opened_by_the_first_commit_only<F: PortFixture>(it: F) {
    let store = it.store();
    let record = store.put(without_notification()).await;
    let late = Commit {
        open_notifications: first_commit(1).open_notifications,
        ..noted_commit(&record, at(5))
    };
    let ended = store.commit(late).await;
    assert!(matches!(ended, Err(CommitError::Ledger(_))), "{ended:?}");
    assert!(store.notification(1).await.is_none());
    store.assert_stored(&record).await;
}

pub async fn what_is_due_comes_oldest_first<F: PortFixture>(it: F) {
    let store = it.store();
    for (n, second) in [(1, 30), (2, 10), (3, 50), (4, 20), (5, 40)] {
        store.put(due_commit(n, second)).await;
    }
    for (second, limit, expected) in [
        (9, 10, &[][..]),
        (10, 10, &[2]),
        (40, 10, &[2, 4, 1, 5]),
        (99, 3, &[2, 4, 1]),
        (99, 0, &[]),
        (99, usize::MAX, &[2, 4, 1, 5, 3]),
    ] {
        let due = store.due(second, limit).await;
        assert_eq!(due, deploys(expected.iter().copied()), "{second} {limit}");
    }
}

/// More deploys than a store has parts, so that each page takes from many parts.
pub async fn many_due_deploys_come_oldest_first_up_to_the_limit<F: PortFixture>(it: F) {
    let store = it.store();
    // 7 and 40 have no common divisor: every second from 0 to 39 occurs once.
    let second = |n: u32| i64::from(n * 7 % 40);
    for n in 0..40 {
        store.put(due_commit(n, second(n))).await;
    }
    let mut oldest_first: Vec<u32> = (0..40).collect();
    oldest_first.sort_by_key(|n| second(*n));
    let expected = deploys(oldest_first);
    for limit in [1, 7, 16, 39, 40, 100] {
        let due = store.due(39, limit).await;
        assert_eq!(due, expected[..limit.min(40)], "by {limit}");
    }
    assert_eq!(store.due(19, 100).await, expected[..20]);
    assert_eq!(store.due(19, 15).await, expected[..15]);
}

pub async fn notifications_come_due_too<F: PortFixture>(it: F) {
    let store = it.store();
    let record = store.begin(1).await;
    let mut commit = requesting(&record, NotificationKind::Final, 20);
    commit.record.due_at = Some(at(30));
    store.put(commit).await;
    store.put(due_commit(2, 20)).await;
    let notification_due = DueItem::Notification(id(1));
    let expected = [
        DueItem::Deploy(id(2)),
        notification_due,
        DueItem::Deploy(id(1)),
    ];
    assert_eq!(store.due(30, 10).await, expected);
    assert_eq!(store.due(30, 2).await, expected[..2]);
    assert_eq!(store.due(19, 10).await, vec![]);
    let mut notification = store.notification(1).await.unwrap();
    notification.version += 1;
    notification.final_status = DeliveryStatus::InFlight { until: at(60) };
    store.save_notification(notification).await.unwrap();
    assert_eq!(store.due(59, 10).await, deploys([2, 1]));
    assert!(store.due(60, 10).await.contains(&notification_due));
}

pub async fn no_timer_is_never_due<F: PortFixture>(it: F) {
    let store = it.store();
    let record = store.begin(1).await;
    assert_eq!(store.due(0, 10).await, deploys([1]));
    let record = store.put(timer_commit(&record, None)).await;
    assert_eq!(store.due(1_000_000, 10).await, vec![]);
    store.put(timer_commit(&record, Some(at(9)))).await;
    assert_eq!(store.due(9, 10).await, deploys([1]));
}

/// The longest pause, in seconds.
fn longest_pause() -> i64 {
    i64::try_from(USUAL_PAUSE.as_secs()).unwrap()
}

/// A clock that was wrong has set it.
pub async fn a_timer_too_far_ahead_is_due_too<F: PortFixture>(it: F) {
    let store = it.store();
    let far = longest_pause();
    store.put(due_commit(1, far)).await;
    assert_eq!(store.due(0, 10).await, vec![]);
    assert_eq!(store.due(-1, 10).await, deploys([1]));
    let year = 366 * 24 * 3_600;
    for second in [-year, -2, far, far + 1, far + year] {
        assert_eq!(store.due(second, 10).await, deploys([1]), "{second}");
    }
    for second in [1, far - 1] {
        assert_eq!(store.due(second, 10).await, vec![], "{second}");
    }
    // The store lists what the record itself holds to be due.
    let record = store.record(1).await.unwrap();
    for second in [-year, -1, 0, far - 1, far, far + year] {
        let listed = !store.due(second, 10).await.is_empty();
        assert_eq!(listed, record.is_due(at(second)), "{second}");
    }
}

pub async fn timers_too_far_ahead_come_last_and_within_the_limit<F: PortFixture>(it: F) {
    let store = it.store();
    let far = longest_pause();
    // More than a store has parts.
    for n in 0..20 {
        store.put(due_commit(n, i64::from(n))).await;
        store.put(due_commit(100 + n, far + i64::from(n))).await;
    }
    // At second 9, ten are due and ten are too far ahead.
    let expected: Vec<DueItem> = deploys((0..10).chain(110..120));
    for limit in [0, 1, 9, 10, 11, 19, 20, 40] {
        let due = store.due(9, limit).await;
        assert_eq!(due, expected[..limit.min(20)], "by {limit}");
    }
    assert_eq!(store.due(9, usize::MAX).await, expected);
}

pub async fn a_notification_too_far_ahead_is_due_too<F: PortFixture>(it: F) {
    let store = it.store();
    let far = longest_pause();
    let record = store.put(due_commit(1, far + 2)).await;
    let request = requesting(&record, NotificationKind::Final, far + 1);
    assert_eq!(request.record.due_at, Some(at(far + 2)));
    store.put(request).await;
    store.put(due_commit(2, 0)).await;
    let notification = DueItem::Notification(id(1));
    let all = [DueItem::Deploy(id(2)), notification, DueItem::Deploy(id(1))];
    assert_eq!(store.due(0, 10).await, all);
    assert_eq!(store.due(0, 2).await, all[..2]);
    assert_eq!(store.due(1, 10).await, [all[0], all[2]]);
    assert_eq!(store.due(2, 10).await, all[..1]);
}
