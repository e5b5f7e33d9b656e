//! What CircleCI itself knows of a pipeline: which run was when, and which deploy job ran.

use chatops_core::Time;
use chatops_core::id::{DeployId, PipelineId};

/// A pipeline, from its creation to the end of its last run.
#[derive(Debug, Clone)]
pub struct PipelineTruth {
    /// Its id.
    pub id: PipelineId,
    /// The deploy whose id it carries.
    pub deploy: Option<DeployId>,
    /// When it was created.
    pub created_at: Time,
    /// When its workflows were said to be created, if ever.
    pub processed_at: Option<Time>,
    /// From when on the project's listing shows it.
    pub listed_at: Time,
    /// From when on it shows errors.
    pub errors_at: Option<Time>,
    /// Every run of every workflow, the oldest first, whether it has begun or not.
    pub runs: Vec<RunTruth>,
}

/// One run of a workflow.
#[derive(Debug, Clone)]
pub struct RunTruth {
    /// The workflow's name.
    pub name: String,
    /// Whether it is the setup workflow.
    pub is_setup: bool,
    /// Whether it is a run of the workflow of the job that was asked for.
    pub is_asked: bool,
    /// When it appears.
    pub starts_at: Time,
    /// When and how it ends, if ever.
    pub end: Option<RunEnd>,
}

/// How a run ends.
#[derive(Debug, Clone)]
pub struct RunEnd {
    /// When.
    pub at: Time,
    /// When its job ends, which may be later.
    pub job_until: Time,
    /// CircleCI's word.
    pub status: String,
    /// Whether the deploy job ran in it and succeeded.
    pub deployed: bool,
}

impl RunTruth {
    /// Its end, if it had come by then.
    #[must_use]
    pub fn end_by(&self, at: Time) -> Option<&RunEnd> {
        self.end.as_ref().filter(|end| end.at <= at)
    }

    /// Whether it can still do something then.
    #[must_use]
    pub fn is_open(&self, at: Time) -> bool {
        self.starts_at <= at && self.end_by(at).is_none()
    }
}

impl PipelineTruth {
    /// The runs that have appeared by then, the oldest first.
    pub fn runs_by(&self, at: Time) -> impl DoubleEndedIterator<Item = &RunTruth> {
        self.runs.iter().filter(move |run| run.starts_at <= at)
    }

    /// The same of the workflow that was asked for.
    pub fn asked_by(&self, at: Time) -> impl DoubleEndedIterator<Item = &RunTruth> {
        self.runs_by(at).filter(|run| run.is_asked)
    }

    /// When the workflow that was asked for appears next after a moment.
    #[must_use]
    pub fn next_asked(&self, at: Time) -> Option<Time> {
        let asked = self.runs.iter().filter(|run| run.is_asked);
        asked
            .map(|run| run.starts_at)
            .filter(|start| *start > at)
            .min()
    }

    /// When CircleCI is finished with it: every run is over and none comes any more. `None` if one
    /// never ends.
    #[must_use]
    pub fn finished_at(&self) -> Option<Time> {
        let ends = self.runs.iter().map(|run| run.end.as_ref());
        let ends: Option<Vec<Time>> = ends.map(|end| end.map(|end| end.at)).collect();
        let known = [Some(self.created_at), self.processed_at, self.errors_at];
        ends?.into_iter().chain(known.into_iter().flatten()).max()
    }
}
