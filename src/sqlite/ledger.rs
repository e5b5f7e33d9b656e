//! The ledger in the file, as the worker uses it.

use chatops_core::Time;
use chatops_core::audit::{Event, Hash};
use chatops_core::deploy::{Head, Target};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::name::ProjectName;
use chatops_core::ports::{
    Commit, CommitError, Conflict, Due, Filter, Lock, LockChange, Page, Position, Repeated, Store,
    StoreError,
};
use rusqlite::{Connection, OptionalExtension, Params, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::failure::{Failure, Stop};
use super::schema::{count, micros, moment};
use super::threads::Tx;
use super::{Sqlite, listing, replies};

impl Store for Sqlite {
    async fn head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        Ok(self
            .0
            .threads
            .read(move |connection| head(connection, id))
            .await?)
    }

    async fn events(&self, id: DeployId) -> Result<Vec<Event>, StoreError> {
        Ok(self
            .0
            .threads
            .read(move |connection| events(connection, id))
            .await?)
    }

    async fn lock(&self, target: &Target) -> Result<Option<Lock>, StoreError> {
        let target = target.clone();
        Ok(self
            .0
            .threads
            .read(move |connection| lock(connection, &target))
            .await?)
    }

    async fn owner(&self, pipeline: PipelineId) -> Result<Option<DeployId>, StoreError> {
        Ok(self
            .0
            .threads
            .read(move |connection| owner(connection, pipeline))
            .await?)
    }

    async fn by_short(&self, short: &ShortId) -> Result<Option<DeployId>, StoreError> {
        let short = short.clone();
        Ok(self
            .0
            .threads
            .read(move |connection| by_short(connection, &short))
            .await?)
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let write = move |tx: &Tx<'_>| apply(tx.connection, &commit);
        self.0
            .threads
            .write(write)
            .await
            .map_err(|stop: Stop| stop.into())
    }

    async fn list(
        &self,
        filter: &Filter,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let filter = filter.clone();
        Ok(self
            .0
            .threads
            .read(move |connection| listing::list(connection, &filter, before, limit))
            .await?)
    }

    async fn due(&self, now: Time, limit: usize) -> Result<Vec<Due>, StoreError> {
        Ok(self
            .0
            .threads
            .read(move |connection| due(connection, now, limit))
            .await?)
    }
}

/// A deploy as it stands.
pub(super) fn head(connection: &Connection, id: DeployId) -> Result<Option<Head>, Failure> {
    let body: Option<String> = one(
        connection,
        "SELECT body FROM head WHERE id = ?1",
        [id.to_string()],
    )?;
    body.map(|body| parse(&format!("deploy {id}"), &body))
        .transpose()
}

/// A deploy's audit, in order.
pub(super) fn events(connection: &Connection, id: DeployId) -> Result<Vec<Event>, Failure> {
    let sql = "SELECT n, body, hash FROM event WHERE deploy = ?1 ORDER BY n";
    let mut query = connection.prepare_cached(sql)?;
    let mut rows = query.query([id.to_string()])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let n: i64 = row.get(0)?;
        let hash: String = row.get(2)?;
        let hash = Hash::parse(&hash)
            .ok_or_else(|| Failure::Definite(format!("event {n} of {id} has no hash")))?;
        events.push(Event {
            deploy: id,
            n: n.cast_unsigned(),
            body: row.get(1)?,
            hash,
        });
    }
    Ok(events)
}

fn lock(connection: &Connection, target: &Target) -> Result<Option<Lock>, Failure> {
    let sql = "SELECT deploy, since, until FROM lock WHERE target = ?1";
    let mut query = connection.prepare_cached(sql)?;
    let row = query.query_row([&target.0], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get(1)?,
            row.get::<_, Option<i64>>(2)?,
        ))
    });
    let lock = |(deploy, since, until): (String, i64, Option<i64>)| {
        Ok(Lock {
            deploy: id(&deploy)?,
            since: moment(since),
            until: until.map(moment),
        })
    };
    row.optional()?.map(lock).transpose()
}

fn owner(connection: &Connection, pipeline: PipelineId) -> Result<Option<DeployId>, Failure> {
    let sql = "SELECT deploy FROM pipeline WHERE id = ?1";
    let owner: Option<String> = one(connection, sql, [pipeline.to_string()])?;
    owner.as_deref().map(id).transpose()
}

/// The deploy people call by this short id.
pub(super) fn by_short(
    connection: &Connection,
    short: &ShortId,
) -> Result<Option<DeployId>, Failure> {
    let sql = "SELECT deploy FROM short WHERE short = ?1";
    let deploy: Option<String> = one(connection, sql, [short.as_str()])?;
    deploy.as_deref().map(id).transpose()
}

fn due(connection: &Connection, now: Time, limit: usize) -> Result<Vec<Due>, Failure> {
    let sql = "SELECT due_at, 0 AS kind, id FROM head WHERE due_at <= ?1 \
               UNION ALL SELECT due_at, 1, deploy FROM reply WHERE due_at <= ?1 \
               ORDER BY 1, 2, 3 LIMIT ?2";
    let mut query = connection.prepare_cached(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = query.query(params![micros(now), limit])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let deploy = id(&row.get::<_, String>(2)?)?;
        let kind: i64 = row.get(1)?;
        due.push(if kind == 0 {
            Due::Deploy(deploy)
        } else {
            Due::Reply(deploy)
        });
    }
    Ok(due)
}

/// Checks the conditions in their order and writes, within the job's savepoint.
fn apply(connection: &Connection, commit: &Commit) -> Result<(), Stop> {
    let deploy = commit.head.id;
    put_head(connection, &commit.head)?;
    if let Some(repeated) = &commit.repeats {
        put_repeated(connection, commit, repeated)?;
    }
    if let Some(change) = &commit.lock {
        change_lock(connection, deploy, change)?;
    }
    if let Some(pipeline) = commit.claim {
        claim(connection, deploy, pipeline)?;
    }
    if let Some(event) = &commit.event {
        add_event(connection, deploy, event)?;
    }
    if let Some(reply) = &commit.open {
        if commit.head.version != 1 || reply.deploy != deploy {
            let what = format!("only its first commit opens the reply item of {deploy}");
            return Err(Stop::defect(what));
        }
        replies::open(connection, reply)?;
    }
    owe(connection, commit)
}

/// Writes the next version and event of the deploy that this one repeats.
fn put_repeated(connection: &Connection, commit: &Commit, old: &Repeated) -> Result<(), Stop> {
    if commit.head.version != 1 || old.head.id == commit.head.id {
        let id = commit.head.id;
        let what = format!("only its first commit says that {id} repeats another");
        return Err(Stop::defect(what));
    }
    if old.head.version <= 1 {
        return Err(Conflict::Version.into());
    }
    put_head(connection, &old.head)?;
    add_event(connection, old.head.id, &old.event)
}

fn put_head(connection: &Connection, head: &Head) -> Result<(), Stop> {
    let id = head.id.to_string();
    let stored: Option<i64> = one(connection, "SELECT version FROM head WHERE id = ?1", [&id])?;
    if head.version.checked_sub(1).map(count) != Some(stored.unwrap_or(0)) {
        return Err(Conflict::Version.into());
    }
    if head.version == 1 {
        let known: Option<String> = one(
            connection,
            "SELECT deploy FROM short WHERE short = ?1",
            [head.short.as_str()],
        )?;
        if known.is_some() {
            return Err(Conflict::Short.into());
        }
        let sql = "INSERT INTO short (short, deploy) VALUES (?1, ?2)";
        write(connection, sql, params![head.short.as_str(), id])?;
    }
    write_head(connection, &id, head)
}

/// Writes the row. What was asked for never changes, and the state, which is in nearly every index,
/// is written only if it does: most versions of a deploy move its timer and nothing else.
fn write_head(connection: &Connection, id: &str, head: &Head) -> Result<(), Stop> {
    let (version, state) = (count(head.version), head.state.word());
    let (due_at, awaits_retry) = (head.due_at.map(micros), head.awaits_retry());
    let body = json(head)?;
    if head.version > 1 {
        let sql = "UPDATE head SET version = ?2, awaits_retry = ?3, due_at = ?4, body = ?5 \
                   WHERE id = ?1";
        let values = params![id, version, awaits_retry, due_at, body];
        write(connection, sql, values)?;
        let sql = "UPDATE head SET state = ?2 WHERE id = ?1 AND state <> ?2";
        return Ok(write(connection, sql, params![id, state])?);
    }
    let sql = "INSERT INTO head (id, version, asked_at, user, user_name, branch, job, project, \
               state, awaits_retry, due_at, body) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let ask = &head.ask;
    let values = params![
        id,
        version,
        micros(ask.asked_at),
        ask.user.as_str(),
        ask.user_name.as_deref().map(str::to_lowercase),
        ask.branch.as_str(),
        ask.job.as_str(),
        ask.project.as_ref().map(ProjectName::as_str),
        state,
        awaits_retry,
        due_at,
        body
    ];
    Ok(write(connection, sql, values)?)
}

fn change_lock(connection: &Connection, deploy: DeployId, change: &LockChange) -> Result<(), Stop> {
    let (LockChange::Take { target, .. }
    | LockChange::Free { target }
    | LockChange::Expire { target, .. }) = change;
    let held = lock(connection, target)?;
    let (since, until) = match (change, held) {
        (LockChange::Take { now, .. }, Some(lock)) if lock.bars(deploy, *now) => {
            return Err(Conflict::Lock(lock).into());
        }
        (LockChange::Take { now, .. }, held) => {
            let ours = held.filter(|lock| lock.deploy == deploy);
            (ours.map_or(*now, |lock| lock.since), None)
        }
        (_, None) => return Err(Stop::defect(format!("no deploy holds '{target}'"))),
        (_, Some(lock)) if lock.deploy != deploy => return Err(Conflict::Lock(lock).into()),
        (LockChange::Free { .. }, Some(_)) => {
            write(
                connection,
                "DELETE FROM lock WHERE target = ?1",
                [&target.0],
            )?;
            return Ok(());
        }
        (LockChange::Expire { until, .. }, Some(lock)) => (lock.since, Some(*until)),
    };
    let sql = "INSERT INTO lock (target, deploy, since, until) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (target) DO UPDATE SET deploy = excluded.deploy, \
               since = excluded.since, until = excluded.until";
    let values = params![
        target.0,
        deploy.to_string(),
        micros(since),
        until.map(micros)
    ];
    Ok(write(connection, sql, values)?)
}

fn claim(connection: &Connection, deploy: DeployId, pipeline: PipelineId) -> Result<(), Stop> {
    match owner(connection, pipeline)? {
        Some(owner) if owner == deploy => Ok(()),
        Some(owner) => Err(Conflict::Claim(owner).into()),
        None => {
            let sql = "INSERT INTO pipeline (id, deploy) VALUES (?1, ?2)";
            Ok(write(
                connection,
                sql,
                params![pipeline.to_string(), deploy.to_string()],
            )?)
        }
    }
}

fn add_event(connection: &Connection, deploy: DeployId, event: &Event) -> Result<(), Stop> {
    let id = deploy.to_string();
    let sql = "SELECT n FROM event WHERE deploy = ?1 ORDER BY n DESC LIMIT 1";
    let recorded: i64 = one(connection, sql, [&id])?.unwrap_or(0);
    if event.deploy != deploy || count(event.n) != recorded + 1 {
        let what = format!("event {} cannot follow event {recorded} of {id}", event.n);
        return Err(Stop::defect(what));
    }
    let sql = "INSERT INTO event (deploy, n, body, hash) VALUES (?1, ?2, ?3, ?4)";
    let values = params![id, count(event.n), event.body, event.hash.to_string()];
    Ok(write(connection, sql, values)?)
}

/// Makes what the commit says owed, from the moment of its event on.
fn owe(connection: &Connection, commit: &Commit) -> Result<(), Stop> {
    if commit.owe.is_empty() {
        return Ok(());
    }
    let id = commit.head.id;
    let Some(event) = &commit.event else {
        let what = format!("what is owed about {id} needs an event that says so");
        return Err(Stop::defect(what));
    };
    let entry = event
        .entry()
        .map_err(|e| Stop::defect(format!("an event cannot be read: {e}")))?;
    let Some(mut reply) = replies::read(connection, id)? else {
        return Ok(());
    };
    let before = reply.version;
    for kind in &commit.owe {
        reply.owe(*kind, entry.at);
    }
    if reply.version == before {
        Ok(())
    } else {
        replies::replace(connection, &reply, before)
    }
}

/// The first column of the only row, if there is one.
fn one<T: rusqlite::types::FromSql>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
) -> Result<Option<T>, Failure> {
    let mut query = connection.prepare_cached(sql)?;
    Ok(query.query_row(values, |row| row.get(0)).optional()?)
}

fn write(connection: &Connection, sql: &str, values: impl Params) -> Result<(), Failure> {
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

pub(super) fn id(text: &str) -> Result<DeployId, Failure> {
    DeployId::parse(text)
        .map_err(|_| Failure::Definite(format!("'{text}' in the data file is not a deploy's id")))
}

/// A record as its body column holds it.
pub(super) fn json(record: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(record)
        .map_err(|e| Failure::Definite(format!("a record cannot be written as JSON: {e}")))
}

/// The record in a body column.
pub(super) fn parse<T: DeserializeOwned>(what: &str, body: &str) -> Result<T, Failure> {
    serde_json::from_str(body)
        .map_err(|e| Failure::Definite(format!("{what} cannot be read from the data file: {e}")))
}
