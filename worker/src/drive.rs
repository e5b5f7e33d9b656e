//! Drives a run: performs what it asks for, says so in the log, and limits its tries.

use chatops_core::deploy::decide::Context;
use chatops_core::deploy::handler::{DeployRun, RunEnd};
use chatops_core::id::DeployId;
use chatops_core::phase::Phase;
use chatops_core::ports::{CiReadError, Commit, LookupResult, Perform, Request, WorkerPorts};
use tracing::field::{DisplayValue, display};
use tracing::{info, warn};

use crate::{Invocation, MAX_TRIES, WorkError, Worker, tag_span};

/// More steps than any message needs; the sweeper continues after that.
const MAX_STEPS: usize = 32;

/// How often a run may try again, over all its steps.
const MAX_FAILURES: usize = 2 * MAX_TRIES;

impl<P: WorkerPorts> Worker<P> {
    /// Drives a run to its end.
    pub(crate) async fn drive(
        &self,
        inv: &Invocation,
        mut run: DeployRun,
    ) -> Result<(), WorkError> {
        let (mut steps, mut failures) = (0, 0);
        loop {
            let id = run.deploy();
            if let Some(id) = id {
                tag_span(id);
            }
            let id = id.map(display);
            run = match run {
                DeployRun::Read(_) | DeployRun::Record(_) if steps == MAX_STEPS => {
                    warn!(deploy.id = id, "a message took more steps than any needs");
                    return Ok(());
                }
                DeployRun::Read(phase) => {
                    steps += 1;
                    self.perform(inv, phase).await
                }
                DeployRun::Again(interrupted) => {
                    failures += 1;
                    if failures == MAX_FAILURES {
                        return Err(interrupted.error.into());
                    }
                    *interrupted.next
                }
                DeployRun::Done(end) => {
                    log_end(end?);
                    return Ok(());
                }
                DeployRun::Open(phase) => {
                    let answer = self.commit(phase.request()).await;
                    if answer.is_ok() {
                        info!(deploy.id = id, "deploy requested");
                    }
                    phase.resume(answer, self.ctx(inv))
                }
                DeployRun::Write(phase) => self.write(inv, phase).await,
                DeployRun::WriteEvidence(phase) => self.write(inv, phase).await,
                DeployRun::ReserveRead(phase) => self.write(inv, phase).await,
                DeployRun::Trigger(phase) => {
                    let attempt = phase.memory.posted_attempt;
                    info!(deploy.id = id, attempt, "triggering CircleCI");
                    let outcome = self.ports.perform(phase.request()).await;
                    info!(
                        deploy.id = id,
                        attempt,
                        outcome = outcome.as_str(),
                        "trigger sent"
                    );
                    phase.resume(outcome, self.ctx(inv))
                }
                DeployRun::LookUp(phase) => {
                    let result = self.ports.perform(phase.request()).await;
                    match &result {
                        Ok(found) => {
                            let outcome = lookup_outcome(found);
                            info!(deploy.id = id, outcome, "looked up the pipeline");
                        }
                        Err(error) => {
                            warn!(deploy.id = id, error = error.message, "the lookup failed");
                        }
                    }
                    phase.resume(result, self.ctx(inv))
                }
                DeployRun::Poll(phase) => self.ask(inv, id, phase, "the poll failed").await,
                DeployRun::ListJobs(phase) => {
                    self.ask(inv, id, phase, "the jobs were not listed").await
                }
                DeployRun::Cancel(phase) => {
                    let failed = "the cancel failed; the next poll tries again";
                    self.ask(inv, id, phase, failed).await
                }
                DeployRun::RefreshToken(phase) => {
                    let result = self.ports.perform(phase.request()).await;
                    if let Err(error) = &result {
                        warn!(%error, "the CircleCI token could not be refreshed");
                    }
                    phase.resume(result, self.ctx(inv))
                }
                DeployRun::WakeNotifier(phase) => {
                    let result = self.ports.perform(phase.request()).await;
                    if let Err(error) = &result {
                        warn!(deploy.id = id, %error, "the notifier was not woken up; the sweeper does it");
                    }
                    phase.resume(result, self.ctx(inv))
                }
                DeployRun::ReadCommand(phase) => self.perform(inv, phase).await,
                DeployRun::FindOwner(phase) => self.perform(inv, phase).await,
                DeployRun::ReadHolder(phase) => self.perform(inv, phase).await,
                DeployRun::ReadOwners(phase) => self.perform(inv, phase).await,
                DeployRun::ReadProject(phase) => self.perform(inv, phase).await,
                DeployRun::NoteProject(phase) => self.perform(inv, phase).await,
                DeployRun::Record(phase) => {
                    steps += 1;
                    self.perform(inv, phase).await
                }
                DeployRun::SendTicket(phase) => self.perform(inv, phase).await,
                DeployRun::ScheduleWakeUp(phase) => self.perform(inv, phase).await,
            };
        }
    }

    /// Performs the phase's request and resumes it.
    async fn perform<R>(
        &self,
        inv: &Invocation,
        phase: impl for<'a> Phase<Request = R, Context<'a> = Context<'a>, Run = DeployRun>,
    ) -> DeployRun
    where
        R: Request,
        P: Perform<R>,
    {
        let answer = self.ports.perform(phase.request()).await;
        phase.resume(answer, self.ctx(inv))
    }

    /// The same for a request to CircleCI; a failure is logged.
    async fn ask<R, T>(
        &self,
        inv: &Invocation,
        id: Option<DisplayValue<DeployId>>,
        phase: impl for<'a> Phase<Request = R, Context<'a> = Context<'a>, Run = DeployRun>,
        failed: &'static str,
    ) -> DeployRun
    where
        R: Request<Answer = Result<T, CiReadError>>,
        P: Perform<R>,
    {
        let answer = self.ports.perform(phase.request()).await;
        if let Err(error) = &answer {
            warn!(deploy.id = id, error = error.message, "{failed}");
        }
        phase.resume(answer, self.ctx(inv))
    }

    /// The same for a commit, whose events are logged.
    async fn write(
        &self,
        inv: &Invocation,
        phase: impl for<'a> Phase<Request = Commit, Context<'a> = Context<'a>, Run = DeployRun>,
    ) -> DeployRun {
        let answer = self.commit(phase.request()).await;
        phase.resume(answer, self.ctx(inv))
    }
}

fn lookup_outcome(result: &LookupResult) -> &'static str {
    match result {
        LookupResult::Found(_) => "found",
        LookupResult::Absent { .. } => "absent",
    }
}

fn log_end(end: RunEnd) {
    match end {
        RunEnd::AtRest => {}
        RunEnd::NotOnRecord => info!("wake-up ignored: the deploy is not on record"),
        RunEnd::NoOwner(pipeline) => {
            info!(%pipeline, "webhook ignored: no deploy has this pipeline");
        }
    }
}
