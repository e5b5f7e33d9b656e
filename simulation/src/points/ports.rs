//! The ports, pointed.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::Event;
use chatops_core::config::Slug;
use chatops_core::deploy::{Head, Pipeline, Target};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::message::Body;
use chatops_core::ports::{
    Chat, Ci, CiError, Commit, CommitError, Delivery, Due, Filter, Finding, Lane, Lock, Look,
    Outcome, Page, Position, Queue, QueueError, Receipt, Replies, Search, SecretName, Secrets,
    SecretsError, SendError, Store, StoreError, To, Trigger, Versions,
};
use chatops_core::reply::{Posted, Reply};
use chatops_core::words::Post;

use super::Pointed;
use crate::dice::Fault;
use crate::outside::{ChatFault, CircleCi, ReadFault, Slack, TriggerFault};

impl<P: Store> Store for Pointed<P> {
    async fn head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        self.points
            .store("store.head", Fault::ReadFails, None, self.port.head(id))
            .await
    }

    async fn events(&self, id: DeployId) -> Result<Vec<Event>, StoreError> {
        self.points
            .store("store.events", Fault::ReadFails, None, self.port.events(id))
            .await
    }

    async fn lock(&self, target: &Target) -> Result<Option<Lock>, StoreError> {
        self.points
            .store("store.lock", Fault::ReadFails, None, self.port.lock(target))
            .await
    }

    async fn owner(&self, pipeline: PipelineId) -> Result<Option<DeployId>, StoreError> {
        self.points
            .store(
                "store.owner",
                Fault::ReadFails,
                None,
                self.port.owner(pipeline),
            )
            .await
    }

    async fn by_short(&self, short: &ShortId) -> Result<Option<DeployId>, StoreError> {
        self.points
            .store(
                "store.by_short",
                Fault::ReadFails,
                None,
                self.port.by_short(short),
            )
            .await
    }

    async fn list(
        &self,
        filter: &Filter,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.points
            .store(
                "store.list",
                Fault::ReadFails,
                None,
                self.port.list(filter, before, limit),
            )
            .await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let (before, after) = (Fault::WriteFails, Some(Fault::WriteAnswerLost));
        self.points
            .store("store.commit", before, after, self.port.commit(commit))
            .await
    }

    async fn due(&self, now: Time, limit: usize) -> Result<Vec<Due>, StoreError> {
        self.points
            .store(
                "store.due",
                Fault::ReadFails,
                None,
                self.port.due(now, limit),
            )
            .await
    }
}

impl<P: Replies> Replies for Pointed<P> {
    async fn told_head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        self.points
            .store(
                "replies.head",
                Fault::ReadFails,
                None,
                self.port.told_head(id),
            )
            .await
    }

    async fn reply(&self, id: DeployId) -> Result<Option<Reply>, StoreError> {
        self.points
            .store("replies.reply", Fault::ReadFails, None, self.port.reply(id))
            .await
    }

    async fn save(&self, reply: Reply) -> Result<(), CommitError> {
        let (before, after) = (Fault::WriteFails, Some(Fault::WriteAnswerLost));
        self.points
            .store("replies.save", before, after, self.port.save(reply))
            .await
    }
}

impl<P: Queue> Queue for Pointed<P> {
    async fn send(&self, lane: Lane, body: &Body, delay: Duration) -> Result<(), SendError> {
        self.points.pass("before", "queue.send").await;
        if self.points.fails(Fault::SendFails) {
            return Err(SendError::NotSent("throttled".to_owned()));
        }
        let sent = self.port.send(lane, body, delay).await;
        let lost = sent.is_ok() && self.points.fails(Fault::SendAnswerLost);
        self.points.pass("after", "queue.send").await;
        if lost {
            Err(SendError::Unknown("the answer was lost".to_owned()))
        } else {
            sent
        }
    }

    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        self.port.receive(lane, max, visibility).await
    }

    async fn delete(&self, lane: Lane, receipt: &Receipt) -> Result<(), QueueError> {
        self.port.delete(lane, receipt).await
    }

    async fn release(
        &self,
        lane: Lane,
        receipt: &Receipt,
        delay: Duration,
    ) -> Result<(), QueueError> {
        self.port.release(lane, receipt, delay).await
    }
}

impl Ci for Pointed<CircleCi> {
    async fn trigger(&self, trigger: &Trigger) -> Outcome {
        self.points.pass("before", "ci.trigger").await;
        let fault = TRIGGER_FAULTS
            .into_iter()
            .find(|(fault, _)| self.points.fails(*fault));
        if let Some((_, fault)) = fault {
            self.port.fail_trigger(fault);
        }
        let outcome = self.port.trigger(trigger).await;
        self.points.pass("after", "ci.trigger").await;
        outcome
    }

    async fn search(&self, search: &Search) -> Result<Finding, CiError> {
        self.points.pass("before", "ci.search").await;
        self.fail_read();
        let found = self.port.search(search).await;
        self.points.pass("after", "ci.search").await;
        found
    }

    async fn look(&self, slug: &Slug, pipeline: &Pipeline) -> Result<Look, CiError> {
        self.points.pass("before", "ci.look").await;
        self.fail_read();
        let look = self.port.look(slug, pipeline).await;
        self.points.pass("after", "ci.look").await;
        look
    }

    async fn cancel(
        &self,
        slug: &Slug,
        pipeline: &Pipeline,
        workflow: &str,
    ) -> Result<(), CiError> {
        self.points
            .through("ci.cancel", self.port.cancel(slug, pipeline, workflow))
            .await
    }
}

/// The ways a POST fails; the answer that breaks off in the middle is as lost as one that never
/// came.
const TRIGGER_FAULTS: [(Fault, TriggerFault); 6] = [
    (Fault::TriggerNotSent, TriggerFault::NotSent),
    (
        Fault::TriggerLimited,
        TriggerFault::Limited(Some(Duration::from_secs(7))),
    ),
    (
        Fault::TriggerRefused,
        TriggerFault::Refused(404, "<!channel> not found"),
    ),
    (Fault::TriggerErrorBefore, TriggerFault::ErrorBefore),
    (Fault::TriggerErrorAfter, TriggerFault::ErrorAfter),
    (Fault::TriggerAnswerLost, TriggerFault::AnswerLost),
];

const POST_FAULTS: [(Fault, ChatFault); 4] = [
    (Fault::PostNotSent, ChatFault::NotSent),
    (
        Fault::PostLimited,
        ChatFault::Limited(Duration::from_secs(20)),
    ),
    (Fault::PostErrorBefore, ChatFault::ErrorBefore),
    (Fault::PostAnswerLost, ChatFault::AnswerLost),
];

impl Pointed<CircleCi> {
    fn fail_read(&self) {
        if self.points.fails(Fault::LookFails) {
            self.port.fail_read(ReadFault::Error);
        } else if self.points.fails(Fault::LookLimited) {
            self.port
                .fail_read(ReadFault::Limited(Duration::from_secs(30)));
        }
    }
}

impl Chat for Pointed<Slack> {
    async fn post(&self, to: &To, post: &Post) -> Posted {
        self.points.pass("before", "chat.post").await;
        let fault = POST_FAULTS
            .into_iter()
            .find(|(fault, _)| self.points.fails(*fault));
        if let Some((_, fault)) = fault {
            self.port.fail_post(fault);
        }
        let posted = self.port.post(to, post).await;
        self.points.pass("after", "chat.post").await;
        posted
    }

    async fn renew_token(&self) {
        self.points
            .through("chat.renew_token", self.port.renew_token())
            .await;
    }
}

impl<P: Secrets> Secrets for Pointed<P> {
    async fn get(&self, name: SecretName) -> Result<Versions, SecretsError> {
        self.points
            .through("secrets.get", self.port.get(name))
            .await
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretsError> {
        self.points
            .through("secrets.refresh", self.port.refresh(name))
            .await
    }
}
