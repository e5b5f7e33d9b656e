//! Between the intent and the proof: what the POST's answer, or its loss, means.
//!
//! The rule under all of this: a deploy POSTs again only after a definite "nothing was created";
//! in doubt it looks, and never sends.

use std::time::Duration;

use crate::audit::Change;
use crate::deploy::{Head, Pipeline, Proof, Reason, State};
use crate::machine::Illegal;
use crate::ports::{Commit, Finding, Outcome, Search};

use super::{Here, end, gave_up, later, passed, pause, write};

/// What to write after the POST of this run's attempt; `None` if there is nothing left to say.
///
/// `head` is read afresh, since others may have moved on in the meantime; `attempt` is the one the
/// POST was for.
pub fn after_post(
    head: &Head,
    attempt: u32,
    outcome: &Outcome,
    here: Here<'_>,
) -> Result<Option<Commit>, Illegal> {
    let still_mine = head.state == State::Armed
        && head.attempts == attempt
        && head
            .armed
            .as_ref()
            .is_some_and(|armed| armed.by == *here.me);
    if !still_mine {
        return too_late(head, outcome, here);
    }
    let times = &here.config.times;
    let commit = match outcome {
        Outcome::Created(pipeline) => triggered(head, pipeline, Proof::Answer, here)?,
        Outcome::NotNow { obstacle, after } => {
            let usual = pause(times.retry_first, times.poll_longest, attempt - 1);
            // "Wait for 0 seconds" is no licence to hammer.
            let wait = after.map_or(usual, |asked| asked.max(times.retry_first));
            if head.cancel.is_some() {
                // Nothing was created and nobody wants it any more: it is not tried again.
                disarm(head, obstacle, false, here.now, here)?
            } else if wait >= passed(here.now, head.valid_until) {
                end(head, State::TriggerFailed, gave_up(head, obstacle), here)?
            } else {
                disarm(head, obstacle, false, here.now + wait, here)?
            }
        }
        Outcome::Unauthorized { message } if !head.token_refused => {
            disarm(head, message, true, here.now, here)?
        }
        Outcome::Unauthorized { message } => refused(head, 401, message, here)?,
        Outcome::Refused { status, message } => refused(head, *status, message, here)?,
        Outcome::Unknown { doubt } => {
            let look_at = here.now + pause(times.poll_first, times.poll_longest, 0);
            write(
                head,
                Change::Doubted {
                    doubt: doubt.clone(),
                },
                Some(look_at),
                here,
            )?
        }
    };
    Ok(Some(commit))
}

/// Another run has concluded without this answer. A pipeline it does not know is worth a note; the
/// rest agrees with whatever was concluded.
fn too_late(head: &Head, outcome: &Outcome, here: Here<'_>) -> Result<Option<Commit>, Illegal> {
    let Outcome::Created(pipeline) = outcome else {
        return Ok(None);
    };
    if head
        .run
        .as_ref()
        .is_some_and(|run| run.pipeline.id == pipeline.id)
    {
        return Ok(None);
    }
    let note = format!(
        "CircleCI answered late: pipeline {} at {}",
        pipeline.id, pipeline.url
    );
    write(head, Change::Noted { note }, head.due_at, here).map(Some)
}

fn triggered(
    head: &Head,
    pipeline: &Pipeline,
    proof: Proof,
    here: Here<'_>,
) -> Result<Commit, Illegal> {
    let due = here.now + here.config.times.poll_first;
    write(
        head,
        Change::Triggered {
            pipeline: pipeline.clone(),
            proof,
        },
        Some(due),
        here,
    )
}

pub(super) fn disarm(
    head: &Head,
    obstacle: &str,
    token_refused: bool,
    again_at: crate::Time,
    here: Here<'_>,
) -> Result<Commit, Illegal> {
    let change = Change::Disarmed {
        obstacle: obstacle.to_owned(),
        token_refused,
        again_at,
    };
    write(head, change, Some(again_at), here)
}

fn refused(head: &Head, status: u16, message: &str, here: Here<'_>) -> Result<Commit, Illegal> {
    let reason = Reason::TriggerRefused {
        status,
        message: message.to_owned(),
    };
    end(head, State::TriggerFailed, reason, here)
}

/// What to look for when a POST's outcome is unknown.
pub(super) fn search(head: &Head) -> Option<Search> {
    let armed = head.armed.as_ref()?;
    Some(Search {
        call: armed.call.clone(),
        slug: armed.slug.clone(),
        branch: head.ask.branch.clone(),
        since: armed.at,
        proof: armed
            .proof_parameter
            .clone()
            .map(|name| (name, head.id.to_string())),
    })
}

/// What to write after a search that was read to its end.
///
/// An empty listing is believed only after the horizon: CircleCI may show a new pipeline late.
pub fn after_search(
    head: &Head,
    finding: &Finding,
    here: Here<'_>,
) -> Result<Option<Commit>, Illegal> {
    let Some(armed) = open_intent(head) else {
        return Ok(None);
    };
    let times = &here.config.times;
    match finding {
        Finding::Found(pipeline) => triggered(head, pipeline, Proof::CarriesId, here).map(Some),
        Finding::Absent { candidates } if here.now >= armed.send_by + times.horizon => {
            unresolved(head, candidates.clone(), here).map(Some)
        }
        Finding::Absent { .. } => Ok(Some(search_later(head, None, here))),
    }
}

/// What to write after a search that could not be finished: it proves nothing.
pub fn after_failed_search(
    head: &Head,
    after: Option<Duration>,
    here: Here<'_>,
) -> Result<Option<Commit>, Illegal> {
    let Some(armed) = open_intent(head) else {
        return Ok(None);
    };
    if here.now >= armed.send_by + here.config.times.search_for {
        return unresolved(head, vec![], here).map(Some);
    }
    Ok(Some(search_later(head, after, here)))
}

fn open_intent(head: &Head) -> Option<&crate::deploy::Armed> {
    head.armed.as_ref().filter(|_| head.state == State::Armed)
}

fn search_later(head: &Head, after: Option<Duration>, here: Here<'_>) -> Commit {
    let times = &here.config.times;
    let usual = pause(times.poll_first, times.poll_longest, head.looks);
    // However long CircleCI asks to wait, a person hears of it when the search is given up.
    let asked = after.unwrap_or_default().min(times.search_for);
    later(head, usual.max(asked), here)
}

fn unresolved(head: &Head, candidates: Vec<Pipeline>, here: Here<'_>) -> Result<Commit, Illegal> {
    let doubt = head.armed.as_ref().and_then(|armed| armed.doubt.clone());
    let reason = Reason::Unproven {
        doubt: doubt.unwrap_or_else(|| "the sender stopped before it could say".to_owned()),
        candidates,
    };
    end(head, State::Unresolved, reason, here)
}
