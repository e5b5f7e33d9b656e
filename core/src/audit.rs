//! The audit: what happened to a deploy, one event after the other, each with the hash of the one
//! before. Events are only ever added.

pub mod stored;

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Time;
use crate::deploy::{
    ActedBy, CiPipeline, DeployRequest, DeployState, EndReason, MatchedBy, Target, TriggerIntent,
};
use crate::id::{DeployId, InvocationId, QualifiedUser};
use crate::notification::{DeliveryStatus, NotificationKind};

/// A SHA-256, in hexadecimal where it is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventHash([u8; 32]);

impl EventHash {
    /// What stands before the first event.
    pub const START: EventHash = EventHash([0; 32]);

    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for EventHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EventHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for EventHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a hash is 64 hexadecimal digits")
    }
}

impl From<EventHash> for String {
    fn from(hash: EventHash) -> String {
        hash.to_string()
    }
}

/// Who made it happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum AuditActor {
    /// A user in Slack.
    User(QualifiedUser),
    /// Somebody at the command line.
    Operator(String),
    /// A run of the worker.
    Worker(InvocationId),
}

impl From<ActedBy> for AuditActor {
    fn from(by: ActedBy) -> Self {
        match by {
            ActedBy::User(user) => AuditActor::User(user),
            ActedBy::Operator(name) => AuditActor::Operator(name),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AuditChange {
    /// The command was put on record.
    Requested {
        /// Who asked for what.
        request: DeployRequest,
        /// The deploy it repeats.
        retry_of: Option<DeployId>,
    },
    /// Policy allowed it and the intent to POST was written.
    TriggerBegun {
        /// Which attempt this is, from 1.
        attempt: u32,
        /// The intent.
        intent: TriggerIntent,
        /// The lock that was taken, if the job takes one.
        target: Option<Target>,
        /// The revision of the configuration that allowed it.
        config: String,
    },
    /// The intent was taken back: certainly nothing was created, and it may work later.
    TriggerRolledBack {
        /// What was met.
        error: String,
        /// CircleCI refused the token.
        token_refused: bool,
        /// When it is tried again.
        again_at: Time,
    },
    /// The sender does not know whether its POST worked.
    OutcomeUnknown {
        /// What happened to the answer.
        because: String,
    },
    /// A pipeline is ours.
    Triggered {
        /// The pipeline.
        pipeline: CiPipeline,
        /// How we know.
        matched_by: MatchedBy,
    },
    /// A workflow has been seen.
    Started {
        /// Workflow names.
        workflows: Vec<String>,
    },
    /// A workflow was seen waiting for an approval.
    Held {
        /// Workflow names.
        workflows: Vec<String>,
    },
    /// The end.
    Ended {
        /// The terminal state.
        state: DeployState,
        /// Why.
        reason: EndReason,
    },
    /// Somebody wants it canceled.
    CancelRequested {
        /// Who.
        by: ActedBy,
    },
    /// Another deploy repeats this one.
    Retried {
        /// That deploy.
        by: DeployId,
    },
    /// A notification reached its end. Nothing writes this yet.
    Notified {
        /// Which one.
        notification: NotificationKind,
        /// What became of it.
        delivery: DeliveryStatus,
    },
    /// Evidence that changes nothing, kept for the reader.
    Noted {
        /// What was learned.
        note: String,
    },
}

/// One line of a deploy's audit, as it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The deploy.
    pub deploy: DeployId,
    /// Its place, from 1.
    pub n: u64,
    /// When.
    pub at: Time,
    /// Who made it happen.
    pub by: AuditActor,
    /// What happened.
    pub change: AuditChange,
    /// The state afterwards.
    pub state: DeployState,
    /// The commit that CircleCI builds, from the event on in which it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The hash of the line before.
    pub prev: EventHash,
}

/// One line of a deploy's audit, as it is kept: the very text that was hashed, so that a later
/// version of this program can check what an earlier one wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// The deploy.
    pub deploy: DeployId,
    /// Its place, from 1.
    pub n: u64,
    /// The [`Entry`] as JSON.
    pub body: String,
    /// The SHA-256 of `body`, which holds the hash of the line before.
    pub hash: EventHash,
}

impl AuditEvent {
    /// Seals an entry.
    #[must_use]
    pub fn seal(entry: &AuditEntry) -> Self {
        // An entry is made of strings, numbers and lists: it always serialises.
        let body = serde_json::to_string(entry).unwrap_or_default();
        let hash = EventHash(Sha256::digest(&body).into());
        Self {
            deploy: entry.deploy,
            n: entry.n,
            body,
            hash,
        }
    }

    /// The entry, or why the text is not one.
    pub fn entry(&self) -> Result<AuditEntry, serde_json::Error> {
        serde_json::from_str(&self.body)
    }
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {n} {why}")]
pub struct BrokenChain {
    /// The event's place.
    pub n: u64,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Checks that `events` are `1..n` of `deploy`, each as it was sealed and each following the one
/// before. `last` is the hash the deploy's head remembers, so that a cut-off end is seen too.
pub fn verify_chain(
    deploy: DeployId,
    events: &[AuditEvent],
    last: EventHash,
) -> Result<(), BrokenChain> {
    let mut prev = EventHash::START;
    for (n, event) in (1..).zip(events) {
        let broken = |why| Err(BrokenChain { n, why });
        if event.hash != EventHash(Sha256::digest(&event.body).into()) {
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
