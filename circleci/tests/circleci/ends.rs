//! Each of the three calls from its POST to the end of what it started.

use std::time::Duration;

use chatops_core::config::TriggerCall;
use chatops_core::deploy::{CiPipeline, CiRunKind};
use chatops_core::ports::{
    CiClient, LookupResult, PipelineState, PollResult, TriggerOutcome, WorkflowStatus,
};
use chatops_sandbox::Sandbox;
use chatops_sandbox::circleci::{CiCall, RunScript, WorkflowScript};

use crate::poll::{HOUR, details, statuses};
use crate::raw_server::assert_unknown;
use crate::support::{
    ago, calls, client_of, fail_next, lookup_by, sandbox, sandbox_client, sandbox_with,
    script_next, slug, trigger_request_by,
};

pub(crate) fn every_call() -> [TriggerCall; 3] {
    let definition = None;
    [
        TriggerCall::Pipeline,
        TriggerCall::PipelineRun { definition },
        TriggerCall::Job,
    ]
}

/// The POST of this call.
pub(crate) fn post_call(call: &TriggerCall) -> CiCall {
    match call {
        TriggerCall::Pipeline => CiCall::Trigger,
        TriggerCall::PipelineRun { .. } => CiCall::Run,
        TriggerCall::Job => CiCall::StartBuild,
    }
}

pub(crate) async fn start_run(sandbox: &Sandbox, call: &TriggerCall) -> CiPipeline {
    let outcome = client_of(sandbox).trigger(&trigger_request_by(call)).await;
    let TriggerOutcome::Created(run) = outcome else {
        panic!("{call:?}: {outcome:?}")
    };
    let kind = match call {
        TriggerCall::Job => CiRunKind::Build,
        _ => CiRunKind::Pipeline,
    };
    assert_eq!(run.kind, kind);
    run
}

pub(crate) async fn poll_run(sandbox: &Sandbox, run: &CiPipeline) -> PollResult {
    let client = client_of(sandbox);
    client.poll(&slug(), run, true).await.unwrap()
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
            let mut script = RunScript::ending(Duration::ZERO, word);
            script.workflows[0].starts_after = Duration::ZERO;
            script_next(&sandbox, script);
            let run = start_run(&sandbox, &call).await;
            let poll = poll_run(&sandbox, &run).await;
            assert_eq!(statuses(&poll), [("deploy", end)], "{call:?}");
            let seen = details(&poll);
            assert_eq!(seen.state, PipelineState::Created);
            assert_eq!(seen.revision.as_ref().map(String::len), Some(40));
        }
    }
}

#[tokio::test]
async fn each_call_runs_before_it_ends() {
    for call in every_call() {
        let sandbox = sandbox().await;
        let mut script = RunScript::endless();
        script.states[1].0 = Duration::ZERO;
        script.workflows[0].starts_after = Duration::ZERO;
        script_next(&sandbox, script);
        let run = start_run(&sandbox, &call).await;
        let seen = poll_run(&sandbox, &run).await;
        assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::Running)]);

        // The workflow can be canceled by the id that the poll shows.
        let client = client_of(&sandbox);
        let workflow = &seen.workflows[0].id;
        assert_eq!(client.cancel(&slug(), &run, workflow).await, Ok(()));
        let seen = poll_run(&sandbox, &run).await;
        assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::Canceled)]);
        assert_eq!(client.cancel(&slug(), &run, workflow).await, Ok(()));
    }
}

#[tokio::test]
async fn what_each_call_has_started_is_found_by_its_deploy_id() {
    for call in every_call() {
        let (sandbox, circleci) = sandbox_client().await;
        let lookup = lookup_by(&call, ago(0));
        let nothing = LookupResult::Absent { candidates: vec![] };
        assert_eq!(circleci.look_up(&lookup).await, Ok(nothing));
        script_next(&sandbox, RunScript::success(HOUR));
        fail_next(
            &sandbox,
            post_call(&call),
            chatops_sandbox::HttpFault::AnswerLost,
        );
        assert_unknown(&circleci.trigger(&trigger_request_by(&call)).await);
        let Ok(LookupResult::Found(found)) = circleci.look_up(&lookup).await else {
            panic!("{call:?}")
        };
        // It is polled like a run whose answer arrived.
        let state = match call {
            // A build has no states of its own.
            TriggerCall::Job => PipelineState::Created,
            _ => PipelineState::Pending,
        };
        let poll = poll_run(&sandbox, &found).await;
        assert_eq!(details(&poll).state, state);
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
            let mut script = RunScript::endless();
            script.workflows[0].starts_after = Duration::ZERO;
            script
        };
        script_next(&sandbox, running());
        script_next(&sandbox, running());
        let first = start_run(&sandbox, &call).await;
        let second = start_run(&sandbox, &call).await;
        let seen = poll_run(&sandbox, &first).await;
        assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::Canceled)]);
        let seen = poll_run(&sandbox, &second).await;
        assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::Running)]);
    }
}

#[tokio::test]
async fn many_workflows_are_read_to_the_last() {
    let sandbox = sandbox().await;
    let mut script = RunScript::no_workflow();
    script.workflows = (0..7)
        .map(|n| WorkflowScript::new(&format!("part {n}"), Duration::ZERO, &[]))
        .collect();
    script.workflows[6].steps = vec![(Duration::ZERO, "on_hold".to_owned())];
    sandbox.circleci().lock().page_workflows(3);
    script_next(&sandbox, script);
    let run = start_run(&sandbox, &TriggerCall::Pipeline).await;
    let mut seen = poll_run(&sandbox, &run).await;
    seen.workflows
        .sort_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<_> = seen.workflows.iter().map(|w| w.name.clone()).collect();
    let expected: Vec<_> = (0..7).map(|n| format!("part {n}")).collect();
    assert_eq!(names, expected);
    assert_eq!(seen.workflows[6].status, WorkflowStatus::OnHold);
    let paths = calls(&sandbox);
    assert_eq!(paths.len(), 1 + 1 + 3, "{paths:?}");
    assert!(paths[4].1.ends_with("/workflow?page-token=6"), "{paths:?}");
}

#[tokio::test]
async fn what_waits_for_an_approval_can_still_be_canceled() {
    let sandbox = sandbox().await;
    let mut script = RunScript::on_hold_then(HOUR, "success");
    script.workflows[0].starts_after = Duration::ZERO;
    script.workflows[0].steps = vec![(Duration::ZERO, "on_hold".to_owned())];
    script_next(&sandbox, script);
    let run = start_run(&sandbox, &TriggerCall::Pipeline).await;
    let seen = poll_run(&sandbox, &run).await;
    assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::OnHold)]);
    assert!(!seen.workflows[0].status.is_final());
    let client = client_of(&sandbox);
    let workflow = &seen.workflows[0].id;
    assert_eq!(client.cancel(&slug(), &run, workflow).await, Ok(()));
    let seen = poll_run(&sandbox, &run).await;
    assert_eq!(statuses(&seen), [("deploy", WorkflowStatus::Canceled)]);
}
