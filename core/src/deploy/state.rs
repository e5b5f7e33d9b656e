//! The states of a deploy, and their summary.

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// The state of a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[derive(strum::Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum DeployState {
    /// Accepted and stored; nothing has been sent to CircleCI.
    Requested,
    /// The intent to send the POST is stored; the POST may be under way.
    Triggering,
    /// CircleCI has created the pipeline.
    Triggered,
    /// A workflow of the pipeline exists.
    Running,
    /// Every run of the job's workflow is final, and the newest succeeded.
    Succeeded,
    /// The job's workflow failed, or a job that must run did not succeed.
    Failed,
    /// Canceled, before the trigger or at CircleCI after it.
    Canceled,
    /// The job's workflow did not run.
    NothingRan,
    /// The pipeline has errors.
    CiError,
    /// CircleCI refused or was not reached in time; certainly nothing was created.
    TriggerFailed,
    /// Not allowed, blocked or expired.
    Rejected,
    /// Whether the trigger worked is unknown; a person has to check.
    Unresolved,
    /// There is a pipeline, and CircleCI could not be read for too long to know its end.
    LostTrack,
}

impl DeployState {
    /// All states, in the order in which a deploy can pass through them.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.as_array().unwrap();

    /// Whether the state is an end, which never changes.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        !matches!(
            self,
            DeployState::Requested
                | DeployState::Triggering
                | DeployState::Triggered
                | DeployState::Running
        )
    }

    /// Reads a state in any case, with `-` or `_`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_uppercase().replace('-', "_");
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The outcome of the state.
    #[must_use]
    pub fn outcome(self) -> DeployOutcome {
        match self {
            DeployState::Requested
            | DeployState::Triggering
            | DeployState::Triggered
            | DeployState::Running => DeployOutcome::InProgress,
            DeployState::Succeeded => DeployOutcome::Succeeded,
            DeployState::Canceled => DeployOutcome::Canceled,
            DeployState::Rejected => DeployOutcome::Rejected,
            DeployState::Failed
            | DeployState::NothingRan
            | DeployState::CiError
            | DeployState::TriggerFailed
            | DeployState::Unresolved
            | DeployState::LostTrack => DeployOutcome::Failed,
        }
    }

    /// The state as the audit names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A summary of the states, for filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum DeployOutcome {
    /// It has not ended.
    InProgress,
    /// It succeeded.
    Succeeded,
    /// It failed, or its end is unknown.
    Failed,
    /// Somebody canceled it.
    Canceled,
    /// It was not allowed, blocked or expired.
    Rejected,
}

impl DeployOutcome {
    /// All outcomes.
    pub const ALL: [Self; Self::VARIANTS.len()] = *Self::VARIANTS.as_array().unwrap();

    /// The word that is typed and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
