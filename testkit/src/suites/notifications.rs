//! What the notifier relies on.

use chatops_core::notification::{
    DeliveryStatus, NotificationKind, NotificationRecord, Undelivered,
};
use chatops_core::ports::{
    Commit, CommitError, Conflict, DeployReader as _, Ledger, NotificationStore,
};

use super::full::{RESPONSE_URL, full_notification};
use super::retries::{fail_deploy, retry_commit};
use super::support::{PortFixture, StoreExt, at, first_commit, id, noted_commit};
use crate::suites::suite;

suite! { $ notifications_checks:
    a_record_comes_back_as_it_was_written,
    a_save_needs_the_version_before,
    a_save_creates_no_record,
    a_save_loses_against_the_worker,
    a_save_touches_nothing_else,
    a_commit_has_the_card_drawn,
    a_retry_has_the_card_of_the_old_one_drawn,
    what_is_not_delivered_is_read_and_listed,
    the_oldest_that_is_not_delivered_is_listed_first,
}

/// The save loses against another one.
async fn assert_stale<S: NotificationStore>(store: &S, notification: NotificationRecord) {
    let (version, saved) = (
        notification.version,
        store.save_notification(notification).await,
    );
    let stale = matches!(saved, Err(CommitError::Conflict(Conflict::StaleVersion)));
    assert!(stale, "version {version}: {saved:?}");
}

pub async fn a_record_comes_back_as_it_was_written<F: PortFixture>(it: F) {
    let store = it.store();
    let mut opened = full_notification(&NotificationRecord::open(id(1), None, at(1_800)));
    opened.version = 1;
    let commit = Commit {
        open_notifications: Some(opened.clone()),
        ..first_commit(1)
    };
    store.put(commit).await;
    let read = store.notification(1).await.unwrap();
    assert_same(&read, &opened);
    let url = read.response_url.as_ref().unwrap();
    assert_eq!(url.expose(), RESPONSE_URL);
    // Saved, with and without its secret.
    let saved = full_notification(&read);
    store.save_notification(saved.clone()).await.unwrap();
    assert_same(&store.notification(1).await.unwrap(), &saved);
    let less = NotificationRecord {
        version: saved.version + 1,
        response_url: None,
        hold: DeliveryStatus::Skipped,
        notice: DeliveryStatus::Unknown,
        notice_again: false,
        hold_again: false,
        ..saved
    };
    store.save_notification(less.clone()).await.unwrap();
    assert_same(&store.notification(1).await.unwrap(), &less);
}

/// They are the same but for the response URL, which nothing prints.
fn assert_same(read: &NotificationRecord, written: &NotificationRecord) {
    assert_eq!(format!("{read:?}"), format!("{written:?}"));
}

pub async fn a_save_needs_the_version_before<F: PortFixture>(it: F) {
    let store = it.store();
    store.begin(1).await;
    let notification = store.notification(1).await.unwrap();
    for version in [0, 1, 3, u64::MAX] {
        let wrong = NotificationRecord {
            version,
            response_url_uses: 5,
            ..notification.clone()
        };
        assert_stale(&*store, wrong).await;
    }
    let mut next = notification;
    (next.version, next.response_url_uses) = (2, 1);
    store.save_notification(next.clone()).await.unwrap();
    next.response_url_uses = 2;
    assert_stale(&*store, next).await;
    let read = store.notification(1).await.unwrap();
    assert_eq!((read.version, read.response_url_uses), (2, 1));
}

pub async fn a_save_creates_no_record<F: PortFixture>(it: F) {
    let store = it.store();
    for version in [0, 1, 2] {
        let notification = NotificationRecord {
            version,
            ..NotificationRecord::open(id(1), None, at(1_800))
        };
        assert_stale(&*store, notification).await;
    }
    assert!(store.notification(1).await.is_none());
}

pub async fn a_save_loses_against_the_worker<F: PortFixture>(it: F) {
    let store = it.store();
    let record = store.begin(1).await;
    let mut seen = store.notification(1).await.unwrap();
    let commit = Commit {
        notifications: vec![NotificationKind::Final],
        ..noted_commit(&record, at(5))
    };
    store.put(commit).await;
    seen.version += 1;
    seen.progress = DeliveryStatus::Skipped;
    assert_stale(&*store, seen).await;
    let read = store.notification(1).await.unwrap();
    assert_eq!(read.final_status, DeliveryStatus::Pending { from: at(5) });
    assert_eq!(read.progress, DeliveryStatus::NotRequested);
}

pub async fn a_save_touches_nothing_else<F: PortFixture>(it: F) {
    let store = it.store();
    let record = store.begin(1).await;
    store.begin(2).await;
    let mut notification = store.notification(1).await.unwrap();
    notification.version = 2;
    notification.response_url_uses = 4;
    store.save_notification(notification).await.unwrap();
    store.assert_stored(&record).await;
    assert_eq!(store.notification(2).await.unwrap().response_url_uses, 0);
}

pub async fn a_commit_has_the_card_drawn<F: PortFixture>(it: F) {
    let store = it.store();
    let record = store.begin(1).await;
    // With an event and without one, and with a notification.
    let first = Commit {
        redraw: Some(at(5)),
        ..noted_commit(&record, at(5))
    };
    let mut next = first.record.clone();
    next.version += 1;
    let second = Commit {
        record: next.clone(),
        events: vec![],
        ..first.clone()
    };
    let third = Commit {
        notifications: vec![NotificationKind::Final],
        ..noted_commit(&next, at(9))
    };
    let wanted = |record: &NotificationRecord| record.card.as_ref().map(|card| card.wanted);
    for (commit, draws) in [(first, 1), (second, 2), (third, 3)] {
        store.put(commit).await;
        let read = store.notification(1).await.unwrap();
        assert_eq!(wanted(&read), Some(draws));
        assert!(read.due_at().is_some());
    }
    let mut seen = store.notification(1).await.unwrap();
    seen.version += 1;
    store.save_notification(seen.clone()).await.unwrap();
    // Nobody has a card who has not asked for one.
    store.begin(2).await;
    assert_eq!(wanted(&store.notification(2).await.unwrap()), None);
}

pub async fn a_retry_has_the_card_of_the_old_one_drawn<F: PortFixture>(it: F) {
    let store = it.store();
    for (n, redraw) in [(1, Some(at(7))), (2, None)] {
        let record = store.begin(n).await;
        let shown = Commit {
            redraw: Some(at(5)),
            ..noted_commit(&record, at(5))
        };
        store.put(shown).await;
        let old = fail_deploy(&*store, store.record(n).await.unwrap()).await;
        let before = store.notification(n).await.unwrap();
        let mut retry = retry_commit(&old, n + 10);
        if let Some(retried) = &mut retry.retried {
            retried.redraw = redraw;
        }
        store.put(retry).await;
        let after = store.notification(n).await.unwrap();
        let more = u64::from(redraw.is_some());
        assert_eq!(after.version, before.version + more);
        let wanted = |record: &NotificationRecord| record.card.as_ref().unwrap().wanted;
        assert_eq!(wanted(&after), wanted(&before) + more);
    }
}

/// The next version of a deploy's notification record, in which something was given up at this second.
async fn give_up<S: Ledger + NotificationStore>(store: &S, n: u32, second: i64) -> Undelivered {
    let notification = store.notification(n).await.unwrap();
    let undelivered = Undelivered {
        deploy: id(n),
        kind: NotificationKind::Final,
        reason: "channel_is_archived".to_owned(),
        at: at(second),
        told_later: false,
        channels: vec![],
    };
    let next = NotificationRecord {
        version: notification.version + 1,
        undelivered: Some(undelivered.clone()),
        ..notification
    };
    store.save_notification(next).await.unwrap();
    undelivered
}

pub async fn what_is_not_delivered_is_read_and_listed<F: PortFixture>(it: F) {
    let store = it.store();
    store.begin(1).await;
    let due = store.list_due(at(9_000), 10).await.unwrap();
    assert_eq!(store.read_undelivered(id(1)).await.unwrap(), None);
    assert_eq!(store.list_undelivered(at(0), 10).await.unwrap(), []);
    let undelivered = give_up(&*store, 1, 50).await;
    let read = store.read_undelivered(id(1)).await.unwrap();
    assert_eq!(read.as_ref(), Some(&undelivered));
    let listed = store.list_undelivered(at(49), 10).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&undelivered));
    assert_eq!(store.list_undelivered(at(50), 10).await.unwrap(), []);
    // It is no timer.
    assert_eq!(store.list_due(at(9_000), 10).await.unwrap(), due);
    // Something that says as much was delivered: it is still known, and no longer listed.
    let notification = store.notification(1).await.unwrap();
    let made_up_for = Undelivered {
        told_later: true,
        ..undelivered
    };
    let next = NotificationRecord {
        version: notification.version + 1,
        undelivered: Some(made_up_for.clone()),
        ..notification
    };
    store.save_notification(next).await.unwrap();
    let read = store.read_undelivered(id(1)).await.unwrap();
    assert_eq!(read, Some(made_up_for));
    assert_eq!(store.list_undelivered(at(0), 10).await.unwrap(), []);
}

pub async fn the_oldest_that_is_not_delivered_is_listed_first<F: PortFixture>(it: F) {
    let store = it.store();
    let mut given_up = vec![];
    for (n, second) in [(1, 70), (2, 60), (3, 80)] {
        store.begin(n).await;
        given_up.push(give_up(&*store, n, second).await);
    }
    given_up.sort_unstable_by_key(|one| one.at);
    let listed = store.list_undelivered(at(0), 10).await.unwrap();
    assert_eq!(listed, given_up);
    let listed = store.list_undelivered(at(60), 1).await.unwrap();
    assert_eq!(listed, given_up[1..2]);
}
