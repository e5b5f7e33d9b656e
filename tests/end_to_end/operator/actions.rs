//! The commands that ask the server for something, `retry` and `cancel`: under whose name it is done, how
//! often, and what is refused.

use chatops_core::deploy::DeployRecord;
use chatops_core::deploy::DeployState::{Canceled, Succeeded, Unresolved};
use chatops_sandbox::circleci::RunScript;
use chatops_sandbox::slack::ShownMessage;

use super::{command, failure, json, operate, success, two_deploys};
use crate::support::{HANG, ServeWorld, assert_says, run, wait_until};

/// Waits for the deploy that retries this one; it succeeded.
async fn wait_retried(world: &ServeWorld, old: &DeployRecord) -> DeployRecord {
    let retried = wait_until("the retry's end", || {
        let records = world.records();
        let retry = records.retry_of(old.id)?;
        retry.state.is_terminal().then(|| retry.clone())
    });
    let retried = retried.await;
    assert_eq!(retried.state, Succeeded);
    retried
}

#[tokio::test]
async fn a_retry_is_carried_out_under_the_operators_name() {
    let (world, server) = ServeWorld::start().await;
    let (good, bad) = two_deploys(&world, &server).await;
    let short = bad.short_id.as_str();
    // No name that is none.
    let why = failure(&world, &["retry", short, "--as", "a b"], 2).await;
    assert_says(&why, "--as NAME");
    failure(&world, &["retry", "00000000", "--as", "ada"], 1).await;
    let why = failure(&world, &["retry", good.short_id.as_str(), "--as", "ada"], 1).await;
    assert_says(&why, "ended there, SUCCEEDED");
    assert_eq!(world.records().action_count(), 0);

    // No variable gives a name, and none is needed.
    let mut retry = command(&world, &["retry", short, "--json"]);
    retry.env("USER", "mallory");
    let sent = json(&run(retry).await.success());
    let name = sent["operator"].as_str().unwrap().to_owned();
    assert_ne!(name, "mallory");
    let new = wait_retried(&world, &bad).await;
    // The outcome is where the command said it would be.
    assert_eq!(sent["outcome"], new.id.to_string());
    let shown = success(&world, &["show", new.short_id.as_str()]).await;
    assert_says(
        &shown,
        &format!("operator {name}: requested e2e on feature/a"),
    );
    let shown = success(&world, &["show", short, "--json"]).await;
    assert_eq!(json(&shown)["retried_by"], new.id.to_string());
    world.records().verify();

    // There is nothing left to retry, whichever link of the chain is named.
    let why = failure(&world, &["retry", short, "--as", "ada"], 1).await;
    assert_says(&why, new.short_id.as_str());
    let ended = operate(&world, &["retry", short, "--as", "ada", "--json"]).await;
    assert_eq!(ended.code, Some(1));
    assert_eq!(json(&ended.stdout[0])["enqueued"], false);
    assert_eq!(world.pipelines().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn what_an_operator_starts_is_told_in_the_channel() {
    let world = ServeWorld::new().await;
    let server = world.serve_with_bot().await;
    let (_, bad) = two_deploys(&world, &server).await;
    let retry = ["retry", bad.short_id.as_str(), "--as", "ada", "--json"];
    let sent = json(&success(&world, &retry).await);
    let name = sent["operator"].as_str().unwrap();
    let new = wait_retried(&world, &bad).await;
    world.wait_settled().await.verify();
    server.stop().await;
    let slack = world.sandbox.slack().lock();
    let by_bot = slack.messages().iter().filter(|message| {
        message.response_path == "/api/chat.postMessage" && message.visible_to.is_none()
    });
    let texts: Vec<_> = by_bot.map(ShownMessage::shown_text).collect();
    let last = texts.last().unwrap();
    assert_says(last, new.short_id.as_str());
    assert_says(last, "*Succeeded:*");
    assert_says(last, name);
}

#[tokio::test]
async fn an_unknown_outcome_needs_a_confirmed_retry() {
    let world = ServeWorld::new().await;
    world.fail_next_trigger(HANG);
    let server = world.serve().await;
    // It takes no lock, so that the retry may run at once.
    world.deploy(&server, "main test", Unresolved).await;
    let old = world.wait_settled().await.only_record().clone();
    let short = old.short_id.as_str();
    let why = failure(&world, &["retry", short, "--as", "ada"], 1).await;
    assert_says(&why, &format!("chatops retry {short} --confirm"));
    success(&world, &["retry", short, "--as", "ada", "--confirm"]).await;
    wait_retried(&world, &old).await;
    server.stop().await;
}

#[tokio::test]
async fn an_old_deploy_is_retried_by_force_alone() {
    let (world, server) = ServeWorld::start().await;
    let (_, bad) = two_deploys(&world, &server).await;
    // Two days go by: the record is all that knows when it was.
    let mut old = bad.clone();
    old.end.as_mut().unwrap().at -= chrono::TimeDelta::days(2);
    let file = world.open_data();
    let body = serde_json::to_string(&old).unwrap();
    let sql = "UPDATE deploy SET body = ?1 WHERE id = ?2";
    assert_eq!(file.execute(sql, [&body, &bad.id.to_string()]).unwrap(), 1);
    let short = bad.short_id.as_str();
    let why = failure(&world, &["retry", short, "--as", "ada"], 1).await;
    assert_says(&why, "--force");
    success(&world, &["retry", short, "--as", "ada", "--force"]).await;
    wait_retried(&world, &bad).await;
    server.stop().await;
}

#[tokio::test]
async fn a_running_deploy_is_canceled() {
    let world = ServeWorld::new().await;
    world.script("deploy", RunScript::endless());
    let server = world.serve().await;
    world.type_command(&server, "main deploy").await;
    world.wait_running().await;
    let short = world.records().only_record().short_id.to_string();
    let cancel = ["cancel", &short, "--as", "grace", "--json"];
    let said = json(&success(&world, &cancel).await);
    assert_eq!(said["enqueued"], true);
    let name = said["operator"].as_str().unwrap();
    assert!(name.ends_with(" as \"grace\" (unverified)"), "{name}");
    world.wait_final(Canceled).await;
    let records = world.wait_settled().await;
    records.verify();
    assert_eq!(records.only_record().state, Canceled);
    let shown = success(&world, &["show", &short]).await;
    assert_says(&shown, &format!("operator {name}: cancel requested"));
    let why = failure(&world, &["cancel", &short, "--as", "grace"], 1).await;
    assert_says(&why, "nothing to cancel");
    server.stop().await;
}

#[tokio::test]
async fn an_action_waits_for_the_next_server_and_is_done_once() {
    let (world, server) = ServeWorld::start().await;
    let (_, bad) = two_deploys(&world, &server).await;
    server.stop().await;
    // Without a server the readers work as well, and two requests do the same as one.
    let short = bad.short_id.as_str();
    assert_says(&success(&world, &["failed"]).await, short);
    for name in ["ada", "grace"] {
        success(&world, &["retry", short, "--as", name]).await;
    }
    assert_eq!(world.records().action_count(), 2);
    let server = world.serve().await;
    let records = wait_until("the retry's end", || {
        let records = world.settled_now()?;
        (records.records.len() > 2).then_some(records)
    })
    .await;
    assert_eq!(records.records.len(), 3);
    assert_eq!(world.pipelines().len(), 2);
    server.stop().await;
}
