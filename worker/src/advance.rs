//! The loop: read, decide, write, act, until there is nothing to do now.

use chatops_core::config::Slug;
use chatops_core::decide::{self, Here, Step, follow, trigger};
use chatops_core::deploy::{Head, Pipeline, State};
use chatops_core::id::DeployId;
use chatops_core::machine::Illegal;
use chatops_core::message::{Body, WorkMessage};
use chatops_core::ports::{
    Ci, CiError, Clock, Commit, CommitError, Conflict, Finding, Lane, Look, Queue, Search,
    SecretName, Secrets, Store, StoreError, Trigger,
};
use tracing::{info, warn};

use crate::{HandlerError, TRIES, Turn, Worker, about};

/// More steps than any message can need; what is left then is taken up by the sweeper.
const STEPS: usize = 32;

/// The most pipelines that a person is asked to look at; the newest come first.
const CANDIDATES: usize = 5;

/// What one run remembers from step to step.
#[derive(Default)]
pub(crate) struct Run {
    /// The attempt whose POST this run has sent.
    posted: u32,
    /// Whether this run wrote anything, and so is the one to set the next hint.
    wrote: bool,
    /// Whether this run may have armed the deploy: then it alone knows that nothing was sent.
    armed: bool,
    /// How often the ledger failed and this run went on all the same.
    borne: usize,
    /// What was seen when the last look was written down as "it runs": it may show the end, too.
    look: Option<Look>,
}

impl Run {
    /// A run that may have armed reads again when the ledger fails. If it gave up, whoever comes next
    /// would have to look for a pipeline that nobody asked for, and end UNRESOLVED.
    fn bear(&mut self, error: StoreError) -> Result<(), HandlerError> {
        self.borne += 1;
        if self.armed && self.borne < TRIES {
            Ok(())
        } else {
            Err(error.into())
        }
    }
}

impl<S, Q, C, X, K> Worker<S, Q, C, X, K>
where
    S: Store,
    Q: Queue,
    C: Ci,
    X: Secrets,
    K: Clock,
{
    pub(crate) fn here<'a>(&'a self, turn: &'a Turn, posted: u32) -> Here<'a> {
        Here {
            now: self.clock.now(),
            me: &turn.me,
            posted,
            ends: turn.ends,
            config: &self.config,
        }
    }

    /// Does everything that is due for one deploy, then sets the hint for what comes next.
    pub(crate) async fn advance(&self, turn: &Turn, id: DeployId) -> Result<(), HandlerError> {
        about(id);
        let mut run = Run::default();
        for _ in 0..STEPS {
            let head = match self.store.head(id).await {
                Ok(Some(head)) => head,
                Ok(None) => {
                    info!(deploy.id = %id, "a hint for a deploy that is not on record");
                    return Ok(());
                }
                Err(error) => {
                    run.bear(error)?;
                    continue;
                }
            };
            match decide::next(&head, self.here(turn, run.posted))? {
                Step::Rest if run.wrote => return self.remind(&head).await,
                Step::Rest => return Ok(()),
                Step::Write(commit) => self.arm_or_end(turn, &head, *commit, &mut run).await?,
                Step::Post(order) => self.post(turn, &head, &order, &mut run).await?,
                Step::Search(search) => self.search(turn, &head, &search, &mut run).await?,
                Step::Look {
                    slug,
                    run: pipeline,
                    cancel,
                } => {
                    let look = match run.look.take() {
                        Some(look) => Ok(look),
                        None => self.ci.look(&slug, &pipeline).await,
                    };
                    if let (Ok(look), true) = (&look, cancel) {
                        self.cancel_open(id, &slug, &pipeline, look).await;
                    }
                    self.looked(turn, id, look, &mut run).await?;
                }
                Step::Later => return Err(HandlerError::NoTime),
                Step::Order => {
                    let body = Body::encode(&WorkMessage::Retry { deploy: id })?;
                    self.queue
                        .send(Lane::WorkDead, &body, std::time::Duration::ZERO)
                        .await?;
                    let placed = self.write(decide::order_placed(&head), &mut run).await?;
                    placed.or_else(settle)?;
                }
            }
        }
        warn!(deploy.id = %id, "a message took more steps than it can need");
        Ok(())
    }

    /// Arms, refuses or ends a deploy that nothing was sent for. If another deploy has the target,
    /// that is the refusal.
    async fn arm_or_end(
        &self,
        turn: &Turn,
        head: &Head,
        commit: Commit,
        run: &mut Run,
    ) -> Result<(), HandlerError> {
        run.armed |= commit.head.state == State::Armed;
        let written = match self.write(commit, run).await {
            Err(HandlerError::Store(error)) => return run.bear(error),
            written => written?,
        };
        let Err(conflict) = written else {
            return Ok(());
        };
        let Conflict::Lock(lock) = conflict else {
            return settle(conflict);
        };
        let Some(holder) = self.store.head(lock.deploy).await? else {
            return Err(HandlerError::Contradiction(Conflict::Lock(lock)));
        };
        let refusal = decide::refuse_busy(head, &lock, &holder, self.here(turn, run.posted))?;
        self.write(refusal, run).await?.or_else(settle)
    }

    /// Looks at CircleCI now, whatever the timer says, if the deploy is followed.
    pub(crate) async fn look_now(&self, turn: &Turn, id: DeployId) -> Result<(), HandlerError> {
        let mut run = Run::default();
        self.record(turn, id, &mut run, |head, here| {
            Ok(follow::look_now(head, here))
        })
        .await?;
        self.advance(turn, id).await
    }

    /// Sends the one POST of this attempt and records the outcome.
    async fn post(
        &self,
        turn: &Turn,
        head: &Head,
        order: &Trigger,
        run: &mut Run,
    ) -> Result<(), HandlerError> {
        if head.token_refused {
            self.refresh_token().await;
        }
        let attempt = head.attempts;
        run.posted = attempt;
        info!(deploy.id = %head.id, attempt, "triggering CircleCI");
        let outcome = self.ci.trigger(order).await;
        info!(deploy.id = %head.id, attempt, outcome = outcome.word(), "trigger sent");
        self.record(turn, head.id, run, |head, here| {
            trigger::after_post(head, attempt, &outcome, here)
        })
        .await
    }

    /// Looks for the proof. Pipelines that other deploys have claimed cannot be it.
    async fn search(
        &self,
        turn: &Turn,
        head: &Head,
        search: &Search,
        run: &mut Run,
    ) -> Result<(), HandlerError> {
        let found = self.ci.search(search).await;
        let outcome = match &found {
            Ok(Finding::Found(_)) => "found",
            Ok(Finding::Absent { .. }) => "absent",
            Err(_) => "unfinished",
        };
        info!(deploy.id = %head.id, outcome, "looked for the proof");
        match found {
            Ok(mut finding) => {
                if let Finding::Absent { candidates } = &mut finding {
                    let mut open = Vec::new();
                    for candidate in candidates.drain(..) {
                        if self.store.owner(candidate.id).await?.is_none() {
                            open.push(candidate);
                        }
                    }
                    open.truncate(CANDIDATES);
                    *candidates = open;
                }
                self.record(turn, head.id, run, |head, here| {
                    trigger::after_search(head, &finding, here)
                })
                .await
            }
            Err(error) => {
                self.after_ci_error(&error).await;
                self.record(turn, head.id, run, |head, here| {
                    trigger::after_failed_search(head, error.after, here)
                })
                .await
            }
        }
    }

    /// Records what a look showed.
    async fn looked(
        &self,
        turn: &Turn,
        id: DeployId,
        look: Result<Look, CiError>,
        run: &mut Run,
    ) -> Result<(), HandlerError> {
        match look {
            Ok(look) => {
                self.record(turn, id, run, |head, here| {
                    follow::after_look(head, &look, here)
                })
                .await?;
                run.look = Some(look);
                Ok(())
            }
            Err(error) => {
                info!(deploy.id = %id, unauthorized = error.unauthorized, "the look failed");
                self.after_ci_error(&error).await;
                self.record(turn, id, run, |head, here| {
                    follow::after_failed_look(head, error.after, here)
                })
                .await
            }
        }
    }

    /// A wish to cancel is put to CircleCI again at each look, until nothing is open.
    async fn cancel_open(&self, id: DeployId, slug: &Slug, run: &Pipeline, look: &Look) {
        for workflow in look.workflows.iter().filter(|w| !w.status.is_final()) {
            if let Err(error) = self.ci.cancel(slug, run, &workflow.id).await {
                let unauthorized = error.unauthorized;
                warn!(deploy.id = %id, unauthorized, "the cancel failed; the next look tries again");
            }
        }
    }

    async fn after_ci_error(&self, error: &CiError) {
        if error.unauthorized {
            self.refresh_token().await;
        }
    }

    async fn refresh_token(&self) {
        if let Err(error) = self.secrets.refresh(SecretName::CircleCiToken).await {
            warn!(%error, "the CircleCI token could not be read afresh");
        }
    }

    /// Turns what the outside world answered into a write. The answer is known only here, so when
    /// others write in between, the deploy is read and decided again.
    async fn record(
        &self,
        turn: &Turn,
        id: DeployId,
        run: &mut Run,
        decide: impl Fn(&Head, Here<'_>) -> Result<Option<Commit>, Illegal>,
    ) -> Result<(), HandlerError> {
        let mut failure = None;
        for _ in 0..TRIES {
            let head = match self.store.head(id).await {
                Ok(Some(head)) => head,
                Ok(None) => return Ok(()),
                Err(error) => {
                    failure = Some(error);
                    continue;
                }
            };
            let Some(commit) = decide(&head, self.here(turn, run.posted))? else {
                return Ok(());
            };
            match self.write(commit, run).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(Conflict::Version)) => {}
                Ok(Err(other)) => return Err(HandlerError::Contradiction(other)),
                Err(HandlerError::Store(error)) => failure = Some(error),
                Err(other) => return Err(other),
            }
        }
        // The deploy stays as it is on record; whoever comes next looks for the proof.
        Err(failure.map_or(
            HandlerError::Contradiction(Conflict::Version),
            HandlerError::Store,
        ))
    }

    /// Writes, then tells the notifier what is owed now. The outer error is the store's, the inner
    /// one a condition that did not hold.
    pub(crate) async fn write(
        &self,
        commit: Commit,
        run: &mut Run,
    ) -> Result<Result<(), Conflict>, HandlerError> {
        let (id, state, owes) = (commit.head.id, commit.head.state, !commit.owe.is_empty());
        let is_news = commit.event.is_some();
        match self.store.commit(commit).await {
            Ok(()) => {}
            Err(CommitError::Conflict(conflict)) => return Ok(Err(conflict)),
            Err(CommitError::Store(error)) => return Err(error.into()),
        }
        run.wrote = true;
        if is_news {
            info!(deploy.id = %id, %state, "recorded");
        }
        if owes && let Err(error) = self.send_tell(id).await {
            // It is on record as owed, and the sweeper reminds the notifier.
            warn!(deploy.id = %id, %error, "the notice was not sent");
        }
        Ok(Ok(()))
    }

    /// Sets the next hint; without it the sweeper would come later.
    async fn remind(&self, head: &Head) -> Result<(), HandlerError> {
        let Some(due) = head.due_at else {
            return Ok(());
        };
        let delay = (due - self.clock.now()).to_std().unwrap_or_default();
        self.send_look(head.id, delay).await
    }
}

/// A deploy that has moved on is read again; any other contradiction is for the log.
fn settle(conflict: Conflict) -> Result<(), HandlerError> {
    match conflict {
        Conflict::Version => Ok(()),
        other => Err(HandlerError::Contradiction(other)),
    }
}
