//! What people type, as it waits in the queue: commands, retry requests and cancels.
//!
//! A message does not know when it was typed, only how much of its time is left: what is decided
//! about it depends on nothing else, and is not written here.

use std::time::Duration;

use chatops_core::command::{DeployAction, DeployCommand};
use chatops_core::id::{ChannelId, DeployId, DeployRef, TeamId, UserId};
use chatops_core::message::{ActionMessage, ActionRequester, DeployMessage, Requester};
use chatops_core::name::{GitRef, JobName};
use chatops_core::parameters::Parameters;

use super::clock::now;
use super::config::timeouts;
use super::ids::{DEPLOYS, USERS, request_id};

/// A retry request in the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueuedRetry {
    /// Whose: 0 or 1.
    pub who: usize,
    /// The deploy that they name.
    pub named: DeployId,
    /// Whether they confirm that it was not started.
    pub confirm: bool,
    /// Whether it is on record what became of it.
    pub handled: bool,
    /// How much of its time is left.
    pub left: Duration,
}

impl QueuedRetry {
    /// A request of this very moment.
    pub(super) fn new(who: usize, named: DeployId, confirm: bool) -> Self {
        Self {
            who,
            named,
            confirm,
            handled: false,
            left: timeouts().request_ttl,
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

    /// The message that the worker receives.
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
pub(super) fn action_message(who: usize, action: DeployAction, left: Duration) -> ActionMessage {
    ActionMessage {
        id: request_id(who),
        requested_by: ActionRequester::User(requester(who)),
        action,
        requested_at: now() + left - timeouts().request_ttl,
        card: None,
    }
}

/// The command that requests a deploy.
pub(super) fn deploy_message(deploy: usize, left: Duration) -> DeployMessage {
    DeployMessage {
        refused: None,
        press: None,
        id: DEPLOYS[deploy],
        requester: requester(0),
        deploy: DeployCommand {
            project: None,
            git_ref: expect_valid(GitRef::parse("main").ok()),
            job: expect_valid(JobName::parse("deploy").ok()),
            parameters: Parameters::default(),
        },
        requested_at: now() + left - timeouts().request_ttl,
    }
}
