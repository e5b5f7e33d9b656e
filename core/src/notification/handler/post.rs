//! One post: reserved on record, made, and its result recorded.

use super::{NotifyContext, NotifyRun, failed, read, was_saved};
use crate::config::Config;
use crate::deploy::{DeployOutcome, DeployRecord};
use crate::id::ChannelId;
use crate::notification::draw;
use crate::notification::{
    self, DeliveryRoute, NotificationKind, NotificationRecord, PostResult, Sending, Undelivered,
};
use crate::phase::Phase;
use crate::ports::{
    CommitError, DeletePosted, LedgerError, PostMessage, PostTarget, ReadDeploy, ReadNotification,
    RenewToken, SaveNotification,
};
use crate::posted::PostedMessage;
use crate::text;

/// What is sent once, and the record that reserves it.
#[derive(Debug, Clone)]
pub struct ReservedPost {
    /// The record with the reservation.
    pub reserved: NotificationRecord,
    /// What is sent.
    pub sending: Sending,
}

impl ReservedPost {
    fn read(self) -> NotifyRun {
        read(self.reserved.deploy, true)
    }

    /// The message, and where it goes; `None` if there is no such place on record.
    fn message(&self, deploy: &DeployRecord, config: &Config) -> Option<PostMessage> {
        let conversation = |channel: &ChannelId| PostTarget::Conversation {
            channel: channel.clone(),
            user: deploy.request.user.clone(),
        };
        let own = &deploy.request.channel;
        let card = self.reserved.card.as_ref().and_then(|card| card.at.clone());
        let (to, message) = match &self.sending {
            Sending::Notification {
                kind,
                route,
                repeat,
            } => {
                let to = match route {
                    DeliveryRoute::ResponseUrl => {
                        PostTarget::ResponseUrl(self.reserved.response_url.clone()?)
                    }
                    DeliveryRoute::Bot => conversation(own),
                    DeliveryRoute::Thread => PostTarget::Thread {
                        parent: card?,
                        // An edit notifies nobody, and few follow a thread.
                        broadcast: *kind != NotificationKind::Hold
                            && deploy.state.outcome() == DeployOutcome::Failed,
                    },
                };
                let message = match kind {
                    NotificationKind::Progress => text::deploy_running(deploy, config),
                    NotificationKind::Hold => text::waiting_for_approval(deploy, config),
                    NotificationKind::Final => text::final_status(deploy, *repeat, config),
                    NotificationKind::Notice => text::deploy_notice(deploy, config),
                };
                (to, message)
            }
            Sending::Answer => {
                let to = PostTarget::Pressed(self.reserved.response_url.clone()?);
                (to, text::press_answer(deploy, config))
            }
            Sending::Announcement { feed, repeat } => {
                let channel = &self.reserved.announcements.get(*feed)?.channel;
                let message = text::announcement(deploy, *repeat, config);
                (conversation(channel), message)
            }
            Sending::Card { repeat, .. } => {
                let to = card.map_or_else(|| conversation(own), PostTarget::Edit);
                (to, text::card(deploy, *repeat, config))
            }
            Sending::Deletion(_) => return None,
        };
        Some(PostMessage { to, message })
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
            Ok(true) => match self.post.sending.clone() {
                Sending::Deletion(card) => NotifyRun::Delete(Deleting {
                    post: self.post,
                    card,
                }),
                _ => NotifyRun::ReadDeploy(ReadingDeploy { post: self.post }),
            },
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
        let mut post = self.post;
        let record = match answer {
            Ok(Some(record)) => record,
            Ok(None) => return post.read(),
            Err(error) => return failed(error),
        };
        let Some(message) = post.message(&record, ctx.config) else {
            return post.read();
        };
        let renews = post.sending.needs_bot() && post.reserved.token_refused;
        if let Sending::Card { drawn, .. } = &mut post.sending {
            let digest = message.message.digest();
            if drawn.replace(digest) == *drawn {
                // It shows that already.
                let reserved = post.reserved.clone();
                let place = reserved.card.as_ref().and_then(|card| card.at.clone());
                return RecordingPost::over(&reserved, post, PostResult::Delivered(place), ctx);
            }
        }
        let request = Box::new(message);
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

/// Deletes a card that does not count.
#[derive(Debug, Clone)]
pub struct Deleting {
    /// The deletion, as it is reserved.
    pub post: ReservedPost,
    /// The card.
    pub card: PostedMessage,
}

impl Phase for Deleting {
    type Request = DeletePosted;
    type Context<'a> = NotifyContext<'a>;
    type Run = NotifyRun;

    fn request(&self) -> DeletePosted {
        DeletePosted(self.card.clone())
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
        let record = notification::after_sending(current, &post.sending, &result, ctx.now);
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
        match answer {
            Ok(Some(fresh)) if fresh.reserves(&self.post.sending, &self.post.reserved) => {
                RecordingPost::over(&fresh, self.post, self.result, ctx)
            }
            // It came late and may have gone over a newer one.
            Ok(Some(mut fresh)) if matches!(self.post.sending, Sending::Card { .. }) => {
                if draw::after_late_call(&mut fresh, &self.result, ctx.now) {
                    // Whoever writes first must not make it forget the call.
                    NotifyRun::Record(RecordingPost {
                        post: self.post,
                        result: self.result,
                        record: Box::new(fresh),
                        given_up: None,
                    })
                } else {
                    self.post.read()
                }
            }
            Ok(_) => self.post.read(),
            Err(error) => failed(error),
        }
    }
}
