//! What only a service behind a network does: lost answers, throttling, writers in each other's way.

use std::sync::Arc;
use std::time::Duration;

use chatops_aws::dynamodb::DynamoDb;
use chatops_aws::sqs::{Addresses, Sqs};
use chatops_core::audit;
use chatops_core::ports::{Commit, CommitError, Conflict, Lane, Queue, Replies, SendError, Store};
use chatops_core::reply::{Kind, Telling};
use chatops_testbed::account::make_table;
use chatops_testbed::emulator::{self, endpoint, unique};
use chatops_testbed::proxy::{Fault, Proxy, Request, cancelled, refusal};
use tokio::task::JoinSet;

use crate::fixtures::{Cloud, run};
use crate::suites::support::{
    Fixture, at, begun, block_on, body, done, first, id, noted, take, target,
};

const WRITE: &str = "TransactWriteItems";

/// As often as a call is tried.
const ATTEMPTS: usize = 4;

/// Runs a check of a ledger behind a proxy.
fn behind(check: impl AsyncFnOnce(Proxy, DynamoDb)) {
    block_on(async {
        let (proxy, name) = (Proxy::start().await, unique());
        let direct = emulator::aws(&endpoint().url);
        let store = make_table(&proxy.aws(), &name).await;
        check(proxy, store).await;
        let table = direct.dynamodb().delete_table().table_name(name);
        table.send().await.unwrap();
    });
}

fn tokens(requests: &[Request]) -> Vec<&str> {
    let name = "\"ClientRequestToken\":\"";
    let bodies = requests.iter().map(|request| request.body.as_str());
    bodies
        .map(|body| body.split_once(name).unwrap().1.split('"').next().unwrap())
        .collect()
}

#[test]
fn of_fifty_writers_one_wins_each_version() {
    run(async |it: Cloud| {
        let store = it.store();
        let mut head = begun(&*store, 1).await;
        for round in 1..=3 {
            let mut writers = JoinSet::new();
            for writer in 0..50 {
                let store = Arc::clone(&store);
                let commit = noted(&head, at(round * 100 + writer));
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
        assert_eq!(events.len(), 4);
    });
}

#[test]
fn a_lost_answer_is_no_conflict() {
    behind(async |proxy, store| {
        let lost = || proxy.fail(WRITE, vec![Fault::Lost; ATTEMPTS - 1]);
        lost();
        let head = begun(&store, 1).await;
        let requests = proxy.passed();
        assert_eq!(requests.len(), ATTEMPTS);
        let tokens: Vec<_> = tokens(&requests);
        assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");

        lost();
        let commit = Commit {
            lock: Some(take(at(1))),
            owe: vec![Kind::Final],
            ..noted(&head, at(1))
        };
        let head = done(&store, commit).await.unwrap();
        assert_eq!(store.head(id(1)).await.unwrap(), Some(head));
        assert_eq!(store.events(id(1)).await.unwrap().len(), 2);
        let lock = store.lock(&target()).await.unwrap().unwrap();
        assert_eq!((lock.deploy, lock.since), (id(1), at(1)));

        lost();
        let mut reply = store.reply(id(1)).await.unwrap().unwrap();
        assert_eq!(reply.last, Telling::Owed { from: at(1) });
        reply.version += 1;
        store.save(reply).await.unwrap();
        assert_eq!(proxy.passed().len(), ATTEMPTS);
    });
}

#[test]
fn two_writers_of_the_same_content_do_not_both_win() {
    behind(async |proxy, store| {
        let head = begun(&store, 1).await;
        proxy.fail(WRITE, vec![]);
        let commit = noted(&head, at(1));
        done(&store, commit.clone()).await.unwrap();
        assert_eq!(done(&store, commit).await, Err(Conflict::Version));
        let requests = proxy.passed();
        let tokens = tokens(&requests);
        assert_eq!(tokens.len(), 2);
        assert_ne!(tokens[0], tokens[1]);
    });
}

#[test]
fn what_stays_unknown_is_told_and_can_be_read() {
    behind(async |proxy, store| {
        proxy.fail(WRITE, vec![Fault::Lost; ATTEMPTS]);
        let ended = store.commit(first(1)).await;
        assert!(matches!(ended, Err(CommitError::Store(_))), "{ended:?}");
        assert_eq!(store.head(id(1)).await.unwrap(), Some(first(1).head));
        assert_eq!(done(&store, first(1)).await, Err(Conflict::Version));
    });
}

#[test]
fn what_will_pass_is_waited_for() {
    behind(async |proxy, store| {
        let mut head = begun(&store, 1).await;
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
            proxy.fail(WRITE, vec![fault; 3]);
            head = done(&store, noted(&head, at(1))).await.unwrap();
            let requests = proxy.passed();
            assert_eq!(requests.len(), 4, "fault {n}");
            let tokens = tokens(&requests);
            assert!(tokens.iter().all(|token| *token == tokens[0]), "fault {n}");
        }
    });
}

#[test]
fn what_does_not_pass_is_given_up_and_nothing_is_written() {
    behind(async |proxy, store| {
        let head = begun(&store, 1).await;
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
            proxy.fail(WRITE, vec![fault; 20]);
            let error = store.commit(noted(&head, at(1))).await.unwrap_err();
            let CommitError::Store(error) = error else {
                panic!("{words}: {error}")
            };
            assert!(error.0.contains(words), "{error}");
            assert_eq!(proxy.passed().len(), tries, "{words}");
            assert_eq!(store.head(id(1)).await.unwrap().as_ref(), Some(&head));
        }
    });
}

#[test]
fn a_message_whose_answer_is_lost_is_there() {
    run(async |it: Cloud| {
        let proxy = Proxy::start().await;
        let direct = it.queue();
        let address = direct.address(Lane::Work).unwrap().to_owned();
        let addresses: Addresses = [(Lane::Work, address)].into_iter().collect();
        let queue = Sqs::new(proxy.aws().sqs(), addresses).impatient();
        let send = async || queue.send(Lane::Work, &body("one"), Duration::ZERO).await;

        proxy.fail("SendMessage", vec![Fault::Lost]);
        send().await.unwrap();
        let hidden = Duration::from_secs(60);
        let found = direct.receive(Lane::Work, 10, hidden).await.unwrap();
        assert_eq!(found.len(), 2, "at least once");

        proxy.fail("SendMessage", vec![Fault::Lost; ATTEMPTS]);
        let ended = send().await;
        assert!(matches!(ended, Err(SendError::Unknown(_))), "{ended:?}");
        proxy.fail("SendMessage", vec![refusal("AccessDeniedException", "")]);
        let ended = send().await;
        assert!(matches!(ended, Err(SendError::NotSent(_))), "{ended:?}");
        let ended = queue.send(Lane::Notice, &body("one"), Duration::ZERO).await;
        let Err(SendError::NotSent(words)) = ended else {
            panic!("{ended:?}")
        };
        assert!(words.contains("CHATOPS_NOTICE_QUEUE_URL"), "{words}");
    });
}

#[test]
fn what_another_writer_only_adds_to_is_read_again() {
    behind(async |proxy, store| {
        let head = begun(&store, 1).await;
        let commit = |head| Commit {
            lock: Some(take(at(1))),
            owe: vec![Kind::Final],
            ..noted(head, at(1))
        };
        // The writes are the record, the lock, the event and the reply item.
        let none = "None";
        let failed = "ConditionalCheckFailed";
        let freed = cancelled(&[none, failed, none, none]);
        let told = cancelled(&[none, none, none, failed]);
        proxy.fail(WRITE, vec![freed.clone(), told]);
        let head = done(&store, commit(&head)).await.unwrap();
        let requests = proxy.passed();
        let mut tokens = tokens(&requests);
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), 3, "each is a transaction of its own");
        proxy.fail(WRITE, vec![freed; 20]);
        let error = store.commit(commit(&head)).await.unwrap_err();
        assert!(matches!(&error, CommitError::Store(_)), "{error}");
        assert!(error.to_string().contains("under every try"), "{error}");
    });
}
