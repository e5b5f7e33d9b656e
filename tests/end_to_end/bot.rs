//! Builds that take longer than Slack's reply address lasts: the bot tells how they ended, and where
//! there is no bot, that nobody could be told is on record.

use std::time::Duration;

use chatops_core::deploy::State;
use chatops_core::reply::Telling;
use chatops_sandbox::circleci::Script;
use chatops_sandbox::slack::{Message, Model};

use crate::support::{Server, World};

const BOT: &str = "xoxb-canary4-bot4-token4";

/// The address lasts for a moment only, the build longer.
const TIMES: &str = r#"
poll_first = "50ms"
poll_longest = "100ms"
sweep_every = "300ms"
reply_for = "1s"
"#;
const LONG: Duration = Duration::from_secs(2);

async fn world() -> World {
    let world = World::with_times(TIMES).await;
    let mut model = world.sandbox.circleci().lock();
    model.script("deploy", Script::success(LONG));
    drop(model);
    world
}

/// The app has a bot, and it is in the channel or not.
fn install(world: &World, place: impl FnOnce(&mut Model)) {
    let mut slack = world.sandbox.slack().lock();
    slack.install_bot(BOT);
    place(&mut slack);
}

fn has_final(told: &[Message]) -> bool {
    told.iter().any(|m| m.shown().contains("*Succeeded:*"))
}

#[tokio::test]
async fn a_long_build_is_told_by_the_bot() {
    let world = world().await;
    install(&world, |slack| slack.invite_bot("C0001"));
    let mut command = world.command();
    command.env("SLACK_BOT_TOKEN", BOT);
    let server = Server::start(command).await;
    let sent = world.compose(&server, "main deploy");
    world.sandbox.client().send(&sent).await;
    let shown = world.message("*Succeeded:*").await;
    assert!(shown.contains("<@U0001>"), "{shown}");
    let records = world.quiet().await;
    assert_eq!(records.only().state, State::Succeeded);
    let id = records.only().id;
    assert!(matches!(records.replies[&id].last, Telling::Told { .. }));
    let ended = server.stop().await;

    // Whatever came through the address came in its time.
    assert!(!has_final(&world.told(&sent)));
    let model = world.sandbox.slack().lock();
    let last = model.messages().last().unwrap();
    assert_eq!(last.response_path, "/api/chat.postMessage");
    assert_eq!((&*last.channel, &last.visible_to), ("C0001", &None));
    let said = [ended.stdout, ended.stderr].concat().join("\n");
    assert!(!said.contains(BOT), "{said}");
}

#[tokio::test]
async fn without_a_bot_it_is_on_record() {
    let world = world().await;
    let server = world.serve().await;
    let sent = world.compose(&server, "main deploy");
    world.sandbox.client().send(&sent).await;
    let records = world.quiet().await;
    let head = records.only();
    assert_eq!(head.state, State::Succeeded);
    let telling = &records.replies[&head.id].last;
    assert!(
        matches!(telling, Telling::Undeliverable { .. }),
        "{telling:?}"
    );
    assert!(!has_final(&world.told(&sent)));
    server.stop().await;
}

#[tokio::test]
async fn a_bot_that_is_not_in_the_channel_is_on_record_too() {
    let world = world().await;
    install(&world, |slack| slack.remove_bot("C0001"));
    let mut command = world.command();
    command.env("SLACK_BOT_TOKEN", BOT);
    let server = Server::start(command).await;
    world.types(&server, "main deploy").await;
    let records = world.quiet().await;
    let id = records.only().id;
    let Telling::Undeliverable { why } = &records.replies[&id].last else {
        panic!("{:?}", records.replies[&id].last);
    };
    assert_eq!(why, "not_in_channel");
    server.stop().await;
}
