//! One run of the notifier about one deploy, as a value: reserve a delivery on record, post, record the
//! result, until nothing is pending.
//!
//! Nothing here knows how a request is performed, and nothing decides about a deploy.

use std::time::Duration;

use crate::Time;
use crate::config::Config;
use crate::deploy::DeployRecord;
use crate::id::DeployId;
use crate::message::NotifyMessage;
use crate::notification::{
    self, DeliveryRoute, DeliveryStep, NotificationKind, NotificationRecord, PostResult,
    Undelivered,
};
use crate::phase::Phase;
use crate::ports::{
    CommitError, Conflict, FindBot, LedgerError, OutgoingMessage, PortErrorKind, PostMessage,
    PostTarget, ReadDeploy, ReadNotification, RenewToken, SaveNotification, SecretError, SendError,
    SendMessage,
};
use crate::text;

/// When the notifier decides, with what.
#[derive(Debug, Clone, Copy)]
pub struct NotifyContext<'a> {
    /// The time.
    pub now: Time,
    /// The configuration.
    pub config: &'a Config,
}

/// A run: where it stands.
#[derive(Debug, Clone)]
pub enum NotifyRun {
    /// Reads the notification record, to decide what is next.
    Read(ReadingNotification),
    /// Asks whether there is a bot, since only a bot can post.
    FindBot(FindingBot),
    /// Writes what is settled without a post.
    Settle(Settling),
    /// Writes the reservation of a post.
    Reserve(Reserving),
    /// Reads the deploy that the message is about.
    ReadDeploy(ReadingDeploy),
    /// Reads the bot's token anew.
    RenewToken(RenewingToken),
    /// Posts.
    Post(Posting),
    /// Writes the result of the post.
    Record(RecordingPost),
    /// Reads the notification record again, which somebody else has changed.
    Reread(RereadingNotification),
    /// Sends the next wake-up.
    ScheduleWakeUp(SchedulingNotification),
    /// Is over.
    Done(Result<NotifyEnd, NotifyRunError>),
}

/// How a run ends that did all it could.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyEnd {
    /// Nothing is pending now.
    AtRest,
    /// There is no notification record.
    NotOnRecord,
}

/// Why a run failed. Its message goes back to the queue.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotifyRunError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The wake-up could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Whether there is a bot could not be found out.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl NotifyRun {
    /// A run over a wake-up.
    #[must_use]
    pub fn wake_up(deploy: DeployId) -> Self {
        read(deploy, false)
    }
}

fn read(deploy: DeployId, has_written: bool) -> NotifyRun {
    NotifyRun::Read(ReadingNotification {
        deploy,
        has_written,
    })
}

fn failed(error: impl Into<NotifyRunError>) -> NotifyRun {
    NotifyRun::Done(Err(error.into()))
}

/// Whether a record was written; `false` if it has moved on in the meantime.
fn was_saved(answer: Result<(), CommitError>) -> Result<bool, LedgerError> {
    match answer {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict(Conflict::StaleVersion)) => Ok(false),
        Err(CommitError::Conflict(other)) => {
            Err(LedgerError::new(PortErrorKind::Defect, other.to_string()))
        }
        Err(CommitError::Ledger(error)) => Err(error),
    }
}

/// Reads the notification record, to decide what is next.
#[derive(Debug, Clone)]
pub struct ReadingNotification {
    /// The deploy.
    pub deploy: DeployId,
    /// Whether the run wrote anything, and so schedules the next wake-up.
    pub has_written: bool,
}

impl Phase for ReadingNotification {
    type Request = ReadNotification;
    type Context<'a> = NotifyContext<'a>;
    type Run = NotifyRun;

    fn request(&self) -> ReadNotification {
        ReadNotification(self.deploy)
    }

    fn resume(
        self,
        answer: Result<Option<NotificationRecord>, LedgerError>,
        ctx: NotifyContext<'_>,
    ) -> NotifyRun {
        let record = match answer {
            Ok(Some(record)) => record,
            Ok(None) => return NotifyRun::Done(Ok(NotifyEnd::NotOnRecord)),
            Err(error) => return failed(error),
        };
        // Whether there is a bot is asked per post, since a token can be added at any time.
        let step = next_delivery(&record, ctx, true);
        match step {
            DeliveryStep::Post {
                route: DeliveryRoute::Bot,
                ..
            } => NotifyRun::FindBot(FindingBot {
                record,
                has_written: self.has_written,
            }),
            step => take_step(step, &record, self.has_written, ctx),
        }
    }
}

fn next_delivery(
    record: &NotificationRecord,
    ctx: NotifyContext<'_>,
    has_bot: bool,
) -> DeliveryStep {
    notification::next_delivery(record, ctx.now, &ctx.config.timeouts, has_bot)
}

/// What follows a decision about a record.
fn take_step(
    step: DeliveryStep,
    record: &NotificationRecord,
    has_written: bool,
    ctx: NotifyContext<'_>,
) -> NotifyRun {
    match step {
        DeliveryStep::Rest => match record.due_at().filter(|_| has_written) {
            Some(due) => NotifyRun::ScheduleWakeUp(SchedulingNotification {
                deploy: record.deploy,
                delay: (due - ctx.now).to_std().unwrap_or_default(),
            }),
            None => NotifyRun::Done(Ok(NotifyEnd::AtRest)),
        },
        DeliveryStep::Save(settled) => NotifyRun::Settle(Settling {
            given_up: settled.given_up_since(record),
            record: settled,
            has_written,
        }),
        DeliveryStep::Post {
            reserved,
            kind,
            route,
            repeat,
        } => NotifyRun::Reserve(Reserving {
            has_written,
            post: ReservedPost {
                reserved,
                kind,
                route,
                repeat,
            },
        }),
    }
}

/// Asks whether there is a bot, since only a bot can post.
#[derive(Debug, Clone)]
pub struct FindingBot {
    /// The record that is decided about.
    pub record: NotificationRecord,
    /// Whether the run wrote anything before.
    pub has_written: bool,
}

impl Phase for FindingBot {
    type Request = FindBot;
    type Context<'a> = NotifyContext<'a>;
    type Run = NotifyRun;

    fn request(&self) -> FindBot {
        FindBot {}
    }

    fn resume(self, answer: Result<bool, SecretError>, ctx: NotifyContext<'_>) -> NotifyRun {
        match answer {
            Ok(has_bot) => {
                let step = next_delivery(&self.record, ctx, has_bot);
                take_step(step, &self.record, self.has_written, ctx)
            }
            // Not knowing is no reason to give the delivery up.
            Err(error) => failed(error),
        }
    }
}

/// Writes what is settled without a post.
#[derive(Debug, Clone)]
pub struct Settling {
    /// The record.
    pub record: NotificationRecord,
    /// What it gives up.
    pub given_up: Option<Undelivered>,
    /// Whether the run wrote anything before.
    pub has_written: bool,
}

impl Phase for Settling {
    type Request = SaveNotification;
    type Context<'a> = NotifyContext<'a>;
    type Run = NotifyRun;

    fn request(&self) -> SaveNotification {
        SaveNotification(self.record.clone())
    }

    fn resume(self, answer: Result<(), CommitError>, _: NotifyContext<'_>) -> NotifyRun {
        match was_saved(answer) {
            Ok(saved) => read(self.record.deploy, self.has_written || saved),
            Err(error) => failed(error),
        }
    }
}

/// One post, and the record that reserves it.
#[derive(Debug, Clone)]
pub struct ReservedPost {
    /// The record with the reservation.
    pub reserved: NotificationRecord,
    /// Which message.
    pub kind: NotificationKind,
    /// Which way.
    pub route: DeliveryRoute,
    /// Whether an earlier attempt may have been shown.
    pub repeat: bool,
}

impl ReservedPost {
    fn read(self) -> NotifyRun {
        read(self.reserved.deploy, true)
    }
}

/// Writes the reservation of a post.
#[derive(Debug, Clone)]
pub struct Reserving {
    /// The post.
    pub post: ReservedPost,
    /// Whether the run wrote anything before.
    pub has_written: bool,
}

impl Phase for Reserving {
    type Request = SaveNotification;
    type Context<'a> = NotifyContext<'a>;
    type Run = NotifyRun;

    fn request(&self) -> SaveNotification {
        SaveNotification(self.post.reserved.clone())
    }

    fn resume(self, answer: Result<(), CommitError>, _: NotifyContext<'_>) -> NotifyRun {
        match was_saved(answer) {
            Ok(true) => NotifyRun::ReadDeploy(ReadingDeploy { post: self.post }),
            Ok(false) => read(self.post.reserved.deploy, self.has_written),
            Err(error) => failed(error),
        }
    }
}

/// Reads the deploy that the message is about.
#[derive(Debug, Clone)]
pub struct ReadingDeploy {
    /// The post.
    pub post: ReservedPost,
}

impl Phase for ReadingDeploy {
    type Request = ReadDeploy;
    type Context<'a> = NotifyContext<'a>;
    type Run = NotifyRun;

    fn request(&self) -> ReadDeploy {
        ReadDeploy(self.post.reserved.deploy)
    }

    fn resume(
        self,
        answer: Result<Option<DeployRecord>, LedgerError>,
        ctx: NotifyContext<'_>,
    ) -> NotifyRun {
        let post = self.post;
        let record = match answer {
            Ok(Some(record)) => record,
            Ok(None) => return post.read(),
            Err(error) => return failed(error),
        };
        let to = match (post.route, &post.reserved.response_url) {
            (DeliveryRoute::ResponseUrl, Some(url)) => PostTarget::ResponseUrl(url.clone()),
            (DeliveryRoute::ResponseUrl, None) => return post.read(),
            (DeliveryRoute::Bot, _) => PostTarget::Conversation {
                channel: record.request.channel.clone(),
                user: record.request.user.clone(),
            },
        };
        let message = match post.kind {
            NotificationKind::Progress => text::deploy_running(&record, ctx.config),
            NotificationKind::Hold => text::waiting_for_approval(&record, ctx.config),
            NotificationKind::Final => text::final_status(&record, post.repeat, ctx.config),
            NotificationKind::Notice => text::deploy_notice(&record, ctx.config),
        };
        let renews = post.route == DeliveryRoute::Bot && post.reserved.token_refused;
        let request = Box::new(PostMessage { to, message });
        let posting = Posting { post, request };
        if renews {
            NotifyRun::RenewToken(RenewingToken { posting })
        } else {
            NotifyRun::Post(posting)
        }
    }
}

/// Reads the bot's token anew.
#[derive(Debug, Clone)]
pub struct RenewingToken {
    /// What follows.
    pub posting: Posting,
}

impl Phase for RenewingToken {
    type Request = RenewToken;
    type Context<'a> = NotifyContext<'a>;
    type Run = NotifyRun;

    fn request(&self) -> RenewToken {
        RenewToken {}
    }

    fn resume(self, (): (), _: NotifyContext<'_>) -> NotifyRun {
        NotifyRun::Post(self.posting)
    }
}

/// Posts.
#[derive(Debug, Clone)]
pub struct Posting {
    /// The post.
    pub post: ReservedPost,
    /// The message, and where it goes.
    pub request: Box<PostMessage>,
}

impl Phase for Posting {
    type Request = PostMessage;
    type Context<'a> = NotifyContext<'a>;
    type Run = NotifyRun;

    fn request(&self) -> PostMessage {
        self.request.as_ref().clone()
    }

    fn resume(self, result: PostResult, ctx: NotifyContext<'_>) -> NotifyRun {
        let reserved = self.post.reserved.clone();
        RecordingPost::over(&reserved, self.post, result, ctx)
    }
}

/// Writes the result of the post.
#[derive(Debug, Clone)]
pub struct RecordingPost {
    /// The post.
    pub post: ReservedPost,
    /// Its result.
    pub result: PostResult,
    /// The record with the result.
    pub record: Box<NotificationRecord>,
    /// What it gives up.
    pub given_up: Option<Undelivered>,
}

impl RecordingPost {
    /// Adds the result to the record as it is now.
    fn over(
        current: &NotificationRecord,
        post: ReservedPost,
        result: PostResult,
        ctx: NotifyContext<'_>,
    ) -> NotifyRun {
        let record = notification::after_post(current, post.kind, post.route, &result, ctx.now);
        NotifyRun::Record(Self {
            given_up: record.given_up_since(current),
            post,
            result,
            record: Box::new(record),
        })
    }
}

impl Phase for RecordingPost {
    type Request = SaveNotification;
    type Context<'a> = NotifyContext<'a>;
    type Run = NotifyRun;

    fn request(&self) -> SaveNotification {
        SaveNotification(self.record.as_ref().clone())
    }

    fn resume(self, answer: Result<(), CommitError>, _: NotifyContext<'_>) -> NotifyRun {
        match was_saved(answer) {
            Ok(true) => self.post.read(),
            Ok(false) => NotifyRun::Reread(RereadingNotification {
                post: self.post,
                result: self.result,
            }),
            Err(error) => failed(error),
        }
    }
}

/// Reads the notification record again, which somebody else has changed.
#[derive(Debug, Clone)]
pub struct RereadingNotification {
    /// The post.
    pub post: ReservedPost,
    /// Its result.
    pub result: PostResult,
}

impl Phase for RereadingNotification {
    type Request = ReadNotification;
    type Context<'a> = NotifyContext<'a>;
    type Run = NotifyRun;

    fn request(&self) -> ReadNotification {
        ReadNotification(self.post.reserved.deploy)
    }

    /// If the worker has requested a delivery in the meantime, the result is added to that. If the
    /// reservation is gone, its lease has expired and another run has recorded "unknown", which stays
    /// true.
    fn resume(
        self,
        answer: Result<Option<NotificationRecord>, LedgerError>,
        ctx: NotifyContext<'_>,
    ) -> NotifyRun {
        let kind = self.post.kind;
        match answer {
            Ok(Some(fresh)) if fresh.delivery(kind) == self.post.reserved.delivery(kind) => {
                RecordingPost::over(&fresh, self.post, self.result, ctx)
            }
            Ok(_) => self.post.read(),
            Err(error) => failed(error),
        }
    }
}

/// Sends the next wake-up; the sweeper would come later.
#[derive(Debug, Clone)]
pub struct SchedulingNotification {
    /// The deploy.
    pub deploy: DeployId,
    /// From now.
    pub delay: Duration,
}

impl Phase for SchedulingNotification {
    type Request = SendMessage;
    type Context<'a> = NotifyContext<'a>;
    type Run = NotifyRun;

    fn request(&self) -> SendMessage {
        let deploy = self.deploy;
        SendMessage {
            message: OutgoingMessage::Notify(NotifyMessage::Notify { deploy }),
            delay: self.delay,
        }
    }

    fn resume(self, answer: Result<(), SendError>, _: NotifyContext<'_>) -> NotifyRun {
        match answer {
            Ok(()) => NotifyRun::Done(Ok(NotifyEnd::AtRest)),
            Err(error) => failed(error),
        }
    }
}
