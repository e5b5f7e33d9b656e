//! Calls as values: each call of a port is a typed request, and whoever can answer it performs it.
//!
//! A handler names the request that it needs next and is resumed with the answer. So a service
//! performs its requests at its adapters, a proof performs the same requests in a world of its own,
//! and what stands in between (a fault, a crash, a seeded bug) is one wrapper over all of them.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::{
    ActionCount, ActionRecord, ActionStore, ChatClient, CiClient, CiJob, CiReadError, Commit,
    CommitError, DeployFilter, DeployPage, DeployReader, DueItem, Ledger, LedgerError,
    LedgerPosition, LookupRequest, LookupResult, MessageQueue, MessageReceipt, NotificationStore,
    PollResult, PostTarget, ProjectFacts, ProjectNote, ProjectStore, QueueError, QueueName,
    ReceivedMessage, SecretError, SecretName, SecretReader, SecretVersions, SendError, TargetLock,
    TriggerOutcome, TriggerRequest,
};
use crate::Time;
use crate::config::ProjectSlug;
use crate::deploy::{CiPipeline, DeployRecord, Target};
use crate::id::{DeployId, PipelineId, QualifiedUser, RequestId, ShortId};
use crate::message::{MessageBody, NotifyMessage, WorkMessage};
use crate::notification::{NotificationRecord, PostResult, Undelivered};
use crate::posted::PostedMessage;
use crate::release::ReleaseHistory;
use crate::text::SlackMessage;

/// A call of a port, as a value.
pub trait Request: Clone + fmt::Debug + Send + Sync {
    /// What it is answered with.
    type Answer: Send;
    /// The name of the call.
    const NAME: &'static str;
}

/// Performs a request.
pub trait Perform<R: Request>: Send + Sync {
    /// Performs it once and returns the answer.
    fn perform(&self, request: R) -> impl Future<Output = R::Answer> + Send;
}

/// Declares requests that are answered by a method of a port.
macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident $body:tt => $port:ident.$method:ident($this:ident: $($arg:expr),*) -> $answer:ty;)*) => { $(
        requests!(@type $(#[$doc])* $name $body);
        requests!(@answer $name => $port.$method($this: $($arg),*) -> $answer);
    )* };
    (@type $(#[$doc:meta])* $name:ident ($ty:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name(pub $ty);
    };
    (@type $(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name { $($(#[$field_doc])* pub $field: $ty,)* }
    };
    // A value that the port declares itself.
    (@type $(#[$doc:meta])* $name:ident (=)) => {};
    (@answer $name:ident => $port:ident.$method:ident($this:ident: $($arg:expr),*) -> $answer:ty) => {
        impl Request for $name {
            type Answer = $answer;
            const NAME: &'static str = stringify!($method);
        }

        impl<P: $port> Perform<$name> for P {
            async fn perform(&self, $this: $name) -> $answer {
                self.$method($($arg),*).await
            }
        }
    };
}

requests! {
    /// Reads the record of a deploy.
    ReadDeploy(DeployId) => DeployReader.read_deploy(it: it.0) -> Result<Option<DeployRecord>, LedgerError>;
    /// Reads the lock of a target.
    ReadLock(Target) => DeployReader.read_lock(it: &it.0) -> Result<Option<TargetLock>, LedgerError>;
    /// Reads the release history of a target.
    ReadReleases(Target) => DeployReader.read_releases(it: &it.0) -> Result<ReleaseHistory, LedgerError>;
    /// Reads which deploy claimed a pipeline.
    ReadPipelineOwner(PipelineId) => Ledger.pipeline_owner(it: it.0) -> Result<Option<DeployId>, LedgerError>;
    /// Finds a deploy by its short id.
    FindByShortId(ShortId) => DeployReader.find_by_short_id(it: &it.0) -> Result<Option<DeployId>, LedgerError>;
    /// Reads what could not be delivered last about a deploy.
    ReadUndelivered(DeployId) => DeployReader.read_undelivered(it: it.0) -> Result<Option<Undelivered>, LedgerError>;
    /// Lists what could not be delivered, the oldest first.
    ListUndelivered {
        /// Only what was given up after this.
        since: Time,
        /// At most as many.
        limit: usize,
    } => DeployReader.list_undelivered(it: it.since, it.limit) -> Result<Vec<Undelivered>, LedgerError>;
    /// Finds the last deploy of a chain of retries by its first.
    FindLastRetry(DeployId) => DeployReader.find_last_retry(it: it.0) -> Result<Option<DeployId>, LedgerError>;
    /// Lists deploys, newest first.
    ListDeploys {
        /// Which.
        filter: DeployFilter,
        /// Only those older than this.
        before: Option<LedgerPosition>,
        /// At most as many.
        limit: usize,
    } => DeployReader.list_deploys(it: &it.filter, it.before, it.limit) -> Result<DeployPage, LedgerError>;
    /// Lists what is due, the longest due first.
    ListDue {
        /// The time.
        now: Time,
        /// At most as many.
        limit: usize,
    } => Ledger.list_due(it: it.now, it.limit) -> Result<Vec<DueItem>, LedgerError>;
    Commit(=) => Ledger.commit(it: it) -> Result<(), CommitError>;

    /// Reads what became of an action.
    ReadAction(RequestId) => ActionStore.read_action(it: it.0) -> Result<Option<ActionRecord>, LedgerError>;
    /// Records what became of an action that has changed no deploy.
    RecordAction(ActionRecord) => ActionStore.record_action(it: it.0) -> Result<(), LedgerError>;
    /// Counts one more action of a user.
    CountAction {
        /// Who.
        user: QualifiedUser,
        /// When.
        now: Time,
    } => ActionStore.count_action(it: &it.user, it.now) -> Result<ActionCount, LedgerError>;

    /// Reads what is known of a project.
    ReadProject(ProjectSlug) => ProjectStore.read_project(it: &it.0) -> Result<ProjectFacts, LedgerError>;
    /// Notes something of a project.
    NoteProject {
        /// The project.
        slug: ProjectSlug,
        /// What.
        note: ProjectNote,
    } => ProjectStore.note_project(it: &it.slug, it.note) -> Result<(), LedgerError>;

    /// Reads the notification record of a deploy.
    ReadNotification(DeployId) => NotificationStore.read_notification(it: it.0) -> Result<Option<NotificationRecord>, LedgerError>;
    /// Writes a notification record over its previous version.
    SaveNotification(NotificationRecord) => NotificationStore.save_notification(it: it.0) -> Result<(), CommitError>;

    TriggerRequest(=) => CiClient.trigger(it: &it) -> TriggerOutcome;
    LookupRequest(=) => CiClient.look_up(it: &it) -> Result<LookupResult, CiReadError>;
    /// Reads how a run is doing.
    PollRequest {
        /// The project.
        slug: ProjectSlug,
        /// The pipeline or build.
        run: CiPipeline,
        /// Whether the pipeline is read besides its workflows.
        details: bool,
    } => CiClient.poll(it: &it.slug, &it.run, it.details) -> Result<PollResult, CiReadError>;
    /// Reads the jobs of a workflow.
    ListJobs {
        /// The pipeline or build.
        run: CiPipeline,
        /// The workflow's id.
        workflow: String,
    } => CiClient.list_jobs(it: &it.run, &it.workflow) -> Result<Vec<CiJob>, CiReadError>;
    /// Asks CircleCI to cancel a workflow or a build.
    CancelWorkflow {
        /// The project.
        slug: ProjectSlug,
        /// The pipeline or build.
        run: CiPipeline,
        /// The workflow's id.
        workflow: String,
    } => CiClient.cancel(it: &it.slug, &it.run, &it.workflow) -> Result<(), CiReadError>;

    /// Posts to Slack, once.
    PostMessage {
        /// Where.
        to: PostTarget,
        /// What.
        message: SlackMessage,
    } => ChatClient.post(it: &it.to, &it.message) -> PostResult;
    /// Deletes a message of the bot, once.
    DeletePosted(PostedMessage) => ChatClient.delete(it: &it.0) -> PostResult;
    /// Asks whether there is a bot.
    FindBot {} => ChatClient.has_bot(_it:) -> Result<bool, SecretError>;
    /// Reads the bot's token anew.
    RenewToken {} => ChatClient.renew_token(_it:) -> ();

    /// Reads a secret.
    GetSecret(SecretName) => SecretReader.get(it: it.0) -> Result<SecretVersions, SecretError>;
    /// Reads a secret anew, for the next [`GetSecret`].
    RefreshSecret(SecretName) => SecretReader.refresh(it: it.0) -> Result<(), SecretError>;

    /// Receives messages and hides them from others.
    ReceiveMessages {
        /// From where.
        queue: QueueName,
        /// At most as many.
        limit: usize,
        /// For how long they are hidden.
        visibility: Duration,
    } => MessageQueue.receive(it: it.queue, it.limit, it.visibility) -> Result<Vec<ReceivedMessage>, QueueError>;
    /// Deletes a received message.
    DeleteMessage {
        /// Its queue.
        queue: QueueName,
        /// Its receipt.
        receipt: MessageReceipt,
    } => MessageQueue.delete(it: it.queue, &it.receipt) -> Result<(), QueueError>;
    /// Makes a received message visible again.
    ReleaseMessage {
        /// Its queue.
        queue: QueueName,
        /// Its receipt.
        receipt: MessageReceipt,
        /// After this time.
        delay: Duration,
    } => MessageQueue.release(it: it.queue, &it.receipt, it.delay) -> Result<(), QueueError>;
}

/// A message and the queue it belongs to.
#[derive(Debug, Clone)]
pub enum OutgoingMessage {
    /// For the worker.
    Work(WorkMessage),
    /// The wake-up of a deploy that is not triggered yet. It repeats a command's trigger, so it waits
    /// behind no polls.
    TriggerWakeUp(DeployId),
    /// The retry ticket of a deploy, for the dead-letter queue.
    RetryTicket(DeployId),
    /// For the notifier.
    Notify(NotifyMessage),
}

impl OutgoingMessage {
    /// The queue.
    #[must_use]
    pub fn queue(&self) -> QueueName {
        match self {
            Self::Work(message) => message.queue(),
            Self::TriggerWakeUp(_) => QueueName::Work,
            Self::RetryTicket(_) => QueueName::WorkDlq,
            Self::Notify(_) => QueueName::Notify,
        }
    }

    /// The message as it is sent.
    pub fn encode(&self) -> Result<MessageBody, serde_json::Error> {
        match self {
            Self::Work(message) => MessageBody::encode(message),
            Self::TriggerWakeUp(deploy) => {
                MessageBody::encode(&WorkMessage::Poll { deploy: *deploy })
            }
            Self::RetryTicket(deploy) => {
                MessageBody::encode(&WorkMessage::Retry { deploy: *deploy })
            }
            Self::Notify(message) => MessageBody::encode(message),
        }
    }
}

/// Sends a message.
#[derive(Debug, Clone)]
pub struct SendMessage {
    /// What.
    pub message: OutgoingMessage,
    /// When it becomes visible, from now.
    pub delay: Duration,
}

impl SendMessage {
    /// A message that is visible at once.
    #[must_use]
    pub fn now(message: OutgoingMessage) -> Self {
        Self {
            message,
            delay: Duration::ZERO,
        }
    }
}

impl Request for SendMessage {
    type Answer = Result<(), SendError>;
    const NAME: &'static str = "send";
}

impl<P: MessageQueue> Perform<SendMessage> for P {
    async fn perform(&self, send: SendMessage) -> Result<(), SendError> {
        let body = send.message.encode();
        let body = body.map_err(|error| SendError::not_sent(error.to_string()))?;
        self.send(send.message.queue(), &body, send.delay).await
    }
}

/// The adapters of one service. A service leaves out what it does not use.
#[derive(Debug)]
pub struct Ports<Ledger = (), Queue = (), Vendor = (), Secrets = ()> {
    /// The ledger.
    pub ledger: Ledger,
    /// The queues.
    pub queue: Queue,
    /// CircleCI or Slack.
    pub vendor: Vendor,
    /// The secrets.
    pub secrets: Secrets,
}

/// Passes requests on to the adapter that answers them.
macro_rules! passes_on {
    ($($field:ident of $adapter:ident: $($request:ty),*;)*) => { $($(
        impl<Ledger, Queue, Vendor, Secrets> Perform<$request> for Ports<Ledger, Queue, Vendor, Secrets>
        where
            Self: Send + Sync,
            $adapter: Perform<$request>,
        {
            async fn perform(&self, request: $request) -> <$request as Request>::Answer {
                self.$field.perform(request).await
            }
        }
    )*)* };
}

passes_on! {
    ledger of Ledger: ReadDeploy, ReadLock, ReadReleases, ReadPipelineOwner, FindByShortId, FindLastRetry, ListDeploys, ListDue, Commit,
        ReadUndelivered, ListUndelivered, ReadAction, RecordAction, CountAction, ReadProject, NoteProject, ReadNotification, SaveNotification;
    queue of Queue: SendMessage, ReceiveMessages, DeleteMessage, ReleaseMessage;
    vendor of Vendor: TriggerRequest, LookupRequest, PollRequest, ListJobs, CancelWorkflow, PostMessage, DeletePosted, FindBot,
        RenewToken;
    secrets of Secrets: GetSecret, RefreshSecret;
}

/// Names a set of requests, so that a service states what it needs in one word.
macro_rules! port_set {
    ($(#[$doc:meta])* $name:ident: $first:ty $(, $more:ty)*) => {
        $(#[$doc])*
        pub trait $name: Perform<$first> $(+ Perform<$more>)* {}

        impl<P> $name for P where P: Perform<$first> $(+ Perform<$more>)* {}
    };
}

port_set!(
    /// What ingest needs: to queue one message and to read the secrets that requests are signed with.
    IngestPorts: SendMessage, GetSecret, RefreshSecret
);
port_set!(
    /// What the worker needs: the ledger, the queues, CircleCI and its token.
    WorkerPorts: ReadDeploy, ReadLock, ReadReleases, ReadPipelineOwner, FindByShortId, FindLastRetry, ListDeploys, ListDue, Commit,
    ReadUndelivered, ListUndelivered, ReadAction, RecordAction, CountAction, ReadProject, NoteProject,
    SendMessage, ReceiveMessages, DeleteMessage, ReleaseMessage,
    TriggerRequest, LookupRequest, PollRequest, ListJobs, CancelWorkflow, RefreshSecret
);
port_set!(
    /// What the notifier needs: deploys to read, notification records, a queue and Slack.
    NotifierPorts: ReadDeploy, ReadNotification, SaveNotification, SendMessage, PostMessage, DeletePosted, FindBot, RenewToken
);
