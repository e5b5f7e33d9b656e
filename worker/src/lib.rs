//! Works: triggers CircleCI, follows runs to their end, writes the ledger, and sweeps what is due.
//!
//! Every message is a hint. The worker reads the deploy, asks the pure functions of
//! `chatops_core::decide` for the one next step, takes it, and asks again. It alone talks to
//! CircleCI and writes deploys, locks and pipelines; it never talks to Slack.

mod advance;
mod circleci;
mod question;
mod retry;
mod sweep;
mod wish;

use std::sync::Arc;

use chatops_core::Time;
use chatops_core::config::Config;
use chatops_core::id::{DeployId, Invocation, PipelineId, ShortId};
use chatops_core::machine::Illegal;
use chatops_core::message::{Body, DeployMessage, NoticeMessage, WorkMessage};
use chatops_core::ports::{
    Ci, Clock, Commit, CommitError, Conflict, Lane, Queue, QueueError, Secrets, SendError, Store,
    StoreError,
};
use tracing::field::display;
use tracing::{Span, info};

pub use self::circleci::CircleCi;

/// How often something is decided anew when others got there first.
const TRIES: usize = 8;

/// The stage: its ports and the configuration.
#[derive(Debug)]
pub struct Worker<S, Q, C, X, K> {
    /// The ledger.
    pub store: S,
    /// Where hints, notices and orders go.
    pub queue: Q,
    /// CircleCI.
    pub ci: C,
    /// Where the token comes from; the worker only asks to have it read afresh.
    pub secrets: X,
    /// The time.
    pub clock: K,
    /// The configuration.
    pub config: Arc<Config>,
}

/// One run of the worker over one message.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Its name, which no other run has.
    pub me: Invocation,
    /// When it is cut off, where somebody cuts it off: nothing is sent whose answer might come later.
    pub ends: Option<Time>,
}

impl From<Invocation> for Turn {
    /// A run that nobody cuts off.
    fn from(me: Invocation) -> Self {
        Self { me, ends: None }
    }
}

/// Why a message could not be dealt with. It goes back to the queue.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The message is not one we know.
    #[error("the message cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The ledger failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A condition failed that reading again does not settle.
    #[error("the ledger contradicts itself: {0}")]
    Contradiction(Conflict),
    /// A hint or an order could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The dead-letter queue could not be read.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// CircleCI's answer would come too late for this run.
    #[error("this run ends too soon to send a trigger and hear the answer")]
    NoTime,
    /// A decision that the state machine does not allow: a defect.
    #[error(transparent)]
    Illegal(#[from] Illegal),
}

impl<S, Q, C, X, K> Worker<S, Q, C, X, K>
where
    S: Store,
    Q: Queue,
    C: Ci,
    X: Secrets,
    K: Clock,
{
    /// Deals with one message of the work queue, and says in the shell's span which deploy it is
    /// about. It may come twice, late or out of order; every call needs a turn of its own.
    pub async fn handle(&self, turn: &Turn, body: &Body) -> Result<(), HandlerError> {
        match body.decode()? {
            WorkMessage::Deploy(message) => {
                self.open(turn, &message).await?;
                self.advance(turn, message.id).await
            }
            WorkMessage::Look { deploy } => self.advance(turn, deploy).await,
            WorkMessage::Retry { deploy } => self.order(turn, deploy).await,
            WorkMessage::Event { pipeline } => self.event(turn, pipeline).await,
            WorkMessage::Question(question) => self.question(&question).await,
            WorkMessage::Wish(wish) => self.wish(turn, &wish).await,
        }
    }

    /// Looks at once at the run that an event is about, if it is one of ours.
    async fn event(&self, turn: &Turn, pipeline: PipelineId) -> Result<(), HandlerError> {
        let Some(id) = self.store.owner(pipeline).await? else {
            info!(%pipeline, "an event of a pipeline that is not ours");
            return Ok(());
        };
        about(id);
        self.look_now(turn, id).await
    }

    /// Puts a command on record, unless it is.
    async fn open(&self, turn: &Turn, message: &DeployMessage) -> Result<(), HandlerError> {
        about(message.id);
        if self.store.head(message.id).await?.is_some() {
            return Ok(());
        }
        let here = self.here(turn, 0);
        let commit = |digits| Ok(chatops_core::decide::open(message, digits, here));
        self.create(commit).await?;
        info!(deploy.id = %message.id, "deploy requested");
        Ok(())
    }

    /// Writes a deploy's first transaction; `false` if it exists already, or if the deploy that it
    /// repeats has moved on.
    async fn create(
        &self,
        commit: impl Fn(usize) -> Result<Commit, Illegal>,
    ) -> Result<bool, HandlerError> {
        let mut written = self.store.commit(commit(ShortId::USUAL)?).await;
        if let Err(CommitError::Conflict(Conflict::Short)) = written {
            written = self.store.commit(commit(ShortId::LONGER)?).await;
        }
        match written {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(Conflict::Version)) => Ok(false),
            Err(CommitError::Conflict(other)) => Err(HandlerError::Contradiction(other)),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    async fn send_look(
        &self,
        deploy: DeployId,
        delay: std::time::Duration,
    ) -> Result<(), HandlerError> {
        let body = Body::encode(&WorkMessage::Look { deploy })?;
        Ok(self.queue.send(Lane::Work, &body, delay).await?)
    }

    async fn send_tell(&self, deploy: DeployId) -> Result<(), HandlerError> {
        let body = Body::encode(&NoticeMessage::Tell { deploy })?;
        Ok(self
            .queue
            .send(Lane::Notice, &body, std::time::Duration::ZERO)
            .await?)
    }
}

/// Which deploy this run is about, for the log line of whoever hands it over.
fn about(id: DeployId) {
    Span::current().record("deploy.id", display(id));
}
