//! What somebody was not told because Slack took no message: the words for it, which *Status*, the
//! lists and the command line share.

use super::{Mrkdwn, end_reason};
use crate::notification::{NotificationKind, Undelivered};

/// What somebody was not told, in Slack's messages and at the command line.
pub fn untold_kind(kind: NotificationKind) -> &'static str {
    match kind {
        NotificationKind::Progress => "that it runs",
        NotificationKind::Hold => "that it waits for an approval",
        NotificationKind::Final => "how it ended",
        NotificationKind::Notice => "a notice",
    }
}

/// What was not delivered, why and when.
pub(super) fn append_untold(line: Mrkdwn, undelivered: &Undelivered) -> Mrkdwn {
    let mut line = line.and(untold_kind(undelivered.kind));
    for (i, channel) in undelivered.channels.iter().enumerate() {
        line = line
            .and(if i == 0 { " in " } else { ", " })
            .channel(channel);
    }
    let line = end_reason::append_quote(line, &undelivered.reason);
    line.and(", ").time(undelivered.at)
}
