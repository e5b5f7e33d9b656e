//! The answers against schemas of what CircleCI documents, in every script at several moments.

mod checker;
mod documented;
mod recorded;
mod served;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chatops_sandbox::circleci::{
    CircleCiModel, CreatedPipeline, FakeProject, JobScript, PipelineStateView, RunResponse,
    RunScript, WorkflowScript,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use self::checker::problems;

const TOKEN: Option<&str> = Some("token");
const SLUGS: [&str; 3] = ["gh/acme/web", "bb/acme/web", "circleci/acme/web"];
const MINUTE: Duration = Duration::from_mins(1);

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

/// Every kind of script that follows the documents.
fn scripts() -> Vec<(&'static str, RunScript)> {
    let (two, ninety_seven) = (2 * MINUTE, 97 * MINUTE);
    let failing = RunScript::ending(two, "failing");
    let mut with_jobs = RunScript::success(two);
    with_jobs.workflows[0] =
        WorkflowScript::new("deploy", MINUTE, &[(two, "failed")]).with_jobs(vec![
            JobScript::new("build", &[(MINUTE, "queued"), (two, "infrastructure_fail")]),
            JobScript::new("later", &[(two, "terminated-unknown")]).requires(&["build"]),
        ]);
    let mut in_workflow = RunScript::success(two);
    in_workflow.build.in_workflow = true;
    let mut abandoned = RunScript::setup_then_success(two);
    abandoned.canceled_setup_state = Some(PipelineStateView::Errored);
    vec![
        ("success", RunScript::success(two)),
        ("failure", RunScript::failure(two)),
        ("failing", failing),
        ("endless", RunScript::endless()),
        ("no workflow", RunScript::no_workflow()),
        ("never created", RunScript::never_created()),
        ("config error", RunScript::config_error("no such job")),
        (
            "plan error",
            RunScript::pipeline_error("plan", "no credits"),
        ),
        (
            "created with an error",
            RunScript::success(two).with_error(MINUTE, "timeout", "late"),
        ),
        ("on hold", RunScript::on_hold_then(two, "success")),
        ("held", RunScript::held(MINUTE, two, 3 * MINUTE, "canceled")),
        ("queued", RunScript::queued(MINUTE, two)),
        ("setup", RunScript::setup_then_success(two)),
        ("setup alone", RunScript::setup_alone(two)),
        ("setup failed", RunScript::setup_ending(two, "failed")),
        ("setup errored", RunScript::setup_errored(two, "canceled")),
        (
            "setup rejected",
            RunScript::setup_rejected(two, "Conflicting pipeline parameters."),
        ),
        ("setup abandoned", abandoned),
        ("rerun", RunScript::auto_rerun(two)),
        ("announced", RunScript::announced_rerun(two, 3)),
        (
            "two workflows",
            RunScript::two_workflows((MINUTE, "failed"), (two, "success")),
        ),
        (
            "other",
            RunScript::other_workflow_only("lint", two, "success"),
        ),
        ("beside", RunScript::green_beside_not_run(two)),
        ("without job", RunScript::green_without_job(two)),
        (
            "late",
            RunScript::late_workflow(ninety_seven, 2 * ninety_seven, "success"),
        ),
        ("delayed", RunScript::success(two).delayed(MINUTE)),
        (
            "overlapping",
            RunScript::overlapping_runs((two, "success"), (MINUTE, "failed")),
        ),
        (
            "simultaneous",
            RunScript::simultaneous_runs((two, "failed"), (two, "success")),
        ),
        ("unauthorized", RunScript::unauthorized(two)),
        ("error", RunScript::workflow_error(two)),
        ("auto-canceled", RunScript::auto_canceled(two)),
        ("with jobs", with_jobs),
        ("retried", RunScript::retried_build(MINUTE, two, "success")),
        ("never built", RunScript::never_built("no-followers")),
        ("not available", RunScript::never_built("1.0-not-available")),
        ("in a workflow", in_workflow),
        ("fixed", RunScript::ending(two, "fixed")),
        ("timed out", RunScript::ending(two, "timedout")),
        ("no tests", RunScript::ending(two, "no_tests")),
        (
            "large",
            RunScript::success(two)
                .large_build(5_000)
                .large_summary(5_000),
        ),
    ]
}

/// Words that only builds of API v1.1 have.
fn is_of_builds(name: &str) -> bool {
    ["retried", "fixed", "timed out", "no tests"].contains(&name)
}

fn moments() -> impl Iterator<Item = DateTime<Utc>> {
    let seconds = [
        0, 1, 14, 15, 30, 45, 60, 75, 90, 119, 120, 180, 300, 5_820, 11_640, 90_000,
    ];
    seconds.into_iter().map(at)
}

fn conforms(schema: &Value, answer: &impl Serialize, context: &str) -> Value {
    let answer = serde_json::to_value(answer).unwrap();
    assert_eq!(problems(schema, &answer), [] as [String; 0], "{context}");
    answer
}

fn scripted(slug: &str, script: RunScript) -> (CircleCiModel, CreatedPipeline) {
    let mut model = CircleCiModel::default();
    model.add_project(FakeProject::declaring(slug, "token", &["job"]));
    model.script_next(script);
    let request = serde_json::from_value(json!({"parameters": {"job": "deploy"}}));
    let created = model.run_pipeline(at(0), TOKEN, slug, request.unwrap());
    let RunResponse::Created(created) = created.unwrap() else {
        unreachable!("no script skips a run");
    };
    (model, created)
}

/// Reads everything about a pipeline; returns the statuses of its workflows and jobs.
fn check_pipeline(
    model: &CircleCiModel,
    slug: &str,
    created: &CreatedPipeline,
    now: DateTime<Utc>,
    context: &str,
) -> Vec<String> {
    let id = created.id;
    let pipeline = model.get_pipeline(now, id).unwrap();
    let shown = conforms(&documented::pipeline(), &pipeline, context);
    let is_app = slug.starts_with("circleci/");
    assert_eq!(shown.get("vcs").is_none(), is_app, "{context}");
    let sha = &shown["trigger_parameters"]["git"]["checkout_sha"];
    assert_eq!(sha.is_string(), is_app, "{context}");
    let listed = model.list_pipelines(now, slug, None, None).unwrap();
    conforms(&documented::page(&documented::pipeline()), &listed, context);
    conforms(
        &documented::config(),
        &model.get_config(now, id).unwrap(),
        context,
    );
    conforms(
        &documented::values(),
        &model.get_values(id).unwrap(),
        context,
    );
    let page = model.list_workflows(now, id).unwrap();
    conforms(&documented::page(&documented::workflow()), &page, context);
    let mut statuses = Vec::new();
    for workflow in &page.items {
        assert_eq!(model.get_workflow(now, workflow.id).as_ref(), Ok(workflow));
        conforms(&documented::workflow(), workflow, context);
        let jobs = model.list_jobs(now, workflow.id).unwrap();
        conforms(&documented::page(&documented::job()), &jobs, context);
        statuses.push(workflow.status.clone());
        for job in jobs.items {
            // What the documents say in words.
            let is_waiting = job.started_at.is_none();
            assert!(
                !is_waiting || job.job_number.is_none(),
                "{context}: {job:?}"
            );
            statuses.push(job.status);
        }
    }
    statuses
}

#[test]
fn every_answer_of_v2_is_as_documented() {
    let mut seen = BTreeSet::new();
    for (name, script) in scripts()
        .into_iter()
        .filter(|(name, _)| !is_of_builds(name))
    {
        for slug in SLUGS {
            let (mut model, created) = scripted(slug, script.clone());
            conforms(&documented::created_pipeline(), &created, name);
            for now in moments() {
                let context = format!("{name} of {slug} at {now}");
                seen.extend(check_pipeline(&model, slug, &created, now, &context));
            }
            // The same after a cancel of whatever runs.
            let running = model.list_workflows(at(75), created.id).unwrap().items;
            for workflow in running {
                model.cancel_workflow(at(75), workflow.id).unwrap();
            }
            for now in moments() {
                let context = format!("canceled {name} of {slug} at {now}");
                seen.extend(check_pipeline(&model, slug, &created, now, &context));
            }
            let project = model.get_project(TOKEN, slug).unwrap();
            conforms(&documented::project(), &project, name);
            conforms(&documented::me(), &model.get_me(), name);
        }
    }
    // The scripts show what they are there for.
    let shown: Vec<&str> = seen.iter().map(String::as_str).collect();
    let expected = [
        "blocked",
        "canceled",
        "error",
        "failed",
        "failing",
        "infrastructure_fail",
        "not_run",
        "on_hold",
        "queued",
        "running",
        "success",
        "terminated-unknown",
        "unauthorized",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn every_build_is_as_recorded() {
    let mut seen = BTreeSet::new();
    for (name, script) in scripts() {
        for slug in &SLUGS[..2] {
            let mut model = CircleCiModel::default();
            model.add_project(FakeProject::new(slug, "token"));
            model.script_next(script.clone());
            let started = model.start_build(at(0), TOKEN, slug, "main", BTreeMap::new());
            conforms(&documented::build(), &started.unwrap(), name);
            model.script_next(script.clone());
            let second = model.start_build(at(1), TOKEN, slug, "main", BTreeMap::new());
            let second = second.unwrap()["build_num"].as_u64().unwrap();
            for now in moments().skip(1) {
                let context = format!("{name} of {slug} at {now}");
                let list = model.recent_builds(now, slug, Some("main"), None, None);
                let list = list.unwrap();
                conforms(&json!({"items": documented::build()}), &list, &context);
                for summary in list {
                    let number = summary["build_num"].as_u64().unwrap();
                    let build = model.get_build(now, slug, number).unwrap();
                    conforms(&documented::one_build(), &build, &context);
                    seen.insert(build["status"].as_str().unwrap().to_owned());
                }
            }
            let canceled = model.cancel_build(at(75), slug, second).unwrap();
            conforms(&documented::build(), &canceled, name);
            seen.insert(canceled["status"].as_str().unwrap().to_owned());
        }
    }
    let shown: Vec<&str> = seen.iter().map(String::as_str).collect();
    let expected = [
        "canceled",
        "failed",
        "fixed",
        "no_tests",
        "not_run",
        "not_running",
        "queued",
        "retried",
        "running",
        "success",
        "timedout",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn the_odd_answers_are_outside_the_documents() {
    let odd = RunScript::success(MINUTE)
        .with_null_errors()
        .with_null_workflows(2);
    let (model, created) = scripted(SLUGS[0], odd);
    let pipeline = serde_json::to_value(model.get_pipeline(at(60), created.id).unwrap()).unwrap();
    let found = problems(&documented::pipeline(), &pipeline);
    assert_eq!(found, ["answer.errors is no list: null"]);
    let page = serde_json::to_value(model.list_workflows(at(60), created.id).unwrap()).unwrap();
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    assert!(items[0].is_null() && items[1].is_null());
    assert_eq!(
        problems(&documented::workflow(), &items[2]),
        [] as [String; 0]
    );
}
