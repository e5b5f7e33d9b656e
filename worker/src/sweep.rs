//! The sweeper: sends wake-ups for everything overdue, and deletes obsolete messages from the
//! dead-letter queue.
//!
//! A wake-up is sent once and may be lost with the process that should have sent it; what is due is
//! on record. With both, everything is done at last, and mostly at once.

use std::time::Duration;

use chatops_core::message::{MessageBody, WorkMessage};
use chatops_core::ports::{
    DeleteMessage, DueItem, ListDue, OutgoingMessage, QueueName, ReadDeploy, ReceiveMessages,
    ReleaseMessage, WorkerPorts,
};
use tracing::info;

use crate::{WorkError, Worker};

/// The most items of one sweep.
const MAX_DUE: usize = 500;

/// How many dead letters are received at a time (SQS's limit), and how often in one sweep.
const BATCH: usize = 10;
const MAX_BATCHES: usize = 10;

/// How long a received dead letter is hidden from others.
const LEASE: Duration = Duration::from_mins(1);

impl<P: WorkerPorts> Worker<P> {
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

    /// Deletes obsolete messages from the dead-letter queue; returns how many.
    ///
    /// Retry tickets that can still be carried out stay, and what an operator has to see.
    pub async fn clean_dead_letters(&self) -> Result<usize, WorkError> {
        let mut kept = Vec::new();
        let mut removed = 0;
        for _ in 0..MAX_BATCHES {
            let receive = ReceiveMessages {
                queue: QueueName::WorkDlq,
                limit: BATCH,
                visibility: LEASE,
            };
            let dead_letters = self.ports.perform(receive).await?;
            if dead_letters.is_empty() {
                break;
            }
            for letter in dead_letters {
                if self.is_obsolete(&letter.body).await? {
                    let (queue, receipt) = (QueueName::WorkDlq, letter.receipt);
                    self.ports.perform(DeleteMessage { queue, receipt }).await?;
                    removed += 1;
                } else {
                    kept.push(letter.receipt);
                }
            }
        }
        for receipt in kept {
            let release = ReleaseMessage {
                queue: QueueName::WorkDlq,
                receipt,
                delay: Duration::ZERO,
            };
            self.ports.perform(release).await?;
        }
        if removed > 0 {
            info!(removed, "obsolete dead letters deleted");
        }
        Ok(removed)
    }

    /// Whether a dead letter is obsolete: the ticket of a deploy that was retried otherwise, or a
    /// query whose response URL has expired.
    async fn is_obsolete(&self, body: &MessageBody) -> Result<bool, WorkError> {
        // What cannot be read is for an operator to see.
        let Ok(message) = body.decode() else {
            return Ok(false);
        };
        Ok(match message {
            WorkMessage::Retry { deploy } => {
                let record = self.ports.perform(ReadDeploy(deploy)).await?;
                record.is_some_and(|record| record.retried_by.is_some())
            }
            WorkMessage::Query(query) => {
                self.clock.now() >= query.requested_at + self.config.timeouts.response_url_ttl
            }
            WorkMessage::Deploy(_)
            | WorkMessage::Poll { .. }
            | WorkMessage::Webhook { .. }
            | WorkMessage::Action(_) => false,
        })
    }
}
