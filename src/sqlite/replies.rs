//! The reply items in the file, as the notifier uses them.

use chatops_core::deploy::Head;
use chatops_core::id::DeployId;
use chatops_core::ports::{CommitError, Conflict, Replies, StoreError};
use chatops_core::reply::Reply;
use rusqlite::{Connection, OptionalExtension, params};

use super::Sqlite;
use super::failure::{Failure, Stop};
use super::ledger;
use super::schema::{count, micros};
use super::threads::Tx;

impl Replies for Sqlite {
    async fn told_head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        Ok(self
            .0
            .threads
            .read(move |connection| ledger::head(connection, id))
            .await?)
    }

    async fn reply(&self, id: DeployId) -> Result<Option<Reply>, StoreError> {
        Ok(self
            .0
            .threads
            .read(move |connection| read(connection, id))
            .await?)
    }

    async fn save(&self, reply: Reply) -> Result<(), CommitError> {
        let write = move |tx: &Tx<'_>| {
            let Some(before) = reply.version.checked_sub(1) else {
                return Err(Conflict::Version.into());
            };
            replace(tx.connection, &reply, before)
        };
        self.0
            .threads
            .write(write)
            .await
            .map_err(|stop: Stop| stop.into())
    }
}

/// A reply item.
pub(super) fn read(connection: &Connection, id: DeployId) -> Result<Option<Reply>, Failure> {
    let mut query = connection.prepare_cached("SELECT body FROM reply WHERE deploy = ?1")?;
    let body = query
        .query_row([id.to_string()], |row| row.get::<_, String>(0))
        .optional()?;
    body.map(|body| ledger::parse(&format!("the reply item of {id}"), &body))
        .transpose()
}

/// Opens a reply item.
pub(super) fn open(connection: &Connection, reply: &Reply) -> Result<(), Failure> {
    let sql = "INSERT INTO reply (deploy, version, due_at, body) VALUES (?1, ?2, ?3, ?4)";
    let (version, due_at) = (count(reply.version), reply.due_at().map(micros));
    let values = params![
        reply.deploy.to_string(),
        version,
        due_at,
        ledger::json(reply)?
    ];
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Writes a reply item over the version `before`.
pub(super) fn replace(connection: &Connection, reply: &Reply, before: u64) -> Result<(), Stop> {
    let sql = "UPDATE reply SET version = ?2, due_at = ?3, body = ?4 \
               WHERE deploy = ?1 AND version = ?5";
    let (version, due_at) = (count(reply.version), reply.due_at().map(micros));
    let id = reply.deploy.to_string();
    let values = params![id, version, due_at, ledger::json(reply)?, count(before)];
    match connection.prepare_cached(sql)?.execute(values)? {
        0 => Err(Conflict::Version.into()),
        _ => Ok(()),
    }
}
