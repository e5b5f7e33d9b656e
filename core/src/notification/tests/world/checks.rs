//! The invariants of every world.

use super::*;

impl World {
    /// The response URL while it lasts and has refused nothing, then the bot; and nothing early once the
    /// end is pending.
    pub(super) fn check_way(&self, sending: &Sending) {
        let item = &self.item;
        let (kind, route) = match sending {
            Sending::Notification { kind, route, .. } => (*kind, *route),
            Sending::Announcement { feed, .. } => {
                let open = !item.announcements[*feed].status.is_settled();
                assert!(self.bot && open, "a feed was told already: {self:?}");
                return;
            }
            other => panic!("there is no card: {other:?}"),
        };
        let left = match kind {
            Final => 5,
            Progress | Hold | Notice => 2,
        };
        let lasts = item.response_url.is_some()
            && self.now < item.expires_at
            && item.response_url_uses < left;
        let refused = item.refusal.as_ref().map(|refusal| refusal.kind);
        match route {
            DeliveryRoute::ResponseUrl => {
                assert!(lasts, "a call of what does not last: {self:?}");
                assert_ne!(refused, Some(kind), "the same again: {self:?}");
            }
            DeliveryRoute::Thread => panic!("there is no card: {self:?}"),
            DeliveryRoute::Bot => {
                let needed = !lasts || refused.is_some();
                assert!(self.bot && needed, "the bot was not needed: {self:?}");
            }
        }
        if matches!(kind, Progress | Hold) {
            assert_eq!(
                item.final_status,
                DeliveryStatus::NotRequested,
                "{kind:?} when the end is pending"
            );
        }
    }

    pub(super) fn check(&self) {
        let item = &self.item;
        assert!(
            self.calls <= RESPONSE_URL_USES && item.response_url_uses <= RESPONSE_URL_USES,
            "too many uses: {self:?}"
        );
        assert!(self.early_calls <= 2, "the end has too few left: {self:?}");
        assert!(self.bot_calls <= BOT_ATTEMPTS && item.bot_attempts <= BOT_ATTEMPTS);
        assert!(self.bot || self.bot_calls == 0, "there is no bot: {self:?}");
        assert!(self.progress_shown <= 1, "progress twice: {self:?}");
        assert!(self.hold_shown <= 1, "the hold twice: {self:?}");
        assert!(self.notice_shown <= 1, "one notice twice: {self:?}");
        assert!(
            self.final_shown <= 1 + self.faults,
            "too many copies: {self:?}"
        );
        let copies = self.feed_shown;
        assert!(copies <= 1 + self.faults, "too many copies: {self:?}");
        let feeds = item.announcements.iter();
        let feeds = feeds.map(|feed| (&feed.status, self.feed_shown));
        let kinds = [
            (&item.progress, self.progress_shown),
            (&item.hold, self.hold_shown),
            (&item.notice, self.notice_shown),
            (&item.final_status, self.final_shown),
        ];
        for (delivery, shown) in kinds.into_iter().chain(feeds) {
            match delivery {
                DeliveryStatus::Failed { .. } | DeliveryStatus::NotRequested => {
                    assert_eq!(shown, 0, "{self:?}");
                }
                DeliveryStatus::Delivered { .. } => assert!(shown > 0, "{self:?}"),
                _ => {}
            }
        }
        let failed = NotificationKind::ALL.map(|kind| item.delivery(kind));
        let feeds = item.announcements.iter().map(|feed| &feed.status);
        let mut all = failed.into_iter().chain(feeds);
        let failed = all.any(|delivery| matches!(delivery, DeliveryStatus::Failed { .. }));
        assert!(item.undelivered.is_some() || !failed, "not said: {self:?}");
        if let (Some(undelivered), DeliveryStatus::Delivered { .. }) =
            (&item.undelivered, &item.final_status)
        {
            let after = undelivered.kind == Notice || !undelivered.channels.is_empty();
            assert!(
                undelivered.told_later || after,
                "told, yet not said: {self:?}"
            );
        }
        if item.final_status.is_settled() {
            let early = item.progress.is_settled() && item.hold.is_settled();
            assert!(item.response_url.is_none() && early, "{self:?}");
            if item.announcements.is_empty() {
                assert_eq!(item.due_at(), item.notice.due_at());
            }
        }
    }

    /// Without further faults it ends soon, and is delivered if possible.
    pub(super) fn check_that_it_ends(&self) {
        let mut world = self.clone();
        world.runs = [Run::Idle, Run::Idle];
        world.item.request_delivery(Final, world.now);
        let open = !world.item.final_status.is_settled();
        for _ in 0..24 {
            let Some(due) = world.item.due_at() else {
                break;
            };
            world.now = world.now.max(due);
            let Some(stepped) = world.step(0) else {
                continue;
            };
            world = stepped;
            if let Run::Posting { reserved, sending } = world.runs[0].clone() {
                let item =
                    after_sending(&reserved, &sending, &PostResult::Delivered(None), world.now);
                assert!(world.save(item));
                world.runs[0] = Run::Idle;
            }
        }
        let item = &world.item;
        assert!(item.final_status.is_settled(), "it never ends: {self:?}");
        assert!(
            item.response_url.is_none() && item.progress.is_settled() && item.hold.is_settled()
        );
        for feed in &item.announcements {
            let before = &self.item.announcements[0];
            let can = self.bot && !before.status.is_settled() && before.attempts < BOT_ATTEMPTS;
            let waits = matches!(before.status, DeliveryStatus::InFlight { .. });
            let told = matches!(feed.status, DeliveryStatus::Delivered { .. });
            assert!(feed.status.is_settled(), "it never ends: {self:?}");
            assert!(told || !can || waits, "it could have been told: {self:?}");
        }
        // A wait for the post under way, or as long as Slack asked, may end too late.
        let sending = |t: &DeliveryStatus| matches!(t, DeliveryStatus::InFlight { .. });
        let waits = NotificationKind::ALL
            .iter()
            .any(|kind| sending(self.item.delivery(*kind)))
            || matches!(self.item.final_status, DeliveryStatus::Pending { from } if from >= self.item.expires_at);
        let paused = |from: Option<Time>| from.is_some_and(|from| from >= self.item.expires_at);
        let waits = waits || paused(self.item.response_url_from);
        let refused = self.item.refusal.as_ref().map(|refusal| refusal.kind);
        let by_url = self.item.response_url.is_some()
            && self.now < self.item.expires_at
            && self.item.response_url_uses < RESPONSE_URL_USES
            && refused != Some(Final)
            && !waits;
        let by_bot = self.bot && self.item.bot_attempts < BOT_ATTEMPTS;
        let delivered = matches!(item.final_status, DeliveryStatus::Delivered { .. });
        assert!(
            delivered || !open || !(by_url || by_bot),
            "it could have been delivered: {self:?}"
        );
    }
}
