//! The queues in the file.
//!
//! A receipt is the message's number and how often it has been received in its lane; numbers are
//! never used twice, so a void receipt can never fit another message.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::message::Body;
use chatops_core::ports::{Delivery, Lane, Queue, QueueError, Receipt, SendError};
use rusqlite::{Connection, params};

use super::Sqlite;
use super::failure::Failure;
use super::schema::{later, micros, moment};
use super::threads::Tx;

/// The longest delay; what asks for more comes early.
const LONGEST_DELAY: Duration = Duration::from_mins(15);

impl Sqlite {
    /// When the first message of a lane can be received; in the past if one can be now.
    pub async fn next_visible(&self, lane: Lane) -> Result<Option<Time>, QueueError> {
        let read = move |connection: &Connection| {
            let sql = "SELECT min(visible_at) FROM message WHERE lane = ?1";
            let mut query = connection.prepare_cached(sql)?;
            let first: Option<i64> = query.query_row([lane.name()], |row| row.get(0))?;
            Ok::<_, Failure>(first.map(moment))
        };
        Ok(self.0.threads.read(read).await?)
    }
}

impl Queue for Sqlite {
    async fn send(&self, lane: Lane, body: &Body, delay: Duration) -> Result<(), SendError> {
        let now = self.0.settings.clock.now();
        let visible_at = later(now, delay.min(LONGEST_DELAY));
        let body = body.clone();
        let write = move |tx: &Tx<'_>| {
            let sql = "INSERT INTO message (lane, body, visible_at, sent_at, receives) \
                       VALUES (?1, ?2, ?3, ?4, 0)";
            let values = params![lane.name(), body.as_wire(), micros(visible_at), micros(now)];
            tx.connection.prepare_cached(sql)?.execute(values)?;
            tx.wake(lane);
            Ok::<_, Failure>(())
        };
        Ok(self.0.threads.write(write).await?)
    }

    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let (now, most) = (
            self.0.settings.clock.now(),
            self.0.settings.max_receives.max(1),
        );
        let write = move |tx: &Tx<'_>| {
            bury(tx, lane, now, most)?;
            receive(tx.connection, lane, max, now, later(now, visibility))
        };
        Ok(self.0.threads.write(write).await?)
    }

    async fn delete(&self, lane: Lane, receipt: &Receipt) -> Result<(), QueueError> {
        let Some(id) = number(receipt) else {
            return Ok(());
        };
        let receipt = receipt.0.clone();
        let write = move |tx: &Tx<'_>| {
            let sql = "DELETE FROM message WHERE id = ?1 AND lane = ?2 AND receipt = ?3";
            let values = params![id, lane.name(), receipt];
            tx.connection.prepare_cached(sql)?.execute(values)?;
            Ok::<_, Failure>(())
        };
        Ok(self.0.threads.write(write).await?)
    }

    async fn release(
        &self,
        lane: Lane,
        receipt: &Receipt,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let Some(id) = number(receipt) else {
            return Ok(());
        };
        let receipt = receipt.0.clone();
        let visible_at = later(self.0.settings.clock.now(), delay);
        let write = move |tx: &Tx<'_>| {
            let sql = "UPDATE message SET visible_at = ?4 \
                       WHERE id = ?1 AND lane = ?2 AND receipt = ?3";
            let values = params![id, lane.name(), receipt, micros(visible_at)];
            if tx.connection.prepare_cached(sql)?.execute(values)? > 0 {
                tx.wake(lane);
            }
            Ok::<_, Failure>(())
        };
        Ok(self.0.threads.write(write).await?)
    }
}

/// Makes visible what another process had in hand: nobody else has the file, so that process is
/// gone. How often a message was received stays counted.
pub(super) fn give_back(connection: &Connection, now: Time) -> rusqlite::Result<()> {
    let sql = "UPDATE message SET visible_at = ?1 WHERE receipt IS NOT NULL AND visible_at > ?1";
    connection.execute(sql, [micros(now)]).map(drop)
}

/// The message a receipt is about.
fn number(receipt: &Receipt) -> Option<i64> {
    receipt.0.split_once('-')?.0.parse().ok()
}

/// Moves what was received too often to the dead lane, where it is counted afresh.
fn bury(tx: &Tx<'_>, lane: Lane, now: Time, max_receives: u32) -> Result<(), Failure> {
    let Some(dead) = lane.dead() else {
        return Ok(());
    };
    let sql = "UPDATE message SET lane = ?1, visible_at = ?3, receives = 0, receipt = NULL \
               WHERE lane = ?2 AND visible_at <= ?3 AND receives >= ?4";
    let values = params![dead.name(), lane.name(), micros(now), max_receives];
    if tx.connection.prepare_cached(sql)?.execute(values)? > 0 {
        tx.wake(dead);
    }
    Ok(())
}

fn receive(
    connection: &Connection,
    lane: Lane,
    max: usize,
    now: Time,
    hidden_until: Time,
) -> Result<Vec<Delivery>, Failure> {
    let sql = "SELECT id, body, receives FROM message WHERE lane = ?1 AND visible_at <= ?2 \
               ORDER BY visible_at, id LIMIT ?3";
    let mut query = connection.prepare_cached(sql)?;
    let limit = i64::try_from(max).unwrap_or(i64::MAX);
    let rows = query.query_map(params![lane.name(), micros(now), limit], |row| {
        let receives = row.get::<_, u32>(2)?.saturating_add(1);
        Ok((row.get::<_, i64>(0)?, row.get(1)?, receives))
    })?;
    let found: Vec<(i64, String, u32)> = rows.collect::<Result<_, _>>()?;
    let sql = "UPDATE message SET visible_at = ?2, receives = ?3, receipt = ?4 WHERE id = ?1";
    let mut hide = connection.prepare_cached(sql)?;
    let mut deliveries = Vec::with_capacity(found.len());
    for (id, body, receives) in found {
        let receipt = format!("{id}-{receives}");
        hide.execute(params![id, micros(hidden_until), receives, receipt])?;
        let body = Body::from_wire(body);
        deliveries.push(Delivery {
            receipt: Receipt(receipt),
            body,
            receives,
        });
    }
    Ok(deliveries)
}
