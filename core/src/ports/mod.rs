//! The ports: the outside world as the handlers see it. No adapter lives here.
//!
//! Futures are declared `Send` so that one handler runs on a current-thread Lambda runtime and on
//! the one-machine runner alike.

mod chat;
mod ci;
mod listing;
mod queue;
mod secrets;
mod store;

pub use self::chat::{Chat, To};
pub use self::ci::{
    Ci, CiError, Finding, Look, Outcome, PipelineState, Search, Trigger, Workflow, WorkflowStatus,
};
pub use self::listing::{Filter, More, Page, People, Position, READS};
pub use self::queue::{Delivery, Lane, Queue, QueueError, Receipt, SendError};
pub use self::secrets::{SecretName, Secrets, SecretsError, Versions};
pub use self::store::{
    Commit, CommitError, Conflict, Due, Lock, LockChange, Repeated, Replies, Store, StoreError,
};
use crate::Time;

/// The time. The only clock there is.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Time;
}
