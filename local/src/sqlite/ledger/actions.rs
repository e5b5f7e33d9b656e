//! What became of actions, and how many a user has requested, in the file.

use chatops_core::Time;
use chatops_core::id::{QualifiedUser, RequestId};
use chatops_core::ports::{ActionCount, ActionRecord, ActionStore};
use rusqlite::{Connection, params};

use super::super::failure::{FileResult, LedgerResult};
use super::super::threads::WriteTx;
use super::Sqlite;

impl ActionStore for Sqlite {
    async fn read_action(&self, id: RequestId) -> LedgerResult<Option<ActionRecord>> {
        let select = move |db: &Connection| -> FileResult<Option<ActionRecord>> {
            let sql = "SELECT body FROM action WHERE id = ?1";
            let body: Option<String> = super::select_one(db, sql, [id.to_string()])?;
            let record = body.map(|body| super::from_json(&format!("the action {id}"), &body));
            record.transpose()
        };
        self.read(select).await
    }

    async fn record_action(&self, action: ActionRecord) -> LedgerResult<()> {
        let write = move |tx: &WriteTx<'_>| insert_action(tx.db, &action).map(drop);
        self.write(write).await
    }

    async fn count_action(&self, user: &QualifiedUser, now: Time) -> LedgerResult<ActionCount> {
        let user = user.to_string();
        let write = move |tx: &WriteTx<'_>| -> FileResult<ActionCount> {
            let sql = "SELECT body FROM action_count WHERE user = ?1";
            let body: Option<String> = super::select_one(tx.db, sql, [&user])?;
            let before = body.map(|body| super::from_json("a user's actions", &body));
            let count = ActionCount::next(before.transpose()?, now);
            let sql = "INSERT INTO action_count (user, body) VALUES (?1, ?2) \
                       ON CONFLICT (user) DO UPDATE SET body = excluded.body";
            super::execute(tx.db, sql, [&user, &super::to_json(&count)?])?;
            Ok(count)
        };
        self.write(write).await
    }
}

/// Writes the outcome of an action; `false` if one is on record.
pub(crate) fn insert_action(db: &Connection, action: &ActionRecord) -> FileResult<bool> {
    let sql = "INSERT INTO action (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";
    let values = params![action.id.to_string(), super::to_json(action)?];
    Ok(super::execute(db, sql, values)? == 1)
}
