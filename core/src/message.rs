//! What travels through the queues: small tagged values with a version in the tag.
//!
//! Only the command carries facts; everything else is a hint that names a deploy, and the ledger
//! is read again. Any message may come twice, late or out of order.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::command::{Deploy, Question, Wish};
use crate::config::Config;
use crate::deploy::{Ask, By};
use crate::id::{ChannelId, DeployId, PipelineId, RequestId, TeamId, UserId};
use crate::secret::ResponseUrl;
use crate::words::Post;

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
    /// CircleCI says that something happened to a pipeline: a reason to look, and nothing else.
    #[serde(rename = "event.v1")]
    Event {
        /// The pipeline.
        pipeline: PipelineId,
    },
    /// A person asks about the record.
    #[serde(rename = "question.v1")]
    Question(Box<QuestionMessage>),
    /// A person wishes something of a deploy on record.
    #[serde(rename = "wish.v1")]
    Wish(Box<WishMessage>),
}

/// Somebody in Slack, where they are, and where to answer them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asker {
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
    pub reply_to: Option<ResponseUrl>,
}

impl Asker {
    /// What they ask for with `deploy`, by the names of the configuration: the default project
    /// filled in, aliases resolved.
    #[must_use]
    pub fn ask(&self, deploy: &Deploy, asked_at: Time, config: &Config) -> Ask {
        let project = deploy.project.as_ref().or(config.default_project.as_ref());
        let known = project.and_then(|name| config.project(name));
        let job = known.and_then(|(_, project)| project.job(&deploy.job));
        Ask {
            team: self.team.clone(),
            channel: self.channel.clone(),
            user: self.user.clone(),
            user_name: self.user_name.clone(),
            project: known.map(|(name, _)| name).or(project).cloned(),
            branch: deploy.branch.clone(),
            job: job.map_or(&deploy.job, |(name, _)| name).clone(),
            asked_at,
        }
    }
}

/// A question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QuestionMessage {
    /// Who asks.
    #[serde(flatten)]
    pub asker: Asker,
    /// What.
    pub question: Question,
    /// When, by Slack's signed timestamp.
    pub asked_at: Time,
}

/// A wish.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WishMessage {
    /// Derived from the request: the same press twice is one wish.
    pub id: RequestId,
    /// Who wishes.
    pub from: Wisher,
    /// What.
    pub wish: Wish,
    /// When.
    pub asked_at: Time,
}

/// Who wishes something.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Wisher {
    /// Somebody in Slack.
    Person(Asker),
    /// Somebody at the command line.
    Operator {
        /// By the name the system knows.
        name: String,
    },
}

impl Wisher {
    /// Who that is, for the audit.
    #[must_use]
    pub fn by(&self) -> By {
        match self {
            Wisher::Person(asker) => By::Person(asker.user.clone()),
            Wisher::Operator { name } => By::Operator(name.clone()),
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
    pub asker: Asker,
    /// What, as parsed from the text.
    pub deploy: Deploy,
    /// When, by Slack's signed timestamp.
    pub asked_at: Time,
}

impl DeployMessage {
    /// The question this message asks, by the names of the configuration.
    #[must_use]
    pub fn ask(&self, config: &Config) -> Ask {
        self.asker.ask(&self.deploy, self.asked_at, config)
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
    /// Answer a question: the one notice that carries what is said. It is not on record; whoever
    /// gets no answer can ask again.
    #[serde(rename = "answer.v1")]
    Answer(Box<AnswerMessage>),
}

/// An answer on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnswerMessage {
    /// Where to post it.
    pub to: ResponseUrl,
    /// What to post.
    pub post: Post,
    /// After this moment the address is not used.
    pub until: Time,
    /// How often it was tried in vain.
    pub tries: u32,
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

#[cfg(test)]
mod tests;
