//! What has to be true in every world.

use super::*;

impl World {
    /// The address while it lasts, then the bot; and nothing early once the end is owed.
    pub(super) fn check_way(&self, kind: Kind, via: Via) {
        let item = &self.item;
        let left = match kind {
            Kind::Final => 5,
            Kind::Progress | Kind::Hold => 2,
        };
        let lasts = item.address.is_some() && self.now < item.expires_at && item.uses < left;
        match via {
            Via::Address => assert!(lasts, "a call of what does not last: {self:?}"),
            Via::Bot => assert!(self.bot && !lasts, "the bot was not needed: {self:?}"),
        }
        if kind != Kind::Final {
            assert_eq!(item.last, Telling::NotOwed, "{kind:?} when the end is owed");
        }
    }

    pub(super) fn check(&self) {
        let item = &self.item;
        assert!(
            self.calls <= USES && item.uses <= USES,
            "too many uses: {self:?}"
        );
        assert!(self.early_calls <= 2, "the end has too few left: {self:?}");
        assert!(self.bot_calls <= BOT_USES && item.bot_uses <= BOT_USES);
        assert!(self.bot || self.bot_calls == 0, "there is no bot: {self:?}");
        assert!(self.progress_shown <= 1, "progress twice: {self:?}");
        assert!(self.hold_shown <= 1, "the hold twice: {self:?}");
        assert!(
            self.final_shown <= 1 + self.faults,
            "too many copies: {self:?}"
        );
        for (telling, shown) in [
            (&item.progress, self.progress_shown),
            (&item.hold, self.hold_shown),
            (&item.last, self.final_shown),
        ] {
            match telling {
                Telling::Undeliverable { .. } | Telling::NotOwed => {
                    assert_eq!(shown, 0, "{self:?}");
                }
                Telling::Told { .. } => assert!(shown > 0, "{self:?}"),
                _ => {}
            }
        }
        if item.last.is_settled() {
            let early = item.progress.is_settled() && item.hold.is_settled();
            assert!(item.address.is_none() && early, "{self:?}");
            assert_eq!(item.due_at(), None);
        }
    }

    /// From here on nothing goes wrong any more: is it settled soon, and told if it can be?
    pub(super) fn check_that_it_ends(&self) {
        let mut world = self.clone();
        world.runs = [Run::Idle, Run::Idle];
        world.item.owe(Kind::Final, world.now);
        let open = !world.item.last.is_settled();
        for _ in 0..12 {
            let Some(due) = world.item.due_at() else {
                break;
            };
            world.now = world.now.max(due);
            let Some(looked) = world.look(0) else {
                continue;
            };
            world = looked;
            if let Run::Posting {
                reserved,
                kind,
                via,
                ..
            } = world.runs[0].clone()
            {
                let item = after(&reserved, kind, via, &Posted::Shown, world.now);
                assert!(world.save(item));
                world.runs[0] = Run::Idle;
            }
        }
        let item = &world.item;
        assert!(item.last.is_settled(), "it never ends: {self:?}");
        assert!(item.address.is_none() && item.progress.is_settled() && item.hold.is_settled());
        // Whoever waits for the one that may be under way, or as long as Slack asked, may be late.
        let sending = |t: &Telling| matches!(t, Telling::Sending { .. });
        let waits = Kind::ALL
            .iter()
            .any(|kind| sending(self.item.telling(*kind)))
            || matches!(self.item.last, Telling::Owed { from } if from >= self.item.expires_at);
        let by_address = self.item.address.is_some()
            && self.now < self.item.expires_at
            && self.item.uses < USES
            && !waits;
        let by_bot = self.bot && self.item.bot_uses < BOT_USES;
        let told = matches!(item.last, Telling::Told { .. });
        assert!(
            told || !open || !(by_address || by_bot),
            "it could have been told: {self:?}"
        );
    }
}
