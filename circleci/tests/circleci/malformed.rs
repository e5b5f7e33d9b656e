//! Malformed answers of API v1.1: every field missing, null or of another kind, and every way to
//! break off.

use std::fmt::Debug;

use chatops_circleci::CircleCiClient;
use chatops_core::config::TriggerCall;
use chatops_core::ports::{
    CiClient, CiReadError, LookupRequest, LookupResult, PollResult, TriggerOutcome, WorkflowStatus,
};
use serde_json::{Map, Value, json};

use crate::raw_server::{RawServer, assert_unknown, created_response, ok_response};
use crate::support::{
    BUILD_ID, DEPLOY, FakeToken, ago, assert_created, build_run, client, job_request, lookup_by,
    slug,
};

fn whole_build() -> Map<String, Value> {
    let whole = json!({
        "build_num": 3926,
        "status": "success",
        "lifecycle": "finished",
        "outcome": "success",
        "vcs_revision": "0123456789012345678901234567890123456789",
        "dont_build": null,
        "why": "api",
        "build_parameters": {"CIRCLE_JOB": "deploy", "CHATOPS_DEPLOY_ID": DEPLOY},
        "usage_queued_at": "2026-01-02T03:04:05.678Z",
        "queued_at": "2026-01-02T03:04:05.678Z",
        "start_time": "2026-01-02T03:04:06.678Z",
    });
    whole.as_object().unwrap().clone()
}

/// The answer with each field taken away, and with each field of every other kind.
fn broken_builds() -> Vec<(String, Map<String, Value>)> {
    let others = json!([null, true, -1, 1.5, "", "\u{0}é", [], {}, [[{}]]]);
    let mut mutants = Vec::new();
    for name in whole_build().keys() {
        let mut without = whole_build();
        without.remove(name);
        mutants.push((format!("without {name}"), without));
        for other in others.as_array().unwrap() {
            let mut changed = whole_build();
            changed.insert(name.clone(), other.clone());
            mutants.push((format!("{name} = {other}"), changed));
        }
    }
    mutants
}

pub(crate) fn assert_unreadable<T: Debug>(outcome: Result<T, CiReadError>, what: &str) {
    let message = outcome.unwrap_err().message;
    let is_expected = message.starts_with("the answer cannot be read: ");
    assert!(is_expected, "{what}: {message}");
}

/// The client, and a CircleCI with these answers, one for each of its calls.
async fn raw_client(answers: Vec<String>) -> (CircleCiClient<FakeToken>, RawServer) {
    let raw = RawServer::new(answers).await;
    (client(&raw.url), raw)
}

fn lookup_request() -> LookupRequest {
    lookup_by(&TriggerCall::Job, "2026-01-02T03:04:00Z".parse().unwrap())
}

fn build_json(build: Map<String, Value>) -> String {
    Value::Object(build).to_string()
}

#[tokio::test]
async fn the_whole_answer_is_understood() {
    let whole = build_json(whole_build());
    let list = ok_response(&format!("[{whole}]"));
    let answers = vec![created_response(&whole), ok_response(&whole), list];
    let (client, _raw) = raw_client(answers).await;
    let outcome = client.trigger(&job_request()).await;
    assert_created(&outcome);
    let poll = client.poll(&slug(), &build_run(3_926), true).await.unwrap();
    assert_eq!(poll.workflows[0].status, WorkflowStatus::Success);
    let result = client.look_up(&lookup_request()).await.unwrap();
    assert!(matches!(result, LookupResult::Found(_)), "{result:?}");
}

#[tokio::test]
async fn a_trigger_names_its_build_or_leaves_the_outcome_unknown() {
    let bodies = [
        "",
        "{}",
        "[]",
        "null",
        "17",
        r#"{"build_num":"3926"}"#,
        "[3926]",
        "<html>",
        "{\"build_num\":3926",
    ];
    let wrong = bodies.map(|body| (None, body.to_owned()));
    let mutants = broken_builds().into_iter().map(|(_, mutant)| {
        let number = mutant.get("build_num").and_then(Value::as_u64);
        (number, build_json(mutant))
    });
    let cases: Vec<(Option<u64>, String)> = wrong.into_iter().chain(mutants).collect();
    let answers = cases
        .iter()
        .map(|(_, body)| created_response(body))
        .collect();
    let (client, raw) = raw_client(answers).await;
    let mut understood = 0;
    for (number, body) in &cases {
        match client.trigger(&job_request()).await {
            TriggerOutcome::Created(run) => {
                assert_eq!((Some(run.number), run.number), (*number, 3_926), "{body}");
                understood += 1;
            }
            other => assert_unknown(&other),
        }
    }
    assert!(understood > 0);
    assert_eq!(raw.requests().len(), cases.len(), "each POST is sent once");
}

#[tokio::test]
async fn no_broken_answer_is_a_success() {
    let mutants = broken_builds();
    let answer = |(_, mutant): &(_, Map<_, _>)| ok_response(&build_json(mutant.clone()));
    let answers = mutants.iter().map(answer);
    let (client, _raw) = raw_client(answers.collect()).await;
    for (what, mutant) in mutants {
        let is = |name: &str, word: &str| mutant.get(name).is_some_and(|value| value == word);
        let says_nothing = |name| {
            let word = mutant.get(name).and_then(Value::as_str);
            word.unwrap_or_default().is_empty()
        };
        let says_success = is("lifecycle", "finished")
            && says_nothing("dont_build")
            && (is("outcome", "success") || says_nothing("outcome") && is("status", "success"));
        match client.poll(&slug(), &build_run(3_926), true).await {
            Ok(poll) => {
                let mut statuses = poll.workflows.iter().map(|workflow| workflow.status);
                let is_success = statuses.any(|status| status == WorkflowStatus::Success);
                assert_eq!(is_success, says_success, "{what}: {poll:?}");
            }
            outcome => assert_unreadable(outcome, &what),
        }
    }
}

#[tokio::test]
async fn a_build_that_does_not_show_its_end_has_not_ended() {
    let cases = [
        (Value::Null, json!("success")),
        (json!("Finished"), json!("failed")),
        (json!("brand-new"), json!("canceled")),
        (json!("running"), json!("failed")),
        (json!("queued"), json!("failed")),
        (json!("finished"), json!("running")),
    ];
    let poll = poll_words(&cases).await;
    for (case, poll) in cases.iter().zip(poll) {
        assert_eq!(poll.workflows.len(), 1, "{case:?}");
        assert!(!poll.workflows[0].status.is_final(), "{case:?}");
    }
}

#[tokio::test]
async fn a_finished_build_has_ended_whatever_it_says() {
    let words = [
        Value::Null,
        json!("SUCCESS"),
        json!(""),
        json!(7),
        json!("vanished"),
    ];
    let cases = words.map(|word| (json!("finished"), word));
    let polls = poll_words(&cases).await;
    for (case, poll) in cases.iter().zip(polls) {
        assert_eq!(poll.workflows[0].status, WorkflowStatus::Error, "{case:?}");
    }
}

/// What a poll shows of builds with these words for `lifecycle` and `status`.
async fn poll_words(cases: &[(Value, Value)]) -> Vec<PollResult> {
    let answers = cases.iter().map(|(lifecycle, word)| {
        let mut build = whole_build();
        build.insert("lifecycle".to_owned(), lifecycle.clone());
        build.insert("status".to_owned(), word.clone());
        build.insert("outcome".to_owned(), Value::Null);
        ok_response(&build_json(build))
    });
    let (client, _raw) = raw_client(answers.collect()).await;
    let mut polls = Vec::new();
    for _ in cases {
        polls.push(client.poll(&slug(), &build_run(3_926), true).await.unwrap());
    }
    polls
}

#[tokio::test]
async fn an_answer_that_breaks_off_anywhere_is_no_answer() {
    let whole = build_json(whole_build());
    let announced = created_response(&whole);
    // Some places within names, within values, and between them.
    let ends: Vec<usize> = (0..whole.len()).step_by(7).collect();
    let answers = ends.iter().flat_map(|end| {
        let part = &whole[..*end];
        // Less than announced, and with a matching length.
        let broken = announced[..announced.len() - whole.len() + end].to_owned();
        let list = ok_response(&format!("[{part}"));
        [broken, created_response(part), ok_response(part), list]
    });
    let (client, _raw) = raw_client(answers.collect()).await;
    for end in ends {
        for _ in 0..2 {
            assert_unknown(&client.trigger(&job_request()).await);
        }
        let poll = client.poll(&slug(), &build_run(3_926), true).await;
        assert!(poll.is_err(), "{end}: {poll:?}");
        let result = client.look_up(&lookup_request()).await;
        assert!(result.is_err(), "{end}: {result:?}");
    }
}

#[tokio::test]
async fn a_listing_is_a_list_of_builds_or_proves_nothing() {
    let listings = [
        "",
        "{}",
        "null",
        "17",
        r#""x""#,
        "<html>",
        r#"{"items":[]}"#,
        r#"{"message":"x"}"#,
    ];
    let (client, _raw) = raw_client(listings.map(ok_response).to_vec()).await;
    for listing in listings {
        let outcome = client.look_up(&lookup_request()).await;
        assert_unreadable(outcome, listing);
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_read_may_be_the_build() {
    let ours = build_json(whole_build());
    for item in [
        "[]",
        "[[{}]]",
        "{}",
        "17",
        r#""x""#,
        r#"{"build_num":null}"#,
    ] {
        let listings = [format!("[{item}]"), format!("[{item},{ours}]")];
        let answers = listings.iter().map(|listing| ok_response(listing));
        let (client, _raw) = raw_client(answers.collect()).await;
        let error = client.look_up(&lookup_request()).await.unwrap_err();
        let message = "the list has a build that cannot be read";
        assert_eq!(error.message, message, "{item}");
        // It does not hide the others.
        let result = client.look_up(&lookup_request()).await.unwrap();
        assert!(matches!(result, LookupResult::Found(_)), "{item}");
    }
    // Null is none.
    let listings = ["[null]".to_owned(), format!("[null,{ours}]")];
    let answers = listings.iter().map(|listing| ok_response(listing));
    let (client, _raw) = raw_client(answers.collect()).await;
    let result = client.look_up(&lookup_request()).await.unwrap();
    assert_eq!(result, LookupResult::Absent { candidates: vec![] });
    let result = client.look_up(&lookup_request()).await.unwrap();
    assert!(matches!(result, LookupResult::Found(_)));
}

#[tokio::test]
async fn only_a_build_that_shows_other_parameters_is_another_build() {
    let is_relevant = |(what, _): &(String, _)| {
        let names = ["build_num", "build_parameters", "why"];
        names.iter().any(|name| what.contains(name))
    };
    for (what, mutant) in broken_builds().into_iter().filter(is_relevant) {
        let parameters = mutant.get("build_parameters").cloned();
        let carries = parameters
            .as_ref()
            .is_some_and(|all| all[BUILD_ID] == DEPLOY);
        // The build itself has the same answer as the listing.
        let line = build_json(mutant);
        let answers = [format!("[{line}]"), line].map(|body| ok_response(&body));
        let (client, _raw) = raw_client(answers.to_vec()).await;
        match client.look_up(&lookup_request()).await {
            Ok(LookupResult::Found(run)) => assert!(carries && run.number == 3_926, "{what}"),
            Ok(LookupResult::Absent { candidates }) => {
                assert_eq!(candidates, [], "{what}");
                assert_eq!(parameters, Some(json!({})), "{what}");
            }
            Err(_) => {}
        }
    }
}

#[tokio::test]
async fn a_build_without_times_is_not_older_than_anything() {
    let mut timeless = whole_build();
    for name in ["usage_queued_at", "queued_at", "start_time"] {
        timeless.remove(name);
    }
    let list = |build| ok_response(&format!("[{}]", build_json(build)));
    let answers = [timeless, whole_build()].map(list);
    let (client, _raw) = raw_client(answers.to_vec()).await;
    let late = lookup_by(&TriggerCall::Job, ago(0));
    let result = client.look_up(&late).await.unwrap();
    assert!(matches!(result, LookupResult::Found(_)), "{result:?}");
    let result = client.look_up(&late).await.unwrap();
    assert_eq!(result, LookupResult::Absent { candidates: vec![] });
}
