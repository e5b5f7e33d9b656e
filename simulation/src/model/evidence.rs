//! What the outside world can answer a run, and the decision each answer leads to.

use std::time::Duration;

use chatops_core::decide::Here;
use chatops_core::deploy::{Head, Pipeline};
use chatops_core::machine::Illegal;
use chatops_core::ports::{
    Commit, Finding, Look, Outcome, PipelineState, Workflow, WorkflowStatus,
};

use super::book::now;
use super::rules::Rules;

/// An answer, or that there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum Evidence {
    #[default]
    None,
    Created,
    NotNow,
    NotNowForLong,
    Unauthorized,
    Refused,
    Unknown,
    Found,
    Absent,
    SearchFailed,
    LookFailed,
    SawPending,
    SawNothing,
    SawRunning,
    SawSuccess,
    SawFailure,
    SawCanceled,
    SawErrored,
}

/// How far a pipeline has got, as the world knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum Progress {
    #[default]
    Pending,
    Nothing,
    Running,
    Success,
    Failure,
    Canceled,
    Errored,
}

impl Progress {
    /// What it can be at the next look; the first is where it gets if all goes well.
    pub(super) fn to(self, cancel: bool) -> &'static [Progress] {
        use Progress::{Canceled, Errored, Failure, Nothing, Pending, Running, Success};
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

    /// What a look shows.
    pub(super) fn seen(self) -> Evidence {
        match self {
            Progress::Pending => Evidence::SawPending,
            Progress::Nothing => Evidence::SawNothing,
            Progress::Running => Evidence::SawRunning,
            Progress::Success => Evidence::SawSuccess,
            Progress::Failure => Evidence::SawFailure,
            Progress::Canceled => Evidence::SawCanceled,
            Progress::Errored => Evidence::SawErrored,
        }
    }
}

fn look(state: PipelineState, status: Option<WorkflowStatus>) -> Look {
    let workflows = status.map(|status| Workflow {
        id: "one".into(),
        name: "deploy".into(),
        status,
        created_at: now(),
        rerun_coming: false,
    });
    Look {
        state,
        errors: vec![],
        revision: None,
        workflows: workflows.into_iter().collect(),
    }
}

impl Evidence {
    /// The decision of the real function.
    pub(super) fn decide(
        self,
        rules: &dyn Rules,
        head: &Head,
        pipeline: Pipeline,
        here: Here<'_>,
    ) -> Result<Option<Commit>, Illegal> {
        let words = || "met".to_owned();
        let post = |outcome| rules.after_post(head, here.posted, &outcome, here);
        let saw = |state, status| rules.after_look(head, &look(state, status), here);
        let created = PipelineState::Created;
        let long = Some(Duration::from_hours(1));
        match self {
            Evidence::None => Ok(None),
            Evidence::Created => post(Outcome::Created(pipeline)),
            Evidence::NotNow => post(Outcome::NotNow {
                obstacle: words(),
                after: None,
            }),
            Evidence::NotNowForLong => post(Outcome::NotNow {
                obstacle: words(),
                after: long,
            }),
            Evidence::Unauthorized => post(Outcome::Unauthorized { message: words() }),
            Evidence::Refused => post(Outcome::Refused {
                status: 404,
                message: words(),
            }),
            Evidence::Unknown => post(Outcome::Unknown { doubt: words() }),
            Evidence::Found => rules.after_search(head, &Finding::Found(pipeline), here),
            Evidence::Absent => {
                rules.after_search(head, &Finding::Absent { candidates: vec![] }, here)
            }
            Evidence::SearchFailed => rules.after_failed_search(head, None, here),
            Evidence::LookFailed => rules.after_failed_look(head, None, here),
            Evidence::SawPending => saw(PipelineState::Pending, None),
            Evidence::SawNothing => saw(created, None),
            Evidence::SawRunning => saw(created, Some(WorkflowStatus::Running)),
            Evidence::SawSuccess => saw(created, Some(WorkflowStatus::Success)),
            Evidence::SawFailure => saw(created, Some(WorkflowStatus::Failed)),
            Evidence::SawCanceled => saw(created, Some(WorkflowStatus::Canceled)),
            Evidence::SawErrored => saw(PipelineState::Errored, None),
        }
    }
}
