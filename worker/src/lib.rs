//! The worker service: triggers CircleCI, polls runs until they end, writes the ledger and sweeps
//! what is due.
//!
//! Every message is a wake-up. The worker reads the deploy, gets the next step from the pure functions
//! of `chatops_core::decide`, takes it, and repeats. Only the worker calls CircleCI and writes
//! deploys, locks and pipelines. Nothing here calls Slack or decides by itself.

mod action;
mod advance;
mod circleci;
mod query;
mod retry;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::config::Config;
use chatops_core::decide;
use chatops_core::id::{DeployId, InvocationId, PipelineId, ShortId};
use chatops_core::machine::IllegalTransition;
use chatops_core::message::{DeployMessage, MessageBody, NotifyMessage, WorkMessage};
use chatops_core::ports::{
    CiClient, Clock, Commit, CommitError, Conflict, Ledger, LedgerError, MessageQueue, QueueError,
    QueueName, SecretReader, SendError,
};
use serde::Serialize;
use tracing::field::display;
use tracing::{Span, info};

pub use self::circleci::CircleCiClient;

/// How often a decision is repeated after a conflict or a failure of the ledger.
const MAX_TRIES: usize = 8;

/// The service: its ports and its configuration.
#[derive(Debug)]
pub struct Worker<S, Q, C, X, K> {
    /// The ledger.
    pub ledger: S,
    /// Where wake-ups, notifications and retry tickets go.
    pub queue: Q,
    /// CircleCI.
    pub ci: C,
    /// Where the token comes from; the worker only refreshes it.
    pub secrets: X,
    /// The time.
    pub clock: K,
    /// The configuration.
    pub config: Arc<Config>,
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

/// Why a message could not be handled. It goes back to the queue.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The message is not a known one.
    #[error("the message cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The ledger failed.
    #[error(transparent)]
    Store(#[from] LedgerError),
    /// A conflict that reading again does not resolve.
    #[error("the ledger contradicts itself: {0}")]
    Conflict(Conflict),
    /// A message could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The dead-letter queue could not be read.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// CircleCI's answer would come too late for this run.
    #[error("this run ends too soon to send a trigger and receive the answer")]
    DeadlineTooClose,
    /// A decision that the state machine does not allow: a bug.
    #[error(transparent)]
    IllegalTransition(#[from] IllegalTransition),
}

impl<S, Q, C, X, K> Worker<S, Q, C, X, K>
where
    S: Ledger,
    Q: MessageQueue,
    C: CiClient,
    X: SecretReader,
    K: Clock,
{
    /// Handles one message of the work queue and records its deploy in the caller's span. A message
    /// may come twice, late or out of order; every call needs an invocation of its own.
    pub async fn handle(&self, inv: &Invocation, body: &MessageBody) -> Result<(), WorkError> {
        match body.decode()? {
            WorkMessage::Deploy(message) => {
                self.add_deploy(inv, &message).await?;
                self.advance(inv, message.id).await
            }
            WorkMessage::Poll { deploy } => self.advance(inv, deploy).await,
            WorkMessage::Retry { deploy } => self.handle_ticket(inv, deploy).await,
            WorkMessage::Webhook { pipeline } => self.poll_pipeline(inv, pipeline).await,
            WorkMessage::Query(query) => self.handle_query(&query).await,
            WorkMessage::Action(action) => self.handle_action(inv, &action).await,
        }
    }

    /// Polls at once the run that a webhook is about, if a deploy owns it.
    async fn poll_pipeline(&self, inv: &Invocation, pipeline: PipelineId) -> Result<(), WorkError> {
        let Some(id) = self.ledger.pipeline_owner(pipeline).await? else {
            info!(%pipeline, "webhook ignored: no deploy has this pipeline");
            return Ok(());
        };
        tag_span(id);
        self.poll_now(inv, id).await
    }

    /// Records a deploy, unless it is on record.
    async fn add_deploy(&self, inv: &Invocation, message: &DeployMessage) -> Result<(), WorkError> {
        tag_span(message.id);
        if self.ledger.read_deploy(message.id).await?.is_some() {
            return Ok(());
        }
        let ctx = self.ctx(inv, 0);
        let commit = |digits| Ok(decide::open_deploy(message, digits, ctx));
        self.create_deploy(commit).await?;
        info!(deploy.id = %message.id, "deploy requested");
        Ok(())
    }

    /// Writes a deploy's first transaction; `false` if it exists already, or if the deploy that it
    /// retries has moved on.
    async fn create_deploy(
        &self,
        commit: impl Fn(usize) -> Result<Commit, IllegalTransition>,
    ) -> Result<bool, WorkError> {
        let mut written = self.commit(commit(ShortId::USUAL)?).await;
        if let Err(CommitError::Conflict(Conflict::ShortId)) = written {
            written = self.commit(commit(ShortId::LONGER)?).await;
        }
        match written {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(Conflict::StaleVersion)) => Ok(false),
            Err(CommitError::Conflict(other)) => Err(WorkError::Conflict(other)),
            Err(CommitError::Ledger(error)) => Err(error.into()),
        }
    }

    /// Commits, then logs each event with its hash, so that the log can prove a changed ledger.
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let retried = commit
            .retried
            .iter()
            .map(|old| (&old.event, old.record.state));
        let own = commit
            .event
            .iter()
            .map(|event| (event, commit.record.state));
        let events = own.chain(retried).map(|(event, state)| {
            let kind: &str = event.entry().map_or("", |entry| (&entry.change).into());
            (event.deploy, event.n, event.hash, kind, state)
        });
        let events: Vec<_> = events.collect();
        self.ledger.commit(commit).await?;
        for (id, n, hash, kind, state) in events {
            info!(deploy.id = %id, event.n = n, event.hash = %hash, event.kind = kind, %state, "recorded");
        }
        Ok(())
    }

    async fn send_poll(&self, deploy: DeployId, delay: Duration) -> Result<(), WorkError> {
        let body = MessageBody::encode(&WorkMessage::Poll { deploy })?;
        Ok(self.queue.send(QueueName::Work, &body, delay).await?)
    }

    async fn send_now(&self, queue: QueueName, message: &impl Serialize) -> Result<(), WorkError> {
        let body = MessageBody::encode(message)?;
        Ok(self.queue.send(queue, &body, Duration::ZERO).await?)
    }

    async fn send_notify(&self, deploy: DeployId) -> Result<(), WorkError> {
        let message = NotifyMessage::Notify { deploy };
        self.send_now(QueueName::Notify, &message).await
    }
}

/// Names the deploy in the caller's span.
fn tag_span(id: DeployId) {
    Span::current().record("deploy.id", display(id));
}
