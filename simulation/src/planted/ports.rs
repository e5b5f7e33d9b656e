//! The ports that are not the ledger's: CircleCI, Slack, the reply items, the queue.

use std::time::Duration;

use chatops_core::command::Wish;
use chatops_core::config::Slug;
use chatops_core::deploy::{Head, Pipeline};
use chatops_core::id::DeployId;
use chatops_core::message::{Body, WorkMessage};
use chatops_core::ports::{
    Chat, Ci, CiError, CommitError, Delivery, Finding, Lane, Look, Outcome, PipelineState, Queue,
    QueueError, Receipt, Replies, Search, SendError, StoreError, To, Trigger,
};
use chatops_core::reply::{Posted, Reply, Telling};
use chatops_core::words::Post;

use super::{Bug, Planted};

impl<P: Replies> Replies for Planted<P> {
    async fn told_head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        self.port.told_head(id).await
    }

    async fn reply(&self, id: DeployId) -> Result<Option<Reply>, StoreError> {
        let mut reply = self.port.reply(id).await?;
        if self.has(Bug::UsesNotCounted)
            && let Some(reply) = &mut reply
        {
            reply.uses = 0;
        }
        Ok(reply)
    }

    async fn save(&self, mut reply: Reply) -> Result<(), CommitError> {
        if self.has(Bug::SendThenRecord) {
            let sending = |telling: &Telling| matches!(telling, Telling::Sending { .. });
            if sending(&reply.progress) || sending(&reply.last) {
                self.memory().reply = Some(reply);
                return Ok(());
            }
            if self.memory().reply.take().is_some() {
                reply.version -= 1;
            }
        }
        self.port.save(reply).await
    }
}

impl<P: Ci> Ci for Planted<P> {
    async fn trigger(&self, trigger: &Trigger) -> Outcome {
        let outcome = self.port.trigger(trigger).await;
        let Outcome::Unknown { doubt } = outcome else {
            return outcome;
        };
        let server_error = doubt.contains("503");
        let mistaken = (self.has(Bug::SecondPostWhenUnsure) && !server_error)
            || (self.has(Bug::DisarmedOnServerError) && server_error);
        if self.has(Bug::ClientResends) {
            self.port.trigger(trigger).await
        } else if mistaken {
            Outcome::NotNow {
                obstacle: doubt,
                after: None,
            }
        } else {
            Outcome::Unknown { doubt }
        }
    }

    async fn search(&self, search: &Search) -> Result<Finding, CiError> {
        if !self.has(Bug::BoundWithoutProof) {
            return self.port.search(search).await;
        }
        let anything = Search {
            proof: None,
            ..search.clone()
        };
        Ok(match self.port.search(&anything).await? {
            Finding::Absent { mut candidates } if !candidates.is_empty() => {
                Finding::Found(candidates.remove(0))
            }
            found => found,
        })
    }

    async fn look(&self, slug: &Slug, pipeline: &Pipeline) -> Result<Look, CiError> {
        let mut look = self.port.look(slug, pipeline).await?;
        let setup = matches!(look.state, PipelineState::Setup | PipelineState::Pending);
        if self.has(Bug::SetupIsFinal) && setup {
            look.state = PipelineState::Created;
        }
        Ok(look)
    }

    async fn cancel(
        &self,
        slug: &Slug,
        pipeline: &Pipeline,
        workflow: &str,
    ) -> Result<(), CiError> {
        self.port.cancel(slug, pipeline, workflow).await
    }
}

impl<P: Chat> Chat for Planted<P> {
    async fn post(&self, to: &To, post: &Post) -> Posted {
        self.port.post(to, post).await
    }

    async fn renew_token(&self) {
        self.port.renew_token().await;
    }
}

impl<P: Queue> Queue for Planted<P> {
    async fn send(&self, lane: Lane, body: &Body, delay: Duration) -> Result<(), SendError> {
        let confirmed = self.has(Bug::ConfirmIgnored).then(|| confirmed(body));
        let body = confirmed.flatten().unwrap_or_else(|| body.clone());
        match self.port.send(lane, &body, delay).await {
            Err(SendError::Unknown(_)) if self.has(Bug::UnknownIsSent) => Ok(()),
            sent => sent,
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

/// The wish of somebody who did not say so, as if they had confirmed it.
fn confirmed(body: &Body) -> Option<Body> {
    let Ok(WorkMessage::Wish(mut message)) = body.decode() else {
        return None;
    };
    if let Wish::Retry { confirm, .. } = &mut message.wish {
        *confirm = true;
    }
    Body::encode(&WorkMessage::Wish(message)).ok()
}
