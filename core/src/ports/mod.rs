//! The ports: the traits through which the handlers use external services.
//!
//! Futures are declared `Send` so that one handler runs on a current-thread Lambda runtime and on
//! the one-machine runner alike.

mod action;
mod chat;
mod ci;
mod error;
mod listing;
mod project;
mod queue;
mod request;
mod secrets;
mod store;

pub use self::action::{ACTION_WINDOW, ActionCount, ActionOutcome, ActionRecord, ActionStore};
pub use self::chat::{ChatClient, PostTarget};
pub use self::ci::{
    CiClient, CiJob, CiReadError, CiWorkflow, JobStatus, LookupRequest, LookupResult,
    PipelineDetails, PipelineError, PipelineErrorKind, PipelineState, PollResult, TriggerOutcome,
    TriggerRequest, WorkflowStatus,
};
pub use self::error::{LedgerError, PortErrorKind, QueueError, SecretError, SendError};
pub use self::listing::{
    DeployFilter, DeployPage, LedgerPosition, PAGE_READ_LIMIT, PageEnd, RequesterFilter,
};
pub use self::project::{MAX_ASKED_PAUSE, ProjectFacts, ProjectNote, ProjectStore};
pub use self::queue::{
    LONGEST_HIDING, MAX_RECEIVES, MessageQueue, MessageReceipt, QueueName, ReceivedMessage,
    SenderId, redelivery_pause,
};
pub use self::request::{
    CancelWorkflow, CountAction, DeleteMessage, DeletePosted, FindBot, FindByShortId,
    FindLastRetry, GetSecret, IngestPorts, ListDeploys, ListDue, ListJobs, ListUndelivered,
    NoteProject, NotifierPorts, OutgoingMessage, Perform, PollRequest, Ports, PostMessage,
    ReadAction, ReadDeploy, ReadLock, ReadNotification, ReadPipelineOwner, ReadProject,
    ReadReleases, ReadUndelivered, ReceiveMessages, RecordAction, RefreshSecret, ReleaseMessage,
    RenewToken, Request, SaveNotification, SendMessage, WorkerPorts,
};
pub use self::secrets::{SecretName, SecretReader, SecretVersions};
pub use self::store::{
    Commit, CommitError, Conflict, DeployReader, DueItem, Ledger, LockChange, NotificationStore,
    RetriedDeploy, TargetLock,
};
use crate::Time;

/// The clock.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> Time;
}
