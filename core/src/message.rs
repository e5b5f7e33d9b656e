//! The messages in the queues: small tagged values with a version in the tag.
//!
//! Only requests carry facts; every other message is a wake-up that names a deploy, whose record the
//! handler reads again. Any message may arrive twice, late or out of order.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::command::{DeployAction, DeployCommand, Query};
use crate::config::Config;
use crate::deploy::{ActedBy, DeployRequest, SlackUser};
use crate::id::{
    ChannelId, DeployId, PipelineId, QualifiedChannel, QualifiedUser, RequestId, TeamId, UserId,
};
use crate::ports::QueueName;
use crate::posted::PostedMessage;
use crate::rejection::Rejection;
use crate::request::is_false;
use crate::secret::ResponseUrl;
use crate::text::SlackMessage;

/// A message for the worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum WorkMessage {
    /// A person requests a deploy.
    #[serde(rename = "deploy.v1")]
    Deploy(Box<DeployMessage>),
    /// A wake-up: check whether this deploy is due.
    #[serde(rename = "poll.v1")]
    Poll {
        /// The deploy.
        deploy: DeployId,
    },
    /// A retry ticket; it stays in the dead-letter queue until somebody sends it back.
    #[serde(rename = "retry.v1")]
    Retry {
        /// The deploy that could not be triggered.
        deploy: DeployId,
    },
    /// A wake-up: CircleCI reports an event of a pipeline.
    #[serde(rename = "webhook.v1")]
    Webhook {
        /// The pipeline.
        pipeline: PipelineId,
    },
    /// A person queries the ledger.
    #[serde(rename = "query.v1")]
    Query(Box<QueryMessage>),
    /// A person requests an action on a stored deploy, or on the lock of a target.
    #[serde(rename = "action.v1")]
    Action(Box<ActionMessage>),
}

impl WorkMessage {
    /// The queue that it is sent to.
    #[must_use]
    pub fn queue(&self) -> QueueName {
        match self {
            Self::Poll { .. } | Self::Webhook { .. } => QueueName::Polls,
            Self::Action(action) => action.requested_by.queue(),
            Self::Deploy(_) | Self::Retry { .. } | Self::Query(_) => QueueName::Work,
        }
    }
}

/// A user in Slack, with the conversation and the response URL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Requester {
    /// The workspace.
    pub team: TeamId,
    /// The conversation.
    pub channel: ChannelId,
    /// Who.
    pub user: UserId,
    /// The name in Slack; for reading and searching only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// Where to answer.
    pub response_url: Option<ResponseUrl>,
    /// Whether the command was not signed, and only the verification token vouches for what is here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unsigned: bool,
}

impl Requester {
    /// The user with their workspace.
    #[must_use]
    pub fn qualified_user(&self) -> QualifiedUser {
        QualifiedUser {
            team: self.team.clone(),
            id: self.user.clone(),
        }
    }

    /// The conversation with its workspace.
    #[must_use]
    pub fn qualified_channel(&self) -> QualifiedChannel {
        QualifiedChannel {
            team: self.team.clone(),
            id: self.channel.clone(),
        }
    }

    /// The request that `deploy` makes, by the names of the configuration: with the default project,
    /// aliases resolved.
    #[must_use]
    pub fn deploy_request(
        &self,
        deploy: &DeployCommand,
        requested_at: Time,
        config: &Config,
    ) -> DeployRequest {
        let project = deploy.project.as_ref().or(config.default_project.as_ref());
        let known = project.and_then(|name| config.project(name));
        let job = known.and_then(|(_, project)| project.job(&deploy.job));
        DeployRequest {
            team: self.team.clone(),
            channel: self.channel.clone(),
            user: self.user.clone(),
            user_name: self.user_name.clone(),
            project: known.map(|(name, _)| name).or(project).cloned(),
            git_ref: deploy.git_ref.clone(),
            job: job.map_or(&deploy.job, |(name, _)| name).clone(),
            parameters: deploy.parameters.renamed(|typed| {
                let known = job.and_then(|(_, job)| job.trigger.parameter_name(typed));
                known.unwrap_or(typed)
            }),
            environment: job.map(|(_, job)| job.environment.clone()),
            requested_at,
            unsigned: self.unsigned,
            refused: None,
            press: None,
        }
    }
}

/// A query.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueryMessage {
    /// Who requests it.
    #[serde(flatten)]
    pub requester: Requester,
    /// What.
    pub query: Query,
    /// When, by Slack's signed timestamp.
    pub requested_at: Time,
    /// Derived from the request; what follows from the answer derives from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// Whether it comes from a button, and the answer takes the place of that button's message.
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_place: bool,
}

/// An action.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ActionMessage {
    /// Derived from the request, so that a repeated request is the same action.
    pub id: RequestId,
    /// Who requests it.
    pub requested_by: ActionRequester,
    /// What.
    pub action: DeployAction,
    /// When.
    pub requested_at: Time,
    /// The card whose button was pressed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<PostedMessage>,
}

/// Who requests an action.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ActionRequester {
    /// A user in Slack.
    User(Requester),
    /// An operator at the command line.
    Operator {
        /// The login name.
        name: String,
    },
}

impl ActionRequester {
    /// Whether it is an operator.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        matches!(self, ActionRequester::Operator { .. })
    }

    /// The queue that proves who it is: only those who may act as operators can send to theirs.
    #[must_use]
    pub fn queue(&self) -> QueueName {
        match self {
            ActionRequester::User(_) => QueueName::Work,
            ActionRequester::Operator { .. } => QueueName::Operators,
        }
    }

    /// The actor for the audit.
    #[must_use]
    pub fn acted_by(&self) -> ActedBy {
        match self {
            ActionRequester::User(requester) => {
                let user = SlackUser {
                    id: requester.qualified_user(),
                    name: requester.user_name.clone(),
                };
                ActedBy::slack_user(user, requester.unsigned)
            }
            ActionRequester::Operator { name } => ActedBy::Operator { name: name.clone() },
        }
    }
}

/// A requested deploy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeployMessage {
    /// Derived from the request by ingest.
    pub id: DeployId,
    /// Who requests it.
    #[serde(flatten)]
    pub requester: Requester,
    /// What, as parsed from the text.
    pub deploy: DeployCommand,
    /// When, by Slack's signed timestamp.
    pub requested_at: Time,
    /// Why ingest has refused it, and told the requester so: it is only put on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Box<Rejection>>,
    /// The press of a plan's button that asks for it: then ingest could answer nothing, and the notifier does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub press: Option<RequestId>,
}

impl DeployMessage {
    /// The request of this message, by the names of the configuration.
    #[must_use]
    pub fn deploy_request(&self, config: &Config) -> DeployRequest {
        DeployRequest {
            refused: self.refused.clone(),
            press: self.press,
            ..self
                .requester
                .deploy_request(&self.deploy, self.requested_at, config)
        }
    }
}

/// A message for the notifier.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum NotifyMessage {
    /// A wake-up: deliver what is pending for this deploy.
    #[serde(rename = "notify.v1")]
    Notify {
        /// The deploy.
        deploy: DeployId,
    },
    /// Somebody has pressed a button of a card of this deploy.
    #[serde(rename = "card_pressed.v1")]
    CardPressed {
        /// The deploy.
        deploy: DeployId,
        /// The card.
        card: PostedMessage,
    },
    /// The reply to a query. It is not stored; who gets none can query again.
    #[serde(rename = "query_reply.v1")]
    QueryReply(Box<QueryReply>),
}

/// The reply to a query.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueryReply {
    /// Where to post it.
    pub response_url: ResponseUrl,
    /// What to post.
    pub message: SlackMessage,
    /// When the response URL expires.
    pub expires_at: Time,
    /// How many attempts have failed.
    pub attempts: u32,
    /// Whether it takes the place of the message whose button was pressed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_place: bool,
}

/// A serialized message. It may hold a response URL, so `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageBody(String);

impl MessageBody {
    /// Serializes a message.
    pub fn encode<M: Serialize>(message: &M) -> Result<Self, serde_json::Error> {
        serde_json::to_string(message).map(Self)
    }

    /// How many handlers panicked over this message: its field `crash_count`.
    #[must_use]
    pub fn crash_count(&self) -> u32 {
        #[derive(Deserialize)]
        struct Crashes {
            #[serde(default)]
            crash_count: u32,
        }
        self.decode().map_or(0, |read: Crashes| read.crash_count)
    }

    /// The same message with `crash_count` increased, to be sent again.
    pub fn after_crash(&self) -> Result<Self, serde_json::Error> {
        let mut fields: serde_json::Map<String, serde_json::Value> = self.decode()?;
        fields.insert(
            "crash_count".into(),
            self.crash_count().saturating_add(1).into(),
        );
        Self::encode(&fields)
    }

    /// Whether it is an action by an operator.
    #[must_use]
    pub fn is_operator_action(&self) -> bool {
        let Ok(WorkMessage::Action(action)) = self.decode() else {
            return false;
        };
        matches!(action.requested_by, ActionRequester::Operator { .. })
    }

    /// Deserializes the message.
    pub fn decode<M: for<'de> Deserialize<'de>>(&self) -> Result<M, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// A serialized message as a queue returned it.
    #[must_use]
    pub fn from_wire(text: String) -> Self {
        Self(text)
    }

    /// The serialized message, for the queue.
    #[must_use]
    pub fn as_wire(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MessageBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageBody({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests;
