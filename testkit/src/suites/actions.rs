//! What became of actions, and how many a user has requested; and the chain of retries.

use chatops_core::command::DeployAction;
use chatops_core::deploy::ActedBy;
use chatops_core::deploy::decide::RetryDecision;
use chatops_core::id::{DeployRef, QualifiedUser, RequestId};
use chatops_core::ports::{
    ActionOutcome, ActionRecord, ActionStore, Conflict, DeployReader, Ledger,
};

use super::retries::{assert_nothing_written, failed_deploy, retry_commit};
use super::support::{PortFixture, StoreExt, at, id};
use crate::suites::suite;

suite! { $ actions_checks:
    nothing_is_known_of_an_action_at_first,
    an_action_is_recorded_once,
    a_retry_and_its_action_are_written_together,
    a_retry_whose_action_is_on_record_writes_nothing,
    the_last_retry_is_found_from_the_first,
    the_actions_of_each_user_are_counted,
}

fn user(name: &str) -> QualifiedUser {
    QualifiedUser::parse(&format!("T0001/{name}")).unwrap()
}

fn action(key: &str, outcome: ActionOutcome) -> ActionRecord {
    ActionRecord {
        id: RequestId::of_request("T0001", "A0001", key),
        action: DeployAction::Retry {
            deploy: DeployRef::Full(id(1)),
            confirm: false,
            force: false,
        },
        requested_by: ActedBy::User(user("U0001").into()),
        at: at(5),
        outcome,
    }
}

fn refused(key: &str) -> ActionRecord {
    let (deploy, why) = (id(1), RetryDecision::TooOld);
    action(key, ActionOutcome::NotRetried { deploy, why })
}

pub async fn nothing_is_known_of_an_action_at_first<F: PortFixture>(it: F) {
    let known = it.store().read_action(refused("1").id).await;
    assert_eq!(known.unwrap(), None);
}

pub async fn an_action_is_recorded_once<F: PortFixture>(it: F) {
    let store = it.store();
    let first = refused("1");
    store.record_action(first.clone()).await.unwrap();
    let other = ActionRecord {
        at: at(9),
        ..first.clone()
    };
    store.record_action(other).await.unwrap();
    assert_eq!(store.read_action(first.id).await.unwrap(), Some(first));
    assert_eq!(store.read_action(refused("2").id).await.unwrap(), None);
}

pub async fn a_retry_and_its_action_are_written_together<F: PortFixture>(it: F) {
    let store = it.store();
    let old = failed_deploy(&*store, 1).await;
    let mut commit = retry_commit(&old, 2);
    let done = action("1", ActionOutcome::Retried { deploy: id(2) });
    commit.action = Some(done.clone());
    store.put(commit).await;
    assert_eq!(store.read_action(done.id).await.unwrap(), Some(done));
}

pub async fn a_retry_whose_action_is_on_record_writes_nothing<F: PortFixture>(it: F) {
    let store = it.store();
    let old = failed_deploy(&*store, 1).await;
    let known = refused("1");
    store.record_action(known.clone()).await.unwrap();
    let mut commit = retry_commit(&old, 2);
    commit.action = Some(action("1", ActionOutcome::Retried { deploy: id(2) }));
    assert_eq!(store.conflict(commit).await, Conflict::StaleVersion);
    assert_nothing_written(&*store, &old, 2).await;
    let last = store.find_last_retry(id(1)).await.unwrap();
    assert_eq!(last, None);
    assert_eq!(store.read_action(known.id).await.unwrap(), Some(known));
}

pub async fn the_last_retry_is_found_from_the_first<F: PortFixture>(it: F) {
    let store = it.store();
    let mut last = failed_deploy(&*store, 1).await;
    assert_eq!(store.find_last_retry(id(1)).await.unwrap(), None);
    for n in 2..6 {
        store.put(retry_commit(&last, n)).await;
        last = fail(&*store, n).await;
        // By both readers, and from the first alone.
        let found = store.find_last_retry(id(1)).await.unwrap();
        assert_eq!(found, Some(id(n)));
        let found = it.reader().find_last_retry(id(1)).await.unwrap();
        assert_eq!(found, Some(id(n)));
        assert_eq!(store.find_last_retry(id(n)).await.unwrap(), None);
    }
    assert_eq!(last.chain_root(), id(1));
}

/// Ends deploy `n`, which is on record, as not triggered.
async fn fail<S: Ledger>(store: &S, n: u32) -> chatops_core::deploy::DeployRecord {
    let record = store.read_deploy(id(n)).await.unwrap().unwrap();
    super::retries::fail_deploy(store, record).await
}

pub async fn the_actions_of_each_user_are_counted<F: PortFixture>(it: F) {
    let store = it.store();
    for n in 1..4 {
        let counted = store.count_action(&user("U0001"), at(n)).await.unwrap();
        assert_eq!((i64::from(counted.count), counted.since), (n, at(1)));
    }
    let other = store.count_action(&user("U0002"), at(9)).await.unwrap();
    assert_eq!((other.count, other.since), (1, at(9)));
    let later = store.count_action(&user("U0001"), at(61)).await.unwrap();
    assert_eq!((later.count, later.since), (1, at(61)));
}
