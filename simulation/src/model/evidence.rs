//! What the outside world can answer a run, and the decision each answer leads to.

use std::time::Duration;

use chatops_core::decide::Context;
use chatops_core::deploy::{CiPipeline, DeployRecord};
use chatops_core::machine::IllegalTransition;
use chatops_core::ports::{
    CiWorkflow, Commit, LookupResult, PipelineState, PollResult, TriggerOutcome, WorkflowStatus,
};

use super::interner::now;
use super::rules::DecisionRules;

/// An answer, or that there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum CiEvidence {
    #[default]
    None,
    Created,
    NotNow,
    NotNowForLong,
    Unauthorized,
    Rejected,
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
    pub(super) fn poll_evidence(self) -> CiEvidence {
        match self {
            PipelineProgress::Pending => CiEvidence::SawPending,
            PipelineProgress::Nothing => CiEvidence::SawNothing,
            PipelineProgress::Running => CiEvidence::SawRunning,
            PipelineProgress::Success => CiEvidence::SawSuccess,
            PipelineProgress::Failure => CiEvidence::SawFailure,
            PipelineProgress::Canceled => CiEvidence::SawCanceled,
            PipelineProgress::Errored => CiEvidence::SawErrored,
        }
    }
}

fn poll_result(state: PipelineState, status: Option<WorkflowStatus>) -> PollResult {
    let workflows = status.map(|status| CiWorkflow {
        id: "one".into(),
        name: "deploy".into(),
        status,
        created_at: now(),
        rerun_coming: false,
    });
    PollResult {
        state,
        errors: vec![],
        revision: None,
        workflows: workflows.into_iter().collect(),
    }
}

impl CiEvidence {
    /// The decision of the real function.
    pub(super) fn decide_commit(
        self,
        rules: &DecisionRules,
        record: &DeployRecord,
        pipeline: CiPipeline,
        ctx: Context<'_>,
    ) -> Result<Option<Commit>, IllegalTransition> {
        let text = || "met".to_owned();
        let post = |outcome| (rules.after_post)(record, ctx.posted_attempt, &outcome, ctx);
        let saw = |state, status| (rules.after_poll)(record, &poll_result(state, status), ctx);
        let created = PipelineState::Created;
        let long = Some(Duration::from_hours(1));
        match self {
            CiEvidence::None => Ok(None),
            CiEvidence::Created => post(TriggerOutcome::Created(pipeline)),
            CiEvidence::NotNow => post(TriggerOutcome::NotNow {
                error: text(),
                retry_after: None,
            }),
            CiEvidence::NotNowForLong => post(TriggerOutcome::NotNow {
                error: text(),
                retry_after: long,
            }),
            CiEvidence::Unauthorized => post(TriggerOutcome::Unauthorized { message: text() }),
            CiEvidence::Rejected => post(TriggerOutcome::Refused {
                status: 404,
                message: text(),
            }),
            CiEvidence::Unknown => post(TriggerOutcome::Unknown { because: text() }),
            CiEvidence::Found => (rules.after_lookup)(record, &LookupResult::Found(pipeline), ctx),
            CiEvidence::Absent => {
                (rules.after_lookup)(record, &LookupResult::Absent { candidates: vec![] }, ctx)
            }
            CiEvidence::LookupFailed => (rules.after_failed_lookup)(record, None, ctx),
            CiEvidence::PollFailed => (rules.after_failed_poll)(record, None, ctx),
            CiEvidence::SawPending => saw(PipelineState::Pending, None),
            CiEvidence::SawNothing => saw(created, None),
            CiEvidence::SawRunning => saw(created, Some(WorkflowStatus::Running)),
            CiEvidence::SawSuccess => saw(created, Some(WorkflowStatus::Success)),
            CiEvidence::SawFailure => saw(created, Some(WorkflowStatus::Failed)),
            CiEvidence::SawCanceled => saw(created, Some(WorkflowStatus::Canceled)),
            CiEvidence::SawErrored => saw(PipelineState::Errored, None),
        }
    }
}
