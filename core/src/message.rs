//! What travels through the queues: small tagged values with a version in the tag.
//!
//! Only the command carries facts; everything else is a hint that names a deploy, and the ledger
//! is read again. Any message may come twice, late or out of order.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::command::{DeployAction, DeployCommand, Query};
use crate::config::Config;
use crate::deploy::{ActedBy, DeployRequest};
use crate::id::{ChannelId, DeployId, PipelineId, QualifiedUser, RequestId, TeamId, UserId};
use crate::secret::ResponseUrl;
use crate::text::SlackMessage;

/// A message for the worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum WorkMessage {
    /// A person asks for a deploy.
    #[serde(rename = "deploy.v1")]
    Deploy(Box<DeployMessage>),
    /// Look whether this deploy is due.
    #[serde(rename = "poll.v1")]
    Poll {
        /// The deploy.
        deploy: DeployId,
    },
    /// An order to try this deploy again; it lies in the dead-letter queue until somebody sends
    /// it back.
    #[serde(rename = "retry.v1")]
    Retry {
        /// The deploy that could not be triggered.
        deploy: DeployId,
    },
    /// CircleCI says that something happened to a pipeline: a reason to look, and nothing else.
    #[serde(rename = "webhook.v1")]
    Webhook {
        /// The pipeline.
        pipeline: PipelineId,
    },
    /// A person asks about the record.
    #[serde(rename = "query.v1")]
    Query(Box<QueryMessage>),
    /// A person wishes something of a deploy on record.
    #[serde(rename = "action.v1")]
    Action(Box<ActionMessage>),
}

/// Somebody in Slack, where they are, and where to answer them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Requester {
    /// The workspace.
    pub team: TeamId,
    /// The conversation.
    pub channel: ChannelId,
    /// Who.
    pub user: UserId,
    /// What Slack calls them; for finding only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// Where to answer.
    pub response_url: Option<ResponseUrl>,
}

impl Requester {
    /// The user with their workspace.
    #[must_use]
    pub fn qualified_user(&self) -> QualifiedUser {
        QualifiedUser {
            team: self.team.clone(),
            user: self.user.clone(),
        }
    }

    /// What they ask for with `deploy`, by the names of the configuration: the default project
    /// filled in, aliases resolved.
    #[must_use]
    pub fn deploy_request(
        &self,
        deploy: &DeployCommand,
        asked_at: Time,
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
            branch: deploy.branch.clone(),
            job: job.map_or(&deploy.job, |(name, _)| name).clone(),
            environment: job.map(|(_, job)| job.environment.clone()),
            requested_at: asked_at,
        }
    }
}

/// A question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueryMessage {
    /// Who asks.
    #[serde(flatten)]
    pub requester: Requester,
    /// What.
    pub query: Query,
    /// When, by Slack's signed timestamp.
    pub requested_at: Time,
}

/// A wish.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ActionMessage {
    /// Derived from the request: the same press twice is one wish.
    pub id: RequestId,
    /// Who wishes.
    pub requested_by: ActionRequester,
    /// What.
    pub action: DeployAction,
    /// When.
    pub requested_at: Time,
}

/// Who wishes something.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ActionRequester {
    /// Somebody in Slack.
    User(Requester),
    /// Somebody at the command line.
    Operator {
        /// By the name the system knows.
        name: String,
    },
}

impl ActionRequester {
    /// Who that is, for the audit.
    #[must_use]
    pub fn acted_by(&self) -> ActedBy {
        match self {
            ActionRequester::User(asker) => ActedBy::User(asker.qualified_user()),
            ActionRequester::Operator { name } => ActedBy::Operator(name.clone()),
        }
    }
}

/// A deploy as asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeployMessage {
    /// Derived from the request by ingest.
    pub id: DeployId,
    /// Who asks.
    #[serde(flatten)]
    pub requester: Requester,
    /// What, as parsed from the text.
    pub deploy: DeployCommand,
    /// When, by Slack's signed timestamp.
    pub requested_at: Time,
}

impl DeployMessage {
    /// The question this message asks, by the names of the configuration.
    #[must_use]
    pub fn deploy_request(&self, config: &Config) -> DeployRequest {
        self.requester
            .deploy_request(&self.deploy, self.requested_at, config)
    }
}

/// A message for the notifier.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum NotifyMessage {
    /// Make sure that what is owed to the asker of this deploy is told.
    #[serde(rename = "notify.v1")]
    Notify {
        /// The deploy.
        deploy: DeployId,
    },
    /// Answer a question: the one notice that carries what is said. It is not on record; whoever
    /// gets no answer can ask again.
    #[serde(rename = "query_reply.v1")]
    QueryReply(Box<QueryReply>),
}

/// An answer on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueryReply {
    /// Where to post it.
    pub response_url: ResponseUrl,
    /// What to post.
    pub message: SlackMessage,
    /// After this moment the address is not used.
    pub expires_at: Time,
    /// How often it was tried in vain.
    pub attempts: u32,
}

/// A message as it lies in a queue. It may hold a reply address, so it cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageBody(String);

impl MessageBody {
    /// A message in its wire form.
    pub fn encode<M: Serialize>(message: &M) -> Result<Self, serde_json::Error> {
        serde_json::to_string(message).map(Self)
    }

    /// How many handlers panicked over this message; it travels in the message, as `crash_count`.
    #[must_use]
    pub fn crash_count(&self) -> u32 {
        #[derive(Deserialize)]
        struct Crashes {
            #[serde(default)]
            crash_count: u32,
        }
        self.decode().map_or(0, |read: Crashes| read.crash_count)
    }

    /// The same message with one crash more, to be sent again.
    pub fn after_crash(&self) -> Result<Self, serde_json::Error> {
        let mut fields: serde_json::Map<String, serde_json::Value> = self.decode()?;
        fields.insert(
            "crash_count".into(),
            self.crash_count().saturating_add(1).into(),
        );
        Self::encode(&fields)
    }

    /// The message in a wire form, or why it is not one.
    pub fn decode<M: for<'de> Deserialize<'de>>(&self) -> Result<M, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// A wire form as a queue gave it back.
    #[must_use]
    pub fn from_wire(text: String) -> Self {
        Self(text)
    }

    /// The wire form, for the queue that stores it.
    #[must_use]
    pub fn as_wire(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MessageBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests;
