//! Reads that meet a fault show nothing and prove nothing.

use std::time::Duration;

use chatops_core::ports::{CiClient, CiReadError};
use chatops_sandbox::HttpFault;
use chatops_sandbox::circleci::{CiCall, RunScript};
use tokio::net::TcpSocket;

use crate::pipeline_lookup::found_pipeline;
use crate::poll::poll_pipeline;
use crate::raw_server::{RawServer, assert_discloses_nothing, raw_response};
use crate::support::{
    DEPLOY, ago, client, client_for, fail_next, lookup_since, missing_pipeline, pipeline_run,
    rejection, sandbox_client, slug, start_pipeline, start_scripted,
};

/// Every way in which a read can fail: the fault, the pause, and whether the token was rejected.
pub(crate) fn read_faults() -> Vec<(HttpFault, Option<u64>, bool)> {
    let duration = Duration::from_hours(1);
    vec![
        (rejection(429, Some(7)), Some(7), false),
        (rejection(429, None), None, false),
        (rejection(503, Some(60)), Some(60), false),
        (rejection(500, None), None, false),
        (rejection(404, None), None, false),
        (rejection(401, None), None, true),
        (HttpFault::ErrorAfter { status: 502 }, None, false),
        (HttpFault::AnswerLost, None, false),
        (HttpFault::HalfBody, None, false),
        (HttpFault::Garbage, None, false),
        (HttpFault::Hang { duration }, None, false),
    ]
}

pub(crate) fn assert_failed<T: std::fmt::Debug>(
    outcome: Result<T, CiReadError>,
    after: Option<u64>,
    unauthorized: bool,
) {
    let error = outcome.unwrap_err();
    assert_eq!(error.retry_after, after.map(Duration::from_secs), "{error}");
    assert_eq!(error.unauthorized, unauthorized, "{error}");
    assert_discloses_nothing(&error.message);
}

#[tokio::test]
async fn a_lookup_that_meets_a_fault_proves_nothing() {
    let (sandbox, client) = sandbox_client().await;
    let (ours, _) = start_pipeline(&sandbox, ago(30), "feature/x", DEPLOY);
    for call in [CiCall::List, CiCall::Values] {
        for (fault, after, unauthorized) in read_faults() {
            let failing = client_for(&sandbox, &fault);
            fail_next(&sandbox, call, fault);
            let outcome = failing.look_up(&lookup_since(ago(60))).await;
            assert_failed(outcome, after, unauthorized);
            let result = client.look_up(&lookup_since(ago(60))).await.unwrap();
            assert_eq!(found_pipeline(&result), ours);
        }
    }
}

#[tokio::test]
async fn a_poll_that_meets_a_fault_shows_nothing() {
    let (sandbox, client) = sandbox_client().await;
    let id = start_scripted(&sandbox, RunScript::endless(), 60);
    for call in [CiCall::Pipeline, CiCall::Workflows] {
        for (fault, after, unauthorized) in read_faults() {
            let failing = client_for(&sandbox, &fault);
            fail_next(&sandbox, call, fault);
            let outcome = failing.poll(&slug(), &pipeline_run(id), true).await;
            assert_failed(outcome, after, unauthorized);
            assert_eq!(poll_pipeline(&client, id).await.workflows.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_rejected_read_needs_no_body() {
    let half = |status: &str| {
        raw_response(status, &["retry-after: 7"], r#"{"message":"No"}"#).replace("\"}", "")
    };
    for (status, unauthorized) in [("401 Unauthorized", true), ("429 Too Many Requests", false)] {
        let raw = RawServer::new(vec![half(status)]).await;
        let outcome = client(&raw.url).look_up(&lookup_since(ago(0))).await;
        assert_failed(outcome, Some(7), unauthorized);
    }
}

#[tokio::test]
async fn a_closed_port_answers_no_read() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let client = client(&format!("http://{}", socket.local_addr().unwrap()));
    assert_failed(client.look_up(&lookup_since(ago(0))).await, None, false);
    let outcome = client.poll(&slug(), &missing_pipeline(), true).await;
    assert_failed(outcome, None, false);
    let outcome = client.cancel(&slug(), &missing_pipeline(), "x").await;
    assert_failed(outcome, None, false);
}
