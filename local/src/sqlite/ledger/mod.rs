//! The worker's port on the file: the ledger.

pub(super) mod actions;
pub(super) mod listing;
pub(super) mod notifications;
mod projects;

use chatops_core::Time;
use chatops_core::audit::{AuditEvent, EventHash};
use chatops_core::deploy::{DeployRecord, Target, latest_timer};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::notification::{NotificationRecord, Undelivered};
use chatops_core::ports::{
    Commit, CommitError, Conflict, DeployFilter, DeployPage, DeployReader, DueItem, Ledger,
    LedgerPosition, LockChange, RetriedDeploy, TargetLock,
};
use chatops_core::release::{ReleaseHistory, TargetEnd};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Params, params, params_from_iter};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Sqlite;
use super::failure::{CommitFailure, CommitResult, FileResult, LedgerResult, SqliteFailure};
use super::schema::{from_micros, outside, to_i64, to_micros};
use super::threads::WriteTx;

impl DeployReader for Sqlite {
    async fn read_deploy(&self, id: DeployId) -> LedgerResult<Option<DeployRecord>> {
        self.read(move |db| select_record(db, id)).await
    }

    async fn read_events(&self, id: DeployId) -> LedgerResult<Vec<AuditEvent>> {
        self.read(move |db| select_events(db, id)).await
    }

    async fn find_by_short_id(&self, short: &ShortId) -> LedgerResult<Option<DeployId>> {
        let short = short.clone();
        self.read(move |db| select_short_id(db, &short)).await
    }

    async fn read_lock(&self, target: &Target) -> LedgerResult<Option<TargetLock>> {
        let target = target.clone();
        self.read(move |db| select_lock(db, &target)).await
    }

    async fn read_releases(&self, target: &Target) -> LedgerResult<ReleaseHistory> {
        let target = target.clone();
        self.read(move |db| select_releases(db, &target)).await
    }

    async fn find_last_retry(&self, root: DeployId) -> LedgerResult<Option<DeployId>> {
        self.read(move |db| select_last_retry(db, root)).await
    }

    async fn read_undelivered(&self, id: DeployId) -> LedgerResult<Option<Undelivered>> {
        self.read(move |db| notifications::select_undelivered(db, id))
            .await
    }

    async fn list_undelivered(&self, since: Time, limit: usize) -> LedgerResult<Vec<Undelivered>> {
        self.read(move |db| notifications::select_untold(db, since, limit))
            .await
    }

    async fn list_deploys(
        &self,
        filter: &DeployFilter,
        before: Option<LedgerPosition>,
        limit: usize,
    ) -> LedgerResult<DeployPage> {
        let filter = filter.clone();
        self.read(move |db| listing::list_page(db, &filter, before, limit))
            .await
    }
}

impl Ledger for Sqlite {
    async fn pipeline_owner(&self, pipeline: PipelineId) -> LedgerResult<Option<DeployId>> {
        self.read(move |db| select_owner(db, pipeline)).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let write = move |tx: &WriteTx<'_>| apply_commit(tx.db, &commit);
        self.write(write).await
    }

    async fn list_due(&self, now: Time, limit: usize) -> LedgerResult<Vec<DueItem>> {
        self.read(move |db| select_due(db, now, limit)).await
    }
}

/// The record of a deploy.
pub(super) fn select_record(db: &Connection, id: DeployId) -> FileResult<Option<DeployRecord>> {
    let sql = "SELECT body FROM deploy WHERE id = ?1";
    let body: Option<String> = select_one(db, sql, [id.to_string()])?;
    let record = body.map(|body| from_json(&format!("deploy {id}"), &body));
    record.transpose()
}

/// A deploy's audit, in order.
pub(super) fn select_events(db: &Connection, id: DeployId) -> FileResult<Vec<AuditEvent>> {
    let sql = "SELECT n, body, hash FROM event WHERE deploy = ?1 ORDER BY n";
    let mut query = db.prepare_cached(sql)?;
    let mut rows = query.query([id.to_string()])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let n: i64 = row.get(0)?;
        let hash: String = row.get(2)?;
        let hash = EventHash::parse(&hash)
            .ok_or_else(|| SqliteFailure::NotWritten(format!("event {n} of {id} has no hash")))?;
        events.push(AuditEvent {
            deploy: id,
            n: n.cast_unsigned(),
            body: row.get(1)?,
            hash,
        });
    }
    Ok(events)
}

pub(super) fn select_lock(db: &Connection, target: &Target) -> FileResult<Option<TargetLock>> {
    let sql = "SELECT deploy, since, until FROM lock WHERE target = ?1";
    let mut query = db.prepare_cached(sql)?;
    let mut rows = query.query([&target.0])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let until: Option<i64> = row.get(2)?;
    Ok(Some(TargetLock {
        deploy: parse_id(&row.get::<_, String>(0)?)?,
        since: from_micros(row.get(1)?),
        until: until.map(from_micros),
    }))
}

fn select_owner(db: &Connection, pipeline: PipelineId) -> FileResult<Option<DeployId>> {
    let sql = "SELECT deploy FROM pipeline WHERE id = ?1";
    let owner: Option<String> = select_one(db, sql, [pipeline.to_string()])?;
    owner.as_deref().map(parse_id).transpose()
}

/// The deploy with this short id.
pub(super) fn select_short_id(db: &Connection, short: &ShortId) -> FileResult<Option<DeployId>> {
    let sql = "SELECT deploy FROM short_id WHERE id = ?1";
    let deploy: Option<String> = select_one(db, sql, [short.as_str()])?;
    deploy.as_deref().map(parse_id).transpose()
}

/// The last deploy of the chain of retries that begins with `root`.
pub(super) fn select_last_retry(db: &Connection, root: DeployId) -> FileResult<Option<DeployId>> {
    let sql = "SELECT last FROM retry_chain WHERE root = ?1";
    let last: Option<String> = select_one(db, sql, [root.to_string()])?;
    last.as_deref().map(parse_id).transpose()
}

fn select_due(db: &Connection, now: Time, limit: usize) -> FileResult<Vec<DueItem>> {
    let sql = "SELECT due_at, 0 AS kind, id FROM deploy WHERE due_at >= ?1 AND due_at <= ?2 \
               UNION ALL \
               SELECT due_at, 1, deploy FROM notification WHERE due_at >= ?1 AND due_at <= ?2 \
               ORDER BY 1, 2, 3 LIMIT ?3";
    let mut query = db.prepare_cached(sql)?;
    let mut due = Vec::new();
    // What is due, then what a wrong clock has set too far ahead.
    for (first, last) in outside(now, latest_timer(now)) {
        let limit = i64::try_from(limit - due.len()).unwrap_or(i64::MAX);
        let mut rows = query.query(params![first, last, limit])?;
        while let Some(row) = rows.next()? {
            let deploy = parse_id(&row.get::<_, String>(2)?)?;
            due.push(match row.get(1)? {
                0_i64 => DueItem::Deploy(deploy),
                _ => DueItem::Notification(deploy),
            });
        }
    }
    Ok(due)
}

/// Checks the conditions in order and writes, in the job's savepoint.
pub(super) fn apply_commit(db: &Connection, commit: &Commit) -> CommitResult {
    let deploy = commit.record.id;
    put_record(db, &commit.record)?;
    if let Some(repeated) = &commit.retried {
        put_retried(db, commit, repeated)?;
    }
    if let Some(change) = &commit.lock {
        change_lock(db, deploy, change)?;
    }
    if let Some(end) = &commit.release {
        add_release(db, end)?;
    }
    if let Some(pipeline) = commit.claim {
        claim_pipeline(db, deploy, pipeline)?;
    }
    for event in &commit.events {
        add_event(db, deploy, event)?;
    }
    if let Some(action) = &commit.action
        && !actions::insert_action(db, action)?
    {
        return Err(Conflict::StaleVersion.into());
    }
    if let Some(notification) = &commit.open_notifications {
        if commit.record.version != 1 || notification.deploy != deploy {
            let what = format!("only its first commit opens the notification of {deploy}");
            return Err(CommitFailure::defect(what));
        }
        notifications::insert_notification(db, notification)?;
    }
    if let Some(RetriedDeploy {
        record,
        redraw: Some(at),
        ..
    }) = commit.retried.as_deref()
    {
        change_notification(db, record.id, |notification| {
            notification.request_redraw(*at);
            Ok(())
        })?;
    }
    request_deliveries(db, commit)
}

/// Writes the next version and event of the deploy that this one retries.
fn put_retried(db: &Connection, commit: &Commit, old: &RetriedDeploy) -> CommitResult {
    if commit.record.version != 1 || old.record.id == commit.record.id {
        let id = commit.record.id;
        let what = format!("only its first commit says that {id} retries another");
        return Err(CommitFailure::defect(what));
    }
    if old.record.version <= 1 {
        return Err(Conflict::StaleVersion.into());
    }
    put_record(db, &old.record)?;
    let sql = "INSERT INTO retry_chain (root, last) VALUES (?1, ?2) \
               ON CONFLICT (root) DO UPDATE SET last = excluded.last";
    let (root, last) = (commit.record.chain_root(), commit.record.id);
    execute(db, sql, [root.to_string(), last.to_string()])?;
    add_event(db, old.record.id, &old.event)
}

fn put_record(db: &Connection, record: &DeployRecord) -> CommitResult {
    let id = record.id.to_string();
    let stored: Option<i64> = select_one(db, "SELECT version FROM deploy WHERE id = ?1", [&id])?;
    if record.version.checked_sub(1).map(to_i64) != Some(stored.unwrap_or(0)) {
        return Err(Conflict::StaleVersion.into());
    }
    if record.version == 1 {
        if select_short_id(db, &record.short_id)?.is_some() {
            return Err(Conflict::ShortId.into());
        }
        let sql = "INSERT INTO short_id (id, deploy) VALUES (?1, ?2)";
        execute(db, sql, params![record.short_id.as_str(), id])?;
    }
    write_record(db, &id, record)
}

/// Writes the row. The request never changes, and the state, which is in nearly every index, is
/// written only if it changes: most versions of a deploy only move its timer.
fn write_record(db: &Connection, id: &str, record: &DeployRecord) -> CommitResult {
    let (version, state) = (to_i64(record.version), record.state.as_str());
    let (due_at, awaits_retry) = (record.due_at.map(to_micros), record.awaits_retry());
    let body = to_json(record)?;
    if record.version > 1 {
        let sql = "UPDATE deploy SET version = ?2, awaiting_retry = ?3, due_at = ?4, body = ?5 \
                   WHERE id = ?1";
        let values = params![id, version, awaits_retry, due_at, body];
        execute(db, sql, values)?;
        let sql = "UPDATE deploy SET state = ?2 WHERE id = ?1 AND state <> ?2";
        execute(db, sql, params![id, state])?;
        return Ok(());
    }
    let names = columns_of(record).map(|(name, _)| name).join(", ");
    let sql = format!(
        "INSERT INTO deploy (id, {names}, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
    );
    let columns = columns_of(record).map(|(_, value)| value);
    let values = [Value::Text(id.to_owned())].into_iter().chain(columns);
    let values = values.chain([Value::Text(body)]);
    execute(db, &sql, params_from_iter(values))?;
    Ok(())
}

/// The columns beside the body of a deploy's row.
pub(super) fn columns_of(record: &DeployRecord) -> [(&'static str, Value); 11] {
    let request = &record.request;
    let text = |text: &str| Value::Text(text.to_owned());
    let optional = |text: Option<String>| text.map_or(Value::Null, Value::Text);
    let due_at = record.due_at.map(to_micros);
    let project = request.project.as_ref().map(ToString::to_string);
    [
        ("version", Value::Integer(to_i64(record.version))),
        (
            "requested_at",
            Value::Integer(to_micros(request.requested_at)),
        ),
        ("user", Value::Text(request.qualified_user().to_string())),
        (
            "user_name",
            optional(request.user_name.as_deref().map(str::to_lowercase)),
        ),
        ("branch", Value::Text(request.git_ref.to_string())),
        ("job", text(request.job.as_str())),
        ("project", optional(project)),
        ("environment", optional(request.environment.clone())),
        ("state", text(record.state.as_str())),
        (
            "awaiting_retry",
            Value::Integer(record.awaits_retry().into()),
        ),
        ("due_at", due_at.map_or(Value::Null, Value::Integer)),
    ]
}

fn change_lock(db: &Connection, deploy: DeployId, change: &LockChange) -> CommitResult {
    let (LockChange::Take { target, .. }
    | LockChange::Free { target }
    | LockChange::Expire { target, .. }) = change;
    let held = select_lock(db, target)?;
    let (since, until) = match (change, held) {
        (LockChange::Take { now, inherits, .. }, held) => {
            let taken = TargetLock::take(held, deploy, *inherits, *now)?;
            (taken.since, taken.until)
        }
        (_, None) => return Err(CommitFailure::defect(format!("no deploy holds '{target}'"))),
        (_, Some(lock)) if lock.deploy != deploy => return Err(Conflict::Lock(lock).into()),
        (LockChange::Free { .. }, Some(_)) => {
            execute(db, "DELETE FROM lock WHERE target = ?1", [&target.0])?;
            return Ok(());
        }
        (LockChange::Expire { until, .. }, Some(lock)) => (lock.since, Some(*until)),
    };
    let sql = "INSERT INTO lock (target, deploy, since, until) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (target) DO UPDATE SET deploy = excluded.deploy, \
               since = excluded.since, until = excluded.until";
    let (since, until) = (to_micros(since), until.map(to_micros));
    let values = params![target.0, deploy.to_string(), since, until];
    execute(db, sql, values)?;
    Ok(())
}

/// The release history of a target.
pub(super) fn select_releases(db: &Connection, target: &Target) -> FileResult<ReleaseHistory> {
    let sql = "SELECT body FROM release_history WHERE target = ?1";
    let body: Option<String> = select_one(db, sql, [&target.0])?;
    let history = body.map(|body| from_json(&format!("the releases of {target}"), &body));
    Ok(history.transpose()?.unwrap_or_default())
}

fn add_release(db: &Connection, end: &TargetEnd) -> CommitResult {
    let history = select_releases(db, &end.target)?.after(end);
    let sql = "INSERT INTO release_history (target, body) VALUES (?1, ?2) \
               ON CONFLICT (target) DO UPDATE SET body = excluded.body";
    execute(db, sql, [&end.target.0, &to_json(&history)?])?;
    Ok(())
}

fn claim_pipeline(db: &Connection, deploy: DeployId, pipeline: PipelineId) -> CommitResult {
    match select_owner(db, pipeline)? {
        Some(owner) if owner == deploy => Ok(()),
        Some(owner) => Err(Conflict::Claim(owner).into()),
        None => {
            let sql = "INSERT INTO pipeline (id, deploy) VALUES (?1, ?2)";
            execute(db, sql, [pipeline.to_string(), deploy.to_string()])?;
            Ok(())
        }
    }
}

fn add_event(db: &Connection, deploy: DeployId, event: &AuditEvent) -> CommitResult {
    let id = deploy.to_string();
    let sql = "SELECT n FROM event WHERE deploy = ?1 ORDER BY n DESC LIMIT 1";
    let recorded: i64 = select_one(db, sql, [&id])?.unwrap_or(0);
    if event.deploy != deploy || to_i64(event.n) != recorded + 1 {
        let what = format!("event {} cannot follow event {recorded} of {id}", event.n);
        return Err(CommitFailure::defect(what));
    }
    let sql = "INSERT INTO event (deploy, n, body, hash) VALUES (?1, ?2, ?3, ?4)";
    let values = params![id, to_i64(event.n), event.body, event.hash.to_string()];
    execute(db, sql, values)?;
    Ok(())
}

/// Requests what the commit leaves the notifier to do.
fn request_deliveries(db: &Connection, commit: &Commit) -> CommitResult {
    if !commit.requests_deliveries() {
        return Ok(());
    }
    let id = commit.record.id;
    if commit.events.is_empty() && !commit.notifications.is_empty() {
        let what = format!("a notification about {id} needs an event");
        return Err(CommitFailure::defect(what));
    }
    let unreadable = |e| CommitFailure::defect(format!("an event cannot be read: {e}"));
    change_notification(db, id, |notification| {
        commit.request_deliveries(notification).map_err(unreadable)
    })
}

/// Changes the notification record of a deploy, if there is one.
fn change_notification(
    db: &Connection,
    id: DeployId,
    change: impl FnOnce(&mut NotificationRecord) -> CommitResult,
) -> CommitResult {
    let Some(mut notification) = notifications::select_notification(db, id)? else {
        return Ok(());
    };
    let before = notification.version;
    change(&mut notification)?;
    if notification.version == before {
        return Ok(());
    }
    notifications::update_notification(db, &notification, before)
}

/// The first column of the only row, if there is one.
pub(super) fn select_one<T: rusqlite::types::FromSql>(
    db: &Connection,
    sql: &str,
    values: impl Params,
) -> FileResult<Option<T>> {
    let mut query = db.prepare_cached(sql)?;
    Ok(query.query_row(values, |row| row.get(0)).optional()?)
}

/// Runs a statement; returns how many rows it changed.
pub(super) fn execute(db: &Connection, sql: &str, values: impl Params) -> FileResult<usize> {
    Ok(db.prepare_cached(sql)?.execute(values)?)
}

pub(super) fn parse_id(text: &str) -> FileResult<DeployId> {
    DeployId::parse(text).map_err(|_| {
        SqliteFailure::NotWritten(format!("'{text}' in the data file is not a deploy's id"))
    })
}

/// A record as its body column holds it.
pub(super) fn to_json(record: &impl Serialize) -> FileResult<String> {
    serde_json::to_string(record)
        .map_err(|e| SqliteFailure::NotWritten(format!("a record cannot be written as JSON: {e}")))
}

/// The record in a body column.
pub(super) fn from_json<T: DeserializeOwned>(what: &str, body: &str) -> FileResult<T> {
    serde_json::from_str(body).map_err(|e| {
        SqliteFailure::NotWritten(format!("{what} cannot be read from the data file: {e}"))
    })
}
