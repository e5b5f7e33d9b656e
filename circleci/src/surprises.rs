//! Recorded answers with anything in them null, missing, added or of another kind: each is read or
//! refused, and none shows an end that it does not have.

use chatops_core::ports::{CiWorkflow, JobStatus, PipelineDetails, WorkflowStatus};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::sample::Index;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::wire::{self, Item, V1Build, V2Page, V2Pipeline, V2PipelineDetails, V2Workflow};
use crate::{build_status, error_text};

/// The workflows of pipeline 460, recorded in 2020.
fn workflow_list() -> Value {
    let run = |id: &str, status: &str, at: &str, stopped_at: Value| {
        json!({
            "pipeline_id": "1ae27c25-b610-4e43-bcb7-578ca0a680d6", "id": id, "name": "build",
            "project_slug": "gh/acme/web", "status": status, "pipeline_number": 460,
            "started_by": "9c373331-d0f7-45e1-afe6-4a5c75e00d10", "created_at": at,
            "stopped_at": stopped_at, "tag": null, "auto_rerun_number": 1, "max_auto_reruns": 3,
        })
    };
    let newest = "b379609a-6689-482c-a2c7-5f14d217df67";
    let oldest = "97c77f87-01c3-4b94-bc90-83ad2314afbe";
    json!({
        "next_page_token": null,
        "items": [
            run(newest, "running", "2020-11-03T11:39:21Z", Value::Null),
            run(oldest, "success", "2020-11-02T19:45:34Z", json!("2020-11-02T19:47:45Z")),
        ],
    })
}

/// An item of a recorded list of pipelines, with the fields of a pipeline of a GitHub App.
fn pipeline() -> Value {
    json!({
        "id": "9c053b8f-67fc-4543-a6a9-51b9540692f4", "project_slug": "gh/acme/web",
        "errors": [{"type": "plan", "message": "Your plan has run out of credits"}],
        "updated_at": "2020-11-03T11:35:07.224Z", "number": 469, "state": "created",
        "created_at": "2020-11-03T11:35:07.224Z",
        "trigger": {"received_at": "2020-11-03T11:35:07.173Z", "type": "webhook"},
        "vcs": {"revision": "0123456789abcdef0123456789abcdef01234567", "branch": "main"},
        "trigger_parameters": {"git": {"checkout_sha": "89abcdef", "branch": "main"}},
    })
}

/// A build as recorded in 2016, after CircleCI had repeated it.
fn build() -> Value {
    json!({
        "build_parameters": {"CIRCLE_JOB": "deploy"}, "retry_of": null, "build_num": 226,
        "vcs_revision": "0123456789abcdef0123456789abcdef01234567", "why": "api",
        "previous": {"build_num": 144, "status": "success", "build_time_millis": 73455},
        "status": "retried", "outcome": "infrastructure_fail", "lifecycle": "finished",
        "retries": [227], "dont_build": null, "usage_queued_at": "2016-07-25T18:26:14.920Z",
        "queued_at": "2016-07-25T18:26:22.224Z", "start_time": "2016-07-25T18:26:22.249Z",
    })
}

fn job_list() -> Value {
    json!({
        "next_page_token": null,
        "items": [{
            "dependencies": [], "job_number": 699, "id": "d800dca5-1f82-4ed1-b19e-eb101952a6a0",
            "started_at": "2020-11-03T11:35:10Z", "name": "r-release", "status": "failed",
            "type": "build", "stopped_at": null,
        }],
    })
}

/// One change at some place of an answer.
#[derive(Debug, Clone)]
enum Surprise {
    Replace(Value),
    Remove,
    /// A null before the items of a list, or an unknown field.
    Insert,
}

fn surprises() -> impl Strategy<Value = Vec<(Index, Surprise)>> {
    let other = prop_oneof![
        4 => Just(Value::Null),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(json!([])),
        1 => Just(json!([[null, {}]])),
        1 => Just(json!({"success": null})),
    ];
    let surprise = prop_oneof![
        3 => other.prop_map(Surprise::Replace),
        1 => Just(Surprise::Remove),
        1 => Just(Surprise::Insert),
    ];
    proptest::collection::vec((any::<Index>(), surprise), 0..5)
}

fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{n}"), all);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                places(field, &format!("{at}/{name}"), all);
            }
        }
        _ => {}
    }
}

fn surprise(mut answer: Value, changes: &[(Index, Surprise)]) -> Value {
    for (index, change) in changes {
        let mut all = Vec::new();
        places(&answer, "", &mut all);
        let at = index.get(&all);
        match change {
            Surprise::Replace(other) => *answer.pointer_mut(at).unwrap() = other.clone(),
            Surprise::Remove => {
                let (parent, name) = at.rsplit_once('/').unwrap_or_default();
                match answer.pointer_mut(parent) {
                    Some(Value::Object(fields)) => drop(fields.remove(name)),
                    Some(Value::Array(items)) => {
                        if let Some(n) = name.parse().ok().filter(|n| *n < items.len()) {
                            items.remove(n);
                        }
                    }
                    _ => {}
                }
            }
            Surprise::Insert => match answer.pointer_mut(at).unwrap() {
                Value::Array(items) => items.insert(0, Value::Null),
                Value::Object(fields) => drop(fields.insert("new".to_owned(), json!([{}]))),
                _ => {}
            },
        }
    }
    answer
}

/// As the client reads it.
fn read<T: DeserializeOwned>(answer: &Value) -> Option<T> {
    let item = serde_json::from_str::<Item<T>>(&answer.to_string()).ok()?;
    item.object().ok()
}

/// The items of a list, if it is one.
fn items(answer: &Value) -> Option<Vec<&Value>> {
    let items = answer.get("items")?.as_array()?;
    Some(items.iter().filter(|item| !item.is_null()).collect())
}

fn is_word(value: Option<&Value>, words: &[&str]) -> bool {
    value
        .and_then(Value::as_str)
        .is_some_and(|word| words.contains(&word))
}

proptest! {
    #[test]
    fn no_workflow_is_lost_or_ended(changes in surprises()) {
        let answer = surprise(workflow_list(), &changes);
        let Some(page) = read::<V2Page<V2Workflow>>(&answer) else {
            let token = answer.get("next_page_token");
            let is_token = token.is_none_or(|token| token.is_null() || token.is_string());
            assert!(items(&answer).is_none() || !is_token, "{answer}");
            return Ok(());
        };
        let shown = items(&answer).unwrap();
        let seen: Vec<CiWorkflow> = wire::workflows(page.items);
        assert_eq!(seen.len(), shown.len(), "{answer}");
        for (seen, shown) in seen.iter().zip(shown) {
            let status = shown.get("status");
            assert_eq!(seen.status == WorkflowStatus::Success, is_word(status, &["success"]));
            assert!(!seen.status.is_final() || is_word(status, &["success"]));
            assert!(!seen.name.is_empty() && seen.name.chars().count() <= 201);
        }
        // A list without times is still in its order.
        let untimed = |item: &&Value| item["created_at"].as_str() < Some("2020");
        if !items(&answer).unwrap().iter().any(untimed) {
            assert!(seen.is_sorted_by(|newer, older| newer.created_at >= older.created_at));
        }
    }

    #[test]
    fn no_error_of_a_pipeline_is_lost(changes in surprises()) {
        let answer = surprise(pipeline(), &changes);
        let errors = answer.get("errors").filter(|errors| !errors.is_null());
        let Some(seen) = read::<V2PipelineDetails>(&answer).map(PipelineDetails::from) else {
            assert!(!answer.is_object() || errors.is_some_and(|errors| !errors.is_array()), "{answer}");
            return Ok(());
        };
        let shown = errors.and_then(Value::as_array).into_iter().flatten();
        let shown = shown.filter(|error| !error.is_null()).count();
        assert_eq!(seen.errors.len(), shown, "{answer}");
        assert!(seen.errors.iter().all(|error| !error.message.is_empty()));
        assert!(seen.revision.is_none_or(|revision| !revision.is_empty()));
    }

    #[test]
    fn a_listed_pipeline_has_its_own_id_or_none(changes in surprises()) {
        let answer = surprise(json!({"items": [pipeline()]}), &changes);
        let page = read::<V2Page<V2Pipeline>>(&answer);
        for item in page.into_iter().flat_map(|page| page.items) {
            if let Item::Known(seen) = item {
                let (id, number) = seen.key().unwrap_or_default();
                assert!(id.is_nil() || id.to_string().starts_with("9c053b8f-67fc"));
                assert!(seen.key().is_none() || answer.to_string().contains(&number.to_string()));
                let _ = (seen.created_at(), seen.message());
            }
        }
    }

    #[test]
    fn no_job_is_lost_or_ended(changes in surprises()) {
        let answer = surprise(job_list(), &changes);
        let Some(page) = read::<V2Page<wire::V2Job>>(&answer) else { return Ok(()) };
        let shown = items(&answer).unwrap();
        let seen: Vec<_> = wire::jobs(page.items).collect();
        assert_eq!(seen.len(), shown.len(), "{answer}");
        for (seen, shown) in seen.iter().zip(shown) {
            assert_ne!(seen.status, JobStatus::Success);
            let failed = is_word(shown.get("status"), &["failed"]);
            assert_eq!(seen.status == JobStatus::Failed, failed, "{answer}");
        }
    }

    #[test]
    fn a_repeated_build_never_succeeds_by_itself(changes in surprises()) {
        let answer = surprise(build(), &changes);
        let Some(seen) = read::<V1Build>(&answer) else {
            assert!(!answer.is_object(), "{answer}");
            return Ok(());
        };
        assert_ne!(build_status::build_status(&seen), Some(WorkflowStatus::Success));
        let followed = build_status::retried_as(&seen, 226);
        let is_retried = is_word(answer.get("status"), &["retried"]);
        assert!(followed.is_none() || is_retried, "{answer}");
        let _ = (seen.first_seen_at(), seen.revision(), seen.job_name(), seen.hides_parameters());
    }

    #[test]
    fn any_error_says_something_or_nothing(changes in surprises()) {
        let error = json!({
            "message": {"message": "a", "errors": ["b", {"detail": "c"}]},
            "error": {"id": "1", "title": "d", "detail": "e", "source": {}},
        });
        let said = error_text::read(surprise(error, &changes).to_string().as_bytes());
        assert!(said.is_none_or(|said| !said.trim().is_empty()));
    }
}

#[test]
fn nothing_is_read_from_a_list_of_fields() {
    // The parser would take a list for a build's fields in their order.
    let list = json!([226, "success", "finished", "success"]);
    let seen = read::<V1Build>(&list);
    assert!(seen.is_none(), "{seen:?}");
    assert!(read::<V2PipelineDetails>(&json!(["created", []])).is_none());
    assert!(read::<V2Pipeline>(&json!(["x", 7])).is_none());
    assert!(read::<V2Page<V2Workflow>>(&json!([[], null])).is_none());
}
