//! The sweeper: whatever is due and was not reminded of gets a fresh hint, and the dead-letter queue
//! loses what has no use any more.
//!
//! Hints are sent once and may be lost with the process that should have sent them; what is due
//! stands on record. Together they make every obligation met, and mostly at once.

use std::time::Duration;

use chatops_core::message::{Body, WorkMessage};
use chatops_core::ports::{Ci, Clock, Due, Lane, Queue, Secrets, Store};
use tracing::info;

use crate::{HandlerError, Worker};

/// How much one sweep takes on.
const LIMIT: usize = 500;

/// How many dead letters are received at a time (the most that SQS hands out), and how often in
/// one sweep.
const LETTERS: usize = 10;
const ROUNDS: usize = 10;

/// How long a dead letter is out of sight while it is looked at.
const LOOKING: Duration = Duration::from_mins(1);

impl<S, Q, C, X, K> Worker<S, Q, C, X, K>
where
    S: Store,
    Q: Queue,
    C: Ci,
    X: Secrets,
    K: Clock,
{
    /// Sends a hint for everything that is due; returns for how many things.
    pub async fn sweep(&self) -> Result<usize, HandlerError> {
        let due = self.store.due(self.clock.now(), LIMIT).await?;
        for thing in &due {
            match *thing {
                Due::Deploy(id) => self.send_look(id, Duration::ZERO).await?,
                Due::Reply(id) => self.send_tell(id).await?,
            }
        }
        Ok(due.len())
    }

    /// Removes from the dead-letter queue what nobody needs; returns how much that was.
    ///
    /// What stays is an order that can still be carried out, or something that a person has to see.
    pub async fn tidy(&self) -> Result<usize, HandlerError> {
        let mut kept = Vec::new();
        let mut removed = 0;
        for _ in 0..ROUNDS {
            let letters = self.queue.receive(Lane::WorkDead, LETTERS, LOOKING).await?;
            if letters.is_empty() {
                break;
            }
            for letter in letters {
                if self.is_needless(&letter.body).await? {
                    self.queue.delete(Lane::WorkDead, &letter.receipt).await?;
                    removed += 1;
                } else {
                    kept.push(letter.receipt);
                }
            }
        }
        for receipt in &kept {
            self.queue
                .release(Lane::WorkDead, receipt, Duration::ZERO)
                .await?;
        }
        if removed > 0 {
            info!(
                removed,
                "removed from the dead-letter queue what has no use any more"
            );
        }
        Ok(removed)
    }

    /// Whether a dead letter has no use any more: an order that was carried out by other ways, or
    /// a question whose answer nobody can be told.
    async fn is_needless(&self, body: &Body) -> Result<bool, HandlerError> {
        // What cannot be read is for a person to see.
        let Ok(message) = body.decode() else {
            return Ok(false);
        };
        Ok(match message {
            WorkMessage::Retry { deploy } => {
                let head = self.store.head(deploy).await?;
                head.is_some_and(|head| head.retried_by.is_some())
            }
            WorkMessage::Question(question) => {
                self.clock.now() >= question.asked_at + self.config.times.reply_for
            }
            WorkMessage::Deploy(_)
            | WorkMessage::Look { .. }
            | WorkMessage::Event { .. }
            | WorkMessage::Wish(_) => false,
        })
    }
}
