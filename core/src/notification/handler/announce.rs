//! Where else the end of a deploy is announced: decided once, and put on record before anything is posted
//! about the end.

use super::{NotifyContext, NotifyRun, Settling, decide, failed};
use crate::config::Config;
use crate::deploy::DeployRecord;
use crate::notification::{Announcement, DeliveryStatus, NotificationRecord, feeds_of};
use crate::phase::Phase;
use crate::ports::{LedgerError, ReadDeploy};

/// Whether the final status is pending and nothing is decided about its announcements.
pub(super) fn is_to_be_planned(record: &NotificationRecord, config: &Config) -> bool {
    let is_pending = matches!(record.final_status, DeliveryStatus::Pending { .. });
    is_pending && record.announcements.is_empty() && !config.feeds().is_empty()
}

/// Reads the deploy, to decide where else its end is announced.
#[derive(Debug, Clone)]
pub struct PlanningFeeds {
    /// The record, whose final status is pending.
    pub record: NotificationRecord,
    /// Whether the run wrote anything before.
    pub has_written: bool,
}

impl Phase for PlanningFeeds {
    type Request = ReadDeploy;
    type Context<'a> = NotifyContext<'a>;
    type Run = NotifyRun;

    fn request(&self) -> ReadDeploy {
        ReadDeploy(self.record.deploy)
    }

    fn resume(
        self,
        answer: Result<Option<DeployRecord>, LedgerError>,
        ctx: NotifyContext<'_>,
    ) -> NotifyRun {
        let Self {
            mut record,
            has_written,
        } = self;
        let feeds = match answer {
            Ok(deploy) => deploy.map_or(vec![], |deploy| feeds_of(&deploy, ctx.config)),
            Err(error) => return failed(error),
        };
        if feeds.is_empty() {
            return decide(record, has_written, ctx);
        }
        let pending = |feed| Announcement::pending(feed, ctx.now);
        record.announcements = feeds.into_iter().map(pending).collect();
        record.version += 1;
        NotifyRun::Settle(Settling {
            record,
            given_up: None,
            has_written,
        })
    }
}
