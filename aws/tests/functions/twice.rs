//! Messages come twice, in another order, beside bad ones, and to two invocations at once.

use chatops_core::deploy::DeployState;
use chatops_core::ports::QueueName;
use chatops_testkit::{deploy_id, wait_until};
use serde_json::json;

use crate::function::InvokeOutcome;
use crate::gateway::PayloadFormat;
use crate::mapping::{BatchRun, DeliveryMode, event_record, failed_ids};
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
    let there: Vec<_> = messages.iter().chain(&messages).map(event_record).collect();
    let back: Vec<_> = there.iter().rev().cloned().collect();
    let (there, back) = (json!({ "Records": there }), json!({ "Records": back }));
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
    world.send_message_text(QueueName::Work, &wake_up).await;
    let notify = json!({"type": "notify.v1", "deploy": id}).to_string();
    world.send_message_text(QueueName::Notify, &notify).await;
    let mappings = world.connect(DeliveryMode::Once);
    for mapping in &mappings {
        wait_until("the wake-up to be handled", async || {
            let runs = mapping.runs.lock().unwrap();
            runs.first().map(|run| assert_eq!(run.failed, [""; 0]))
        })
        .await;
    }
    assert_eq!(world.record(id).await, None);
    world.hand_batch(&world.worker, &command, LEFT).await;
    let record = world.wait_for_end(&sent, DeployState::Succeeded, 1).await;
    world.send_message_text(QueueName::Work, &wake_up).await;
    let answer = world.hand_batch(&world.worker, &command, LEFT).await;
    assert_eq!(failed_ids(&answer), [""; 0]);
    world.is_empty_but(QueueName::Work, command.len()).await;
    assert_eq!(world.record(id).await, Some(record));
    assert_eq!(world.posts(), 1);
    world.check_logs();
}

/// Of a batch only the unreadable message comes again.
#[tokio::test]
async fn one_bad_message_comes_again_alone() {
    let world = LambdaWorld::new().await;
    let unknown = r#"{"type":"nothing.v9"}"#;
    world.send_message_text(QueueName::Work, unknown).await;
    let poison = "poison\u{1f4a3}";
    world.send_message_text(QueueName::Notify, poison).await;
    let work = world.new_mapping(QueueName::Work, DeliveryMode::Once);
    let sents = [
        world.request_deploy("main deploy").await,
        world.request_deploy("main test").await,
    ];
    let run = work.receive_once(1).await.unwrap();
    assert_eq!(
        (run.bodies.len(), run.failed),
        (3, vec![unknown.to_owned()])
    );
    let mappings = world.connect(DeliveryMode::Once);
    for sent in &sents {
        world.wait_for_end(sent, DeployState::Succeeded, 1).await;
    }
    let [work, notify] = &mappings;
    for (mapping, words) in [(work, "nothing.v9"), (notify, "poison")] {
        // Only it comes again: once in a batch of others, then after each pause.
        let failed = async || {
            let runs = mapping.runs.lock().unwrap();
            let bad = |run: &&BatchRun| !run.failed.is_empty();
            let bad: Vec<_> = runs.iter().filter(bad).cloned().collect();
            (bad.len() >= 2).then_some(bad)
        };
        for run in wait_until("the bad one to come again", failed).await {
            let only = run.failed.len() == 1 && run.failed[0].contains(words);
            assert!(only, "{run:#?}");
        }
    }
    let logs = [world.worker.log(), world.notifier.log()].concat();
    let said = |line: &&String| line.contains("a message will come again");
    assert!(logs.iter().filter(said).count() >= 4);
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
