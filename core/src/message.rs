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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{ADDRESS, id, message, project};
    use crate::name::ProjectName;

    fn wire<M: Serialize>(message: &M) -> String {
        Body::encode(message).unwrap().as_wire().to_owned()
    }

    #[test]
    fn the_wire_forms_stay_what_they_were() {
        // What lies in a queue is read by the next version; so these only ever get company.
        let deploy = WorkMessage::Deploy(Box::new(message()));
        insta::assert_snapshot!(wire(&deploy), @r#"{"type":"deploy.v1","id":"f643ce10-7507-5ba4-a5e5-a01266e1559c","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","deploy":{"project":null,"branch":"main","job":"deploy"},"asked_at":"2027-01-15T08:00:00Z","reply_to":"https://hooks.slack.com/commands/T012ABCDEF/1/canary"}"#);
        let mut bare = message();
        (bare.deploy.project, bare.reply_to) = (Some(project("web")), None);
        insta::assert_snapshot!(wire(&WorkMessage::Deploy(Box::new(bare))), @r#"{"type":"deploy.v1","id":"f643ce10-7507-5ba4-a5e5-a01266e1559c","team":"T012ABCDEF","channel":"C012ABCDEF","user":"U012ABCDEF","deploy":{"project":"web","branch":"main","job":"deploy"},"asked_at":"2027-01-15T08:00:00Z","reply_to":null}"#);
        insta::assert_snapshot!(wire(&WorkMessage::Look { deploy: id() }), @r#"{"type":"look.v1","deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}"#);
        insta::assert_snapshot!(wire(&WorkMessage::Retry { deploy: id() }), @r#"{"type":"retry.v1","deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}"#);
        insta::assert_snapshot!(wire(&NoticeMessage::Tell { deploy: id() }), @r#"{"type":"tell.v1","deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}"#);
    }

    #[test]
    fn a_message_comes_back_as_it_went() {
        let deploy = WorkMessage::Deploy(Box::new(message()));
        for sent in [
            deploy,
            WorkMessage::Look { deploy: id() },
            WorkMessage::Retry { deploy: id() },
        ] {
            let body = Body::from_wire(wire(&sent));
            let back: WorkMessage = body.decode().unwrap();
            assert_eq!(wire(&back), wire(&sent));
        }
    }

    #[test]
    fn what_a_later_version_adds_is_no_hindrance_and_a_new_message_is_refused() {
        let added = Body::from_wire(format!(
            r#"{{"type":"look.v1","deploy":"{}","new":true}}"#,
            id()
        ));
        assert!(added.decode::<WorkMessage>().is_ok());
        for wrong in [
            r#"{"type":"look.v2","deploy":"f643ce10-7507-5ba4-a5e5-a01266e1559c"}"#,
            r#"{"type":"look.v1"}"#,
            "{}",
            "",
        ] {
            let body = Body::from_wire(wrong.to_owned());
            assert!(body.decode::<WorkMessage>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_checked_again_when_a_message_is_read() {
        let forged = wire(&WorkMessage::Deploy(Box::new(message()))).replace("main", "$(id)");
        assert!(Body::from_wire(forged).decode::<WorkMessage>().is_err());
    }

    #[test]
    fn the_address_travels_and_is_never_printed() {
        let message = message();
        let work = WorkMessage::Deploy(Box::new(message.clone()));
        let body = Body::encode(&work).unwrap();
        assert!(body.as_wire().contains(ADDRESS));
        let printed = [
            format!("{message:?}"),
            format!("{message:#?}"),
            format!("{work:?}"),
            format!("{body:?}"),
            format!("{:?}", message.reply_to),
        ];
        for text in printed {
            assert!(
                !text.contains("canary") && !text.contains("hooks.slack"),
                "{text}"
            );
        }
        assert!(format!("{body:?}").ends_with("bytes)"));
    }

    #[test]
    fn a_missing_project_is_the_default_one() {
        let default: ProjectName = project("web");
        let mut message = message();
        assert_eq!(message.ask(None).project, None);
        assert_eq!(message.ask(Some(&default)).project, Some(default.clone()));
        message.deploy.project = Some(project("api"));
        assert_eq!(message.ask(Some(&default)).project, Some(project("api")));
    }
}
