//! Questions that meet a fault show nothing and prove nothing.

use std::time::Duration;

use chatops_core::id::PipelineId;
use chatops_core::ports::{Ci, CiError};
use chatops_sandbox::Fault;
use chatops_sandbox::circleci::{Call, Script};
use tokio::net::TcpSocket;
use uuid::Uuid;

use crate::raw::{Raw, answer};
use crate::search::found;
use crate::support::{
    DEPLOY, TOKEN, ago, client, client_for, refuse, run, sandbox, scripted, search_since, slug,
    started,
};

/// Every way in which a question can fail: the fault, the wait, and whether the token was refused.
pub(crate) fn failures() -> Vec<(Fault, Option<u64>, bool)> {
    vec![
        (refuse(429, Some(7)), Some(7), false),
        (refuse(429, None), None, false),
        (refuse(503, Some(60)), Some(60), false),
        (refuse(500, None), None, false),
        (refuse(404, None), None, false),
        (refuse(401, None), None, true),
        (Fault::ErrorAfter { status: 502 }, None, false),
        (Fault::AnswerLost, None, false),
        (Fault::HalfBody, None, false),
        (Fault::Garbage, None, false),
        (
            Fault::Hang {
                for_: Duration::from_hours(1),
            },
            None,
            false,
        ),
    ]
}

pub(crate) fn failed<T: std::fmt::Debug>(
    outcome: Result<T, CiError>,
    after: Option<u64>,
    unauthorized: bool,
) {
    let error = outcome.unwrap_err();
    assert_eq!(error.after, after.map(Duration::from_secs), "{error}");
    assert_eq!(error.unauthorized, unauthorized, "{error}");
    assert!(!error.message.is_empty(), "{error}");
    assert!(
        !error.message.contains(TOKEN) && !error.message.contains("http://"),
        "{error}"
    );
}

#[tokio::test]
async fn a_search_that_meets_a_fault_proves_nothing() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let (ours, _) = started(&sandbox, ago(30), "feature/x", DEPLOY);
    for call in [Call::List, Call::Values] {
        for (fault, after, unauthorized) in failures() {
            let failing = client_for(sandbox.circleci_url(), &fault);
            sandbox.circleci().fail_next(call, fault);
            let outcome = failing.search(&search_since(ago(60))).await;
            failed(outcome, after, unauthorized);
            let finding = client.search(&search_since(ago(60))).await.unwrap();
            assert_eq!(found(&finding), ours);
        }
    }
}

#[tokio::test]
async fn a_look_that_meets_a_fault_shows_nothing() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let id = scripted(&sandbox, Script::endless(), 60);
    for call in [Call::Pipeline, Call::Workflows] {
        for (fault, after, unauthorized) in failures() {
            let failing = client_for(sandbox.circleci_url(), &fault);
            sandbox.circleci().fail_next(call, fault);
            failed(failing.look(&slug(), &run(id)).await, after, unauthorized);
            assert_eq!(
                client
                    .look(&slug(), &run(id))
                    .await
                    .unwrap()
                    .workflows
                    .len(),
                1
            );
        }
    }
}

#[tokio::test]
async fn a_refusal_of_a_question_needs_no_body() {
    let half = |status: &str| {
        answer(status, &["retry-after: 7"], r#"{"message":"No"}"#).replace("\"}", "")
    };
    for (status, unauthorized) in [("401 Unauthorized", true), ("429 Too Many Requests", false)] {
        let raw = Raw::new(vec![half(status)]).await;
        failed(
            client(&raw.url).search(&search_since(ago(0))).await,
            Some(7),
            unauthorized,
        );
    }
}

#[tokio::test]
async fn a_closed_port_answers_no_question() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let client = client(&format!("http://{}", socket.local_addr().unwrap()));
    failed(client.search(&search_since(ago(0))).await, None, false);
    failed(
        client.look(&slug(), &run(PipelineId(Uuid::nil()))).await,
        None,
        false,
    );
    failed(
        client
            .cancel(&slug(), &run(PipelineId(Uuid::nil())), "x")
            .await,
        None,
        false,
    );
}
