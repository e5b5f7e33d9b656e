//! One run of the notifier about one deploy, as a value: reserve a delivery on record, post, record the
//! result, until nothing is pending.
//!
//! Nothing here knows how a request is performed, and nothing decides about a deploy.

mod announce;
mod post;
mod press;

use std::time::Duration;

pub use self::announce::PlanningFeeds;
pub use self::post::{
    Deleting, Posting, ReadingDeploy, RecordingPost, RenewingToken, RereadingNotification,
    ReservedPost, Reserving,
};
pub use self::press::NotingPress;

use crate::Time;
use crate::config::Config;
use crate::id::DeployId;
use crate::message::NotifyMessage;
use crate::notification::{self, DeliveryStep, NotificationRecord, Undelivered};
use crate::phase::Phase;
use crate::ports::{
    CommitError, Conflict, FindBot, LedgerError, OutgoingMessage, PortErrorKind, ReadNotification,
    SaveNotification, SecretError, SendError, SendMessage,
};
use crate::posted::PostedMessage;

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
    /// Reads the deploy, to decide where else its end is announced.
    PlanFeeds(PlanningFeeds),
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
    /// Deletes a card that does not count.
    Delete(Deleting),
    /// Notes that a button of a card was pressed.
    NotePress(NotingPress),
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

    /// A run after somebody has pressed a button of a card of the deploy at this place.
    #[must_use]
    pub fn press(deploy: DeployId, card: PostedMessage) -> Self {
        NotifyRun::Read(ReadingNotification {
            deploy,
            pressed: Some(card),
            has_written: false,
        })
    }
}

fn read(deploy: DeployId, has_written: bool) -> NotifyRun {
    NotifyRun::Read(ReadingNotification {
        deploy,
        pressed: None,
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
    /// The card of the deploy that a button was pressed of.
    pub pressed: Option<PostedMessage>,
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
        if let Some(card) = &self.pressed
            && let Some(noting) = NotingPress::of(&record, card, ctx.now)
        {
            return NotifyRun::NotePress(noting);
        }
        if announce::is_to_be_planned(&record, ctx.config) {
            return NotifyRun::PlanFeeds(PlanningFeeds {
                record,
                has_written: self.has_written,
            });
        }
        decide(record, self.has_written, ctx)
    }
}

/// What is next about a record.
fn decide(record: NotificationRecord, has_written: bool, ctx: NotifyContext<'_>) -> NotifyRun {
    // Whether there is a bot is asked per post, since a token can be added at any time.
    match next_delivery(&record, ctx, true) {
        DeliveryStep::Send { sending, .. } if sending.needs_bot() => {
            NotifyRun::FindBot(FindingBot {
                record,
                has_written,
            })
        }
        step => take_step(step, &record, has_written, ctx),
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
            given_up: settled.given_up_since(record, ctx.now),
            record: settled,
            has_written,
        }),
        DeliveryStep::Send { reserved, sending } => NotifyRun::Reserve(Reserving {
            has_written,
            post: ReservedPost { reserved, sending },
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
