//! The state table, row by row, and random ways through it.

mod canceling;
mod following;
mod holding;
mod planning;
mod random;
mod requested_rows;
mod retrying;
mod searching;
mod the_post;

use super::follow::{after_failed_poll, after_poll, poll_now};
use super::trigger::{after_failed_lookup, after_lookup, after_post};
use super::*;
use crate::command::DeployAction;
use crate::deploy::{ActedBy, CancelRequest, DeployRequest, MatchedBy};
use crate::fixtures::{
    address, at, branch, config, head_in, id, job, look, me, pipeline, requested, requester, secs,
    start, target, user, wish, workflow,
};
use crate::id::{ChannelId, DeployId, DeployRef, TeamId, UserId};
use crate::message::{ActionMessage, ActionRequester, Requester};
use crate::ports::{LookupResult, PipelineState, PollResult, TriggerOutcome, WorkflowStatus};

/// Asks `next` at a moment, as a run that has or has not sent the POST of `posted`.
fn step(head: &DeployRecord, me: &InvocationId, posted: u32, now: Time) -> NextStep {
    next_step(head, here(&config(), me, posted, now)).unwrap()
}

fn here<'a>(config: &'a Config, me: &'a InvocationId, posted: u32, now: Time) -> Context<'a> {
    Context {
        now,
        invocation: me,
        posted_attempt: posted,
        deadline: None,
        config,
    }
}

/// The write that `next` asks for.
fn written(head: &DeployRecord, now: Time) -> Commit {
    match step(head, &me(), 0, now) {
        NextStep::Write(commit) => *commit,
        other => panic!("{other:?}"),
    }
}

fn other() -> InvocationId {
    InvocationId::new("other")
}

/// A deploy that this run has armed at `start()`.
fn armed() -> DeployRecord {
    written(&requested(), start()).record
}

fn posted(head: &DeployRecord, outcome: &TriggerOutcome, now: Time) -> Option<Commit> {
    after_post(head, 1, outcome, here(&config(), &me(), 1, now)).unwrap()
}

fn searched(head: &DeployRecord, finding: &LookupResult, now: Time) -> Commit {
    let config = config();
    after_lookup(head, finding, here(&config, &other(), 0, now))
        .unwrap()
        .unwrap()
}

fn looked(head: &DeployRecord, look: &PollResult, now: Time) -> Commit {
    let config = config();
    after_poll(head, look, here(&config, &other(), 0, now))
        .unwrap()
        .unwrap()
}

fn not_now(after: Option<u64>) -> TriggerOutcome {
    TriggerOutcome::NotNow {
        error: "429 Too Many Requests".into(),
        retry_after: after.map(secs),
    }
}

fn unknown() -> TriggerOutcome {
    TriggerOutcome::Unknown {
        because: "503".into(),
    }
}

fn absent() -> LookupResult {
    LookupResult::Absent {
        candidates: vec![pipeline(8)],
    }
}

fn reason(commit: &Commit) -> &EndReason {
    &commit.record.end.as_ref().unwrap().reason
}

fn free() -> LockChange {
    LockChange::Free { target: target() }
}
