//! What ingest answers at once.

use super::deploy::what;
use super::{Audience, Line, Post, refusal};
use crate::command::{Verb, Wish};
use crate::deploy::Ask;
use crate::id::ShortId;
use crate::policy::Refusal;

pub(super) fn to_asker(headline: Line) -> Post {
    Post::new(Audience::Asker, headline)
}

/// The command is queued, and nothing speaks against it.
#[must_use]
pub fn accepted(ask: &Ask, short: &ShortId) -> Post {
    let headline = what(Line::new(":inbox_tray: *Accepted:* "), ask);
    let headline = headline.and(" · ").code(short).and(" · ").user(&ask.user);
    Post::new(Audience::Channel, headline)
}

/// A wish is queued; its answer follows.
#[must_use]
pub fn noted(wish: &Wish) -> Post {
    to_asker(
        Line::new(":inbox_tray: *Noted:* ")
            .code(format!("{} {}", wish.verb().word(), wish.deploy()))
            .and(" · the answer follows."),
    )
}

/// The workspace is not listened to.
#[must_use]
pub fn not_listened_to(refusal: &Refusal) -> Post {
    let headline = Line::new(
        ":no_entry: *Not here:* commands from this workspace are not listened to (rule \
         `slack.teams`).",
    );
    to_asker(headline).detail(refusal::way_out(refusal, None))
}

/// The command is queued, and will probably be refused; the reason follows.
#[must_use]
pub fn checking(ask: &Ask, short: &ShortId) -> Post {
    let headline = what(Line::new(":mag: *Checking:* "), ask)
        .and(" · ")
        .code(short);
    to_asker(headline.and(" · the answer follows."))
}

/// The command is certainly not queued.
#[must_use]
pub fn not_accepted() -> Post {
    to_asker(Line::new(
        ":warning: *Not accepted:* the command could not be queued. Nothing was started; try again \
         in a minute.",
    ))
}

/// The command may be queued.
#[must_use]
pub fn cannot_confirm(ask: &Ask, short: &ShortId) -> Post {
    let headline = what(Line::new(":warning: *Could not confirm:* "), ask)
        .and(" · ")
        .code(short);
    to_asker(headline).detail(Line::new(
        "It may have been accepted: if it was, a message follows here. Wait for it before you \
         type the command again.",
    ))
}

/// A wish may be queued.
#[must_use]
pub fn cannot_confirm_wish(wish: &Wish) -> Post {
    let headline = Line::new(":warning: *Could not confirm:* ").code(format!(
        "{} {}",
        wish.verb().word(),
        wish.deploy()
    ));
    let look = Line::new("It may have been accepted: if it was, a message follows here. Look at ")
        .code(format!("{} {}", Verb::Status.word(), wish.deploy()))
        .and(" before you type it again.");
    to_asker(headline).detail(look)
}

/// A question without an address for its answer.
#[must_use]
pub fn nowhere_to_answer() -> Post {
    to_asker(Line::new(
        ":no_entry: *Not accepted:* the request has no `response_url`, so there is nowhere to \
         answer.",
    ))
}

/// The reply address is not Slack's.
#[must_use]
pub fn not_slacks() -> Post {
    to_asker(Line::new(
        ":no_entry: *Not accepted:* the request's `response_url` is not an address of Slack's \
         (rule `slack.reply_origins`). Nothing was started.",
    ))
}

/// The request has nothing that makes it unique.
#[must_use]
pub fn no_identity() -> Post {
    to_asker(Line::new(
        ":no_entry: *Not accepted:* the request has neither `trigger_id` nor `response_url`, so a \
         repetition of it could not be told from a new command. Nothing was started.",
    ))
}
