//! How a retry begins: the last deploy of the chain is found, everything is asked, and then one transaction
//! makes the new deploy, takes its lock and begins its trigger.
//!
//! What is refused leaves the old deploy as it was. An action that is refused is on record by itself; a
//! retry ticket goes back to where it waited.

use super::{DeployRun, RetryRefused, RunEnd, RunError, RunMemory, again, failed};
use crate::deploy::decide::{self, Context, RetryCause, RetryDecision};
use crate::deploy::{DeployRecord, DeployRequest};
use crate::id::{DeployId, ShortId};
use crate::message::ActionMessage;
use crate::phase::Phase;
use crate::policy;
use crate::ports::{
    ActionOutcome, ActionRecord, Commit, CommitError, Conflict, DeployFilter, DeployPage,
    FindLastRetry, LedgerError, ListDeploys, OutgoingMessage, ReadDeploy, RecordAction, SendError,
    SendMessage, TargetLock,
};
use crate::rejection::Rejection;

/// What a run over a retry remembers.
#[derive(Debug, Clone)]
pub struct RetryMemory {
    /// The deploy to retry: the one that was named, then the last one of its chain.
    pub deploy: DeployId,
    /// The action; `None` for a retry ticket, which retries exactly the deploy that it names.
    pub action: Option<Box<ActionMessage>>,
    /// Whether the transaction may have been written: then only this run knows that nothing was sent.
    pub may_have_begun: bool,
}

/// Reads the deploy to retry.
#[derive(Debug, Clone)]
pub struct ReadingRetried {
    /// What the run remembers.
    pub memory: RetryMemory,
}

/// Finds the last deploy of the chain.
#[derive(Debug, Clone)]
pub struct FindingLastRetry {
    /// What the run remembers.
    pub memory: RetryMemory,
    /// The first deploy of the chain.
    pub root: DeployId,
}

/// Reads the first deploy of the chain, whose requester a retry without a user is for.
#[derive(Debug, Clone)]
pub struct ReadingRoot {
    /// What the run remembers.
    pub memory: RetryMemory,
    /// The deploy to retry.
    pub old: Box<DeployRecord>,
}

/// Looks for a newer success of the same target.
#[derive(Debug, Clone)]
pub struct FindingNewerSuccess {
    /// The retry.
    pub retry: CheckedRetry,
    /// The lists that are still to be read; never empty.
    pub lists: Vec<DeployFilter>,
}

/// A retry that is allowed so far.
#[derive(Debug, Clone)]
pub struct CheckedRetry {
    /// What the run remembers.
    pub memory: RetryMemory,
    /// The deploy to retry.
    pub old: Box<DeployRecord>,
    /// The request of the first deploy of the chain.
    pub first: DeployRequest,
}

/// Writes the new deploy, its lock and its intent.
#[derive(Debug, Clone)]
pub struct BeginningRetry {
    /// The retry.
    pub retry: CheckedRetry,
    /// The transaction.
    pub commit: Box<Commit>,
    /// The digits of the new short id.
    pub short_digits: usize,
}

/// Reads who has the target.
#[derive(Debug, Clone)]
pub struct ReadingRetryHolder {
    /// The retry.
    pub retry: CheckedRetry,
    /// The lock.
    pub lock: TargetLock,
}

/// Records that an action was refused.
#[derive(Debug, Clone)]
pub struct RecordingRefusal {
    /// What is recorded.
    pub action: ActionRecord,
    /// What was refused.
    pub refused: Box<RetryRefused>,
}

/// Puts a retry ticket back into the dead-letter queue.
#[derive(Debug, Clone)]
pub struct ReturningTicket {
    /// What was refused.
    pub refused: Box<RetryRefused>,
}

impl RetryMemory {
    fn cause(&self) -> RetryCause<'_> {
        self.action
            .as_deref()
            .map_or(RetryCause::Ticket, RetryCause::Action)
    }

    pub(super) fn read(self) -> DeployRun {
        DeployRun::ReadRetried(ReadingRetried { memory: self })
    }

    /// After a failure of the ledger, as [`RunMemory::after_failure`].
    fn after_failure(self, error: LedgerError) -> DeployRun {
        if self.may_have_begun {
            again(self.read(), error.into())
        } else {
            failed(error)
        }
    }

    /// Goes on with the deploy that this retry has made.
    fn follow(&self, new: DeployId) -> DeployRun {
        let memory = RunMemory {
            began_trigger: self.may_have_begun,
            has_written: self.may_have_begun,
            ..RunMemory::of(new)
        };
        memory.read()
    }

    /// What is refused is answered, or waits as before.
    fn refuse(self, old: Box<DeployRecord>, why: RetryDecision, ctx: Context<'_>) -> DeployRun {
        let refused = Box::new(RetryRefused {
            record: old,
            why: why.clone(),
        });
        if let Some(action) = self.action {
            let deploy = refused.record.id;
            let action = ActionRecord {
                id: action.id,
                requested_by: action.requested_by.acted_by(),
                action: action.action,
                at: ctx.now,
                outcome: ActionOutcome::NotRetried { deploy, why },
            };
            return DeployRun::RecordRefusal(RecordingRefusal { action, refused });
        }
        match why {
            // Somebody may still want it.
            RetryDecision::NotAllowed { .. }
            | RetryDecision::NeedsConfirm
            | RetryDecision::Superseded(_) => DeployRun::ReturnTicket(ReturningTicket { refused }),
            RetryDecision::Yes
            | RetryDecision::InProgress
            | RetryDecision::HasRun
            | RetryDecision::TooOld
            | RetryDecision::Retried
            | RetryDecision::Dismissed => DeployRun::Done(Ok(RunEnd::NotRetried(refused))),
        }
    }
}

impl Phase for ReadingRetried {
    type Request = ReadDeploy;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> ReadDeploy {
        ReadDeploy(self.memory.deploy)
    }

    fn resume(
        self,
        answer: Result<Option<DeployRecord>, LedgerError>,
        ctx: Context<'_>,
    ) -> DeployRun {
        let memory = self.memory;
        let old = match answer {
            Ok(Some(old)) => Box::new(old),
            Ok(None) => return DeployRun::Done(Ok(RunEnd::NotOnRecord)),
            Err(error) => return memory.after_failure(error),
        };
        match old.retried_by {
            Some(new) if new == memory.cause().retry_of(old.id) => memory.follow(new),
            // A second copy of a ticket, or one that somebody's retry has overtaken.
            Some(new) if memory.action.is_none() => memory.follow(new),
            Some(_) => DeployRun::FindLastRetry(FindingLastRetry {
                root: old.chain_root(),
                memory,
            }),
            None if old.retry_root.is_some() => DeployRun::ReadRoot(ReadingRoot { memory, old }),
            None => {
                let first = old.request.clone();
                check(CheckedRetry { memory, old, first }, ctx)
            }
        }
    }
}

impl Phase for FindingLastRetry {
    type Request = FindLastRetry;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> FindLastRetry {
        FindLastRetry(self.root)
    }

    fn resume(
        mut self,
        answer: Result<Option<DeployId>, LedgerError>,
        _: Context<'_>,
    ) -> DeployRun {
        match answer {
            Ok(last) => {
                // The chain's end is written with every link, so there is one.
                self.memory.deploy = last.unwrap_or(self.root);
                self.memory.read()
            }
            Err(error) => self.memory.after_failure(error),
        }
    }
}

impl Phase for ReadingRoot {
    type Request = ReadDeploy;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> ReadDeploy {
        ReadDeploy(self.old.chain_root())
    }

    fn resume(
        self,
        answer: Result<Option<DeployRecord>, LedgerError>,
        ctx: Context<'_>,
    ) -> DeployRun {
        let (memory, old) = (self.memory, self.old);
        match answer {
            Ok(root) => {
                let first = root.map_or_else(|| old.request.clone(), |root| root.request);
                check(CheckedRetry { memory, old, first }, ctx)
            }
            Err(error) => memory.after_failure(error),
        }
    }
}

/// Asks the policy and the state; then whether a newer deploy has succeeded.
fn check(retry: CheckedRetry, ctx: Context<'_>) -> DeployRun {
    let cause = retry.memory.cause();
    match decide::decide_retry(&retry.old, &retry.first, cause, ctx) {
        RetryDecision::Yes => {}
        why => return retry.memory.refuse(retry.old, why, ctx),
    }
    let lists = decide::newest_success_filters(&retry.old, ctx);
    if lists.is_empty() {
        return begin(retry, ShortId::USUAL, ctx);
    }
    DeployRun::FindNewerSuccess(FindingNewerSuccess { retry, lists })
}

impl Phase for FindingNewerSuccess {
    type Request = ListDeploys;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> ListDeploys {
        ListDeploys {
            filter: self.lists.first().cloned().unwrap_or_default(),
            before: None,
            limit: 1,
        }
    }

    fn resume(mut self, answer: Result<DeployPage, LedgerError>, ctx: Context<'_>) -> DeployRun {
        let page = match answer {
            Ok(page) => page,
            Err(error) => return self.retry.memory.after_failure(error),
        };
        let retry = &self.retry;
        let newest = page.deploys.first();
        match decide::check_newer_success(&retry.old, newest, retry.memory.cause()) {
            RetryDecision::Yes => {}
            why => {
                let CheckedRetry { memory, old, .. } = self.retry;
                return memory.refuse(old, why, ctx);
            }
        }
        self.lists.remove(0);
        if self.lists.is_empty() {
            begin(self.retry, ShortId::USUAL, ctx)
        } else {
            DeployRun::FindNewerSuccess(self)
        }
    }
}

/// Writes the retry, if there is time to send its POST.
fn begin(retry: CheckedRetry, short_digits: usize, ctx: Context<'_>) -> DeployRun {
    if ctx.is_cut_off_while_sending() {
        return failed(RunError::DeadlineTooClose);
    }
    let cause = retry.memory.cause();
    match decide::begin_retry(&retry.old, &retry.first, cause, short_digits, ctx) {
        Ok(Ok(commit)) => DeployRun::BeginRetry(BeginningRetry {
            retry,
            commit: Box::new(commit),
            short_digits,
        }),
        Ok(Err(rejection)) => {
            let why = RetryDecision::NotAllowed { rejection };
            retry.memory.refuse(retry.old, why, ctx)
        }
        Err(illegal) => failed(illegal),
    }
}

impl Phase for BeginningRetry {
    type Request = Commit;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> Commit {
        self.commit.as_ref().clone()
    }

    fn resume(self, answer: Result<(), CommitError>, ctx: Context<'_>) -> DeployRun {
        let Self {
            mut retry,
            commit,
            short_digits,
        } = self;
        match answer {
            Ok(()) => {
                retry.memory.may_have_begun = true;
                retry.memory.follow(commit.record.id)
            }
            Err(CommitError::Conflict(Conflict::StaleVersion)) => retry.memory.read(),
            Err(CommitError::Conflict(Conflict::ShortId)) if short_digits != ShortId::LONGER => {
                begin(retry, ShortId::LONGER, ctx)
            }
            Err(CommitError::Conflict(Conflict::Lock(lock))) => {
                DeployRun::ReadRetryHolder(ReadingRetryHolder { retry, lock })
            }
            Err(CommitError::Conflict(other)) => failed(RunError::Conflict(other)),
            Err(CommitError::Ledger(error)) => {
                retry.memory.may_have_begun = true;
                retry.memory.after_failure(error)
            }
        }
    }
}

impl Phase for ReadingRetryHolder {
    type Request = ReadDeploy;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> ReadDeploy {
        ReadDeploy(self.lock.deploy)
    }

    fn resume(
        self,
        answer: Result<Option<DeployRecord>, LedgerError>,
        ctx: Context<'_>,
    ) -> DeployRun {
        let CheckedRetry { memory, old, .. } = self.retry;
        let holder = match answer {
            Ok(Some(holder)) => holder,
            Ok(None) => return failed(RunError::Conflict(Conflict::Lock(self.lock))),
            Err(error) => return memory.after_failure(error),
        };
        // The rules of who and where were asked before; this is about the place.
        let target = policy::authorize_operator(ctx.config, &old.request)
            .ok()
            .and_then(|allowed| allowed.target());
        let rejection = match target {
            Some(target) => decide::busy(target, &self.lock, &holder, ctx.now),
            None => Rejection::Expired {
                requested_at: old.request.requested_at,
            },
        };
        memory.refuse(old, RetryDecision::NotAllowed { rejection }, ctx)
    }
}

impl Phase for RecordingRefusal {
    type Request = RecordAction;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> RecordAction {
        RecordAction(self.action.clone())
    }

    fn resume(self, answer: Result<(), LedgerError>, _: Context<'_>) -> DeployRun {
        match answer {
            Ok(()) => DeployRun::Done(Ok(RunEnd::NotRetried(self.refused))),
            Err(error) => failed(error),
        }
    }
}

impl Phase for ReturningTicket {
    type Request = SendMessage;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> SendMessage {
        SendMessage::now(OutgoingMessage::RetryTicket(self.refused.record.id))
    }

    fn resume(self, answer: Result<(), SendError>, _: Context<'_>) -> DeployRun {
        match answer {
            Ok(()) => DeployRun::Done(Ok(RunEnd::NotRetried(self.refused))),
            Err(error) => failed(error),
        }
    }
}
