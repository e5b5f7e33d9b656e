//! The ledger behind `DynamoDB`'s faults.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chatops_core::Time;
use chatops_core::audit::Event;
use chatops_core::deploy::{Head, Target};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::ports::{
    Commit, CommitError, Conflict, Due, Filter, Lock, Page, Position, Replies, Store, StoreError,
};
use chatops_core::reply::Reply;

use crate::dice::Fault;
use crate::memory::MemoryStore;
use crate::points::{Points, drive};

/// How often the adapter sends a transaction that others are in the way of.
const TRIES: usize = 8;

/// How many calls a write that comes late may take, at most.
const LATE: usize = 8;

/// The ledger as the adapter of `DynamoDB` shows it.
#[derive(Debug)]
pub struct CloudStore {
    store: Arc<MemoryStore>,
    points: Points,
    /// The writes that are still on their way, and for how many more calls.
    on_their_way: Mutex<Vec<(usize, Write)>>,
}

#[derive(Debug)]
enum Write {
    Commit(Box<Commit>),
    Save(Box<Reply>),
}

impl CloudStore {
    /// The ledger in `store`.
    #[must_use]
    pub fn new(store: &Arc<MemoryStore>, points: &Points) -> Self {
        Self {
            store: Arc::clone(store),
            points: points.clone(),
            on_their_way: Mutex::default(),
        }
    }

    fn on_their_way(&self) -> MutexGuard<'_, Vec<(usize, Write)>> {
        self.on_their_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everything arrive that is still on its way: no request travels while nobody does
    /// anything.
    pub fn arrive(&self) {
        let all = std::mem::take(&mut *self.on_their_way());
        for (_, write) in all {
            self.land(write);
        }
    }

    /// A call: what is on its way comes nearer, and first does what comes first.
    fn call(&self) {
        let mut arrived = vec![];
        let on_their_way = &mut *self.on_their_way();
        for (calls, write) in std::mem::take(on_their_way) {
            match calls.checked_sub(1) {
                None | Some(0) => arrived.push(write),
                Some(calls) => on_their_way.push((calls, write)),
            }
        }
        for write in arrived {
            self.land(write);
        }
    }

    /// Nobody hears whether its conditions held.
    fn land(&self, write: Write) {
        match write {
            Write::Commit(commit) => drop(drive(self.store.commit(*commit))),
            Write::Save(reply) => drop(drive(self.store.save(*reply))),
        }
    }

    /// What happens to a transaction before it is done. If it comes late, that is its answer.
    async fn on_the_way(
        &self,
        name: &'static str,
        write: impl FnOnce() -> Write,
    ) -> Result<(), StoreError> {
        self.call();
        if self.points.fails(Fault::WriteWaits) {
            for _ in 0..=self.points.below(TRIES - 1) {
                self.points.pass("between tries of", name).await;
                self.call();
            }
        }
        if self.points.fails(Fault::WriteComesLate) {
            // Where nothing is left to chance, whoever reads at once does not see it.
            let calls = if self.points.placed() {
                2
            } else {
                1 + self.points.below(LATE)
            };
            self.on_their_way().push((calls, write()));
            return Err(StoreError("no answer came in time".to_owned()));
        }
        Ok(())
    }

    /// What the answer to a transaction is that was done.
    fn answer(&self) -> Result<(), CommitError> {
        if self.points.fails(Fault::WriteMeetsItself) {
            return Err(Conflict::Version.into());
        }
        Ok(())
    }
}

impl Store for CloudStore {
    async fn head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        self.call();
        self.store.head(id).await
    }

    async fn events(&self, id: DeployId) -> Result<Vec<Event>, StoreError> {
        self.call();
        self.store.events(id).await
    }

    async fn lock(&self, target: &Target) -> Result<Option<Lock>, StoreError> {
        self.call();
        self.store.lock(target).await
    }

    async fn owner(&self, pipeline: PipelineId) -> Result<Option<DeployId>, StoreError> {
        self.call();
        self.store.owner(pipeline).await
    }

    async fn by_short(&self, short: &ShortId) -> Result<Option<DeployId>, StoreError> {
        self.call();
        self.store.by_short(short).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let write = || Write::Commit(Box::new(commit.clone()));
        self.on_the_way("store.commit", write).await?;
        self.store.commit(commit).await?;
        self.answer()
    }

    async fn list(
        &self,
        filter: &Filter,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.call();
        let mut page = self.store.list(filter, before, limit).await?;
        if !page.deploys.is_empty() && self.points.fails(Fault::ListMissing) {
            page.deploys.remove(self.points.below(page.deploys.len()));
        }
        Ok(page)
    }

    async fn due(&self, now: Time, limit: usize) -> Result<Vec<Due>, StoreError> {
        self.call();
        let mut due = self.store.due(now, limit).await?;
        if !due.is_empty() && self.points.fails(Fault::DueMissing) {
            due.truncate(self.points.below(due.len()));
        }
        if !self.points.cloud() {
            return Ok(due);
        }
        let heads = self.store.heads().into_iter();
        let replies = self.store.replies().into_iter();
        let stale: Vec<Due> = heads
            .map(|head| Due::Deploy(head.id))
            .chain(replies.map(|reply| Due::Reply(reply.deploy)))
            .filter(|thing| !due.contains(thing))
            .collect();
        if !stale.is_empty() && self.points.fails(Fault::DueStale) {
            due.extend(stale);
            due.truncate(limit);
        }
        Ok(due)
    }
}

impl Replies for CloudStore {
    async fn told_head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        self.head(id).await
    }

    async fn reply(&self, id: DeployId) -> Result<Option<Reply>, StoreError> {
        self.call();
        self.store.reply(id).await
    }

    async fn save(&self, reply: Reply) -> Result<(), CommitError> {
        let write = || Write::Save(Box::new(reply.clone()));
        self.on_the_way("replies.save", write).await?;
        self.store.save(reply).await?;
        self.answer()
    }
}
