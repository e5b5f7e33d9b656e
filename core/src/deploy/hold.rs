//! What of a deploy was seen waiting for an approval at CircleCI.

use serde::{Deserialize, Serialize};

/// An approval that a run waits for, or has waited for. Each is told once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// CircleCI's id of the workflow's run; a rerun has another.
    pub workflow: String,
    /// The approval job; `None` while the jobs could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Whether it still waited at the latest look.
    pub waits: bool,
}
