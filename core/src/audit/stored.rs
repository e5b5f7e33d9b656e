//! A deploy's audit as it is stored, unverified: it may be forged. Only `chatops audit verify` reads it.

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
