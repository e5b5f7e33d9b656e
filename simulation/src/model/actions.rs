//! What the worker decides about the actions of people and the tickets in the dead-letter queue.

use std::time::Duration;

use chatops_core::command::{DeployAction, DeployCommand};
use chatops_core::deploy::decide::{CancelDecision, decide_cancel};
use chatops_core::id::{ChannelId, DeployId, DeployRef, RequestId, TeamId, UserId};
use chatops_core::message::{ActionMessage, ActionRequester, DeployMessage, Requester};
use chatops_core::name::{BranchName, JobName};

use super::decision_cache::{DecisionCache, WorkerPlan, context};
use super::interner::{DEPLOYS, MODEL_CONFIG, ModelItem, QueuedRetry, now, run_name};

/// Who can retry.
const USERS: [&str; 2] = ["U0001", "U0002"];

impl QueuedRetry {
    /// A request of this very moment.
    pub(super) fn new(who: usize, named: DeployId, confirm: bool) -> Self {
        Self {
            who,
            named,
            confirm,
            handled: false,
            left: MODEL_CONFIG.timeouts.request_ttl,
        }
    }

    /// Of a request that was handled nothing matters but whose it was.
    pub(super) fn completed(self) -> Self {
        Self {
            left: Duration::ZERO,
            handled: true,
            ..Self::new(self.who, DEPLOYS[0], false)
        }
    }

    pub(super) fn to_action(self) -> ActionMessage {
        let deploy = DeployRef::Full(self.named);
        let action = DeployAction::Retry {
            deploy,
            confirm: self.confirm,
            force: false,
        };
        action_message(self.who, action, self.left)
    }
}

impl DecisionCache<'_> {
    /// A request that was just typed.
    pub(super) fn intern_retry(&mut self, retry: QueuedRetry) -> u32 {
        self.interner.intern(ModelItem::Retry(retry))
    }

    pub(super) fn get_retry(&mut self, number: u32) -> QueuedRetry {
        match self.entry(number).0.as_ref() {
            ModelItem::Retry(retry) => *retry,
            _ => unreachable!("number {number} is not a retry request"),
        }
    }

    /// Whether the sweeper has no use for the ticket of a deploy.
    pub(super) fn is_ticket_obsolete(&mut self, number: u32) -> bool {
        let rules = self.rules;
        match self.entry(number).0.as_ref() {
            ModelItem::Record(record) => (rules.is_ticket_obsolete)(record),
            _ => false,
        }
    }

    /// The requester cancels the deploy.
    pub(super) fn plan_cancel(&mut self, number: u32) -> WorkerPlan {
        self.cached_plan([number, 0, u32::MAX], |cache| {
            let record = cache.record(number);
            let deploy = DeployRef::Full(record.id);
            let action = action_message(
                0,
                DeployAction::Cancel { deploy },
                MODEL_CONFIG.timeouts.request_ttl,
            );
            let me = run_name(None);
            match decide_cancel(&record, &action, context(&me)) {
                Ok(CancelDecision::Write(commit)) => {
                    cache.plan_commit(Some(&record), Some(*commit))
                }
                Ok(
                    CancelDecision::Ended
                    | CancelDecision::AlreadyRequested(_)
                    | CancelDecision::Denied(_),
                ) => WorkerPlan::Wait,
                Err(_) => WorkerPlan::illegal(),
            }
        })
    }
}

pub(super) fn request_id(who: usize) -> RequestId {
    RequestId::of_request("T0001", "A0001", USERS[who])
}

/// One more than the person whose request that is.
pub(super) fn retrier_of(action: RequestId) -> u8 {
    let who = (0..USERS.len()).find(|who| request_id(*who) == action);
    who.map_or(0, |who| u8::try_from(who + 1).unwrap_or(0))
}

fn expect_valid<T>(name: Option<T>) -> T {
    name.unwrap_or_else(|| unreachable!("a name that cannot be read"))
}

fn requester(who: usize) -> Requester {
    Requester {
        team: expect_valid(TeamId::parse("T0001")),
        channel: expect_valid(ChannelId::parse("C0001")),
        user: expect_valid(UserId::parse(USERS[who])),
        user_name: None,
        response_url: None,
        unsigned: false,
    }
}

/// An action that has so much of its time left.
fn action_message(who: usize, action: DeployAction, left: Duration) -> ActionMessage {
    ActionMessage {
        id: request_id(who),
        requested_by: ActionRequester::User(requester(who)),
        action,
        requested_at: now() + left - MODEL_CONFIG.timeouts.request_ttl,
    }
}

/// The command that requests a deploy.
pub(super) fn deploy_message(deploy: usize, left: Duration) -> DeployMessage {
    DeployMessage {
        refused: None,
        id: DEPLOYS[deploy],
        requester: requester(0),
        deploy: DeployCommand {
            project: None,
            branch: expect_valid(BranchName::parse("main").ok()),
            job: expect_valid(JobName::parse("deploy").ok()),
        },
        requested_at: now() + left - MODEL_CONFIG.timeouts.request_ttl,
    }
}
