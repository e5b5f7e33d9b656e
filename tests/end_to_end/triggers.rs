//! The ways to start a job other than the usual one: a run of a pipeline definition, and one job by
//! name through API v1.1. What the asker reads does not depend on the way.

use chatops_core::deploy::{RunKind, State};
use chatops_sandbox::circleci::Script;

use crate::support::{BUILD, World};

const JOBS: &str = r#"
[projects.web.jobs.run]
trigger = "pipeline-run"
branches = ["**"]
channels = ["deploys"]
people = ["*"]

[projects.web.jobs.legacy]
trigger = "job"
branches = ["**"]
channels = ["deploys"]
people = ["*"]

[projects.web.jobs.legacy.parameters]
RETRIES = 3
"#;

async fn world(job: &str, script: Script) -> World {
    let world = World::new().await;
    world.configure(JOBS);
    world.sandbox.circleci().lock().script(job, script);
    world
}

#[tokio::test]
async fn a_pipeline_run_succeeds() {
    let world = world("run", Script::success(BUILD)).await;
    let server = world.serve().await;
    world.types(&server, "main run").await;
    let shown = world.message("*Succeeded:*").await;
    assert!(shown.contains("`run` on `main` of `web`"), "{shown}");
    assert!(
        shown.contains("https://app.circleci.com/pipelines/github/acme/web/1"),
        "{shown}"
    );
    let records = world.quiet().await;
    records.verify();
    let pipelines = world.pipelines();
    assert_eq!(pipelines.len(), 1);
    assert!(pipelines[0].definition.is_some());
    assert_eq!(pipelines[0].parameters["job"], "run");
    server.stop().await;
}

#[tokio::test]
async fn an_answer_of_200_means_that_nothing_was_started() {
    let world = world("run", Script::success(BUILD)).await;
    world
        .sandbox
        .circleci()
        .lock()
        .leave_next("Ignoring pipeline due to CI skip in the commit");
    let server = world.serve().await;
    world.types(&server, "main run").await;
    let shown = world.message("*Not started:*").await;
    assert!(
        shown.contains("Ignoring pipeline due to CI skip in the commit"),
        "{shown}"
    );
    let head_state = world
        .records()
        .heads
        .values()
        .map(|head| head.state)
        .next()
        .unwrap();
    assert_eq!(head_state, State::TriggerFailed);
    assert!(world.pipelines().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn one_job_by_its_name() {
    let world = world("legacy", Script::success(BUILD)).await;
    let server = world.serve().await;
    let sent = world.compose(&server, "feature/login legacy");
    world.sandbox.client().send(&sent).await;
    let shown = world.message("*Succeeded:*").await;
    let address = format!(
        "[View build] {}/gh/acme/web/1",
        world.sandbox.circleci_url()
    );
    assert!(shown.contains(&address), "{shown}");
    assert_eq!(world.told(&sent).len(), 2);
    let records = world.quiet().await;
    records.verify();
    let head = records.only();
    assert_eq!(head.state, State::Succeeded);
    let run = head.run.as_ref().unwrap();
    assert_eq!(run.pipeline.kind, RunKind::Build);
    server.stop().await;

    assert!(world.pipelines().is_empty());
    let model = world.sandbox.circleci().lock();
    let builds: Vec<_> = model.builds().collect();
    assert_eq!(builds.len(), 1);
    assert_eq!(builds[0].branch, "feature/login");
    let parameters = &builds[0].parameters;
    assert_eq!(parameters["CIRCLE_JOB"], "legacy");
    assert_eq!(parameters["CHATOPS_DEPLOY_ID"], head.id.to_string());
    assert_eq!(parameters["RETRIES"], "3");
}

#[tokio::test]
async fn a_build_is_cancelled() {
    let world = world("legacy", Script::endless()).await;
    let server = world.serve().await;
    world.types(&server, "main legacy").await;
    let running = world.message("*Running:*").await;
    let short = world.records().only().short.clone();
    assert!(running.contains(short.as_str()), "{running}");
    world.types(&server, &format!("cancel {short}")).await;
    let shown = world.message("*Canceled:*").await;
    assert!(shown.contains("`legacy` on `main`"), "{shown}");
    assert_eq!(world.quiet().await.only().state, State::Canceled);
    server.stop().await;
}
