//! A deploy's audit as it is stored, unverified: it may be forged. Only `chatops audit` reads it.

use super::finding::Finding;

/// The record and the events of one deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChain {
    /// The key of the deploy.
    pub deploy: String,
    /// Its record; `None` if there is none.
    pub record: Option<String>,
    /// Its events, ordered by number.
    pub events: Vec<StoredEvent>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its number; -1 if its key has another.
    pub n: i64,
    /// Its text.
    pub body: String,
    /// Its hash.
    pub hash: String,
}

/// What is left of a deploy that was pruned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunedMark {
    /// How many events it had.
    pub events: u64,
    /// The hash of the last one.
    pub last_hash: String,
    /// The SHA-256 of the export that has it.
    pub export: String,
}

/// What a ledger has of an event that a log names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventOnRecord {
    /// Its hash as stored.
    Hash(String),
    /// Its deploy was pruned.
    Pruned(PrunedMark),
    /// Nothing.
    Missing,
}

/// What was examined in one step, and what was found.
#[derive(Debug, Clone, Default)]
pub struct ExaminedPart {
    /// How many deploys.
    pub deploys: u64,
    /// How many events they have.
    pub events: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<String>,
}
