//! How a run has ended, rule by rule, and compared with a second implementation.

use super::*;
use crate::deploy::WaitReason::{AfterSetup, AnyWorkflow, JobWorkflow, Jobs, Rerun};
use crate::fixtures::{poll, workflow};
use crate::ports::PipelineState as P;
use crate::ports::WorkflowStatus as W;
use crate::ports::{PipelineError, PipelineErrorKind};

mod errors;
mod jobs;
mod reference;
mod reruns;
mod setups;
mod several;
mod single;

/// The rule of a job whose workflow has its name.
fn rule() -> RunRule {
    named(&["deploy"])
}

/// The rule of a job that names these workflows.
fn named(names: &[&str]) -> RunRule {
    RunRule {
        workflow: WorkflowSelector::Named(names.iter().map(|name| (*name).to_owned()).collect()),
        must_run: vec![],
        is_created: false,
        is_build: false,
    }
}

/// The rule of a job that names `"*"`.
fn all() -> RunRule {
    rule().of_all_workflows()
}

/// Every status that is not final.
const OPEN: [W; 5] = [W::Running, W::Failing, W::OnHold, W::Queued, W::Unknown];

/// Every final status, with the end that it decides alone.
const FINAL: [(W, DeployState); 6] = [
    (W::Success, DeployState::Succeeded),
    (W::Failed, DeployState::Failed),
    (W::Error, DeployState::Failed),
    (W::Unauthorized, DeployState::Failed),
    (W::Canceled, DeployState::Canceled),
    (W::NotRun, DeployState::NothingRan),
];

/// A created pipeline with these runs, the newest first: name, second of creation, status.
fn listed(runs: &[(&str, i64, W)]) -> RunReport {
    let runs = runs
        .iter()
        .enumerate()
        .map(|(i, (name, created, status))| CiWorkflow {
            id: i.to_string(),
            ..workflow(name, *created, *status)
        });
    without_jobs(P::Created, runs.collect())
}

/// A report whose jobs were read, and there is none to name.
fn without_jobs(state: P, runs: Vec<CiWorkflow>) -> RunReport {
    let jobs = runs.iter().map(|run| (run.id.clone(), vec![])).collect();
    RunReport {
        jobs,
        ..poll(state, runs).into()
    }
}

fn setup(status: W) -> CiWorkflow {
    CiWorkflow {
        is_setup: true,
        ..workflow("setup", 0, status)
    }
}

fn pairs(all: &[(&str, &str)]) -> NamedStatuses {
    let pair = |(name, status): &(&str, &str)| ((*name).to_owned(), (*status).to_owned());
    all.iter().map(pair).collect()
}

/// The end, its deciding workflows, and those beside them.
fn ended(outcome: RunOutcome) -> (DeployState, NamedStatuses, NamedStatuses) {
    match outcome {
        RunOutcome::Ended(
            state,
            EndReason::Workflows {
                decided_by, beside, ..
            },
        ) => (state, decided_by, beside),
        other => panic!("{other:?}"),
    }
}

/// What is waited for, and the end without it.
fn waits(outcome: RunOutcome) -> (WaitReason, DeployState, EndReason) {
    match outcome {
        RunOutcome::Waits(reason, state, end) => (reason, state, end),
        other => panic!("{other:?}"),
    }
}
