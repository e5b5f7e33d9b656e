//! What the worker relies on, but for locks and timers.

use std::sync::Arc;

use chatops_core::config::WorkflowSelector;
use chatops_core::deploy::{DeployRecord, ReadEfforts, TriggerIntent, WaitReason};
use chatops_core::id::ShortId;
use chatops_core::ports::Conflict::{self, StaleVersion};
use chatops_core::ports::{Commit, DeployFilter, Ledger};
use tokio::task::JoinSet;

use super::full::{all_notices, full_intent, full_reads, full_record};
use super::support::{
    PortFixture, StoreExt, at, bare_commit, first_commit, first_page, id, noted_commit, pipeline,
    take_lock, timer_commit, try_commit,
};
use crate::suites::suite;

suite! { $ ledger_checks:
    nothing_is_there_at_first,
    a_commit_can_be_read_at_once,
    a_record_comes_back_whole,
    a_deploy_is_created_once,
    a_write_needs_the_version_before,
    events_come_back_in_order_and_unchanged,
    an_event_has_the_next_number_or_none_is_written,
    a_pipeline_has_one_owner,
    a_short_id_has_one_deploy,
    conditions_are_checked_in_order,
    one_of_many_writers_wins,
}

pub async fn nothing_is_there_at_first<F: PortFixture>(it: F) {
    let store = it.store();
    assert_eq!(store.record(1).await, None);
    assert_eq!(store.events(1).await, vec![]);
    assert_eq!(store.lock().await, None);
    assert_eq!(store.owner(1).await, None);
    assert_eq!(store.by_short_id(&id(1).short_id(8)).await, None);
    assert_eq!(store.due(1_000_000, 10).await, vec![]);
}

pub async fn a_commit_can_be_read_at_once<F: PortFixture>(it: F) {
    let store = it.store();
    let mut record = store.begin(1).await;
    assert_eq!(store.by_short_id(&record.short_id).await, Some(record.id));
    for second in 1..20 {
        record = store.note(&record, second).await;
        store.assert_stored(&record).await;
        assert_eq!(store.events(1).await.len() as u64, record.events);
    }
}

pub async fn a_record_comes_back_whole<F: PortFixture>(it: F) {
    let store = it.store();
    let first = store.begin(1).await;
    let mut record = store.put(Commit::of(full_record(&first))).await;
    store.assert_stored(&record).await;
    let listed = first_page(&*it.reader(), &DeployFilter::default(), 9).await;
    assert_eq!(listed.deploys, [record.clone()]);
    // And with each kind of what is told or waited for, and with less than everything.
    let waits = [
        WaitReason::AnyWorkflow,
        WaitReason::JobWorkflow,
        WaitReason::AfterSetup,
        WaitReason::Rerun,
    ];
    for (notice, wait) in all_notices().into_iter().zip(waits.into_iter().cycle()) {
        record = full_record(&record);
        record.reads = full_reads(wait);
        record.notice = Some(notice);
        record = store.put(Commit::of(record)).await;
        store.assert_stored(&record).await;
    }
    for workflow in [WorkflowSelector::ALL, WorkflowSelector::Named(vec![])] {
        record.version += 1;
        record.trigger_intent = Some(TriggerIntent {
            workflow,
            must_run: vec![],
            ..full_intent()
        });
        (record.watch, record.notice) = (None, None);
        record.reads = ReadEfforts::default();
        record = store.put(Commit::of(record)).await;
        store.assert_stored(&record).await;
    }
}

pub async fn a_deploy_is_created_once<F: PortFixture>(it: F) {
    let store = it.store();
    let record = store.begin(1).await;
    assert_eq!(store.conflict(first_commit(1)).await, StaleVersion);
    let record = store.note(&record, 1).await;
    assert_eq!(store.conflict(first_commit(1)).await, StaleVersion);
    assert_eq!(store.record(1).await, Some(record));
    assert_eq!(store.events(1).await.len(), 2);
}

pub async fn a_write_needs_the_version_before<F: PortFixture>(it: F) {
    let store = it.store();
    let one = first_commit(1).record;
    let nothing_there = noted_commit(&one, at(1));
    assert_eq!(store.conflict(nothing_there).await, StaleVersion);
    store.begin(1).await;
    let two = store.note(&one, 1).await;
    let past = noted_commit(&one, at(2));
    assert_eq!(store.conflict(past).await, StaleVersion);
    for (version, name) in [(two.version + 2, "the future"), (0, "no version")] {
        let mut commit = timer_commit(&two, None);
        commit.record.version = version;
        assert_eq!(store.conflict(commit).await, StaleVersion, "{name}");
    }
    store.assert_stored(&two).await;
}

pub async fn events_come_back_in_order_and_unchanged<F: PortFixture>(it: F) {
    let store = it.store();
    let mut expected = first_commit(1).events;
    let mut record = store.begin(1).await;
    store.begin(2).await;
    for second in 1..=12 {
        let commit = noted_commit(&record, at(second));
        expected.extend(commit.events.clone());
        record = store.put(commit).await;
        record = store.put(timer_commit(&record, None)).await;
    }
    assert_eq!(store.events(1).await, expected);
    store.assert_stored(&record).await;
    assert_eq!(store.events(2).await.len(), 1);
}

pub async fn an_event_has_the_next_number_or_none_is_written<F: PortFixture>(it: F) {
    let store = it.store();
    let record = store.begin(1).await;
    let mut gap = noted_commit(&record, at(1));
    let mut skipped = record.clone();
    skipped.events += 1;
    gap.events = noted_commit(&skipped, at(1)).events;
    let again = bare_commit(gap.record.clone(), first_commit(1).events.pop());
    let strange = bare_commit(
        gap.record.clone(),
        noted_commit(&first_commit(2).record, at(1)).events.pop(),
    );
    for wrong in [gap, again, strange] {
        assert!(store.commit(wrong).await.is_err());
        assert_eq!(store.record(1).await.as_ref(), Some(&record));
        assert_eq!(store.events(1).await, first_commit(1).events);
    }
}

pub async fn a_pipeline_has_one_owner<F: PortFixture>(it: F) {
    let store = it.store();
    let (one, two) = (store.begin(1).await, store.begin(2).await);
    let claim = |record: &DeployRecord, second| Commit {
        claim: Some(pipeline(7)),
        ..noted_commit(record, at(second))
    };
    let one = store.put(claim(&one, 1)).await;
    assert_eq!(store.owner(7).await, Some(id(1)));
    assert_eq!(store.conflict(claim(&two, 2)).await, Conflict::Claim(id(1)));
    store.assert_stored(&two).await;
    store.put(claim(&one, 3)).await;
    assert_eq!(store.owner(7).await, Some(id(1)));
    assert_eq!(store.owner(8).await, None);
}

pub async fn a_short_id_has_one_deploy<F: PortFixture>(it: F) {
    let store = it.store();
    store.begin(1).await;
    let mut second = first_commit(2);
    second.record.short_id = id(1).short_id(ShortId::USUAL);
    assert_eq!(store.conflict(second.clone()).await, Conflict::ShortId);
    assert_eq!(store.record(2).await, None);
    second.record.short_id = id(2).short_id(ShortId::LONGER);
    store.put(second).await;
    for (short, found) in [
        (id(1).short_id(ShortId::USUAL), Some(id(1))),
        (id(2).short_id(ShortId::LONGER), Some(id(2))),
        (id(2).short_id(ShortId::USUAL), None),
    ] {
        assert_eq!(store.by_short_id(&short).await, found, "{short}");
    }
}

pub async fn conditions_are_checked_in_order<F: PortFixture>(it: F) {
    let store = it.store();
    let record = store.begin(1).await;
    let taken = Commit {
        lock: Some(take_lock(at(1))),
        claim: Some(pipeline(7)),
        ..noted_commit(&record, at(1))
    };
    store.put(taken).await;
    let second = || Commit {
        lock: Some(take_lock(at(2))),
        claim: Some(pipeline(7)),
        ..first_commit(2)
    };
    let mut all = second();
    all.record.short_id = id(1).short_id(ShortId::USUAL);
    all.record.version = 2;
    assert_eq!(store.conflict(all.clone()).await, StaleVersion);
    all.record.version = 1;
    assert_eq!(store.conflict(all).await, Conflict::ShortId);
    assert!(matches!(store.conflict(second()).await, Conflict::Lock(_)));
    let mut claim = second();
    claim.lock = None;
    assert_eq!(store.conflict(claim).await, Conflict::Claim(id(1)));
}

pub async fn one_of_many_writers_wins<F: PortFixture>(it: F) {
    let store = it.store();
    let mut record = store.begin(1).await;
    for round in 1..=5 {
        let mut writers = JoinSet::new();
        for writer in 0..8 {
            let store = Arc::clone(&store);
            let commit = noted_commit(&record, at(round * 10 + writer));
            writers.spawn(async move { try_commit(&*store, commit).await });
        }
        let ended = writers.join_all().await;
        let (won, lost): (Vec<_>, Vec<_>) = ended.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|end| *end == Err(StaleVersion)));
        record = store.record(1).await.unwrap();
        assert_eq!(won, [Ok(record.clone())]);
    }
    store.assert_stored(&record).await;
    assert_eq!(store.events(1).await.len(), 6);
}
