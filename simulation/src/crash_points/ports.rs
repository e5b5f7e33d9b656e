//! The ports, pointed.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::AuditEvent;
use chatops_core::config::ProjectSlug;
use chatops_core::deploy::{CiPipeline, DeployRecord, Target};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::message::MessageBody;
use chatops_core::notification::{NotificationRecord, PostResult};
use chatops_core::ports::{
    ChatClient, CiClient, CiReadError, Commit, CommitError, DeployFilter, DeployPage, DueItem,
    Ledger, LedgerError, LedgerPosition, LookupRequest, LookupResult, MessageQueue, MessageReceipt,
    NotificationStore, PollResult, PostTarget, QueueError, QueueName, ReceivedMessage, SecretError,
    SecretName, SecretReader, SecretVersions, SendError, TargetLock, TriggerOutcome,
    TriggerRequest,
};
use chatops_core::text::SlackMessage;

use super::CrashPort;
use crate::fault_injector::FaultKind;
use crate::outside::{ChatFault, MemoryCircleCi, MemorySlack, ReadFault, TriggerFault};

impl<P: Ledger> Ledger for CrashPort<P> {
    async fn read_deploy(&self, id: DeployId) -> Result<Option<DeployRecord>, LedgerError> {
        self.points
            .call_ledger(
                "store.head",
                FaultKind::ReadFails,
                None,
                self.port.read_deploy(id),
            )
            .await
    }

    async fn read_events(&self, id: DeployId) -> Result<Vec<AuditEvent>, LedgerError> {
        self.points
            .call_ledger(
                "store.events",
                FaultKind::ReadFails,
                None,
                self.port.read_events(id),
            )
            .await
    }

    async fn read_lock(&self, target: &Target) -> Result<Option<TargetLock>, LedgerError> {
        self.points
            .call_ledger(
                "store.lock",
                FaultKind::ReadFails,
                None,
                self.port.read_lock(target),
            )
            .await
    }

    async fn pipeline_owner(&self, pipeline: PipelineId) -> Result<Option<DeployId>, LedgerError> {
        self.points
            .call_ledger(
                "store.owner",
                FaultKind::ReadFails,
                None,
                self.port.pipeline_owner(pipeline),
            )
            .await
    }

    async fn find_by_short_id(&self, short: &ShortId) -> Result<Option<DeployId>, LedgerError> {
        self.points
            .call_ledger(
                "store.by_short",
                FaultKind::ReadFails,
                None,
                self.port.find_by_short_id(short),
            )
            .await
    }

    async fn list_deploys(
        &self,
        filter: &DeployFilter,
        before: Option<LedgerPosition>,
        limit: usize,
    ) -> Result<DeployPage, LedgerError> {
        self.points
            .call_ledger(
                "store.list",
                FaultKind::ReadFails,
                None,
                self.port.list_deploys(filter, before, limit),
            )
            .await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let (before, after) = (FaultKind::WriteFails, Some(FaultKind::WriteAnswerLost));
        self.points
            .call_ledger("store.commit", before, after, self.port.commit(commit))
            .await
    }

    async fn list_due(&self, now: Time, limit: usize) -> Result<Vec<DueItem>, LedgerError> {
        self.points
            .call_ledger(
                "store.due",
                FaultKind::ReadFails,
                None,
                self.port.list_due(now, limit),
            )
            .await
    }
}

impl<P: NotificationStore> NotificationStore for CrashPort<P> {
    async fn read_notified_deploy(
        &self,
        id: DeployId,
    ) -> Result<Option<DeployRecord>, LedgerError> {
        self.points
            .call_ledger(
                "replies.head",
                FaultKind::ReadFails,
                None,
                self.port.read_notified_deploy(id),
            )
            .await
    }

    async fn read_notification(
        &self,
        id: DeployId,
    ) -> Result<Option<NotificationRecord>, LedgerError> {
        self.points
            .call_ledger(
                "replies.reply",
                FaultKind::ReadFails,
                None,
                self.port.read_notification(id),
            )
            .await
    }

    async fn save_notification(&self, notification: NotificationRecord) -> Result<(), CommitError> {
        let (before, after) = (FaultKind::WriteFails, Some(FaultKind::WriteAnswerLost));
        self.points
            .call_ledger(
                "replies.save",
                before,
                after,
                self.port.save_notification(notification),
            )
            .await
    }
}

impl<P: MessageQueue> MessageQueue for CrashPort<P> {
    async fn send(
        &self,
        queue: QueueName,
        body: &MessageBody,
        delay: Duration,
    ) -> Result<(), SendError> {
        self.points.pass("before", "queue.send").await;
        if self.points.should_fail(FaultKind::SendFails) {
            return Err(SendError::not_sent("throttled"));
        }
        let sent = self.port.send(queue, body, delay).await;
        let lost = sent.is_ok() && self.points.should_fail(FaultKind::SendAnswerLost);
        self.points.pass("after", "queue.send").await;
        if lost {
            Err(SendError::unknown("the answer was lost"))
        } else {
            sent
        }
    }

    async fn receive(
        &self,
        queue: QueueName,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        self.port.receive(queue, max, visibility).await
    }

    async fn delete(&self, queue: QueueName, receipt: &MessageReceipt) -> Result<(), QueueError> {
        self.port.delete(queue, receipt).await
    }

    async fn release(
        &self,
        queue: QueueName,
        receipt: &MessageReceipt,
        delay: Duration,
    ) -> Result<(), QueueError> {
        self.port.release(queue, receipt, delay).await
    }
}

impl CiClient for CrashPort<MemoryCircleCi> {
    async fn trigger(&self, trigger: &TriggerRequest) -> TriggerOutcome {
        self.points.pass("before", "ci.trigger").await;
        let fault = TRIGGER_FAULTS
            .into_iter()
            .find(|(fault, _)| self.points.should_fail(*fault));
        if let Some((_, fault)) = fault {
            self.port.fail_trigger(fault);
        }
        let outcome = self.port.trigger(trigger).await;
        self.points.pass("after", "ci.trigger").await;
        outcome
    }

    async fn look_up(&self, lookup: &LookupRequest) -> Result<LookupResult, CiReadError> {
        self.points.pass("before", "ci.search").await;
        self.fail_read();
        let found = self.port.look_up(lookup).await;
        self.points.pass("after", "ci.search").await;
        found
    }

    async fn poll(
        &self,
        slug: &ProjectSlug,
        pipeline: &CiPipeline,
    ) -> Result<PollResult, CiReadError> {
        self.points.pass("before", "ci.look").await;
        self.fail_read();
        let poll = self.port.poll(slug, pipeline).await;
        self.points.pass("after", "ci.look").await;
        poll
    }

    async fn cancel(
        &self,
        slug: &ProjectSlug,
        pipeline: &CiPipeline,
        workflow: &str,
    ) -> Result<(), CiReadError> {
        self.points
            .call_through("ci.cancel", self.port.cancel(slug, pipeline, workflow))
            .await
    }
}

/// The ways a POST fails; the answer that breaks off in the middle is as lost as one that never
/// came.
const TRIGGER_FAULTS: [(FaultKind, TriggerFault); 6] = [
    (FaultKind::TriggerNotSent, TriggerFault::NotSent),
    (
        FaultKind::TriggerLimited,
        TriggerFault::Limited(Some(Duration::from_secs(7))),
    ),
    (
        FaultKind::TriggerRejected,
        TriggerFault::Rejected(404, "<!channel> not found"),
    ),
    (FaultKind::TriggerErrorBefore, TriggerFault::ErrorBefore),
    (FaultKind::TriggerErrorAfter, TriggerFault::ErrorAfter),
    (FaultKind::TriggerAnswerLost, TriggerFault::AnswerLost),
];

const POST_FAULTS: [(FaultKind, ChatFault); 4] = [
    (FaultKind::PostNotSent, ChatFault::NotSent),
    (
        FaultKind::PostLimited,
        ChatFault::Limited(Duration::from_secs(20)),
    ),
    (FaultKind::PostErrorBefore, ChatFault::ErrorBefore),
    (FaultKind::PostAnswerLost, ChatFault::AnswerLost),
];

impl CrashPort<MemoryCircleCi> {
    fn fail_read(&self) {
        if self.points.should_fail(FaultKind::PollFails) {
            self.port.fail_read(ReadFault::Error);
        } else if self.points.should_fail(FaultKind::PollLimited) {
            self.port
                .fail_read(ReadFault::Limited(Duration::from_secs(30)));
        }
    }
}

impl ChatClient for CrashPort<MemorySlack> {
    async fn post(&self, to: &PostTarget, message: &SlackMessage) -> PostResult {
        self.points.pass("before", "chat.post").await;
        let fault = POST_FAULTS
            .into_iter()
            .find(|(fault, _)| self.points.should_fail(*fault));
        if let Some((_, fault)) = fault {
            self.port.fail_post(fault);
        }
        let posted = self.port.post(to, message).await;
        self.points.pass("after", "chat.post").await;
        posted
    }

    async fn renew_token(&self) {
        self.points
            .call_through("chat.renew_token", self.port.renew_token())
            .await;
    }
}

impl<P: SecretReader> SecretReader for CrashPort<P> {
    async fn get(&self, name: SecretName) -> Result<SecretVersions, SecretError> {
        self.points
            .call_through("secrets.get", self.port.get(name))
            .await
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretError> {
        self.points
            .call_through("secrets.refresh", self.port.refresh(name))
            .await
    }
}
