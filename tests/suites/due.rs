//! What the worker and its sweeper rely on: what becomes owed, and what comes due.

use chatops_core::ports::{Commit, CommitError, Due, Replies, Store};
use chatops_core::reply::{Kind, Telling};

use super::support::{Fixture, at, begun, done, first, id, noted, timer};
use crate::fixtures::suite;

suite![
    owing_starts_at_the_event,
    owing_twice_changes_nothing,
    owing_without_a_reply_item_is_ignored,
    the_reply_item_is_opened_by_the_first_commit_only,
    what_is_due_comes_oldest_first,
    reply_items_come_due_too,
    no_timer_is_never_due,
];

async fn owing_starts_at_the_event<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    let owe = Commit {
        owe: vec![Kind::Progress],
        ..noted(&head, at(42))
    };
    done(&*store, owe).await.unwrap();
    let reply = store.reply(id(1)).await.unwrap().unwrap();
    assert_eq!(reply.version, 2);
    assert_eq!(reply.progress, Telling::Owed { from: at(42) });
    assert_eq!(reply.last, Telling::NotOwed);
}

async fn owing_twice_changes_nothing<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    let owe = |head, now| Commit {
        owe: vec![Kind::Final],
        ..noted(head, now)
    };
    let head = done(&*store, owe(&head, at(5))).await.unwrap();
    let head = done(&*store, owe(&head, at(6))).await.unwrap();
    let mut reply = store.reply(id(1)).await.unwrap().unwrap();
    assert_eq!(
        (reply.version, &reply.last),
        (2, &Telling::Owed { from: at(5) })
    );
    reply.version += 1;
    reply.last = Telling::Told { at: at(7) };
    store.save(reply).await.unwrap();
    done(&*store, owe(&head, at(8))).await.unwrap();
    let reply = store.reply(id(1)).await.unwrap().unwrap();
    assert_eq!(
        (reply.version, reply.last),
        (3, Telling::Told { at: at(7) })
    );
}

async fn owing_without_a_reply_item_is_ignored<F: Fixture>(it: F) {
    let store = it.store();
    let head = done(
        &*store,
        Commit {
            open: None,
            ..first(1)
        },
    )
    .await
    .unwrap();
    let owe = Commit {
        owe: vec![Kind::Final],
        ..noted(&head, at(5))
    };
    let head = done(&*store, owe).await.unwrap();
    assert!(store.reply(id(1)).await.unwrap().is_none());
    assert_eq!(store.head(id(1)).await.unwrap(), Some(head));
}

async fn the_reply_item_is_opened_by_the_first_commit_only<F: Fixture>(it: F) {
    let store = it.store();
    let head = done(
        &*store,
        Commit {
            open: None,
            ..first(1)
        },
    )
    .await
    .unwrap();
    let late = Commit {
        open: first(1).open,
        ..noted(&head, at(5))
    };
    assert!(matches!(
        store.commit(late).await,
        Err(CommitError::Store(_))
    ));
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
    assert_eq!(
        store.due(at(99), usize::MAX).await.unwrap(),
        deploys(&[2, 4, 1, 5, 3])
    );
}

async fn reply_items_come_due_too<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    let owe = Commit {
        owe: vec![Kind::Final],
        ..noted(&head, at(20))
    };
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
    assert_eq!(
        store.due(at(59), 10).await.unwrap(),
        [expected[0], expected[2]]
    );
    assert!(
        store
            .due(at(60), 10)
            .await
            .unwrap()
            .contains(&Due::Reply(id(1)))
    );
}

async fn no_timer_is_never_due<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    assert_eq!(
        store.due(at(0), 10).await.unwrap(),
        vec![Due::Deploy(id(1))]
    );
    let head = done(&*store, timer(&head, None)).await.unwrap();
    assert_eq!(store.due(at(1_000_000), 10).await.unwrap(), vec![]);
    done(&*store, timer(&head, Some(at(9)))).await.unwrap();
    assert_eq!(
        store.due(at(9), 10).await.unwrap(),
        vec![Due::Deploy(id(1))]
    );
}
