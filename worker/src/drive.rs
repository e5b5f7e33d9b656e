//! Drives a run: performs what it asks for, says so in the log, and limits its tries.

use chatops_core::deploy::decide::Context;
use chatops_core::deploy::handler::{DeployRun, LookingUp, RunEnd, Triggering};
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

/// The deploy of a log line, once the run has one.
type LoggedId = Option<DisplayValue<DeployId>>;

impl<P: WorkerPorts> Worker<P> {
    /// Drives a run whose end needs no answer.
    pub(crate) async fn drive(&self, inv: &Invocation, run: DeployRun) -> Result<(), WorkError> {
        self.drive_to_end(inv, run).await.map(drop)
    }

    /// Drives a run to its end.
    pub(crate) async fn drive_to_end(
        &self,
        inv: &Invocation,
        mut run: DeployRun,
    ) -> Result<RunEnd, WorkError> {
        let (mut steps, mut failures) = (0, 0);
        loop {
            run = match run {
                DeployRun::Done(end) => {
                    let end = end?;
                    log_end(&end);
                    return Ok(end);
                }
                DeployRun::Again(interrupted) => {
                    failures += 1;
                    if failures == MAX_FAILURES {
                        return Err(interrupted.error.into());
                    }
                    *interrupted.next
                }
                run => {
                    if begins_step(&run) {
                        if steps == MAX_STEPS {
                            let id = run.deploy().map(display);
                            warn!(deploy.id = id, "a message took more steps than any needs");
                            return Ok(RunEnd::AtRest);
                        }
                        steps += 1;
                    }
                    self.perform_phase(inv, run).await
                }
            };
        }
    }

    /// Performs what the run asks for, and resumes it.
    async fn perform_phase(&self, inv: &Invocation, run: DeployRun) -> DeployRun {
        let id = run.deploy();
        if let Some(id) = id {
            tag_span(id);
        }
        let id = id.map(display);
        match run {
            DeployRun::Again(_) | DeployRun::Done(_) => run,
            DeployRun::ReadCommand(phase) => self.perform(inv, phase).await,
            DeployRun::Open(phase) => {
                let answer = self.commit(phase.request()).await;
                if answer.is_ok() {
                    info!(deploy.id = id, "deploy requested");
                }
                phase.resume(answer, self.ctx(inv))
            }
            DeployRun::ReadRetried(phase) => self.perform(inv, phase).await,
            DeployRun::FindLastRetry(phase) => self.perform(inv, phase).await,
            DeployRun::ReadRoot(phase) => self.perform(inv, phase).await,
            DeployRun::FindNewerSuccess(phase) => self.perform(inv, phase).await,
            DeployRun::BeginRetry(phase) => {
                let answer = self.commit(phase.request()).await;
                if answer.is_ok() {
                    let old = phase.retry.old.id;
                    info!(deploy.id = id, retry_of = %old, "retry requested");
                }
                phase.resume(answer, self.ctx(inv))
            }
            DeployRun::ReadRetryHolder(phase) => self.perform(inv, phase).await,
            DeployRun::RecordRefusal(phase) => self.perform(inv, phase).await,
            DeployRun::ReturnTicket(phase) => self.perform(inv, phase).await,
            DeployRun::FindOwner(phase) => self.perform(inv, phase).await,
            DeployRun::Read(phase) => self.perform(inv, phase).await,
            DeployRun::Write(phase) => self.write(inv, phase).await,
            DeployRun::ReadHolder(phase) => self.perform(inv, phase).await,
            DeployRun::Trigger(phase) => self.trigger(inv, id, phase).await,
            DeployRun::RefreshToken(phase) => {
                let result = self.ports.perform(phase.request()).await;
                if let Err(error) = &result {
                    warn!(%error, "the CircleCI token could not be refreshed");
                }
                phase.resume(result, self.ctx(inv))
            }
            DeployRun::ReadReleases(phase) => self.perform(inv, phase).await,
            DeployRun::ReadProject(phase) => self.perform(inv, phase).await,
            DeployRun::NoteProject(phase) => self.perform(inv, phase).await,
            DeployRun::ReserveRead(phase) => self.write(inv, phase).await,
            DeployRun::LookUp(phase) => self.look_up(inv, id, phase).await,
            DeployRun::ReadOwners(phase) => self.perform(inv, phase).await,
            DeployRun::Poll(phase) => self.ask(inv, id, phase, "the poll failed").await,
            DeployRun::ListJobs(phase) => {
                self.ask(inv, id, phase, "the jobs were not listed").await
            }
            DeployRun::Cancel(phase) => {
                let failed = "the cancel failed; the next poll tries again";
                self.ask(inv, id, phase, failed).await
            }
            DeployRun::Record(phase) => self.perform(inv, phase).await,
            DeployRun::WriteEvidence(phase) => self.write(inv, phase).await,
            DeployRun::SendTicket(phase) => self.perform(inv, phase).await,
            DeployRun::WakeNotifier(phase) => {
                let result = self.ports.perform(phase.request()).await;
                if let Err(error) = &result {
                    warn!(deploy.id = id, %error, "the notifier was not woken up; the sweeper does it");
                }
                phase.resume(result, self.ctx(inv))
            }
            DeployRun::ScheduleWakeUp(phase) => self.perform(inv, phase).await,
        }
    }

    /// Sends the one POST of an attempt.
    async fn trigger(&self, inv: &Invocation, id: LoggedId, phase: Triggering) -> DeployRun {
        let attempt = phase.memory.posted_attempt;
        info!(deploy.id = id, attempt, "triggering CircleCI");
        let request = phase.request();
        let (project, branch) = (request.slug.clone(), request.git_ref.clone());
        let answer = self.ports.perform(request).await;
        let outcome = answer.as_str();
        match answer.error() {
            None => info!(deploy.id = id, attempt, outcome, "trigger sent"),
            Some(error) => warn!(
                deploy.id = id, attempt, outcome, error, %project, %branch,
                "CircleCI has not taken the trigger"
            ),
        }
        phase.resume(answer, self.ctx(inv))
    }

    /// Looks up the pipeline of a POST whose outcome is unknown.
    async fn look_up(&self, inv: &Invocation, id: LoggedId, phase: LookingUp) -> DeployRun {
        let result = self.ports.perform(phase.request()).await;
        match &result {
            Ok(found) => info!(
                deploy.id = id,
                outcome = lookup_outcome(found),
                "looked up the pipeline"
            ),
            Err(error) => warn!(deploy.id = id, error = error.message, "the lookup failed"),
        }
        phase.resume(result, self.ctx(inv))
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
        id: LoggedId,
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

/// Whether the run begins a step of the deploy, which are counted.
fn begins_step(run: &DeployRun) -> bool {
    matches!(
        run,
        DeployRun::Read(_) | DeployRun::Record(_) | DeployRun::ReadRetried(_)
    )
}

fn lookup_outcome(result: &LookupResult) -> &'static str {
    match result {
        LookupResult::Found(_) => "found",
        LookupResult::Absent { .. } => "absent",
    }
}

fn log_end(end: &RunEnd) {
    match end {
        // The caller answers the second, or says why.
        RunEnd::AtRest | RunEnd::NotRetried(_) => {}
        RunEnd::NotOnRecord => info!("wake-up ignored: the deploy is not on record"),
        RunEnd::NoOwner(pipeline) => {
            info!(%pipeline, "webhook ignored: no deploy has this pipeline");
        }
    }
}
