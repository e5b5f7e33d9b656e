//! The answer to the press that asks for a deploy: what ingest would have said of a typed command, in place of the
//! plan and its button. It is sent at most once, by the press's response URL, and its use is counted with those of
//! the deploy's other messages.

use super::decide::{LONGEST_PAUSE, is_ahead, pause};
use super::{DeliveryRoute, DeliveryStatus, DeliveryStep, NotificationRecord, PostResult, Sending};
use crate::Time;
use crate::config::Timeouts;

/// What to do while it may be under way, and once its outcome is no longer known.
pub(super) fn under_way(
    record: &NotificationRecord,
    now: Time,
    timeouts: &Timeouts,
) -> Option<DeliveryStep> {
    let DeliveryStatus::InFlight { until } = record.answer else {
        return None;
    };
    if is_ahead(until, now, timeouts.delivery_lease) {
        return Some(DeliveryStep::Rest);
    }
    let mut record = record.clone();
    settle(&mut record, DeliveryStatus::Unknown);
    Some(DeliveryStep::Save(record))
}

/// What to do about it; `None` if it is not due.
pub(super) fn next(
    record: &NotificationRecord,
    now: Time,
    timeouts: &Timeouts,
) -> Option<DeliveryStep> {
    let DeliveryStatus::Pending { from } = record.answer else {
        return None;
    };
    if is_ahead(from, now, LONGEST_PAUSE) {
        return None;
    }
    let mut record = record.clone();
    if record.response_url.is_none() || now >= record.expires_at {
        settle(&mut record, DeliveryStatus::Skipped);
        return Some(DeliveryStep::Save(record));
    }
    record.response_url_uses += 1;
    record.answer = DeliveryStatus::InFlight {
        until: now + timeouts.delivery_lease,
    };
    Some(DeliveryStep::Send {
        reserved: record,
        sending: Sending::Answer,
    })
}

/// Adds its result to the record that reserves it.
pub(super) fn after_post(record: &mut NotificationRecord, result: &PostResult, now: Time) {
    let status = match result {
        PostResult::Delivered(_) => DeliveryStatus::Delivered { at: now },
        PostResult::NotSent { after, .. } => {
            record.response_url_uses = record.response_url_uses.saturating_sub(1);
            record.unsent_count += 1;
            let growing = pause(DeliveryRoute::ResponseUrl, record.unsent_count);
            let from = now + after.unwrap_or(growing).min(LONGEST_PAUSE);
            record.answer = DeliveryStatus::Pending { from };
            return;
        }
        // The other uses are for the deploy's own messages, which say more.
        PostResult::Later { .. } => DeliveryStatus::Skipped,
        PostResult::Unknown => DeliveryStatus::Unknown,
        PostResult::Refused { reason } | PostResult::Unauthorized { reason } => {
            let reason = reason.clone();
            DeliveryStatus::Failed { reason }
        }
    };
    settle(record, status);
}

/// Nothing more is done about it; where nothing else is to be told, the response URL goes.
fn settle(record: &mut NotificationRecord, status: DeliveryStatus) {
    record.answer = status;
    if record.final_status.is_settled() {
        record.response_url = None;
    }
}
