//! CircleCI's webhooks through the real process: the final word without waiting for the next look.

use std::time::{Duration, Instant};

use chatops_core::deploy::State;
use chatops_sandbox::circleci::{Delivery, Event, Script};
use chatops_sandbox::{Entry, Seen};

use crate::support::{PATIENCE, Server, World, now};

const SECRET: &str = "canary3webhook3secret3of3circleci";

/// Looks are hours apart: whatever is told in these tests is told because of an event.
const SELDOM: &str = r#"
poll_first = "5h"
poll_longest = "5h"
sweep_every = "1h"
"#;

async fn events(times: &str) -> (World, Server) {
    let world = World::with_times(times).await;
    let mut command = world.command();
    command.env("CIRCLECI_WEBHOOK_SECRET", SECRET);
    let server = Server::start(command).await;
    let url = format!("http://{}/circleci/webhook", server.address());
    world.sandbox.hear_circleci(&url, Some(SECRET));
    (world, server)
}

fn webhooks(entries: &[Entry]) -> Vec<(String, Option<u16>)> {
    let webhook = |entry: &Entry| match &entry.what {
        Seen::Webhook { event, status, .. } => Some((event.clone(), *status)),
        _ => None,
    };
    entries.iter().filter_map(webhook).collect()
}

#[tokio::test]
async fn the_final_word_follows_the_event_and_not_the_clock() {
    let (world, server) = events(SELDOM).await;
    let build = Duration::from_secs(1);
    world
        .sandbox
        .circleci()
        .lock()
        .script("deploy", Script::success(build));
    world.types(&server, "main deploy").await;
    world.message("*Succeeded:*").await;
    // The event counts as sent when it was answered; the message follows the look it asked for.
    let at = |wanted: fn(&Seen) -> bool| {
        let entries = world.sandbox.journal().entries();
        let entry = entries.iter().find(|entry| wanted(&entry.what)).unwrap();
        entry.at
    };
    let event =
        at(|seen| matches!(seen, Seen::Webhook { event, .. } if event == "workflow-completed"));
    let last = at(
        |seen| matches!(seen, Seen::SlackMessage { shown, .. } if shown.contains("*Succeeded:*")),
    );
    println!(
        "the final word came {} after the event's answer",
        last - event
    );
    let records = world.records();
    assert_eq!(records.only().state, State::Succeeded);
    records.verify();
    server.stop().await;
}

#[tokio::test]
async fn doubled_unknown_and_forged_events_do_no_harm() {
    let (world, server) = events(SELDOM).await;
    let circleci = world.sandbox.circleci();
    circleci.deliver_next(Delivery::Doubled);
    circleci
        .lock()
        .script("deploy", Script::success(Duration::from_millis(200)));
    assert_eq!(circleci.send_event(&Event::ping(now())).await, Some(200));
    let unknown = Event::unknown(now(), "approval-requested");
    assert_eq!(circleci.send_event(&unknown).await, Some(200));
    let forged = unknown.signed(Some("some other secret, long enough"));
    assert_eq!(circleci.send_signed(&forged).await, Some(401));
    world.types(&server, "main deploy").await;
    world.message("*Succeeded:*").await;
    world
        .sees("both copies of the event", |entries| {
            let copies = webhooks(entries)
                .into_iter()
                .filter(|(event, status)| event == "workflow-completed" && *status == Some(200));
            (copies.count() == 2).then_some(())
        })
        .await;
    // Whatever is in hand is finished before it stops.
    server.stop().await;
    world.records().verify();
    let model = world.sandbox.slack().lock();
    let told = model
        .messages()
        .iter()
        .map(chatops_sandbox::slack::Message::shown);
    assert_eq!(told.filter(|m| m.contains("*Succeeded:*")).count(), 1);
}

#[tokio::test]
async fn an_event_that_is_lost_costs_one_look_later() {
    let times = "poll_first = \"1s\"\npoll_longest = \"1s\"\nsweep_every = \"1s\"\n";
    let (world, server) = events(times).await;
    let circleci = world.sandbox.circleci();
    circleci.deliver_next(Delivery::Lost);
    circleci
        .lock()
        .script("deploy", Script::success(Duration::from_millis(200)));
    let started = Instant::now();
    world.types(&server, "main deploy").await;
    world.message("*Succeeded:*").await;
    assert!(started.elapsed() < PATIENCE);
    assert!(webhooks(&world.sandbox.journal().entries()).is_empty());
    server.stop().await;
}

#[tokio::test]
async fn without_a_secret_no_event_is_believed() {
    let world = World::new().await;
    let server = world.serve().await;
    let url = format!("http://{}/circleci/webhook", server.address());
    world.sandbox.hear_circleci(&url, Some(SECRET));
    let answer = world
        .sandbox
        .circleci()
        .send_event(&Event::ping(now()))
        .await;
    assert_eq!(answer, Some(401));
    server.stop().await;
}
