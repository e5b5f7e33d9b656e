//! Buttons, pressed through the real process: each is decided anew for whoever presses it, on the deploy
//! as it stands.

use chatops_core::deploy::DeployState::{Canceled, Succeeded, TriggerFailed};
use chatops_core::text::MessageKind;
use chatops_sandbox::circleci::RunScript;
use chatops_sandbox::slack::{ButtonPress, ShownMessage, TypedCommand};
use futures::future::join_all;

use crate::support::{ServeWorld, ServerProcess, assert_says, reject};

/// A world whose messages have buttons.
async fn with_buttons() -> ServeWorld {
    let world = ServeWorld::new().await;
    world.configure_slack("interactivity = true\n");
    world
}

/// A deploy that runs until it is canceled, and the press of its message's button.
async fn running() -> (ServeWorld, ServerProcess, ButtonPress) {
    let world = with_buttons().await;
    world.script("deploy", RunScript::endless());
    let server = world.serve().await;
    world.send(&server, "main deploy").await;
    world.wait_running().await;
    let shown = world.latest(MessageKind::Progress);
    assert_says(&shown.shown_text(), "[View build] https://");
    let cancel = ButtonPress::of(&shown, "cancel").unwrap();
    (world, server, cancel)
}

#[tokio::test]
async fn a_run_is_canceled_by_its_button() {
    let (world, server, cancel) = running().await;
    // A link that is opened is a press, too, and means nothing.
    let open = ButtonPress::of(&world.latest(MessageKind::Progress), "open").unwrap();
    world.press(&server, &open).await;
    // One of another version does nothing, and says so.
    let other = ButtonPress {
        action_id: "approve_v2".to_owned(),
        ..cancel.clone()
    };
    let sent = world.press(&server, &other).await;
    let said = world.wait_reply(&sent).await;
    assert_says(&said, "*This button is of another version*");
    let sent = world.press(&server, &cancel).await;
    let said = world.wait_reply(&sent).await;
    assert_says(&said, "*Cancel requested:*");
    assert_says(&said, "by ada");
    world.wait_final(Canceled).await;
    // A stale one is answered, and changes nothing.
    let sent = world.press(&server, &cancel).await;
    let said = world.wait_reply(&sent).await;
    assert_says(&said, "*Not canceled:*");
    let records = world.wait_settled().await;
    records.verify();
    server.stop().await;
}

#[tokio::test]
async fn a_hundred_presses_of_one_button_are_one_cancel() {
    let (world, server, cancel) = running().await;
    let presses = (0..100).map(|n| {
        let who = ButtonPress {
            user_id: format!("U{n:04}"),
            ..cancel.clone()
        };
        world.compose_press(&server, &who)
    });
    let presses: Vec<_> = presses.collect();
    let sender = world.sandbox.command_sender();
    // Each of them is sent twice, as Slack may.
    let all = presses.iter().chain(&presses);
    let answers = join_all(all.map(|sent| sender.send_press(sent))).await;
    assert!(
        answers.iter().all(|status| *status == Some(200)),
        "{answers:?}"
    );
    world.wait_final(Canceled).await;
    let records = world.wait_settled().await;
    records.verify();
    let record = records.only_record();
    let asked = records.audit(record.id).matches("cancel_requested").count();
    assert_eq!(asked, 1);
    server.stop().await;
}

#[tokio::test]
async fn a_failed_trigger_is_retried_by_its_button() {
    let world = with_buttons().await;
    world.fail_next_trigger(reject(401, "Invalid token provided."));
    world.fail_next_trigger(reject(401, "Invalid token provided."));
    let server = world.serve().await;
    world.deploy(&server, "main deploy", TriggerFailed).await;
    let shown = world.latest(MessageKind::Final);
    assert_says(&shown.shown_text(), "[Retry] [Dismiss]");
    let retry = ButtonPress::of(&shown, "retry").unwrap();
    let sent = world.press(&server, &retry).await;
    world.wait_end(&sent, Succeeded).await;
    // Pressed again, and dismissed after that: both say what has become of it.
    let again = world.press(&server, &retry).await;
    assert_says(&world.wait_reply(&again).await, "*Not retried:*");
    let dismiss = ButtonPress::of(&shown, "dismiss").unwrap();
    let late = world.press(&server, &dismiss).await;
    assert_says(&world.wait_reply(&late).await, "*Nothing to dismiss:*");
    let records = world.wait_settled().await;
    records.verify();
    assert_eq!((records.records.len(), world.pipelines().len()), (2, 1));
    server.stop().await;
}

#[tokio::test]
async fn strangers_and_other_channels_press_in_vain() {
    let world = with_buttons().await;
    world.script("restore", RunScript::endless());
    let server = world.serve().await;
    // Only one person may run this job.
    let typed = TypedCommand {
        user_id: "U0009".to_owned(),
        user_name: "grace".to_owned(),
        ..TypedCommand::new("main restore")
    };
    world.send_as(&server, typed).await;
    world.wait_running().await;
    let cancel = ButtonPress::of(&world.latest(MessageKind::Progress), "cancel").unwrap();
    let stranger = ButtonPress {
        user_id: "U0666".to_owned(),
        user_name: "mallory".to_owned(),
        ..cancel.clone()
    };
    let elsewhere = ButtonPress {
        channel_id: "C0666".to_owned(),
        user_id: "U0666".to_owned(),
        ..cancel.clone()
    };
    // A value that names another deploy, or none.
    let unknown = ButtonPress {
        value: Some("0668e443-29ad-5564-9021-3d84198fbb4b".to_owned()),
        ..cancel
    };
    for (who, says) in [
        (stranger, "*Not canceled:*"),
        (elsewhere, "*Not canceled:*"),
        (unknown, "*Not found:*"),
    ] {
        let sent = world.press(&server, &who).await;
        let said = world.wait_reply(&sent).await;
        assert_says(&said, says);
        let reply = world.delivered_to(&sent).remove(0);
        assert_eq!(reply.visible_to.as_deref(), Some(&*who.user_id));
    }
    let record = world.records().only_record().clone();
    assert_eq!(record.cancel, None);
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_signed_is_no_press() {
    let (world, server, cancel) = running().await;
    let mut forged = world.compose_press(&server, &cancel);
    forged.signed.body = forged.signed.body.replace("U0001", "U0002");
    let status = world.sandbox.command_sender().send_press(&forged).await;
    assert_eq!(status, Some(401));
    assert_eq!(world.records().action_count(), 0);
    server.stop().await;
}

#[tokio::test]
async fn without_interactivity_there_are_none() {
    let (world, server) = ServeWorld::start().await;
    let shown = world.deploy(&server, "main deploy", Succeeded).await;
    assert_says(&shown, "|View build>");
    let all = |message: &ShownMessage| message.blocks.as_ref().map(ToString::to_string);
    let blocks: Vec<_> = {
        let slack = world.sandbox.slack().lock();
        slack.messages().iter().filter_map(all).collect()
    };
    assert!(blocks.iter().all(|blocks| !blocks.contains("\"button\"")));
    server.stop().await;
}
