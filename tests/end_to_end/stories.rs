//! What happens to a deploy, through the real process: what the requester reads, and what CircleCI
//! receives.

use chatops_core::deploy::DeployState::{
    Canceled, CiError, Failed, NothingRan, Rejected, Succeeded, TriggerFailed,
};
use chatops_core::text::MessageKind::Progress;
use chatops_sandbox::HttpFault;
use chatops_sandbox::circleci::RunScript;

use crate::support::{BUILD_TIME, ServeWorld, assert_says, mark, rate_limit, reject};

#[tokio::test]
async fn a_build_that_succeeds() {
    let (world, server) = ServeWorld::start().await;
    let sent = world.compose(&server, "main deploy");
    let ack = world.sandbox.command_sender().send(&sent).await;
    let body = ack.body.unwrap();
    assert_eq!(body.response_type, "in_channel");
    world.wait_end(&sent, Succeeded).await;
    let records = world.wait_settled().await;
    records.verify();
    server.stop().await;

    let record = records.only_record();
    let short = record.short_id.as_str();
    let accepted = ":hourglass_flowing_sand: *Accepted:* `deploy` on `main` → *web/";
    assert!(body.text.starts_with(accepted), "{}", body.text);
    assert_says(&body.text, &format!("`{short}`"));
    let pipelines = world.pipelines();
    assert_eq!(pipelines.len(), 1);
    let parameters = &pipelines[0].parameters;
    assert_eq!(parameters["job"], "deploy");
    assert_eq!(parameters["deploy_id"], record.id.to_string());
    assert_eq!(pipelines[0].branch, "main");

    let delivered = world.delivered_to(&sent);
    assert_eq!(delivered.len(), 2, "{delivered:?}");
    let url = "https://app.circleci.com/pipelines/github/acme/web/1";
    let headings = [
        ":arrow_forward: *Running:*",
        ":white_check_mark: *Succeeded:*",
    ];
    for (message, heading) in delivered.iter().zip(headings) {
        let shown = message.shown_text();
        let start = format!("{heading} `deploy` on `main` → *web/");
        assert!(shown.starts_with(&start), "{shown}");
        assert_says(&shown, &format!("* · `{short}`"));
        // Only the end notifies.
        let is_end = heading.contains("Succeeded");
        assert_eq!(shown.contains("<@U0001>"), is_end, "{shown}");
        assert_says(&shown, &format!("<{url}|View build>"));
        let audience = (message.visible_to.as_ref(), &*message.channel);
        assert_eq!(audience, (None, "C0001"));
    }
    assert_eq!(record.state, Succeeded);
    assert!(records.locks.is_empty());
}

#[tokio::test]
async fn a_build_that_fails() {
    let world = ServeWorld::new().await;
    world.script("e2e", RunScript::failure(BUILD_TIME));
    let server = world.serve().await;
    let shown = world.deploy(&server, "feature/login e2e", Failed).await;
    let heading = ":x: *Failed:* `e2e` on `feature/login` → *web/";
    assert!(shown.starts_with(heading), "{shown}");
    assert_says(&shown, "`deploy` failed");
    assert_says(&shown, "|View build>");
    let records = world.wait_settled().await;
    assert_eq!(records.only_record().state, Failed);
    assert_eq!(world.trigger_count(), 1);
}

#[tokio::test]
async fn a_deploy_whose_answer_is_lost_is_found() {
    let world = ServeWorld::new().await;
    world.fail_next_trigger(HttpFault::AnswerLost);
    // The listing lags behind, as it may.
    let script = RunScript::success(BUILD_TIME).listed_after(BUILD_TIME);
    world.script("deploy", script);
    let server = world.serve().await;
    world.deploy(&server, "main deploy", Succeeded).await;
    let records = world.wait_settled().await;
    let audit = records.audit(records.only_record().id);
    assert_says(&audit, r#""kind":"outcome_unknown""#);
    assert_says(&audit, r#""matched_by":"deploy_id""#);
    assert_eq!(world.trigger_count(), 1);
    assert_eq!(world.pipelines().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn too_many_requests_and_then_a_success() {
    let world = ServeWorld::new().await;
    world.fail_next_trigger(rate_limit(1));
    let server = world.serve().await;
    world.deploy(&server, "main deploy", Succeeded).await;
    let records = world.wait_settled().await;
    let audit = records.audit(records.only_record().id);
    assert_says(&audit, "HTTP 429: Rate limit exceeded");
    assert_eq!(world.trigger_count(), 2);
    assert_eq!(world.pipelines().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_rejection_by_circleci_is_quoted() {
    let world = ServeWorld::new().await;
    world.fail_next_trigger(reject(404, "Project not found"));
    let server = world.serve().await;
    let shown = world.deploy(&server, "main deploy", TriggerFailed).await;
    assert_says(&shown, "CircleCI said no (404): `Project not found`");
    assert_says(&shown, "the project's slug in `chatops.toml`");
    assert!(world.pipelines().is_empty());
    server.stop().await;
    assert!(world.records().locks.is_empty());
}

#[tokio::test]
async fn a_taken_target_is_rejected_and_names_the_holder() {
    let world = ServeWorld::new().await;
    world.script("deploy", RunScript::endless());
    let server = world.serve().await;
    world.type_command(&server, "main deploy").await;
    world.wait_running().await;
    let holder = world.records().only_record().short_id.clone();

    let second = world.send(&server, "main migrate").await;
    let shown = world.wait_end(&second, Rejected).await;
    let taken = "`web/production` is taken: ada has been deploying `main` there since ";
    assert_says(&shown, taken);
    assert_says(&shown, &format!(", deploy `{holder}`"));
    assert_says(&shown, "|View build>");
    assert_says(&shown, "(rule `exclusive`)");
    // That it was accepted was said to all, and so is its end.
    let delivered = world.delivered_to(&second);
    assert_eq!(delivered.len(), 1);
    assert_eq!(delivered[0].visible_to, None);
    assert_eq!(world.trigger_count(), 1);

    // The end of the first frees the target.
    world.cancel_all();
    world.wait_final(Canceled).await;
    world.deploy(&server, "main migrate", Succeeded).await;
    world.wait_settled().await.verify();
    server.stop().await;
}

#[tokio::test]
async fn a_pipeline_without_a_workflow_says_so() {
    let world = ServeWorld::new().await;
    world.script_next(RunScript::no_workflow());
    let server = world.serve().await;
    let shown = world.deploy(&server, "main deploy", NothingRan).await;
    assert_says(&shown, "listed no workflow of it");
    server.stop().await;
}

#[tokio::test]
async fn a_config_error_of_circleci_is_quoted() {
    let world = ServeWorld::new().await;
    let broken = RunScript::config_error("Job 'deploy' <is> not defined & `gone`");
    world.script_next(broken);
    let server = world.serve().await;
    let shown = world.deploy(&server, "main deploy", CiError).await;
    let quote = "CircleCI says: `Job 'deploy' <is> not defined & 'gone'`";
    assert_says(&shown, quote);
    // On the wire foreign text is escaped.
    let attempts = world.sandbox.slack().lock().attempts().to_vec();
    let sent = |words| attempts.iter().any(|one| one.payload.contains(words));
    assert!(sent("&lt;is&gt; not defined &amp; "));
    assert!(!sent("<is>"));
    server.stop().await;
}

#[tokio::test]
async fn two_targets_are_built_at_the_same_time() {
    let world = ServeWorld::new().await;
    world.script("deploy", RunScript::endless());
    world.script("e2e", RunScript::endless());
    let server = world.serve().await;
    let (one, two) = tokio::join!(
        world.send(&server, "main deploy"),
        world.send(&server, "main e2e"),
    );
    // Neither ends before the other runs.
    for sent in [&one, &two] {
        world.wait_at(sent, Progress).await;
    }
    world.cancel_all();
    for sent in [&one, &two] {
        world.wait_end(sent, Canceled).await;
    }
    let records = world.wait_settled().await;
    records.verify();
    assert_eq!(records.records.len(), 2);
    assert!(records.locks.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_final_message_that_slack_did_not_take_is_repeated_and_marked() {
    let world = ServeWorld::new().await;
    world.script_next(RunScript::config_error("no"));
    let unavailable = reject(503, "service unavailable");
    world.sandbox.slack().fail_next(unavailable);
    let server = world.serve().await;
    let shown = world.deploy(&server, "main deploy", CiError).await;
    // Slack may have shown the message that it answered with 503, so the copy is marked.
    assert_says(&shown, "_repeated in case the first message was lost_");
    world.wait_settled().await;
    // The immediate answer and the final message.
    assert_eq!(world.sandbox.slack().lock().messages().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_final_message_whose_delivery_is_unknown_is_sent_twice_at_most() {
    let world = ServeWorld::new().await;
    world.script_next(RunScript::config_error("no"));
    let slack = world.sandbox.slack();
    slack.fail_next(HttpFault::ErrorAfter { status: 503 });
    let server = world.serve().await;
    let sent = world.send(&server, "main deploy").await;
    world
        .wait_mark("a repeated message", |mark| mark.repeat)
        .await;
    world.wait_settled().await;
    let delivered = world.delivered_to(&sent);
    let repeats: Vec<_> = delivered
        .iter()
        .map(|one| mark(one).unwrap().repeat)
        .collect();
    assert_eq!(repeats, [false, true]);
    server.stop().await;
}
