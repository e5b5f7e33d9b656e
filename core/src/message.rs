//! What travels through the queues: small tagged values with a version in the tag.
//!
//! Only the command carries facts; everything else is a hint that names a deploy, and the ledger
//! is read again. Any message may come twice, late or out of order.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::command::Deploy;
use crate::deploy::Ask;
use crate::id::{ChannelId, DeployId, TeamId, UserId};
use crate::name::ProjectName;
use crate::secret::ResponseUrl;

/// A message for the worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum WorkMessage {
    /// A person asks for a deploy.
    #[serde(rename = "deploy.v1")]
    Deploy(Box<DeployMessage>),
    /// Look whether this deploy is due.
    #[serde(rename = "look.v1")]
    Look {
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
}

/// A deploy as asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeployMessage {
    /// Derived from the request by ingest.
    pub id: DeployId,
    /// The workspace.
    pub team: TeamId,
    /// The conversation.
    pub channel: ChannelId,
    /// Who.
    pub user: UserId,
    /// What, as parsed from the text.
    pub deploy: Deploy,
    /// When, by Slack's signed timestamp.
    pub asked_at: Time,
    /// Where to answer.
    pub reply_to: Option<ResponseUrl>,
}

impl DeployMessage {
    /// The question this message asks, with the default project filled in.
    #[must_use]
    pub fn ask(&self, default_project: Option<&ProjectName>) -> Ask {
        Ask {
            team: self.team.clone(),
            channel: self.channel.clone(),
            user: self.user.clone(),
            project: self.deploy.project.as_ref().or(default_project).cloned(),
            branch: self.deploy.branch.clone(),
            job: self.deploy.job.clone(),
            asked_at: self.asked_at,
        }
    }
}

/// A message for the notifier.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum NoticeMessage {
    /// Make sure that what is owed to the asker of this deploy is told.
    #[serde(rename = "tell.v1")]
    Tell {
        /// The deploy.
        deploy: DeployId,
    },
}

/// A message as it lies in a queue. It may hold a reply address, so it cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(String);

impl Body {
    /// A message in its wire form.
    pub fn encode<M: Serialize>(message: &M) -> Result<Self, serde_json::Error> {
        serde_json::to_string(message).map(Self)
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

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}
