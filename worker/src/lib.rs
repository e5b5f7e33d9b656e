//! The worker service: triggers CircleCI, polls runs until they end, writes the ledger and sweeps
//! what is due.
//!
//! Every message is a wake-up. What a run does about a deploy is a value of
//! [`chatops_core::deploy::handler`], which is driven here: its requests are performed at the
//! ports, and its tries are limited. Only the worker calls CircleCI and writes deploys, locks and
//! pipelines. Nothing here calls Slack or decides by itself.

mod action;
mod drive;
mod query;
mod retry;
mod sweep;
mod unlock;

pub use sweep::{DeadLetterCounts, SweepReport};

use std::fmt;
use std::sync::Arc;

use chatops_core::Time;
use chatops_core::config::Config;
use chatops_core::delivery::HandlerFailure;
use chatops_core::deploy::decide::Context;
use chatops_core::deploy::handler::{DeployRun, RunError};
use chatops_core::deploy::machine::IllegalTransition;
use chatops_core::id::{DeployId, InvocationId};
use chatops_core::message::{ActionRequester, MessageBody, NotifyMessage, WorkMessage};
use chatops_core::ports::{
    Clock, Commit, CommitError, Conflict, LedgerError, OutgoingMessage, QueueError, QueueName,
    SendError, SendMessage, SenderId, WorkerPorts,
};
use tracing::field::display;
use tracing::{Span, info, warn};

/// How often a decision is repeated after a conflict or a failure of the ledger.
const MAX_TRIES: usize = 8;

/// The service.
pub struct Worker<P> {
    /// The ledger, the queues, CircleCI and its token.
    pub ports: P,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The configuration.
    pub config: Arc<Config>,
}

impl<P> fmt::Debug for Worker<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// One run of the worker over one message.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Its unique id.
    pub id: InvocationId,
    /// When it is cut off, if ever: nothing is sent whose answer might come later.
    pub deadline: Option<Time>,
}

impl From<InvocationId> for Invocation {
    /// A run that is never cut off.
    fn from(id: InvocationId) -> Self {
        let deadline = None;
        Self { id, deadline }
    }
}

/// Why a message could not be handled.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The message is not a known one.
    #[error("the message cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The message is in a queue that is for others.
    #[error("such a message does not belong in the queue {}", .0.as_str())]
    Misplaced(QueueName),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The dead-letter queue could not be read.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl From<WorkError> for HandlerFailure {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Unreadable(_) | WorkError::Misplaced(_) => HandlerFailure::Poison {
                reason: error.to_string(),
            },
            WorkError::Run(_) | WorkError::Queue(_) => HandlerFailure::Later {
                error: error.to_string(),
            },
        }
    }
}

impl From<LedgerError> for WorkError {
    fn from(error: LedgerError) -> Self {
        Self::Run(error.into())
    }
}

impl From<SendError> for WorkError {
    fn from(error: SendError) -> Self {
        Self::Run(error.into())
    }
}

impl From<IllegalTransition> for WorkError {
    fn from(error: IllegalTransition) -> Self {
        Self::Run(error.into())
    }
}

impl From<Conflict> for WorkError {
    fn from(conflict: Conflict) -> Self {
        Self::Run(RunError::Conflict(conflict))
    }
}

impl<P: WorkerPorts> Worker<P> {
    /// Handles one message of the queue that it came from, and records its deploy in the caller's
    /// span. `sender` is who sent it, where the queue records that. A message may come twice, late or
    /// out of order; every call needs an invocation of its own.
    pub async fn handle(
        &self,
        inv: &Invocation,
        queue: QueueName,
        body: &MessageBody,
        sender: Option<&SenderId>,
    ) -> Result<(), WorkError> {
        let Some(message) = accept_message(queue, body.decode()?, sender)? else {
            return Ok(());
        };
        match message {
            WorkMessage::Deploy(message) => {
                // Last: a run that fails comes again, and each answer takes a use of the press's address.
                self.drive(inv, DeployRun::open((*message).clone())).await?;
                self.answer_repeated_press(&message).await
            }
            WorkMessage::Poll { deploy } => self.drive(inv, DeployRun::wake_up(deploy)).await,
            WorkMessage::Webhook { pipeline } => {
                self.drive(inv, DeployRun::webhook(pipeline)).await
            }
            WorkMessage::Retry { deploy } => self.handle_ticket(inv, deploy).await,
            WorkMessage::Query(query) => self.handle_query(&query).await,
            WorkMessage::Action(action) => self.handle_action(inv, &action).await,
        }
    }

    fn ctx<'a>(&'a self, inv: &'a Invocation) -> Context<'a> {
        Context {
            now: self.clock.now(),
            invocation: &inv.id,
            posted_attempt: 0,
            deadline: inv.deadline,
            config: &self.config,
        }
    }

    /// Commits, then logs each event with its hash, so that the log can prove a changed ledger.
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let retried = commit.retried.iter().map(|old| &old.event);
        let events: Vec<_> = commit.events.iter().chain(retried).cloned().collect();
        self.ports.perform(commit).await?;
        for event in events {
            let entry = event.entry();
            let (kind, state): (&str, &str) = match &entry {
                Ok(entry) => ((&entry.change).into(), entry.state.as_str()),
                Err(_) => ("", ""),
            };
            let (id, n, hash) = (event.deploy, event.n, event.hash);
            info!(deploy.id = %id, event.n = n, event.hash = %hash, event.kind = kind, state, "recorded");
        }
        Ok(())
    }

    async fn send_now(&self, message: OutgoingMessage) -> Result<(), SendError> {
        self.ports.perform(SendMessage::now(message)).await
    }

    async fn send_notify(&self, deploy: DeployId) -> Result<(), SendError> {
        let message = NotifyMessage::Notify { deploy };
        self.send_now(OutgoingMessage::Notify(message)).await
    }
}

/// The message as it is handled; `None` if it is ignored.
///
/// An operator is whoever can send to the operators' queue, by the name that the queue recorded; the
/// same message in another queue proves nothing.
fn accept_message(
    queue: QueueName,
    mut message: WorkMessage,
    sender: Option<&SenderId>,
) -> Result<Option<WorkMessage>, WorkError> {
    let by_operator = match &mut message {
        WorkMessage::Action(action) => match &mut action.requested_by {
            ActionRequester::Operator { name } => Some(name),
            ActionRequester::User(_) => None,
        },
        _ => None,
    };
    let accepted = match (queue, by_operator) {
        (QueueName::Operators, Some(name)) => {
            if let Some(sender) = sender {
                sender.operator_name().clone_into(name);
            }
            true
        }
        (QueueName::Work, Some(name)) => {
            warn!(
                operator = name.as_str(),
                "action ignored: operators have a queue of their own"
            );
            return Ok(None);
        }
        // A redrive puts wake-ups here, too.
        (QueueName::Work, None) => true,
        (QueueName::Polls, None) => matches!(
            message,
            WorkMessage::Poll { .. } | WorkMessage::Webhook { .. }
        ),
        _ => false,
    };
    if accepted {
        Ok(Some(message))
    } else {
        Err(WorkError::Misplaced(queue))
    }
}

/// Names the deploy in the caller's span.
fn tag_span(id: DeployId) {
    Span::current().record("deploy.id", display(id));
}
