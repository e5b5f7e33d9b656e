//! What became of everything that was typed: the data file, CircleCI and Slack, compared.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::DeployId;
use chatops_core::notification::{DeliveryStatus, NotificationRecord};
use chatops_core::text::{MessageKind, MessageMark};
use chatops_sandbox::Sandbox;
use chatops_testkit::{deploy_id, wait_while_moving};
use rusqlite::{Connection, OpenFlags};

use super::load::TypedRequest;
use super::machine::Machine;
use super::trouble::Trouble;

/// What a run found.
#[derive(Debug)]
pub struct ChaosReport {
    /// Where the random choices came from.
    pub seed: u64,
    /// How often the process was killed.
    pub kills: u32,
    /// How often it was stopped politely instead.
    pub stops: u32,
    /// How often each trouble was met, by its name.
    pub troubles: BTreeMap<String, u32>,
    /// How many commands were acknowledged as accepted.
    pub accepted: usize,
    /// How many had no answer, or one that leaves it open.
    pub unanswered: usize,
    /// How many were turned away at once.
    pub refused: usize,
    /// How the deploys ended.
    pub ends: BTreeMap<DeployState, usize>,
    /// Accepted, and without a record or an end.
    pub lost: Vec<DeployId>,
    /// With more than one pipeline, or a second message that does not say that it is one.
    pub doubled: Vec<DeployId>,
    /// Ended, and nobody was told, nor is that on record.
    pub untold: Vec<DeployId>,
    /// Ended and not told, which is on record for those who look: how many for each reason.
    pub undelivered: BTreeMap<String, usize>,
    /// With an end that is not what happened, or run although nobody asked for it or it was turned away.
    pub untrue: Vec<DeployId>,
    /// Whether the audit of every deploy is verified.
    pub audit_verified: bool,
    /// How long the last server took to finish everything.
    pub finished_in: Duration,
    /// How long it took in all.
    pub took: Duration,
}

impl ChaosReport {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            kills: 0,
            stops: 0,
            troubles: BTreeMap::new(),
            accepted: 0,
            unanswered: 0,
            refused: 0,
            ends: BTreeMap::new(),
            lost: Vec::new(),
            doubled: Vec::new(),
            untold: Vec::new(),
            undelivered: BTreeMap::new(),
            untrue: Vec::new(),
            audit_verified: false,
            finished_in: Duration::ZERO,
            took: Duration::ZERO,
        }
    }

    pub(super) fn note(&mut self, trouble: Trouble) {
        *self.troubles.entry(trouble.to_string()).or_default() += 1;
    }

    /// Whether nothing was lost, doubled, untold or untrue.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let found = [&self.lost, &self.doubled, &self.untold, &self.untrue];
        self.audit_verified && found.iter().all(|found| found.is_empty())
    }
}

impl fmt::Display for ChaosReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs();
        let (seed, kills, stops) = (self.seed, self.kills, self.stops);
        let finished = self.finished_in.as_secs();
        writeln!(
            f,
            "seed {seed:#x}: {kills} kills and {stops} stops in {seconds} s, the last {finished} s in peace"
        )?;
        for (trouble, count) in &self.troubles {
            writeln!(f, "    {trouble}: {count}")?;
        }
        writeln!(
            f,
            "accepted {}, without an answer {}, refused {}",
            self.accepted, self.unanswered, self.refused
        )?;
        for (state, count) in &self.ends {
            writeln!(f, "    {state}: {count}")?;
        }
        for (what, found) in [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("untold", &self.untold),
            ("untrue", &self.untrue),
        ] {
            write!(f, "{what}: {}", found.len())?;
            for id in found.iter().take(5) {
                write!(f, " {id}")?;
            }
            writeln!(f)?;
        }
        let audit = ["broken", "verified"][usize::from(self.audit_verified)];
        writeln!(f, "the audit is {audit}")?;
        let undelivered: usize = self.undelivered.values().sum();
        writeln!(f, "not delivered, and on record: {undelivered}")?;
        for (reason, count) in &self.undelivered {
            writeln!(f, "    {reason}: {count}")?;
        }
        Ok(())
    }
}

/// The data file's records and what waits in its queues.
struct Rows {
    records: BTreeMap<DeployId, DeployRecord>,
    notifications: BTreeMap<DeployId, NotificationRecord>,
    /// The deploys that hold a lock.
    locks: Vec<DeployId>,
    /// Messages that are no retry tickets, which stay.
    waiting: i64,
}

impl Rows {
    fn read(machine: &Machine) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let mut file = Connection::open_with_flags(machine.data(), flags)?;
        file.busy_timeout(Duration::from_mins(1))?;
        // One transaction, so that the tables fit together.
        let tx = file.transaction()?;
        let bodies = |sql: &str| -> Result<Vec<String>> {
            let mut query = tx.prepare(sql)?;
            let rows = query.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        let mut records = BTreeMap::new();
        for body in bodies("SELECT body FROM deploy")? {
            let record: DeployRecord = serde_json::from_str(&body)?;
            records.insert(record.id, record);
        }
        let mut notifications = BTreeMap::new();
        for body in bodies("SELECT body FROM notification")? {
            let record: NotificationRecord = serde_json::from_str(&body)?;
            notifications.insert(record.deploy, record);
        }
        let locks = bodies("SELECT deploy FROM lock")?;
        let sql = "SELECT count(*) FROM message WHERE body NOT LIKE '%\"retry.v1\"%'";
        Ok(Self {
            records,
            notifications,
            locks: locks
                .iter()
                .filter_map(|id| DeployId::parse(id).ok())
                .collect(),
            waiting: tx.query_row(sql, [], |row| row.get(0))?,
        })
    }

    fn is_quiet(&self) -> bool {
        let ended = |record: &DeployRecord| record.state.is_terminal();
        let told = |record: &NotificationRecord| record.final_status.is_settled();
        self.waiting == 0
            && self.records.values().all(ended)
            && self.notifications.values().all(told)
    }
}

/// Waits until every deploy has ended and is told, for as long as anything moves.
pub(super) async fn wait_until_quiet(machine: &Machine, sandbox: &Sandbox) {
    let moved = || {
        let log = std::fs::metadata(machine.data().with_extension("db-wal"));
        let written = log.and_then(|log| log.modified()).ok();
        let written = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let written = written.map_or(0, |at| u64::from(at.subsec_nanos()));
        sandbox.journal().entries().len() as u64 + written
    };
    let is_quiet = async || Rows::read(machine).ok().filter(Rows::is_quiet).map(drop);
    wait_while_moving("the data file to become quiet", moved, is_quiet).await;
}

/// Compares what was typed with what is on record, what CircleCI ran and what Slack showed.
pub(super) fn judge(
    report: &mut ChaosReport,
    machine: &Machine,
    sandbox: &Sandbox,
    typed: &[TypedRequest],
) -> Result<()> {
    let rows = Rows::read(machine)?;
    report.audit_verified = machine.verify_audit()?;
    let mut pipelines: BTreeMap<DeployId, usize> = BTreeMap::new();
    for pipeline in sandbox.circleci().lock().all_pipelines() {
        let id = pipeline
            .parameters
            .get("deploy_id")
            .and_then(|id| id.as_str());
        let id = DeployId::parse(id.context("a pipeline has no deploy id")?);
        *pipelines
            .entry(id.context("not a deploy's id")?)
            .or_default() += 1;
    }
    let by_id: BTreeMap<_, _> = typed
        .iter()
        .map(|one| (deploy_id(&one.sent), one))
        .collect();
    let asked_for = |id: &DeployId| {
        let request = by_id.get(id);
        request.is_some_and(|request| request.is_accepted() || request.is_unknown())
    };
    for (id, count) in &pipelines {
        if *count > 1 {
            report.doubled.push(*id);
        }
        if !asked_for(id) || !rows.records.contains_key(id) {
            report.untrue.push(*id);
        }
    }
    for (id, request) in &by_id {
        match (request.is_accepted(), request.is_unknown()) {
            (true, _) => report.accepted += 1,
            (false, true) => report.unanswered += 1,
            (false, false) => report.refused += 1,
        }
        let Some(record) = rows.records.get(id) else {
            if request.is_accepted() {
                report.lost.push(*id);
            }
            continue;
        };
        *report.ends.entry(record.state).or_default() += 1;
        if !is_true(record, pipelines.contains_key(id)) || holds_lock(record, &rows) {
            report.untrue.push(*id);
        }
        judge_telling(report, *id, request, &rows, sandbox);
    }
    Ok(())
}

/// Whether a deploy ended as its job does at CircleCI, or as what never started, or in what says that nobody
/// knows.
fn is_true(record: &DeployRecord, was_built: bool) -> bool {
    match record.state {
        DeployState::Succeeded => was_built && record.request.job.as_str() == "test",
        DeployState::Failed => was_built && record.request.job.as_str() == "migrate",
        DeployState::Rejected | DeployState::TriggerFailed => !was_built,
        DeployState::Unresolved | DeployState::LostTrack => true,
        _ => false,
    }
}

/// Only what may still run keeps its lock after its end, and that for a time.
fn holds_lock(record: &DeployRecord, rows: &Rows) -> bool {
    let may_run = matches!(
        record.state,
        DeployState::Unresolved | DeployState::LostTrack
    );
    !may_run && rows.locks.contains(&record.id)
}

fn judge_telling(
    report: &mut ChaosReport,
    id: DeployId,
    request: &TypedRequest,
    rows: &Rows,
    sandbox: &Sandbox,
) {
    let model = sandbox.slack().lock();
    let path = &request.sent.response_path;
    let posted = model.messages().iter();
    let posted = posted.filter(|message| message.response_path == *path && message.nth_use > 0);
    let too_often = posted.clone().any(|message| message.nth_use > 5);
    let marks: Vec<MessageMark> = posted
        .filter_map(|message| MessageMark::parse(&message.block_id()?))
        .collect();
    let of_kind = |kind| marks.iter().filter(move |mark| mark.kind == kind);
    if too_often
        || of_kind(MessageKind::Progress).count() > 1
        || of_kind(MessageKind::Final).skip(1).any(|mark| !mark.repeat)
    {
        report.doubled.push(id);
    }
    if of_kind(MessageKind::Final).next().is_some() {
        return;
    }
    let status = rows
        .notifications
        .get(&id)
        .map(|record| &record.final_status);
    let reason = match status {
        Some(DeliveryStatus::Failed { reason }) => reason.as_str(),
        Some(DeliveryStatus::Unknown) => "Slack's answer was lost",
        _ => return report.untold.push(id),
    };
    *report.undelivered.entry(reason.to_owned()).or_default() += 1;
}
