//! What the notifier does next about a card, and what a call's result makes of it: pure functions.

use std::time::Duration;

use super::decide::{
    BOT_ATTEMPTS, LONGEST_PAUSE, NO_BOT, TOKEN_REPLACEMENT_TIME, TRIED_OUT, is_ahead, pause,
};
use super::{
    Card, CardStatus, DeliveryRoute, DeliveryStep, NotificationRecord, PostResult, Sending,
    StrayCard,
};
use crate::Time;
use crate::config::Timeouts;
use crate::posted::PostedMessage;

/// Posts whose outcome is unknown, after which there is no card.
const MAX_LOST_POSTS: u8 = 2;

/// How late Slack may carry an edit out for which it gave no answer. Edits have no version, so a late one
/// goes over a newer one.
const LATEST_EDIT: Duration = Duration::from_mins(1);

/// Attempts to delete a card that does not count.
const DELETE_ATTEMPTS: u8 = 3;

/// Most of such cards that are on record at once.
const MAX_STRAYS: usize = 3;

/// What to do while a call may be under way, and once its outcome is no longer known.
pub(super) fn under_way(
    record: &NotificationRecord,
    now: Time,
    timeouts: &Timeouts,
) -> Option<DeliveryStep> {
    let card = record.card.as_ref()?;
    let until = card.in_flight_until()?;
    if is_ahead(until, now, timeouts.delivery_lease) {
        return Some(DeliveryStep::Rest);
    }
    let mut record = record.clone();
    if matches!(card.status, CardStatus::InFlight { .. }) {
        after_call(&mut record, None, &PostResult::Unknown, now);
    } else if let Some(stray) = card.strays.iter().find(|stray| stray.in_flight) {
        after_deletion(&mut record, &stray.at, &PostResult::Unknown, now);
    }
    Some(DeliveryStep::Save(record))
}

/// What to do about the card while nothing is under way; `None` if nothing is due.
pub(super) fn next(
    record: &NotificationRecord,
    now: Time,
    timeouts: &Timeouts,
    bot: bool,
) -> Option<DeliveryStep> {
    let card = record.card.as_ref()?;
    let is_due = |from| !is_ahead(from, now, LONGEST_PAUSE);
    let stray = card.strays.iter().position(|stray| is_due(stray.next));
    let draws = match card.status {
        CardStatus::Idle { from } if is_due(from) => is_old(card, now),
        _ => false,
    };
    if !draws && stray.is_none() {
        return None;
    }
    let mut record = record.clone();
    let paused = record
        .bot_from
        .filter(|from| is_ahead(*from, now, LONGEST_PAUSE));
    record.bot_from = paused;
    let lease = timeouts.delivery_lease;
    let sending = {
        let card = record.card.as_mut()?;
        match (draws, stray, paused) {
            (true, ..) if !bot => {
                card.give_up(NO_BOT);
                None
            }
            (true, ..) if card.failures >= BOT_ATTEMPTS => {
                card.give_up(TRIED_OUT);
                None
            }
            (true, _, Some(from)) => {
                card.status = CardStatus::Idle { from };
                None
            }
            (true, _, None) => Some(reserve_draw(card, now, lease)),
            (false, Some(nth), _) if !bot => {
                card.strays.remove(nth);
                None
            }
            (false, Some(nth), Some(from)) => {
                card.strays[nth].next = from;
                None
            }
            (false, Some(nth), None) => {
                let stray = &mut card.strays[nth];
                stray.attempts += 1;
                stray.next = now + lease;
                stray.in_flight = true;
                Some(Sending::Deletion(stray.at.clone()))
            }
            (false, None, _) => return None,
        }
    };
    Some(match sending {
        Some(sending) => DeliveryStep::Send {
            reserved: record,
            sending,
        },
        None => DeliveryStep::Save(record),
    })
}

/// Whether it shows something old, or may do so by now.
fn is_old(card: &Card, now: Time) -> bool {
    card.shown < card.wanted || (card.at.is_some() && is_again_due(card, now))
}

fn is_again_due(card: &Card, now: Time) -> bool {
    let is_due = |again| !is_ahead(again, now, LATEST_EDIT);
    card.again.is_some_and(is_due)
}

fn reserve_draw(card: &mut Card, now: Time, lease: Duration) -> Sending {
    let mut drawn = card.drawn.take();
    if is_again_due(card, now) {
        card.again = None;
        card.wanted += 1;
        drawn = None;
    }
    card.status = CardStatus::InFlight {
        until: now + lease,
        draws: card.wanted,
    };
    Sending::Card {
        // It says so to its end.
        repeat: card.lost_posts > 0,
        drawn,
    }
}

/// Adds the result of a post or an edit of the card to the record that reserves it.
pub(super) fn after_call(
    record: &mut NotificationRecord,
    drawn: Option<&String>,
    result: &PostResult,
    now: Time,
) {
    let token_refused = record.token_refused;
    let Some(card) = &mut record.card else {
        return;
    };
    let CardStatus::InFlight { draws, .. } = card.status else {
        return;
    };
    match (result, &card.at) {
        (PostResult::Delivered(Some(at)), None) => {
            card.at = Some(at.clone());
            shows(card, draws, drawn, now);
        }
        (PostResult::Delivered(_), Some(_)) => shows(card, draws, drawn, now),
        // Without its place it cannot be edited.
        (PostResult::Delivered(None) | PostResult::Unknown, None) => {
            card.lost_posts += 1;
            draw_later(card, None, now);
            if card.lost_posts >= MAX_LOST_POSTS {
                card.give_up("Slack's answers to both posts were lost");
            }
        }
        (PostResult::Unknown, Some(_)) => {
            card.again = Some(now + LATEST_EDIT);
            draw_later(card, None, now);
        }
        (PostResult::NotSent { after, .. }, _) => {
            draw_later(card, *after, now);
        }
        (PostResult::Later { after }, _) => {
            let from = draw_later(card, *after, now);
            if after.is_some() {
                record.bot_from = Some(from);
            }
        }
        (PostResult::Unauthorized { .. }, _) if !token_refused => {
            card.status = CardStatus::Idle {
                from: now + TOKEN_REPLACEMENT_TIME,
            };
            record.token_refused = true;
        }
        (PostResult::Unauthorized { reason } | PostResult::Refused { reason }, _) => {
            card.give_up(reason);
        }
    }
}

/// It was not drawn: the next attempt, after the pause that Slack `asked` for or one that grows.
fn draw_later(card: &mut Card, asked: Option<Duration>, now: Time) -> Time {
    card.failures += 1;
    let wait = asked.unwrap_or_else(|| pause(DeliveryRoute::Bot, card.failures.into()));
    let from = now + wait.min(LONGEST_PAUSE);
    card.status = CardStatus::Idle { from };
    from
}

/// It shows the deploy as of the request `draws`.
fn shows(card: &mut Card, draws: u64, digest: Option<&String>, now: Time) {
    card.drawn = digest.cloned();
    card.shown = card.shown.max(draws);
    card.failures = 0;
    card.status = CardStatus::Idle { from: now };
}

/// Adds the result of deleting a card that does not count.
pub(super) fn after_deletion(
    record: &mut NotificationRecord,
    at: &PostedMessage,
    result: &PostResult,
    now: Time,
) {
    let Some(card) = &mut record.card else {
        return;
    };
    let Some(nth) = card.strays.iter().position(|stray| stray.at == *at) else {
        return;
    };
    let stray = &mut card.strays[nth];
    stray.in_flight = false;
    let asked = match result {
        PostResult::NotSent { after, .. } | PostResult::Later { after } => *after,
        _ => None,
    };
    let wait = asked.unwrap_or_else(|| pause(DeliveryRoute::Bot, stray.attempts.into()));
    stray.next = now + wait.min(LONGEST_PAUSE);
    let is_over = matches!(
        result,
        PostResult::Delivered(_) | PostResult::Refused { .. }
    );
    if is_over || stray.attempts >= DELETE_ATTEMPTS {
        card.strays.remove(nth);
    }
    if let (PostResult::Later { .. }, Some(asked)) = (result, asked) {
        record.bot_from = Some(now + asked.min(LONGEST_PAUSE));
    }
}

/// Somebody has pressed a button of a card of this deploy at this place. If it is the one that counts, it
/// is drawn once more, since it may show something old; another one is to be deleted. Returns whether the
/// record has changed.
pub(super) fn after_press(
    record: &mut NotificationRecord,
    pressed: &PostedMessage,
    now: Time,
) -> bool {
    match &record.card {
        Some(card) if card.at.as_ref() == Some(pressed) => draw_again(record, now),
        // It may be the one that counts.
        Some(card) if card.at.is_none() && !card.is_given_up() => false,
        Some(_) => delete_later(record, pressed, now),
        None => false,
    }
}

/// A call about the card came so late that its reservation was over: an edit may have gone over a newer one,
/// and a post is one card more, at a place that is known now. Returns whether the record has changed.
pub(super) fn after_late_call(
    record: &mut NotificationRecord,
    result: &PostResult,
    now: Time,
) -> bool {
    let (card, at) = match (&mut record.card, result) {
        (Some(card), PostResult::Delivered(Some(at))) => (card, at),
        (Some(card), PostResult::Unknown) if card.at.is_some() && !card.is_given_up() => {
            card.again = Some(now + LATEST_EDIT);
            record.version += 1;
            return true;
        }
        _ => return draw_again(record, now),
    };
    match (&card.at, &card.status) {
        (Some(counts), _) if counts == at => draw_again(record, now),
        (None, CardStatus::Idle { .. }) => {
            card.at = Some(at.clone());
            // What it shows is as old as the call.
            card.wanted += 1;
            record.version += 1;
            true
        }
        _ => delete_later(record, at, now),
    }
}

/// The card may show something old: it is drawn once more.
fn draw_again(record: &mut NotificationRecord, now: Time) -> bool {
    let standing = |card: &&mut Card| card.at.is_some() && !card.is_given_up();
    let Some(card) = record.card.as_mut().filter(standing) else {
        return false;
    };
    // Not earlier than it is drawn over an edit that Slack may carry out late: it would not be drawn after.
    let draws = card.again.is_none();
    if draws {
        card.again = Some(now);
        card.drawn = None;
        record.version += 1;
    }
    draws
}

/// A card that does not count.
fn delete_later(record: &mut NotificationRecord, at: &PostedMessage, now: Time) -> bool {
    let Some(card) = &mut record.card else {
        return false;
    };
    if card.stray(at).is_some() || card.strays.len() >= MAX_STRAYS {
        return false;
    }
    card.strays.push(StrayCard {
        at: at.clone(),
        attempts: 0,
        next: now,
        in_flight: false,
    });
    record.version += 1;
    true
}
