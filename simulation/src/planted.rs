//! Planted bugs: ports that are wrong in one known way each. Whatever tests the product must find
//! every one of them, or it would not find a real one either.
//!
//! [`Planted`] stands between a handler and its port. Without a bug it only passes on. One is made
//! for every run of a handler, so that what a bug keeps only in memory dies with the handler.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::Event;
use chatops_core::config::Slug;
use chatops_core::deploy::{Head, Pipeline, State, Target};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::ports::{
    Chat, Ci, CiError, Commit, CommitError, Due, Filter, Finding, Lock, Look, Outcome, Page,
    PipelineState, Position, Replies, Search, Store, StoreError, To, Trigger,
};
use chatops_core::reply::{Posted, Reply, Telling};
use chatops_core::words::Post;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// The intent to POST is kept in memory only.
    NoIntent,
    /// The HTTP client sends a POST again whose outcome it does not know.
    ClientResends,
    /// A look-up is believed before the horizon.
    BelievedEarly,
    /// A time-out counts as "nothing was created".
    SecondPostWhenUnsure,
    /// Whoever finds an old intent takes it back.
    DisarmedByStranger,
    /// A 5xx counts as "nothing was created".
    DisarmedOnServerError,
    /// A found pipeline is bound whether or not it carries the proof or belongs to another.
    BoundWithoutProof,
    /// What is owed is written in a second transaction.
    OwedLater,
    /// The order to try again is forgotten.
    OrderForgotten,
    /// An end is opened again when evidence comes late.
    EndRewritten,
    /// A pipeline in setup counts as created.
    SetupIsFinal,
    /// The notifier records only after it has posted.
    SendThenRecord,
    /// Uses of the reply address are not counted.
    UsesNotCounted,
    /// The hash chain does not chain.
    BrokenChain,
    /// The lock is not part of the transaction that arms.
    LockLater,
}

impl Bug {
    /// All of them.
    pub const ALL: [Bug; 15] = [
        Bug::NoIntent,
        Bug::ClientResends,
        Bug::BelievedEarly,
        Bug::SecondPostWhenUnsure,
        Bug::DisarmedByStranger,
        Bug::DisarmedOnServerError,
        Bug::BoundWithoutProof,
        Bug::OwedLater,
        Bug::OrderForgotten,
        Bug::EndRewritten,
        Bug::SetupIsFinal,
        Bug::SendThenRecord,
        Bug::UsesNotCounted,
        Bug::BrokenChain,
        Bug::LockLater,
    ];

    /// The bug in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Bug::NoIntent => "no intent record",
            Bug::ClientResends => "client that resends the POST",
            Bug::BelievedEarly => "look-up believed before the horizon",
            Bug::SecondPostWhenUnsure => "second POST when unsure",
            Bug::DisarmedByStranger => "disarm by a stranger",
            Bug::DisarmedOnServerError => "disarm on 5xx",
            Bug::BoundWithoutProof => "pipeline bound without \"absent or equal\"",
            Bug::OwedLater => "owed notice not in the transaction",
            Bug::OrderForgotten => "dead-letter order not owed",
            Bug::EndRewritten => "terminal rewritten",
            Bug::SetupIsFinal => "setup workflow taken as final",
            Bug::SendThenRecord => "send-then-record in the notifier",
            Bug::UsesNotCounted => "no use reserved for the final word",
            Bug::BrokenChain => "broken hash chain",
            Bug::LockLater => "lock not in the arming transaction",
        }
    }
}

/// A port with a bug, or without.
#[derive(Debug)]
pub struct Planted<P> {
    port: P,
    bug: Option<Bug>,
    memory: Mutex<Memory>,
}

/// What a buggy handler keeps to itself.
#[derive(Debug, Default)]
struct Memory {
    head: Option<Head>,
    reply: Option<Reply>,
    armed: bool,
}

impl<P> Planted<P> {
    /// A port as a handler sees it.
    pub fn new(port: P, bug: Option<Bug>) -> Self {
        Self {
            port,
            bug,
            memory: Mutex::default(),
        }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Store> Store for Planted<P> {
    async fn head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        let kept = self.memory().head.clone().filter(|head| head.id == id);
        if kept.is_some() {
            return Ok(kept);
        }
        let mut head = self.port.head(id).await?;
        if let Some(head) = &mut head {
            let by_another = head.state == State::Armed && !self.memory().armed;
            if self.has(Bug::DisarmedByStranger) && by_another {
                head.state = State::Requested;
            }
            if self.has(Bug::BelievedEarly)
                && let Some(armed) = &mut head.armed
                && (by_another || armed.doubt.is_some())
            {
                // As if the horizon, two minutes, were none.
                armed.send_by -= Duration::from_secs(120);
            }
            if self.has(Bug::EndRewritten) && head.state == State::Unresolved {
                head.state = State::Armed;
                head.due_at = head.armed.as_ref().map(|armed| armed.at);
            }
        }
        Ok(head)
    }

    async fn events(&self, id: DeployId) -> Result<Vec<Event>, StoreError> {
        self.port.events(id).await
    }

    async fn lock(&self, target: &Target) -> Result<Option<Lock>, StoreError> {
        self.port.lock(target).await
    }

    async fn owner(&self, pipeline: PipelineId) -> Result<Option<DeployId>, StoreError> {
        self.port.owner(pipeline).await
    }

    async fn by_short(&self, short: &ShortId) -> Result<Option<DeployId>, StoreError> {
        self.port.by_short(short).await
    }

    async fn list(
        &self,
        filter: &Filter,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.port.list(filter, before, limit).await
    }

    async fn commit(&self, mut commit: Commit) -> Result<(), CommitError> {
        self.memory().armed |= commit.head.state == State::Armed;
        if self.has(Bug::NoIntent) {
            if commit.head.state == State::Armed && commit.lock.is_some() {
                self.memory().head = Some(commit.head);
                return Ok(());
            }
            if let Some(kept) = self.memory().head.take() {
                // The outcome is written over what is on record, as if it had been there.
                commit.head.version = kept.version;
            }
        }
        match self.bug {
            Some(Bug::OrderForgotten) if commit.head.owes_order => {
                commit.head.owes_order = false;
                commit.head.due_at = None;
            }
            Some(Bug::BrokenChain) if commit.head.events == 3 => {
                if let Some(event) = &mut commit.event {
                    event.body = event.body.replace("\"n\":3", "\"n\": 3");
                }
            }
            Some(Bug::BoundWithoutProof) => commit.claim = None,
            Some(Bug::LockLater) => commit.lock = None,
            Some(Bug::OwedLater) if !commit.owe.is_empty() => {
                let owe = std::mem::take(&mut commit.owe);
                let mut second = commit.clone();
                self.port.commit(commit).await?;
                second.head.version += 1;
                second.head.events += 1;
                second.owe = owe;
                second.lock = None;
                return self.owe_later(second).await;
            }
            _ => {}
        }
        self.port.commit(commit).await
    }

    async fn due(&self, now: Time, limit: usize) -> Result<Vec<Due>, StoreError> {
        self.port.due(now, limit).await
    }
}

impl<P: Store> Planted<P> {
    /// The second of two transactions that should have been one: a note that makes it owed.
    async fn owe_later(&self, mut second: Commit) -> Result<(), CommitError> {
        let entry = second.event.as_ref().and_then(|event| event.entry().ok());
        if let Some(mut entry) = entry {
            entry.prev = second.head.last_hash;
            entry.n = second.head.events;
            entry.change = chatops_core::audit::Change::Noted {
                note: "owed".to_owned(),
            };
            let event = Event::seal(&entry);
            second.head.last_hash = event.hash;
            second.event = Some(event);
        }
        self.port.commit(second).await
    }
}

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
}
