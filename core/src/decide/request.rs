//! The first transaction of a deploy: of a command, or of the retry of another deploy.

use std::time::Duration;

use super::Here;
use crate::Time;
use crate::audit::{Actor, Change};
use crate::command::Wish;
use crate::deploy::{Ask, Head, State};
use crate::id::{DeployId, DeployRef, ShortId};
use crate::machine::{self, Illegal};
use crate::message::{Asker, DeployMessage, WishMessage, Wisher};
use crate::ports::{Commit, Repeated};
use crate::reply::Reply;

/// How old the end of a deploy may be for it to be tried again.
const ORDER_LIVES: Duration = Duration::from_hours(24);

/// The first transaction of a command: REQUESTED, with the reply item opened.
#[must_use]
pub fn open(message: &DeployMessage, short_digits: usize, here: Here<'_>) -> Commit {
    let ask = message.ask(here.config);
    let by = Actor::Person(ask.user.clone());
    let reply = reply(message.id, Some(&message.asker), message.asked_at, here);
    begin(message.id, short_digits, ask, None, by, reply, here)
}

/// What makes a deploy be tried again.
#[derive(Debug, Clone, Copy)]
pub enum Cause<'a> {
    /// An order out of the dead-letter queue. Nobody is known to have sent it back, so it is for
    /// the one who asked first.
    Order,
    /// Somebody's wish, for the one who wishes.
    Wish(&'a WishMessage),
}

/// Whether a deploy can be tried again, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retryable {
    /// It can.
    Yes,
    /// It has not ended.
    Open,
    /// It reached CircleCI and ended there, or was canceled: there is nothing to try again.
    Ran,
    /// Whether it was started is not known: somebody has to look and `confirm`.
    NeedsConfirm,
    /// It ended too long ago.
    TooOld,
    /// Another deploy repeats it already.
    Retried,
}

impl Cause<'_> {
    /// Who made it happen.
    fn by(self, here: Here<'_>) -> Actor {
        match self {
            Cause::Order => here.worker(),
            Cause::Wish(wish) => wish.from.by().into(),
        }
    }
}

/// Decides whether `old` is tried again.
#[must_use]
pub fn retryable(old: &Head, cause: Cause<'_>, here: Here<'_>) -> Retryable {
    let Some(end) = &old.end else {
        return Retryable::Open;
    };
    let wish = match cause {
        Cause::Order => None,
        Cause::Wish(wish) => Some(wish),
    };
    let can = match old.state {
        State::TriggerFailed => true,
        // Only a trigger that failed leaves an order behind.
        State::Refused | State::Unresolved => wish.is_some(),
        _ => false,
    };
    if !can {
        Retryable::Ran
    } else if old.retried_by.is_some() {
        Retryable::Retried
    } else if here.now > end.at + ORDER_LIVES && !wish.is_some_and(forces) {
        Retryable::TooOld
    } else if old.state == State::Unresolved && !wish.is_some_and(|wish| confirms(wish, old)) {
        Retryable::NeedsConfirm
    } else {
        Retryable::Yes
    }
}

/// Whether somebody has looked for this very deploy. Who named an earlier one of its chain has not
/// looked for this one, and who confirmed before it ended has not looked in time, however late the
/// message or a copy of it comes. (Slack's timestamps are whole seconds.)
fn confirms(wish: &WishMessage, old: &Head) -> bool {
    let ended = old.end.as_ref().map(|end| end.at.timestamp());
    if ended.is_none_or(|ended| wish.asked_at.timestamp() < ended) {
        return false;
    }
    match &wish.wish {
        Wish::Retry {
            confirm: true,
            deploy,
            ..
        } => match deploy {
            DeployRef::Short(short) => *short == old.short,
            DeployRef::Full(id) => *id == old.id,
        },
        _ => false,
    }
}

/// Only the command line can: whatever else a message says, a person in Slack cannot.
fn forces(wish: &WishMessage) -> bool {
    matches!(wish.wish, Wish::Retry { force: true, .. })
        && matches!(wish.from, Wisher::Operator { .. })
}

/// The first transaction of the retry of `old`: what `old` asked for, asked by whoever the cause
/// is for. `first` is what the first deploy of the chain asked for.
pub fn open_retry(
    old: &Head,
    first: &Ask,
    cause: Cause<'_>,
    short_digits: usize,
    here: Here<'_>,
) -> Result<Commit, Illegal> {
    let id = DeployId::of_retry(old.id);
    let (wish, asker) = match cause {
        Cause::Order => (None, None),
        Cause::Wish(wish) => match &wish.from {
            Wisher::Person(asker) => (Some(wish), Some(asker)),
            Wisher::Operator { .. } => (Some(wish), None),
        },
    };
    let ask = Ask {
        asked_at: wish.map_or(here.now, |wish| wish.asked_at),
        ..match asker {
            Some(asker) => asked_by(asker, old),
            None => asked_first(first, old),
        }
    };
    let reply = reply(id, asker, ask.asked_at, here);
    let by = cause.by(here);
    let mut commit = begin(id, short_digits, ask, Some(old.id), by.clone(), reply, here);
    commit.head.wished_by = wish.map(|wish| wish.id);
    let (mut head, event) = machine::apply(old, Change::Retried { by: id }, by, here.now)?;
    // If its order to try again was not placed yet, it is not owed any more.
    head.due_at = None;
    commit.repeats = Some(Box::new(Repeated { head, event }));
    Ok(commit)
}

/// What `old` asked for, if this person asked for it from where they are.
pub(super) fn asked_by(asker: &Asker, old: &Head) -> Ask {
    Ask {
        team: asker.team.clone(),
        channel: asker.channel.clone(),
        user: asker.user.clone(),
        user_name: asker.user_name.clone(),
        ..old.ask.clone()
    }
}

/// What `old` asked for, if the first asker of the chain asked for it again.
fn asked_first(first: &Ask, old: &Head) -> Ask {
    Ask {
        project: old.ask.project.clone(),
        branch: old.ask.branch.clone(),
        job: old.ask.job.clone(),
        ..first.clone()
    }
}

/// The reply item. Without an address, the answer is in the ledger alone.
fn reply(id: DeployId, asker: Option<&Asker>, asked_at: Time, here: Here<'_>) -> Reply {
    let address = asker.and_then(|asker| asker.reply_to.clone());
    Reply::open(id, address, asked_at + here.config.times.reply_for)
}

fn begin(
    id: DeployId,
    short_digits: usize,
    ask: Ask,
    retry_of: Option<DeployId>,
    by: Actor,
    reply: Reply,
    here: Here<'_>,
) -> Commit {
    let id: (DeployId, ShortId) = (id, id.short(short_digits));
    let valid_until = ask.asked_at + here.config.times.stale_after;
    let (head, event) = machine::begin(id, ask, retry_of, valid_until, by, here.now);
    Commit {
        head,
        event: Some(event),
        lock: None,
        claim: None,
        owe: vec![],
        open: Some(reply),
        repeats: None,
    }
}
