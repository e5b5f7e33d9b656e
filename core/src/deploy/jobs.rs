//! How far the jobs of a run are.

use serde::{Deserialize, Serialize};

use crate::Time;

/// The jobs of the workflows that decide, as they were last seen. Approvals are none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    /// How many have ended, however.
    pub done: usize,
    /// How many there are, with those that are blocked or skipped.
    pub total: usize,
    /// Some that run or are queued.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<String>,
    /// Some that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// When they were read.
    pub read_at: Time,
}

impl JobProgress {
    /// Nothing is known yet.
    #[must_use]
    pub fn none(read_at: Time) -> Self {
        Self {
            done: 0,
            total: 0,
            running: vec![],
            failed: vec![],
            read_at,
        }
    }
}
