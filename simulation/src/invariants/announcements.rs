//! What was shown in the channels that follow.

use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::notification::DeliveryStatus;
use chatops_core::text::MessageKind;
use chatops_sandbox::slack::ShownMessage;

use super::{Findings, FinishedRun};
use crate::outside::mark_of;
use crate::violation::Invariant::{Termination, TrueAnnouncement};

/// The word with which an end is told; of the rarer ones there are several.
fn word_of(state: DeployState) -> Option<&'static str> {
    match state {
        DeployState::Succeeded => Some("*Succeeded:*"),
        DeployState::Failed => Some("*Failed:*"),
        DeployState::Canceled => Some("*Canceled:*"),
        DeployState::NothingRan => Some("*Nothing ran:*"),
        DeployState::Unresolved => Some("*Unresolved:*"),
        DeployState::LostTrack => Some("*Lost track:*"),
        _ => None,
    }
}

impl FinishedRun<'_> {
    pub(super) fn check_announcements(&self, record: &DeployRecord, found: &mut Findings) {
        let (world, id) = (self.world, record.id);
        let notifications = world.ledger.notifications().into_iter();
        let announcements = notifications.filter(|one| one.deploy == id);
        let announcements: Vec<_> = announcements.flat_map(|one| one.announcements).collect();
        let shown = world.slack.shown_messages().into_iter();
        let shown: Vec<_> = shown
            .filter_map(|message| Some((mark_of(&message)?, message)))
            .collect();
        let of = shown
            .iter()
            .filter(|(mark, _)| mark.deploy == Some(id) && mark.kind == MessageKind::Announcement);
        // CircleCI knows whether it was there.
        let was_there = self.pipelines_of(id).next().is_some();
        let follows = was_there || record.state == DeployState::Unresolved;
        let is_feed = |channel: &str| {
            follows && world.feeds.contains(&channel) && channel != record.request.channel.as_str()
        };
        for (_, message) in of.clone() {
            let channel = &message.channel;
            let detail = format_args!("{id} is announced in {channel}, which does not follow it");
            found.require(is_feed(channel), TrueAnnouncement, detail);
            let is_true = word_of(record.state).is_none_or(|word| message.text.contains(word));
            let detail = format_args!("{id} is {}, announced as {}", record.state, message.text);
            found.require(is_true, TrueAnnouncement, detail);
            let text = &message.text;
            found.require(
                !text.contains("<@"),
                TrueAnnouncement,
                format_args!("mentions: {text}"),
            );
        }
        for feed in world.feeds.iter().filter(|feed| is_feed(feed)) {
            let copies = of.clone().filter(|(_, message)| is_in(message, feed));
            let (count, unmarked) = (
                copies.clone().count(),
                copies.filter(|(mark, _)| !mark.repeat).count(),
            );
            let detail =
                format_args!("{id} was announced {count} times in {feed}, {unmarked} unmarked");
            let bounded = count <= 1 + self.fault_count() && unmarked <= 1;
            found.require(bounded, TrueAnnouncement, detail);
            let own = announcements
                .iter()
                .find(|one| one.channel.as_str() == *feed);
            let Some(status) = own.map(|one| &one.status) else {
                let detail = format_args!("{id} is not announced in {feed}");
                found.require(false, TrueAnnouncement, detail);
                continue;
            };
            let is_true = match status {
                DeliveryStatus::Delivered { .. } => count > 0,
                // Nobody is told where the bot may not post.
                DeliveryStatus::Failed { .. } => count == 0,
                DeliveryStatus::Unknown => self.fault_count() > 0,
                _ => {
                    let detail = format_args!("the announcement of {id} in {feed} is not settled");
                    found.require(false, Termination, detail);
                    true
                }
            };
            let detail = format_args!("{feed}: {status:?}, shown {count} times");
            found.require(is_true, TrueAnnouncement, detail);
        }
    }
}

fn is_in(message: &ShownMessage, channel: &str) -> bool {
    message.channel == channel
}
