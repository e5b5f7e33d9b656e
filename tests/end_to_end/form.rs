//! The form, through the real process: from nothing typed to a deploy, in one message of one person.

use chatops_core::deploy::DeployState::Succeeded;
use chatops_core::text::MessageKind::{Accepted, Form, Refused, Reply};
use chatops_sandbox::circleci::RunScript;
use chatops_sandbox::slack::{ButtonPress, ShownMessage};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{BUILD_TIME, ServeWorld, ServerProcess, ack_kind, assert_says, mark};

/// The form as somebody has it before them.
struct OpenForm {
    world: ServeWorld,
    server: ServerProcess,
    ts: String,
}

impl OpenForm {
    async fn new(slack: &str) -> Self {
        let world = ServeWorld::new().await;
        world.configure_slack(&format!("interactivity = true\n{slack}"));
        world.script("deploy", RunScript::success(BUILD_TIME));
        let server = if slack.is_empty() {
            world.serve().await
        } else {
            world.serve_with_bot().await
        };
        let ack = world.type_command(&server, "").await;
        assert_eq!(ack_kind(&ack), Some(Form));
        assert_says(&ack.shown, "pick, then check the plan");
        let ts = world.latest(Form).ts;
        Self { world, server, ts }
    }

    /// The one message that the form, its plan and its end share.
    fn shown(&self) -> ShownMessage {
        let slack = self.world.sandbox.slack().lock();
        let shown = slack.message_at("C0001", &self.ts).unwrap().clone();
        assert_eq!(shown.visible_to.as_deref(), Some("U0001"));
        shown
    }

    /// The message, once it says this.
    async fn says(&self, words: &str) -> ShownMessage {
        let says = || Some(self.shown()).filter(|shown| shown.shown_text().contains(words));
        self.world.wait_moving(words, says).await
    }

    fn button(&self, action_id: &str) -> ButtonPress {
        let shown = self.shown();
        ButtonPress::of(&shown, action_id).unwrap_or_else(|| panic!("{action_id} in {shown:?}"))
    }

    /// Presses Plan with this in the fields.
    async fn plan(&self, job: Option<&str>, branch: Option<&str>) {
        let mut press = self.button("plan");
        press.state = json!({
            "job": {"job": {"type": "static_select", "selected_option": job.map(|value| {
                json!({"text": {"type": "plain_text", "text": "x"}, "value": value})
            })}},
            "branch": {"branch": {"type": "plain_text_input", "value": branch}},
        });
        self.world.press(&self.server, &press).await;
    }

    async fn end(self) {
        self.world.wait_settled().await.verify();
        self.server.stop().await;
    }
}

#[tokio::test]
async fn what_is_picked_is_planned_and_deployed_once() {
    for slack in ["", "live = true\n"] {
        let form = OpenForm::new(slack).await;
        let plan = form.button("plan");
        form.world.press(&form.server, &plan).await;
        let plan = form.says("*Plan:* would start:").await;
        assert_eq!(mark(&plan).unwrap().kind, Reply);
        // Two presses, of which Slack sends each twice.
        let press = form.button("deploy");
        let presses = [0, 1].map(|_| form.world.compose_press(&form.server, &press));
        let sender = form.world.sandbox.command_sender();
        let sent = join_all(
            presses
                .iter()
                .chain(&presses)
                .map(|sent| sender.send_press(sent)),
        );
        assert!(sent.await.iter().all(|status| *status == Some(200)));
        form.world.wait_final(Succeeded).await;
        let records = form.world.wait_settled().await;
        assert_eq!(records.records.len(), 1);
        // The plan has gone, and its button with it.
        let shown = form.shown();
        assert!(ButtonPress::of(&shown, "deploy").is_none(), "{shown:?}");
        let ever = shown.ever_shown();
        assert!(
            ever.iter().any(|text| text.contains("*Accepted:*")),
            "{ever:?}"
        );
        // Whoever still has it on screen is told how it stands.
        form.world.press(&form.server, &press).await;
        form.says("*Succeeded:*").await;
        assert_eq!(form.world.wait_settled().await.records.len(), 1);
        form.end().await;
    }
}

#[tokio::test]
async fn one_can_go_back_and_slips_are_told() {
    let form = OpenForm::new("").await;
    form.plan(Some("web deploy"), Some("release/9")).await;
    let plan = form.says("*Plan:*").await;
    assert_says(&plan.shown_text(), "release/9");
    form.world.press(&form.server, &form.button("back")).await;
    let again = form.says("pick, then check the plan").await;
    assert_says(&again.shown_text(), "[release/9_]");
    for (job, branch, says) in [
        (None, Some("main"), "Choose what to deploy."),
        (Some("web deploy"), None, "Type a branch."),
        (Some("web deploy"), Some("two words"), "cannot be a branch"),
    ] {
        form.plan(job, branch).await;
        form.says(says).await;
    }
    // Help is a message of its own.
    let sent = form.world.press(&form.server, &form.button("help")).await;
    let (_, help) = form
        .world
        .wait_at(&sent, chatops_core::text::MessageKind::Help)
        .await;
    assert_says(&help, "What you may run here");
    assert!(ButtonPress::of(&form.shown(), "plan").is_some());
    form.end().await;
}

#[tokio::test]
async fn a_client_without_fields_gets_a_menu() {
    let form = OpenForm::new("").await;
    let press = ButtonPress {
        state: Value::Null,
        ..form.button("plan")
    };
    form.world.press(&form.server, &press).await;
    form.says("choose, then check the plan").await;
    let choice = ButtonPress {
        value: Some("web main deploy".to_owned()),
        ..form.button("choose")
    };
    form.world.press(&form.server, &choice).await;
    form.says("*Plan:* would start:").await;
    form.world.press(&form.server, &form.button("deploy")).await;
    form.says("*Accepted:*").await;
    form.world.wait_final(Succeeded).await;
    form.end().await;
}

#[tokio::test]
async fn a_plan_that_was_typed_has_the_button_too_and_strangers_are_refused() {
    let form = OpenForm::new("").await;
    let sent = form.world.send(&form.server, "plan main deploy").await;
    form.world.wait_reply(&sent).await;
    let plan = form.world.delivered_to(&sent).remove(0);
    let press = ButtonPress::of(&plan, "deploy").unwrap();
    assert!(ButtonPress::of(&plan, "back").is_none());
    let stranger = ButtonPress {
        user_id: "U0666".to_owned(),
        channel_id: "C0666".to_owned(),
        message_ts: None,
        ..press.clone()
    };
    let refused = form.world.press(&form.server, &stranger).await;
    let (_, said) = form.world.wait_at(&refused, Refused).await;
    assert_says(&said, "*Not allowed:*");
    form.world.press(&form.server, &press).await;
    form.world.wait_final(Succeeded).await;
    let records = form.world.wait_settled().await;
    assert_eq!(records.records.len(), 2);
    let accepted = form.world.shown(Accepted);
    assert!(accepted.iter().all(|message| message.visible_to.is_some()));
    form.end().await;
}
