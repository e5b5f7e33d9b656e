//! The outside world in memory: CircleCI and Slack as the sandbox models them, with faults, and
//! the secrets. What they remember is what the invariants are checked against.

mod circleci;
mod secrets;
mod slack;

pub use self::circleci::{CircleCi, Posted, ReadFault, TriggerFault};
pub use self::secrets::{RotatingSecrets, WEBHOOK};
pub use self::slack::{ChatFault, ORIGIN, Slack};
