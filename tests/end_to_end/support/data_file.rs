//! The data file, read by a connection of our own beside the server, and whether its rows fit together.

use std::collections::BTreeMap;
use std::path::Path;

use chatops_core::audit::{self, AuditEvent, EventHash};
use chatops_core::deploy::DeployRecord;
use chatops_core::id::DeployId;
use chatops_core::notification::NotificationRecord;
use rusqlite::{Connection, OpenFlags, Row};

use super::waiting::WAIT_TIMEOUT;
use super::world::ServeWorld;

impl ServeWorld {
    /// A connection of our own to the data file.
    pub(crate) fn open_data(&self) -> Connection {
        let connection = Connection::open(self.data()).unwrap();
        connection.busy_timeout(WAIT_TIMEOUT).unwrap();
        connection
    }

    /// What is in the data file.
    pub(crate) fn records(&self) -> DataFileRows {
        DataFileRows::read(&self.data())
    }
}

/// The data file's rows, read by a connection of our own.
#[derive(Debug)]
pub(crate) struct DataFileRows {
    pub(crate) records: BTreeMap<DeployId, DeployRecord>,
    events: BTreeMap<DeployId, Vec<AuditEvent>>,
    pub(crate) notifications: BTreeMap<DeployId, NotificationRecord>,
    /// Queue and body of every message.
    pub(crate) messages: Vec<(String, String)>,
    /// The deploy of every lock, and whether the lock expires.
    pub(crate) locks: Vec<(DeployId, bool)>,
}

impl DataFileRows {
    pub(super) fn read(path: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let mut connection = Connection::open_with_flags(path, flags).unwrap();
        connection.busy_timeout(WAIT_TIMEOUT).unwrap();
        // One transaction, so that the tables fit together.
        let tx = connection.transaction().unwrap();
        let records = rows(&tx, "SELECT body, state FROM deploy", |row| {
            let record: DeployRecord = json(row, 0);
            assert_eq!(text(row, 1), record.state.as_str());
            (record.id, record)
        });
        let mut events: BTreeMap<DeployId, Vec<AuditEvent>> = BTreeMap::new();
        let sql = "SELECT deploy, n, body, hash FROM event ORDER BY deploy, n";
        for event in rows(&tx, sql, event) {
            events.entry(event.deploy).or_default().push(event);
        }
        let notifications = rows(&tx, "SELECT body FROM notification", |row| {
            let notification: NotificationRecord = json(row, 0);
            (notification.deploy, notification)
        });
        let messages = rows(&tx, "SELECT queue, body FROM message", |row| {
            (text(row, 0), text(row, 1))
        });
        let locks = rows(&tx, "SELECT deploy, until IS NOT NULL FROM lock", |row| {
            (id(row, 0), row.get(1).unwrap())
        });
        Self {
            records: records.into_iter().collect(),
            events,
            notifications: notifications.into_iter().collect(),
            messages,
            locks,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        let (mut records, mut notifications) = (self.records.values(), self.notifications.values());
        self.messages.is_empty()
            && records.all(|record| record.state.is_terminal())
            && notifications.all(|notification| notification.final_status.is_settled())
    }

    /// Every deploy's audit is verified: numbered, chained, and as long as its record says.
    pub(crate) fn verify(&self) {
        for (id, record) in &self.records {
            let events = self.events.get(id).map_or(&[][..], Vec::as_slice);
            assert_eq!(events.len() as u64, record.events, "{id}");
            audit::verify_chain(*id, events, record.last_hash).unwrap();
            let is_end = |event: &&AuditEvent| event.body.contains(r#""kind":"ended""#);
            let ends = events.iter().filter(is_end).count();
            assert_eq!(ends, usize::from(record.state.is_terminal()), "{id}");
        }
        assert!(self.events.keys().all(|id| self.records.contains_key(id)));
    }

    /// The audit's text of one deploy.
    pub(crate) fn audit(&self, id: DeployId) -> String {
        let bodies: Vec<&str> = self.events[&id].iter().map(|e| e.body.as_str()).collect();
        bodies.join("\n")
    }

    /// The deploy that retries this one.
    pub(crate) fn retry_of(&self, deploy: DeployId) -> Option<&DeployRecord> {
        let mut retries = self.records.values().filter(|r| r.retry_of == Some(deploy));
        let retry = retries.next();
        assert!(retries.next().is_none(), "{deploy} has two retries");
        retry
    }

    /// How many actions wait for the worker. A wake-up that is not due yet may wait beside them.
    pub(crate) fn action_count(&self) -> usize {
        let for_worker = ["work", "operators"];
        let action = |(queue, body): &&(String, String)| {
            for_worker.contains(&queue.as_str()) && body.contains("action.v1")
        };
        self.messages.iter().filter(action).count()
    }

    /// The one deploy there is.
    pub(crate) fn only_record(&self) -> &DeployRecord {
        assert_eq!(self.records.len(), 1, "{:#?}", self.records);
        self.records.values().next().unwrap()
    }
}

fn event(row: &Row<'_>) -> AuditEvent {
    AuditEvent {
        deploy: id(row, 0),
        n: row.get::<_, u32>(1).unwrap().into(),
        body: text(row, 2),
        hash: EventHash::parse(&text(row, 3)).unwrap(),
    }
}

fn rows<T>(connection: &Connection, sql: &str, read: impl Fn(&Row<'_>) -> T) -> Vec<T> {
    let mut query = connection.prepare(sql).unwrap();
    let rows = query.query_map([], |row| Ok(read(row))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn text(row: &Row<'_>, column: usize) -> String {
    row.get(column).unwrap()
}

fn id(row: &Row<'_>, column: usize) -> DeployId {
    DeployId::parse(&text(row, column)).unwrap()
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> T {
    serde_json::from_str(&text(row, column)).unwrap()
}
