//! The product's decisions, unless a test makes one of them wrong to see that the model notices; and the
//! bug that its runs have.

use std::fmt;

use chatops_core::deploy::DeployRecord;
use chatops_core::deploy::decide::{self, RetryCause};
use chatops_core::ports::Commit;

use super::clock::now;
use super::config::MODEL_CONFIG;
use crate::seeded::SeededBug;

/// What is the product's, and what a test makes of it.
#[derive(Clone, Copy)]
pub struct DecisionRules {
    /// The bug of every run.
    pub bug: Option<SeededBug>,
    /// What a retry sees of the deploy that it retries.
    pub alter_retried: fn(&mut DeployRecord, RetryCause<'_>),
    /// What it writes.
    pub alter_retry: fn(&DeployRecord, RetryCause<'_>, &mut Commit),
    /// [`decide::is_ticket_obsolete`].
    pub is_ticket_obsolete: fn(&DeployRecord) -> bool,
}

impl fmt::Debug for DecisionRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionRules").finish_non_exhaustive()
    }
}

/// The product's own decisions.
pub const PRODUCT_RULES: DecisionRules = DecisionRules {
    bug: None,
    alter_retried: |_, _| {},
    alter_retry: |_, _, _| {},
    is_ticket_obsolete: |old| decide::is_ticket_obsolete(old, now(), &MODEL_CONFIG),
};
