//! The state table, row by row, and random walks through it.

mod canceling;
mod following;
mod holding;
mod lookup;
mod planning;
mod progressing;
pub(super) mod properties;
mod random;
mod requesting;
mod retrying;
mod trigger_outcomes;
mod trouble;
mod waiting;
mod watching;
mod webhooks;

use super::NextStep::*;
use super::follow::{after_failed_poll, after_poll, poll_now};
use super::outcome::RunReport;
use super::trigger::{after_failed_lookup, after_lookup, after_post};
use super::*;
use crate::command::DeployAction;
use crate::deploy::DeployState::*;
use crate::deploy::{ActedBy, CancelRequest, DeployRequest, MatchedBy, Notice, ReadEfforts};
use crate::fixtures::{
    action, at, branch, config, id, job, me, pipeline, poll, project, record_in, requested,
    requester, response_url, secs, start, target, user, workflow,
};
use crate::id::{ChannelId, DeployId, DeployRef, TeamId, UserId};
use crate::message::{ActionMessage, ActionRequester, Requester};
use crate::notification::NotificationKind::{self, *};
use crate::ports::{
    CiWorkflow, LockChange, LookupResult, PipelineState, ProjectFacts, TriggerOutcome,
    WorkflowStatus,
};

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

/// What is written after a poll.
fn after(record: &DeployRecord, report: &RunReport, now: Time) -> Option<Commit> {
    let config = config();
    after_poll(record, report, ctx(&config, &other(), 0, now)).unwrap()
}

/// What is written first after a poll that changes something.
fn polled(record: &DeployRecord, report: &RunReport, now: Time) -> Commit {
    after(record, report, now).unwrap()
}

/// The record after everything that one poll means is written.
fn settled(record: &DeployRecord, report: &RunReport, now: Time) -> (DeployRecord, Vec<Commit>) {
    let (mut record, mut commits) = (record.clone(), vec![]);
    while let Some(commit) = after(&record, report, now) {
        record = commit.record.clone();
        commits.push(commit);
        assert!(
            commits.len() <= 6,
            "one report is written again and again: {record:?}"
        );
    }
    (record, commits)
}

/// The record with the next read reserved.
fn reserved(record: &DeployRecord, now: Time) -> DeployRecord {
    let config = config();
    let facts = ProjectFacts::default();
    match reserve_read(record, &facts, ctx(&config, &other(), 0, now)) {
        ReadPlan::Now(commit) => commit.record,
        ReadPlan::Later(_) => panic!("there is no pause"),
    }
}

/// The change that a commit has put on record.
fn change(commit: &Commit) -> Option<AuditChange> {
    let event = commit.events.last()?;
    Some(event.entry().unwrap().change)
}

/// The notice that a commit has put on record.
fn noticed(commit: &Commit) -> Option<Notice> {
    match change(commit)? {
        AuditChange::Noticed { notice } => Some(notice),
        _ => None,
    }
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

/// A report of a created pipeline with these runs, the newest first, and no jobs to name.
fn created(runs: Vec<CiWorkflow>) -> RunReport {
    let jobs = runs.iter().map(|run| (run.id.clone(), vec![]));
    RunReport {
        jobs: jobs.collect(),
        ..poll(PipelineState::Created, runs).into()
    }
}

/// A report of a pipeline in that state that lists nothing.
fn empty(state: PipelineState) -> RunReport {
    poll(state, vec![]).into()
}

/// The run of the workflow that decides.
fn deploy_run(status: WorkflowStatus) -> CiWorkflow {
    workflow("deploy", 1, status)
}

/// A setup workflow's run.
fn setup_run(status: WorkflowStatus) -> CiWorkflow {
    CiWorkflow {
        is_setup: true,
        ..workflow("setup", 0, status)
    }
}

/// A worker that reads one run whenever its timer runs out.
struct Follower {
    record: DeployRecord,
    now: Time,
    /// What was told, with the seconds since the start.
    told: Vec<(i64, Notice)>,
    locks: Vec<LockChange>,
    polls: u32,
}

impl Follower {
    fn new(record: DeployRecord) -> Self {
        let now = start();
        let (told, locks) = (vec![], vec![]);
        Self {
            record,
            now,
            told,
            locks,
            polls: 0,
        }
    }

    /// Waits for the timer and reserves the read.
    fn reserve(&mut self) {
        if !self.record.is_due(self.now) {
            self.now = self.record.due_at.unwrap();
        }
        self.record = reserved(&self.record, self.now);
        self.polls += 1;
    }

    fn take(&mut self, commit: Commit) {
        let since = (self.now - start()).num_seconds();
        self.told
            .extend(noticed(&commit).map(|notice| (since, notice)));
        self.locks.extend(commit.lock);
        assert_eq!(commit.record.version, self.record.version + 1);
        self.record = commit.record;
    }

    fn poll(&mut self, report: &RunReport) {
        self.reserve();
        let (_, commits) = settled(&self.record, report, self.now);
        for commit in commits {
            self.take(commit);
        }
    }

    fn fail(&mut self, error: &str) {
        self.reserve();
        let config = config();
        let me = me();
        let context = ctx(&config, &me, 0, self.now);
        let written = match self.record.state {
            Triggering => after_failed_lookup(&self.record, error, None, context),
            _ => after_failed_poll(&self.record, error, None, context),
        };
        if let Some(commit) = written.unwrap() {
            self.take(commit);
        }
    }

    /// Polls until it ends, and returns after how many seconds.
    fn poll_to_the_end(&mut self, report: &RunReport) -> i64 {
        while !self.record.state.is_terminal() {
            self.poll(report);
            assert!(self.polls < 3_000, "it does not end: {:?}", self.record);
        }
        (self.now - start()).num_seconds()
    }

    fn reason(&self) -> &EndReason {
        &self.record.end.as_ref().unwrap().reason
    }
}
