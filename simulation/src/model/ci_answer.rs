//! What CircleCI can answer a run.

use std::time::Duration;

use chatops_core::deploy::CiPipeline;
use chatops_core::deploy::decide::Context;
use chatops_core::deploy::handler::DeployRun;
use chatops_core::phase::Phase;
use chatops_core::ports::{
    CiReadError, CiWorkflow, LookupResult, PipelineDetails, PipelineState, PollResult,
    TriggerOutcome, WorkflowStatus,
};

use super::clock::now;
use crate::seeded::{SeededBug, alter};

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(super) enum CiAnswer {
    Created,
    NotNow,
    NotNowForLong,
    Unauthorized,
    Refused,
    Unknown,
    Found,
    Absent,
    LookupFailed,
    PollFailed,
    SawPending,
    SawNothing,
    SawRunning,
    SawSuccess,
    SawFailure,
    SawCanceled,
    SawErrored,
}

/// How far a pipeline has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum PipelineProgress {
    #[default]
    Pending,
    Nothing,
    Running,
    Success,
    Failure,
    Canceled,
    Errored,
}

impl PipelineProgress {
    /// What it can be at the next poll; the first is where it gets if all goes well.
    pub(super) fn successors(self, cancel: bool) -> &'static [PipelineProgress] {
        use PipelineProgress::{Canceled, Errored, Failure, Nothing, Pending, Running, Success};
        match (self, cancel) {
            (Pending, _) => &[Success, Failure, Running, Pending, Nothing, Errored],
            (Nothing, _) => &[Success, Failure, Running, Nothing],
            (Running, false) => &[Success, Failure, Running],
            (Running, true) => &[Success, Failure, Running, Canceled],
            (Success, _) => &[Success],
            (Failure, _) => &[Failure],
            (Canceled, _) => &[Canceled],
            (Errored, _) => &[Errored],
        }
    }

    /// What a poll shows.
    pub(super) fn poll_answer(self) -> CiAnswer {
        match self {
            PipelineProgress::Pending => CiAnswer::SawPending,
            PipelineProgress::Nothing => CiAnswer::SawNothing,
            PipelineProgress::Running => CiAnswer::SawRunning,
            PipelineProgress::Success => CiAnswer::SawSuccess,
            PipelineProgress::Failure => CiAnswer::SawFailure,
            PipelineProgress::Canceled => CiAnswer::SawCanceled,
            PipelineProgress::Errored => CiAnswer::SawErrored,
        }
    }
}

fn poll_result(state: PipelineState, status: Option<WorkflowStatus>) -> PollResult {
    let workflows = status.map(|status| CiWorkflow {
        id: "one".into(),
        name: "deploy".into(),
        status,
        created_at: now(),
        is_setup: false,
        auto_rerun_number: None,
        max_auto_reruns: None,
    });
    PollResult {
        pipeline: Some(PipelineDetails {
            state,
            errors: vec![],
            revision: None,
            subject: None,
            author: None,
        }),
        workflows: workflows.into_iter().collect(),
    }
}

impl CiAnswer {
    /// The run after this answer.
    pub(super) fn resume(
        self,
        run: DeployRun,
        pipeline: CiPipeline,
        bug: Option<SeededBug>,
        ctx: Context<'_>,
    ) -> Option<DeployRun> {
        match run {
            DeployRun::Trigger(phase) => {
                let outcome = alter::outcome(bug, self.trigger_outcome(pipeline)?);
                Some(phase.resume(outcome, ctx))
            }
            DeployRun::LookUp(phase) => Some(phase.resume(self.lookup_result(pipeline), ctx)),
            DeployRun::Poll(phase) => {
                let mut result = self.poll_result();
                if let Ok(poll) = &mut result {
                    alter::poll(bug, poll);
                }
                Some(phase.resume(result, ctx))
            }
            _ => None,
        }
    }

    fn trigger_outcome(self, pipeline: CiPipeline) -> Option<TriggerOutcome> {
        let text = || "met".to_owned();
        Some(match self {
            CiAnswer::Created => TriggerOutcome::Created(pipeline),
            CiAnswer::NotNow => TriggerOutcome::NotNow {
                error: text(),
                retry_after: None,
            },
            CiAnswer::NotNowForLong => TriggerOutcome::NotNow {
                error: text(),
                retry_after: Some(Duration::from_hours(1)),
            },
            CiAnswer::Unauthorized => TriggerOutcome::Unauthorized { message: text() },
            CiAnswer::Refused => TriggerOutcome::Refused {
                // Somebody can mend it, so it owes a ticket.
                status: 403,
                message: text(),
            },
            CiAnswer::Unknown => TriggerOutcome::Unknown { because: text() },
            _ => return None,
        })
    }

    fn lookup_result(self, pipeline: CiPipeline) -> Result<LookupResult, CiReadError> {
        match self {
            CiAnswer::Found => Ok(LookupResult::Found(pipeline)),
            CiAnswer::Absent => Ok(LookupResult::Absent { candidates: vec![] }),
            _ => Err(CiReadError::from_message("met")),
        }
    }

    fn poll_result(self) -> Result<PollResult, CiReadError> {
        let created = PipelineState::Created;
        let (state, status) = match self {
            CiAnswer::SawPending => (PipelineState::Pending, None),
            CiAnswer::SawNothing => (created, None),
            CiAnswer::SawRunning => (created, Some(WorkflowStatus::Running)),
            CiAnswer::SawSuccess => (created, Some(WorkflowStatus::Success)),
            CiAnswer::SawFailure => (created, Some(WorkflowStatus::Failed)),
            CiAnswer::SawCanceled => (created, Some(WorkflowStatus::Canceled)),
            CiAnswer::SawErrored => (PipelineState::Errored, None),
            _ => return Err(CiReadError::from_message("met")),
        };
        Ok(poll_result(state, status))
    }
}
