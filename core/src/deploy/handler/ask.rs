//! CircleCI is asked: the POST, the lookup, the poll with the jobs, the cancel.

use std::collections::BTreeMap;

use super::project::note_pause;
use super::releases::record_report;
use super::{CiEvidence, DeployRun, Recording, RunError, RunMemory, failed};
use crate::config::ProjectSlug;
use crate::deploy::CiPipeline;
use crate::deploy::decide::outcome::{RunOutcome, RunReport};
use crate::deploy::decide::{CiRead, Context, RunPoll};
use crate::id::DeployId;
use crate::phase::Phase;
use crate::ports::{
    CancelWorkflow, CiJob, CiReadError, Commit, CommitError, Conflict, LedgerError, ListJobs,
    LookupRequest, LookupResult, PollRequest, PollResult, ReadPipelineOwner, RefreshSecret,
    SecretError, SecretName, TriggerOutcome, TriggerRequest,
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

/// Writes that CircleCI is about to be read. Of several runs one writes, and only that one reads.
#[derive(Debug, Clone)]
pub struct ReservingRead {
    /// What the run remembers.
    pub memory: RunMemory,
    /// The reservation.
    pub commit: Box<Commit>,
    /// What is read then.
    pub read: CiRead,
}

/// Polls.
#[derive(Debug, Clone)]
pub struct Polling {
    /// What the run remembers.
    pub memory: RunMemory,
    /// The run at CircleCI, and what decides its end.
    pub poll: RunPoll,
    /// Whether the pipeline is read besides its workflows.
    pub details: bool,
    /// The jobs that were read before.
    pub jobs: BTreeMap<String, Vec<CiJob>>,
}

/// Reads the jobs of the workflows that decide.
#[derive(Debug, Clone)]
pub struct ListingJobs {
    /// What the run remembers.
    pub memory: RunMemory,
    /// The run at CircleCI, and what decides its end.
    pub poll: RunPoll,
    /// What was read so far.
    pub report: RunReport,
    /// The workflow whose jobs are read now.
    pub workflow: String,
}

/// Sends the cancel of each open workflow to CircleCI, at each poll, until all have ended.
#[derive(Debug, Clone)]
pub struct CancelingWorkflows {
    /// What the run remembers.
    pub memory: RunMemory,
    /// The run at CircleCI.
    pub poll: RunPoll,
    /// What was read.
    pub report: RunReport,
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

/// A failed read is recorded; if the token was refused, it is read anew before, and a pause that
/// CircleCI asks for is noted for every other run.
fn record_failure(
    memory: RunMemory,
    slug: ProjectSlug,
    evidence: CiEvidence,
    error: &CiReadError,
    ctx: Context<'_>,
) -> DeployRun {
    let recording = DeployRun::Record(Recording { memory, evidence });
    let recording = note_pause(slug, error.retry_after, recording, ctx);
    if error.unauthorized {
        RefreshingToken::then(recording)
    } else {
        recording
    }
}

/// The poll failed, or the jobs could not be read with it.
fn record_failed_poll(
    memory: RunMemory,
    poll: RunPoll,
    error: &CiReadError,
    ctx: Context<'_>,
) -> DeployRun {
    let evidence = CiEvidence::PollFailed {
        error: error.message.clone(),
        retry_after: error.retry_after,
    };
    record_failure(memory, poll.slug, evidence, error, ctx)
}

impl Phase for Triggering {
    type Request = TriggerRequest;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> TriggerRequest {
        self.request.clone()
    }

    fn resume(self, outcome: TriggerOutcome, ctx: Context<'_>) -> DeployRun {
        let asked = match &outcome {
            TriggerOutcome::NotNow { retry_after, .. } => *retry_after,
            _ => None,
        };
        let recording = DeployRun::Record(Recording {
            memory: self.memory,
            evidence: CiEvidence::Triggered(outcome),
        });
        note_pause(self.request.slug, asked, recording, ctx)
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

    fn resume(self, answer: Result<LookupResult, CiReadError>, ctx: Context<'_>) -> DeployRun {
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
                    error: error.message.clone(),
                    retry_after: error.retry_after,
                };
                record_failure(memory, self.lookup.slug, evidence, &error, ctx)
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

impl Phase for ReservingRead {
    type Request = Commit;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> Commit {
        self.commit.as_ref().clone()
    }

    fn resume(self, answer: Result<(), CommitError>, _: Context<'_>) -> DeployRun {
        let mut memory = self.memory;
        match answer {
            Ok(()) => memory.has_written = true,
            Err(CommitError::Conflict(Conflict::StaleVersion)) => return memory.read(),
            Err(CommitError::Conflict(other)) => return failed(RunError::Conflict(other)),
            Err(CommitError::Ledger(error)) => return memory.after_failure(error),
        }
        match self.read {
            CiRead::LookUp(lookup) => DeployRun::LookUp(LookingUp { memory, lookup }),
            CiRead::Poll(poll) => DeployRun::Poll(Polling {
                memory,
                // Once it is created, its workflows say the rest.
                details: !poll.rule.is_created && !poll.rule.is_build,
                poll,
                jobs: BTreeMap::new(),
            }),
        }
    }
}

impl Phase for Polling {
    type Request = PollRequest;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> PollRequest {
        PollRequest {
            slug: self.poll.slug.clone(),
            run: self.poll.run.clone(),
            details: self.details,
        }
    }

    fn resume(self, answer: Result<PollResult, CiReadError>, ctx: Context<'_>) -> DeployRun {
        match answer {
            Ok(result) => {
                let report = RunReport {
                    jobs: self.jobs,
                    ..RunReport::from(result)
                };
                after_report(self.memory, self.poll, report)
            }
            Err(error) => record_failed_poll(self.memory, self.poll, &error, ctx),
        }
    }
}

/// Reads what is still needed to say the end; cancels what is open, if a person wants that; or records.
fn after_report(memory: RunMemory, poll: RunPoll, report: RunReport) -> DeployRun {
    let outcome = poll.rule.outcome(&report);
    let unread = match &outcome {
        RunOutcome::NeedsDetails if report.poll.pipeline.is_none() => {
            return DeployRun::Poll(Polling {
                memory,
                poll,
                details: true,
                jobs: report.jobs,
            });
        }
        RunOutcome::NeedsJobs(workflows) => workflows.first().cloned(),
        RunOutcome::Open if !poll.rule.is_build && !poll.cancel => {
            let progress = poll
                .reads_progress
                .then(|| poll.rule.unread_progress(&report));
            let unread = report.unread_hold().or_else(|| progress.flatten());
            unread.map(str::to_owned)
        }
        _ => None,
    };
    match unread {
        Some(workflow) => DeployRun::ListJobs(ListingJobs {
            memory,
            poll,
            report,
            workflow,
        }),
        None if poll.cancel => CancelingWorkflows::after_poll(memory, poll, report),
        None => record_report(memory, poll, report),
    }
}

impl ListingJobs {
    /// Whether the jobs decide nothing: the run goes on, whatever they are.
    fn is_optional(&self) -> bool {
        self.poll.rule.outcome(&self.report) == RunOutcome::Open
    }
}

impl Phase for ListingJobs {
    type Request = ListJobs;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> ListJobs {
        ListJobs {
            run: self.poll.run.clone(),
            workflow: self.workflow.clone(),
        }
    }

    fn resume(mut self, answer: Result<Vec<CiJob>, CiReadError>, ctx: Context<'_>) -> DeployRun {
        match answer {
            Ok(jobs) => {
                self.report.jobs.insert(self.workflow, jobs);
                after_report(self.memory, self.poll, self.report)
            }
            // A hold is told without the job's name, and a card shows no progress.
            Err(error) if self.is_optional() && error.retry_after.is_none() => {
                self.report.jobs.insert(self.workflow, vec![]);
                after_report(self.memory, self.poll, self.report)
            }
            // Without the jobs nobody knows whether the deploy ran.
            Err(error) => record_failed_poll(self.memory, self.poll, &error, ctx),
        }
    }
}

impl CancelingWorkflows {
    fn after_poll(memory: RunMemory, poll: RunPoll, report: RunReport) -> DeployRun {
        let open = report.poll.workflows.iter();
        let open = open.filter(|workflow| !workflow.status.is_final());
        let mut pending: Vec<_> = open.map(|workflow| workflow.id.clone()).collect();
        match pending.pop() {
            Some(workflow) => DeployRun::Cancel(Self {
                memory,
                poll,
                report,
                workflow,
                pending,
            }),
            None => record_report(memory, poll, report),
        }
    }
}

impl Phase for CancelingWorkflows {
    type Request = CancelWorkflow;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> CancelWorkflow {
        CancelWorkflow {
            slug: self.poll.slug.clone(),
            run: self.poll.run.clone(),
            workflow: self.workflow.clone(),
        }
    }

    // If it fails, the next poll tries again.
    fn resume(mut self, _: Result<(), CiReadError>, _: Context<'_>) -> DeployRun {
        match self.pending.pop() {
            Some(workflow) => DeployRun::Cancel(Self { workflow, ..self }),
            None => record_report(self.memory, self.poll, self.report),
        }
    }
}
