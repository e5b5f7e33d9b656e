//! A deploy's audit as a store has it, before anybody has looked whether it is worth anything. What is
//! read here may be forged: only `chatops audit verify` wants it.

/// One deploy's record and events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChain {
    /// The deploy, by the key that it is filed under.
    pub deploy: String,
    /// Its record; `None` if there is none.
    pub record: Option<String>,
    /// Its events, in the order of their numbers.
    pub events: Vec<StoredEvent>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its number; -1 if it is filed under another.
    pub n: i64,
    /// Its text.
    pub body: String,
    /// Its hash.
    pub hash: String,
}
