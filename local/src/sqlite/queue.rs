//! The queues in the file.
//!
//! A receipt is the message's number and its receive count in its queue. Numbers are never used
//! twice, so an outdated receipt never fits another message.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::message::MessageBody;
use chatops_core::ports::{
    LONGEST_HIDING, MessageQueue, MessageReceipt, QueueError, QueueName, ReceivedMessage, SendError,
};
use rusqlite::{Connection, params};

use super::Sqlite;
use super::failure::{FileResult, SqliteFailure};
use super::schema::{add_delay, from_micros, outside, to_micros};
use super::threads::WriteTx;

/// The longest delay; a longer one is cut.
const MAX_DELAY: Duration = Duration::from_mins(15);

/// How much a probe writes, in bytes: more than a page, so that it needs room, as a command does.
const PROBE_LEN: usize = 8 * 1024;

impl Sqlite {
    /// Writes a message and removes it again, in one transaction that nobody sees: whether a command could
    /// be queued.
    pub async fn probe_write(&self) -> Result<(), String> {
        let write = move |tx: &WriteTx<'_>| {
            let sql = "INSERT INTO message (queue, body, visible_at, sent_at, receive_count) \
                       VALUES ('probe', ?1, 0, 0, 0)";
            tx.db
                .prepare_cached(sql)?
                .execute([" ".repeat(PROBE_LEN)])?;
            let sql = "DELETE FROM message WHERE queue = 'probe'";
            tx.db.prepare_cached(sql)?.execute([])?;
            Ok::<_, SqliteFailure>(())
        };
        let written: Result<(), SqliteFailure> = self.write(write).await;
        written.map_err(SqliteFailure::into_message)
    }

    /// Whether the data file is still there, whole and not locked by another program; nothing is written.
    pub async fn check_file(&self) -> Result<(), String> {
        let nothing = |_: &WriteTx<'_>| Ok::<_, SqliteFailure>(());
        let begun: Result<(), SqliteFailure> = self.write(nothing).await;
        begun.map_err(SqliteFailure::into_message)
    }

    /// When the first message of a queue becomes visible; not in the future if one is visible now.
    pub async fn next_visible(&self, queue: QueueName) -> Result<Option<Time>, QueueError> {
        let now = self.0.settings.clock.now();
        let read = move |db: &Connection| {
            // As one query, this would read every message of the queue.
            let sql = "SELECT (SELECT min(visible_at) FROM message WHERE queue = ?1), \
                       (SELECT max(visible_at) FROM message WHERE queue = ?1)";
            let mut query = db.prepare_cached(sql)?;
            let ends: (Option<i64>, Option<i64>) =
                query.query_row([queue.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let [_, (too_far, _)] = visible_times(now);
            Ok::<_, SqliteFailure>(match ends {
                (Some(first), Some(last)) if last >= too_far => Some(from_micros(first).min(now)),
                (first, _) => first.map(from_micros),
            })
        };
        self.read(read).await
    }
}

impl MessageQueue for Sqlite {
    async fn send(
        &self,
        queue: QueueName,
        body: &MessageBody,
        delay: Duration,
    ) -> Result<(), SendError> {
        let now = self.0.settings.clock.now();
        let visible_at = add_delay(now, delay.min(MAX_DELAY));
        let body = body.clone();
        let write = move |tx: &WriteTx<'_>| {
            let sql = "INSERT INTO message (queue, body, visible_at, sent_at, receive_count) \
                       VALUES (?1, ?2, ?3, ?4, 0)";
            let (visible_at, now) = (to_micros(visible_at), to_micros(now));
            let values = params![queue.as_str(), body.as_wire(), visible_at, now];
            tx.db.prepare_cached(sql)?.execute(values)?;
            tx.wake_queue(queue);
            Ok::<_, SqliteFailure>(())
        };
        self.write(write).await
    }

    async fn receive(
        &self,
        queue: QueueName,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        let settings = &self.0.settings;
        let (now, most) = (settings.clock.now(), settings.max_receives.max(1));
        let write = move |tx: &WriteTx<'_>| {
            move_to_dlq(tx, queue, now, most)?;
            let hidden_until = add_delay(now, visibility.min(LONGEST_HIDING));
            receive_batch(tx.db, queue, max, now, hidden_until)
        };
        self.write(write).await
    }

    async fn delete(&self, queue: QueueName, receipt: &MessageReceipt) -> Result<(), QueueError> {
        let Some(id) = message_id(receipt) else {
            return Ok(());
        };
        let receipt = receipt.0.clone();
        let write = move |tx: &WriteTx<'_>| {
            let sql = "DELETE FROM message WHERE id = ?1 AND queue = ?2 AND receipt = ?3";
            let values = params![id, queue.as_str(), receipt];
            tx.db.prepare_cached(sql)?.execute(values)?;
            Ok::<_, SqliteFailure>(())
        };
        self.write(write).await
    }

    async fn release(
        &self,
        queue: QueueName,
        receipt: &MessageReceipt,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let Some(id) = message_id(receipt) else {
            return Ok(());
        };
        let receipt = receipt.0.clone();
        let visible_at = add_delay(self.0.settings.clock.now(), delay.min(LONGEST_HIDING));
        let write = move |tx: &WriteTx<'_>| {
            let sql = "UPDATE message SET visible_at = ?4 \
                       WHERE id = ?1 AND queue = ?2 AND receipt = ?3";
            let values = params![id, queue.as_str(), receipt, to_micros(visible_at)];
            if tx.db.prepare_cached(sql)?.execute(values)? > 0 {
                tx.wake_queue(queue);
            }
            Ok::<_, SqliteFailure>(())
        };
        self.write(write).await
    }
}

/// Makes the messages visible that another process had in flight: this one holds the lock, so that
/// process is gone. The receive counts stay.
pub(super) fn release_all(db: &Connection, now: Time) -> rusqlite::Result<()> {
    let sql = "UPDATE message SET visible_at = ?1 WHERE receipt IS NOT NULL AND visible_at > ?1";
    db.execute(sql, [to_micros(now)]).map(drop)
}

/// The ranges of `visible_at` in which a message is visible at `now`.
fn visible_times(now: Time) -> [(i64, i64); 2] {
    outside(now, add_delay(now, LONGEST_HIDING))
}

/// The message of a receipt.
fn message_id(receipt: &MessageReceipt) -> Option<i64> {
    receipt.0.split_once('-')?.0.parse().ok()
}

/// Moves messages that were received too often to the dead-letter queue, where the count starts anew.
fn move_to_dlq(tx: &WriteTx<'_>, queue: QueueName, now: Time, max_receives: u32) -> FileResult<()> {
    let Some(dlq) = queue.dead_letter_queue() else {
        return Ok(());
    };
    let sql = "UPDATE message SET queue = ?1, visible_at = ?3, receive_count = 0, receipt = NULL \
               WHERE queue = ?2 AND receive_count >= ?4 AND visible_at >= ?5 AND visible_at <= ?6";
    let mut update = tx.db.prepare_cached(sql)?;
    let (dlq_name, queue, now_micros) = (dlq.as_str(), queue.as_str(), to_micros(now));
    for (first, last) in visible_times(now) {
        let values = params![dlq_name, queue, now_micros, max_receives, first, last];
        if update.execute(values)? > 0 {
            tx.wake_queue(dlq);
        }
    }
    Ok(())
}

fn receive_batch(
    db: &Connection,
    queue: QueueName,
    max: usize,
    now: Time,
    hidden_until: Time,
) -> FileResult<Vec<ReceivedMessage>> {
    let sql = "SELECT id, body, receive_count FROM message \
               WHERE queue = ?1 AND visible_at >= ?2 AND visible_at <= ?3 \
               ORDER BY visible_at, id LIMIT ?4";
    let mut query = db.prepare_cached(sql)?;
    let mut found: Vec<(i64, String, u32)> = Vec::new();
    for (first, last) in visible_times(now) {
        let limit = i64::try_from(max - found.len()).unwrap_or(i64::MAX);
        let mut rows = query.query(params![queue.as_str(), first, last, limit])?;
        while let Some(row) = rows.next()? {
            let receive_count = row.get::<_, u32>(2)?.saturating_add(1);
            found.push((row.get(0)?, row.get(1)?, receive_count));
        }
    }
    let sql = "UPDATE message SET visible_at = ?2, receive_count = ?3, receipt = ?4 WHERE id = ?1";
    let mut hide = db.prepare_cached(sql)?;
    let mut received = Vec::with_capacity(found.len());
    for (id, body, receive_count) in found {
        let receipt = format!("{id}-{receive_count}");
        let values = params![id, to_micros(hidden_until), receive_count, receipt];
        hide.execute(values)?;
        received.push(ReceivedMessage {
            receipt: MessageReceipt(receipt),
            body: MessageBody::from_wire(body),
            receive_count,
            sender: None,
        });
    }
    Ok(received)
}
