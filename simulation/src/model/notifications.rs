//! Notification records by number, in canonical form: times are relative to the present.

use std::sync::LazyLock;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::config::{Config, Timeouts};
use chatops_core::deploy::decide;
use chatops_core::deploy::{DeployEnd, DeployRecord, DeployState, EndReason};
use chatops_core::id::ShortId;
use chatops_core::notification::handler::{NotifyContext, NotifyRun, ReservedPost};
use chatops_core::notification::{DeliveryStatus, NotificationKind, NotificationRecord};
use chatops_core::secret::ResponseUrl;

use super::clock::now;
use super::config::{MODEL_CONFIG, context};
use super::ids::{DEPLOYS, run_name};
use super::interner::Interner;
use super::messages::deploy_message;

/// The step of time: every pause between two tries but the longest fits into it.
const TICK: Duration = Duration::from_mins(2);

/// How long the response URL lives.
const URL_TTL: Duration = Duration::from_mins(10);

/// Moments further away do not differ: the response URL is gone by then.
const MAX_TIMER: Duration = Duration::from_mins(14);

/// The product's times; only the lease is longer than a tick, so that it can both hold and run out.
static TIMEOUTS: LazyLock<Timeouts> = LazyLock::new(|| Timeouts {
    response_url_ttl: URL_TTL,
    delivery_lease: Duration::from_secs(130),
    ..Timeouts::default()
});

/// The configuration, for the texts.
static NOTIFIER_CONFIG: LazyLock<Config> = LazyLock::new(|| Config {
    timeouts: TIMEOUTS.clone(),
    ..MODEL_CONFIG.clone()
});

/// The deploy that people are notified of, while it runs and after its end.
static RUNNING: LazyLock<DeployRecord> = LazyLock::new(|| {
    let message = deploy_message(0, Duration::ZERO);
    let nobody = run_name(None);
    let commit = decide::open_deploy(&message, ShortId::USUAL, context(&nobody));
    DeployRecord {
        state: DeployState::Running,
        ..commit.record
    }
});
static ENDED: LazyLock<DeployRecord> = LazyLock::new(|| DeployRecord {
    state: DeployState::NothingRan,
    end: Some(DeployEnd {
        at: now(),
        reason: EndReason::NoWorkflow,
    }),
    ..RUNNING.clone()
});

/// The deploy as the notifier reads it.
pub(super) fn notified_deploy(kind: NotificationKind) -> DeployRecord {
    match kind {
        NotificationKind::Final => ENDED.clone(),
        NotificationKind::Progress | NotificationKind::Hold | NotificationKind::Notice => {
            RUNNING.clone()
        }
    }
}

pub(super) fn notify_context() -> NotifyContext<'static> {
    NotifyContext {
        now: now(),
        config: &NOTIFIER_CONFIG,
    }
}

/// A value that states refer to by number.
#[derive(Debug, Clone)]
pub(super) enum NotifyItem {
    /// A notification record.
    Record(Box<NotificationRecord>),
    /// A run of the notifier: the product's own value.
    Run(Box<NotifyRun>),
}

/// The items of the notifier's side, shared by the threads.
pub(super) type NotificationInterner = Interner<NotifyItem>;

impl NotificationInterner {
    /// The record of a deploy that was just put on record.
    pub(super) fn initial_record(&self) -> u32 {
        let slack = url::Url::parse("https://hooks.slack.com");
        let slack = slack.unwrap_or_else(|error| unreachable!("{error}"));
        let address = ResponseUrl::parse("https://hooks.slack.com/commands/T/1/a", &[slack]).ok();
        let record = NotificationRecord::open(DEPLOYS[0], address, now() + URL_TTL);
        self.intern_record(record)
    }

    /// The number of a record.
    pub(super) fn intern_record(&self, record: NotificationRecord) -> u32 {
        self.intern_item(NotifyItem::Record(Box::new(record)))
    }

    /// The number of a run.
    pub(super) fn intern_run(&self, run: NotifyRun) -> u32 {
        self.intern_item(NotifyItem::Run(Box::new(run)))
    }

    fn intern_item(&self, mut item: NotifyItem) -> u32 {
        change_records(&mut item, settle_record);
        if let NotifyItem::Run(run) = &mut item {
            forget_wake_ups(run);
        }
        self.intern_by(format!("{item:?}"), item)
    }

    /// The record of a number.
    pub(super) fn record(&self, number: u32) -> NotificationRecord {
        match self.get(number).as_ref() {
            NotifyItem::Record(record) => record.as_ref().clone(),
            NotifyItem::Run(_) => unreachable!("number {number} is a run"),
        }
    }

    /// The run of a number.
    pub(super) fn run(&self, number: u32) -> NotifyRun {
        match self.get(number).as_ref() {
            NotifyItem::Run(run) => run.as_ref().clone(),
            NotifyItem::Record(_) => unreachable!("number {number} is a record"),
        }
    }

    /// The item a tick later.
    pub(super) fn tick_item(&self, number: u32) -> u32 {
        let mut item = self.get(number).as_ref().clone();
        change_records(&mut item, tick_record);
        self.intern_item(item)
    }
}

/// Forgets what only wake-ups and the log are about.
pub(super) fn forget_wake_ups(run: &mut NotifyRun) {
    match run {
        NotifyRun::Read(phase) => phase.has_written = false,
        NotifyRun::Settle(phase) => {
            phase.has_written = false;
            phase.given_up = None;
        }
        NotifyRun::Record(phase) => phase.given_up = None,
        NotifyRun::Reserve(phase) => phase.has_written = false,
        _ => {}
    }
}

/// Changes each record of an item.
pub(super) fn change_records(
    item: &mut NotifyItem,
    mut change: impl FnMut(&mut NotificationRecord),
) {
    let run = match item {
        NotifyItem::Record(record) => return change(record),
        NotifyItem::Run(run) => run.as_mut(),
    };
    match run {
        NotifyRun::Settle(phase) => change(&mut phase.record),
        NotifyRun::NotePress(phase) => change(&mut phase.record),
        NotifyRun::Record(phase) => change(&mut phase.record),
        _ => {}
    }
    if let Some(post) = post_of(run) {
        change(&mut post.reserved);
    }
}

/// The post that a run is about.
pub(super) fn post_of(run: &mut NotifyRun) -> Option<&mut ReservedPost> {
    match run {
        NotifyRun::Reserve(phase) => Some(&mut phase.post),
        NotifyRun::Post(phase) => Some(&mut phase.post),
        NotifyRun::Delete(phase) => Some(&mut phase.post),
        NotifyRun::Record(phase) => Some(&mut phase.post),
        NotifyRun::Reread(phase) => Some(&mut phase.post),
        _ => None,
    }
}

fn tick_record(record: &mut NotificationRecord) {
    record.expires_at -= TICK;
    let pauses = [&mut record.response_url_from, &mut record.bot_from];
    for until in pauses.into_iter().flatten() {
        *until -= TICK;
    }
    for delivery in [&mut record.progress, &mut record.final_status] {
        match delivery {
            DeliveryStatus::Pending { from: at } | DeliveryStatus::InFlight { until: at } => {
                *at -= TICK;
            }
            _ => {}
        }
    }
}

/// A moment put off to the next tick; the past is all one, and so is the far future.
fn next_tick(at: Time) -> Time {
    let left = (at - now()).to_std().unwrap_or_default().min(MAX_TIMER);
    now() + TICK * u32::try_from(left.as_secs().div_ceil(TICK.as_secs())).unwrap_or(0)
}

fn settle_record(item: &mut NotificationRecord) {
    item.version = 1;
    // The pause grows with it up to here.
    item.unsent_count = item.unsent_count.min(4);
    item.expires_at = item.expires_at.max(now());
    for pause in [&mut item.response_url_from, &mut item.bot_from] {
        *pause = pause.map(next_tick).filter(|until| *until > now());
    }
    if let Some(undelivered) = &mut item.undelivered {
        undelivered.at = now();
        undelivered.reason.clear();
    }
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
}
