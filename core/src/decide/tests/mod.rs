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

use super::follow::{after_failed_look, after_look, look_now};
use super::trigger::{after_failed_search, after_post, after_search};
use super::*;
use crate::command::Wish;
use crate::deploy::{Ask, By, CancelWish, Proof};
use crate::fixtures::{
    address, asker, at, branch, config, head_in, id, job, look, me, pipeline, requested, secs,
    start, target, user, wish, workflow,
};
use crate::id::{ChannelId, DeployId, DeployRef, TeamId, UserId};
use crate::message::{Asker, WishMessage, Wisher};
use crate::ports::{Finding, Look, Outcome, PipelineState, WorkflowStatus};

/// Asks `next` at a moment, as a run that has or has not sent the POST of `posted`.
fn step(head: &Head, me: &Invocation, posted: u32, now: Time) -> Step {
    next(head, here(&config(), me, posted, now)).unwrap()
}

fn here<'a>(config: &'a Config, me: &'a Invocation, posted: u32, now: Time) -> Here<'a> {
    Here {
        now,
        me,
        posted,
        ends: None,
        config,
    }
}

/// The write that `next` asks for.
fn written(head: &Head, now: Time) -> Commit {
    match step(head, &me(), 0, now) {
        Step::Write(commit) => *commit,
        other => panic!("{other:?}"),
    }
}

fn other() -> Invocation {
    Invocation::new("other")
}

/// A deploy that this run has armed at `start()`.
fn armed() -> Head {
    written(&requested(), start()).head
}

fn posted(head: &Head, outcome: &Outcome, now: Time) -> Option<Commit> {
    after_post(head, 1, outcome, here(&config(), &me(), 1, now)).unwrap()
}

fn searched(head: &Head, finding: &Finding, now: Time) -> Commit {
    let config = config();
    after_search(head, finding, here(&config, &other(), 0, now))
        .unwrap()
        .unwrap()
}

fn looked(head: &Head, look: &Look, now: Time) -> Commit {
    let config = config();
    after_look(head, look, here(&config, &other(), 0, now))
        .unwrap()
        .unwrap()
}

fn not_now(after: Option<u64>) -> Outcome {
    Outcome::NotNow {
        obstacle: "429 Too Many Requests".into(),
        after: after.map(secs),
    }
}

fn unknown() -> Outcome {
    Outcome::Unknown {
        doubt: "503".into(),
    }
}

fn absent() -> Finding {
    Finding::Absent {
        candidates: vec![pipeline(8)],
    }
}

fn reason(commit: &Commit) -> &Reason {
    &commit.head.end.as_ref().unwrap().reason
}

fn free() -> LockChange {
    LockChange::Free { target: target() }
}
