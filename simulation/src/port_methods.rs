//! The signatures of the ports' methods, once, for the decorators: [`port_methods!`] implements
//! methods by their names, each through a macro that says what the decorator does around the call.

/// `port_methods!(how: name, name)` implements these methods by `how!(name(argument: Type) -> Type)`.
macro_rules! port_methods {
    ($how:ident: $($name:ident),*) => { $($crate::port_methods::port_method! { $how $name })* };
}

/// Implements a method that only calls the port.
macro_rules! forward {
    ($name:ident($($arg:ident: $ty:ty),*) -> $out:ty) => {
        async fn $name(&self, $($arg: $ty),*) -> $out {
            self.port.$name($($arg),*).await
        }
    };
}

#[rustfmt::skip]
macro_rules! port_method {
    ($h:ident read_deploy) => { $h!(read_deploy(id: DeployId) -> Result<Option<DeployRecord>, LedgerError>); };
    ($h:ident read_events) => { $h!(read_events(id: DeployId) -> Result<Vec<AuditEvent>, LedgerError>); };
    ($h:ident read_lock) => { $h!(read_lock(target: &Target) -> Result<Option<TargetLock>, LedgerError>); };
    ($h:ident pipeline_owner) => { $h!(pipeline_owner(id: PipelineId) -> Result<Option<DeployId>, LedgerError>); };
    ($h:ident find_by_short_id) => { $h!(find_by_short_id(short: &ShortId) -> Result<Option<DeployId>, LedgerError>); };
    ($h:ident commit) => { $h!(commit(commit: Commit) -> Result<(), CommitError>); };
    ($h:ident list_deploys) => {
        $h!(list_deploys(filter: &DeployFilter, before: Option<LedgerPosition>, limit: usize) -> Result<DeployPage, LedgerError>);
    };
    ($h:ident list_due) => { $h!(list_due(now: Time, limit: usize) -> Result<Vec<DueItem>, LedgerError>); };
    ($h:ident read_notified_deploy) => { $h!(read_notified_deploy(id: DeployId) -> Result<Option<DeployRecord>, LedgerError>); };
    ($h:ident read_notification) => { $h!(read_notification(id: DeployId) -> Result<Option<NotificationRecord>, LedgerError>); };
    ($h:ident save_notification) => { $h!(save_notification(record: NotificationRecord) -> Result<(), CommitError>); };
    ($h:ident send) => { $h!(send(queue: QueueName, body: &MessageBody, delay: Duration) -> Result<(), SendError>); };
    ($h:ident receive) => { $h!(receive(queue: QueueName, max: usize, visibility: Duration) -> Result<Vec<ReceivedMessage>, QueueError>); };
    ($h:ident delete) => { $h!(delete(queue: QueueName, receipt: &MessageReceipt) -> Result<(), QueueError>); };
    ($h:ident release) => { $h!(release(queue: QueueName, receipt: &MessageReceipt, delay: Duration) -> Result<(), QueueError>); };
    ($h:ident look_up) => { $h!(look_up(lookup: &LookupRequest) -> Result<LookupResult, CiReadError>); };
    ($h:ident poll) => { $h!(poll(slug: &ProjectSlug, run: &CiPipeline) -> Result<PollResult, CiReadError>); };
    ($h:ident cancel) => { $h!(cancel(slug: &ProjectSlug, run: &CiPipeline, workflow: &str) -> Result<(), CiReadError>); };
    ($h:ident renew_token) => { $h!(renew_token() -> ()); };
    ($h:ident get) => { $h!(get(name: SecretName) -> Result<SecretVersions, SecretError>); };
    ($h:ident refresh) => { $h!(refresh(name: SecretName) -> Result<(), SecretError>); };
}

pub(crate) use {forward, port_method, port_methods};

/// The macros, and the types of the signatures.
pub(crate) mod prelude {
    pub(crate) use super::{forward, port_methods};
    pub(crate) use std::time::Duration;

    pub(crate) use chatops_core::Time;
    pub(crate) use chatops_core::audit::AuditEvent;
    pub(crate) use chatops_core::config::ProjectSlug;
    pub(crate) use chatops_core::deploy::{CiPipeline, DeployRecord, Target};
    pub(crate) use chatops_core::id::{DeployId, PipelineId, ShortId};
    pub(crate) use chatops_core::message::MessageBody;
    pub(crate) use chatops_core::notification::NotificationRecord;
    pub(crate) use chatops_core::ports::{
        CiReadError, Commit, CommitError, DeployFilter, DeployPage, DueItem, LedgerError,
        LedgerPosition, LookupRequest, LookupResult, MessageReceipt, PollResult, QueueError,
        QueueName, ReceivedMessage, SecretError, SecretName, SecretVersions, SendError, TargetLock,
    };
}
