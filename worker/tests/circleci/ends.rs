//! Each of the three calls from its POST to the end of what it started.

use std::time::Duration;

use chatops_core::config::TriggerCall;
use chatops_core::deploy::{Pipeline, RunKind};
use chatops_core::ports::{Ci, Finding, Look, Outcome, PipelineState, WorkflowStatus};
use chatops_sandbox::Sandbox;
use chatops_sandbox::circleci::{Call, Script, WorkflowScript};

use crate::look::{HOUR, statuses};
use crate::raw::is_unknown;
use crate::support::{ago, client, order_by, sandbox, sandbox_with, search_by, slug};

pub(crate) fn every_call() -> [TriggerCall; 3] {
    let definition = None;
    [
        TriggerCall::Pipeline,
        TriggerCall::PipelineRun { definition },
        TriggerCall::Job,
    ]
}

/// The fault of this kind that the call's own POST meets.
pub(crate) fn post_of(call: &TriggerCall) -> Call {
    match call {
        TriggerCall::Pipeline => Call::Trigger,
        TriggerCall::PipelineRun { .. } => Call::Run,
        TriggerCall::Job => Call::StartBuild,
    }
}

pub(crate) async fn start(sandbox: &Sandbox, call: &TriggerCall) -> Pipeline {
    let outcome = client(sandbox.circleci_url())
        .trigger(&order_by(call))
        .await;
    let Outcome::Created(run) = outcome else {
        panic!("{call:?}: {outcome:?}")
    };
    let kind = match call {
        TriggerCall::Job => RunKind::Build,
        _ => RunKind::Pipeline,
    };
    assert_eq!(run.kind, kind);
    run
}

pub(crate) async fn look(sandbox: &Sandbox, run: &Pipeline) -> Look {
    let client = client(sandbox.circleci_url());
    client.look(&slug(), run).await.unwrap()
}

#[tokio::test]
async fn each_call_is_followed_to_its_end() {
    use WorkflowStatus::{Canceled, Failed, Success};
    for call in every_call() {
        for (word, end) in [
            ("success", Success),
            ("failed", Failed),
            ("canceled", Canceled),
        ] {
            let sandbox = sandbox().await;
            let mut script = Script::ending(Duration::ZERO, word);
            script.workflows[0].starts_after = Duration::ZERO;
            sandbox.circleci().lock().script_next(script);
            let run = start(&sandbox, &call).await;
            let look = look(&sandbox, &run).await;
            assert_eq!(statuses(&look), [("deploy", end)], "{call:?}");
            assert_eq!(look.state, PipelineState::Created);
            assert_eq!(look.revision.map(|revision| revision.len()), Some(40));
        }
    }
}

#[tokio::test]
async fn each_call_runs_before_it_ends() {
    for call in every_call() {
        let sandbox = sandbox().await;
        let mut script = Script::endless();
        script.states[1].0 = Duration::ZERO;
        script.workflows[0].starts_after = Duration::ZERO;
        sandbox.circleci().lock().script_next(script);
        let run = start(&sandbox, &call).await;
        let seen = look(&sandbox, &run).await;
        assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::Running)]);

        // And what runs can be canceled by the name that the look gives it.
        let client = client(sandbox.circleci_url());
        let workflow = &seen.workflows[0].id;
        assert_eq!(client.cancel(&slug(), &run, workflow).await, Ok(()));
        let seen = look(&sandbox, &run).await;
        assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::Canceled)]);
        assert_eq!(client.cancel(&slug(), &run, workflow).await, Ok(()));
    }
}

#[tokio::test]
async fn what_each_call_has_started_is_found_by_its_proof() {
    for call in every_call() {
        let sandbox = sandbox().await;
        let circleci = client(sandbox.circleci_url());
        let search = search_by(&call, ago(0));
        let nothing = Finding::Absent { candidates: vec![] };
        assert_eq!(circleci.search(&search).await, Ok(nothing));
        sandbox.circleci().lock().script_next(Script::success(HOUR));
        sandbox
            .circleci()
            .fail_next(post_of(&call), chatops_sandbox::Fault::AnswerLost);
        is_unknown(&circleci.trigger(&order_by(&call)).await);
        let Ok(Finding::Found(found)) = circleci.search(&search).await else {
            panic!("{call:?}")
        };
        // It is followed like what has been answered.
        let state = match call {
            // A build has no states of its own.
            TriggerCall::Job => PipelineState::Created,
            _ => PipelineState::Pending,
        };
        assert_eq!(look(&sandbox, &found).await.state, state);
    }
}

#[tokio::test]
async fn a_newer_run_on_the_branch_may_cancel_an_older_one() {
    for call in every_call() {
        if call == TriggerCall::Job {
            continue;
        }
        let sandbox = sandbox_with(|project| project.auto_cancel = true).await;
        let running = || {
            let mut script = Script::endless();
            script.workflows[0].starts_after = Duration::ZERO;
            script
        };
        sandbox.circleci().lock().script_next(running());
        sandbox.circleci().lock().script_next(running());
        let first = start(&sandbox, &call).await;
        let second = start(&sandbox, &call).await;
        let seen = look(&sandbox, &first).await;
        assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::Canceled)]);
        let seen = look(&sandbox, &second).await;
        assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::Running)]);
    }
}

#[tokio::test]
async fn many_workflows_are_read_to_the_last() {
    let sandbox = sandbox().await;
    let mut script = Script::no_workflow();
    script.workflows = (0..7)
        .map(|n| WorkflowScript::new(&format!("part {n}"), Duration::ZERO, &[]))
        .collect();
    script.workflows[6].steps = vec![(Duration::ZERO, "on_hold".to_owned())];
    {
        let mut model = sandbox.circleci().lock();
        model.page_workflows_by(3);
        model.script_next(script);
    }
    let run = start(&sandbox, &TriggerCall::Pipeline).await;
    let seen = look(&sandbox, &run).await;
    assert_eq!(seen.workflows.len(), 7);
    assert_eq!(seen.workflows[6].status, WorkflowStatus::OnHold);
    let names: Vec<_> = seen
        .workflows
        .iter()
        .map(|part| part.name.as_str())
        .collect();
    assert_eq!(names[0], "part 0");
    assert_eq!(names[6], "part 6");
    let paths = crate::support::calls(&sandbox);
    assert_eq!(paths.len(), 1 + 1 + 3, "{paths:?}");
    assert!(paths[4].1.ends_with("/workflow?page-token=6"), "{paths:?}");
}

#[tokio::test]
async fn what_waits_for_an_approval_can_still_be_canceled() {
    let sandbox = sandbox().await;
    let mut script = Script::on_hold_then(HOUR, "success");
    script.workflows[0].starts_after = Duration::ZERO;
    script.workflows[0].steps = vec![(Duration::ZERO, "on_hold".to_owned())];
    sandbox.circleci().lock().script_next(script);
    let run = start(&sandbox, &TriggerCall::Pipeline).await;
    let seen = look(&sandbox, &run).await;
    assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::OnHold)]);
    assert!(!seen.workflows[0].status.is_final());
    let client = client(sandbox.circleci_url());
    let workflow = &seen.workflows[0].id;
    assert_eq!(client.cancel(&slug(), &run, workflow).await, Ok(()));
    let seen = look(&sandbox, &run).await;
    assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::Canceled)]);
}
