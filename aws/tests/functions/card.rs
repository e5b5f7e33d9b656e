//! The card, by the functions: posted once and edited to the end, and a button of it pressed.

use chatops_core::text::{MessageKind, MessageMark};
use chatops_sandbox::circleci::RunScript;
use chatops_sandbox::slack::{ButtonPress, ShownMessage};
use chatops_testkit::wait_until;
use serde_json::json;

use crate::gateway::PayloadFormat;
use crate::mapping::DeliveryMode;
use crate::world::LambdaWorld;

const BOT_TOKEN: &str = "xoxb-canary6bot6token6of6slack";

/// What stands in Slack of this kind.
fn standing(world: &LambdaWorld, kind: MessageKind) -> Vec<ShownMessage> {
    let slack = world.sandbox.slack().lock();
    let is = |message: &&ShownMessage| {
        let mark = message.block_id().and_then(|id| MessageMark::parse(&id));
        message.stands() && mark.is_some_and(|mark| mark.kind == kind)
    };
    slack.messages().iter().filter(is).cloned().collect()
}

#[tokio::test]
async fn a_deploy_has_one_card_and_its_button_cancels() {
    let world = LambdaWorld::new().await;
    let config = std::fs::read_to_string(world.config()).unwrap();
    let config = config.replacen(
        "[slack]\n",
        "[slack]\nlive = true\ninteractivity = true\n",
        1,
    );
    std::fs::write(world.config(), config).unwrap();
    let token = json!({"slack_bot_token": BOT_TOKEN});
    world.put_secret(&world.bot_secret, &token).await;
    {
        let mut slack = world.sandbox.slack().lock();
        slack.install_bot(BOT_TOKEN);
        slack.invite_bot("C0001");
        let mut circleci = world.sandbox.circleci().lock();
        circleci.script_job("deploy", RunScript::endless());
    }
    world.request_deploy("main deploy").await;
    world.connect(DeliveryMode::Once);
    let card = wait_until("a card of what runs", async || {
        let cards = standing(&world, MessageKind::Card).into_iter();
        let mut running = cards.filter(|card| card.text.contains("*Running:*"));
        running.next()
    });
    let card = card.await;
    let sender = world.sandbox.command_sender();
    let url = world.url(PayloadFormat::V2, "/slack/interactions");
    let press = ButtonPress::of(&card, "cancel").unwrap();
    let pressed = sender.send_press(&sender.prepare_press(&url, &press)).await;
    assert_eq!(pressed, Some(200));
    let end = wait_until("the end in its thread", async || {
        standing(&world, MessageKind::Final).pop()
    });
    let end = end.await;
    assert_eq!(end.thread_ts.as_ref(), Some(&card.ts));
    assert!(end.text.contains("*Canceled:*"), "{}", end.text);
    let shows_end = wait_until("the card to show the end", async || {
        let cards = standing(&world, MessageKind::Card);
        (cards[0].text.contains("*Canceled:*")).then_some(cards)
    });
    assert_eq!(shows_end.await.len(), 1);
    world.check_logs();
}
