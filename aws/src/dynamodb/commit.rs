//! A commit as a transaction: which writes it is made of, and what it means if the condition of
//! one of them does not hold.

use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use chatops_core::audit::Event;
use chatops_core::deploy::{Head, Target};
use chatops_core::id::DeployId;
use chatops_core::ports::{Commit, CommitError, Conflict, Lock, LockChange, StoreError};
use chatops_core::reply::Reply;

use super::item::{self, Item, number, text};
use super::table::{PK, moment};

/// What a write is about. They are checked in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Short,
    OldHead,
    Lock,
    Claim,
    Event,
    OldEvent,
    Opened,
    Owed,
}

/// What was read, or seen in a cancelled transaction, of the items that a commit changes rather
/// than replaces.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The lock, if it is this deploy's already.
    pub(super) lock: Option<Lock>,
    /// The reply item.
    pub(super) reply: Option<Reply>,
}

/// What to do about a condition that did not hold.
#[derive(Debug)]
pub(super) enum Next {
    /// Make the transaction again with this in sight: another writer came first, and that is no
    /// conflict.
    Again(Seen),
    /// Give up.
    End(CommitError),
}

/// The writes of one transaction.
#[derive(Debug)]
pub(super) struct Plan<'c> {
    table: &'c str,
    commit: &'c Commit,
    parts: Vec<Part>,
    writes: Vec<TransactWriteItem>,
}

impl<'c> Plan<'c> {
    /// The transaction for a commit.
    pub(super) fn new(
        table: &'c str,
        commit: &'c Commit,
        seen: &Seen,
    ) -> Result<Self, CommitError> {
        sound(commit)?;
        let mut plan = Self {
            table,
            commit,
            parts: vec![],
            writes: vec![],
        };
        let head = &commit.head;
        plan.head(Part::Head, head, commit.event.is_some())?;
        if head.version == 1 {
            let short = item::owned(item::short_key(&head.short), head.id);
            plan.put(Part::Short, plan.absent(short))?;
        }
        if let Some(old) = &commit.repeats {
            plan.head(Part::OldHead, &old.head, true)?;
        }
        if let Some(change) = &commit.lock {
            plan.lock(change, seen.lock.as_ref())?;
        }
        if let Some(pipeline) = commit.claim {
            let claim = item::owned(item::claim_key(pipeline), head.id);
            let claim = plan
                .new_put(claim)
                .condition_expression("attribute_not_exists(#pk) OR #deploy = :deploy");
            let claim = claim.expression_attribute_names("#pk", PK);
            plan.put(Part::Claim, ours(claim, head.id))?;
        }
        if let Some(event) = &commit.event {
            plan.put(Part::Event, plan.absent(item::event_item(event)))?;
        }
        if let Some(old) = &commit.repeats {
            plan.put(Part::OldEvent, plan.absent(item::event_item(&old.event)))?;
        }
        plan.reply(seen.reply.as_ref())?;
        Ok(plan)
    }

    /// The writes, in order.
    pub(super) fn writes(&mut self) -> Vec<TransactWriteItem> {
        std::mem::take(&mut self.writes)
    }

    fn head(&mut self, part: Part, head: &Head, event: bool) -> Result<(), CommitError> {
        let put = item::head_item(head)?;
        if head.version == 1 {
            return self.put(part, self.absent(put));
        }
        // The number of events is compared too: it is the number of the next one.
        let before = head.events.saturating_sub(u64::from(event));
        let put = (self
            .new_put(put)
            .condition_expression("#v = :before AND #events = :events"))
        .expression_attribute_names("#v", "v")
        .expression_attribute_names("#events", "events")
        .expression_attribute_values(":before", number(head.version - 1))
        .expression_attribute_values(":events", number(before));
        self.put(part, put)
    }

    fn lock(&mut self, change: &LockChange, held: Option<&Lock>) -> Result<(), CommitError> {
        let deploy = self.commit.head.id;
        let taken = |target: &Target, since, until| {
            let lock = Lock {
                deploy,
                since,
                until,
            };
            item::lock_item(target, &lock)
        };
        let is_ours = "#deploy = :deploy";
        match (change, held) {
            (LockChange::Take { target, now }, None) => {
                let free =
                    "attribute_not_exists(#deploy) OR (#deploy <> :deploy AND #until <= :now)";
                let put = self.new_put(taken(target, *now, None)?);
                let put = (put.condition_expression(free))
                    .expression_attribute_names("#until", "until")
                    .expression_attribute_values(":now", text(moment(*now)));
                self.put(Part::Lock, ours(put, deploy))
            }
            (LockChange::Take { target, .. }, Some(held)) => {
                let put = self.new_put(taken(target, held.since, None)?);
                self.put(Part::Lock, ours(put.condition_expression(is_ours), deploy))
            }
            (LockChange::Expire { target, until }, held) => {
                // Nobody but its holder changes a lock, and a deploy's holder is who commits now.
                let since = held.map_or(*until, |held| held.since);
                let put = self.new_put(taken(target, since, Some(*until))?);
                self.put(Part::Lock, ours(put.condition_expression(is_ours), deploy))
            }
            // What is free is written down as free, so that nobody needs the right to delete.
            (LockChange::Free { target }, _) => {
                let put = self.new_put(item::lock_key(target));
                self.put(Part::Lock, ours(put.condition_expression(is_ours), deploy))
            }
        }
    }

    fn reply(&mut self, seen: Option<&Reply>) -> Result<(), CommitError> {
        let commit = self.commit;
        let (mut reply, part) = match (&commit.open, seen) {
            (Some(open), _) => (open.clone(), Part::Opened),
            (None, Some(seen)) => (seen.clone(), Part::Owed),
            (None, None) => return Ok(()),
        };
        let before = reply.version;
        if let (Some(event), false) = (&commit.event, commit.owe.is_empty()) {
            let entry = event.entry();
            let entry = entry.map_err(|e| defect(format!("an event cannot be read: {e}")))?;
            for kind in &commit.owe {
                reply.owe(*kind, entry.at);
            }
        }
        let put = item::reply_item(&reply)?;
        match part {
            // Of all that can be wrong with a commit this is the last.
            Part::Opened if commit.head.version != 1 || reply.deploy != commit.head.id => {
                let never = "attribute_exists(#pk) AND attribute_not_exists(#pk)";
                self.put(part, self.absent(put).condition_expression(never))
            }
            Part::Opened => self.put(part, self.absent(put)),
            _ if reply.version == before => Ok(()),
            _ => self.put(part, self.over(put, before)),
        }
    }

    fn new_put(&self, item: Item) -> PutBuilder {
        new_put(self.table, item)
    }

    /// Writes what may not be there.
    fn absent(&self, item: Item) -> PutBuilder {
        let put = self.new_put(item);
        (put.condition_expression("attribute_not_exists(#pk)"))
            .expression_attribute_names("#pk", PK)
    }

    /// Writes over the version `before`.
    fn over(&self, item: Item, before: u64) -> PutBuilder {
        over(self.table, item, before)
    }

    fn put(&mut self, part: Part, put: PutBuilder) -> Result<(), CommitError> {
        let put = put.build().map_err(|error| defect(error.to_string()))?;
        self.parts.push(part);
        self.writes
            .push(TransactWriteItem::builder().put(put).build());
        Ok(())
    }

    /// What it means that a write's condition did not hold, where `there` was.
    pub(super) fn judge(&self, write: usize, there: Option<&Item>) -> Result<Next, StoreError> {
        let commit = self.commit;
        let conflict = |conflict: Conflict| Ok(Next::End(conflict.into()));
        let broken = |what: String| Ok(Next::End(defect(what)));
        let id = commit.head.id;
        match (self.parts.get(write), there) {
            (Some(Part::Head), there) => moved_on(&commit.head, there),
            (Some(Part::OldHead), there) => {
                let old = commit
                    .repeats
                    .as_ref()
                    .map_or(&commit.head, |old| &old.head);
                moved_on(old, there)
            }
            (Some(Part::Short), _) => conflict(Conflict::Short),
            (Some(Part::Claim), Some(there)) => conflict(Conflict::Claim(item::owner(there)?)),
            (Some(Part::Lock), there) => {
                let lock = there.map(item::lock).transpose()?.flatten();
                match (&commit.lock, lock) {
                    (_, Some(lock)) if lock.deploy == id => Ok(Next::Again(Seen {
                        lock: Some(lock),
                        ..Seen::default()
                    })),
                    (Some(LockChange::Take { now, .. }), Some(lock)) if lock.is_held(*now) => {
                        conflict(Conflict::Lock(lock))
                    }
                    (Some(LockChange::Take { .. }), _) => Ok(Next::Again(Seen::default())),
                    (_, Some(lock)) => conflict(Conflict::Lock(lock)),
                    (_, None) => broken(format!("no deploy holds what deploy {id} would give up")),
                }
            }
            // Another writer came between the reading and the writing.
            (Some(Part::Claim), None) | (Some(Part::Owed), _) => Ok(Next::Again(Seen::default())),
            (Some(Part::Event | Part::OldEvent), _) => {
                broken(format!("an event of deploy {id} is on record already"))
            }
            (Some(Part::Opened), _) => broken(format!(
                "only its first commit opens the reply item of {id}"
            )),
            (None, _) => broken(format!("write {write} is none of the transaction's")),
        }
    }
}

/// Writes an item whatever is there; what is there comes back if a condition does not hold.
fn new_put(table: &str, item: Item) -> PutBuilder {
    (Put::builder().table_name(table))
        .set_item(Some(item))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

/// Writes an item over its version `before`.
pub(super) fn over(table: &str, item: Item, before: u64) -> PutBuilder {
    (new_put(table, item).condition_expression("#v = :before"))
        .expression_attribute_names("#v", "v")
        .expression_attribute_values(":before", number(before))
}

fn ours(put: PutBuilder, deploy: DeployId) -> PutBuilder {
    put.expression_attribute_names("#deploy", "deploy")
        .expression_attribute_values(":deploy", text(deploy.to_string()))
}

fn defect(what: String) -> CommitError {
    StoreError(what).into()
}

/// What only a defect can break; and what conflicts with anything.
fn sound(commit: &Commit) -> Result<(), CommitError> {
    let (id, version) = (commit.head.id, commit.head.version);
    if version == 0 {
        return Err(Conflict::Version.into());
    }
    let next = |event: &Event, head: &Head| event.deploy == head.id && event.n == head.events;
    if let Some(event) = &commit.event
        && !next(event, &commit.head)
    {
        let n = event.n;
        return Err(defect(format!(
            "event {n} is not the next one of deploy {id}"
        )));
    }
    if commit.event.is_none() && !commit.owe.is_empty() {
        return Err(defect(format!(
            "what is owed about {id} needs an event that says so"
        )));
    }
    if let Some(old) = &commit.repeats {
        if version != 1 || old.head.id == id {
            return Err(defect(format!(
                "only its first commit says that {id} repeats another"
            )));
        }
        if old.head.version <= 1 {
            return Err(Conflict::Version.into());
        }
        if !next(&old.event, &old.head) {
            let (n, id) = (old.event.n, old.head.id);
            return Err(defect(format!(
                "event {n} is not the next one of deploy {id}"
            )));
        }
    }
    Ok(())
}

/// The record is not the one that was seen.
fn moved_on(head: &Head, there: Option<&Item>) -> Result<Next, StoreError> {
    let stored = there.map(|item| item::count(item, "v")).transpose()?;
    let same = stored.is_some_and(|stored| stored + 1 == head.version);
    Ok(Next::End(if same {
        let (n, id) = (head.events, head.id);
        defect(format!("event {n} is not the next one of deploy {id}"))
    } else {
        Conflict::Version.into()
    }))
}
