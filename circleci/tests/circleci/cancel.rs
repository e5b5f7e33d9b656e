//! The cancel.

use chatops_core::ports::{CiClient, WorkflowStatus};
use chatops_sandbox::HttpFault;
use chatops_sandbox::circleci::{CiCall, RunScript};

use crate::faults::{assert_failed, read_faults};
use crate::poll::{poll_pipeline, statuses};
use crate::support::{
    calls, client_for, fail_next, missing_pipeline, sandbox_client, slug, start_scripted,
};

#[tokio::test]
async fn a_workflow_is_canceled() {
    let (sandbox, client) = sandbox_client().await;
    let id = start_scripted(&sandbox, RunScript::endless(), 60);
    let workflow = poll_pipeline(&client, id).await.workflows.remove(0);
    let cancel = async || {
        client
            .cancel(&slug(), &missing_pipeline(), &workflow.id)
            .await
    };
    assert_eq!(cancel().await, Ok(()));
    let (method, path, status) = calls(&sandbox).pop().unwrap();
    let expected = format!("/workflow/{}/cancel", workflow.id);
    assert_eq!((&*method, path, status), ("POST", expected, Some(202)));
    let poll = poll_pipeline(&client, id).await;
    assert_eq!(statuses(&poll), [("deploy", WorkflowStatus::Canceled)]);
    // A second cancel is harmless.
    assert_eq!(cancel().await, Ok(()));
}

#[tokio::test]
async fn a_cancel_that_fails_says_so() {
    let (sandbox, client) = sandbox_client().await;
    let pipeline = missing_pipeline();
    let outcome = client.cancel(&slug(), &pipeline, "nonsense").await;
    let error = outcome.unwrap_err();
    assert_eq!(error.message, "HTTP 404: Workflow not found");
    let id = start_scripted(&sandbox, RunScript::endless(), 60);
    let workflow = poll_pipeline(&client, id).await.workflows.remove(0);
    for (fault, after, unauthorized) in read_faults() {
        // Only the status counts; the body is not read.
        let is_accepted = fault == HttpFault::Garbage || fault == HttpFault::HalfBody;
        let failing = client_for(&sandbox, &fault);
        fail_next(&sandbox, CiCall::Cancel, fault);
        let pipeline = missing_pipeline();
        let outcome = failing.cancel(&slug(), &pipeline, &workflow.id).await;
        if is_accepted {
            assert_eq!(outcome, Ok(()));
        } else {
            assert_failed(outcome, after, unauthorized);
        }
    }
}
