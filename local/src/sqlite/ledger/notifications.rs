//! The notifier's port on the file: the notifications.

use chatops_core::Time;
use chatops_core::id::DeployId;
use chatops_core::notification::{NotificationRecord, Undelivered};
use chatops_core::ports::{CommitError, Conflict, NotificationStore};
use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::super::failure::{CommitResult, FileResult, LedgerResult};
use super::super::schema::{to_i64, to_micros};
use super::super::threads::WriteTx;
use super::Sqlite;

impl NotificationStore for Sqlite {
    async fn read_notification(&self, id: DeployId) -> LedgerResult<Option<NotificationRecord>> {
        self.read(move |db| select_notification(db, id)).await
    }

    async fn save_notification(&self, notification: NotificationRecord) -> Result<(), CommitError> {
        let write = move |tx: &WriteTx<'_>| {
            let Some(before) = notification.version.checked_sub(1) else {
                return Err(Conflict::StaleVersion.into());
            };
            update_notification(tx.db, &notification, before)
        };
        self.write(write).await
    }
}

/// The notification record of a deploy.
pub(crate) fn select_notification(
    db: &Connection,
    id: DeployId,
) -> FileResult<Option<NotificationRecord>> {
    let sql = "SELECT body FROM notification WHERE deploy = ?1";
    let body: Option<String> = super::select_one(db, sql, [id.to_string()])?;
    let body = body.map(|body| super::from_json(&format!("the notification of {id}"), &body));
    body.transpose()
}

/// When something was given up that was not made up for.
fn untold_at(notification: &NotificationRecord) -> Option<i64> {
    notification.untold().map(|untold| to_micros(untold.at))
}

/// What could not be delivered last about a deploy.
pub(crate) fn select_undelivered(db: &Connection, id: DeployId) -> FileResult<Option<Undelivered>> {
    let notification = select_notification(db, id)?;
    Ok(notification.and_then(|notification| notification.undelivered))
}

/// What was given up after `since` and not made up for, the oldest first.
pub(crate) fn select_untold(
    db: &Connection,
    since: Time,
    limit: usize,
) -> FileResult<Vec<Undelivered>> {
    let sql = "SELECT body FROM notification WHERE untold_at > ?1 \
               ORDER BY untold_at, deploy LIMIT ?2";
    let mut query = db.prepare_cached(sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = query.query(params![to_micros(since), limit])?;
    let mut untold = Vec::new();
    while let Some(row) = rows.next()? {
        let body: String = row.get(0)?;
        let notification: NotificationRecord = super::from_json("a notification", &body)?;
        untold.extend(notification.undelivered);
    }
    Ok(untold)
}

/// The columns beside the body of a notification record's row.
pub(crate) fn columns_of(notification: &NotificationRecord) -> [(&'static str, Value); 3] {
    let time = |time: Option<i64>| time.map_or(Value::Null, Value::Integer);
    [
        ("version", Value::Integer(to_i64(notification.version))),
        ("due_at", time(notification.due_at().map(to_micros))),
        ("untold_at", time(untold_at(notification))),
    ]
}

/// Adds a notification record.
pub(crate) fn insert_notification(db: &Connection, new: &NotificationRecord) -> FileResult<()> {
    let sql = "INSERT INTO notification (deploy, version, due_at, untold_at, body) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let (id, due_at) = (new.deploy.to_string(), new.due_at().map(to_micros));
    let (version, body) = (to_i64(new.version), super::to_json(new)?);
    let values = params![id, version, due_at, untold_at(new), body];
    super::execute(db, sql, values).map(drop)
}

/// Writes a notification record over the version `before`.
pub(crate) fn update_notification(
    db: &Connection,
    new: &NotificationRecord,
    before: u64,
) -> CommitResult {
    let sql = "UPDATE notification SET version = ?2, due_at = ?3, untold_at = ?4, body = ?5 \
               WHERE deploy = ?1 AND version = ?6";
    let (id, due_at) = (new.deploy.to_string(), new.due_at().map(to_micros));
    let (version, before) = (to_i64(new.version), to_i64(before));
    let body = super::to_json(new)?;
    let values = params![id, version, due_at, untold_at(new), body, before];
    match super::execute(db, sql, values)? {
        0 => Err(Conflict::StaleVersion.into()),
        _ => Ok(()),
    }
}
