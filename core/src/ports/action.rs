//! What became of actions: each is on record under the id of its request, so that one that comes twice has
//! one outcome. And how many of them a user may request.

use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::audit::EventHash;
use crate::command::DeployAction;
use crate::deploy::ActedBy;
use crate::deploy::decide::RetryDecision;
use crate::id::{DeployId, QualifiedUser, RequestId};
use crate::ports::LedgerError;
use crate::rejection::Rejection;

/// How long the actions of a user are counted together.
pub const ACTION_WINDOW: Duration = Duration::from_mins(1);

/// What became of an action. No response URL is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// The action.
    pub id: RequestId,
    /// What was requested.
    pub action: DeployAction,
    /// Who requested it.
    pub requested_by: ActedBy,
    /// When it was decided.
    pub at: Time,
    /// What became of it.
    pub outcome: ActionOutcome,
}

impl ActionRecord {
    /// The SHA-256 of the record as a store holds it, in JSON.
    #[must_use]
    pub fn digest(&self) -> EventHash {
        // A record consists of strings, numbers and lists, so it always serializes.
        EventHash::of(&serde_json::to_string(self).unwrap_or_default())
    }
}

/// The outcome of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ActionOutcome {
    /// The deploy that retries another.
    Retried {
        /// That deploy.
        deploy: DeployId,
    },
    /// Nothing was retried.
    NotRetried {
        /// The deploy that would have been.
        deploy: DeployId,
        /// Why it was not.
        why: RetryDecision,
    },
    /// The one who requested it may not do that.
    Denied {
        /// The rule.
        rejection: Rejection,
    },
}

/// How many actions a user has requested in the present [window](ACTION_WINDOW).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionCount {
    /// When the window began.
    pub since: Time,
    /// How many.
    pub count: u32,
}

impl ActionCount {
    /// The count after one more action at `now`, where `before` was the one before.
    #[must_use]
    pub fn next(before: Option<Self>, now: Time) -> Self {
        match before {
            // A window that begins in the future was begun by a clock that was wrong.
            Some(Self { since, count }) if since <= now && now < since + ACTION_WINDOW => Self {
                since,
                count: count.saturating_add(1),
            },
            _ => Self {
                since: now,
                count: 1,
            },
        }
    }
}

/// Records of actions.
pub trait ActionStore: Send + Sync {
    /// What became of an action; `None` if that is not known.
    fn read_action(
        &self,
        id: RequestId,
    ) -> impl Future<Output = Result<Option<ActionRecord>, LedgerError>> + Send;

    /// Records what became of an action that has changed no deploy, unless something is on record.
    fn record_action(
        &self,
        action: ActionRecord,
    ) -> impl Future<Output = Result<(), LedgerError>> + Send;

    /// Counts one more action of a user at `now`. Of two at once one may not be counted.
    fn count_action(
        &self,
        user: &QualifiedUser,
        now: Time,
    ) -> impl Future<Output = Result<ActionCount, LedgerError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    #[test]
    fn a_window_ends_by_the_clock_and_a_wrong_clock_opens_none() {
        let first = ActionCount::next(None, at(0));
        let second = ActionCount::next(Some(first), at(59));
        assert_eq!((second.since, second.count), (at(0), 2));
        let later = ActionCount::next(Some(second), at(60));
        assert_eq!((later.since, later.count), (at(60), 1));
        let ahead = ActionCount::next(Some(later), at(10));
        assert_eq!((ahead.since, ahead.count), (at(10), 1));
    }
}
