//! Messages come twice, in another order, beside bad ones, and to two invocations at once.

use chatops_core::deploy::DeployState;
use chatops_core::id::DeployId;
use chatops_core::ports::QueueName;
use chatops_testkit::{deploy_id, wait_until};
use serde_json::json;

use crate::function::InvokeOutcome;
use crate::gateway::PayloadFormat;
use crate::mapping::{DeliveryMode, failed_ids};
use crate::world::{LEFT, LambdaWorld};

/// Every message of both queues comes four times, and the last of a batch first.
#[tokio::test]
async fn what_comes_twice_happens_once() {
    let world = LambdaWorld::new().await;
    let mut all = Vec::new();
    for branch in ["main", "one", "two"] {
        all.push(world.request_deploy(&format!("{branch} test")).await);
    }
    world.connect(DeliveryMode::Twice);
    for sent in &all {
        world.wait_for_end(sent, DeployState::Succeeded, 1).await;
        let shown = world.notified(sent);
        let ends = shown.iter().filter(|text| text.contains("*Succeeded:*"));
        assert_eq!(ends.count(), 1, "{shown:#?}");
    }
    assert_eq!(world.posts(), 3);
    world.check_logs();
}

/// Two processes get the same batch at the same time, each message twice in it.
#[tokio::test]
async fn two_runs_at_once_make_one_pipeline() {
    let world = LambdaWorld::new().await;
    let one = world.request_deploy("main test").await;
    let two = world.request_deploy("other test").await;
    let messages = world.take_messages(QueueName::Work).await;
    assert_eq!(messages.len(), 2);
    let other = world.another_worker();
    tokio::join!(world.worker.warm_up(), other.warm_up());
    let there = messages.iter().chain(&messages);
    let back = world.batch_event(QueueName::Work, there.clone().rev());
    let there = world.batch_event(QueueName::Work, there);
    let (first, second) =
        tokio::join!(world.worker.invoke(&there, LEFT), other.invoke(&back, LEFT));
    assert_eq!(failed_ids(&first.into_answer()), [""; 0]);
    assert_eq!(failed_ids(&second.into_answer()), [""; 0]);
    world.connect(DeliveryMode::Once);
    for sent in [&one, &two] {
        world.wait_for_end(sent, DeployState::Succeeded, 1).await;
    }
    assert_eq!(world.posts(), 2);
    other.check_log(&["canary"]);
    world.check_logs();
}

/// A wake-up for a deploy comes before the command itself, and after its end.
#[tokio::test]
async fn in_another_order_it_is_the_same() {
    let world = LambdaWorld::new().await;
    let sent = world.request_deploy("main deploy").await;
    let id = deploy_id(&sent);
    let command = world.take_messages(QueueName::Work).await;
    let wake_up = json!({"type": "poll.v1", "deploy": id}).to_string();
    world.send_message_text(QueueName::Polls, &wake_up).await;
    let notify = json!({"type": "notify.v1", "deploy": id}).to_string();
    world.send_message_text(QueueName::Notify, &notify).await;
    let mappings = world.connect(DeliveryMode::Once);
    let [_, notify, polls, _] = &mappings;
    for mapping in [notify, polls] {
        wait_until("the wake-up to be handled", async || {
            let runs = mapping.runs.lock().unwrap();
            runs.first().map(|run| assert_eq!(run.failed, [""; 0]))
        })
        .await;
    }
    assert_eq!(world.record(id).await, None);
    world
        .hand_batch(&world.worker, QueueName::Work, &command, LEFT)
        .await;
    let record = world.wait_for_end(&sent, DeployState::Succeeded, 1).await;
    world.send_message_text(QueueName::Polls, &wake_up).await;
    let answer = world
        .hand_batch(&world.worker, QueueName::Work, &command, LEFT)
        .await;
    assert_eq!(failed_ids(&answer), [""; 0]);
    world.is_empty_but(QueueName::Work, command.len()).await;
    assert_eq!(world.record(id).await, Some(record));
    assert_eq!(world.posts(), 1);
    world.check_logs();
}

/// What can never be handled is buried at once: it comes again to nobody and delays nothing.
#[tokio::test]
async fn a_bad_message_is_buried_alone() {
    let world = LambdaWorld::new().await;
    let unknown = r#"{"type":"nothing.v9"}"#;
    let misplaced = json!({"type": "retry.v1", "deploy": DeployId::of_request("T1", "A1", "1")});
    let misplaced = misplaced.to_string();
    let poison = "poison\u{1f4a3}";
    for (queue, text) in [
        (QueueName::Work, unknown),
        (QueueName::Polls, &misplaced),
        (QueueName::Operators, &misplaced),
        (QueueName::Notify, poison),
    ] {
        world.send_message_text(queue, text).await;
    }
    let sents = [
        world.request_deploy("main deploy").await,
        world.request_deploy("main test").await,
    ];
    let work = world.new_mapping(QueueName::Work, DeliveryMode::Once);
    let run = work.receive_once(1).await.unwrap();
    assert_eq!((run.bodies.len(), run.failed), (3, vec![]));
    world.connect(DeliveryMode::Once);
    for sent in &sents {
        world.wait_for_end(sent, DeployState::Succeeded, 1).await;
    }
    for (dlq, count) in [(QueueName::WorkDlq, 3), (QueueName::NotifyDlq, 1)] {
        let buried = async || (world.queue_depth(dlq).await == count).then_some(());
        wait_until("the bad ones to be buried", buried).await;
    }
    let buried = world.take_messages(QueueName::WorkDlq).await;
    let mut buried: Vec<_> = buried.into_iter().filter_map(|one| one.body).collect();
    buried.sort();
    // What an operator has sent can be redriven, and is no retry then.
    let [first, wrapped, last] = &buried[..] else {
        panic!("{buried:?}")
    };
    assert_eq!([first.as_str(), last.as_str()], [&*misplaced, unknown]);
    assert!(wrapped.contains(r#""type":"buried.v1","queue":"operators""#));
    let logs = [world.worker.log(), world.notifier.log()].concat();
    let said = |line: &&String| line.contains(r#""buried":1"#) && line.contains("ERROR");
    assert_eq!(logs.iter().filter(said).count(), 4);
    world.check_logs();
}

/// A stranger's event is an error, but does not end the process.
#[tokio::test]
async fn what_is_no_event_of_its_own_is_an_error_and_nothing_more() {
    let world = LambdaWorld::new().await;
    let web = PayloadFormat::V2.encode_event("GET", "/healthz", &[], b"", false);
    let stranger = json!({"detail-type": "Something Else", "source": "aws.s3"});
    for (function, event) in [
        (&world.worker, &web),
        (&world.worker, &stranger),
        (&world.notifier, &stranger),
        (&world.ingest, &stranger),
        (&world.ingest, &json!(null)),
        (&world.notifier, &json!([1, 2])),
    ] {
        let outcome = function.invoke(event, LEFT).await;
        let InvokeOutcome::Error(error) = outcome else {
            panic!("{event}: {outcome:?}")
        };
        assert!(error["errorMessage"].is_string(), "{error}");
    }
    // The same processes go on.
    let sent = world.request_deploy("main deploy").await;
    world.connect(DeliveryMode::Once);
    world.wait_for_end(&sent, DeployState::Succeeded, 1).await;
    assert_eq!(world.worker.starts(), 1);
    world.check_logs();
}
