//! The notification records of the card's model by number, in canonical form: times are relative to the
//! present, and counts are as coarse as what follows from them.

use std::sync::LazyLock;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::config::{Config, Timeouts};
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::ChannelId;
use chatops_core::notification::handler::{NotifyContext, NotifyRun};
use chatops_core::notification::{
    Card, CardStatus, DeliveryStatus, NotificationKind, NotificationRecord,
};
use chatops_core::ports::PostTarget;
use chatops_core::posted::{MessageTs, PostedMessage};
use chatops_core::text::{self, Mrkdwn, SlackMessage};

use super::card_state::CARDS;
use super::clock::now;
use super::config::MODEL_CONFIG;
use super::notifications::{
    NotificationInterner, NotifyItem, change_records, forget_wake_ups, notified_deploy,
};

/// The step of time: the minute in which Slack may carry an edit out late. Shorter pauses are none here,
/// since a run may begin later anyway.
const TICK: Duration = Duration::from_mins(1);

/// Moments further away do not differ: nothing but another pause waits for longer than a tick.
const MAX_TICKS: u32 = 2;

/// The response URL does not expire here: it is there, or it has gone.
const URL_TTL: Duration = Duration::from_hours(1);

/// The product's times, and a lease of a tick.
static TIMEOUTS: LazyLock<Timeouts> = LazyLock::new(|| Timeouts {
    delivery_lease: TICK,
    ..Timeouts::default()
});

static CARD_CONFIG: LazyLock<Config> = LazyLock::new(|| Config {
    timeouts: TIMEOUTS.clone(),
    ..MODEL_CONFIG.clone()
});

/// Where Slack puts the cards.
static PLACES: LazyLock<[PostedMessage; CARDS]> = LazyLock::new(|| {
    let place = |ts| {
        let ts = MessageTs::parse(ts)?;
        let channel = ChannelId::parse("C0001")?;
        Some(PostedMessage { channel, ts })
    };
    let places = ["1503435956.000001", "1503435956.000002"].map(place);
    places.map(|place| place.unwrap_or_else(|| unreachable!("a place that cannot be read")))
});

pub(super) fn card_context() -> NotifyContext<'static> {
    NotifyContext {
        now: now(),
        config: &CARD_CONFIG,
    }
}

/// Where the card of this number is.
pub(super) fn card_place(nth: usize) -> PostedMessage {
    PLACES[nth].clone()
}

/// The number of the card at a place.
pub(super) fn card_at(place: &PostedMessage) -> Option<usize> {
    PLACES.iter().position(|one| one == place)
}

/// The deploy as the notifier reads it.
pub(super) fn drawn_deploy(ended: bool) -> DeployRecord {
    let kind = if ended {
        NotificationKind::Final
    } else {
        NotificationKind::Progress
    };
    let deploy = notified_deploy(kind);
    // What has failed is told to everybody, which changes nothing here.
    let state = match deploy.state {
        DeployState::NothingRan => DeployState::Succeeded,
        state => state,
    };
    DeployRecord { state, ..deploy }
}

/// The items of the card's model, shared by the threads.
#[derive(Default)]
pub(super) struct CardItems(NotificationInterner);

impl CardItems {
    /// The record of a deploy that was just put on record.
    pub(super) fn initial_record(&self) -> u32 {
        let opened = self.0.initial_record();
        self.intern_record(self.0.record(opened))
    }

    pub(super) fn intern_record(&self, record: NotificationRecord) -> u32 {
        self.intern(NotifyItem::Record(Box::new(record)))
    }

    pub(super) fn intern_run(&self, run: NotifyRun) -> u32 {
        self.intern(NotifyItem::Run(Box::new(run)))
    }

    fn intern(&self, mut item: NotifyItem) -> u32 {
        change_records(&mut item, settle_record);
        if let NotifyItem::Run(run) = &mut item {
            forget_wake_ups(run);
        }
        self.0.intern_by(format!("{item:?}"), item)
    }

    /// The record of a number.
    pub(super) fn record(&self, number: u32) -> NotificationRecord {
        self.0.record(number)
    }

    /// The run of a number.
    pub(super) fn run(&self, number: u32) -> NotifyRun {
        self.0.run(number)
    }

    /// Whether a run is about to edit a card, and whether its lease is over.
    pub(super) fn edit(&self, number: u32) -> Option<bool> {
        let NotifyItem::Run(run) = self.0.get(number).as_ref().clone() else {
            return None;
        };
        let NotifyRun::Post(phase) = *run else {
            return None;
        };
        let card = phase.post.reserved.card.as_ref();
        let holds = card.is_some_and(|card| match card.status {
            CardStatus::InFlight { until, .. } => now() < until,
            _ => false,
        });
        matches!(phase.request.to, PostTarget::Edit(_)).then_some(!holds)
    }

    /// The item a tick later.
    pub(super) fn tick_item(&self, number: u32) -> u32 {
        let mut item = self.0.get(number).as_ref().clone();
        change_records(&mut item, tick_record);
        self.intern(item)
    }
}

/// Changes every moment of a record: those before which nothing begins with `pause`, and the others with
/// `timer`.
fn change_times(
    record: &mut NotificationRecord,
    pause: impl Fn(Time) -> Time,
    timer: impl Fn(Time) -> Time,
) {
    for until in [&mut record.response_url_from, &mut record.bot_from] {
        *until = until.map(&pause);
    }
    for delivery in [&mut record.progress, &mut record.final_status] {
        match delivery {
            DeliveryStatus::Pending { from } => *from = pause(*from),
            DeliveryStatus::InFlight { until } => *until = timer(*until),
            _ => {}
        }
    }
    let Some(card) = &mut record.card else {
        return;
    };
    card.others_wait = timer(card.others_wait);
    card.again = card.again.map(&timer);
    match &mut card.status {
        CardStatus::Idle { from } => *from = pause(*from),
        CardStatus::InFlight { until, .. } => *until = timer(*until),
        CardStatus::GivenUp { .. } => {}
    }
    for stray in &mut card.strays {
        stray.next = if stray.in_flight {
            timer(stray.next)
        } else {
            pause(stray.next)
        };
    }
}

fn tick_record(record: &mut NotificationRecord) {
    change_times(record, |at| at - TICK, |at| at - TICK);
}

/// A moment in whole ticks; the past is all one, and so is the far future.
fn in_ticks(at: Time, whole: impl Fn(u64, u64) -> u64) -> Time {
    let left = (at - now()).to_std().unwrap_or_default();
    let ticks = whole(left.as_secs(), TICK.as_secs());
    now() + TICK * u32::try_from(ticks).unwrap_or(MAX_TICKS).min(MAX_TICKS)
}

/// How often something was tried, as far as it matters: not yet, once less than allowed, too often.
fn coarse(tries: u8, most: u8) -> u8 {
    match tries {
        0 => 0,
        tries if tries < most => most - 1,
        _ => most,
    }
}

fn settle_record(record: &mut NotificationRecord) {
    record.version = 1;
    record.expires_at = now() + URL_TTL;
    record.unsent_count = 0;
    record.unknown_count = record.unknown_count.min(1);
    record.response_url_uses = coarse(record.response_url_uses, 5);
    record.bot_attempts = coarse(record.bot_attempts, 12);
    if record.progress.is_settled() {
        // What is told of the progress is searched elsewhere.
        record.progress = DeliveryStatus::Skipped;
    }
    change_times(
        record,
        |at| in_ticks(at, |left, tick| left / tick),
        |at| in_ticks(at, u64::div_ceil),
    );
    if record.bot_from.is_none_or(|from| from <= now()) {
        forget_pauses(record);
    }
    for pause in [&mut record.response_url_from, &mut record.bot_from] {
        *pause = pause.filter(|until| *until > now());
    }
    if let Some(undelivered) = &mut record.undelivered {
        undelivered.at = now();
        undelivered.reason.clear();
    }
    if let Some(refusal) = &mut record.refusal {
        refusal.reason.clear();
    }
    match &mut record.final_status {
        DeliveryStatus::Delivered { at } => *at = now(),
        DeliveryStatus::Failed { reason } => reason.clear(),
        _ => {}
    }
    let is_requested = record.final_status != DeliveryStatus::NotRequested;
    if !is_requested {
        record.response_url_uses = 0;
    }
    let is_told = record.final_status.is_settled();
    if is_told {
        // Nothing but the card is left.
        record.refusal = None;
        record.response_url_from = None;
        (record.response_url_uses, record.bot_attempts) = (0, 0);
        record.unknown_count = 0;
    }
    if let Some(card) = &mut record.card {
        settle_card(card, is_requested, is_told);
    }
}

/// Only a pause that Slack asks for lasts. During any other a run may begin at any time, since it may as well
/// begin later.
fn forget_pauses(record: &mut NotificationRecord) {
    for delivery in [&mut record.progress, &mut record.final_status] {
        if let DeliveryStatus::Pending { from } = delivery {
            *from = now();
        }
    }
    if let Some(card) = &mut record.card
        && let CardStatus::Idle { from } = &mut card.status
    {
        *from = now();
    }
}

fn settle_card(card: &mut Card, is_requested: bool, was_told: bool) {
    card.failures = coarse(card.failures, 12);
    // Each edit is made here, also one that changes nothing.
    card.drawn = None;
    card.others_wait = card.others_wait.min(now() + TICK);
    for stray in &mut card.strays {
        stray.attempts = coarse(stray.attempts, 3);
    }
    let is_early = card.at.is_some() && !is_requested;
    if was_told || is_early || matches!(card.status, CardStatus::GivenUp { .. }) {
        card.others_wait = now();
    }
    // Of the requests only the order matters.
    let is_old = card.shown < card.wanted;
    match &mut card.status {
        CardStatus::Idle { .. } => {
            card.wanted = if is_old { 3 } else { 2 };
            card.shown = 2;
        }
        CardStatus::InFlight { draws, .. } => {
            card.shown = if card.shown < *draws { 1 } else { 2 };
            card.wanted = if card.wanted > *draws { 3 } else { 2 };
            *draws = 2;
        }
        CardStatus::GivenUp { reason } => {
            reason.clear();
            (card.wanted, card.shown, card.failures) = (2, 2, 0);
        }
    }
}

/// Whether a message is about the deploy after its end.
pub(super) fn draws_end(message: &SlackMessage) -> bool {
    static END: LazyLock<Mrkdwn> =
        LazyLock::new(|| text::card(&drawn_deploy(true), false, &CARD_CONFIG).headline);
    message.headline == *END
}
