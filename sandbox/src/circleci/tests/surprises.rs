//! Each script whose end is not what it seems.

use super::PipelineStateView::{Created, Errored, Pending, Setup, SetupPending};
use super::*;

const MINUTE: i64 = 60_000;

fn minutes(count: u64) -> Duration {
    Duration::from_mins(count)
}

fn error_types(model: &CircleCiModel, id: Uuid, milliseconds: i64) -> Vec<String> {
    let errors = model.get_pipeline(at(milliseconds), id).unwrap().errors;
    errors
        .unwrap()
        .into_iter()
        .map(|error| error.kind)
        .collect()
}

/// The jobs of the newest workflow, as `name status`.
fn jobs(model: &CircleCiModel, id: Uuid, milliseconds: i64) -> Vec<String> {
    let newest = model.list_workflows(at(milliseconds), id).unwrap().items[0].id;
    let jobs = model.list_jobs(at(milliseconds), newest).unwrap().items;
    let shown = jobs
        .iter()
        .map(|job| format!("{} {}", job.name, job.status));
    shown.collect()
}

#[test]
fn a_setup_can_be_all_that_runs() {
    let tag = |script: RunScript| {
        let (model, id) = scripted(script);
        let workflow = model.list_workflows(at(9000), id).unwrap().items.pop();
        workflow.unwrap().tag
    };
    assert_eq!(tag(RunScript::setup_alone(SECOND)), Some("setup"));
    assert_eq!(tag(RunScript::setup_then_success(SECOND)), Some("setup"));
    assert_eq!(tag(RunScript::success(SECOND)), None);
    timeline(
        RunScript::setup_alone(SECOND),
        &[
            (0, SetupPending, &[]),
            (500, Setup, &["setup running"]),
            (1000, Created, &["setup success"]),
        ],
    );
    for status in ["success", "failed", "canceled"] {
        let shown = format!("setup {status}");
        let last: &[(i64, _, &[&str])] = &[(MINUTE, Setup, &[&shown])];
        timeline(RunScript::setup_ending(SECOND, status), last);
        let last: &[(i64, _, &[&str])] = &[(MINUTE, Errored, &[&shown])];
        timeline(RunScript::setup_errored(SECOND, status), last);
    }
    let (model, id) = scripted(RunScript::setup_rejected(SECOND, "Conflicting"));
    assert_eq!(error_types(&model, id, 999), [] as [String; 0]);
    assert_eq!(error_types(&model, id, 1000), ["config"]);
    let rejected = model.get_pipeline(at(1000), id).unwrap();
    assert_eq!(rejected.state, Created);
    assert_eq!(
        statuses(&model, id, 1000),
        [("setup".into(), "success".into())]
    );
}

#[test]
fn after_a_canceled_setup_nothing_is_continued() {
    for after in [None, Some(Errored)] {
        let mut script = RunScript::setup_then_success(SECOND).with_error(SECOND, "other", "late");
        script.canceled_setup_state = after;
        let (mut model, id) = scripted(script);
        assert_eq!(
            model.pipeline_truth(at(200), id).unwrap().pending_workflows,
            1
        );
        let setup = model.list_workflows(at(200), id).unwrap().items[0].id;
        model.cancel_workflow(at(200), setup).unwrap();
        assert_eq!(
            statuses(&model, id, MINUTE),
            [("setup".into(), "canceled".into())]
        );
        let pipeline = model.get_pipeline(at(MINUTE), id).unwrap();
        assert_eq!(pipeline.state, after.unwrap_or(Setup));
        let truth = model.pipeline_truth(at(200), id).unwrap();
        assert!(
            !truth.is_open() && truth.pending_workflows == 0,
            "{truth:?}"
        );
        let refused = model.request_rerun(at(MINUTE), setup).unwrap_err();
        assert_eq!(refused.status, 400);
    }
}

#[test]
fn errors_have_any_type_and_show_in_any_state() {
    let (model, id) = scripted(RunScript::pipeline_error("plan", "no credits"));
    assert_eq!(error_types(&model, id, 1000), ["plan"]);
    let script = RunScript::success(SECOND).with_error(2 * SECOND, "timeout", "late");
    let (model, id) = scripted(script);
    assert_eq!(error_types(&model, id, 1999), [] as [String; 0]);
    assert_eq!(error_types(&model, id, 2000), ["timeout"]);
    assert_eq!(model.get_pipeline(at(2000), id).unwrap().state, Created);
    let (model, id) = scripted(RunScript::success(SECOND).with_null_errors());
    assert_eq!(model.get_pipeline(at(0), id).unwrap().errors, None);
}

#[test]
fn another_workflow_can_be_the_only_one_that_succeeds() {
    let (model, id) = scripted(RunScript::other_workflow_only("lint", SECOND, "success"));
    assert_eq!(
        statuses(&model, id, 1000),
        [("lint".into(), "success".into())]
    );
    let config = model.get_config(at(1000), id).unwrap();
    assert!(config.source.contains("\n  deploy:\n    when: false\n"));
    assert!(!config.compiled.contains("deploy"), "{}", config.compiled);
    timeline(
        RunScript::green_beside_not_run(SECOND),
        &[(1000, Created, &["deploy not_run", "build success"])],
    );
    let (model, id) = scripted(RunScript::green_without_job(SECOND));
    assert_eq!(statuses(&model, id, 1000)[0].1, "success");
    assert_eq!(
        jobs(&model, id, 1000),
        ["build success", "deploy-prod not_run"]
    );
    assert_eq!(
        jobs(&model, id, 300),
        ["build running", "deploy-prod blocked"]
    );
}

#[test]
fn a_workflow_can_be_late_or_never_come() {
    let late = RunScript::late_workflow(minutes(97), minutes(100), "success");
    timeline(
        late,
        &[
            (97 * MINUTE - 1, Created, &[]),
            (97 * MINUTE, Created, &["deploy running"]),
            (100 * MINUTE, Created, &["deploy success"]),
        ],
    );
    timeline(
        RunScript::success(SECOND).delayed(minutes(1)),
        &[
            (MINUTE + 249, Created, &[]),
            (MINUTE + 250, Created, &["deploy running"]),
            (MINUTE + 1000, Created, &["deploy success"]),
        ],
    );
    let never = [(100 * MINUTE, Pending, &[] as &[_])];
    timeline(RunScript::never_created(), &never);
}

#[test]
fn a_rerun_can_be_announced_and_not_come() {
    let (model, id) = scripted(RunScript::announced_rerun(SECOND, 3));
    let items = model.list_workflows(at(MINUTE), id).unwrap().items;
    assert_eq!(items.len(), 1);
    assert_eq!(
        (items[0].auto_rerun_number, items[0].max_auto_reruns),
        (None, Some(3))
    );
    let (model, id) = scripted(RunScript::auto_rerun(SECOND));
    let items = model.list_workflows(at(MINUTE), id).unwrap().items;
    let numbers: Vec<_> = items.iter().map(|item| item.auto_rerun_number).collect();
    assert_eq!(numbers, [Some(1), None]);
}

#[test]
fn a_workflow_can_have_two_runs_at_once() {
    let script = RunScript::overlapping_runs((2 * SECOND, "failed"), (SECOND, "success"));
    timeline(
        script,
        &[
            (499, Created, &["deploy running"]),
            (1000, Created, &["deploy success", "deploy running"]),
            (2000, Created, &["deploy success", "deploy failed"]),
        ],
    );
    let script = RunScript::simultaneous_runs((SECOND, "failed"), (SECOND, "success"));
    let (model, id) = scripted(script);
    let items = model.list_workflows(at(1000), id).unwrap().items;
    assert_eq!(items[0].created_at, items[1].created_at);
    assert_eq!(
        (&*items[0].status, &*items[1].status),
        ("success", "failed")
    );
}

#[test]
fn a_run_can_be_denied_broken_or_canceled_by_circleci() {
    for (script, status, job) in [
        (
            RunScript::unauthorized(SECOND),
            "unauthorized",
            "deploy unauthorized",
        ),
        (RunScript::workflow_error(SECOND), "error", "deploy not_run"),
        (
            RunScript::auto_canceled(SECOND),
            "canceled",
            "deploy canceled",
        ),
    ] {
        let (model, id) = scripted(script);
        let workflow = model.list_workflows(at(1000), id).unwrap().items.remove(0);
        assert_eq!((&*workflow.status, workflow.canceled_by), (status, None));
        assert_eq!(workflow.errored_by.is_some(), status == "error");
        assert_eq!(jobs(&model, id, 1000), [job]);
    }
}

#[test]
fn a_newer_pipeline_cancels_the_older_ones_except_their_reruns() {
    let mut model = CircleCiModel::default();
    model.add_project(FakeProject {
        auto_cancel: true,
        ..FakeProject::declaring(SLUG, "token", &[])
    });
    let start = |model: &mut CircleCiModel, milliseconds| {
        let parameters = BTreeMap::new();
        let created = model.trigger(at(milliseconds), TOKEN, SLUG, Some("x"), parameters);
        created.unwrap().id
    };
    model.script_next(RunScript::failure(SECOND));
    let first = start(&mut model, 0);
    let failed = model.list_workflows(at(1000), first).unwrap().items[0].id;
    model.script_rerun(WorkflowScript::new("again", Duration::ZERO, &[]));
    model.request_rerun(at(1000), failed).unwrap();
    let second = start(&mut model, 1000);
    start(&mut model, 2000);
    let workflow = model
        .list_workflows(at(2000), second)
        .unwrap()
        .items
        .remove(0);
    assert_eq!(
        (&*workflow.status, workflow.canceled_by),
        ("canceled", None)
    );
    assert_eq!(
        statuses(&model, first, 3000)[0],
        ("again".into(), "running".into())
    );
}

#[test]
fn a_hold_lasts_until_its_approval() {
    let script = || RunScript::held(minutes(1), minutes(100), minutes(130), "success");
    timeline(
        script(),
        &[
            (MINUTE, Created, &["deploy on_hold"]),
            (99 * MINUTE, Created, &["deploy on_hold"]),
            (100 * MINUTE, Created, &["deploy running"]),
            (130 * MINUTE, Created, &["deploy success"]),
        ],
    );
    // A request comes first: the rest of the script follows from then on.
    let (mut model, id) = scripted(script());
    let workflow = model.list_workflows(at(2 * MINUTE), id).unwrap().items[0].id;
    let hold = model
        .list_jobs(at(2 * MINUTE), workflow)
        .unwrap()
        .items
        .remove(0);
    assert_eq!((hold.job_number, hold.approved_by), (None, None));
    let request = hold.approval_request_id.unwrap();
    let early = model.approve_job(at(0), workflow, request);
    assert!(early.is_err());
    model
        .approve_job(at(2 * MINUTE), workflow, request)
        .unwrap();
    assert_eq!(
        jobs(&model, id, 2 * MINUTE),
        ["hold success", "deploy running"]
    );
    assert_eq!(statuses(&model, id, 31 * MINUTE)[0].1, "running");
    let ended = model.get_workflow(at(200 * MINUTE), workflow).unwrap();
    assert_eq!(
        (&*ended.status, ended.stopped_at),
        ("success", Some(at(32 * MINUTE)))
    );
    let end = model.workflow_run(workflow).unwrap().1.end_status();
    assert_eq!(end, Some((at(32 * MINUTE), "success")));
}

#[test]
fn each_hold_has_its_own_approval() {
    let (second, third) = (2 * SECOND, 3 * SECOND);
    let mut script = RunScript::held(SECOND, third, 4 * SECOND, "success");
    script.workflows[0].jobs = vec![
        JobScript::approval("first", &[(SECOND, "on_hold"), (second, "success")]),
        JobScript::approval("other", &[(second, "on_hold"), (third, "success")])
            .requires(&["first"]),
    ];
    let (mut model, id) = scripted(script);
    let workflow = model.list_workflows(at(1000), id).unwrap().items[0].id;
    let waiting = model.list_jobs(at(1000), workflow).unwrap().items;
    let other = waiting[1].approval_request_id.unwrap();
    assert_eq!(jobs(&model, id, 1000), ["first on_hold", "other blocked"]);
    let early = model.approve_job(at(1000), workflow, other).unwrap_err();
    assert_eq!(early.status, 400);
    model.approve_job(at(2000), workflow, other).unwrap();
    assert_eq!(jobs(&model, id, 2000), ["first success", "other success"]);
}

#[test]
fn a_cancel_ends_what_runs_and_what_waits_is_not_run() {
    let (mut model, id) = scripted(RunScript::green_without_job(SECOND));
    let workflow = model.list_workflows(at(300), id).unwrap().items[0].id;
    model.cancel_workflow(at(300), workflow).unwrap();
    assert_eq!(
        jobs(&model, id, 9000),
        ["build canceled", "deploy-prod not_run"]
    );
    let items = model.list_jobs(at(9000), workflow).unwrap().items;
    assert!(items[0].canceled_by.is_some() && items[1].canceled_by.is_none());
}

#[test]
fn a_rerun_needs_an_ended_workflow() {
    let (mut model, id) = scripted(RunScript::success(SECOND));
    let workflow = model.list_workflows(at(300), id).unwrap().items[0].id;
    for (milliseconds, status) in [(0, 404), (999, 400)] {
        let refused = model.request_rerun(at(milliseconds), workflow).unwrap_err();
        assert_eq!(refused.status, status, "{refused:?}");
    }
    let new = model.request_rerun(at(1000), workflow).unwrap();
    let items = model.list_workflows(at(1000), id).unwrap().items;
    assert_eq!((items[0].id, items[1].id), (new, workflow));
}

#[test]
fn the_configuration_names_workflows_and_jobs() {
    let (model, id) = scripted(RunScript::green_without_job(SECOND));
    let config = model.get_config(at(1000), id).unwrap();
    let expected = "workflows:\n  deploy:\n    jobs:\n    - build\n    - deploy-prod:\n        requires:\n        - build\n";
    assert!(config.compiled.ends_with(expected), "{}", config.compiled);
    assert_eq!(config.setup_config, None);
    let (model, id) = scripted(RunScript::setup_then_success(SECOND));
    let before = model.get_config(at(200), id).unwrap();
    assert_eq!((&*before.source, &*before.compiled), ("", ""));
    let setup = before.compiled_setup_config.unwrap();
    assert!(setup.contains("workflows:\n  setup:\n"), "{setup}");
    let after = model.get_config(at(500), id).unwrap();
    assert!(after.compiled.contains("workflows:\n  deploy:\n"));
    let (model, id) = scripted(RunScript::config_error("no"));
    assert_eq!(model.get_config(at(1000), id).unwrap().compiled, "");
    let mut odd = RunScript::success(SECOND);
    odd.workflows[0].name = "on".to_owned();
    let (model, id) = scripted(odd);
    let config = model.get_config(at(1000), id).unwrap();
    assert!(
        config.compiled.contains("\n  \"on\":\n"),
        "{}",
        config.compiled
    );
}

#[test]
fn null_items_precede_the_first_page_alone() {
    let script = RunScript::auto_rerun(SECOND).with_null_workflows(1);
    let (mut model, id) = scripted(script);
    model.page_workflows(1);
    let first = model.list_workflows(at(1000), id).unwrap();
    assert_eq!((first.items.len(), first.null_items), (1, 1));
    let next = first.next_page_token.as_deref();
    let second = model.list_workflows_from(at(1000), id, next).unwrap();
    assert_eq!((second.items.len(), second.null_items), (1, 0));
    assert_eq!(second.next_page_token, None);
    assert_ne!(first.items, second.items);
    assert_eq!(
        serde_json::to_value(&first).unwrap()["items"][0],
        Value::Null
    );
}
