//! Messages come twice, in another order, beside bad ones, and to two runs at once.

use chatops_core::deploy::State;
use chatops_core::ports::Lane;
use chatops_testbed::{deploy_id, until};
use serde_json::json;

use crate::gateway::Payload;
use crate::mapping::{Manner, Run, failures, record};
use crate::world::{LEFT, World};

/// Every message of both queues comes four times, and the last of a batch first.
#[tokio::test]
async fn what_comes_twice_happens_once() {
    let world = World::new().await;
    let mut all = Vec::new();
    for branch in ["main", "one", "two"] {
        all.push(world.asks(&format!("{branch} test")).await);
    }
    world.connect(Manner::Twice);
    for sent in &all {
        world.ends(sent, State::Succeeded, 1).await;
        let told = world.told(sent);
        let ends = told.iter().filter(|shown| shown.contains("*Succeeded:*"));
        assert_eq!(ends.count(), 1, "{told:#?}");
    }
    assert_eq!(world.posts(), 3);
    world.check_logs();
}

/// Two processes get the same batch at the same time, each message twice in it.
#[tokio::test]
async fn two_runs_at_once_make_one_pipeline() {
    let world = World::new().await;
    let one = world.asks("main test").await;
    let two = world.asks("other test").await;
    let messages = world.takes(Lane::Work).await;
    assert_eq!(messages.len(), 2);
    let other = world.another_worker();
    tokio::join!(world.worker.warm_up(), other.warm_up());
    let there: Vec<_> = messages.iter().chain(&messages).map(record).collect();
    let back: Vec<_> = there.iter().rev().cloned().collect();
    let (there, back) = (json!({ "Records": there }), json!({ "Records": back }));
    let (first, second) =
        tokio::join!(world.worker.invoke(&there, LEFT), other.invoke(&back, LEFT));
    assert_eq!(failures(&first.answer()), [""; 0]);
    assert_eq!(failures(&second.answer()), [""; 0]);
    world.connect(Manner::Plainly);
    for sent in [&one, &two] {
        world.ends(sent, State::Succeeded, 1).await;
    }
    assert_eq!(world.posts(), 2);
    other.check_log(&["canary"]);
    world.check_logs();
}

/// A hint of a deploy comes before the command itself, and after its end.
#[tokio::test]
async fn in_another_order_it_is_the_same() {
    let world = World::new().await;
    let sent = world.asks("main deploy").await;
    let id = deploy_id(&sent);
    let command = world.takes(Lane::Work).await;
    let hint = json!({"type": "look.v1", "deploy": id}).to_string();
    world.sends(Lane::Work, &hint).await;
    world
        .sends(
            Lane::Notice,
            &json!({"type": "tell.v1", "deploy": id}).to_string(),
        )
        .await;
    let mappings = world.connect(Manner::Plainly);
    for mapping in &mappings {
        until("the hint to be worked on", async || {
            let runs = mapping.runs.lock().unwrap();
            runs.first().map(|run| assert_eq!(run.failed, [""; 0]))
        })
        .await;
    }
    assert_eq!(world.head(id).await, None);
    world.hands(&world.worker, &command, LEFT).await;
    let head = world.ends(&sent, State::Succeeded, 1).await;
    world.sends(Lane::Work, &hint).await;
    let answer = world.hands(&world.worker, &command, LEFT).await;
    assert_eq!(failures(&answer), [""; 0]);
    world.is_empty_but(Lane::Work, command.len()).await;
    assert_eq!(world.head(id).await, Some(head));
    assert_eq!(world.posts(), 1);
    world.check_logs();
}

/// Of a batch only what could not be read comes again.
#[tokio::test]
async fn one_bad_message_comes_again_alone() {
    let world = World::new().await;
    for (lane, bad) in [
        (Lane::Work, "{\"type\":\"nothing.v9\"}"),
        (Lane::Notice, "\u{0}poison\u{1f4a3}"),
    ] {
        let bad = bad.trim_start_matches('\u{0}');
        world.sends(lane, bad).await;
    }
    let work = world.mapping(Lane::Work, Manner::Plainly);
    let sents = [
        world.asks("main deploy").await,
        world.asks("main test").await,
    ];
    let run = work.once(1).await.unwrap();
    let bad = vec!["{\"type\":\"nothing.v9\"}".to_owned()];
    assert_eq!((run.bodies.len(), &run.failed), (3, &bad));
    let notices = world.connect(Manner::Plainly);
    for sent in &sents {
        world.ends(sent, State::Succeeded, 1).await;
    }
    let [work, notice] = &notices;
    for (mapping, words) in [(work, "nothing.v9"), (notice, "poison")] {
        // It comes again, and only it: once in a batch of others, then whenever its pause is over.
        let failed = async || {
            let runs = mapping.runs.lock().unwrap();
            let bad = |run: &&Run| !run.failed.is_empty();
            let bad: Vec<_> = runs.iter().filter(bad).cloned().collect();
            (bad.len() >= 2).then_some(bad)
        };
        for run in until("the bad one to come again", failed).await {
            let only = run.failed.len() == 1 && run.failed[0].contains(words);
            assert!(only, "{run:#?}");
        }
    }
    let logs = [world.worker.log(), world.notifier.log()].concat();
    let said = |line: &&String| line.contains("a message will come again");
    assert!(logs.iter().filter(said).count() >= 4);
    world.check_logs();
}

/// The answer to the schedule is no batch's, and a stranger's event is an error without an end of
/// the process.
#[tokio::test]
async fn what_is_no_event_of_its_own_is_an_error_and_nothing_more() {
    let world = World::new().await;
    let web = Payload::Two.event("GET", "/healthz", &[], b"", false);
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
        let crate::function::Outcome::Error(error) = outcome else {
            panic!("{event}: {outcome:?}")
        };
        assert!(error["errorMessage"].is_string(), "{error}");
    }
    // The same processes go on.
    let sent = world.asks("main deploy").await;
    world.connect(Manner::Plainly);
    world.ends(&sent, State::Succeeded, 1).await;
    assert_eq!(world.worker.starts(), 1);
    world.check_logs();
}
