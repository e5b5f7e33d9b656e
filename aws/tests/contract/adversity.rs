//! What only a service behind a network does: lost answers, throttling, writers in each other's way.

use std::sync::Arc;
use std::time::Duration;

use chatops_aws::dynamodb::DynamoDb;
use chatops_aws::sqs::{QueueUrls, Sqs};
use chatops_core::audit;
use chatops_core::notification::{DeliveryStatus, NotificationKind};
use chatops_core::ports::{
    Commit, CommitError, Conflict, DeployReader, Ledger, MessageQueue, NotificationStore,
    QueueName, SendError,
};
use chatops_testkit::account::make_table;
use chatops_testkit::emulator::{self, endpoint, unique};
use chatops_testkit::proxy::{NetFault, Proxy, ProxyRequest, cancelled, refusal};
use tokio::task::JoinSet;

use crate::fixtures::{AwsFixture, run_check};
use chatops_testkit::suites::support::{
    PortFixture, at, begin_deploy, block_on, body, first_commit, id, noted_commit, take_lock,
    target, try_commit,
};

const WRITE: &str = "TransactWriteItems";

/// As often as a call is tried.
const ATTEMPTS: usize = 4;

/// Runs a check of a ledger behind a proxy.
fn behind_proxy(check: impl AsyncFnOnce(Proxy, DynamoDb)) {
    block_on(async {
        let (proxy, name) = (Proxy::start().await, unique());
        let direct = emulator::aws_clients(&endpoint().url);
        let store = make_table(&proxy.aws(), &name).await;
        check(proxy, store).await;
        let table = direct.dynamodb().delete_table().table_name(name);
        table.send().await.unwrap();
    });
}

fn tokens(requests: &[ProxyRequest]) -> Vec<&str> {
    let name = "\"ClientRequestToken\":\"";
    let bodies = requests.iter().map(|request| request.body.as_str());
    bodies
        .map(|body| body.split_once(name).unwrap().1.split('"').next().unwrap())
        .collect()
}

#[test]
fn of_fifty_writers_one_wins_each_version() {
    run_check(async |it: AwsFixture| {
        let store = it.store();
        let mut record = begin_deploy(&*store, 1).await;
        for round in 1..=3 {
            let mut writers = JoinSet::new();
            for writer in 0..50 {
                let store = Arc::clone(&store);
                let commit = noted_commit(&record, at(round * 100 + writer));
                writers.spawn(async move { try_commit(&*store, commit).await });
            }
            let ended = writers.join_all().await;
            let (won, lost): (Vec<_>, Vec<_>) = ended.into_iter().partition(Result::is_ok);
            assert_eq!(won.len(), 1);
            assert!(lost.iter().all(|end| *end == Err(Conflict::StaleVersion)));
            record = store.read_deploy(id(1)).await.unwrap().unwrap();
            assert_eq!(won, [Ok(record.clone())]);
        }
        let events = store.read_events(id(1)).await.unwrap();
        let verified = audit::verify_chain(id(1), &events, record.last_hash);
        assert_eq!(verified, Ok(()));
        assert_eq!(events.len(), 4);
    });
}

#[test]
fn a_lost_answer_is_no_conflict() {
    behind_proxy(async |proxy, store| {
        let lost = || proxy.inject(WRITE, vec![NetFault::LoseAnswer; ATTEMPTS - 1]);
        lost();
        let record = begin_deploy(&store, 1).await;
        let requests = proxy.passed();
        assert_eq!(requests.len(), ATTEMPTS);
        let tokens: Vec<_> = tokens(&requests);
        assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");

        lost();
        let commit = Commit {
            lock: Some(take_lock(at(1))),
            notifications: vec![NotificationKind::Final],
            ..noted_commit(&record, at(1))
        };
        let record = try_commit(&store, commit).await.unwrap();
        assert_eq!(store.read_deploy(id(1)).await.unwrap(), Some(record));
        assert_eq!(store.read_events(id(1)).await.unwrap().len(), 2);
        let lock = store.read_lock(&target()).await.unwrap().unwrap();
        assert_eq!((lock.deploy, lock.since), (id(1), at(1)));

        lost();
        let mut notification = store.read_notification(id(1)).await.unwrap().unwrap();
        assert_eq!(
            notification.final_status,
            DeliveryStatus::Pending { from: at(1) }
        );
        notification.version += 1;
        store.save_notification(notification).await.unwrap();
        assert_eq!(proxy.passed().len(), ATTEMPTS);
    });
}

#[test]
fn two_writers_of_the_same_content_do_not_both_win() {
    behind_proxy(async |proxy, store| {
        let record = begin_deploy(&store, 1).await;
        proxy.inject(WRITE, vec![]);
        let commit = noted_commit(&record, at(1));
        try_commit(&store, commit.clone()).await.unwrap();
        let second = try_commit(&store, commit).await;
        assert_eq!(second, Err(Conflict::StaleVersion));
        let requests = proxy.passed();
        let tokens = tokens(&requests);
        assert_eq!(tokens.len(), 2);
        assert_ne!(tokens[0], tokens[1]);
    });
}

#[test]
fn what_stays_unknown_is_reported_and_can_be_read() {
    behind_proxy(async |proxy, store| {
        proxy.inject(WRITE, vec![NetFault::LoseAnswer; ATTEMPTS]);
        let ended = store.commit(first_commit(1)).await;
        assert!(matches!(ended, Err(CommitError::Ledger(_))), "{ended:?}");
        let stored = store.read_deploy(id(1)).await.unwrap();
        assert_eq!(stored, Some(first_commit(1).record));
        let again = try_commit(&store, first_commit(1)).await;
        assert_eq!(again, Err(Conflict::StaleVersion));
    });
}

#[test]
fn what_will_pass_is_waited_for() {
    behind_proxy(async |proxy, store| {
        let mut record = begin_deploy(&store, 1).await;
        for (n, fault) in [
            refusal("ThrottlingException", ""),
            refusal("ProvisionedThroughputExceededException", ""),
            refusal("TransactionInProgressException", ""),
            cancelled(&["TransactionConflict", "None"]),
            cancelled(&["None", "ThrottlingError"]),
            cancelled(&["ProvisionedThroughputExceeded", "None"]),
        ]
        .into_iter()
        .enumerate()
        {
            proxy.inject(WRITE, vec![fault; 3]);
            record = try_commit(&store, noted_commit(&record, at(1)))
                .await
                .unwrap();
            let requests = proxy.passed();
            assert_eq!(requests.len(), 4, "fault {n}");
            let tokens = tokens(&requests);
            assert!(tokens.iter().all(|token| *token == tokens[0]), "fault {n}");
        }
    });
}

#[test]
fn what_does_not_pass_is_given_up_and_nothing_is_written() {
    behind_proxy(async |proxy, store| {
        let record = begin_deploy(&store, 1).await;
        for (fault, words, tries) in [
            (refusal("ThrottlingException", ""), "ThrottlingException", 4),
            (cancelled(&["TransactionConflict"]), "may work later", 8),
            (
                cancelled(&["None", "ValidationError"]),
                "ValidationError",
                1,
            ),
            (
                refusal("IdempotentParameterMismatchException", ""),
                "Mismatch",
                1,
            ),
            (refusal("ValidationException", ""), "ValidationException", 1),
            (refusal("ResourceNotFoundException", ""), "NotFound", 1),
        ] {
            proxy.inject(WRITE, vec![fault; 20]);
            let error = store.commit(noted_commit(&record, at(1))).await;
            let error = error.unwrap_err();
            let CommitError::Ledger(error) = error else {
                panic!("{words}: {error}")
            };
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(proxy.passed().len(), tries, "{words}");
            let stored = store.read_deploy(id(1)).await.unwrap();
            assert_eq!(stored.as_ref(), Some(&record));
        }
    });
}

#[test]
fn a_message_whose_answer_is_lost_is_there() {
    run_check(async |it: AwsFixture| {
        let proxy = Proxy::start().await;
        let direct = it.queue();
        let address = direct.queue_url(QueueName::Work).unwrap().to_owned();
        let addresses: QueueUrls = [(QueueName::Work, address)].into_iter().collect();
        let queue = Sqs::new(proxy.aws().sqs(), addresses).without_wait();
        let one = body("one");
        let send = async |queue_name| queue.send(queue_name, &one, Duration::ZERO).await;

        proxy.inject("SendMessage", vec![NetFault::LoseAnswer]);
        send(QueueName::Work).await.unwrap();
        let hidden = Duration::from_secs(60);
        let found = direct.receive(QueueName::Work, 10, hidden).await.unwrap();
        assert_eq!(found.len(), 2, "at least once");

        proxy.inject("SendMessage", vec![NetFault::LoseAnswer; ATTEMPTS]);
        let ended = send(QueueName::Work).await;
        assert!(matches!(ended, Err(SendError::Unknown(_))), "{ended:?}");
        proxy.inject("SendMessage", vec![refusal("AccessDeniedException", "")]);
        let ended = send(QueueName::Work).await;
        assert!(matches!(ended, Err(SendError::NotSent(_))), "{ended:?}");
        let ended = send(QueueName::Notify).await;
        let Err(SendError::NotSent(words)) = ended else {
            panic!("{ended:?}")
        };
        let named = words.to_string().contains("CHATOPS_NOTIFY_QUEUE_URL");
        assert!(named, "{words}");
    });
}

#[test]
fn what_another_writer_only_adds_to_is_read_again() {
    behind_proxy(async |proxy, store| {
        let record = begin_deploy(&store, 1).await;
        let commit = |record| Commit {
            lock: Some(take_lock(at(1))),
            notifications: vec![NotificationKind::Final],
            ..noted_commit(record, at(1))
        };
        // The writes are the record, the lock, the event and the notification record.
        let none = "None";
        let failed = "ConditionalCheckFailed";
        let freed = cancelled(&[none, failed, none, none]);
        let changed = cancelled(&[none, none, none, failed]);
        proxy.inject(WRITE, vec![freed.clone(), changed]);
        let record = try_commit(&store, commit(&record)).await.unwrap();
        let requests = proxy.passed();
        let mut tokens = tokens(&requests);
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), 3, "each is a transaction of its own");
        proxy.inject(WRITE, vec![freed; 20]);
        let error = store.commit(commit(&record)).await.unwrap_err();
        assert!(matches!(&error, CommitError::Ledger(_)), "{error}");
        assert!(error.to_string().contains("under every try"), "{error}");
    });
}
