//! A deploy that a plan's button asks for. Slack shows no answer of ingest to a press, so the worker gives it: it
//! takes the place of the plan, and with it of the button.

use chatops_core::message::{DeployMessage, QueryReply};
use chatops_core::ports::{ReadDeploy, ReadUndelivered, WorkerPorts};
use chatops_core::text::{self, Audience, SlackMessage};

use crate::{WorkError, Worker};

impl<P: WorkerPorts> Worker<P> {
    /// Says what ingest would have said of the typed command; of a deploy that is on record already, since the
    /// button was pressed twice, how it stands.
    pub(crate) async fn answer_press(&self, message: &DeployMessage) -> Result<(), WorkError> {
        let config = &self.config;
        let known = self.ports.perform(ReadDeploy(message.id)).await?;
        let answer = match (known, &message.refused) {
            (Some(record), _) => {
                let undelivered = self.ports.perform(ReadUndelivered(record.id)).await?;
                text::deploy_status(&record, undelivered.as_ref(), config)
            }
            (None, Some(rejection)) => {
                let request = message.deploy_request(config);
                text::deploy_refused(rejection, &request, message.id, config)
            }
            (None, None) => {
                text::deploy_accepted(&message.deploy_request(config), message.id, config)
            }
        };
        let answer = SlackMessage {
            // A message that one person sees stays theirs.
            audience: Audience::Requester,
            ..answer
        };
        // One post: the others are for the deploy's own messages.
        let attempts = QueryReply::MAX_POSTS - 1;
        self.queue_reply(
            &message.requester,
            message.requested_at,
            answer,
            true,
            attempts,
        )
        .await
    }
}
