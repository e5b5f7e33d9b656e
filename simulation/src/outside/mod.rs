//! The outside world in memory: CircleCI and Slack as the sandbox models them, with faults, and
//! the secrets. What they remember is what the invariants are checked against.

mod circleci;
mod secrets;
mod seen;
mod slack;

pub use self::circleci::CircleCi;
pub use self::secrets::{RotatingSecrets, WEBHOOK};
pub use self::seen::{Looked, Posted, ReadFault, TriggerFault};
pub use self::slack::{ChatFault, ORIGIN, Slack};
