//! Words that are commands elsewhere: they start nothing here, and are answered with what does it.

use strum::{EnumString, IntoStaticStr, VariantArray};

use super::normalize::fold;

/// A first word that is never a branch. A branch of that name needs `deploy` in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum ReservedWord {
    /// Give it up.
    Abort,
    /// Approve what waits for it.
    Approve,
    /// What is where.
    Board,
    /// Pass over the rules.
    BreakGlass,
    /// Figures of past deploys.
    Figures,
    /// Keep a target.
    Lock,
    /// What is locked.
    Locks,
    /// What CircleCI printed.
    Logs,
    /// The same once more.
    Redeploy,
    /// Refuse what waits for an approval.
    Reject,
    /// The same once more.
    Rerun,
    /// Back to what was there before.
    Rollback,
    /// Give it up.
    Stop,
    /// Start when the target is free.
    Wait,
    /// What is where.
    Where,
}

impl ReservedWord {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The reserved word that this is, in any case.
    pub(super) fn parse(word: &str) -> Option<Self> {
        fold(word).parse().ok()
    }
}
