//! Tells: reserves a use of the reply address on record, posts, and records what became of it.
//!
//! It reads deploys and writes reply items, nothing else; it alone talks to Slack.

mod answer;
mod slack;

use std::sync::Arc;

use chatops_core::config::Config;
use chatops_core::id::DeployId;
use chatops_core::message::{Body, NoticeMessage};
use chatops_core::ports::{
    Chat, Clock, CommitError, Conflict, Lane, Queue, Replies, SendError, StoreError, To,
};
use chatops_core::reply::{self, Kind, Next, Posted, Reply, Via};
use chatops_core::words;
use tracing::field::display;
use tracing::{Span, info, warn};

pub use self::slack::SlackClient;

/// The stage: its ports and the configuration.
#[derive(Debug)]
pub struct Notifier<S, Q, H, K> {
    /// Deploys to read, reply items to write.
    pub replies: S,
    /// Where reminders go.
    pub queue: Q,
    /// Slack.
    pub chat: H,
    /// The time.
    pub clock: K,
    /// The configuration.
    pub config: Arc<Config>,
    /// Whether a bot can post where a reply address cannot any more.
    pub bot: bool,
}

/// Why a notice could not be dealt with. Its message goes back to the queue.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The message is not one we know.
    #[error("the message cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The ledger failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The reminder could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// More rounds than any deploy can need: both things told, each settled once or twice.
const ROUNDS: usize = 12;

impl<S: Replies, Q: Queue, H: Chat, K: Clock> Notifier<S, Q, H, K> {
    /// Deals with one message of the notice queue, and says in the shell's span which deploy it is
    /// about. It may come twice, late or out of order.
    pub async fn handle(&self, body: &Body) -> Result<(), HandlerError> {
        match body.decode()? {
            NoticeMessage::Tell { deploy } => {
                Span::current().record("deploy.id", display(deploy));
                self.tell(deploy).await
            }
            NoticeMessage::Answer(answer) => self.answer(*answer).await,
        }
    }

    async fn tell(&self, id: DeployId) -> Result<(), HandlerError> {
        let mut wrote = false;
        for _ in 0..ROUNDS {
            let Some(item) = self.replies.reply(id).await? else {
                info!(deploy.id = %id, "nothing is known about whom to tell");
                return Ok(());
            };
            match reply::next(&item, self.clock.now(), &self.config.times, self.bot) {
                Next::Rest if wrote => return self.remind(&item).await,
                Next::Rest => return Ok(()),
                Next::Settle(settled) => wrote |= self.save(settled).await?,
                Next::Post {
                    reserved,
                    kind,
                    via,
                    repeat,
                } => {
                    if self.save(reserved.clone()).await? {
                        wrote = true;
                        self.post(reserved, kind, via, repeat).await?;
                    }
                }
            }
        }
        warn!(deploy.id = %id, "telling took more rounds than it can need");
        Ok(())
    }

    /// Posts what was reserved, then records the outcome.
    async fn post(
        &self,
        reserved: Reply,
        kind: Kind,
        via: Via,
        repeat: bool,
    ) -> Result<(), HandlerError> {
        let id = reserved.deploy;
        let Some(head) = self.replies.told_head(id).await? else {
            return Ok(());
        };
        let to = match (via, &reserved.address) {
            (Via::Address, Some(address)) => To::Address(address.clone()),
            (Via::Address, None) => return Ok(()),
            (Via::Bot, _) => To::Conversation {
                channel: head.ask.channel.clone(),
                user: head.ask.user.clone(),
            },
        };
        let post = match kind {
            Kind::Progress => words::progress(&head),
            Kind::Hold => words::hold(&head),
            Kind::Final => words::last(&head, repeat, &self.config),
        };
        if via == Via::Bot && reserved.token_refused {
            self.chat.renew_token().await;
        }
        let posted = self.chat.post(&to, &post).await;
        info!(deploy.id = %id, state = %head.state, ?kind, ?via, outcome = posted.word(), "posted to Slack");
        self.record(reserved, kind, via, &posted).await
    }

    /// Records what became of a post. The worker may have made something owed in the meantime: then
    /// the outcome is written over that. If the reservation itself is gone, its lease ran out and
    /// another run has concluded "unknown", which stays true.
    async fn record(
        &self,
        reserved: Reply,
        kind: Kind,
        via: Via,
        posted: &Posted,
    ) -> Result<(), HandlerError> {
        let telling = reserved.telling(kind).clone();
        let mut item = reserved;
        for _ in 0..ROUNDS {
            let id = item.deploy;
            if self
                .save(reply::after(&item, kind, via, posted, self.clock.now()))
                .await?
            {
                return Ok(());
            }
            match self.replies.reply(id).await? {
                Some(fresh) if *fresh.telling(kind) == telling => item = fresh,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Writes an item; `false` if it has moved on in the meantime.
    async fn save(&self, item: Reply) -> Result<bool, HandlerError> {
        match self.replies.save(item).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(Conflict::Version)) => Ok(false),
            Err(CommitError::Conflict(other)) => Err(StoreError(other.to_string()).into()),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    /// What is still owed is looked at again when it is due; the sweeper would come later.
    async fn remind(&self, item: &Reply) -> Result<(), HandlerError> {
        let Some(due) = item.due_at() else {
            return Ok(());
        };
        let delay = (due - self.clock.now()).to_std().unwrap_or_default();
        let body = Body::encode(&NoticeMessage::Tell {
            deploy: item.deploy,
        })?;
        Ok(self.queue.send(Lane::Notice, &body, delay).await?)
    }
}
