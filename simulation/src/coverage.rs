//! What people brought about in a run: so that schedules which no longer reach something are noticed.

use std::collections::BTreeSet;

use chatops_core::deploy::{Head, Reason, State};
use chatops_core::policy::Refusal;
use chatops_core::reply::Telling;

use crate::world::World;

/// Something that can come of what people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reached {
    /// A person's press made a deploy.
    RetryByPerson,
    /// An operator's wish made a deploy.
    RetryByOperator,
    /// One that was too old was tried again, since an operator insisted.
    RetryByForce,
    /// An order that was sent back made a deploy.
    RetryByOrder,
    /// A retry was tried again.
    RetryOfRetry,
    /// A refused deploy was tried again.
    RetryOfRefused,
    /// Somebody looked and confirmed, and it was tried again.
    RetryConfirmed,
    /// A deploy was canceled before it was sent.
    CanceledBefore,
    /// A cancel was put to CircleCI.
    CancelPut,
    /// A run was canceled at CircleCI, as somebody wished.
    CanceledWhileItRan,
    /// An approval was waited for.
    Held,
    /// A command came too late, or was sent back too late.
    Stale,
    /// The bot told something.
    ToldByBot,
    /// Nobody could be told.
    Undeliverable,
    /// A question was answered.
    Answered,
    /// A run on AWS knew that it would be cut off, and left what it could not finish to another.
    NoTime,
    /// A run on AWS was dropped where it waited.
    CutOff,
    /// Of a batch some messages were dealt with, and only the others came again.
    PartlyFailed,
}

impl Reached {
    /// All of them.
    pub const ALL: [Reached; 18] = [
        Reached::RetryByPerson,
        Reached::RetryByOperator,
        Reached::RetryByForce,
        Reached::RetryByOrder,
        Reached::RetryOfRetry,
        Reached::RetryOfRefused,
        Reached::RetryConfirmed,
        Reached::CanceledBefore,
        Reached::CancelPut,
        Reached::CanceledWhileItRan,
        Reached::Held,
        Reached::Stale,
        Reached::ToldByBot,
        Reached::Undeliverable,
        Reached::Answered,
        Reached::NoTime,
        Reached::CutOff,
        Reached::PartlyFailed,
    ];
}

/// What came of what people did in this run.
#[must_use]
pub fn of(world: &World) -> BTreeSet<Reached> {
    let heads = world.store.heads();
    let mut reached = BTreeSet::new();
    for head in &heads {
        let old = heads.iter().find(|old| head.retry_of == Some(old.id));
        if let Some(old) = old {
            reached.extend(retry(world, head, old));
        }
        if head.held {
            reached.insert(Reached::Held);
        }
        reached.extend(head.end.as_ref().and_then(|end| match &end.reason {
            Reason::CanceledBefore { .. } => Some(Reached::CanceledBefore),
            Reason::Refused(Refusal::Stale { .. }) => Some(Reached::Stale),
            Reason::Workflows { .. } if head.state == State::Canceled => {
                head.cancel.is_some().then_some(Reached::CanceledWhileItRan)
            }
            _ => None,
        }));
    }
    if !world.circleci.canceled().is_empty() {
        reached.insert(Reached::CancelPut);
    }
    let undeliverable = |telling: &Telling| matches!(telling, Telling::Undeliverable { .. });
    if world.store.replies().iter().any(|r| undeliverable(&r.last)) {
        reached.insert(Reached::Undeliverable);
    }
    for message in world.slack.shown() {
        let path = &message.response_path;
        let mut questions = world.typed.iter().filter(|typed| typed.is_question());
        if path.starts_with("/api/") {
            reached.insert(Reached::ToldByBot);
        } else if questions.any(|typed| typed.path == *path) {
            reached.insert(Reached::Answered);
        }
    }
    reached
}

fn retry(world: &World, head: &Head, old: &Head) -> Vec<Reached> {
    let Some(wish) = head.wished_by else {
        return vec![Reached::RetryByOrder];
    };
    let typed = world.typed.iter().find(|typed| typed.request == wish);
    let is_person = typed.is_some_and(|typed| typed.user.is_some());
    let mut reached = vec![if is_person {
        Reached::RetryByPerson
    } else {
        Reached::RetryByOperator
    }];
    let ended = old.end.as_ref().map(|end| end.at);
    if ended.is_some_and(|at| head.ask.asked_at > at + chrono::TimeDelta::days(1)) {
        reached.push(Reached::RetryByForce);
    }
    if old.retry_of.is_some() {
        reached.push(Reached::RetryOfRetry);
    }
    match old.state {
        State::Refused => reached.push(Reached::RetryOfRefused),
        State::Unresolved => reached.push(Reached::RetryConfirmed),
        _ => {}
    }
    reached
}
