//! The pause that CircleCI asks for: it holds for every call of the process.

use std::time::Duration;

use chatops_core::config::TriggerCall;
use chatops_core::ports::{CiClient, TriggerOutcome};
use chatops_sandbox::circleci::{CiCall, RunScript};

use crate::ends::{every_call, post_call};
use crate::support::{
    ago, assert_created, build_run, calls, client_of, created_count, fail_next, lookup_by, not_now,
    pipeline_run, rejection, sandbox_client, slug, start_build, start_scripted, trigger_request,
    trigger_request_by,
};

const PAUSE_MESSAGE: &str = "CircleCI has asked for a pause (HTTP 429)";

/// Most of the pause: the test itself takes a moment.
fn assert_pause_left(after: Option<Duration>, whole: u64) {
    let (after, whole) = (after.unwrap(), Duration::from_secs(whole));
    assert!(after <= whole && after > whole / 2, "{after:?}");
}

#[tokio::test]
async fn many_deploys_send_nothing_while_circleci_wants_a_pause() {
    let (sandbox, circleci) = sandbox_client().await;
    let pipeline = pipeline_run(start_scripted(&sandbox, RunScript::endless(), 60));
    let number = start_build(&sandbox, ago(60), "feature/x", "x");
    fail_next(&sandbox, CiCall::Pipeline, rejection(429, Some(200)));
    let error = circleci.poll(&slug(), &pipeline, true).await.unwrap_err();
    assert_eq!(error.message, "HTTP 429: No, sorry");
    assert_eq!(error.retry_after, Some(Duration::from_secs(200)));
    let (sent, started) = (calls(&sandbox).len(), created_count(&sandbox));
    assert_eq!(sent, 1);

    for _ in 0..50 {
        for call in every_call() {
            let TriggerOutcome::NotNow { error, retry_after } =
                circleci.trigger(&trigger_request_by(&call)).await
            else {
                panic!("{call:?}")
            };
            assert_eq!(error, PAUSE_MESSAGE);
            assert_pause_left(retry_after, 200);
            let outcome = circleci.look_up(&lookup_by(&call, ago(60))).await;
            let error = outcome.unwrap_err();
            assert_eq!(error.message, PAUSE_MESSAGE);
            assert_pause_left(error.retry_after, 200);
        }
        for run in [&pipeline, &build_run(number)] {
            let error = circleci.poll(&slug(), run, true).await.unwrap_err();
            assert!(!error.unauthorized);
            assert_pause_left(error.retry_after, 200);
            let error = circleci.cancel(&slug(), run, "x").await.unwrap_err();
            assert_pause_left(error.retry_after, 200);
        }
    }
    assert_eq!(calls(&sandbox).len(), sent, "nothing was sent");
    assert_eq!(created_count(&sandbox), started);
}

#[tokio::test]
async fn any_call_can_be_the_one_that_is_throttled() {
    for call in every_call() {
        let (sandbox, circleci) = sandbox_client().await;
        fail_next(&sandbox, post_call(&call), rejection(429, Some(200)));
        let outcome = circleci.trigger(&trigger_request_by(&call)).await;
        assert_eq!(outcome, not_now("HTTP 429: No, sorry", Some(200)));
        assert!(
            circleci
                .poll(&slug(), &build_run(3_926), true)
                .await
                .is_err()
        );
        assert_eq!(calls(&sandbox).len(), 1, "{call:?}");
    }
    for (listing, call) in [
        (CiCall::List, TriggerCall::Pipeline),
        (CiCall::Builds, TriggerCall::Job),
    ] {
        let (sandbox, circleci) = sandbox_client().await;
        fail_next(&sandbox, listing, rejection(429, Some(200)));
        assert!(circleci.look_up(&lookup_by(&call, ago(60))).await.is_err());
        circleci.trigger(&trigger_request()).await;
        assert_eq!(calls(&sandbox).len(), 1, "{call:?}");
    }
}

#[tokio::test]
async fn other_errors_and_other_processes_make_no_pause() {
    let (sandbox, circleci) = sandbox_client().await;
    for status in [401, 403, 404, 500, 503] {
        fail_next(&sandbox, CiCall::Trigger, rejection(status, Some(200)));
        circleci.trigger(&trigger_request()).await;
    }
    assert_eq!(calls(&sandbox).len(), 5);
    fail_next(&sandbox, CiCall::Trigger, rejection(429, Some(200)));
    circleci.trigger(&trigger_request()).await;
    let outcome = client_of(&sandbox).trigger(&trigger_request()).await;
    assert_created(&outcome);
}
