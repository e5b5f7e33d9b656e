//! What the notifier relies on.

use chatops_core::ports::{Commit, CommitError, Conflict, Replies, Store};
use chatops_core::reply::{Kind, Reply, Telling};
use chatops_core::secret::ResponseUrl;
use url::Url;

use super::support::{Fixture, at, begun, done, first, id, noted};
use crate::fixtures::suite;

suite![
    an_item_comes_back_as_it_was_written,
    a_save_needs_the_version_before,
    a_save_makes_no_item,
    a_save_loses_against_the_worker,
    a_save_touches_nothing_else,
];

async fn saved<S: Replies>(store: &S, reply: Reply) -> Result<(), Conflict> {
    store.save(reply).await.map_err(|error| match error {
        CommitError::Conflict(conflict) => conflict,
        CommitError::Store(error) => panic!("{error}"),
    })
}

async fn an_item_comes_back_as_it_was_written<F: Fixture>(it: F) {
    let store = it.store();
    let slack = Url::parse("https://hooks.slack.com").unwrap();
    let text = "https://hooks.slack.com/commands/T1/2/abc";
    let address = ResponseUrl::parse(text, &[slack]).unwrap();
    let mut commit = first(1);
    commit.open = Some(Reply::open(id(1), Some(address), at(1_800)));
    done(&*store, commit).await.unwrap();
    let mut reply = store.reply(id(1)).await.unwrap().unwrap();
    assert_eq!(reply.deploy, id(1));
    assert_eq!(reply.expires_at, at(1_800));
    assert_eq!(reply.address.as_ref().map(ResponseUrl::expose), Some(text));
    reply.version = 2;
    reply.address = None;
    reply.uses = 3;
    reply.unsure = 1;
    reply.progress = Telling::Undeliverable {
        why: "\u{1f525} 'quoted'\n".to_owned(),
    };
    reply.last = Telling::Owed { from: at(77) };
    saved(&*store, reply.clone()).await.unwrap();
    let read = store.reply(id(1)).await.unwrap().unwrap();
    assert_eq!(format!("{read:?}"), format!("{reply:?}"));
}

async fn a_save_needs_the_version_before<F: Fixture>(it: F) {
    let store = it.store();
    begun(&*store, 1).await;
    let reply = store.reply(id(1)).await.unwrap().unwrap();
    for version in [0, 1, 3, u64::MAX] {
        let wrong = Reply {
            version,
            uses: 5,
            ..reply.clone()
        };
        assert_eq!(
            saved(&*store, wrong).await,
            Err(Conflict::Version),
            "{version}"
        );
    }
    saved(
        &*store,
        Reply {
            version: 2,
            uses: 1,
            ..reply.clone()
        },
    )
    .await
    .unwrap();
    let again = Reply {
        version: 2,
        uses: 2,
        ..reply
    };
    assert_eq!(saved(&*store, again).await, Err(Conflict::Version));
    let read = store.reply(id(1)).await.unwrap().unwrap();
    assert_eq!((read.version, read.uses), (2, 1));
}

async fn a_save_makes_no_item<F: Fixture>(it: F) {
    let store = it.store();
    for version in [0, 1, 2] {
        let reply = Reply {
            version,
            ..Reply::open(id(1), None, at(1_800))
        };
        assert_eq!(
            saved(&*store, reply).await,
            Err(Conflict::Version),
            "{version}"
        );
    }
    assert!(store.reply(id(1)).await.unwrap().is_none());
}

async fn a_save_loses_against_the_worker<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    let mut seen = store.reply(id(1)).await.unwrap().unwrap();
    let owe = Commit {
        owe: vec![Kind::Final],
        ..noted(&head, at(5))
    };
    done(&*store, owe).await.unwrap();
    seen.version += 1;
    seen.progress = Telling::Dropped;
    assert_eq!(saved(&*store, seen).await, Err(Conflict::Version));
    let read = store.reply(id(1)).await.unwrap().unwrap();
    assert_eq!(read.last, Telling::Owed { from: at(5) });
    assert_eq!(read.progress, Telling::NotOwed);
}

async fn a_save_touches_nothing_else<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    begun(&*store, 2).await;
    let mut reply = store.reply(id(1)).await.unwrap().unwrap();
    reply.version = 2;
    reply.uses = 4;
    saved(&*store, reply).await.unwrap();
    assert_eq!(store.head(id(1)).await.unwrap(), Some(head.clone()));
    assert_eq!(store.told_head(id(1)).await.unwrap(), Some(head));
    assert_eq!(store.reply(id(2)).await.unwrap().unwrap().uses, 0);
}
