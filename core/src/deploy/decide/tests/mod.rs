//! The state table, row by row, and random walks through it.

mod canceling;
mod following;
mod holding;
mod lookup;
mod planning;
mod random;
mod requesting;
mod retrying;
mod trigger_outcomes;

use super::NextStep::*;
use super::follow::{after_failed_poll, after_poll, poll_now};
use super::trigger::{after_failed_lookup, after_lookup, after_post};
use super::*;
use crate::command::DeployAction;
use crate::deploy::DeployState::*;
use crate::deploy::{ActedBy, CancelRequest, DeployRequest, MatchedBy};
use crate::fixtures::{
    action, at, branch, config, id, job, me, pipeline, poll, record_in, requested, requester,
    response_url, secs, start, target, user, workflow,
};
use crate::id::{ChannelId, DeployId, DeployRef, TeamId, UserId};
use crate::message::{ActionMessage, ActionRequester, Requester};
use crate::notification::NotificationKind::*;
use crate::ports::{LookupResult, PipelineState, PollResult, TriggerOutcome, WorkflowStatus};

/// The next step of an invocation that has sent the POST of the attempt `posted`.
fn step(record: &DeployRecord, me: &InvocationId, posted: u32, now: Time) -> NextStep {
    next_step(record, ctx(&config(), me, posted, now)).unwrap()
}

fn ctx<'a>(config: &'a Config, me: &'a InvocationId, posted: u32, now: Time) -> Context<'a> {
    Context {
        now,
        invocation: me,
        posted_attempt: posted,
        deadline: None,
        config,
    }
}

/// The commit of the next step.
fn written(record: &DeployRecord, now: Time) -> Commit {
    match step(record, &me(), 0, now) {
        Write(commit) => *commit,
        other => panic!("{other:?}"),
    }
}

fn other() -> InvocationId {
    InvocationId::new("other")
}

/// A deploy whose intent this invocation has stored at `start()`.
fn triggering() -> DeployRecord {
    written(&requested(), start()).record
}

fn posted(record: &DeployRecord, outcome: &TriggerOutcome, now: Time) -> Option<Commit> {
    after_post(record, 1, outcome, ctx(&config(), &me(), 1, now)).unwrap()
}

fn looked_up(record: &DeployRecord, result: &LookupResult, now: Time) -> Commit {
    let config = config();
    after_lookup(record, result, ctx(&config, &other(), 0, now))
        .unwrap()
        .unwrap()
}

fn polled(record: &DeployRecord, poll: &PollResult, now: Time) -> Commit {
    let config = config();
    after_poll(record, poll, ctx(&config, &other(), 0, now))
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
