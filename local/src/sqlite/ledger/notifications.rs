//! The notifier's port on the file: the notifications.

use chatops_core::id::DeployId;
use chatops_core::notification::NotificationRecord;
use chatops_core::ports::{CommitError, Conflict, NotificationStore};
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

/// Adds a notification record.
pub(crate) fn insert_notification(db: &Connection, new: &NotificationRecord) -> FileResult<()> {
    let sql = "INSERT INTO notification (deploy, version, due_at, body) VALUES (?1, ?2, ?3, ?4)";
    let (id, due_at) = (new.deploy.to_string(), new.due_at().map(to_micros));
    let values = params![id, to_i64(new.version), due_at, super::to_json(new)?];
    super::execute(db, sql, values).map(drop)
}

/// Writes a notification record over the version `before`.
pub(crate) fn update_notification(
    db: &Connection,
    new: &NotificationRecord,
    before: u64,
) -> CommitResult {
    let sql = "UPDATE notification SET version = ?2, due_at = ?3, body = ?4 \
               WHERE deploy = ?1 AND version = ?5";
    let (id, due_at) = (new.deploy.to_string(), new.due_at().map(to_micros));
    let (version, before) = (to_i64(new.version), to_i64(before));
    let values = params![id, version, due_at, super::to_json(new)?, before];
    match super::execute(db, sql, values)? {
        0 => Err(Conflict::StaleVersion.into()),
        _ => Ok(()),
    }
}
