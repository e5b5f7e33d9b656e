//! The notifier's port on the file: the notifications.

use chatops_core::deploy::DeployRecord;
use chatops_core::id::DeployId;
use chatops_core::notification::NotificationRecord;
use chatops_core::ports::{CommitError, Conflict, NotificationStore};
use rusqlite::{Connection, OptionalExtension, params};

use super::Sqlite;
use super::failure::{CommitFailure, FileResult, LedgerResult};
use super::ledger;
use super::schema::{to_i64, to_micros};
use super::threads::WriteTx;

impl NotificationStore for Sqlite {
    async fn read_notified_deploy(&self, id: DeployId) -> LedgerResult<Option<DeployRecord>> {
        self.read(move |db| ledger::select_record(db, id)).await
    }

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
pub(super) fn select_notification(
    db: &Connection,
    id: DeployId,
) -> FileResult<Option<NotificationRecord>> {
    let mut query = db.prepare_cached("SELECT body FROM notification WHERE deploy = ?1")?;
    let body = query
        .query_row([id.to_string()], |row| row.get::<_, String>(0))
        .optional()?;
    body.map(|body| ledger::from_json(&format!("the notification of {id}"), &body))
        .transpose()
}

/// Adds a notification record.
pub(super) fn insert_notification(
    db: &Connection,
    notification: &NotificationRecord,
) -> FileResult<()> {
    let sql = "INSERT INTO notification (deploy, version, due_at, body) VALUES (?1, ?2, ?3, ?4)";
    let (version, due_at) = (
        to_i64(notification.version),
        notification.due_at().map(to_micros),
    );
    let values = params![
        notification.deploy.to_string(),
        version,
        due_at,
        ledger::to_json(notification)?
    ];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Writes a notification record over the version `before`.
pub(super) fn update_notification(
    db: &Connection,
    notification: &NotificationRecord,
    before: u64,
) -> Result<(), CommitFailure> {
    let sql = "UPDATE notification SET version = ?2, due_at = ?3, body = ?4 \
               WHERE deploy = ?1 AND version = ?5";
    let (version, due_at) = (
        to_i64(notification.version),
        notification.due_at().map(to_micros),
    );
    let id = notification.deploy.to_string();
    let values = params![
        id,
        version,
        due_at,
        ledger::to_json(notification)?,
        to_i64(before)
    ];
    match db.prepare_cached(sql)?.execute(values)? {
        0 => Err(Conflict::StaleVersion.into()),
        _ => Ok(()),
    }
}
