//! The next step: read the deploy, decide, write the decision.

use std::time::Duration;

use super::{
    DeployRun, ReadingProject, RefreshingToken, RunEnd, RunError, RunMemory, Triggering,
    delay_until, failed,
};
use crate::deploy::decide::{self, Context, NextStep};
use crate::deploy::{DeployRecord, DeployState};
use crate::id::DeployId;
use crate::message::{NotifyMessage, WorkMessage};
use crate::phase::Phase;
use crate::ports::{
    Commit, CommitError, Conflict, LedgerError, OutgoingMessage, ReadDeploy, SendError,
    SendMessage, TargetLock,
};

/// Reads the deploy, to decide what is next.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What the run remembers.
    pub memory: RunMemory,
}

/// Writes a decision: begins the trigger, rejects, ends, or notes that the ticket was sent.
#[derive(Debug, Clone)]
pub struct Writing {
    /// What the run remembers.
    pub memory: RunMemory,
    /// The deploy as it was read.
    pub record: Box<DeployRecord>,
    /// The decision.
    pub commit: Box<Commit>,
}

/// Reads who has the target.
#[derive(Debug, Clone)]
pub struct ReadingHolder {
    /// What the run remembers.
    pub memory: RunMemory,
    /// The deploy as it was read.
    pub record: Box<DeployRecord>,
    /// The lock.
    pub lock: TargetLock,
}

/// Puts the retry ticket into the dead-letter queue.
#[derive(Debug, Clone)]
pub struct SendingTicket {
    /// What the run remembers.
    pub memory: RunMemory,
    /// The deploy as it was read.
    pub record: Box<DeployRecord>,
}

/// Wakes the notifier up.
#[derive(Debug, Clone)]
pub struct WakingNotifier {
    /// The deploy.
    pub deploy: DeployId,
    /// The run after it.
    pub next: Box<DeployRun>,
}

/// Sends the next wake-up; the sweeper would come later.
#[derive(Debug, Clone)]
pub struct SchedulingWakeUp {
    /// The deploy.
    pub deploy: DeployId,
    /// From now.
    pub delay: Duration,
    /// Whether the deploy is not triggered yet.
    pub before_trigger: bool,
}

impl Phase for Reading {
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
        match answer {
            Ok(Some(record)) => take_step(self.memory, record, ctx),
            Ok(None) => DeployRun::Done(Ok(RunEnd::NotOnRecord)),
            Err(error) => self.memory.after_failure(error),
        }
    }
}

/// The phase of the next step.
fn take_step(mut memory: RunMemory, record: DeployRecord, ctx: Context<'_>) -> DeployRun {
    let step = match decide::next_step(&record, memory.context(ctx)) {
        Ok(step) => step,
        Err(illegal) => return failed(illegal),
    };
    let record = Box::new(record);
    match step {
        NextStep::Wait => match record.due_at.filter(|_| memory.has_written) {
            Some(due) => DeployRun::ScheduleWakeUp(SchedulingWakeUp {
                deploy: record.id,
                delay: delay_until(due, ctx.now),
                before_trigger: record.state == DeployState::Requested,
            }),
            None => DeployRun::Done(Ok(RunEnd::AtRest)),
        },
        NextStep::Write(commit) => DeployRun::Write(Writing {
            memory,
            record,
            commit,
        }),
        // The token comes first, and the clock is looked at again after it.
        NextStep::Post(_) if record.token_refused && !memory.has_fresh_token => {
            memory.has_fresh_token = true;
            RefreshingToken::then(memory.read())
        }
        NextStep::Post(request) => {
            memory.posted_attempt = record.attempts;
            memory.has_fresh_token = false;
            DeployRun::Trigger(Triggering { memory, request })
        }
        NextStep::Read(read) => DeployRun::ReadProject(ReadingProject {
            memory,
            record,
            read,
        }),
        NextStep::OutOfTime => failed(RunError::DeadlineTooClose),
        NextStep::WriteTicket => DeployRun::SendTicket(SendingTicket { memory, record }),
    }
}

impl Phase for Writing {
    type Request = Commit;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> Commit {
        self.commit.as_ref().clone()
    }

    fn resume(mut self, answer: Result<(), CommitError>, _: Context<'_>) -> DeployRun {
        let begins = self.commit.record.state == DeployState::Triggering;
        self.memory.began_trigger |= begins;
        match answer {
            Ok(()) => after_write(self.memory, &self.commit),
            Err(CommitError::Conflict(Conflict::StaleVersion)) => self.memory.read(),
            Err(CommitError::Conflict(Conflict::Lock(lock))) => {
                DeployRun::ReadHolder(ReadingHolder {
                    memory: self.memory,
                    record: self.record,
                    lock,
                })
            }
            Err(CommitError::Conflict(other)) => failed(RunError::Conflict(other)),
            Err(CommitError::Ledger(error)) => self.memory.after_failure(error),
        }
    }
}

/// After a write, the notifier is woken up if a notification is pending; then the deploy is read again.
pub(super) fn after_write(memory: RunMemory, commit: &Commit) -> DeployRun {
    after_write_then(memory, commit, RunMemory::read)
}

/// The same, with what comes after it.
pub(super) fn after_write_then(
    mut memory: RunMemory,
    commit: &Commit,
    next: impl FnOnce(RunMemory) -> DeployRun,
) -> DeployRun {
    memory.has_written = true;
    let deploy = memory.deploy;
    let wake = |deploy, next| {
        let next = Box::new(next);
        DeployRun::WakeNotifier(WakingNotifier { deploy, next })
    };
    let mut next = next(memory);
    if let Some(retried) = commit.retried.as_ref().filter(|one| one.redraw.is_some()) {
        next = wake(retried.record.id, next);
    }
    if commit.wakes_notifier() {
        next = wake(deploy, next);
    }
    next
}

impl Phase for ReadingHolder {
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
        let holder = match answer {
            Ok(Some(holder)) => holder,
            Ok(None) => return failed(RunError::Conflict(Conflict::Lock(self.lock))),
            Err(error) => return failed(error),
        };
        let ctx = self.memory.context(ctx);
        match decide::reject_busy(&self.record, &self.lock, &holder, ctx) {
            Ok(commit) => DeployRun::Write(Writing {
                memory: self.memory,
                record: self.record,
                commit: Box::new(commit),
            }),
            Err(illegal) => failed(illegal),
        }
    }
}

impl Phase for SendingTicket {
    type Request = SendMessage;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> SendMessage {
        SendMessage::now(OutgoingMessage::RetryTicket(self.memory.deploy))
    }

    fn resume(self, answer: Result<(), SendError>, _: Context<'_>) -> DeployRun {
        match answer {
            Ok(()) => {
                let commit = Box::new(decide::ticket_written(&self.record));
                DeployRun::Write(Writing {
                    memory: self.memory,
                    record: self.record,
                    commit,
                })
            }
            Err(error) => failed(error),
        }
    }
}

impl Phase for WakingNotifier {
    type Request = SendMessage;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> SendMessage {
        let deploy = self.deploy;
        SendMessage::now(OutgoingMessage::Notify(NotifyMessage::Notify { deploy }))
    }

    // If it fails: the notification is on record as pending, and the sweeper wakes the notifier up.
    fn resume(self, _: Result<(), SendError>, _: Context<'_>) -> DeployRun {
        *self.next
    }
}

impl Phase for SchedulingWakeUp {
    type Request = SendMessage;
    type Context<'a> = Context<'a>;
    type Run = DeployRun;

    fn request(&self) -> SendMessage {
        let deploy = self.deploy;
        SendMessage {
            message: if self.before_trigger {
                OutgoingMessage::TriggerWakeUp(deploy)
            } else {
                OutgoingMessage::Work(WorkMessage::Poll { deploy })
            },
            delay: self.delay,
        }
    }

    fn resume(self, answer: Result<(), SendError>, _: Context<'_>) -> DeployRun {
        match answer {
            Ok(()) => DeployRun::Done(Ok(RunEnd::AtRest)),
            Err(error) => failed(error),
        }
    }
}
