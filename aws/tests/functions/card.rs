//! The form and the card, by the functions: planned and started by buttons, posted once, edited to the end and canceled
//! by a button.

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

/// The person's own message, once it has this button; the press of it.
async fn press_own(world: &LambdaWorld, action_id: &str) {
    let press = wait_until(action_id, async || {
        let slack = world.sandbox.slack().lock();
        let mut own = slack
            .messages()
            .iter()
            .filter(|message| message.visible_to.is_some());
        own.find_map(|message| ButtonPress::of(message, action_id))
    });
    let press = press.await;
    let sender = world.sandbox.command_sender();
    let url = world.url(PayloadFormat::V2, "/slack/interactions");
    let pressed = sender.send_press(&sender.prepare_press(&url, &press)).await;
    assert_eq!(pressed, Some(200));
}

#[tokio::test]
async fn a_deploy_of_the_form_has_one_card_and_its_button_cancels() {
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
    let (_, ack) = world.type_command(PayloadFormat::V2, "").await;
    assert!(
        ack.shown.contains("pick, then check the plan"),
        "{}",
        ack.shown
    );
    world.connect(DeliveryMode::Once);
    press_own(&world, "plan").await;
    press_own(&world, "deploy").await;
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
