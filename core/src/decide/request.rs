//! The first transaction: of a command, and of the retry of a deploy that could not be triggered.

use std::time::Duration;

use super::Here;
use crate::audit::Actor;
use crate::deploy::{Ask, Head, State};
use crate::id::{DeployId, ShortId};
use crate::machine;
use crate::message::DeployMessage;
use crate::ports::Commit;
use crate::reply::Reply;

/// The first transaction of a deploy: REQUESTED, with the reply item opened.
#[must_use]
pub fn open(message: &DeployMessage, short_digits: usize, here: Here<'_>) -> Commit {
    let ask = message.ask(here.config.default_project.as_ref());
    let id = (message.id, message.id.short(short_digits));
    let expires_at = message.asked_at + here.config.times.reply_for;
    let reply = Reply::open(message.id, message.reply_to.clone(), expires_at);
    begin(id, ask, None, reply, here)
}

/// Whether an order to try a deploy again is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retryable {
    /// It is.
    Yes,
    /// The deploy did not end as one whose trigger failed.
    NotFailed,
    /// It ended too long ago.
    TooOld,
}

/// How old the end of a deploy may be for an order to be carried out.
const ORDER_LIVES: Duration = Duration::from_secs(86_400);

/// Decides about an order to try `old` again.
#[must_use]
pub fn retryable(old: &Head, here: Here<'_>) -> Retryable {
    match &old.end {
        Some(end) if old.state == State::TriggerFailed => {
            if here.now > end.at + ORDER_LIVES {
                Retryable::TooOld
            } else {
                Retryable::Yes
            }
        }
        _ => Retryable::NotFailed,
    }
}

/// The first transaction of the retry of `old`: the same ask by the same person, asked now. The
/// old reply address is gone, so the answer is in the ledger.
#[must_use]
pub fn open_retry(old: &Head, short_digits: usize, here: Here<'_>) -> Commit {
    let id = DeployId::of_retry(old.id);
    let ask = Ask {
        asked_at: here.now,
        ..old.ask.clone()
    };
    let reply = Reply::open(id, None, here.now);
    begin((id, id.short(short_digits)), ask, Some(old.id), reply, here)
}

fn begin(
    id: (DeployId, ShortId),
    ask: Ask,
    retry_of: Option<DeployId>,
    reply: Reply,
    here: Here<'_>,
) -> Commit {
    let by = Actor::Person(ask.user.clone());
    let valid_until = ask.asked_at + here.config.times.stale_after;
    let (head, event) = machine::begin(id, ask, retry_of, valid_until, by, here.now);
    Commit {
        head,
        event: Some(event),
        lock: None,
        claim: None,
        owe: vec![],
        open: Some(reply),
    }
}
