//! What to do next about a deploy: pure functions from what is known to what is written.
//!
//! The worker reads the head, asks [`next`], does the one thing it says, and asks again. Whatever
//! the outside world answers comes back through [`trigger`] and [`follow`], which turn it into the
//! next [`Commit`]. Nothing here waits, sends or reads a clock.

mod cancel;
pub mod follow;
mod plan;
mod request;
pub mod trigger;

use std::time::Duration;

use serde_json::Value;

use crate::Time;
use crate::audit::{Actor, Change};
use crate::config::{self, Config};
use crate::deploy::{self, Armed, Head, Reason, State};
use crate::id::{Invocation, PipelineId};
use crate::machine::{self, Illegal};
use crate::name::BranchName;
use crate::policy::{self, Refusal};
use crate::ports::{Commit, Lock, LockChange, Search, Trigger};
use crate::reply::Kind;

pub use self::cancel::{Cancel, cancel};
pub use self::plan::{Plan, plan};
pub use self::request::{Cause, Retryable, open, open_retry, retryable};

/// Who asks, when, and under which configuration.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    /// The moment.
    pub now: Time,
    /// This run of the worker.
    pub me: &'a Invocation,
    /// The attempt this very run has already sent its POST for; 0 for none.
    pub posted: u32,
    /// When this run is cut off, if somebody cuts it off: what it begins has to be finished by then.
    pub ends: Option<Time>,
    /// The configuration.
    pub config: &'a Config,
}

impl Here<'_> {
    fn worker(&self) -> Actor {
        Actor::Worker(self.me.clone())
    }

    /// Whether a request that is sent now could be answered after this run is cut off.
    fn is_cut_off_while_sending(&self) -> bool {
        self.ends
            .is_some_and(|ends| self.now + self.config.times.request_timeout > ends)
    }
}

/// The one thing to do next.
#[derive(Debug, Clone)]
pub enum Step {
    /// Nothing now: it is over, or its timer has not run out.
    Rest,
    /// Write this, then ask again.
    Write(Box<Commit>),
    /// Send this POST, once, and take the outcome to [`trigger::after_post`].
    Post(Trigger),
    /// Look for the proof and take what was found to [`trigger::after_search`].
    Search(Search),
    /// Look at the run and take what was seen to [`follow::after_look`].
    Look {
        /// The project.
        slug: config::Slug,
        /// The pipeline or build.
        run: deploy::Pipeline,
        /// Whether open workflows are to be canceled on the way.
        cancel: bool,
    },
    /// Nothing by this run, which ends before an answer could come; another has to go on at once.
    Later,
    /// Put the order to try again into the dead-letter queue, then write [`order_placed`].
    Order,
}

/// Decides the next step.
pub fn next(head: &Head, here: Here<'_>) -> Result<Step, Illegal> {
    // The one who armed sends, whatever the timer says: the timer is for the others.
    if is_mine_to_send(head, here) {
        // It certainly was not sent, so there is nothing to doubt and nothing to search for.
        let not_sent = |why| {
            trigger::disarm(head, why, false, here.now, here)
                .map(|commit| Step::Write(Box::new(commit)))
        };
        return match order(head, here) {
            _ if head.cancel.is_some() => not_sent("it was canceled before it was sent"),
            Some(order) => Ok(Step::Post(order)),
            None => not_sent("there was no time left to send it"),
        };
    }
    if !head.is_due(here.now) {
        return Ok(Step::Rest);
    }
    match head.state {
        State::Requested => requested(head, here),
        State::Armed => Ok(trigger::search(head).map_or(Step::Rest, Step::Search)),
        State::Triggered | State::Running => Ok(match (&head.armed, &head.run) {
            (Some(armed), Some(run)) => Step::Look {
                slug: armed.slug.clone(),
                run: run.pipeline.clone(),
                cancel: head.cancel.is_some(),
            },
            _ => Step::Rest,
        }),
        _ if head.owes_order => Ok(Step::Order),
        _ => Ok(Step::Rest),
    }
}

/// REQUESTED and due: refuse, give up or arm.
fn requested(head: &Head, here: Here<'_>) -> Result<Step, Illegal> {
    let commit = if let Some(wish) = &head.cancel {
        let reason = Reason::CanceledBefore {
            by: wish.by.clone(),
        };
        end(head, State::Canceled, reason, here)?
    } else if here.now >= head.valid_until {
        match &head.last_obstacle {
            Some(last) => end(head, State::TriggerFailed, gave_up(head, last), here)?,
            None => refuse(
                head,
                Refusal::Stale {
                    asked_at: head.ask.asked_at,
                },
                here,
            )?,
        }
    } else {
        match policy::decide(here.config, &head.ask) {
            Err(refusal) => refuse(head, refusal, here)?,
            // Whoever armed it now would only have to disarm it, if they still could.
            Ok(_) if here.is_cut_off_while_sending() => return Ok(Step::Later),
            Ok(allowed) => arm(head, &allowed, here)?,
        }
    };
    Ok(Step::Write(Box::new(commit)))
}

fn arm(head: &Head, allowed: &policy::Allowed<'_>, here: Here<'_>) -> Result<Commit, Illegal> {
    let trigger = &allowed.job.trigger;
    let times = &here.config.times;
    // The last moment to send is `send_by - request_timeout`, which is never past `valid_until`.
    let send_by = (here.now + times.send_window).min(head.valid_until + times.request_timeout);
    let change = Change::Armed {
        attempt: head.attempts + 1,
        armed: Armed {
            by: here.me.clone(),
            at: here.now,
            send_by,
            doubt: None,
            slug: allowed.project.slug.clone(),
            call: trigger.call.clone(),
            proof_parameter: trigger.deploy_id_parameter.clone(),
        },
        // The lock of an earlier attempt is kept, even if the configuration names another target
        // by now: one deploy has one lock, and frees that one.
        target: head.holds.clone().or_else(|| allowed.target()),
        config: here.config.revision.clone(),
    };
    write(head, change, Some(send_by), here)
}

/// Whether this run armed the deploy and has not sent the POST, so that certainly nobody has.
fn is_mine_to_send(head: &Head, here: Here<'_>) -> bool {
    head.state == State::Armed
        && here.posted != head.attempts
        && head
            .armed
            .as_ref()
            .is_some_and(|armed| armed.by == *here.me && armed.doubt.is_none())
}

/// The POST, while there is time to hear the answer.
fn order(head: &Head, here: Here<'_>) -> Option<Trigger> {
    let armed = head
        .armed
        .as_ref()
        .filter(|armed| here.now + here.config.times.request_timeout <= armed.send_by)
        .filter(|_| !here.is_cut_off_while_sending())?;
    // Policy has just allowed exactly this, under this configuration.
    let allowed = policy::decide(here.config, &head.ask).ok()?;
    let id = head.id.to_string();
    let slug = armed.slug.clone();
    Some(request_to_send(slug, &allowed, &head.ask.branch, &id))
}

/// What is sent to CircleCI for a job. The job goes by its name in the configuration: what was
/// asked for under another one (before the job was renamed, say) means that one as well.
fn request_to_send(
    slug: config::Slug,
    allowed: &policy::Allowed<'_>,
    branch: &BranchName,
    id: &str,
) -> Trigger {
    let config::Trigger {
        call,
        job_parameter,
        deploy_id_parameter,
        parameters,
    } = &allowed.job.trigger;
    let mut parameters = parameters.clone();
    let mut set = |name: &Option<String>, value: String| {
        if let Some(name) = name {
            parameters.insert(name.clone(), Value::String(value));
        }
    };
    set(job_parameter, allowed.job_name.to_string());
    set(deploy_id_parameter, id.to_owned());
    Trigger {
        call: call.clone(),
        slug,
        branch: branch.clone(),
        parameters,
    }
}

/// The refusal of a deploy whose target is another's.
pub fn refuse_busy(
    head: &Head,
    lock: &Lock,
    holder: &Head,
    here: Here<'_>,
) -> Result<Commit, Illegal> {
    let target = policy::decide(here.config, &head.ask)
        .ok()
        .and_then(|allowed| allowed.target());
    let refusal = match target {
        Some(target) => Refusal::Busy {
            target,
            holder: lock.deploy,
            short: holder.short.clone(),
            user: holder.ask.user.clone(),
            since: lock.since,
            until: lock.until,
        },
        None => Refusal::Stale {
            asked_at: head.ask.asked_at,
        },
    };
    refuse(head, refusal, here)
}

/// The write after the order lies in the dead-letter queue: nothing is left to do.
#[must_use]
pub fn order_placed(head: &Head) -> Commit {
    let mut head = head.clone();
    head.version += 1;
    head.owes_order = false;
    head.due_at = None;
    timer_only(head)
}

fn refuse(head: &Head, refusal: Refusal, here: Here<'_>) -> Result<Commit, Illegal> {
    end(head, State::Refused, Reason::Refused(refusal), here)
}

fn end(head: &Head, state: State, reason: Reason, here: Here<'_>) -> Result<Commit, Illegal> {
    // A failed trigger still owes its order to the dead-letter queue.
    let due = (state == State::TriggerFailed).then_some(here.now);
    write(head, Change::Ended { state, reason }, due, here)
}

fn gave_up(head: &Head, last: &str) -> Reason {
    Reason::TriggerGaveUp {
        attempts: head.attempts,
        last: last.to_owned(),
    }
}

/// The commit for `change`: lock, claim and what is owed follow from what happened.
fn write(
    head: &Head,
    change: Change,
    due_at: Option<Time>,
    here: Here<'_>,
) -> Result<Commit, Illegal> {
    write_by(here.worker(), head, change, due_at, here)
}

/// The commit for a `change` that somebody else than the worker made happen.
fn write_by(
    by: Actor,
    head: &Head,
    change: Change,
    due_at: Option<Time>,
    here: Here<'_>,
) -> Result<Commit, Illegal> {
    let (lock, claim, owe) = consequences(head, &change, here);
    let (mut head, event) = machine::apply(head, change, by, here.now)?;
    head.due_at = due_at;
    Ok(Commit {
        head,
        event: Some(event),
        lock,
        claim,
        owe,
        open: None,
        repeats: None,
    })
}

fn consequences(
    head: &Head,
    change: &Change,
    here: Here<'_>,
) -> (Option<LockChange>, Option<PipelineId>, Vec<Kind>) {
    let target = || head.holds.clone();
    match change {
        Change::Armed { target, .. } => {
            let take = |target| LockChange::Take {
                target,
                now: here.now,
            };
            (target.clone().map(take), None, vec![])
        }
        Change::Triggered { pipeline, .. } => (None, Some(pipeline.id), vec![]),
        Change::Started { .. } => (None, None, vec![Kind::Progress]),
        Change::Held { .. } => (None, None, vec![Kind::Hold]),
        Change::Ended {
            state: State::Unresolved,
            ..
        } => {
            let until = here.now + here.config.times.unresolved_lock;
            let expire = |target| LockChange::Expire { target, until };
            (target().map(expire), None, vec![Kind::Final])
        }
        Change::Ended { .. } => (
            target().map(|target| LockChange::Free { target }),
            None,
            vec![Kind::Final],
        ),
        _ => (None, None, vec![]),
    }
}

fn timer_only(head: Head) -> Commit {
    Commit {
        head,
        event: None,
        lock: None,
        claim: None,
        owe: vec![],
        open: None,
        repeats: None,
    }
}

/// The next version of a head that was looked at in vain: one more look, later.
fn later(head: &Head, wait: Duration, here: Here<'_>) -> Commit {
    let mut head = head.clone();
    head.version += 1;
    head.looks = head.looks.saturating_add(1);
    head.due_at = Some(here.now + wait);
    timer_only(head)
}

/// The time from `since` to `until`; nothing if they are the other way round.
fn passed(since: Time, until: Time) -> Duration {
    (until - since).to_std().unwrap_or_default()
}

/// The pause after `tries` fruitless ones: `first`, growing by half each time, up to `longest`.
fn pause(first: Duration, longest: Duration, tries: u32) -> Duration {
    let grown = first.as_secs_f64() * 1.5_f64.powi(tries.min(40).cast_signed());
    Duration::from_secs_f64(grown.min(longest.as_secs_f64()))
}

#[cfg(test)]
mod tests;
