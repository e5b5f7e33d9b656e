//! The lookup of a build of API v1.1 by its deploy id parameter.

use chatops_core::config::TriggerCall;
use chatops_core::ports::{CiClient, LookupRequest, LookupResult};
use chatops_sandbox::Sandbox;
use chatops_sandbox::circleci::{CiCall, RunScript};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::faults::{assert_failed, read_faults};
use crate::poll::{HOUR, MINUTE};
use crate::raw_server::{RawServer, ok_response};
use crate::support::{
    BUILD_ID, DEPLOY, ago, build_run, calls, client, client_for, client_of, fail_next, lookup_by,
    sandbox, sandbox_client, sandbox_with, script_next, start_build,
};

const TREE: &str = "/api/v1.1/project/github/acme/web/tree/feature%2Fx";

fn lookup_request(seconds: i64) -> LookupRequest {
    lookup_by(&TriggerCall::Job, ago(seconds))
}

fn absent_build() -> LookupResult {
    LookupResult::Absent { candidates: vec![] }
}

/// The number of the build that the last minutes' lookup finds.
async fn find_build(client: &impl CiClient, seconds: i64) -> u64 {
    match client.look_up(&lookup_request(seconds)).await.unwrap() {
        LookupResult::Found(run) => {
            let expected = build_run(run.number);
            assert_eq!((run.kind, run.id), (expected.kind, expected.id));
            run.number
        }
        other @ LookupResult::Absent { .. } => panic!("{other:?}"),
    }
}

/// A sandbox whose listing leaves the parameters out.
async fn terse_sandbox() -> Sandbox {
    sandbox_with(|project| project.lists_build_parameters = false).await
}

#[tokio::test]
async fn the_deploy_id_is_found_among_others() {
    let (sandbox, client) = sandbox_client().await;
    let outcome = client.look_up(&lookup_request(60)).await;
    assert_eq!(outcome, Ok(absent_build()));
    start_build(&sandbox, ago(30), "feature/x", "another deploy");
    let ours = start_build(&sandbox, ago(20), "feature/x", DEPLOY);
    start_build(&sandbox, ago(10), "feature/x", "a third");
    assert_eq!(find_build(&client, 60).await, ours);
    // One call each: the listing shows the parameters.
    let list = format!("{TREE}?limit=30&offset=0");
    let expected = ("GET".to_owned(), list, Some(200));
    assert_eq!(calls(&sandbox), [expected.clone(), expected]);
}

#[tokio::test]
async fn a_listing_without_parameters_is_no_problem() {
    let sandbox = terse_sandbox().await;
    let client = client_of(&sandbox);
    let ours = start_build(&sandbox, ago(20), "feature/x", DEPLOY);
    start_build(&sandbox, ago(10), "feature/x", "another deploy");
    assert_eq!(find_build(&client, 60).await, ours);
    let paths: Vec<_> = calls(&sandbox).into_iter().map(|call| call.1).collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
    assert!(paths[1].ends_with("/3927") && paths[2].ends_with("/3926"));
}

#[tokio::test]
async fn another_branch_or_value_proves_nothing() {
    for sandbox in [sandbox().await, terse_sandbox().await] {
        let client = client_of(&sandbox);
        start_build(&sandbox, ago(10), "main", DEPLOY);
        let upper = DEPLOY.to_uppercase();
        let longer = format!("{DEPLOY} ");
        for almost in ["", &DEPLOY[1..], &upper, &longer] {
            start_build(&sandbox, ago(10), "feature/x", almost);
        }
        let outcome = client.look_up(&lookup_request(60)).await;
        assert_eq!(outcome, Ok(absent_build()));
    }
}

#[tokio::test]
async fn a_build_may_be_listed_late() {
    let (sandbox, client) = sandbox_client().await;
    let late = |after| RunScript::default().listed_after(after);
    script_next(&sandbox, late(HOUR));
    start_build(&sandbox, ago(120), "feature/x", DEPLOY);
    let outcome = client.look_up(&lookup_request(180)).await;
    assert_eq!(outcome, Ok(absent_build()));
    script_next(&sandbox, late(MINUTE));
    let ours = start_build(&sandbox, ago(120), "feature/x", DEPLOY);
    assert_eq!(find_build(&client, 180).await, ours);
}

#[tokio::test]
async fn the_listing_is_read_page_by_page_up_to_what_is_older() {
    let (sandbox, client) = sandbox_client().await;
    for _ in 0..40 {
        start_build(&sandbox, ago(3_600), "feature/x", DEPLOY);
    }
    let ours = start_build(&sandbox, ago(60), "feature/x", DEPLOY);
    for _ in 0..65 {
        start_build(&sandbox, ago(30), "feature/x", "another deploy");
    }
    assert_eq!(find_build(&client, 60).await, ours);
    let offsets = |calls: Vec<(String, String, Option<u16>)>| -> Vec<String> {
        let offset = |path: &str| path.rsplit('=').next().unwrap().to_owned();
        calls.iter().map(|call| offset(&call.1)).collect()
    };
    assert_eq!(offsets(calls(&sandbox)), ["0", "30", "60"]);

    let mut other = lookup_request(60);
    other.deploy_id = Some((BUILD_ID.to_owned(), "a fourth".to_owned()));
    assert_eq!(client.look_up(&other).await, Ok(absent_build()));
    // The third page reaches what is older, so there is no fourth.
    assert_eq!(offsets(calls(&sandbox))[3..], ["0", "30", "60"]);
}

#[tokio::test]
async fn a_full_last_page_is_followed_by_one_more_call() {
    let (sandbox, client) = sandbox_client().await;
    for _ in 0..30 {
        start_build(&sandbox, ago(30), "feature/x", "another deploy");
    }
    let outcome = client.look_up(&lookup_request(60)).await;
    assert_eq!(outcome, Ok(absent_build()));
    assert_eq!(calls(&sandbox).len(), 2);
}

#[tokio::test]
async fn a_listing_without_end_proves_nothing() {
    let (sandbox, client) = sandbox_client().await;
    for _ in 0..301 {
        start_build(&sandbox, ago(30), "feature/x", "another deploy");
    }
    let error = client.look_up(&lookup_request(60)).await.unwrap_err();
    let message = "the branch has more than 10 pages of recent builds";
    assert_eq!(error.message, message);
    assert_eq!(calls(&sandbox).len(), 10);
}

#[tokio::test]
async fn clocks_may_be_five_minutes_apart() {
    // CircleCI shows milliseconds only.
    let since = ago(1_000);
    let since = since - TimeDelta::nanoseconds(i64::from(since.timestamp_subsec_nanos()));
    for (earlier, counts) in [(299, true), (300, true), (301, false)] {
        let sandbox = sandbox().await;
        let at = since - TimeDelta::seconds(earlier);
        start_build(&sandbox, at, "feature/x", DEPLOY);
        let lookup = lookup_by(&TriggerCall::Job, since);
        let result = client_of(&sandbox).look_up(&lookup).await;
        let is_found = matches!(result, Ok(LookupResult::Found(_)));
        assert_eq!(is_found, counts, "{earlier}");
    }
}

#[tokio::test]
async fn without_a_deploy_id_there_are_only_candidates() {
    let (sandbox, client) = sandbox_client().await;
    start_build(&sandbox, ago(3_600), "feature/x", DEPLOY);
    start_build(&sandbox, ago(20), "main", DEPLOY);
    let mut expected: Vec<_> = (0..3)
        .map(|n| start_build(&sandbox, ago(30 - n), "feature/x", DEPLOY))
        .collect();
    // Newest first.
    expected.reverse();
    let lookup = LookupRequest {
        deploy_id: None,
        ..lookup_request(60)
    };
    let LookupResult::Absent { candidates } = client.look_up(&lookup).await.unwrap() else {
        panic!("found without a deploy id")
    };
    let numbers: Vec<_> = candidates.iter().map(|run| run.number).collect();
    assert_eq!(numbers, expected);
    assert_eq!(calls(&sandbox).len(), 1);
}

#[tokio::test]
async fn a_lookup_that_meets_a_fault_proves_nothing() {
    let sandbox = terse_sandbox().await;
    let client = client_of(&sandbox);
    let ours = start_build(&sandbox, ago(30), "feature/x", DEPLOY);
    for call in [CiCall::Builds, CiCall::Build] {
        for (fault, after, unauthorized) in read_faults() {
            let failing = client_for(&sandbox, &fault);
            fail_next(&sandbox, call, fault);
            let outcome = failing.look_up(&lookup_request(60)).await;
            assert_failed(outcome, after, unauthorized);
            assert_eq!(find_build(&client, 60).await, ours);
        }
    }
}

/// A listing of one build, and what the build itself says.
async fn raw_listing(line: &Value, whole: &Value) -> RawServer {
    let answers = [&json!([line]), whole].map(|json| ok_response(&json.to_string()));
    RawServer::new(answers.to_vec()).await
}

#[tokio::test]
async fn a_build_by_the_api_that_hides_its_parameters_proves_nothing() {
    for (why, is_doubtful) in [
        (json!("api"), true),
        (Value::Null, true),
        (json!("github"), false),
        (json!("retry"), false),
    ] {
        let hidden = json!({"build_num": 3_926, "why": why, "build_parameters": null});
        let raw = raw_listing(&json!({"build_num": 3_926}), &hidden).await;
        let result = client(&raw.url).look_up(&lookup_request(60)).await;
        if is_doubtful {
            let error = result.unwrap_err();
            assert_eq!(error.message, "build 3926 does not show its parameters");
        } else {
            assert_eq!(result, Ok(absent_build()), "{why}");
        }
    }
}

#[tokio::test]
async fn the_deploy_id_has_to_be_a_text_of_the_same_name() {
    for (parameters, proves) in [
        (json!({"CHATOPS_DEPLOY_ID": DEPLOY}), true),
        (json!({"CHATOPS_DEPLOY_ID": [DEPLOY]}), false),
        (json!({"chatops_deploy_id": DEPLOY}), false),
        (json!({"OTHER": DEPLOY}), false),
        (json!({}), false),
    ] {
        let whole = json!({"build_num": 3_926, "why": "api", "build_parameters": parameters});
        // In the listing, or only in the build.
        for line in [whole.clone(), json!({"build_num": 3_926})] {
            let raw = raw_listing(&line, &whole).await;
            let result = client(&raw.url).look_up(&lookup_request(60)).await.unwrap();
            let is_found = matches!(result, LookupResult::Found(_));
            assert_eq!(is_found, proves, "{parameters}");
        }
    }
}
