//! A wish to cancel: who may, and what is written.

use super::request::asked_by;
use super::{Here, write_by};
use crate::audit::Change;
use crate::deploy::{CancelWish, Head, State};
use crate::machine::Illegal;
use crate::message::{Asker, WishMessage, Wisher};
use crate::policy::{self, Refusal};
use crate::ports::Commit;

/// What becomes of a wish to cancel.
#[derive(Debug, Clone)]
pub enum Cancel {
    /// Write this.
    Write(Box<Commit>),
    /// It has ended.
    Ended,
    /// Somebody wished so before.
    Wished(CancelWish),
    /// The one who wishes neither asked for the deploy nor may run it here.
    Denied(Refusal),
}

/// Slack's user ids are a workspace's own.
fn is_asker(asker: &Asker, head: &Head) -> bool {
    (&asker.team, &asker.user) == (&head.ask.team, &head.ask.user)
}

/// Decides. Before anything was sent, the wish ends the deploy; later it is put to CircleCI at
/// every look, and the end is what CircleCI says.
pub fn cancel(head: &Head, wish: &WishMessage, here: Here<'_>) -> Result<Cancel, Illegal> {
    if head.state.is_terminal() {
        return Ok(Cancel::Ended);
    }
    if let Some(earlier) = &head.cancel {
        return Ok(Cancel::Wished(earlier.clone()));
    }
    if let Wisher::Person(asker) = &wish.from
        && !is_asker(asker, head)
        && let Err(refusal) = policy::decide(here.config, &asked_by(asker, head))
    {
        return Ok(Cancel::Denied(refusal));
    }
    let due = match head.state {
        // Whoever armed may be sending: that comes to its own end first.
        State::Armed => head.due_at,
        _ => Some(here.now),
    };
    let by = wish.from.by();
    let change = Change::CancelWished { by: by.clone() };
    write_by(by.into(), head, change, due, here).map(|commit| Cancel::Write(Box::new(commit)))
}
