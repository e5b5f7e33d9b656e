//! The model: triggers, timelines, listings, cancels and reruns.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

mod builds;
mod surprises;
mod truth;

const SLUG: &str = "gh/acme/web";
const TOKEN: Option<&str> = Some("token");

fn at(milliseconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::milliseconds(milliseconds)
}

fn model() -> CircleCiModel {
    let mut model = CircleCiModel::default();
    model.add_project(FakeProject {
        branches: vec!["main".to_owned(), "feature/x".to_owned()],
        parameters: vec!["job".to_owned(), "deploy_id".to_owned()],
        ..FakeProject::new(SLUG, "token")
    });
    model.add_project(FakeProject::new("gh/acme/other", "other"));
    model
}

fn parameters(pairs: &[(&str, &str)]) -> BTreeMap<String, Value> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect()
}

fn trigger(model: &mut CircleCiModel, milliseconds: i64) -> CreatedPipeline {
    let parameters = parameters(&[("job", "deploy")]);
    let created = model.trigger(at(milliseconds), TOKEN, SLUG, Some("main"), parameters);
    created.unwrap()
}

fn scripted(script: RunScript) -> (CircleCiModel, Uuid) {
    let mut model = model();
    model.script_job("deploy", script);
    let id = trigger(&mut model, 0).id;
    (model, id)
}

fn statuses(model: &CircleCiModel, id: Uuid, milliseconds: i64) -> Vec<(String, String)> {
    let page = model.list_workflows(at(milliseconds), id).unwrap();
    let items = page.items.into_iter();
    items
        .map(|workflow| (workflow.name, workflow.status))
        .collect()
}

/// Checks the state and the workflows, as `name status`, at each time.
fn timeline(script: RunScript, expected: &[(i64, PipelineStateView, &[&str])]) {
    let (model, id) = scripted(script);
    for (milliseconds, state, workflows) in expected {
        let pipeline = model.get_pipeline(at(*milliseconds), id).unwrap();
        let shown = statuses(&model, id, *milliseconds).into_iter();
        let shown: Vec<_> = shown
            .map(|(name, status)| format!("{name} {status}"))
            .collect();
        let context = format!("after {milliseconds} ms");
        assert_eq!(
            (pipeline.state, &shown[..]),
            (*state, &owned(workflows)[..]),
            "{context}"
        );
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_rejection_has_circlecis_message() {
    let mut model = model();
    let long = "x".repeat(513);
    let (login, project) = ("You must log in first.", "Project not found");
    let invalid = "Invalid pipeline parameters";
    for (token, slug, branch, parameter, status, message) in [
        (None, SLUG, "main", None, 401, login),
        (Some("bad"), SLUG, "main", None, 401, login),
        (Some("other"), SLUG, "main", None, 404, project),
        (TOKEN, "gh/acme/none", "main", None, 404, project),
        (TOKEN, SLUG, "gone", None, 400, "Branch not found"),
        (TOKEN, SLUG, "main", Some(("surprise", "x")), 404, project),
        (TOKEN, SLUG, "main", Some(("job", &*long)), 400, invalid),
    ] {
        let parameters = parameters(parameter.as_slice());
        let error = model.trigger(at(0), token, slug, Some(branch), parameters);
        let error = error.unwrap_err();
        assert_eq!((error.status, &*error.message), (status, message));
    }
    assert!(model.all_pipelines().is_empty());
}

#[test]
fn an_undeclared_parameter_can_create_an_errored_pipeline() {
    let mut model = CircleCiModel::default();
    model.add_project(FakeProject {
        undeclared: UndeclaredParameter::Errored,
        ..FakeProject::new(SLUG, "token")
    });
    let given = parameters(&[("surprise", "x")]);
    let created = model.trigger(at(0), TOKEN, SLUG, None, given.clone());
    let pipeline = model.get_pipeline(at(1000), created.unwrap().id).unwrap();
    assert_eq!(pipeline.state, PipelineStateView::Errored);
    let message = "Unexpected argument(s): surprise";
    assert_eq!(pipeline.errors.unwrap()[0].message, message);
    assert_eq!(model.all_pipelines()[0].parameters, given);
}

#[test]
fn any_branch_and_the_long_slug_are_accepted() {
    let mut model = CircleCiModel::default();
    model.add_project(FakeProject {
        any_ref: true,
        ..FakeProject::new("github/acme/web", "token")
    });
    let created = model.trigger(at(0), TOKEN, SLUG, Some("new"), BTreeMap::new());
    let pipeline = model.get_pipeline(at(0), created.unwrap().id).unwrap();
    let branch = pipeline.vcs.unwrap().branch;
    assert_eq!((&*pipeline.project_slug, &*branch), (SLUG, "new"));
}

#[test]
fn the_default_is_a_success_after_two_seconds() {
    let mut model = model();
    let id = trigger(&mut model, 0).id;
    assert_eq!(statuses(&model, id, 499), []);
    assert_eq!(statuses(&model, id, 1999)[0].1, "running");
    assert_eq!(statuses(&model, id, 2000)[0].1, "success");
}

#[test]
fn a_queued_script_precedes_the_script_of_the_job() {
    let (mut model, _) = scripted(RunScript::failure(SECOND));
    model.script_next(RunScript::no_workflow());
    let (once, then) = (trigger(&mut model, 0).id, trigger(&mut model, 0).id);
    assert_eq!(statuses(&model, once, 5000), []);
    assert_eq!(statuses(&model, then, 5000)[0].1, "failed");
}

#[test]
fn every_script_has_its_timeline() {
    use PipelineStateView::{Created, Errored, Pending, Setup, SetupPending};
    timeline(
        RunScript::success(SECOND),
        &[
            (0, Pending, &[]),
            (250, Created, &["deploy running"]),
            (1000, Created, &["deploy success"]),
        ],
    );
    let failed = (1000, Created, &["deploy failed"] as &[_]);
    timeline(RunScript::failure(SECOND), &[failed]);
    let running = (i64::from(u32::MAX), Created, &["deploy running"] as &[_]);
    timeline(RunScript::endless(), &[running]);
    timeline(
        RunScript::no_workflow(),
        &[(0, Pending, &[]), (9000, Created, &[])],
    );
    timeline(
        RunScript::config_error("no"),
        &[(0, Pending, &[]), (9000, Errored, &[])],
    );
    timeline(
        RunScript::on_hold_then(SECOND, "canceled"),
        &[
            (250, Created, &["deploy running"]),
            (500, Created, &["deploy on_hold"]),
            (1000, Created, &["deploy canceled"]),
        ],
    );
    timeline(
        RunScript::queued(SECOND, 2 * SECOND),
        &[
            (250, Created, &["deploy queued"]),
            (1000, Created, &["deploy running"]),
            (2000, Created, &["deploy success"]),
        ],
    );
    timeline(
        RunScript::setup_then_success(SECOND),
        &[
            (0, SetupPending, &[]),
            (125, Setup, &["setup running"]),
            (250, Pending, &["setup success"]),
            (500, Created, &["deploy running", "setup success"]),
            (1000, Created, &["deploy success", "setup success"]),
        ],
    );
    timeline(
        RunScript::auto_rerun(SECOND),
        &[
            (250, Created, &["deploy running"]),
            (500, Created, &["deploy running", "deploy failed"]),
            (1000, Created, &["deploy success", "deploy failed"]),
        ],
    );
    timeline(
        RunScript::two_workflows((SECOND, "failed"), (2 * SECOND, "success")),
        &[
            (250, Created, &["deploy running", "build running"]),
            (1000, Created, &["deploy running", "build failed"]),
            (2000, Created, &["deploy success", "build failed"]),
        ],
    );
}

#[test]
fn errors_show_only_in_the_errored_state() {
    let (model, id) = scripted(RunScript::config_error("bad config"));
    assert_eq!(
        model.get_pipeline(at(0), id).unwrap().errors,
        Some(Vec::new())
    );
    let errors = model.get_pipeline(at(1000), id).unwrap().errors;
    let expected = json!([{"type": "config", "message": "bad config"}]);
    assert_eq!(serde_json::to_value(errors).unwrap(), expected);
}

#[test]
fn the_listing_is_newest_first_twenty_a_page() {
    let mut model = model();
    for second in 0..45 {
        trigger(&mut model, second * 1000);
    }
    let page = |token: Option<&str>| {
        let page = model.list_pipelines(at(100_000), SLUG, Some("main"), token);
        let page = page.unwrap();
        let numbers: Vec<u64> = page.items.iter().map(|item| item.number).collect();
        (numbers, page.next_page_token)
    };
    let (first, token) = page(None);
    assert_eq!(first, (26..=45).rev().collect::<Vec<_>>());
    let (second, token) = page(token.as_deref());
    assert_eq!(second, (6..=25).rev().collect::<Vec<_>>());
    let (third, token) = page(token.as_deref());
    assert_eq!(third, (1..=5).rev().collect::<Vec<_>>());
    assert_eq!(token, None);
    let elsewhere = model.list_pipelines(at(100_000), SLUG, Some("feature/x"), None);
    assert_eq!(elsewhere.unwrap().items, []);
    let malformed = model.list_pipelines(at(0), SLUG, None, Some("x"));
    assert_eq!(malformed.unwrap_err().status, 400);
}

#[test]
fn a_full_last_page_has_no_successor() {
    let mut model = model();
    for _ in 0..20 {
        trigger(&mut model, 0);
    }
    let page = model.list_pipelines(at(0), SLUG, None, None).unwrap();
    assert_eq!((page.items.len(), page.next_page_token), (20, None));
}

#[test]
fn the_listing_can_be_late() {
    let (model, id) = scripted(RunScript::default().listed_after(SECOND));
    let listed = |milliseconds| {
        let page = model.list_pipelines(at(milliseconds), SLUG, None, None);
        page.unwrap().items.len()
    };
    assert_eq!((listed(999), listed(1000)), (0, 1));
    assert!(model.get_pipeline(at(0), id).is_ok());
}

#[test]
fn parameters_show_only_under_values() {
    let (model, id) = scripted(RunScript::default());
    let view = model.get_pipeline(at(0), id).unwrap();
    assert!(view.trigger_parameters.is_empty());
    let values = model.get_values(id).unwrap();
    assert_eq!(values["pipeline.parameters.job"], "deploy");
    assert_eq!(values["pipeline.number"], 1);
    assert_eq!(values["pipeline.id"], id.to_string());
}

#[test]
fn a_cancel_ends_a_running_workflow_only() {
    let (mut model, id) = scripted(RunScript::success(SECOND));
    let workflow = model.list_workflows(at(300), id).unwrap().items[0].id;
    model.cancel_workflow(at(500), workflow).unwrap();
    let view = model.list_workflows(at(9000), id).unwrap().items.remove(0);
    assert_eq!(
        (&*view.status, view.stopped_at),
        ("canceled", Some(at(500)))
    );

    let (mut model, id) = scripted(RunScript::success(SECOND));
    model.cancel_workflow(at(1000), workflow).unwrap();
    assert_eq!(statuses(&model, id, 9000)[0].1, "success");
    let unknown = model.cancel_workflow(at(0), Uuid::nil()).unwrap_err();
    assert_eq!(unknown.message, "Workflow not found");
}

#[test]
fn a_rerun_is_a_new_workflow_of_the_same_pipeline() {
    let (mut model, id) = scripted(RunScript::failure(SECOND));
    let failed = model.list_workflows(at(1000), id).unwrap().items[0].id;
    let again = WorkflowScript::new("deploy", Duration::ZERO, &[(SECOND, "success")]);
    let new = model.rerun_workflow(at(5000), failed, again).unwrap();
    assert_ne!(new, failed);
    let view = model.list_workflows(at(5500), id).unwrap().items.remove(0);
    assert_eq!((view.id, view.created_at), (new, at(5000)));
    assert_eq!(view.status, "running");
    assert_eq!(statuses(&model, id, 6000)[0].1, "success");
    assert_eq!(statuses(&model, id, 4999).len(), 1);
}

#[test]
fn views_have_the_shapes_of_the_api() {
    let (model, id) = scripted(RunScript::auto_rerun(SECOND));
    let pipeline = serde_json::to_value(model.get_pipeline(at(300), id).unwrap()).unwrap();
    assert_eq!(pipeline["created_at"], "2024-10-04T00:00:00.000Z");
    assert_eq!(pipeline["updated_at"], "2024-10-04T00:00:00.250Z");
    assert_eq!(pipeline["state"], "created");
    assert_eq!(pipeline["trigger"]["type"], "api");
    assert_eq!(pipeline["trigger_parameters"], json!({}));
    assert_eq!(pipeline["vcs"]["branch"], "main");
    assert_eq!(pipeline["vcs"]["revision"].as_str().unwrap().len(), 40);
    let workflows = serde_json::to_value(model.list_workflows(at(750), id).unwrap()).unwrap();
    let workflows = workflows["items"].as_array().unwrap();
    assert_eq!(workflows[1]["stopped_at"], "2024-10-04T00:00:00Z");
    assert_eq!(workflows[0]["stopped_at"], Value::Null);
    assert_eq!(workflows[0]["auto_rerun_number"], 1);
    assert_eq!(workflows[0]["max_auto_reruns"], 1);
}

#[test]
fn equal_histories_give_equal_models() {
    let history = || {
        let (mut model, id) = scripted(RunScript::success(SECOND));
        let workflow = model.list_workflows(at(300), id).unwrap().items[0].id;
        model.cancel_workflow(at(400), workflow).unwrap();
        trigger(&mut model, 700);
        model
    };
    assert_eq!(history().all_pipelines(), history().all_pipelines());
}
