//! CircleCI's webhooks through the real process: the final status without waiting for the next poll.

use std::time::Duration;

use chatops_core::deploy::DeployState::Succeeded;
use chatops_core::text::MessageKind::Final;
use chatops_sandbox::circleci::{OutboundEvent, RunScript, WebhookMode};
use chatops_sandbox::{JournalEntry, JournalEvent};

use crate::support::{ServeWorld, ServerProcess, mark, now};

const SECRET: &str = "canary3webhook3secret3of3circleci";

/// Polls are hours apart: only a webhook brings news in these tests.
const SLOW_POLLING: &str = r#"
poll_interval_min = "50m"
poll_interval_max = "50m"
sweep_interval = "1h"
"#;

async fn events(times: &str) -> (ServeWorld, ServerProcess) {
    let world = ServeWorld::with_times(times).await;
    let server = world
        .serve_with_env("CIRCLECI_WEBHOOK_SECRET", SECRET)
        .await;
    let url = format!("http://{}/circleci/webhook", server.address());
    world.sandbox.set_webhook(&url, Some(SECRET));
    (world, server)
}

fn webhooks(entries: &[JournalEntry]) -> Vec<(String, Option<u16>)> {
    let webhook = |entry: &JournalEntry| match &entry.event {
        JournalEvent::WebhookSent { event, status, .. } => Some((event.clone(), *status)),
        _ => None,
    };
    entries.iter().filter_map(webhook).collect()
}

#[tokio::test]
async fn the_final_status_follows_the_webhook_and_not_the_clock() {
    let (world, server) = events(SLOW_POLLING).await;
    world.script("deploy", RunScript::success(Duration::from_secs(1)));
    world.deploy(&server, "main deploy", Succeeded).await;
    // The webhook counts as sent when it was answered; the message follows the poll it caused.
    let entries = world.sandbox.journal().entries();
    let mut entries = entries.iter();
    let is_webhook = |entry: &&JournalEntry| match &entry.event {
        JournalEvent::WebhookSent { event, .. } => event == "workflow-completed",
        _ => false,
    };
    let webhook = entries.find(is_webhook).unwrap().at;
    let is_message = |entry: &&JournalEntry| match &entry.event {
        JournalEvent::MessageDelivered { block_id, .. } => {
            block_id.as_ref().is_some_and(|id| id.starts_with("final:"))
        }
        _ => false,
    };
    let delay = entries.find(is_message).unwrap().at - webhook;
    println!("the final message came {delay} after the webhook's answer");
    let records = world.records();
    assert_eq!(records.only_record().state, Succeeded);
    records.verify();
    server.stop().await;
}

#[tokio::test]
async fn doubled_unknown_and_forged_webhooks_do_no_harm() {
    let (world, server) = events(SLOW_POLLING).await;
    let circleci = world.sandbox.circleci();
    circleci.deliver_next(WebhookMode::Twice);
    world.script("deploy", RunScript::success(Duration::from_millis(200)));
    let ping = OutboundEvent::ping(now());
    assert_eq!(circleci.send_event(&ping).await, Some(200));
    let unknown = OutboundEvent::unknown_kind(now(), "approval-requested");
    assert_eq!(circleci.send_event(&unknown).await, Some(200));
    let forged = unknown.signed(Some("some other secret, long enough"));
    assert_eq!(circleci.send_signed(&forged).await, Some(401));
    world.deploy(&server, "main deploy", Succeeded).await;
    let answered = ("workflow-completed".to_owned(), Some(200));
    let both = |entries: &[JournalEntry]| {
        let copies = webhooks(entries).into_iter().filter(|one| *one == answered);
        (copies.count() == 2).then_some(())
    };
    world.wait_journal("both copies of the webhook", both).await;
    // It finishes its work before it stops.
    server.stop().await;
    world.records().verify();
    let model = world.sandbox.slack().lock();
    let kinds = model.messages().iter().filter_map(mark);
    assert_eq!(kinds.filter(|mark| mark.kind == Final).count(), 1);
}

#[tokio::test]
async fn a_lost_webhook_costs_one_later_poll() {
    let times = "poll_interval_min = \"1s\"\npoll_interval_max = \"1s\"\nsweep_interval = \"1s\"\n";
    let (world, server) = events(times).await;
    let circleci = world.sandbox.circleci();
    circleci.deliver_next(WebhookMode::Lost);
    world.script("deploy", RunScript::success(Duration::from_millis(200)));
    world.deploy(&server, "main deploy", Succeeded).await;
    assert!(webhooks(&world.sandbox.journal().entries()).is_empty());
    server.stop().await;
}

#[tokio::test]
async fn without_a_secret_no_webhook_is_accepted() {
    let (world, server) = ServeWorld::start().await;
    let url = format!("http://{}/circleci/webhook", server.address());
    world.sandbox.set_webhook(&url, Some(SECRET));
    let ping = OutboundEvent::ping(now());
    let answer = world.sandbox.circleci().send_event(&ping).await;
    assert_eq!(answer, Some(401));
    server.stop().await;
}
