//! The audit: what happened to a deploy, one event after the other, each with the hash of the one
//! before. Events are only ever added.

pub mod stored;

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Time;
use crate::deploy::{Armed, Ask, By, Pipeline, Proof, Reason, State, Target};
use crate::id::{DeployId, Invocation, UserId};

/// A SHA-256, in hexadecimal where it is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash([u8; 32]);

impl Hash {
    /// What stands before the first event.
    pub const START: Hash = Hash([0; 32]);

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

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a hash is 64 hexadecimal digits")
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> String {
        hash.to_string()
    }
}

/// Who made it happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "who", content = "id", rename_all = "snake_case")]
pub enum Actor {
    /// A person in Slack.
    Person(UserId),
    /// Somebody at the command line.
    Operator(String),
    /// A run of the worker.
    Worker(Invocation),
}

impl From<By> for Actor {
    fn from(by: By) -> Self {
        match by {
            By::Person(user) => Actor::Person(user),
            By::Operator(name) => Actor::Operator(name),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Change {
    /// The command was put on record.
    Requested {
        /// Who asked for what.
        ask: Ask,
        /// The deploy it repeats.
        retry_of: Option<DeployId>,
    },
    /// Policy allowed it and the intent to POST was written.
    Armed {
        /// Which attempt this is, from 1.
        attempt: u32,
        /// The intent.
        armed: Armed,
        /// The lock that was taken, if the job takes one.
        target: Option<Target>,
        /// The revision of the configuration that allowed it.
        config: String,
    },
    /// The intent was taken back: certainly nothing was created, and it may work later.
    Disarmed {
        /// What was met.
        obstacle: String,
        /// CircleCI refused the token.
        token_refused: bool,
        /// When it is tried again.
        again_at: Time,
    },
    /// The sender does not know whether its POST worked.
    Doubted {
        /// What happened to the answer.
        doubt: String,
    },
    /// A pipeline is ours.
    Triggered {
        /// The pipeline.
        pipeline: Pipeline,
        /// How we know.
        proof: Proof,
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
        state: State,
        /// Why.
        reason: Reason,
    },
    /// Somebody wants it canceled.
    CancelWished {
        /// Who.
        by: By,
    },
    /// Another deploy repeats this one.
    Retried {
        /// That deploy.
        by: DeployId,
    },
    /// Evidence that changes nothing, kept for the reader.
    Noted {
        /// What was learned.
        note: String,
    },
}

/// One line of a deploy's audit, as it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The deploy.
    pub deploy: DeployId,
    /// Its place, from 1.
    pub n: u64,
    /// When.
    pub at: Time,
    /// Who made it happen.
    pub by: Actor,
    /// What happened.
    pub change: Change,
    /// The state afterwards.
    pub state: State,
    /// The hash of the line before.
    pub prev: Hash,
}

/// One line of a deploy's audit, as it is kept: the very text that was hashed, so that a later
/// version of this program can check what an earlier one wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The deploy.
    pub deploy: DeployId,
    /// Its place, from 1.
    pub n: u64,
    /// The [`Entry`] as JSON.
    pub body: String,
    /// The SHA-256 of `body`, which holds the hash of the line before.
    pub hash: Hash,
}

impl Event {
    /// Seals an entry.
    #[must_use]
    pub fn seal(entry: &Entry) -> Self {
        // An entry is made of strings, numbers and lists: it always serialises.
        let body = serde_json::to_string(entry).unwrap_or_default();
        let hash = Hash(Sha256::digest(&body).into());
        Self {
            deploy: entry.deploy,
            n: entry.n,
            body,
            hash,
        }
    }

    /// The entry, or why the text is not one.
    pub fn entry(&self) -> Result<Entry, serde_json::Error> {
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
pub fn verify(deploy: DeployId, events: &[Event], last: Hash) -> Result<(), BrokenChain> {
    let mut prev = Hash::START;
    for (n, event) in (1..).zip(events) {
        let broken = |why| Err(BrokenChain { n, why });
        if event.hash != Hash(Sha256::digest(&event.body).into()) {
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
