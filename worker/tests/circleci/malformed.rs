//! Answers of API v1.1 that are not what they should be: every field missing, null or of another
//! kind, and every way to break off.

use chatops_core::config::TriggerCall;
use chatops_core::ports::{Ci, Finding, Outcome, Search, WorkflowStatus};
use chatops_worker::CircleCi;
use serde_json::{Map, Value, json};

use crate::raw::{Raw, answer, is_unknown};
use crate::support::{BUILD_ID, DEPLOY, Token, ago, build, client, order_by, search_by, slug};

fn whole() -> Map<String, Value> {
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
fn mutants() -> Vec<(String, Map<String, Value>)> {
    let others = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("\u{0}é"),
        json!([]),
        json!({}),
        json!([[{}]]),
    ];
    let mut mutants = Vec::new();
    for name in whole().keys() {
        let mut without = whole();
        without.remove(name);
        mutants.push((format!("without {name}"), without));
        for other in &others {
            let mut changed = whole();
            changed.insert(name.clone(), other.clone());
            mutants.push((format!("{name} = {other}"), changed));
        }
    }
    mutants
}

/// The client, and a CircleCI with these answers, one for each of its calls.
async fn given(answers: Vec<String>) -> (CircleCi<Token>, Raw) {
    let raw = Raw::new(answers).await;
    (client(&raw.url), raw)
}

fn created(body: &str) -> String {
    answer("201 Created", &[], body)
}

fn shown(body: &str) -> String {
    answer("200 OK", &[], body)
}

fn search() -> Search {
    search_by(&TriggerCall::Job, "2026-01-02T03:04:00Z".parse().unwrap())
}

fn text(build: Map<String, Value>) -> String {
    Value::Object(build).to_string()
}

#[tokio::test]
async fn the_whole_answer_is_understood() {
    let whole = text(whole());
    let answers = vec![created(&whole), shown(&whole), shown(&format!("[{whole}]"))];
    let (client, _raw) = given(answers).await;
    let outcome = client.trigger(&order_by(&TriggerCall::Job)).await;
    assert!(matches!(outcome, Outcome::Created(_)), "{outcome:?}");
    let look = client.look(&slug(), &build(3_926)).await.unwrap();
    assert_eq!(look.workflows[0].status, WorkflowStatus::Success);
    let finding = client.search(&search()).await.unwrap();
    assert!(matches!(finding, Finding::Found(_)), "{finding:?}");
}

#[tokio::test]
async fn a_trigger_names_its_build_or_leaves_everything_open() {
    let bodies = [
        "",
        "{}",
        "[]",
        "null",
        "17",
        r#"{"build_num":"3926"}"#,
        "<html>",
        "{\"build_num\":3926",
    ];
    let wrong = bodies.map(|body| (None, body.to_owned()));
    let mutants = mutants().into_iter().map(|(_, mutant)| {
        let number = mutant.get("build_num").and_then(Value::as_u64);
        (number, text(mutant))
    });
    let cases: Vec<(Option<u64>, String)> = wrong.into_iter().chain(mutants).collect();
    let answers = cases.iter().map(|(_, body)| created(body)).collect();
    let (client, raw) = given(answers).await;
    let mut understood = 0;
    for (number, body) in &cases {
        match client.trigger(&order_by(&TriggerCall::Job)).await {
            Outcome::Created(run) => {
                assert_eq!((Some(run.number), run.number), (*number, 3_926), "{body}");
                understood += 1;
            }
            other => is_unknown(&other),
        }
    }
    assert!(understood > 0);
    assert_eq!(raw.requests().len(), cases.len(), "each POST is sent once");
}

#[tokio::test]
async fn no_broken_answer_is_a_success() {
    let mutants = mutants();
    let answers = mutants
        .iter()
        .map(|(_, mutant)| shown(&text(mutant.clone())));
    let (client, _raw) = given(answers.collect()).await;
    for (what, mutant) in mutants {
        let is = |name: &str, word: &str| mutant.get(name).is_some_and(|value| value == word);
        let says_nothing = mutant.get("outcome").is_none_or(Value::is_null);
        let says_success = is("lifecycle", "finished")
            && (is("outcome", "success") || says_nothing && is("status", "success"));
        match client.look(&slug(), &build(3_926)).await {
            Ok(look) => {
                let mut statuses = look.workflows.iter().map(|workflow| workflow.status);
                let is_success = statuses.any(|status| status == WorkflowStatus::Success);
                assert_eq!(is_success, says_success, "{what}: {look:?}");
            }
            Err(error) => assert!(
                error.message.starts_with("the answer cannot be read: "),
                "{what}: {error}"
            ),
        }
    }
}

#[tokio::test]
async fn what_does_not_say_that_it_is_over_is_not_over() {
    let cases = [
        (Value::Null, json!("success")),
        (json!("finished"), Value::Null),
        (json!("finished"), json!("retried")),
        (json!("finished"), json!("SUCCESS")),
        (json!("finished"), json!("")),
        (json!("Finished"), json!("failed")),
        (json!("brand-new"), json!("canceled")),
        (json!("running"), json!("failed")),
        (json!("queued"), json!("failed")),
    ];
    let answers = cases.iter().map(|(lifecycle, word)| {
        let mut build = whole();
        build.insert("lifecycle".to_owned(), lifecycle.clone());
        build.insert("status".to_owned(), word.clone());
        build.insert("outcome".to_owned(), Value::Null);
        shown(&text(build))
    });
    let (client, _raw) = given(answers.collect()).await;
    for (lifecycle, word) in cases {
        let look = client.look(&slug(), &build(3_926)).await.unwrap();
        assert_eq!(look.workflows.len(), 1, "{lifecycle} {word}");
        assert!(!look.workflows[0].status.is_final(), "{lifecycle} {word}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_anywhere_is_no_answer() {
    let whole = text(whole());
    let announced = created(&whole);
    // A few places of each kind: within names, values, and between them.
    let ends: Vec<usize> = (0..whole.len()).step_by(7).collect();
    let answers = ends.iter().flat_map(|end| {
        let part = &whole[..*end];
        // Less than was announced, and as if it were all of it.
        let broken = announced[..announced.len() - whole.len() + end].to_owned();
        let list = shown(&format!("[{part}"));
        [broken, created(part), shown(part), list]
    });
    let (client, _raw) = given(answers.collect()).await;
    for end in ends {
        is_unknown(&client.trigger(&order_by(&TriggerCall::Job)).await);
        is_unknown(&client.trigger(&order_by(&TriggerCall::Job)).await);
        let look = client.look(&slug(), &build(3_926)).await;
        assert!(look.is_err(), "{end}: {look:?}");
        let finding = client.search(&search()).await;
        assert!(finding.is_err(), "{end}: {finding:?}");
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
        "[null]",
        "[[]]",
        "[{}]",
        "<html>",
        r#"{"items":[]}"#,
        r#"{"message":"x"}"#,
    ];
    let (client, _raw) = given(listings.map(shown).to_vec()).await;
    for listing in listings {
        let error = client.search(&search()).await.unwrap_err();
        assert!(
            error.message.starts_with("the answer cannot be read: "),
            "{listing}: {error}"
        );
    }
}

#[tokio::test]
async fn only_a_build_that_shows_other_parameters_is_another_build() {
    let telling = |(what, _): &(String, _)| {
        let names = ["build_num", "build_parameters", "why"];
        names.iter().any(|name| what.contains(name))
    };
    for (what, mutant) in mutants().into_iter().filter(telling) {
        let parameters = mutant.get("build_parameters").cloned();
        let carries = parameters
            .as_ref()
            .is_some_and(|parameters| parameters[BUILD_ID] == DEPLOY);
        // The same answer again where the build itself is asked for.
        let line = text(mutant);
        let (client, _raw) = given(vec![shown(&format!("[{line}]")), shown(&line)]).await;
        match client.search(&search()).await {
            Ok(Finding::Found(run)) => assert!(carries && run.number == 3_926, "{what}"),
            Ok(Finding::Absent { candidates }) => {
                assert_eq!(candidates, [], "{what}");
                assert_eq!(parameters, Some(json!({})), "{what}");
            }
            Err(_) => {}
        }
    }
}

#[tokio::test]
async fn a_build_without_times_is_not_older_than_anything() {
    let mut timeless = whole();
    for name in ["usage_queued_at", "queued_at", "start_time"] {
        timeless.remove(name);
    }
    let answers = [timeless, whole()].map(|build| shown(&format!("[{}]", text(build))));
    let (client, _raw) = given(answers.to_vec()).await;
    let late = search_by(&TriggerCall::Job, ago(0));
    let finding = client.search(&late).await.unwrap();
    assert!(matches!(finding, Finding::Found(_)), "{finding:?}");
    let finding = client.search(&late).await.unwrap();
    assert_eq!(finding, Finding::Absent { candidates: vec![] });
}
