//! The search for a build of API v1.1 that carries the proof.

use chatops_core::config::TriggerCall;
use chatops_core::ports::{Ci, Finding, Search};
use chatops_sandbox::Sandbox;
use chatops_sandbox::circleci::{Call, Script};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::faults::{failed, failures};
use crate::look::{HOUR, MINUTE};
use crate::raw::{Raw, answer};
use crate::support::{
    BUILD_ID, DEPLOY, ago, build, built, calls, client, client_for, sandbox, sandbox_with,
    search_by,
};

const TREE: &str = "/api/v1.1/project/github/acme/web/tree/feature%2Fx";

fn search(seconds: i64) -> Search {
    search_by(&TriggerCall::Job, ago(seconds))
}

fn absent() -> Finding {
    Finding::Absent { candidates: vec![] }
}

/// The number of the build that was found.
fn found(finding: &Finding) -> u64 {
    match finding {
        Finding::Found(run) => {
            assert_eq!((run.kind, run.id), (build(0).kind, build(run.number).id));
            run.number
        }
        other @ Finding::Absent { .. } => panic!("{other:?}"),
    }
}

/// A sandbox whose listing leaves the parameters out.
async fn terse() -> Sandbox {
    sandbox_with(|project| project.lists_build_parameters = false).await
}

#[tokio::test]
async fn the_proof_is_found_among_others() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    assert_eq!(client.search(&search(60)).await, Ok(absent()));
    built(&sandbox, ago(30), "feature/x", "another deploy");
    let ours = built(&sandbox, ago(20), "feature/x", DEPLOY);
    built(&sandbox, ago(10), "feature/x", "a third");
    assert_eq!(found(&client.search(&search(60)).await.unwrap()), ours);
    // One question each: the listing shows the parameters.
    let list = format!("{TREE}?limit=30&offset=0");
    let expected = ("GET".to_owned(), list, Some(200));
    assert_eq!(calls(&sandbox), [expected.clone(), expected]);
}

#[tokio::test]
async fn a_listing_without_parameters_is_no_obstacle() {
    let sandbox = terse().await;
    let client = client(sandbox.circleci_url());
    let ours = built(&sandbox, ago(20), "feature/x", DEPLOY);
    built(&sandbox, ago(10), "feature/x", "another deploy");
    assert_eq!(found(&client.search(&search(60)).await.unwrap()), ours);
    let paths: Vec<_> = calls(&sandbox).into_iter().map(|call| call.1).collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
    assert!(paths[1].ends_with("/3927") && paths[2].ends_with("/3926"));
}

#[tokio::test]
async fn another_branch_or_value_proves_nothing() {
    for sandbox in [sandbox().await, terse().await] {
        let client = client(sandbox.circleci_url());
        built(&sandbox, ago(10), "main", DEPLOY);
        let upper = DEPLOY.to_uppercase();
        let longer = format!("{DEPLOY} ");
        for almost in ["", &DEPLOY[1..], &upper, &longer] {
            built(&sandbox, ago(10), "feature/x", almost);
        }
        assert_eq!(client.search(&search(60)).await, Ok(absent()));
    }
}

#[tokio::test]
async fn a_build_may_be_listed_late() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let late = |after| Script::default().listed_after(after);
    sandbox.circleci().lock().script_next(late(HOUR));
    built(&sandbox, ago(120), "feature/x", DEPLOY);
    assert_eq!(client.search(&search(180)).await, Ok(absent()));
    sandbox.circleci().lock().script_next(late(MINUTE));
    let ours = built(&sandbox, ago(120), "feature/x", DEPLOY);
    assert_eq!(found(&client.search(&search(180)).await.unwrap()), ours);
}

#[tokio::test]
async fn the_listing_is_read_page_by_page_up_to_what_is_older() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    for _ in 0..40 {
        built(&sandbox, ago(3_600), "feature/x", DEPLOY);
    }
    let ours = built(&sandbox, ago(60), "feature/x", DEPLOY);
    for _ in 0..65 {
        built(&sandbox, ago(30), "feature/x", "another deploy");
    }
    assert_eq!(found(&client.search(&search(60)).await.unwrap()), ours);
    let offsets = |calls: Vec<(String, String, Option<u16>)>| -> Vec<String> {
        let offset = |path: &str| path.rsplit('=').next().unwrap().to_owned();
        calls.iter().map(|call| offset(&call.1)).collect()
    };
    assert_eq!(offsets(calls(&sandbox)), ["0", "30", "60"]);

    let mut other = search(60);
    other.proof = Some((BUILD_ID.to_owned(), "a fourth".to_owned()));
    assert_eq!(client.search(&other).await, Ok(absent()));
    // The third page reaches what is older, so there is no fourth.
    assert_eq!(offsets(calls(&sandbox))[3..], ["0", "30", "60"]);
}

#[tokio::test]
async fn a_last_page_that_is_full_is_followed_by_one_more_question() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    for _ in 0..30 {
        built(&sandbox, ago(30), "feature/x", "another deploy");
    }
    assert_eq!(client.search(&search(60)).await, Ok(absent()));
    assert_eq!(calls(&sandbox).len(), 2);
}

#[tokio::test]
async fn a_listing_without_end_proves_nothing() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    for _ in 0..301 {
        built(&sandbox, ago(30), "feature/x", "another deploy");
    }
    let error = client.search(&search(60)).await.unwrap_err();
    assert_eq!(
        error.message,
        "the branch has more than 10 pages of recent builds"
    );
    assert_eq!(calls(&sandbox).len(), 10);
}

#[tokio::test]
async fn clocks_may_be_five_minutes_apart() {
    // Milliseconds are all that CircleCI shows.
    let since = ago(1_000);
    let since = since - TimeDelta::nanoseconds(i64::from(since.timestamp_subsec_nanos()));
    for (earlier, counts) in [(299, true), (300, true), (301, false)] {
        let sandbox = sandbox().await;
        let at = since - TimeDelta::seconds(earlier);
        built(&sandbox, at, "feature/x", DEPLOY);
        let search = search_by(&TriggerCall::Job, since);
        let finding = client(sandbox.circleci_url()).search(&search).await;
        let is_found = matches!(finding, Ok(Finding::Found(_)));
        assert_eq!(is_found, counts, "{earlier}");
    }
}

#[tokio::test]
async fn without_proof_there_are_only_candidates() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    built(&sandbox, ago(3_600), "feature/x", DEPLOY);
    built(&sandbox, ago(20), "main", DEPLOY);
    let mut expected: Vec<_> = (0..3)
        .map(|n| built(&sandbox, ago(30 - n), "feature/x", DEPLOY))
        .collect();
    // Newest first.
    expected.reverse();
    let search = Search {
        proof: None,
        ..search(60)
    };
    let Finding::Absent { candidates } = client.search(&search).await.unwrap() else {
        panic!("without proof nothing is found")
    };
    let numbers: Vec<_> = candidates.iter().map(|run| run.number).collect();
    assert_eq!(numbers, expected);
    assert_eq!(calls(&sandbox).len(), 1);
}

#[tokio::test]
async fn a_search_that_meets_a_fault_proves_nothing() {
    let sandbox = terse().await;
    let client = client(sandbox.circleci_url());
    let ours = built(&sandbox, ago(30), "feature/x", DEPLOY);
    for call in [Call::Builds, Call::Build] {
        for (fault, after, unauthorized) in failures() {
            let failing = client_for(sandbox.circleci_url(), &fault);
            sandbox.circleci().fail_next(call, fault);
            failed(failing.search(&search(60)).await, after, unauthorized);
            assert_eq!(found(&client.search(&search(60)).await.unwrap()), ours);
        }
    }
}

/// A listing of one build, and what the build itself says.
async fn one(line: &Value, whole: &Value) -> Raw {
    let list = json!([line]).to_string();
    Raw::new(vec![
        answer("200 OK", &[], &list),
        answer("200 OK", &[], &whole.to_string()),
    ])
    .await
}

#[tokio::test]
async fn a_build_of_our_own_kind_that_hides_its_parameters_proves_nothing() {
    for (why, doubtful) in [
        (json!("api"), true),
        (Value::Null, true),
        (json!("github"), false),
        (json!("retry"), false),
    ] {
        let hidden = json!({"build_num": 3_926, "why": why, "build_parameters": null});
        let raw = one(&json!({"build_num": 3_926}), &hidden).await;
        let finding = client(&raw.url).search(&search(60)).await;
        if doubtful {
            let error = finding.unwrap_err();
            assert_eq!(error.message, "build 3926 does not show its parameters");
        } else {
            assert_eq!(finding, Ok(absent()), "{why}");
        }
    }
}

#[tokio::test]
async fn the_proof_has_to_be_a_text_of_the_same_name() {
    for (parameters, proves) in [
        (json!({"CHATOPS_DEPLOY_ID": DEPLOY}), true),
        (json!({"CHATOPS_DEPLOY_ID": [DEPLOY]}), false),
        (json!({"chatops_deploy_id": DEPLOY}), false),
        (json!({"OTHER": DEPLOY}), false),
        (json!({}), false),
    ] {
        let whole = json!({"build_num": 3_926, "why": "api", "build_parameters": parameters});
        // In the listing, and in the build that the listing leaves it to.
        for line in [whole.clone(), json!({"build_num": 3_926})] {
            let raw = one(&line, &whole).await;
            let finding = client(&raw.url).search(&search(60)).await.unwrap();
            let is_found = matches!(finding, Finding::Found(_));
            assert_eq!(is_found, proves, "{parameters}");
        }
    }
}
