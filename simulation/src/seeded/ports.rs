//! The other ports with a bug: CircleCI, the notification records, the queue.

use chatops_core::command::DeployAction;
use chatops_core::message::WorkMessage;
use chatops_core::notification::DeliveryStatus;
use chatops_core::ports::{
    CiClient, MessageQueue, NotificationStore, PipelineState, TriggerOutcome, TriggerRequest,
};

use super::{BuggyPort, SeededBug};
use crate::port_methods::prelude::*;

impl<P: NotificationStore> NotificationStore for BuggyPort<P> {
    port_methods!(forward: read_notified_deploy);

    async fn read_notification(
        &self,
        id: DeployId,
    ) -> Result<Option<NotificationRecord>, LedgerError> {
        let mut notification = self.port.read_notification(id).await?;
        if self.has_bug(SeededBug::UsesNotCounted)
            && let Some(notification) = &mut notification
        {
            notification.response_url_uses = 0;
        }
        Ok(notification)
    }

    async fn save_notification(
        &self,
        mut notification: NotificationRecord,
    ) -> Result<(), CommitError> {
        if self.has_bug(SeededBug::SendThenRecord) {
            let sending =
                |delivery: &DeliveryStatus| matches!(delivery, DeliveryStatus::InFlight { .. });
            if sending(&notification.progress) || sending(&notification.final_status) {
                self.lock_memory().notification = Some(notification);
                return Ok(());
            }
            if self.lock_memory().notification.take().is_some() {
                notification.version -= 1;
            }
        }
        self.port.save_notification(notification).await
    }
}

impl<P: CiClient> CiClient for BuggyPort<P> {
    async fn trigger(&self, trigger: &TriggerRequest) -> TriggerOutcome {
        let outcome = self.port.trigger(trigger).await;
        let TriggerOutcome::Unknown { because } = outcome else {
            return outcome;
        };
        let server_error = because.contains("503");
        let mistaken = (self.has_bug(SeededBug::SecondPostWhenUnsure) && !server_error)
            || (self.has_bug(SeededBug::RolledBackOnServerError) && server_error);
        if self.has_bug(SeededBug::ClientResends) {
            self.port.trigger(trigger).await
        } else if mistaken {
            TriggerOutcome::NotNow {
                error: because,
                retry_after: None,
            }
        } else {
            TriggerOutcome::Unknown { because }
        }
    }

    async fn look_up(&self, lookup: &LookupRequest) -> Result<LookupResult, CiReadError> {
        if !self.has_bug(SeededBug::BoundWithoutDeployId) {
            return self.port.look_up(lookup).await;
        }
        let anything = LookupRequest {
            deploy_id: None,
            ..lookup.clone()
        };
        Ok(match self.port.look_up(&anything).await? {
            LookupResult::Absent { mut candidates } if !candidates.is_empty() => {
                LookupResult::Found(candidates.remove(0))
            }
            found => found,
        })
    }

    async fn poll(
        &self,
        slug: &ProjectSlug,
        pipeline: &CiPipeline,
    ) -> Result<PollResult, CiReadError> {
        let mut poll = self.port.poll(slug, pipeline).await?;
        let setup = matches!(poll.state, PipelineState::Setup | PipelineState::Pending);
        if self.has_bug(SeededBug::SetupIsFinal) && setup {
            poll.state = PipelineState::Created;
        }
        Ok(poll)
    }

    port_methods!(forward: cancel);
}

impl<P: MessageQueue> MessageQueue for BuggyPort<P> {
    async fn send(
        &self,
        queue: QueueName,
        body: &MessageBody,
        delay: Duration,
    ) -> Result<(), SendError> {
        let confirmed = self
            .has_bug(SeededBug::ConfirmIgnored)
            .then(|| with_confirm(body));
        let body = confirmed.flatten().unwrap_or_else(|| body.clone());
        match self.port.send(queue, &body, delay).await {
            Err(SendError::Unknown(_)) if self.has_bug(SeededBug::UnknownIsSent) => Ok(()),
            sent => sent,
        }
    }

    port_methods!(forward: receive, delete, release);
}

/// A retry as if it were confirmed.
fn with_confirm(body: &MessageBody) -> Option<MessageBody> {
    let Ok(WorkMessage::Action(mut message)) = body.decode() else {
        return None;
    };
    if let DeployAction::Retry { confirm, .. } = &mut message.action {
        *confirm = true;
    }
    MessageBody::encode(&WorkMessage::Action(message)).ok()
}
