//! The commands by their words.

use serde::{Deserialize, Serialize};

use super::near::near;

/// The commands' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Start a job on a branch.
    Deploy,
    /// Say what `deploy` would do.
    Plan,
    /// One deploy, or what is open now.
    Status,
    /// What was deployed.
    History,
    /// What was not started and waits for somebody.
    Failed,
    /// Try a deploy again.
    Retry,
    /// Cancel a deploy.
    Cancel,
    /// Say what can be typed.
    Help,
}

impl Verb {
    /// All of them, in the order in which help names them.
    pub const ALL: [Verb; 8] = [
        Verb::Deploy,
        Verb::Plan,
        Verb::Status,
        Verb::History,
        Verb::Failed,
        Verb::Retry,
        Verb::Cancel,
        Verb::Help,
    ];

    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verb::Deploy => "deploy",
            Verb::Plan => "plan",
            Verb::Status => "status",
            Verb::History => "history",
            Verb::Failed => "failed",
            Verb::Retry => "retry",
            Verb::Cancel => "cancel",
            Verb::Help => "help",
        }
    }

    /// The command of that very word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.word() == word)
    }

    /// The command that a word is a slip of; `None` for a command's own word.
    #[must_use]
    pub fn near(word: &str) -> Option<Self> {
        if Self::parse(word).is_some() {
            return None;
        }
        near(word, Self::ALL.map(Verb::word)).and_then(Self::parse)
    }
}
