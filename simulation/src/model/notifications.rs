//! Notification records by number, in canonical form: times are relative to the present.

use std::sync::LazyLock;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::config::Timeouts;
use chatops_core::id::DeployId;
use chatops_core::notification::{DeliveryStatus, NotificationRecord};
use chatops_core::secret::ResponseUrl;

use super::interner::{Interner, now};

/// The step of time: every pause between two tries but the longest fits into it.
const TICK: Duration = Duration::from_mins(2);

/// How long the response URL lives.
const URL_TTL: Duration = Duration::from_mins(10);

/// Moments further away do not differ: the response URL is gone by then.
const MAX_TIMER: Duration = Duration::from_mins(14);

/// The product's times; only the lease is longer than a tick, so that it can both hold and run out.
pub(super) static TIMEOUTS: LazyLock<Timeouts> = LazyLock::new(|| Timeouts {
    response_url_ttl: URL_TTL,
    delivery_lease: Duration::from_secs(130),
    ..Timeouts::default()
});

/// The notification records, shared by the threads.
pub(super) type NotificationInterner = Interner<NotificationRecord>;

impl NotificationInterner {
    /// The item of a deploy that was just put on record.
    pub(super) fn initial_item(&self) -> u16 {
        let slack = url::Url::parse("https://hooks.slack.com");
        let slack = slack.unwrap_or_else(|error| unreachable!("{error}"));
        let address = ResponseUrl::parse("https://hooks.slack.com/commands/T/1/a", &[slack]).ok();
        let deploy = DeployId::of_request("T0001", "A0001", "first");
        self.intern(NotificationRecord::open(deploy, address, now() + URL_TTL))
    }

    /// The number of an item.
    pub(super) fn intern(&self, item: NotificationRecord) -> u16 {
        let item = canonical(item);
        self.intern_by(format!("{item:?}"), item)
    }

    /// The item a tick later.
    pub(super) fn tick_item(&self, number: u16) -> u16 {
        let mut item = self.get(number).as_ref().clone();
        item.expires_at -= TICK;
        for delivery in [&mut item.progress, &mut item.final_status] {
            match delivery {
                DeliveryStatus::Pending { from: at } | DeliveryStatus::InFlight { until: at } => {
                    *at -= TICK;
                }
                _ => {}
            }
        }
        self.intern(item)
    }
}

/// A moment put off to the next tick; the past is all one, and so is the far future.
fn next_tick(at: Time) -> Time {
    let left = (at - now()).to_std().unwrap_or_default().min(MAX_TIMER);
    now() + TICK * u32::try_from(left.as_secs().div_ceil(TICK.as_secs())).unwrap_or(0)
}

fn canonical(mut item: NotificationRecord) -> NotificationRecord {
    item.version = 1;
    // The pause grows with it up to here.
    item.unsent_count = item.unsent_count.min(4);
    item.expires_at = item.expires_at.max(now());
    for delivery in [&mut item.progress, &mut item.final_status] {
        match delivery {
            DeliveryStatus::Pending { from: at } | DeliveryStatus::InFlight { until: at } => {
                *at = next_tick(*at);
            }
            DeliveryStatus::Delivered { at } => *at = now(),
            DeliveryStatus::Failed { reason: why } => why.clear(),
            _ => {}
        }
    }
    item
}
