//! A deploy's stories, each told through the real process: what the asker reads, and what
//! CircleCI was asked to do.

use chatops_core::deploy::State;
use chatops_sandbox::Fault;
use chatops_sandbox::circleci::{Call, Script};

use crate::support::{BUILD, World};

#[tokio::test]
async fn a_build_that_succeeds() {
    let world = World::new().await;
    world
        .sandbox
        .circleci()
        .lock()
        .script("deploy", Script::success(BUILD));
    let server = world.serve().await;
    let sent = world.compose(&server, "main deploy");
    let ack = world.sandbox.client().send(&sent).await;
    let body = ack.body.unwrap();
    assert_eq!(body.response_type, "in_channel");
    world.message("*Succeeded:*").await;
    let records = world.quiet().await;
    records.verify();
    server.stop().await;

    let head = records.only();
    let short = head.short.as_str();
    assert!(
        body.text
            .starts_with(":inbox_tray: *Accepted:* `deploy` on `main` of `web`")
    );
    assert!(body.text.contains(&format!("`{short}`")), "{}", body.text);
    let pipelines = world.pipelines();
    assert_eq!(pipelines.len(), 1);
    let parameters = &pipelines[0].parameters;
    assert_eq!(parameters["job"], "deploy");
    assert_eq!(parameters["deploy_id"], head.id.to_string());
    assert_eq!(pipelines[0].branch, "main");

    let told = world.told(&sent);
    assert_eq!(told.len(), 2, "{told:?}");
    let url = "https://app.circleci.com/pipelines/github/acme/web/1";
    for (message, banner) in told.iter().zip([
        ":arrow_forward: *Running:* ",
        ":white_check_mark: *Succeeded:* ",
    ]) {
        let shown = message.shown();
        assert!(shown.starts_with(&format!("{banner}`deploy` on `main` of `web` · `{short}`")));
        assert!(shown.contains("<@U0001>"), "{shown}");
        assert!(shown.contains(&format!("[View build] {url}")), "{shown}");
        assert_eq!(
            (message.visible_to.as_ref(), &*message.channel),
            (None, "C0001")
        );
    }
    assert_eq!(head.state, State::Succeeded);
    assert!(records.locks.is_empty());
}

#[tokio::test]
async fn a_build_that_fails() {
    let world = World::new().await;
    world
        .sandbox
        .circleci()
        .lock()
        .script("e2e", Script::failure(BUILD));
    let server = world.serve().await;
    world.types(&server, "feature/login e2e").await;
    let shown = world.message("*Failed:*").await;
    assert!(
        shown.starts_with(":x: *Failed:* `e2e` on `feature/login` of `web`"),
        "{shown}"
    );
    assert!(shown.contains("`deploy` failed"), "{shown}");
    assert!(shown.contains("[View build]"), "{shown}");
    let records = world.quiet().await;
    assert_eq!(records.only().state, State::Failed);
    assert_eq!(world.posts_so_far(), 1);
}

#[tokio::test]
async fn an_answer_that_gets_lost_is_found_again() {
    let world = World::new().await;
    let circleci = world.sandbox.circleci();
    circleci.fail_next(Call::Trigger, Fault::AnswerLost);
    // The listing lags behind, as it may.
    let script = Script::success(BUILD).listed_after(BUILD);
    circleci.lock().script("deploy", script);
    let server = world.serve().await;
    world.types(&server, "main deploy").await;
    world.message("*Succeeded:*").await;
    let records = world.quiet().await;
    let audit = records.audit(records.only().id);
    assert!(audit.contains(r#""what":"doubted""#), "{audit}");
    assert!(audit.contains(r#""proof":"carries_id""#), "{audit}");
    assert_eq!(world.posts_so_far(), 1);
    assert_eq!(world.pipelines().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn too_many_requests_and_then_a_success() {
    let world = World::new().await;
    let circleci = world.sandbox.circleci();
    let wait = Fault::Refuse {
        status: 429,
        retry_after_s: Some(1),
        message: "Rate limit exceeded".to_owned(),
    };
    circleci.fail_next(Call::Trigger, wait);
    circleci.lock().script("deploy", Script::success(BUILD));
    let server = world.serve().await;
    world.types(&server, "main deploy").await;
    world.message("*Succeeded:*").await;
    let records = world.quiet().await;
    let audit = records.audit(records.only().id);
    assert!(audit.contains("HTTP 429: Rate limit exceeded"), "{audit}");
    assert_eq!(world.posts_so_far(), 2);
    assert_eq!(world.pipelines().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_refusal_by_circleci_is_told_in_its_words() {
    let world = World::new().await;
    let refusal = Fault::Refuse {
        status: 404,
        retry_after_s: None,
        message: "Project not found".to_owned(),
    };
    world.sandbox.circleci().fail_next(Call::Trigger, refusal);
    let server = world.serve().await;
    world.types(&server, "main deploy").await;
    let shown = world.message("*Not started:*").await;
    assert!(
        shown.contains("CircleCI said no (404): `Project not found`"),
        "{shown}"
    );
    assert!(
        shown.contains("the project's slug in `chatops.toml`"),
        "{shown}"
    );
    assert!(world.pipelines().is_empty());
    server.stop().await;
    assert!(world.records().locks.is_empty());
}

#[tokio::test]
async fn a_taken_target_is_a_refusal_that_names_the_holder() {
    let world = World::new().await;
    world
        .sandbox
        .circleci()
        .lock()
        .script("deploy", Script::endless());
    let server = world.serve().await;
    world.types(&server, "main deploy").await;
    world.message("*Running:*").await;
    let holder = world.records().only().short.clone();

    let second = world.compose(&server, "main migrate");
    world.sandbox.client().send(&second).await;
    let shown = world.message("*Refused:*").await;
    let taken = format!(
        "`web/production` is taken by deploy `{}` of <@U0001>",
        holder.as_str()
    );
    assert!(shown.contains(&taken), "{shown}");
    assert!(shown.contains("(rule `exclusive`)"), "{shown}");
    let told = world.told(&second);
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].visible_to.as_deref(),
        Some("U0001"),
        "only the asker sees it"
    );
    assert_eq!(world.posts_so_far(), 1);

    // The end of the first frees the target.
    world.cancel_all();
    world.message("*Canceled:*").await;
    world.types(&server, "main migrate").await;
    world.message("*Succeeded:* `migrate`").await;
    world.quiet().await.verify();
    server.stop().await;
}

#[tokio::test]
async fn a_pipeline_without_a_workflow_says_so() {
    let world = World::new().await;
    world
        .sandbox
        .circleci()
        .lock()
        .script_next(Script::no_workflow());
    let server = world.serve().await;
    world.types(&server, "main deploy").await;
    let shown = world.message("*Nothing ran:*").await;
    assert!(shown.contains("a pipeline without a workflow"), "{shown}");
    assert_eq!(world.quiet().await.only().state, State::NothingRan);
    server.stop().await;
}

#[tokio::test]
async fn a_configuration_that_circleci_cannot_use_is_told_in_its_words() {
    let world = World::new().await;
    let broken = Script::config_error("Job 'deploy' <is> not defined & `gone`");
    world.sandbox.circleci().lock().script_next(broken);
    let server = world.serve().await;
    world.types(&server, "main deploy").await;
    let shown = world.message("*Config error:*").await;
    assert!(
        shown.contains("CircleCI says: `Job 'deploy' <is> not defined & 'gone'`"),
        "{shown}"
    );
    // On the wire what is foreign is escaped.
    let payloads = world.sandbox.slack().lock().attempts().to_vec();
    assert!(
        payloads
            .iter()
            .any(|a| a.payload.contains("&lt;is&gt; not defined &amp; "))
    );
    assert!(payloads.iter().all(|a| !a.payload.contains("<is>")));
    server.stop().await;
}

#[tokio::test]
async fn two_targets_are_built_at_the_same_time() {
    let world = World::new().await;
    {
        let mut model = world.sandbox.circleci().lock();
        model.script("deploy", Script::endless());
        model.script("e2e", Script::endless());
    }
    let server = world.serve().await;
    tokio::join!(
        world.types(&server, "main deploy"),
        world.types(&server, "main e2e"),
    );
    // Neither ends before the other runs.
    world.message("*Running:* `deploy`").await;
    world.message("*Running:* `e2e`").await;
    world.cancel_all();
    world.message("*Canceled:* `deploy`").await;
    world.message("*Canceled:* `e2e`").await;
    let records = world.quiet().await;
    records.verify();
    assert_eq!(records.heads.len(), 2);
    assert!(records.locks.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn an_end_that_slack_did_not_take_is_told_again_and_marked() {
    let world = World::new().await;
    world
        .sandbox
        .circleci()
        .lock()
        .script_next(Script::config_error("no"));
    let refused = Fault::Refuse {
        status: 503,
        retry_after_s: None,
        message: "service unavailable".to_owned(),
    };
    world.sandbox.slack().fail_next(refused);
    let server = world.serve().await;
    let shown = {
        world.types(&server, "main deploy").await;
        world.message("*Config error:*").await
    };
    // Slack may have shown what it answered 503 to, so the one copy that is seen is marked.
    assert!(
        shown.contains("_said again, in case the first copy was lost_"),
        "{shown}"
    );
    world.quiet().await;
    assert_eq!(
        world.sandbox.slack().lock().messages().len(),
        2,
        "the answer and the end"
    );
    server.stop().await;
}

#[tokio::test]
async fn an_end_that_slack_took_without_saying_so_is_told_twice_at_most() {
    let world = World::new().await;
    world
        .sandbox
        .circleci()
        .lock()
        .script_next(Script::config_error("no"));
    world
        .sandbox
        .slack()
        .fail_next(Fault::ErrorAfter { status: 503 });
    let server = world.serve().await;
    let sent = world.compose(&server, "main deploy");
    world.sandbox.client().send(&sent).await;
    world.message("said again").await;
    world.quiet().await;
    let marked: Vec<bool> = world
        .told(&sent)
        .iter()
        .map(|message| message.shown().contains("said again"))
        .collect();
    assert_eq!(marked, [false, true]);
    server.stop().await;
}
