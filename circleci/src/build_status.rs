//! What a build of API v1.1 says of itself: `lifecycle`, `status`, `outcome`, `dont_build` and
//! `retries`, read together. The enumerations are documented; the combinations are those of recorded
//! answers.

use chatops_core::ports::WorkflowStatus;
use chatops_http::cut_name;
use serde_json::Value;

use super::wire::V1Build;

/// A build's status as a workflow's; `None` if it does not run yet.
pub(super) fn build_status(build: &V1Build) -> Option<WorkflowStatus> {
    let (status, outcome) = (word(&build.status), word(&build.outcome));
    // Nobody follows the project, the commit says so, …: it stays like this, whatever its lifecycle.
    if word(&build.dont_build).is_some() {
        return Some(WorkflowStatus::NotRun);
    }
    if is_retried(build) {
        return Some(WorkflowStatus::Failed);
    }
    match word(&build.lifecycle) {
        Some("finished") => Some(end_of_finished(status, outcome)),
        Some("running") => Some(WorkflowStatus::Running),
        Some("not_run") => {
            let is_canceled = [status, outcome].contains(&Some("canceled"));
            is_canceled.then_some(WorkflowStatus::Canceled)
        }
        _ => Some(WorkflowStatus::Queued),
    }
}

/// Whether CircleCI repeats the build by itself, after trouble of its infrastructure.
pub(super) fn is_retried(build: &V1Build) -> bool {
    word(&build.status) == Some("retried") && word(&build.dont_build).is_none()
}

/// The newest build that CircleCI has repeated this one as. A retry that somebody asked for is none:
/// then the status is still the build's own.
pub(super) fn retried_as(build: &V1Build, number: u64) -> Option<u64> {
    let retries = build.retries.as_array().filter(|_| is_retried(build))?;
    let retries = retries.iter().filter_map(Value::as_u64);
    // Only a later one, so that no answer can lead in a circle.
    retries.filter(|retry| *retry > number).max()
}

/// Quotes an end that has no meaning here.
pub(super) fn warn_of_unknown_end(build: &V1Build, number: u64) {
    let [status, outcome] =
        [&build.status, &build.outcome].map(|value| cut_name(&value.to_string()));
    tracing::warn!(
        build = number,
        status,
        outcome,
        "a build has ended in a way that is not known: it counts as an error"
    );
}

/// `finished` is the end, whatever the words for it; only known words make it a success.
fn end_of_finished(status: Option<&str>, outcome: Option<&str>) -> WorkflowStatus {
    use WorkflowStatus::{Error, Running, Success};
    let by_outcome = outcome.map(|outcome| end(outcome).unwrap_or(Error));
    match (by_outcome, status.and_then(end)) {
        // A status that says otherwise has a reason that the outcome does not name.
        (Some(Success) | None, Some(by_status)) => by_status,
        (Some(by_outcome), _) => by_outcome,
        // Caught between the two: it has not ended yet.
        (None, None) => match status {
            Some("running" | "queued" | "scheduled" | "not_running") => Running,
            _ => Error,
        },
    }
}

fn end(word: &str) -> Option<WorkflowStatus> {
    Some(match word {
        // `fixed` is the first success after a failure.
        "success" | "fixed" => WorkflowStatus::Success,
        "canceled" => WorkflowStatus::Canceled,
        "failed" | "timedout" | "infrastructure_fail" | "no_tests" => WorkflowStatus::Failed,
        "not_run" => WorkflowStatus::NotRun,
        _ => return None,
    })
}

fn word(value: &Value) -> Option<&str> {
    value.as_str().filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
    use serde_json::json;

    use super::*;

    fn build(fields: Value) -> V1Build {
        serde_json::from_value(fields).unwrap()
    }

    fn status_of(lifecycle: &str, status: &Value, outcome: &Value) -> Option<WorkflowStatus> {
        build_status(&build(
            json!({ "lifecycle": lifecycle, "status": status, "outcome": outcome }),
        ))
    }

    #[test]
    fn every_end_has_its_meaning() {
        use WorkflowStatus::{Canceled, Error, Failed, NotRun, Success};
        for (word, meaning) in [
            ("success", Success),
            ("fixed", Success),
            ("failed", Failed),
            ("timedout", Failed),
            ("infrastructure_fail", Failed),
            ("no_tests", Failed),
            ("canceled", Canceled),
            ("not_run", NotRun),
            ("something new", Error),
            ("SUCCESS", Error),
        ] {
            let (word, null) = (json!(word), Value::Null);
            for (status, outcome) in [(&word, &word), (&word, &null), (&null, &word)] {
                let seen = status_of("finished", status, outcome);
                assert_eq!(seen, Some(meaning), "{status} {outcome}");
            }
        }
        assert_eq!(status_of("finished", &Value::Null, &json!("")), Some(Error));
        assert_eq!(status_of("finished", &json!(7), &json!([])), Some(Error));
    }

    #[test]
    fn what_has_not_finished_has_not_ended() {
        use WorkflowStatus::{Queued, Running};
        for (lifecycle, meaning) in [
            ("queued", Some(Queued)),
            ("not_running", Some(Queued)),
            ("scheduled", Some(Queued)),
            ("brand-new", Some(Queued)),
            ("Finished", Some(Queued)),
            ("", Some(Queued)),
            ("running", Some(Running)),
            ("not_run", None),
        ] {
            for status in [
                json!(lifecycle),
                json!("failed"),
                json!("success"),
                Value::Null,
            ] {
                let seen = status_of(lifecycle, &status, &Value::Null);
                assert_eq!(seen, meaning, "{lifecycle} {status}");
            }
        }
        for status in ["running", "queued", "scheduled", "not_running"] {
            let seen = status_of("finished", &json!(status), &Value::Null);
            assert_eq!(seen, Some(Running), "{status}");
        }
        let canceled = status_of("not_run", &json!("canceled"), &Value::Null);
        assert_eq!(canceled, Some(WorkflowStatus::Canceled));
    }

    #[test]
    fn a_status_that_contradicts_a_success_wins() {
        use WorkflowStatus::{Canceled, Failed, Success};
        for (status, outcome, meaning) in [
            ("fixed", "success", Success),
            ("something new", "success", Success),
            ("failed", "success", Failed),
            ("canceled", "success", Canceled),
            ("success", "failed", Failed),
            ("success", "canceled", Canceled),
        ] {
            let seen = status_of("finished", &json!(status), &json!(outcome));
            assert_eq!(seen, Some(meaning), "{status} {outcome}");
        }
    }

    #[test]
    fn what_is_not_built_never_runs() {
        for (dont_build, lifecycle, status) in [
            ("no-followers", "not_run", "not_run"),
            ("1.0-not-available", "scheduled", "not_run"),
            ("prs-only", "not_run", "not_run"),
            ("ci-skip", "queued", "queued"),
            ("ci-skip", "finished", "success"),
            ("something new", "running", "running"),
            ("no-followers", "finished", "retried"),
        ] {
            let skipped = build(json!({
                "dont_build": dont_build, "lifecycle": lifecycle, "status": status, "retries": [9],
            }));
            assert_eq!(build_status(&skipped), Some(WorkflowStatus::NotRun));
            assert_eq!(retried_as(&skipped, 1), None);
        }
        for none in [Value::Null, json!(""), json!(false), json!({})] {
            let other = build(json!({ "dont_build": none, "lifecycle": "not_run" }));
            assert_eq!(build_status(&other), None, "{none}");
        }
    }

    #[test]
    fn only_what_circleci_repeats_is_followed() {
        for (status, retries, followed) in [
            ("retried", json!([227]), Some(227)),
            ("retried", json!([227, 229, 228]), Some(229)),
            ("retried", json!([null, "x", 227, -1, 1.5]), Some(227)),
            ("retried", json!([226, 225]), None),
            ("retried", json!([]), None),
            ("retried", Value::Null, None),
            ("retried", json!(227), None),
            ("success", json!([227]), None),
            ("failed", json!([227]), None),
            ("canceled", json!([227]), None),
        ] {
            let seen = build(json!({
                "lifecycle": "finished", "status": status, "outcome": "infrastructure_fail",
                "retries": retries,
            }));
            assert_eq!(retried_as(&seen, 226), followed, "{status} {retries}");
            assert_eq!(is_retried(&seen), status == "retried");
        }
    }

    fn any_field() -> impl Strategy<Value = Value> {
        let words = [
            "success", "fixed", "failed", "canceled", "retried", "not_run", "finished", "running",
            "queued", "", "x",
        ];
        prop_oneof![
            Just(Value::Null),
            proptest::sample::select(words.to_vec()).prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            proptest::collection::vec(any::<u64>().prop_map(Value::from), 0..3)
                .prop_map(Value::from),
        ]
    }

    proptest! {
        #[test]
        fn only_a_finished_build_succeeds(
            lifecycle in any_field(),
            status in any_field(),
            outcome in any_field(),
            dont_build in any_field(),
            retries in any_field(),
            number in any::<u64>(),
        ) {
            let seen = build(json!({
                "lifecycle": lifecycle, "status": status, "outcome": outcome,
                "dont_build": dont_build, "retries": retries,
            }));
            let followed = retried_as(&seen, number);
            assert!(followed.is_none_or(|retry| retry > number));
            if build_status(&seen) == Some(WorkflowStatus::Success) {
                let words = [&status, &outcome].map(|word| word.as_str().unwrap_or_default());
                assert!(lifecycle == "finished" && !words.contains(&"failed"));
                assert!(words.contains(&"success") || words.contains(&"fixed"));
            }
        }
    }
}
