//! The ledger in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Mutex;

use chatops_core::Time;
use chatops_core::audit::Event;
use chatops_core::deploy::{Head, Target};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::ports::{
    Commit, CommitError, Conflict, Due, Filter, Lock, LockChange, More, Page, Position, READS,
    Replies, Store, StoreError,
};
use chatops_core::reply::Reply;

use super::open;

#[derive(Debug, Default)]
struct Tables {
    heads: BTreeMap<DeployId, Head>,
    events: BTreeMap<DeployId, Vec<Event>>,
    locks: BTreeMap<Target, Lock>,
    owners: BTreeMap<PipelineId, DeployId>,
    shorts: BTreeMap<ShortId, DeployId>,
    replies: BTreeMap<DeployId, Reply>,
}

/// The ledger in memory.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Tables>);

impl MemoryStore {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every deploy as it stands.
    #[must_use]
    pub fn heads(&self) -> Vec<Head> {
        open(&self.0).heads.values().cloned().collect()
    }

    /// Every lock that was taken and not freed.
    #[must_use]
    pub fn locks(&self) -> BTreeMap<Target, Lock> {
        open(&self.0).locks.clone()
    }

    /// Every claimed pipeline and its deploy.
    #[must_use]
    pub fn owners(&self) -> BTreeMap<PipelineId, DeployId> {
        open(&self.0).owners.clone()
    }

    /// Every reply item.
    #[must_use]
    pub fn replies(&self) -> Vec<Reply> {
        open(&self.0).replies.values().cloned().collect()
    }
}

/// What a lock becomes: nothing if `None`.
type NextLock = (Target, Option<Lock>);

impl Tables {
    /// The conditions of a commit in their order; nothing is written before all of them hold.
    fn check(&self, commit: &Commit) -> Result<Option<NextLock>, CommitError> {
        let head = &commit.head;
        let stored = self.heads.get(&head.id).map(|head| head.version);
        if head.version.checked_sub(1) != Some(stored.unwrap_or(0)) {
            return Err(Conflict::Version.into());
        }
        if head.version == 1 && self.shorts.contains_key(&head.short) {
            return Err(Conflict::Short.into());
        }
        if let Some(repeated) = &commit.repeats {
            let old = &repeated.head;
            let stored = self.heads.get(&old.id).map(|head| head.version);
            if stored.is_none() || old.version.checked_sub(1) != stored {
                return Err(Conflict::Version.into());
            }
        }
        let lock = commit
            .lock
            .as_ref()
            .map(|change| self.change(head.id, change))
            .transpose()?;
        if let Some(pipeline) = &commit.claim
            && let Some(owner) = self.owners.get(pipeline)
            && *owner != head.id
        {
            return Err(Conflict::Claim(*owner).into());
        }
        self.sound(commit)?;
        Ok(lock)
    }

    fn change(&self, deploy: DeployId, change: &LockChange) -> Result<NextLock, CommitError> {
        let (LockChange::Take { target, .. }
        | LockChange::Free { target }
        | LockChange::Expire { target, .. }) = change;
        let held = self.locks.get(target);
        let next = match (change, held) {
            (LockChange::Take { now, .. }, Some(lock)) if lock.bars(deploy, *now) => {
                return Err(Conflict::Lock(lock.clone()).into());
            }
            (LockChange::Take { now, .. }, held) => {
                let since = held
                    .filter(|lock| lock.deploy == deploy)
                    .map_or(*now, |l| l.since);
                Some(Lock {
                    deploy,
                    since,
                    until: None,
                })
            }
            (_, None) => return Err(StoreError(format!("no deploy holds '{target}'")).into()),
            (_, Some(lock)) if lock.deploy != deploy => {
                return Err(Conflict::Lock(lock.clone()).into());
            }
            (LockChange::Free { .. }, Some(_)) => None,
            (LockChange::Expire { until, .. }, Some(lock)) => Some(Lock {
                until: Some(*until),
                ..lock.clone()
            }),
        };
        Ok((target.clone(), next))
    }

    /// What only a defect can break.
    fn sound(&self, commit: &Commit) -> Result<(), StoreError> {
        let defect = |what: String| Err(StoreError(what));
        let (id, version) = (commit.head.id, commit.head.version);
        let recorded = self.events.get(&id).map_or(0, Vec::len) as u64;
        if let Some(event) = &commit.event
            && (event.deploy != id || event.n != recorded + 1)
        {
            return defect(format!(
                "event {} cannot follow event {recorded} of {id}",
                event.n
            ));
        }
        if commit.event.is_none() && !commit.owe.is_empty() {
            return defect(format!(
                "what is owed about {id} needs an event that says so"
            ));
        }
        if let Some(repeated) = &commit.repeats {
            let old = repeated.head.id;
            let recorded = self.events.get(&old).map_or(0, Vec::len) as u64;
            let event = &repeated.event;
            if version != 1 || old == id || event.deploy != old || event.n != recorded + 1 {
                return defect(format!(
                    "only its first commit says that {id} repeats another"
                ));
            }
        }
        if let Some(reply) = &commit.open
            && (version != 1 || reply.deploy != id)
        {
            return defect(format!(
                "only its first commit opens the reply item of {id}"
            ));
        }
        Ok(())
    }

    fn apply(&mut self, commit: Commit, lock: Option<NextLock>) -> Result<(), StoreError> {
        let id = commit.head.id;
        let told = commit.event.as_ref().filter(|_| !commit.owe.is_empty());
        let moment = told.map(Event::entry).transpose();
        let moment = moment.map_err(|e| StoreError(format!("an event cannot be read: {e}")))?;
        if commit.head.version == 1 {
            self.shorts.insert(commit.head.short.clone(), id);
        }
        if let Some(repeated) = commit.repeats {
            let old = repeated.head.id;
            self.events.entry(old).or_default().push(repeated.event);
            self.heads.insert(old, repeated.head);
        }
        self.heads.insert(id, commit.head);
        self.events.entry(id).or_default().extend(commit.event);
        match lock {
            Some((target, Some(lock))) => drop(self.locks.insert(target, lock)),
            Some((target, None)) => drop(self.locks.remove(&target)),
            None => {}
        }
        self.owners
            .extend(commit.claim.map(|pipeline| (pipeline, id)));
        self.replies.extend(commit.open.map(|reply| (id, reply)));
        if let (Some(reply), Some(entry)) = (self.replies.get_mut(&id), moment) {
            for kind in commit.owe {
                reply.owe(kind, entry.at);
            }
        }
        Ok(())
    }
}

impl Store for MemoryStore {
    async fn head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        Ok(open(&self.0).heads.get(&id).cloned())
    }

    async fn events(&self, id: DeployId) -> Result<Vec<Event>, StoreError> {
        Ok(open(&self.0).events.get(&id).cloned().unwrap_or_default())
    }

    async fn lock(&self, target: &Target) -> Result<Option<Lock>, StoreError> {
        Ok(open(&self.0).locks.get(target).cloned())
    }

    async fn owner(&self, pipeline: PipelineId) -> Result<Option<DeployId>, StoreError> {
        Ok(open(&self.0).owners.get(&pipeline).copied())
    }

    async fn by_short(&self, short: &ShortId) -> Result<Option<DeployId>, StoreError> {
        Ok(open(&self.0).shorts.get(short).copied())
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let tables = &mut *open(&self.0);
        let lock = tables.check(&commit)?;
        Ok(tables.apply(commit, lock)?)
    }

    async fn list(
        &self,
        filter: &Filter,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let tables = open(&self.0);
        let older = |head: &&Head| before.is_none_or(|before| Position::of(head) < before);
        let mut read: Vec<&Head> = tables.heads.values().filter(older).collect();
        read.sort_unstable_by_key(|head| Reverse(Position::of(head)));
        let cut = read.len() > READS;
        read.truncate(READS);
        let more = |last: &Head, full| More {
            before: last.short.clone(),
            looked_back_to: last.ask.asked_at,
            full,
        };
        let mut fitting: Vec<&Head> = read.iter().copied().filter(|h| filter.fits(h)).collect();
        let full = fitting.len() > limit;
        fitting.truncate(limit);
        let last = if full {
            fitting.last()
        } else {
            read.last().filter(|_| cut)
        };
        Ok(Page {
            more: last.map(|last| more(last, full)),
            deploys: fitting.into_iter().cloned().collect(),
        })
    }

    async fn due(&self, now: Time, limit: usize) -> Result<Vec<Due>, StoreError> {
        let tables = open(&self.0);
        let deploys = tables
            .heads
            .values()
            .map(|head| (head.due_at, Due::Deploy(head.id)));
        let replies = tables
            .replies
            .values()
            .map(|r| (r.due_at(), Due::Reply(r.deploy)));
        let mut due: Vec<_> = deploys
            .chain(replies)
            .filter_map(|(at, what)| at.filter(|at| *at <= now).map(|at| (at, what)))
            .collect();
        due.sort_unstable();
        Ok(due.into_iter().map(|(_, what)| what).take(limit).collect())
    }
}

impl Replies for MemoryStore {
    async fn told_head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        self.head(id).await
    }

    async fn reply(&self, id: DeployId) -> Result<Option<Reply>, StoreError> {
        Ok(open(&self.0).replies.get(&id).cloned())
    }

    async fn save(&self, reply: Reply) -> Result<(), CommitError> {
        let replies = &mut open(&self.0).replies;
        let stored = replies.get(&reply.deploy).map(|reply| reply.version);
        if stored.is_none() || reply.version.checked_sub(1) != stored {
            return Err(Conflict::Version.into());
        }
        replies.insert(reply.deploy, reply);
        Ok(())
    }
}
