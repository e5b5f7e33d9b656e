//! Every walk of the notifications of one deploy, within bounds: two invocations of the notifier, a
//! worker that requests deliveries, a few faults, and any answer of Slack.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::*;

mod checks;

/// The bounds of a walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Crashes, lost answers, answers recorded too late.
    pub(super) faults: u8,
    /// Posts that were not sent; they could continue until expiry.
    pub(super) unsent: u8,
    /// Whether there is a notice.
    pub(super) notice: bool,
}

/// One invocation of the notifier.
#[derive(Clone, Debug)]
enum Run {
    Idle,
    /// It has reserved a use, and posts.
    Posting {
        reserved: NotificationRecord,
        sending: Sending,
    },
    /// It has the result of the post, and has not recorded it.
    Knows {
        reserved: NotificationRecord,
        sending: Sending,
        result: PostResult,
    },
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) item: NotificationRecord,
    now: Time,
    bot: bool,
    bounds: Bounds,
    runs: [Run; 2],
    faults: u8,
    unsent: u8,
    /// How often Slack really showed each kind.
    progress_shown: u8,
    hold_shown: u8,
    notice_shown: u8,
    final_shown: u8,
    feed_shown: u8,
    /// How often the response URL was really used, and for the early kinds.
    calls: u8,
    early_calls: u8,
    /// How often the bot was really called.
    bot_calls: u8,
}

impl World {
    pub(super) fn new(item: NotificationRecord, bot: bool, bounds: Bounds) -> Self {
        Self {
            item,
            now: crate::fixtures::start(),
            bot,
            bounds,
            runs: [Run::Idle, Run::Idle],
            faults: 0,
            unsent: 0,
            progress_shown: 0,
            hold_shown: 0,
            notice_shown: 0,
            final_shown: 0,
            feed_shown: 0,
            calls: 0,
            early_calls: 0,
            bot_calls: 0,
        }
    }

    /// The identity of a world: times by their distance from now, versions by whether they are the
    /// record's.
    fn key(&self) -> u64 {
        let rel = |t: Time| (t - self.now).num_seconds().max(-1);
        let delivery = |t: &DeliveryStatus| match t {
            DeliveryStatus::NotRequested => (0, 0),
            DeliveryStatus::Pending { from } => (1, rel(*from)),
            DeliveryStatus::InFlight { until } => (2, rel(*until)),
            DeliveryStatus::Delivered { .. } => (3, 0),
            DeliveryStatus::Skipped => (4, 0),
            DeliveryStatus::Unknown => (5, 0),
            DeliveryStatus::Failed { .. } => (6, 0),
        };
        let item = |item: &NotificationRecord| {
            let counts = (
                item.response_url_uses,
                item.bot_attempts,
                item.unsent_count,
                item.unknown_count,
            );
            let refused = item.refusal.as_ref().map(|refusal| refusal.kind);
            let ahead = |t: Option<Time>| t.map(rel).filter(|left| *left > 0);
            let pauses = [item.response_url_from, item.bot_from].map(ahead);
            let counts = (
                counts,
                item.token_refused,
                item.notice_again,
                refused,
                pauses,
            );
            let tellings = NotificationKind::ALL.map(|kind| delivery(item.delivery(kind)));
            let feeds = item.announcements.iter().map(|feed| {
                let counts = (feed.attempts, feed.unsent_count, feed.unknown_count);
                (delivery(&feed.status), counts)
            });
            let feeds: Vec<_> = feeds.collect();
            (counts, tellings, feeds, item.response_url.is_none())
        };
        let run = |run: &Run| match run {
            Run::Idle => None,
            Run::Posting { reserved, sending } => {
                let counts = self.item.reserves(sending, reserved);
                Some((item(reserved), format!("{sending:?}"), counts))
            }
            Run::Knows {
                reserved,
                sending,
                result,
            } => {
                let counts = self.item.reserves(sending, reserved);
                Some((item(reserved), format!("{sending:?} {result:?}"), counts))
            }
        };
        // The order of the invocations does not matter.
        let mut runs = self.runs.each_ref().map(|r| {
            let mut hasher = DefaultHasher::new();
            run(r).hash(&mut hasher);
            hasher.finish()
        });
        runs.sort_unstable();
        let mut hasher = DefaultHasher::new();
        (item(&self.item), rel(self.item.expires_at), runs).hash(&mut hasher);
        (
            self.faults,
            self.unsent,
            self.progress_shown,
            (self.hold_shown, self.notice_shown),
            (self.final_shown, self.feed_shown),
            (self.calls, self.early_calls, self.bot_calls),
        )
            .hash(&mut hasher);
        hasher.finish()
    }

    /// A write over the previous version; nothing happens over any other.
    fn save(&mut self, item: NotificationRecord) -> bool {
        let fits = item.version == self.item.version + 1;
        if fits {
            self.item = item;
        }
        fits
    }

    fn fault(mut self) -> Option<Self> {
        self.faults += 1;
        (self.faults <= self.bounds.faults).then_some(self)
    }

    /// Everything that can happen now.
    fn successors(&self) -> Vec<World> {
        let mut all = self.ticks();
        for kind in NotificationKind::ALL {
            // A run is seen before it is seen to wait.
            let early = kind == Hold && self.item.progress == DeliveryStatus::NotRequested;
            let after_end = kind == Notice;
            let pending = *self.item.delivery(kind) != DeliveryStatus::NotRequested;
            let ended = self.item.final_status != DeliveryStatus::NotRequested;
            let none = kind == Notice && !self.bounds.notice;
            if !early && !pending && !none && (!ended || after_end) {
                let mut world = self.clone();
                world.item.request_delivery(kind, self.now);
                all.push(world);
            }
        }
        for i in 0..2 {
            let mut crashed = self.clone();
            crashed.runs[i] = Run::Idle;
            match &self.runs[i] {
                Run::Idle => all.extend(self.step(i)),
                Run::Posting { .. } => {
                    all.extend(self.post(i));
                    all.extend(crashed.fault());
                }
                Run::Knows {
                    reserved,
                    sending,
                    result,
                } => {
                    let mut world = crashed.clone();
                    // The worker may have requested another delivery in the meantime.
                    if self.item.reserves(sending, reserved) {
                        let item = after_sending(&self.item, sending, result, self.now);
                        assert!(world.save(item));
                    }
                    all.push(world);
                    all.extend(crashed.fault());
                }
            }
        }
        all
    }

    /// Time passes: to the next due delivery, or until the response URL expires.
    fn ticks(&self) -> Vec<World> {
        let due = NotificationKind::ALL.map(|kind| self.item.delivery(kind).due_at());
        let feeds = self.item.announcements.iter();
        let due = due
            .into_iter()
            .chain(feeds.map(|feed| feed.status.due_at()));
        let expiry = Some(self.item.expires_at);
        let next = due.flatten().filter(|t| *t > self.now).min();
        let expiry = expiry.filter(|t| *t > self.now);
        let mut worlds = vec![];
        for to in [next, expiry].into_iter().flatten() {
            // A post takes less than its lease.
            let posting = self.runs.iter().any(|r| matches!(r, Run::Posting { .. }));
            if posting {
                continue;
            }
            let mut world = self.clone();
            world.now = to;
            // A result that is recorded after its lease is lost.
            let late = world.runs.iter().any(|run| match run {
                Run::Knows { reserved, .. } => reserved.due_at().is_some_and(|until| until <= to),
                _ => false,
            });
            worlds.extend(if late { world.fault() } else { Some(world) });
        }
        worlds
    }

    /// An idle invocation takes the next step.
    fn step(&self, i: usize) -> Option<World> {
        let mut world = self.clone();
        match next_delivery(&self.item, self.now, &Timeouts::default(), self.bot) {
            DeliveryStep::Rest => return None,
            DeliveryStep::Save(item) => assert!(world.save(item)),
            DeliveryStep::Send { reserved, sending } => {
                self.check_way(&sending);
                assert!(world.save(reserved.clone()));
                world.runs[i] = Run::Posting { reserved, sending };
            }
        }
        Some(world)
    }

    /// Slack answers, or not.
    fn post(&self, i: usize) -> Vec<World> {
        let Run::Posting { reserved, sending } = &self.runs[i] else {
            return vec![];
        };
        let later = |after| PostResult::Later { after };
        let why = || "no".to_owned();
        let outcomes = [
            (PostResult::Delivered(None), true),
            (
                PostResult::NotSent {
                    reason: why(),
                    after: None,
                },
                false,
            ),
            (later(None), false),
            (later(Some(Duration::from_hours(1))), false),
            (PostResult::Refused { reason: why() }, false),
            (PostResult::Unauthorized { reason: why() }, false),
            (PostResult::Unknown, true),
            (PostResult::Unknown, false),
        ];
        let mut worlds = vec![];
        for (result, shown) in outcomes {
            let mut world = self.clone();
            match result {
                PostResult::NotSent { .. } if world.unsent == self.bounds.unsent => continue,
                PostResult::NotSent { .. } => world.unsent += 1,
                // A response URL takes no token.
                PostResult::Unauthorized { .. } if !sending.needs_bot() => continue,
                _ => {}
            }
            match sending {
                Sending::Notification {
                    route: DeliveryRoute::ResponseUrl,
                    kind,
                    ..
                } => {
                    world.calls += u8::from(!matches!(result, PostResult::NotSent { .. }));
                    world.early_calls +=
                        u8::from(*kind != Final && !matches!(result, PostResult::NotSent { .. }));
                }
                Sending::Notification { .. } => {
                    world.bot_calls += u8::from(!matches!(result, PostResult::NotSent { .. }));
                }
                _ => {}
            }
            if let (true, Sending::Announcement { repeat, .. }) = (shown, sending) {
                let again = *repeat || world.feed_shown == 0;
                assert!(again, "an unmarked copy in a feed: {self:?}");
                world.feed_shown += 1;
            } else if let (true, Sending::Notification { kind, repeat, .. }) = (shown, sending) {
                let again = *repeat || world.final_shown == 0 || *kind == Notice;
                assert!(
                    again,
                    "an unmarked copy, or {kind:?} after the end: {self:?}"
                );
                *match kind {
                    Progress => &mut world.progress_shown,
                    Hold => &mut world.hold_shown,
                    Notice => &mut world.notice_shown,
                    Final => &mut world.final_shown,
                } += 1;
            }
            let lost = result == PostResult::Unknown;
            world.runs[i] = Run::Knows {
                reserved: reserved.clone(),
                sending: sending.clone(),
                result,
            };
            worlds.extend(if lost { world.fault() } else { Some(world) });
        }
        worlds
    }

    /// An idle invocation takes the next step at this time.
    pub(super) fn step_at(&self, now: Time) -> Option<Self> {
        let mut world = self.clone();
        world.now = now;
        world.step(0)
    }
}

/// Explores every walk from here; returns the number of worlds.
pub(super) fn explore(first: World) -> usize {
    let mut seen = HashSet::from([first.key()]);
    let mut queue = VecDeque::from([first]);
    while let Some(world) = queue.pop_front() {
        world.check();
        world.check_that_it_ends();
        for next in world.successors() {
            if seen.insert(next.key()) {
                queue.push_back(next);
            }
        }
    }
    seen.len()
}
