//! CircleCI is asked: the POST, the lookup, the poll, the cancel.

use super::{CiEvidence, DeployRun, Recording, RunMemory, failed};
use crate::config::ProjectSlug;
use crate::deploy::CiPipeline;
use crate::deploy::decide::Context;
use crate::id::DeployId;
use crate::phase::Phase;
use crate::ports::{
    CancelWorkflow, CiReadError, LedgerError, LookupRequest, LookupResult, PollRequest, PollResult,
    ReadPipelineOwner, RefreshSecret, SecretError, SecretName, TriggerOutcome, TriggerRequest,
};

/// The most candidate pipelines that are shown, the newest first.
const MAX_CANDIDATES: usize = 5;

/// Sends the one POST of an attempt.
#[derive(Debug, Clone)]
pub struct Triggering {
    /// What the run remembers.
    pub memory: RunMemory,
    /// The POST.
    pub request: TriggerRequest,
}

/// Reads the token anew, then goes on.
#[derive(Debug, Clone)]
pub struct RefreshingToken {
    /// The run after it.
    pub next: Box<DeployRun>,
}

/// Looks up the pipeline of a POST whose outcome is unknown.
#[derive(Debug, Clone)]
pub struct LookingUp {
    /// What the run remembers.
    pub memory: RunMemory,
    /// What to look up.
    pub lookup: LookupRequest,
}

/// Reads whose the candidates of a lookup are. Pipelines of other deploys are no candidates.
#[derive(Debug, Clone)]
pub struct ReadingOwners {
    /// What the run remembers.
    pub memory: RunMemory,
    /// The candidate that is read now.
    pub candidate: CiPipeline,
    /// Those that are still to be read, the last one first.
    pub pending: Vec<CiPipeline>,
    /// Those that no deploy has.
    pub unclaimed: Vec<CiPipeline>,
}

/// Polls.
#[derive(Debug, Clone)]
pub struct Polling {
    /// What the run remembers.
    pub memory: RunMemory,
    /// The project.
    pub slug: ProjectSlug,
    /// The pipeline or build.
    pub run: CiPipeline,
    /// Whether its open workflows are to be canceled.
    pub cancel: bool,
}

/// Sends the cancel of each open workflow to CircleCI, at each poll, until all have ended.
#[derive(Debug, Clone)]
pub struct CancelingWorkflows {
    /// What the run remembers.
    pub memory: RunMemory,
    /// The project.
    pub slug: ProjectSlug,
    /// The pipeline or build.
    pub run: CiPipeline,
    /// What the poll has shown.
    pub poll: PollResult,
    /// The workflow that is canceled now.
    pub workflow: String,
    /// Those that are still to be canceled, the last one first.
    pub pending: Vec<String>,
}

impl RefreshingToken {
    pub(super) fn then(next: DeployRun) -> DeployRun {
        let next = Box::new(next);
        DeployRun::RefreshToken(Self { next })
    }
}

/// A failed read is recorded; if the token was refused, it is read anew before.
fn record_failure(memory: RunMemory, evidence: CiEvidence, error: &CiReadError) -> DeployRun {
    let recording = DeployRun::Record(Recording { memory, evidence });
    if error.unauthorized {
        RefreshingToken::then(recording)
    } else {
        recording
    }
}

impl Phase for Triggering {
    type Request = TriggerRequest;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> TriggerRequest {
        self.request.clone()
    }

    fn resume(self, outcome: TriggerOutcome, _: Context<'_>) -> DeployRun {
        DeployRun::Record(Recording {
            memory: self.memory,
            evidence: CiEvidence::Triggered(outcome),
        })
    }
}

impl Phase for RefreshingToken {
    type Request = RefreshSecret;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> RefreshSecret {
        RefreshSecret(SecretName::CircleCiToken)
    }

    // If it fails, the old token is used once more.
    fn resume(self, _: Result<(), SecretError>, _: Context<'_>) -> DeployRun {
        *self.next
    }
}

impl Phase for LookingUp {
    type Request = LookupRequest;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> LookupRequest {
        self.lookup.clone()
    }

    fn resume(self, answer: Result<LookupResult, CiReadError>, _: Context<'_>) -> DeployRun {
        let memory = self.memory;
        match answer {
            Ok(LookupResult::Absent { mut candidates }) => {
                candidates.reverse();
                ReadingOwners::next(memory, candidates, vec![])
            }
            Ok(found) => DeployRun::Record(Recording {
                memory,
                evidence: CiEvidence::LookedUp(found),
            }),
            Err(error) => {
                let evidence = CiEvidence::LookupFailed {
                    retry_after: error.retry_after,
                };
                record_failure(memory, evidence, &error)
            }
        }
    }
}

impl ReadingOwners {
    fn next(
        memory: RunMemory,
        mut pending: Vec<CiPipeline>,
        unclaimed: Vec<CiPipeline>,
    ) -> DeployRun {
        match pending.pop() {
            Some(candidate) if unclaimed.len() < MAX_CANDIDATES => DeployRun::ReadOwners(Self {
                memory,
                candidate,
                pending,
                unclaimed,
            }),
            _ => DeployRun::Record(Recording {
                memory,
                evidence: CiEvidence::LookedUp(LookupResult::Absent {
                    candidates: unclaimed,
                }),
            }),
        }
    }
}

impl Phase for ReadingOwners {
    type Request = ReadPipelineOwner;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> ReadPipelineOwner {
        ReadPipelineOwner(self.candidate.id)
    }

    fn resume(
        mut self,
        answer: Result<Option<DeployId>, LedgerError>,
        _: Context<'_>,
    ) -> DeployRun {
        match answer {
            Ok(None) => self.unclaimed.push(self.candidate),
            Ok(Some(_)) => {}
            Err(error) => return failed(error),
        }
        Self::next(self.memory, self.pending, self.unclaimed)
    }
}

impl Phase for Polling {
    type Request = PollRequest;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> PollRequest {
        PollRequest {
            slug: self.slug.clone(),
            run: self.run.clone(),
        }
    }

    fn resume(self, answer: Result<PollResult, CiReadError>, _: Context<'_>) -> DeployRun {
        let memory = self.memory;
        match answer {
            Ok(poll) if self.cancel => {
                CancelingWorkflows::after_poll(memory, self.slug, self.run, poll)
            }
            Ok(poll) => CancelingWorkflows::record(memory, poll),
            Err(error) => {
                let evidence = CiEvidence::PollFailed {
                    retry_after: error.retry_after,
                };
                record_failure(memory, evidence, &error)
            }
        }
    }
}

impl CancelingWorkflows {
    pub(super) fn after_poll(
        memory: RunMemory,
        slug: ProjectSlug,
        run: CiPipeline,
        poll: PollResult,
    ) -> DeployRun {
        let open = poll.workflows.iter().rev();
        let open = open.filter(|workflow| !workflow.status.is_final());
        let mut pending: Vec<_> = open.map(|workflow| workflow.id.clone()).collect();
        match pending.pop() {
            Some(workflow) => DeployRun::Cancel(Self {
                memory,
                slug,
                run,
                poll,
                workflow,
                pending,
            }),
            None => Self::record(memory, poll),
        }
    }

    pub(super) fn record(memory: RunMemory, poll: PollResult) -> DeployRun {
        DeployRun::Record(Recording {
            memory,
            evidence: CiEvidence::Polled(poll),
        })
    }
}

impl Phase for CancelingWorkflows {
    type Request = CancelWorkflow;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> CancelWorkflow {
        CancelWorkflow {
            slug: self.slug.clone(),
            run: self.run.clone(),
            workflow: self.workflow.clone(),
        }
    }

    // If it fails, the next poll tries again.
    fn resume(mut self, _: Result<(), CiReadError>, _: Context<'_>) -> DeployRun {
        match self.pending.pop() {
            Some(workflow) => DeployRun::Cancel(Self { workflow, ..self }),
            None => Self::record(self.memory, self.poll),
        }
    }
}
