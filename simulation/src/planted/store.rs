//! The ledger with a bug.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::{Change, Event};
use chatops_core::deploy::{Head, State, Target};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::ports::{
    Commit, CommitError, Due, Filter, Lock, Page, Position, READS, Store, StoreError,
};

use super::{Bug, Planted};

impl<P: Store> Store for Planted<P> {
    async fn head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        let kept = self.memory().head.clone().filter(|head| head.id == id);
        if kept.is_some() {
            return Ok(kept);
        }
        let mut head = self.port.head(id).await?;
        if self.has(Bug::IndexBelieved) && self.tidying && self.is_not_listed(id).await? {
            // What no index shows as failed was surely tried again.
            return Ok(head.map(|head| Head {
                retried_by: Some(id),
                ..head
            }));
        }
        if let Some(head) = &mut head {
            self.hide(head);
            let by_another = head.state == State::Armed && !self.memory().armed;
            if self.has(Bug::DisarmedByStranger) && by_another {
                head.state = State::Requested;
            }
            if self.has(Bug::BelievedEarly)
                && let Some(armed) = &mut head.armed
                && (by_another || armed.doubt.is_some())
            {
                // As if the horizon, two minutes, were none.
                armed.send_by -= Duration::from_mins(2);
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
        self.restore(&mut commit);
        match self.bug {
            Some(Bug::RetryDrawn | Bug::OrderStartsAgain) if commit.repeats.is_some() => {
                let known = self.port.head(commit.head.id).await?.is_some();
                if known || self.has(Bug::RetryDrawn) {
                    draw(&mut commit);
                }
            }
            Some(Bug::RetriedNotWritten) => {
                if let Some(repeated) = &mut commit.repeats {
                    repeated.head.retried_by = None;
                }
            }
            Some(Bug::CancelForgotten) => commit.head.cancel = None,
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
            Some(Bug::ArmedAgain) if commit.lock.is_some() && commit.head.state == State::Armed => {
                let written = self.port.commit(commit.clone()).await;
                return match written {
                    Err(CommitError::Store(_)) => self.arm_again(commit).await,
                    written => written,
                };
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
    /// Whether the index of what waits to be tried again does not show a deploy.
    async fn is_not_listed(&self, id: DeployId) -> Result<bool, StoreError> {
        let filter = Filter {
            awaits_retry: true,
            ..Filter::default()
        };
        let page = self.port.list(&filter, None, READS).await?;
        Ok(page.deploys.iter().all(|head| head.id != id))
    }

    /// Takes out of a head what a handler with this bug does not see.
    fn hide(&self, head: &mut Head) {
        let known = (head.retried_by, head.wished_by);
        match self.bug {
            Some(Bug::OrderStartsAgain) if !self.tidying => head.retried_by = None,
            Some(Bug::PressForgotten) => head.wished_by = None,
            Some(Bug::LiveOrderRemoved) if self.tidying => head.retried_by = Some(head.id),
            _ => return,
        }
        self.memory().hidden.insert(head.id, known);
    }

    /// Puts back what a handler with this bug did not see and so does not write.
    fn restore(&self, commit: &mut Commit) {
        let head = &mut commit.head;
        if let Some((retried_by, wished_by)) = self.memory().hidden.get(&head.id) {
            head.retried_by = head.retried_by.or(*retried_by);
            head.wished_by = head.wished_by.or(*wished_by);
        }
        if let Some(repeated) = &mut commit.repeats
            && let Some((_, wished_by)) = self.memory().hidden.get(&repeated.head.id)
        {
            repeated.head.wished_by = repeated.head.wished_by.or(*wished_by);
        }
    }

    /// The same intent once more, over whatever is on record, as the next attempt.
    async fn arm_again(&self, mut commit: Commit) -> Result<(), CommitError> {
        let stored = self.port.head(commit.head.id).await?;
        let (Some(stored), Some(event)) = (stored, &mut commit.event) else {
            return Ok(());
        };
        let head = &mut commit.head;
        head.version = stored.version + 1;
        head.events = stored.events + 1;
        head.attempts = stored.attempts + 1;
        if let Ok(mut entry) = event.entry() {
            (entry.n, entry.prev) = (head.events, stored.last_hash);
            if let Change::Armed { attempt, .. } = &mut entry.change {
                *attempt = head.attempts;
            }
            *event = Event::seal(&entry);
            head.last_hash = event.hash;
        }
        self.port.commit(commit).await
    }

    /// The second of two transactions that should have been one: a note that makes it owed.
    async fn owe_later(&self, mut second: Commit) -> Result<(), CommitError> {
        let entry = second.event.as_ref().and_then(|event| event.entry().ok());
        if let Some(mut entry) = entry {
            entry.prev = second.head.last_hash;
            entry.n = second.head.events;
            entry.change = Change::Noted {
                note: "owed".to_owned(),
            };
            let event = Event::seal(&entry);
            second.head.last_hash = event.hash;
            second.event = Some(event);
        }
        self.port.commit(second).await
    }
}

/// Gives a retry an id of its own, wherever it is named.
fn draw(commit: &mut Commit) {
    let Some(repeated) = &mut commit.repeats else {
        return;
    };
    let occasion = format!("{} {:?}", commit.head.ask.asked_at, commit.head.wished_by);
    let id = DeployId::of_request("drawn", &repeated.head.id.to_string(), &occasion);
    commit.head.id = id;
    commit.head.short = id.short(ShortId::USUAL);
    repeated.head.retried_by = Some(id);
    if let Some(reply) = &mut commit.open {
        reply.deploy = id;
    }
    if let Some(event) = &mut commit.event {
        reseal(&mut commit.head, event);
    }
    if let Ok(mut entry) = repeated.event.entry() {
        entry.change = Change::Retried { by: id };
        repeated.event = Event::seal(&entry);
        repeated.head.last_hash = repeated.event.hash;
    }
}

/// Seals an event anew for the deploy that it is about now.
fn reseal(head: &mut Head, event: &mut Event) {
    if let Ok(mut entry) = event.entry() {
        entry.deploy = head.id;
        *event = Event::seal(&entry);
        head.last_hash = event.hash;
    }
}
