//! Builds that outlast the response URL: the bot sends the final message; without a bot the record
//! says that it could not be sent.

use std::time::Duration;

use chatops_core::deploy::DeployState::Succeeded;
use chatops_core::notification::DeliveryStatus;
use chatops_core::text::MessageKind::Final;
use chatops_sandbox::circleci::RunScript;
use chatops_sandbox::slack::CommandRequest;

use crate::support::{BOT_TOKEN, ServeWorld, assert_says, mark};

/// The response URL lasts for a moment only, the build longer.
const TIMES: &str = r#"
poll_interval_min = "50ms"
poll_interval_max = "100ms"
sweep_interval = "300ms"
response_url_ttl = "1s"
"#;
const LONG: Duration = Duration::from_secs(2);

async fn world() -> ServeWorld {
    let world = ServeWorld::with_times(TIMES).await;
    world.script("deploy", RunScript::success(LONG));
    world
}

/// Whether the final message came through the response URL.
fn delivered_final(world: &ServeWorld, sent: &CommandRequest) -> bool {
    let kinds = world.delivered_to(sent).into_iter();
    let mut kinds = kinds.map(|message| mark(&message).unwrap().kind);
    kinds.any(|kind| kind == Final)
}

#[tokio::test]
async fn a_long_build_is_notified_by_the_bot() {
    let world = world().await;
    let server = world.serve_with_bot().await;
    let sent = world.send(&server, "main deploy").await;
    let shown = world.wait_final(Succeeded).await;
    assert_says(&shown, "<@U0001>");
    let records = world.wait_settled().await;
    assert_eq!(records.only_record().state, Succeeded);
    let id = records.only_record().id;
    let status = &records.notifications[&id].final_status;
    assert!(matches!(status, DeliveryStatus::Delivered { .. }));
    let ended = server.stop().await;

    // The response URL was used in its time only.
    assert!(!delivered_final(&world, &sent));
    let model = world.sandbox.slack().lock();
    let last = model.messages().last().unwrap();
    assert_eq!(last.response_path, "/api/chat.postMessage");
    assert_eq!((&*last.channel, &last.visible_to), ("C0001", &None));
    let said = [ended.stdout, ended.stderr].concat().join("\n");
    assert!(!said.contains(BOT_TOKEN), "{said}");
}

#[tokio::test]
async fn without_a_bot_it_is_on_record() {
    let world = world().await;
    let server = world.serve().await;
    let sent = world.send(&server, "main deploy").await;
    let records = world.wait_settled().await;
    let record = records.only_record();
    assert_eq!(record.state, Succeeded);
    let status = &records.notifications[&record.id].final_status;
    assert!(matches!(status, DeliveryStatus::Failed { .. }));
    assert!(!delivered_final(&world, &sent));
    server.stop().await;
}

#[tokio::test]
async fn a_bot_that_is_not_in_the_channel_is_on_record_too() {
    let world = world().await;
    let server = world.serve_with_bot().await;
    world.sandbox.slack().lock().remove_bot("C0001");
    world.type_command(&server, "main deploy").await;
    let records = world.wait_settled().await;
    let id = records.only_record().id;
    let status = &records.notifications[&id].final_status;
    let reason = "not_in_channel".to_owned();
    assert_eq!(status, &DeliveryStatus::Failed { reason });
    server.stop().await;
}
