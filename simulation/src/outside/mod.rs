//! The outside world in memory: CircleCI and Slack as the sandbox models them, with faults, and
//! the secrets. What they remember is what the invariants are checked against.

mod circleci;
mod observed;
mod outages;
mod script;
mod secrets;
mod slack;
mod truth;

pub use self::circleci::MemoryCircleCi;
pub use self::observed::{AnsweredPoll, ReadFault, ReadTry, ReceivedPost, TriggerFault};
pub use self::outages::{Dependency, Outages};
pub use self::script::ScriptedRun;
pub use self::secrets::{RotatingSecrets, WEBHOOK_SECRET};
pub(crate) use self::slack::mark_of;
pub use self::slack::{ChatFault, MemorySlack, SLACK_ORIGIN};
pub use self::truth::{PipelineTruth, RunEnd, RunTruth};
