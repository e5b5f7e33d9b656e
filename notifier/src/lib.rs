//! The notifier service: reserves a delivery on record, posts to Slack and records the result.
//!
//! Only the notifier calls Slack. It reads deploys and writes notification records; nothing here
//! writes a deploy, decides about one or calls CircleCI.

mod query_reply;
mod slack;

use std::sync::Arc;

use chatops_core::config::Config;
use chatops_core::id::DeployId;
use chatops_core::message::{MessageBody, NotifyMessage};
use chatops_core::notification::{
    self, DeliveryRoute, DeliveryStep, NotificationKind, NotificationRecord, PostResult,
};
use chatops_core::ports::{
    ChatClient, Clock, CommitError, Conflict, LedgerError, MessageQueue, NotificationStore,
    PortErrorKind, PostTarget, QueueName, SendError,
};
use chatops_core::text;
use tracing::field::display;
use tracing::{Span, info, warn};

pub use self::slack::SlackClient;

/// The service: its ports and its configuration.
#[derive(Debug)]
pub struct Notifier<S, Q, H, K> {
    /// Deploys to read, notification records to write.
    pub notifications: S,
    /// Where wake-ups go.
    pub queue: Q,
    /// Slack.
    pub chat: H,
    /// The time.
    pub clock: K,
    /// The configuration.
    pub config: Arc<Config>,
    /// Whether a bot can post after the response URL has expired.
    pub has_bot: bool,
}

/// Why a message could not be handled. It goes back to the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The message is not a known one.
    #[error("the message cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The ledger failed.
    #[error(transparent)]
    Store(#[from] LedgerError),
    /// The wake-up could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// More rounds than any deploy needs: each notification is saved a few times.
const MAX_ROUNDS: usize = 12;

impl<S: NotificationStore, Q: MessageQueue, H: ChatClient, K: Clock> Notifier<S, Q, H, K> {
    /// Handles one message of the notify queue and records its deploy in the caller's span. A message
    /// may come twice, late or out of order.
    pub async fn handle(&self, body: &MessageBody) -> Result<(), NotifyError> {
        match body.decode()? {
            NotifyMessage::Notify { deploy } => {
                Span::current().record("deploy.id", display(deploy));
                self.deliver_notifications(deploy).await
            }
            NotifyMessage::QueryReply(reply) => self.deliver_reply(*reply).await,
        }
    }

    async fn deliver_notifications(&self, id: DeployId) -> Result<(), NotifyError> {
        let mut has_written = false;
        for _ in 0..MAX_ROUNDS {
            let Some(item) = self.notifications.read_notification(id).await? else {
                info!(deploy.id = %id, "no notification record");
                return Ok(());
            };
            let (now, timeouts) = (self.clock.now(), &self.config.timeouts);
            match notification::next_delivery(&item, now, timeouts, self.has_bot) {
                DeliveryStep::Rest if has_written => return self.schedule_wake_up(&item).await,
                DeliveryStep::Rest => return Ok(()),
                DeliveryStep::Save(item) => has_written |= self.save_record(item).await?,
                DeliveryStep::Post {
                    reserved,
                    kind,
                    route,
                    repeat,
                } => {
                    if self.save_record(reserved.clone()).await? {
                        has_written = true;
                        self.post_reserved(reserved, kind, route, repeat).await?;
                    }
                }
            }
        }
        warn!(deploy.id = %id, "the delivery took more rounds than any needs");
        Ok(())
    }

    /// Posts what was reserved, then records the result.
    async fn post_reserved(
        &self,
        reserved: NotificationRecord,
        kind: NotificationKind,
        route: DeliveryRoute,
        repeat: bool,
    ) -> Result<(), NotifyError> {
        let id = reserved.deploy;
        let Some(record) = self.notifications.read_notified_deploy(id).await? else {
            return Ok(());
        };
        let to = match (route, &reserved.response_url) {
            (DeliveryRoute::ResponseUrl, Some(url)) => PostTarget::ResponseUrl(url.clone()),
            (DeliveryRoute::ResponseUrl, None) => return Ok(()),
            (DeliveryRoute::Bot, _) => PostTarget::Conversation {
                channel: record.request.channel.clone(),
                user: record.request.user.clone(),
            },
        };
        let message = match kind {
            NotificationKind::Progress => text::deploy_running(&record),
            NotificationKind::Hold => text::waiting_for_approval(&record),
            NotificationKind::Final => text::final_status(&record, repeat, &self.config),
        };
        if route == DeliveryRoute::Bot && reserved.token_refused {
            self.chat.renew_token().await;
        }
        let result = self.chat.post(&to, &message).await;
        info!(deploy.id = %id, state = %record.state, ?kind, ?route, outcome = result.as_str(), "posted to Slack");
        self.record_result(reserved, kind, route, &result).await
    }

    /// Records the result of a post. If the worker has requested a delivery in the meantime, the
    /// result is added to that. If the reservation is gone, its lease has expired and another run has
    /// recorded "unknown", which stays true.
    async fn record_result(
        &self,
        reserved: NotificationRecord,
        kind: NotificationKind,
        route: DeliveryRoute,
        result: &PostResult,
    ) -> Result<(), NotifyError> {
        let delivery = reserved.delivery(kind).clone();
        let mut item = reserved;
        for _ in 0..MAX_ROUNDS {
            let now = self.clock.now();
            let next = notification::after_post(&item, kind, route, result, now);
            if self.save_record(next).await? {
                return Ok(());
            }
            match self.notifications.read_notification(item.deploy).await? {
                Some(fresh) if *fresh.delivery(kind) == delivery => item = fresh,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Writes a record; `false` if it has moved on in the meantime.
    async fn save_record(&self, item: NotificationRecord) -> Result<bool, NotifyError> {
        match self.notifications.save_notification(item).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict(Conflict::StaleVersion)) => Ok(false),
            Err(CommitError::Conflict(other)) => {
                Err(LedgerError::new(PortErrorKind::Unavailable, other.to_string()).into())
            }
            Err(CommitError::Ledger(error)) => Err(error.into()),
        }
    }

    /// Schedules the next wake-up for what is pending; the sweeper would come later.
    async fn schedule_wake_up(&self, item: &NotificationRecord) -> Result<(), NotifyError> {
        let Some(due) = item.due_at() else {
            return Ok(());
        };
        let delay = (due - self.clock.now()).to_std().unwrap_or_default();
        let deploy = item.deploy;
        let body = MessageBody::encode(&NotifyMessage::Notify { deploy })?;
        Ok(self.queue.send(QueueName::Notify, &body, delay).await?)
    }
}
