//! The fields of recorded answers, with values of our own.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{MINUTE, SLUGS, TOKEN, at, conforms, documented, scripted};
use chatops_sandbox::circleci::{CircleCiModel, FakeProject, RunScript};

fn fields(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// The fields of `recorded` that `answer` lacks.
fn missing<'a>(recorded: &'a Value, answer: &Value) -> Vec<&'a str> {
    let shown = fields(answer);
    let recorded = fields(recorded).into_iter();
    recorded.filter(|name| !shown.contains(name)).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn a_pipeline_has_the_recorded_fields() {
    let recorded = json!({
        "id": "00000000-0000-0000-0000-000000000007",
        "errors": [],
        "project_slug": "gh/acme/shop",
        "updated_at": "2026-05-06T07:08:09.010Z",
        "number": 12,
        "state": "created",
        "created_at": "2026-05-06T07:08:09.010Z",
        "trigger": {
            "received_at": "2026-05-06T07:08:08.990Z",
            "type": "webhook",
            "actor": {"login": "ada", "avatar_url": null},
        },
        "vcs": {
            "origin_repository_url": "https://github.com/acme/shop",
            "target_repository_url": "https://github.com/acme/shop",
            "revision": "fedcba9876543210fedcba9876543210fedcba98",
            "provider_name": "GitHub",
            "branch": "trunk",
        },
    });
    conforms(&documented::pipeline(), &recorded, "recorded");
    let (model, created) = scripted(SLUGS[0], RunScript::success(MINUTE));
    let view = model.get_pipeline(at(60), created.id).unwrap();
    let view = serde_json::to_value(view).unwrap();
    assert_eq!(missing(&recorded, &view), NONE);
    for part in ["trigger", "vcs"] {
        assert_eq!(missing(&recorded[part], &view[part]), NONE);
    }
}

#[test]
fn two_runs_of_a_workflow_are_listed_newest_first() {
    let run = |last: u32, status, created: &str, stopped: Value| {
        json!({
            "id": format!("00000000-0000-0000-0000-{last:012}"),
            "pipeline_id": "00000000-0000-0000-0000-000000000001",
            "name": "ship",
            "project_slug": "gh/acme/shop",
            "status": status,
            "started_by": "00000000-0000-0000-0000-000000000009",
            "pipeline_number": 12,
            "created_at": created,
            "stopped_at": stopped,
        })
    };
    let older = json!("2026-05-05T20:21:22Z");
    let recorded = json!({
        "next_page_token": null,
        "items": [
            run(3, "running", "2026-05-06T07:08:09Z", Value::Null),
            run(2, "success", "2026-05-05T20:19:00Z", older),
        ],
    });
    let schema = documented::page(&documented::workflow());
    conforms(&schema, &recorded, "recorded");
    let script = RunScript::overlapping_runs((MINUTE, "success"), (3 * MINUTE, "success"));
    let (model, created) = scripted(SLUGS[0], script);
    let page = conforms(
        &schema,
        &model.list_workflows(at(90), created.id).unwrap(),
        "ours",
    );
    assert_eq!(missing(&recorded, &page), NONE);
    for (index, item) in recorded["items"].as_array().unwrap().iter().enumerate() {
        let shown = &page["items"][index];
        assert_eq!(missing(item, shown), NONE);
        assert_eq!(shown["status"], item["status"]);
        assert_eq!(shown["stopped_at"].is_null(), item["stopped_at"].is_null());
        // Neither run is an automatic rerun, so that neither is numbered.
        assert_eq!(shown.get("auto_rerun_number"), None);
    }
    let created_at = |index: usize| page["items"][index]["created_at"].as_str().unwrap();
    assert!(created_at(0) > created_at(1));
}

#[test]
fn a_build_has_the_recorded_fields() {
    let recorded = json!({
        "build_parameters": {"CIRCLE_JOB": "ship"},
        "body": "",
        "usage_queued_at": "2026-05-06T07:08:09.010Z",
        "queued_at": "2026-05-06T07:08:10.020Z",
        "fail_reason": null,
        "retry_of": null,
        "reponame": "shop",
        "build_url": "https://circleci.com/gh/acme/shop/8",
        "parallel": 1,
        "failed": true,
        "branch": "trunk",
        "username": "acme",
        "why": "api",
        "vcs_revision": "fedcba9876543210fedcba9876543210fedcba98",
        "build_num": 8,
        "infrastructure_fail": false,
        "previous": {"build_num": 7, "status": "success", "build_time_millis": 4_321},
        "status": "failed",
        "retries": null,
        "vcs_type": "github",
        "timedout": false,
        "dont_build": null,
        "lifecycle": "finished",
        "no_dependency_cache": false,
        "stop_time": "2026-05-06T07:09:00.000Z",
        "build_time_millis": 40_000,
        "is_first_green_build": false,
        "job_name": null,
        "start_time": "2026-05-06T07:08:20.000Z",
        "platform": "2.0",
        "outcome": "failed",
        "node": null,
        "canceled": false,
    });
    conforms(&documented::build(), &recorded, "recorded");
    let mut model = CircleCiModel::default();
    model.add_project(FakeProject::new(SLUGS[0], "token"));
    for _ in 0..2 {
        model.script_next(RunScript::failure(MINUTE));
        let parameters = [("CIRCLE_JOB".to_owned(), json!("ship"))].into();
        let started = model.start_build(at(0), TOKEN, SLUGS[0], "main", parameters);
        started.unwrap();
    }
    let list = model
        .recent_builds(at(60), SLUGS[0], None, None, None)
        .unwrap();
    let latest = Value::Object(list[0].clone());
    assert_eq!(missing(&recorded, &latest), NONE);
    for name in [
        "status",
        "lifecycle",
        "outcome",
        "failed",
        "why",
        "canceled",
    ] {
        assert_eq!(latest[name], recorded[name], "{name}");
    }
    assert_eq!(missing(&recorded["previous"], &latest["previous"]), NONE);
}
