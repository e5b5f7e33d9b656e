//! What the worker relies on, but for locks and timers.

use std::sync::Arc;

use chatops_core::audit;
use chatops_core::deploy::Head;
use chatops_core::id::ShortId;
use chatops_core::ports::{Commit, Conflict, Replies, Store};
use tokio::task::JoinSet;

use super::support::{
    Fixture, at, bare, begun, done, first, id, noted, pipeline, take, target, timer,
};
use crate::fixtures::suite;

suite![
    nothing_is_there_at_first,
    a_commit_can_be_read_at_once,
    a_deploy_is_created_once,
    a_write_needs_the_version_before,
    events_come_back_in_order_and_unchanged,
    an_event_has_the_next_number_or_none_is_written,
    a_pipeline_has_one_owner,
    a_short_id_has_one_deploy,
    conditions_are_checked_in_order,
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
        assert_eq!(
            store.told_head(head.id).await.unwrap().as_ref(),
            Some(&head)
        );
        assert_eq!(
            store.events(head.id).await.unwrap().len() as u64,
            head.events
        );
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
    assert_eq!(
        done(&*store, noted(&one, at(1))).await,
        Err(Conflict::Version),
        "nothing there"
    );
    begun(&*store, 1).await;
    let two = done(&*store, noted(&one, at(1))).await.unwrap();
    assert_eq!(
        done(&*store, noted(&one, at(2))).await,
        Err(Conflict::Version),
        "the past"
    );
    let mut ahead = timer(&two, None);
    ahead.head.version += 1;
    assert_eq!(
        done(&*store, ahead).await,
        Err(Conflict::Version),
        "the future"
    );
    let mut zero = timer(&two, None);
    zero.head.version = 0;
    assert_eq!(
        done(&*store, zero).await,
        Err(Conflict::Version),
        "nothing has version 0"
    );
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
        assert_eq!(
            store.events(id(1)).await.unwrap(),
            vec![first(1).event.unwrap()]
        );
    }
}

async fn a_pipeline_has_one_owner<F: Fixture>(it: F) {
    let store = it.store();
    let (one, two) = (begun(&*store, 1).await, begun(&*store, 2).await);
    let claim = |head: &Head, now| Commit {
        claim: Some(pipeline(7)),
        ..noted(head, now)
    };
    let one = done(&*store, claim(&one, at(1))).await.unwrap();
    assert_eq!(store.owner(pipeline(7)).await.unwrap(), Some(id(1)));
    assert_eq!(
        done(&*store, claim(&two, at(2))).await,
        Err(Conflict::Claim(id(1)))
    );
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
    assert_eq!(
        store.by_short(&id(1).short(ShortId::USUAL)).await.unwrap(),
        Some(id(1))
    );
    assert_eq!(
        store.by_short(&id(2).short(ShortId::LONGER)).await.unwrap(),
        Some(id(2))
    );
    assert_eq!(
        store.by_short(&id(2).short(ShortId::USUAL)).await.unwrap(),
        None
    );
}

async fn conditions_are_checked_in_order<F: Fixture>(it: F) {
    let store = it.store();
    let head = begun(&*store, 1).await;
    let taken = Commit {
        lock: Some(take(at(1))),
        claim: Some(pipeline(7)),
        ..noted(&head, at(1))
    };
    done(&*store, taken).await.unwrap();
    let second = || Commit {
        lock: Some(take(at(2))),
        claim: Some(pipeline(7)),
        ..first(2)
    };
    let mut all = second();
    all.head.short = id(1).short(8);
    all.head.version = 2;
    assert_eq!(done(&*store, all.clone()).await, Err(Conflict::Version));
    all.head.version = 1;
    assert_eq!(done(&*store, all).await, Err(Conflict::Short));
    assert!(matches!(
        done(&*store, second()).await,
        Err(Conflict::Lock(_))
    ));
    let claim = Commit {
        lock: None,
        ..second()
    };
    assert_eq!(done(&*store, claim).await, Err(Conflict::Claim(id(1))));
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
