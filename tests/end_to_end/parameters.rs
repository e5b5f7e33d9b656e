//! Parameters that people set: what CircleCI gets, what is refused and how, and that a retry repeats them.

use chatops_core::deploy::DeployState::{Rejected, Succeeded, TriggerFailed};
use chatops_sandbox::circleci::{FakeProject, ParameterType, RunScript};
use serde_json::json;

use crate::support::{BUILD_TIME, ServeWorld, TOKEN, assert_says};

const JOB: &str = r#"
[projects.web.jobs.ship]
workflow = "deploy"
branches = ["**"]
channels = ["C0001"]
users = ["*"]

[projects.web.jobs.ship.parameters]
region = "eu"
version = { pattern = "v*", required = true }
size = { values = [1, 2], default = 1 }

[projects.web.jobs.ship.parameters.dry_run]
values = [true, false]
"#;

/// CircleCI declares the parameters, two of them as what text is not.
async fn world() -> ServeWorld {
    let world = ServeWorld::new().await;
    world.configure(JOB);
    let names = ["job", "deploy_id", "region", "version", "size", "dry_run"];
    let mut project = FakeProject::declaring("gh/acme/web", TOKEN, &names);
    project.typed = [
        ("size".to_owned(), ParameterType::Integer),
        ("dry_run".to_owned(), ParameterType::Boolean),
    ]
    .into();
    world.sandbox.circleci().lock().add_project(project);
    world.script("ship", RunScript::success(BUILD_TIME));
    world
}

#[tokio::test]
async fn each_is_sent_as_what_it_is_and_repeated_by_a_retry() {
    let world = world().await;
    let server = world.serve().await;
    let typed = "main ship Version=v1.2 dry_run=true";
    world.reject_next_trigger();
    let shown = world.deploy(&server, typed, TriggerFailed).await;
    assert_says(
        &shown,
        "`ship` on `main` · `dry_run=true` · `version=v1.2` → *web/",
    );
    let old = world.records().only_record().clone();
    world
        .send(&server, &format!("retry {}", old.short_id))
        .await;
    let shown = world.wait_final(Succeeded).await;
    assert_says(&shown, "· `dry_run=true` · `version=v1.2`");
    let records = world.wait_settled().await;
    records.verify();
    let new = records.retry_of(old.id).unwrap();
    assert_eq!(new.request.parameters, old.request.parameters);
    let pipelines = world.pipelines();
    assert_eq!(pipelines.len(), 1);
    let sent = json!({
        "job": "ship", "deploy_id": new.id, "region": "eu", "version": "v1.2", "size": 1, "dry_run": true,
    });
    assert_eq!(json!(pipelines[0].parameters), sent);
    server.stop().await;
}

#[tokio::test]
async fn a_slip_is_answered_and_a_wrong_value_is_on_record() {
    let world = world().await;
    let server = world.serve().await;
    for (typed, answer) in [
        (
            "main ship",
            "This job needs `version=…`, which must match `v*`",
        ),
        (
            "main ship version=v1 dryrun=true",
            "Did you mean `/chatops main ship dry_run=true version=v1`?",
        ),
        (
            "main ship version=v1 region=us",
            "`region=` is fixed for this job",
        ),
        (
            "main ship version=v1 version=v2",
            "`version=` is given twice",
        ),
    ] {
        let ack = world.type_command(&server, typed).await;
        assert_says(&ack.shown, answer);
    }
    assert!(world.records().records.is_empty());
    let ack = world.type_command(&server, "main ship version=1.2").await;
    assert_says(&ack.shown, "`version=…` must match `v*`");
    let record = world.wait_settled().await.only_record().clone();
    assert_eq!(record.state, Rejected);
    assert_eq!(record.request.parameters.get("version"), Some("1.2"));
    assert!(!world.circleci_was_called());
    server.stop().await;
}
