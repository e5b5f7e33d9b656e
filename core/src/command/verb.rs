//! The commands by their words.

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use super::closest::closest_word;
use super::normalize::fold;

/// The commands, in the order in which help names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Verb {
    /// Start a job on a branch.
    Deploy,
    /// Show what `deploy` would do.
    Plan,
    /// Show one deploy, or what is in progress.
    Status,
    /// Show one deploy.
    Show,
    /// List deploys.
    History,
    /// List deploys waiting for a retry.
    Failed,
    /// Retry a deploy that did not start.
    Retry,
    /// Take a deploy out of the list of what waits for a retry.
    Dismiss,
    /// Cancel a deploy.
    Cancel,
    /// Free the lock of a target.
    Unlock,
    /// Show what can be typed.
    Help,
}

impl Verb {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The words of all commands.
    pub fn words() -> impl Iterator<Item = &'static str> {
        Self::VARIANTS.iter().map(|verb| verb.as_str())
    }

    /// The command of that word, in any case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match fold(word).as_str() {
            "?" => Some(Self::Help),
            word => word.parse().ok(),
        }
    }

    /// The command that a word may be a misspelling of; `None` for a command's own word.
    #[must_use]
    pub fn closest_verb(word: &str) -> Option<Self> {
        match Self::parse(word) {
            Some(_) => None,
            None => closest_word(word, Self::words()).and_then(Self::parse),
        }
    }
}
