//! The sweeper: sends wake-ups for everything overdue, and looks through the dead-letter queue.
//!
//! A wake-up is sent once and may be lost with the process that should have sent it; what is due is
//! on record. With both, everything is done at last, and mostly at once.
//!
//! Dead is not gone: a command that was accepted and could not be handled is put on record and told.
//! The look hides nothing: whoever redrives the letters, reads or counts them meanwhile finds them all.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chatops_core::deploy::decide;
use chatops_core::deploy::handler::DeployRun;
use chatops_core::id::DeployId;
use chatops_core::message::{
    ActionMessage, ActionRequester, DeployMessage, MessageBody, QueryMessage, WorkMessage,
};
use chatops_core::ports::{
    DeleteMessage, DeployFilter, DueItem, ListDeploys, ListDue, OutgoingMessage, QueueName,
    ReadDeploy, ReceiveMessages, WorkerPorts,
};
use chatops_core::text;
use futures::FutureExt;
use tracing::{error, info, warn};

use crate::{Invocation, WorkError, Worker};

/// The most items of one sweep.
const MAX_DUE: usize = 500;

/// The most dead letters of one sweep.
const MAX_LETTERS: usize = 100;

/// The most tickets that are counted.
const MAX_TICKETS: usize = 100;

/// What one sweep found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Wake-ups that were sent.
    pub due: usize,
    /// Deploys that wait for a retry, by the ledger; no more than a hundred are counted.
    pub tickets_waiting: usize,
    /// What was seen in the dead-letter queue.
    pub letters: DeadLetterCounts,
}

impl SweepReport {
    /// Writes the line that the deployment's metrics are read from: every field is always there.
    pub fn log(&self) {
        let DeadLetterCounts {
            kept,
            poison,
            failed,
            removed,
        } = self.letters;
        info!(
            found = self.due,
            tickets_waiting = self.tickets_waiting,
            letters_kept = kept,
            poison_letters = poison,
            failed_letters = failed,
            removed_letters = removed,
            "swept"
        );
    }
}

/// What was seen in the dead-letter queue of work, and what became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeadLetterCounts {
    /// Retry tickets, and commands that can still be redriven.
    pub kept: usize,
    /// What cannot be read, for an operator to see.
    pub poison: usize,
    /// What could not be settled; the next sweep tries again.
    pub failed: usize,
    /// What nothing is left to do about.
    pub removed: usize,
}

/// What becomes of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LetterFate {
    /// It can still be redriven.
    Keep,
    /// Nobody can read it.
    Poison,
    /// Nothing is left to do about it.
    Remove,
}

impl<P: WorkerPorts> Worker<P> {
    /// Sends wake-ups for what is due and looks through the dead-letter queue. A failure of one does
    /// not stop the other.
    pub async fn sweep(&self, inv: &Invocation) -> Result<SweepReport, WorkError> {
        let due = self.sweep_due().await;
        let letters = Box::pin(self.sweep_dead_letters(inv)).await;
        Ok(SweepReport {
            due: due?,
            letters: letters?,
            tickets_waiting: self.count_tickets().await?,
        })
    }

    /// Sends a wake-up for everything that is due; returns how many.
    pub async fn sweep_due(&self) -> Result<usize, WorkError> {
        let due = self
            .ports
            .perform(ListDue {
                now: self.clock.now(),
                limit: MAX_DUE,
            })
            .await?;
        for item in &due {
            match *item {
                DueItem::Deploy(deploy) => {
                    let wake_up = OutgoingMessage::Work(WorkMessage::Poll { deploy });
                    self.send_now(wake_up).await?;
                }
                DueItem::Notification(id) => self.send_notify(id).await?,
            }
        }
        Ok(due.len())
    }

    /// Looks through the dead-letter queue: what was accepted is put on record and told, what is done
    /// is removed, and the rest stays. A letter that fails or panics does not stop the others.
    pub async fn sweep_dead_letters(
        &self,
        inv: &Invocation,
    ) -> Result<DeadLetterCounts, WorkError> {
        let queue = QueueName::WorkDlq;
        let look = ReceiveMessages {
            queue,
            limit: MAX_LETTERS,
            visibility: Duration::ZERO,
        };
        let mut counts = DeadLetterCounts::default();
        for letter in self.ports.perform(look).await? {
            let settled = AssertUnwindSafe(self.settle_letter(inv, &letter.body));
            match Box::pin(settled.catch_unwind()).await {
                Ok(Ok(LetterFate::Keep)) => counts.kept += 1,
                Ok(Ok(LetterFate::Poison)) => counts.poison += 1,
                Ok(Ok(LetterFate::Remove)) => {
                    let receipt = letter.receipt;
                    self.ports.perform(DeleteMessage { queue, receipt }).await?;
                    counts.removed += 1;
                }
                Ok(Err(error)) => {
                    warn!(%error, "a dead letter was not settled; the next sweep tries again");
                    counts.failed += 1;
                }
                Err(_) => {
                    error!("a dead letter made the sweep panic");
                    counts.failed += 1;
                }
            }
        }
        Ok(counts)
    }

    /// Does what is left to do about a dead letter.
    async fn settle_letter(
        &self,
        inv: &Invocation,
        body: &MessageBody,
    ) -> Result<LetterFate, WorkError> {
        let Ok(message) = body.decode() else {
            return Ok(LetterFate::Poison);
        };
        match message {
            WorkMessage::Retry { deploy } if self.is_obsolete(deploy).await? => {}
            WorkMessage::Retry { .. } => return Ok(LetterFate::Keep),
            WorkMessage::Deploy(command) => return self.record_dead_command(inv, *command).await,
            WorkMessage::Action(action) => self.answer_dead_action(&action).await?,
            WorkMessage::Query(query) => self.answer_dead_query(&query).await?,
            // What they would have read again is on record, and the sweeper finds it when it is due.
            WorkMessage::Poll { .. } | WorkMessage::Webhook { .. } => {}
        }
        Ok(LetterFate::Remove)
    }

    /// Whether nothing can come of a retry ticket any more.
    async fn is_obsolete(&self, deploy: DeployId) -> Result<bool, WorkError> {
        let record = self.ports.perform(ReadDeploy(deploy)).await?;
        let now = self.clock.now();
        Ok(record.is_some_and(|record| decide::is_ticket_obsolete(&record, now, &self.config)))
    }

    /// A command that was accepted ends *Expired* on record, once it is too old to be redriven.
    async fn record_dead_command(
        &self,
        inv: &Invocation,
        command: DeployMessage,
    ) -> Result<LetterFate, WorkError> {
        let (id, requested_at) = (command.id, command.requested_at);
        if self.ports.perform(ReadDeploy(id)).await?.is_none() {
            if self.clock.now() < requested_at + self.config.timeouts.request_ttl {
                return Ok(LetterFate::Keep);
            }
            self.drive(inv, DeployRun::open(command)).await?;
            warn!(deploy.id = %id, "a command that was buried is put on record, too late to run");
        }
        Ok(LetterFate::Remove)
    }

    /// The user types the action again. An operator does so by the log.
    async fn answer_dead_action(&self, action: &ActionMessage) -> Result<(), WorkError> {
        let (verb, subject) = (action.action.verb().as_str(), action.action.subject());
        warn!(verb, subject, "an action that was buried is given up");
        match &action.requested_by {
            ActionRequester::User(_) => {
                let reply = text::action_buried(&action.action, &self.config);
                self.reply_to_action(action, reply).await
            }
            ActionRequester::Operator { .. } => Ok(()),
        }
    }

    async fn answer_dead_query(&self, query: &QueryMessage) -> Result<(), WorkError> {
        warn!("a query that was buried is given up");
        self.send_reply(&query.requester, query.requested_at, text::query_buried())
            .await
    }

    async fn count_tickets(&self) -> Result<usize, WorkError> {
        let waiting = ListDeploys {
            filter: DeployFilter {
                awaits_retry: true,
                ..DeployFilter::default()
            },
            before: None,
            limit: MAX_TICKETS,
        };
        Ok(self.ports.perform(waiting).await?.deploys.len())
    }
}
