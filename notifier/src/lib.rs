//! The notifier service: reserves a delivery on record, posts to Slack and records the result.
//!
//! What a run does about a deploy is a value of [`chatops_core::notification::handler`], which is driven here.
//! Only the notifier calls Slack. It reads deploys and writes notification records; nothing here
//! writes a deploy, decides about one or calls CircleCI.

mod query_reply;

use std::fmt;
use std::sync::Arc;

use chatops_core::config::Config;
use chatops_core::delivery::HandlerFailure;
use chatops_core::message::{MessageBody, NotifyMessage};
use chatops_core::notification::handler::{
    NotifyContext, NotifyEnd, NotifyRun, NotifyRunError, ReservedPost,
};
use chatops_core::notification::{PostResult, Undelivered};
use chatops_core::phase::Phase;
use chatops_core::ports::{Clock, NotifierPorts, Perform, Request, SendError};
use tracing::field::display;
use tracing::{Span, info, warn};

/// The service.
pub struct Notifier<P> {
    /// Deploys to read, notification records to write, the queue and Slack.
    pub ports: P,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The configuration.
    pub config: Arc<Config>,
}

impl<P> fmt::Debug for Notifier<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").finish_non_exhaustive()
    }
}

/// Why a message could not be handled.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The message is not a known one.
    #[error("the message cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] NotifyRunError),
}

impl From<NotifyError> for HandlerFailure {
    fn from(error: NotifyError) -> Self {
        match error {
            NotifyError::Unreadable(_) => HandlerFailure::Poison {
                reason: error.to_string(),
            },
            NotifyError::Run(_) => HandlerFailure::Later {
                error: error.to_string(),
            },
        }
    }
}

impl From<SendError> for NotifyError {
    fn from(error: SendError) -> Self {
        Self::Run(error.into())
    }
}

/// Says what Slack will not be told. The field `undelivered` is what a deployment's metric counts.
fn warn_given_up(given_up: Option<&Undelivered>) {
    if let Some(Undelivered {
        deploy,
        kind,
        reason,
        channels,
        ..
    }) = given_up
    {
        warn!(deploy.id = %deploy, ?kind, ?channels, reason, undelivered = 1, "Slack was not told");
    }
}

fn log_result(post: &ReservedPost, result: &PostResult) {
    let (id, sending) = (post.reserved.deploy, &post.sending);
    let (outcome, reason) = (result.as_str(), result.reason());
    info!(deploy.id = %id, ?sending, outcome, reason, "posted to Slack");
}

/// More reads than any deploy needs: each notification is saved a few times.
const MAX_READS: usize = 24;

impl<P: NotifierPorts> Notifier<P> {
    /// Handles one message of the notify queue and records its deploy in the caller's span. A message
    /// may come twice, late or out of order.
    pub async fn handle(&self, body: &MessageBody) -> Result<(), NotifyError> {
        match body.decode()? {
            NotifyMessage::Notify { deploy } => {
                Span::current().record("deploy.id", display(deploy));
                self.drive(NotifyRun::wake_up(deploy)).await
            }
            NotifyMessage::CardPressed { deploy, card } => {
                Span::current().record("deploy.id", display(deploy));
                self.drive(NotifyRun::press(deploy, card)).await
            }
            NotifyMessage::QueryReply(reply) => self.deliver_reply(*reply).await,
        }
    }

    /// Drives a run to its end.
    async fn drive(&self, mut run: NotifyRun) -> Result<(), NotifyError> {
        let mut reads = 0;
        loop {
            run = match run {
                NotifyRun::Read(_) | NotifyRun::Reread(_) if reads == MAX_READS => {
                    warn!("the delivery took more rounds than any needs");
                    return Ok(());
                }
                NotifyRun::Read(phase) => {
                    reads += 1;
                    self.perform(phase).await
                }
                NotifyRun::Reread(phase) => {
                    reads += 1;
                    self.perform(phase).await
                }
                NotifyRun::Post(phase) => {
                    let result = self.ports.perform(phase.request()).await;
                    log_result(&phase.post, &result);
                    phase.resume(result, self.ctx())
                }
                NotifyRun::Delete(phase) => {
                    let result = self.ports.perform(phase.request()).await;
                    log_result(&phase.post, &result);
                    phase.resume(result, self.ctx())
                }
                NotifyRun::NotePress(phase) => self.perform(phase).await,
                NotifyRun::PlanFeeds(phase) => self.perform(phase).await,
                NotifyRun::FindBot(phase) => self.perform(phase).await,
                NotifyRun::Settle(phase) => {
                    warn_given_up(phase.given_up.as_ref());
                    self.perform(phase).await
                }
                NotifyRun::Reserve(phase) => self.perform(phase).await,
                NotifyRun::ReadDeploy(phase) => self.perform(phase).await,
                NotifyRun::RenewToken(phase) => self.perform(phase).await,
                NotifyRun::Record(phase) => {
                    warn_given_up(phase.given_up.as_ref());
                    self.perform(phase).await
                }
                NotifyRun::ScheduleWakeUp(phase) => self.perform(phase).await,
                NotifyRun::Done(end) => {
                    if end? == NotifyEnd::NotOnRecord {
                        info!("wake-up ignored: there is no notification record");
                    }
                    return Ok(());
                }
            };
        }
    }

    /// Performs the phase's request and resumes it.
    async fn perform<R>(
        &self,
        phase: impl for<'a> Phase<Request = R, Context<'a> = NotifyContext<'a>, Run = NotifyRun>,
    ) -> NotifyRun
    where
        R: Request,
        P: Perform<R>,
    {
        let answer = self.ports.perform(phase.request()).await;
        phase.resume(answer, self.ctx())
    }

    fn ctx(&self) -> NotifyContext<'_> {
        NotifyContext {
            now: self.clock.now(),
            config: &self.config,
        }
    }
}
