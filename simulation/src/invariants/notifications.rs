//! What was shown: about deploys and as replies, and that nothing of it is a secret.

use std::collections::{BTreeMap, BTreeSet};

use chatops_core::audit::AuditChange;
use chatops_core::deploy::{DeployRecord, EndReason};
use chatops_core::notification::{DeliveryStatus, NotificationKind};
use chatops_core::ports::Clock;
use chatops_core::text::MessageKind;

use super::{Findings, FinishedRun};
use crate::outside::{SLACK_ORIGIN, mark_of};
use crate::people::IssuedCommand;
use crate::violation::Invariant::{
    BoundedPosts, BoundedReplies, NothingLost, NothingUnescaped, ResponseUrlPrivate, Termination,
    TrueDelivery,
};

/// Where the bot's messages go.
const BOT_PATH: &str = "/api/";

/// How often one response URL takes a message.
const MAX_USES: usize = 5;

/// How often one reply is posted at most.
const MAX_POSTS: usize = 4;

impl FinishedRun<'_> {
    pub(super) fn check_notifications(&self, record: &DeployRecord, found: &mut Findings) {
        let (world, id) = (self.world, record.id);
        let mut notifications = world.ledger.notifications().into_iter();
        let Some(notification) = notifications.find(|one| one.deploy == id) else {
            let detail = format_args!("{id} has no notification record");
            found.require(false, NothingLost, detail);
            return;
        };
        let cleared = notification.response_url.is_none();
        let detail = format_args!("{id} keeps its response URL");
        found.require(cleared, ResponseUrlPrivate, detail);
        // The response URL of a command that asks for it, or the bot.
        let paths: BTreeSet<_> = self
            .commands_for(record)
            .map(|typed| typed.response_path.as_str())
            .collect();
        let is_own = |at: &str| paths.contains(at) || at.starts_with(BOT_PATH);
        let shown = world.slack.shown_messages().into_iter();
        let shown = shown.filter(|message| is_own(&message.response_path));
        let marks: Vec<_> = shown.filter_map(|message| mark_of(&message)).collect();
        let marks: Vec<_> = marks
            .iter()
            .filter(|mark| mark.deploy == Some(id))
            .collect();
        let count_of = |kind| marks.iter().filter(|mark| mark.kind == kind).count();
        let events = world.audit_events(id);
        let events = events.iter().filter_map(|event| event.entry().ok());
        let is_hold = |change: &AuditChange| matches!(change, AuditChange::Held { .. });
        let holds = events.filter(|entry| is_hold(&entry.change)).count();
        let deliveries = [
            (MessageKind::Progress, NotificationKind::Progress, 1),
            (MessageKind::Hold, NotificationKind::Hold, holds.max(1)),
            (
                MessageKind::Final,
                NotificationKind::Final,
                1 + self.fault_count(),
            ),
        ];
        for (shown_as, kind, most) in deliveries {
            let (count, delivery) = (count_of(shown_as), notification.delivery(kind));
            let detail = format_args!("{kind:?} of {id} was shown {count} times");
            found.require(count <= most, BoundedPosts, detail);
            let (settled, is_true) = match delivery {
                DeliveryStatus::Delivered { .. } => (true, count > 0),
                // Of several holds, the last was not shown.
                DeliveryStatus::Failed { .. } | DeliveryStatus::Skipped
                    if kind == NotificationKind::Hold =>
                {
                    (true, count < most)
                }
                DeliveryStatus::Failed { .. } | DeliveryStatus::Skipped => (true, count == 0),
                DeliveryStatus::Unknown => (true, true),
                DeliveryStatus::NotRequested
                | DeliveryStatus::Pending { .. }
                | DeliveryStatus::InFlight { .. } => (false, true),
            };
            let detail = format_args!("{kind:?} of {id} is not settled");
            found.require(settled, Termination, detail);
            let detail = format_args!("{kind:?} of {id} is {delivery:?}, shown {count} times");
            found.require(is_true, TrueDelivery, detail);
        }
        // A copy that stood still on its way may come after the marked one.
        let finals = marks.iter().filter(|mark| mark.kind == MessageKind::Final);
        let unmarked = finals.filter(|mark| !mark.repeat).count();
        let detail = format_args!("a repetition about {id} is not marked");
        found.require(unmarked <= 1, BoundedPosts, detail);
    }

    /// Faults may take longer than the response URL lives, and each of them may cause one more post.
    pub(super) fn check_replies(&self, found: &mut Findings) {
        let world = self.world;
        let (shown, attempts) = (world.slack.shown_messages(), world.slack.post_attempts());
        for typed in world.typed.iter().filter(|typed| typed.expects_reply()) {
            let (text, path) = (&typed.text, &typed.response_path);
            let answered = shown
                .iter()
                .any(|message| message.response_path == *path || message.was_replaced_by(path));
            let excused = self.fault_count() > 0
                || self.is_answered_by_the_end(typed)
                || self.is_answered_by_a_card(typed);
            let detail = format_args!("'{text}' was not answered");
            found.require(answered || excused, BoundedReplies, detail);
            let posts = attempts.iter().filter(|a| a.response_path == *path).count();
            let most = MAX_POSTS * (1 + world.points.crash_count() + world.faults);
            let bounded = posts <= most || !typed.is_query() || world.delivers_twice();
            let detail = format_args!("'{text}' was answered {posts} times");
            found.require(bounded, BoundedReplies, detail);
        }
    }

    /// A deploy that is canceled before it is sent ends at once, in the conversation.
    fn is_answered_by_the_end(&self, typed: &IssuedCommand) -> bool {
        let is_meant = |record: &DeployRecord| typed.text.contains(record.short_id.as_str());
        let mut named = self.records.values().filter(|record| is_meant(record));
        typed.verb() == "cancel"
            && named.any(|record| {
                let end = record.end.as_ref().map(|end| &end.reason);
                matches!(end, Some(EndReason::CanceledBeforeTrigger { .. }))
            })
    }

    /// What a retry has made shows itself.
    fn is_answered_by_a_card(&self, typed: &IssuedCommand) -> bool {
        let mut made = self.records.values();
        self.world.is_live && made.any(|record| record.retry_request == Some(typed.request))
    }

    /// The response URLs of replies do not count: a query whose message comes again and again uses
    /// its URL up. So does a retry that came too early and was answered, if a copy of it comes when
    /// it can be carried out.
    pub(super) fn check_response_urls(&self, found: &mut Findings) {
        let world = self.world;
        let shown = world.slack.shown_messages();
        let is_reply = |message| mark_of(message).is_some_and(|m| m.kind == MessageKind::Reply);
        let replied = shown.iter().filter(|message| is_reply(message));
        let replied: BTreeSet<_> = replied
            .map(|message| message.response_path.as_str())
            .collect();
        let commands = self
            .records
            .values()
            .filter_map(|record| self.find_command(record));
        let mut deploys: BTreeSet<_> = commands.map(|typed| typed.response_path.as_str()).collect();
        deploys.retain(|path| !replied.contains(path));
        let mut uses: BTreeMap<String, usize> = BTreeMap::new();
        for attempt in world.slack.post_attempts() {
            let (path, response) = (attempt.response_path, attempt.response);
            let is_bot = path.starts_with(BOT_PATH);
            if !is_bot && !deploys.contains(path.as_str()) {
                continue;
            }
            let detail = format_args!("Slack refused a post: {}", response.body);
            found.require(response.status == 200, BoundedPosts, detail);
            if !is_bot {
                *uses.entry(path).or_default() += 1;
            }
        }
        for (path, count) in uses {
            let now = world.clock.now();
            let detail = format_args!("{path} was used {count} times by {now}");
            found.require(count <= MAX_USES, BoundedPosts, detail);
        }
    }

    pub(super) fn check_secrecy(&self, found: &mut Findings) {
        for record in self.records.values() {
            let json = serde_json::to_string(record).unwrap_or_default();
            let audit = self.world.audit_events(record.id);
            let mut texts = audit.iter().map(|event| &event.body).chain([&json]);
            let leaked = texts.any(|text| text.contains(SLACK_ORIGIN));
            let detail = format_args!("a response URL is in the record of {}", record.id);
            found.require(!leaked, ResponseUrlPrivate, detail);
        }
        for message in self.world.slack.shown_messages() {
            let blocks = message
                .blocks
                .map(|blocks| blocks.to_string())
                .unwrap_or_default();
            let broadcast = blocks.contains("<!channel") || blocks.contains("<!here");
            let special = (message.text + &blocks).contains("<!");
            let escaped = !special || (!broadcast && blocks.contains("<!date"));
            let detail = format_args!("something unescaped was shown");
            found.require(escaped, NothingUnescaped, detail);
        }
    }
}
