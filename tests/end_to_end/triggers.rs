//! The other ways to start a job: the older call of API v2, and one job by name through API v1.1. What
//! the requester reads does not depend on the way.

use chatops_core::deploy::CiRunKind;
use chatops_core::deploy::DeployState::{Canceled, Succeeded, TriggerFailed};
use chatops_sandbox::HttpFault;
use chatops_sandbox::circleci::RunScript;

use crate::support::{BUILD_TIME, ServeWorld, assert_says};

const JOBS: &str = r#"
[projects.web.jobs.older]
trigger = "pipeline"
workflow = "deploy"
branches = ["**"]
channels = ["C0001"]
users = ["*"]

[projects.web.jobs.release]
workflow = "deploy"
tags = ["v*"]
channels = ["C0001"]
users = ["*"]

[projects.web.jobs.legacy]
trigger = "job"
branches = ["**"]
channels = ["C0001"]
users = ["*"]

[projects.web.jobs.legacy.parameters]
RETRIES = 3
"#;

async fn world(job: &str, script: RunScript) -> ServeWorld {
    let world = ServeWorld::new().await;
    world.configure(JOBS);
    world.script(job, script);
    world
}

#[tokio::test]
async fn the_older_call_succeeds() {
    let world = world("older", RunScript::success(BUILD_TIME)).await;
    let server = world.serve().await;
    let shown = world.deploy(&server, "main older", Succeeded).await;
    assert_says(&shown, "`older` on `main` → *web/");
    assert_says(
        &shown,
        "https://app.circleci.com/pipelines/github/acme/web/1",
    );
    let records = world.wait_settled().await;
    records.verify();
    let pipelines = world.pipelines();
    assert_eq!(pipelines.len(), 1);
    assert!(pipelines[0].definition.is_none());
    assert_eq!(pipelines[0].parameters["job"], "older");
    server.stop().await;
}

#[tokio::test]
async fn a_tag_is_deployed_and_listed_as_one() {
    let world = world("release", RunScript::success(BUILD_TIME)).await;
    world.fail_next_trigger(HttpFault::AnswerLost);
    let server = world.serve().await;
    let refused = world.type_command(&server, "v1.2.3 release").await;
    assert_says(
        &refused.shown,
        "Did you mean `/chatops tag:v1.2.3 release`?",
    );
    let shown = world.deploy(&server, "tag:v1.2.3 release", Succeeded).await;
    assert_says(&shown, "`release` on tag `v1.2.3` → *web/");
    let pipelines = world.pipelines();
    assert_eq!(pipelines.len(), 1);
    assert_eq!((&*pipelines[0].tag, &*pipelines[0].branch), ("v1.2.3", ""));
    server.stop().await;
}

#[tokio::test]
async fn an_answer_of_200_means_that_nothing_was_started() {
    let world = world("deploy", RunScript::success(BUILD_TIME)).await;
    let skipped = "Ignoring pipeline due to CI skip in the commit";
    world.sandbox.circleci().lock().skip_next_run(skipped);
    let server = world.serve().await;
    let shown = world.deploy(&server, "main deploy", TriggerFailed).await;
    assert_says(&shown, skipped);
    assert!(world.pipelines().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn one_job_by_its_name() {
    let world = world("legacy", RunScript::success(BUILD_TIME)).await;
    let server = world.serve().await;
    let sent = world.send(&server, "feature/login legacy").await;
    let shown = world.wait_final(Succeeded).await;
    let address = format!(
        "<{}/gh/acme/web/1|View build>",
        world.sandbox.circleci_url()
    );
    assert_says(&shown, &address);
    // The final status, and before it the progress, unless the build was quicker.
    let delivered = world.delivered_to(&sent).len();
    assert!((1..=2).contains(&delivered), "{delivered}");
    let records = world.wait_settled().await;
    records.verify();
    let record = records.only_record();
    assert_eq!(record.state, Succeeded);
    let run = record.run.as_ref().unwrap();
    assert_eq!(run.pipeline.kind, CiRunKind::Build);
    server.stop().await;

    assert!(world.pipelines().is_empty());
    let model = world.sandbox.circleci().lock();
    let builds: Vec<_> = model.builds().collect();
    assert_eq!(builds.len(), 1);
    assert_eq!(builds[0].branch, "feature/login");
    let parameters = &builds[0].parameters;
    assert_eq!(parameters["CIRCLE_JOB"], "legacy");
    assert_eq!(parameters["CHATOPS_DEPLOY_ID"], record.id.to_string());
    assert_eq!(parameters["RETRIES"], "3");
}

#[tokio::test]
async fn a_build_is_canceled() {
    let world = world("legacy", RunScript::endless()).await;
    let server = world.serve().await;
    world.type_command(&server, "main legacy").await;
    let running = world.wait_running().await;
    let short = world.records().only_record().short_id.clone();
    assert_says(&running, short.as_str());
    world.send(&server, &format!("cancel {short}")).await;
    let shown = world.wait_final(Canceled).await;
    assert_says(&shown, "`legacy` on `main`");
    server.stop().await;
}
