//! The loop: read, decide, write, act, until nothing is due. What to do is decided in
//! `chatops_core::decide`.

use chatops_core::config::ProjectSlug;
use chatops_core::decide::{self, Context, NextStep, follow, trigger};
use chatops_core::deploy::{CiPipeline, DeployRecord, DeployState};
use chatops_core::id::DeployId;
use chatops_core::machine::IllegalTransition;
use chatops_core::message::WorkMessage;
use chatops_core::ports::{
    CiClient, CiReadError, Clock, Commit, CommitError, Conflict, Ledger, LedgerError,
    LookupRequest, LookupResult, MessageQueue, PollResult, QueueName, SecretName, SecretReader,
    TriggerRequest,
};
use tracing::{info, warn};

use crate::{Invocation, MAX_TRIES, WorkError, Worker, tag_span};

/// More steps than any message needs; the sweeper continues after that.
const MAX_STEPS: usize = 32;

/// The most candidate pipelines that are shown, the newest first.
const MAX_CANDIDATES: usize = 5;

/// What one run remembers between steps.
#[derive(Default)]
pub(crate) struct AdvanceRun {
    /// The attempt whose POST this run has sent.
    posted_attempt: u32,
    /// Whether this run wrote anything, and so schedules the next wake-up.
    has_written: bool,
    /// Whether this run may have begun a trigger: then only this run knows that nothing was sent.
    began_trigger: bool,
    /// How many failures of the ledger this run has tolerated.
    store_errors: usize,
    /// The poll that was last recorded: after the start it may show the end, too.
    last_poll: Option<PollResult>,
}

impl AdvanceRun {
    /// A run that may have begun a trigger reads again when the ledger fails. If it gave up, the next
    /// run would look up a pipeline that was never triggered, and end UNRESOLVED.
    fn tolerate_store_error(&mut self, error: LedgerError) -> Result<(), WorkError> {
        self.store_errors += 1;
        if self.began_trigger && self.store_errors < MAX_TRIES {
            Ok(())
        } else {
            Err(error.into())
        }
    }
}

impl<S, Q, C, X, K> Worker<S, Q, C, X, K>
where
    S: Ledger,
    Q: MessageQueue,
    C: CiClient,
    X: SecretReader,
    K: Clock,
{
    pub(crate) fn ctx<'a>(&'a self, inv: &'a Invocation, posted: u32) -> Context<'a> {
        Context {
            now: self.clock.now(),
            invocation: &inv.id,
            posted_attempt: posted,
            deadline: inv.deadline,
            config: &self.config,
        }
    }

    /// Does everything that is due for one deploy, then schedules the next wake-up.
    pub(crate) async fn advance(&self, inv: &Invocation, id: DeployId) -> Result<(), WorkError> {
        tag_span(id);
        let mut run = AdvanceRun::default();
        for _ in 0..MAX_STEPS {
            let record = match self.ledger.read_deploy(id).await {
                Ok(Some(record)) => record,
                Ok(None) => {
                    info!(deploy.id = %id, "wake-up ignored: the deploy is not on record");
                    return Ok(());
                }
                Err(error) => {
                    run.tolerate_store_error(error)?;
                    continue;
                }
            };
            match decide::next_step(&record, self.ctx(inv, run.posted_attempt))? {
                NextStep::Wait if run.has_written => return self.schedule_wake_up(&record).await,
                NextStep::Wait => return Ok(()),
                NextStep::Write(commit) => {
                    self.begin_or_end(inv, &record, *commit, &mut run).await?;
                }
                NextStep::Post(request) => self.send_post(inv, &record, &request, &mut run).await?,
                NextStep::LookUp(lookup) => self.find_run(inv, &record, &lookup, &mut run).await?,
                NextStep::Poll {
                    slug,
                    run: pipeline,
                    cancel,
                } => {
                    let poll = match run.last_poll.take() {
                        Some(poll) => Ok(poll),
                        None => self.ci.poll(&slug, &pipeline).await,
                    };
                    if let (Ok(poll), true) = (&poll, cancel) {
                        self.cancel_runs(id, &slug, &pipeline, poll).await;
                    }
                    self.record_poll(inv, id, poll, &mut run).await?;
                }
                NextStep::OutOfTime => return Err(WorkError::DeadlineTooClose),
                NextStep::WriteTicket => {
                    let ticket = WorkMessage::Retry { deploy: id };
                    self.send_now(QueueName::WorkDlq, &ticket).await?;
                    let commit = decide::ticket_written(&record);
                    let written = self.write(commit, &mut run).await?;
                    written.or_else(resolve_conflict)?;
                }
            }
        }
        warn!(deploy.id = %id, "a message took more steps than any needs");
        Ok(())
    }

    /// Begins the trigger of a deploy, or rejects or ends it. If another deploy has the target, the
    /// deploy is rejected for that.
    async fn begin_or_end(
        &self,
        inv: &Invocation,
        record: &DeployRecord,
        commit: Commit,
        run: &mut AdvanceRun,
    ) -> Result<(), WorkError> {
        run.began_trigger |= commit.record.state == DeployState::Triggering;
        let written = match self.write(commit, run).await {
            Err(WorkError::Store(error)) => return run.tolerate_store_error(error),
            written => written?,
        };
        let Err(conflict) = written else {
            return Ok(());
        };
        let Conflict::Lock(lock) = conflict else {
            return resolve_conflict(conflict);
        };
        let Some(holder) = self.ledger.read_deploy(lock.deploy).await? else {
            return Err(WorkError::Conflict(Conflict::Lock(lock)));
        };
        let ctx = self.ctx(inv, run.posted_attempt);
        let rejection = decide::reject_busy(record, &lock, &holder, ctx)?;
        self.write(rejection, run).await?.or_else(resolve_conflict)
    }

    /// Polls CircleCI now, before the timer, if the deploy is followed.
    pub(crate) async fn poll_now(&self, inv: &Invocation, id: DeployId) -> Result<(), WorkError> {
        let mut run = AdvanceRun::default();
        let decide = |record: &_, ctx: Context<'_>| Ok(follow::poll_now(record, ctx));
        self.record_answer(inv, id, &mut run, decide).await?;
        self.advance(inv, id).await
    }

    /// Sends the one POST of this attempt and records the outcome.
    async fn send_post(
        &self,
        inv: &Invocation,
        record: &DeployRecord,
        request: &TriggerRequest,
        run: &mut AdvanceRun,
    ) -> Result<(), WorkError> {
        if record.token_refused {
            self.refresh_token().await;
        }
        let attempt = record.attempts;
        run.posted_attempt = attempt;
        info!(deploy.id = %record.id, attempt, "triggering CircleCI");
        let outcome = self.ci.trigger(request).await;
        info!(deploy.id = %record.id, attempt, outcome = outcome.as_str(), "trigger sent");
        self.record_answer(inv, record.id, run, |record, ctx| {
            trigger::after_post(record, attempt, &outcome, ctx)
        })
        .await
    }

    /// Looks up the pipeline of an unknown outcome. Pipelines of other deploys are no candidates.
    async fn find_run(
        &self,
        inv: &Invocation,
        record: &DeployRecord,
        lookup: &LookupRequest,
        run: &mut AdvanceRun,
    ) -> Result<(), WorkError> {
        let found = self.ci.look_up(lookup).await;
        let outcome = match &found {
            Ok(LookupResult::Found(_)) => "found",
            Ok(LookupResult::Absent { .. }) => "absent",
            Err(_) => "unfinished",
        };
        info!(deploy.id = %record.id, outcome, "looked up the pipeline");
        match found {
            Ok(mut result) => {
                if let LookupResult::Absent { candidates } = &mut result {
                    let mut unclaimed = Vec::new();
                    for candidate in candidates.drain(..) {
                        if self.ledger.pipeline_owner(candidate.id).await?.is_none() {
                            unclaimed.push(candidate);
                        }
                    }
                    unclaimed.truncate(MAX_CANDIDATES);
                    *candidates = unclaimed;
                }
                self.record_answer(inv, record.id, run, |record, ctx| {
                    trigger::after_lookup(record, &result, ctx)
                })
                .await
            }
            Err(error) => {
                self.handle_ci_error(&error).await;
                self.record_answer(inv, record.id, run, |record, ctx| {
                    trigger::after_failed_lookup(record, error.retry_after, ctx)
                })
                .await
            }
        }
    }

    /// Records what a poll showed.
    async fn record_poll(
        &self,
        inv: &Invocation,
        id: DeployId,
        poll: Result<PollResult, CiReadError>,
        run: &mut AdvanceRun,
    ) -> Result<(), WorkError> {
        match poll {
            Ok(poll) => {
                self.record_answer(inv, id, run, |record, ctx| {
                    follow::after_poll(record, &poll, ctx)
                })
                .await?;
                run.last_poll = Some(poll);
                Ok(())
            }
            Err(error) => {
                info!(deploy.id = %id, unauthorized = error.unauthorized, "the poll failed");
                self.handle_ci_error(&error).await;
                self.record_answer(inv, id, run, |record, ctx| {
                    follow::after_failed_poll(record, error.retry_after, ctx)
                })
                .await
            }
        }
    }

    /// Sends the cancel to CircleCI at each poll, until every workflow has ended.
    async fn cancel_runs(
        &self,
        id: DeployId,
        slug: &ProjectSlug,
        run: &CiPipeline,
        poll: &PollResult,
    ) {
        for workflow in poll.workflows.iter().filter(|w| !w.status.is_final()) {
            if let Err(error) = self.ci.cancel(slug, run, &workflow.id).await {
                let unauthorized = error.unauthorized;
                warn!(deploy.id = %id, unauthorized, "the cancel failed; the next poll tries again");
            }
        }
    }

    async fn handle_ci_error(&self, error: &CiReadError) {
        if error.unauthorized {
            self.refresh_token().await;
        }
    }

    async fn refresh_token(&self) {
        if let Err(error) = self.secrets.refresh(SecretName::CircleCiToken).await {
            warn!(%error, "the CircleCI token could not be refreshed");
        }
    }

    /// Records an answer from outside. Only this run knows the answer, so after a conflict it reads
    /// the deploy and decides again.
    async fn record_answer(
        &self,
        inv: &Invocation,
        id: DeployId,
        run: &mut AdvanceRun,
        decide: impl Fn(&DeployRecord, Context<'_>) -> Result<Option<Commit>, IllegalTransition>,
    ) -> Result<(), WorkError> {
        let mut failure = None;
        for _ in 0..MAX_TRIES {
            let record = match self.ledger.read_deploy(id).await {
                Ok(Some(record)) => record,
                Ok(None) => return Ok(()),
                Err(error) => {
                    failure = Some(error);
                    continue;
                }
            };
            let Some(commit) = decide(&record, self.ctx(inv, run.posted_attempt))? else {
                return Ok(());
            };
            match self.write(commit, run).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(Conflict::StaleVersion)) => {}
                Ok(Err(other)) => return Err(WorkError::Conflict(other)),
                Err(WorkError::Store(error)) => failure = Some(error),
                Err(other) => return Err(other),
            }
        }
        // The record stays as it is; the next run looks up the pipeline.
        Err(failure.map_or(
            WorkError::Conflict(Conflict::StaleVersion),
            WorkError::Store,
        ))
    }

    /// Writes, then wakes the notifier up if a notification is pending. The outer error is the
    /// ledger's, the inner one a condition that failed.
    pub(crate) async fn write(
        &self,
        commit: Commit,
        run: &mut AdvanceRun,
    ) -> Result<Result<(), Conflict>, WorkError> {
        let (id, notifies) = (commit.record.id, !commit.notifications.is_empty());
        match self.commit(commit).await {
            Ok(()) => {}
            Err(CommitError::Conflict(conflict)) => return Ok(Err(conflict)),
            Err(CommitError::Ledger(error)) => return Err(error.into()),
        }
        run.has_written = true;
        if notifies && let Err(error) = self.send_notify(id).await {
            // It is on record as pending, and the sweeper wakes the notifier up.
            warn!(deploy.id = %id, %error, "the notifier was not woken up");
        }
        Ok(Ok(()))
    }

    /// Schedules the next wake-up; the sweeper would come later.
    async fn schedule_wake_up(&self, record: &DeployRecord) -> Result<(), WorkError> {
        let Some(due) = record.due_at else {
            return Ok(());
        };
        let delay = (due - self.clock.now()).to_std().unwrap_or_default();
        self.send_poll(record.id, delay).await
    }
}

/// A deploy that has moved on is read again; any other conflict is an error.
fn resolve_conflict(conflict: Conflict) -> Result<(), WorkError> {
    match conflict {
        Conflict::StaleVersion => Ok(()),
        other => Err(WorkError::Conflict(other)),
    }
}
