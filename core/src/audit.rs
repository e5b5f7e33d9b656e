//! The audit: the events of a deploy in order, each with the hash of the previous one. Events are
//! only appended.

mod attest;
pub mod export;
pub mod finding;
pub mod hash;
pub mod links;
pub mod stored;
pub mod unattested;

use serde::{Deserialize, Serialize};

pub use self::attest::{Examined, Replayed, check_record, examine, fold_events, replay};
pub use self::hash::EventHash;
use crate::Time;
use crate::deploy::{
    ActedBy, CiPipeline, DeployRequest, DeployState, EndReason, MatchedBy, Notice, RunFacts,
    Target, TriggerIntent,
};
use crate::id::{DeployId, InvocationId, QualifiedUser, RequestId, ShortId};
use crate::notification::{DeliveryStatus, NotificationKind};
use crate::request::is_false;

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum AuditActor {
    /// A user in Slack.
    User(QualifiedUser),
    /// A user in Slack, by a command that was not signed.
    UnsignedUser(QualifiedUser),
    /// An operator at the command line.
    Operator(String),
    /// An invocation of the worker.
    Worker(InvocationId),
}

impl From<ActedBy> for AuditActor {
    fn from(by: ActedBy) -> Self {
        match by {
            ActedBy::User(user) => AuditActor::User(user.id),
            ActedBy::UnsignedUser(user) => AuditActor::UnsignedUser(user.id),
            ActedBy::Operator { name } => AuditActor::Operator(name),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AuditChange {
    /// The request was stored.
    Requested {
        /// Who requested what.
        request: DeployRequest,
        /// The deploy that it repeats.
        retry_of: Option<DeployId>,
        /// What was fixed with it; `None` in what earlier versions wrote.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opened: Option<Box<Opened>>,
    },
    /// The policy allowed it, and the intent to send the POST was stored.
    TriggerBegun {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The intent.
        intent: TriggerIntent,
        /// The locked target, if the job takes a lock.
        target: Option<Target>,
        /// The revision of the configuration that allowed it.
        config: String,
    },
    /// The intent was rolled back: certainly nothing was created, and a later attempt may work.
    TriggerRolledBack {
        /// The error.
        error: String,
        /// Whether CircleCI refused the token.
        token_refused: bool,
        /// When the next attempt is due.
        again_at: Time,
        /// Whether people are told that the trigger is delayed.
        #[serde(default, skip_serializing_if = "is_false")]
        told: bool,
    },
    /// Whether the POST worked is unknown.
    OutcomeUnknown {
        /// What happened to the answer.
        because: String,
    },
    /// The pipeline is known.
    Triggered {
        /// The pipeline.
        pipeline: CiPipeline,
        /// How it was recognized.
        matched_by: MatchedBy,
    },
    /// A workflow exists.
    Started {
        /// Workflow names.
        workflows: Vec<String>,
    },
    /// A workflow waits for an approval that nobody was told of.
    Held {
        /// Workflow names.
        workflows: Vec<String>,
        /// The approval jobs, as far as they could be read.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        jobs: Vec<String>,
    },
    /// The end.
    Ended {
        /// The terminal state.
        state: DeployState,
        /// Why.
        reason: EndReason,
    },
    /// A person requested to cancel it.
    CancelRequested {
        /// Who.
        by: ActedBy,
    },
    /// Another deploy repeats this one.
    Retried {
        /// That deploy.
        by: DeployId,
    },
    /// A person took it out of the list of what waits for a retry.
    Dismissed {
        /// Who.
        by: ActedBy,
    },
    /// A notification reached a final status. Nothing writes this yet.
    Notified {
        /// Which one.
        notification: NotificationKind,
        /// Its status.
        delivery: DeliveryStatus,
    },
    /// Something that people have to know at once.
    Noticed {
        /// What.
        notice: Notice,
    },
    /// The lock that it kept after its end, or while it could not be followed, is free.
    Unlocked {
        /// Who freed it; `None` if nothing of it can run any more.
        by: Option<ActedBy>,
    },
    /// More is known of the run or its target; the event's own fields say what.
    Learned,
    /// Evidence that changes nothing.
    Noted {
        /// What was learned.
        note: String,
    },
}

/// What is fixed when a deploy is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Its short id.
    pub short_id: ShortId,
    /// After this moment nothing is started.
    pub valid_until: Time,
    /// The first deploy of its chain of retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_root: Option<DeployId>,
    /// The request for this retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_request: Option<RequestId>,
    /// The latest deploy before it in the chain that is UNRESOLVED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unresolved_before: Option<DeployId>,
    /// The SHA-256 of the record of the action that asked for it, as it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<EventHash>,
}

/// The content of an audit event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The deploy.
    pub deploy: DeployId,
    /// Its number, from 1.
    pub n: u64,
    /// When.
    pub at: Time,
    /// Who caused it.
    pub by: AuditActor,
    /// What happened.
    pub change: AuditChange,
    /// The state afterwards.
    pub state: DeployState,
    /// The commit that CircleCI builds, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// What else is known of the run and its target; `None` for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Box<RunFacts>>,
    /// The hash of the previous event.
    pub prev: EventHash,
}

/// An audit event as it is stored: the exact text that was hashed, so that a later version of this
/// program can verify what an earlier one wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// The deploy.
    pub deploy: DeployId,
    /// Its number, from 1.
    pub n: u64,
    /// The [`AuditEntry`] as JSON.
    pub body: String,
    /// The SHA-256 of `body`, which contains the hash of the previous event.
    pub hash: EventHash,
}

impl AuditEvent {
    /// Seals an entry.
    #[must_use]
    pub fn seal(entry: &AuditEntry) -> Self {
        // An entry consists of strings, numbers and lists, so it always serializes.
        let body = serde_json::to_string(entry).unwrap_or_default();
        let hash = EventHash::of(&body);
        Self {
            deploy: entry.deploy,
            n: entry.n,
            body,
            hash,
        }
    }

    /// Deserializes the entry.
    pub fn entry(&self) -> Result<AuditEntry, serde_json::Error> {
        serde_json::from_str(&self.body)
    }
}

/// The place where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {n} {why}")]
pub struct BrokenChain {
    /// The number of the event.
    pub n: u64,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Checks that `events` are the unchanged events `1..` of `deploy`, each with the hash of the previous
/// one. `last` is the hash in the deploy's record, which reveals a truncated end.
pub fn verify_chain(
    deploy: DeployId,
    events: &[AuditEvent],
    last: EventHash,
) -> Result<(), BrokenChain> {
    let mut prev = EventHash::START;
    for (n, event) in (1..).zip(events) {
        let broken = |why| Err(BrokenChain { n, why });
        if event.hash != EventHash::of(&event.body) {
            return broken("was changed after it was written");
        }
        let Ok(entry) = event.entry() else {
            return broken("cannot be read");
        };
        if event.n != n || entry.n != n {
            return broken("is missing or out of place");
        }
        if entry.deploy != deploy || event.deploy != deploy {
            return broken("belongs to another deploy");
        }
        if entry.prev != prev {
            return broken("does not follow the one before");
        }
        prev = event.hash;
    }
    if prev == last {
        Ok(())
    } else {
        Err(BrokenChain {
            n: events.len() as u64 + 1,
            why: "is missing at the end",
        })
    }
}

#[cfg(test)]
mod tests;
