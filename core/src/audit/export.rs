//! An export of deploys: lines of JSON that verify themselves.
//!
//! The first line is an [`ExportHeader`], then comes one [`ExportedDeploy`] per line, and the last line is an
//! [`ExportFooter`] with the SHA-256 of everything before it. An export holds records and events as they are
//! stored, so no secret: response URLs are in neither.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stored::{StoredChain, StoredEvent};
use crate::Time;

/// The version of the format.
pub const EXPORT_VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportHeader {
    /// The version of the format; its name says what the file is.
    pub chatops_audit_export: u32,
    /// When the export began.
    pub exported_at: Time,
    /// Only deploys that were requested from then on.
    pub since: Option<Time>,
    /// Only deploys that were requested earlier.
    pub before: Option<Time>,
}

/// One deploy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportedDeploy {
    /// Its id.
    pub deploy: String,
    /// Its record as it was stored.
    pub record: Value,
    /// Its events in order.
    pub events: Vec<ExportedEvent>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedEvent {
    /// Its number, from 1.
    pub n: i64,
    /// The SHA-256 of `body`.
    pub hash: String,
    /// The exact text that was hashed, which is JSON.
    pub body: String,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportFooter {
    /// What came before.
    pub end: ExportEnd,
}

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportEnd {
    /// How many deploys.
    pub deploys: u64,
    /// How many events.
    pub events: u64,
    /// The SHA-256 of all bytes before this line, in hexadecimal.
    pub sha256: String,
}

impl ExportedDeploy {
    /// A deploy as it is stored; `None` if it has no record that is JSON.
    #[must_use]
    pub fn of(chain: &StoredChain) -> Option<Self> {
        let record = serde_json::from_str(chain.record.as_deref()?).ok()?;
        let event = |event: &StoredEvent| ExportedEvent {
            n: event.n,
            hash: event.hash.clone(),
            body: event.body.clone(),
        };
        Some(Self {
            deploy: chain.deploy.clone(),
            record,
            events: chain.events.iter().map(event).collect(),
        })
    }

    /// The deploy as it was stored.
    #[must_use]
    pub fn into_chain(self) -> StoredChain {
        let event = |event: ExportedEvent| StoredEvent {
            n: event.n,
            body: event.body,
            hash: event.hash,
        };
        StoredChain {
            deploy: self.deploy,
            record: Some(self.record.to_string()),
            events: self.events.into_iter().map(event).collect(),
        }
    }
}
