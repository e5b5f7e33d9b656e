//! One post: reserved on record, made, and its result recorded.

use super::{NotifyContext, NotifyRun, failed, read, was_saved};
use crate::deploy::DeployRecord;
use crate::notification::{
    self, DeliveryRoute, NotificationKind, NotificationRecord, PostResult, Undelivered,
};
use crate::phase::Phase;
use crate::ports::{
    CommitError, LedgerError, PostMessage, PostTarget, ReadDeploy, ReadNotification, RenewToken,
    SaveNotification,
};
use crate::text;

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
            (DeliveryRoute::Feed(feed), _) => match post.reserved.announcements.get(feed) {
                Some(feed) => PostTarget::Conversation {
                    channel: feed.channel.clone(),
                    user: record.request.user.clone(),
                },
                None => return post.read(),
            },
        };
        let message = match post.kind {
            _ if matches!(post.route, DeliveryRoute::Feed(_)) => {
                text::announcement(&record, post.repeat, ctx.config)
            }
            NotificationKind::Progress => text::deploy_running(&record, ctx.config),
            NotificationKind::Hold => text::waiting_for_approval(&record, ctx.config),
            NotificationKind::Final => text::final_status(&record, post.repeat, ctx.config),
            NotificationKind::Notice => text::deploy_notice(&record, ctx.config),
        };
        let by_bot = post.route != DeliveryRoute::ResponseUrl;
        let renews = by_bot && post.reserved.token_refused;
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
            given_up: record.given_up_since(current, ctx.now),
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
        let reservation = |record: &NotificationRecord| {
            let status = record.delivery_by(self.post.kind, self.post.route);
            status.cloned()
        };
        match answer {
            Ok(Some(fresh)) if reservation(&fresh) == reservation(&self.post.reserved) => {
                RecordingPost::over(&fresh, self.post, self.result, ctx)
            }
            Ok(_) => self.post.read(),
            Err(error) => failed(error),
        }
    }
}
