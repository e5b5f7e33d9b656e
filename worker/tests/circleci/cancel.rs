//! The cancel.

use chatops_core::id::PipelineId;
use chatops_core::ports::{Ci, WorkflowStatus};
use chatops_sandbox::Fault;
use chatops_sandbox::circleci::{Call, Script};
use uuid::Uuid;

use crate::faults::{failed, failures};
use crate::look::statuses;
use crate::support::{calls, client, client_for, run, sandbox, scripted, slug};

#[tokio::test]
async fn a_workflow_is_canceled() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let id = scripted(&sandbox, Script::endless(), 60);
    let workflow = client
        .look(&slug(), &run(id))
        .await
        .unwrap()
        .workflows
        .remove(0);
    assert_eq!(
        client
            .cancel(&slug(), &run(PipelineId(Uuid::nil())), &workflow.id)
            .await,
        Ok(())
    );
    let (method, path, status) = calls(&sandbox).pop().unwrap();
    let expected = format!("/workflow/{}/cancel", workflow.id);
    assert_eq!(
        (method.as_str(), path, status),
        ("POST", expected, Some(202))
    );
    let look = client.look(&slug(), &run(id)).await.unwrap();
    assert_eq!(statuses(&look), [("deploy", WorkflowStatus::Canceled)]);
    // Asking again is harmless.
    assert_eq!(
        client
            .cancel(&slug(), &run(PipelineId(Uuid::nil())), &workflow.id)
            .await,
        Ok(())
    );
}

#[tokio::test]
async fn a_cancel_that_fails_says_so() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let error = client
        .cancel(&slug(), &run(PipelineId(Uuid::nil())), "nonsense")
        .await
        .unwrap_err();
    assert_eq!(error.message, "HTTP 404: Workflow not found");
    let id = scripted(&sandbox, Script::endless(), 60);
    let workflow = client
        .look(&slug(), &run(id))
        .await
        .unwrap()
        .workflows
        .remove(0);
    for (fault, after, unauthorized) in failures() {
        // Whatever CircleCI accepted counts; nobody reads its words.
        let is_accepted = fault == Fault::Garbage || fault == Fault::HalfBody;
        let failing = client_for(sandbox.circleci_url(), &fault);
        sandbox.circleci().fail_next(Call::Cancel, fault);
        let outcome = failing
            .cancel(&slug(), &run(PipelineId(Uuid::nil())), &workflow.id)
            .await;
        if is_accepted {
            assert_eq!(outcome, Ok(()));
        } else {
            failed(outcome, after, unauthorized);
        }
    }
}
