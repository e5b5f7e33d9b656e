//! A commit as a transaction: its writes, and what it means if the condition of one does not hold.

use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use chatops_core::audit::AuditEvent;
use chatops_core::deploy::{DeployRecord, Target};
use chatops_core::id::DeployId;
use chatops_core::notification::NotificationRecord;
use chatops_core::ports::{
    Commit, CommitError, Conflict, LedgerError, LockChange, PortErrorKind, TargetLock,
};
use chatops_core::release::ReleaseHistory;

use super::item::{self, TableItem, number, text};
use super::table::{PK, sortable_time};

/// What a write is about; conditions are checked in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Record,
    ShortId,
    OldRecord,
    Lock,
    Release,
    Claim,
    Event,
    OldEvent,
    Chain,
    Action,
    Opened,
    Pending,
    OldPending,
}

/// The items that a commit changes rather than replaces, as read or as a cancelled transaction
/// returned them.
#[derive(Debug, Default)]
pub(super) struct SeenItems {
    /// The lock, if the deploy already holds it.
    pub(super) lock: Option<TargetLock>,
    /// The notification record.
    pub(super) notification: Option<NotificationRecord>,
    /// The notification record of the deploy that is repeated, if its card is to be drawn.
    pub(super) old_notification: Option<NotificationRecord>,
    /// The release history of the target with its version; version 0 if there is none.
    pub(super) releases: (ReleaseHistory, u64),
}

/// What to do about a condition that did not hold.
#[derive(Debug)]
pub(super) enum OnConflict {
    /// Send a transaction made from this: another writer came first, which is no conflict.
    Retry(Box<SeenItems>),
    /// Give up.
    Fail(CommitError),
}

/// The writes of one transaction.
#[derive(Debug)]
pub(super) struct CommitPlan<'c> {
    table: &'c str,
    commit: &'c Commit,
    parts: Vec<Part>,
    writes: Vec<TransactWriteItem>,
}

impl<'c> CommitPlan<'c> {
    /// The transaction for a commit.
    pub(super) fn new(
        table: &'c str,
        commit: &'c Commit,
        observed: &SeenItems,
    ) -> Result<Self, CommitError> {
        check_commit(commit)?;
        let mut plan = Self {
            table,
            commit,
            parts: vec![],
            writes: vec![],
        };
        let record = &commit.record;
        plan.put_record(Part::Record, record, commit.events.len())?;
        if record.version == 1 {
            let short = item::with_owner(item::short_id_key(&record.short_id), record.id);
            plan.put(Part::ShortId, plan.if_new(short))?;
        }
        if let Some(old) = &commit.retried {
            plan.put_record(Part::OldRecord, &old.record, 1)?;
        }
        if let Some(change) = &commit.lock {
            plan.put_lock(change, observed.lock.as_ref())?;
        }
        if let Some(end) = &commit.release {
            let (history, before) = observed.releases.clone();
            let put = item::releases_item(&end.target, &history.after(end), before + 1)?;
            let put = match before {
                0 => plan.if_new(put),
                before => put_over(table, put, before),
            };
            plan.put(Part::Release, put)?;
        }
        if let Some(pipeline) = commit.claim {
            let claim = item::with_owner(item::pipeline_key(pipeline), record.id);
            let claim = plan.new_put(claim).expression_attribute_names("#pk", PK);
            let free = "attribute_not_exists(#pk) OR #deploy = :deploy";
            plan.put(Part::Claim, ours(claim, free, record.id))?;
        }
        for event in &commit.events {
            plan.put(Part::Event, plan.if_new(item::event_item(event)))?;
        }
        if let Some(old) = &commit.retried {
            plan.put(Part::OldEvent, plan.if_new(item::event_item(&old.event)))?;
            let last = item::with_owner(item::chain_key(record.chain_root()), record.id);
            plan.put(Part::Chain, plan.new_put(last))?;
        }
        if let Some(action) = &commit.action {
            plan.put(Part::Action, plan.if_new(item::action_item(action)?))?;
        }
        plan.put_notification(observed.notification.as_ref())?;
        plan.put_old_notification(observed.old_notification.clone())?;
        Ok(plan)
    }

    /// The writes, in order.
    pub(super) fn take_writes(&mut self) -> Vec<TransactWriteItem> {
        std::mem::take(&mut self.writes)
    }

    fn put_record(
        &mut self,
        part: Part,
        record: &DeployRecord,
        events: usize,
    ) -> Result<(), CommitError> {
        let put = item::record_item(record)?;
        if record.version == 1 {
            return self.put(part, self.if_new(put));
        }
        // The number of events is compared, too: the new ones follow it.
        let before = record.events.saturating_sub(events as u64);
        let put = put_over(self.table, put, record.version - 1)
            .condition_expression("#v = :before AND #events = :events")
            .expression_attribute_names("#events", "events")
            .expression_attribute_values(":events", number(before));
        self.put(part, put)
    }

    fn put_lock(
        &mut self,
        change: &LockChange,
        held: Option<&TargetLock>,
    ) -> Result<(), CommitError> {
        let deploy = self.commit.record.id;
        let taken = |target: &Target, since, until| {
            item::lock_item(
                target,
                &TargetLock {
                    deploy,
                    since,
                    until,
                },
            )
        };
        let is_ours = "#deploy = :deploy";
        match (change, held) {
            (
                LockChange::Take {
                    target,
                    now,
                    inherits,
                },
                None,
            ) => {
                // `TargetLock::blocks_take`, but for the deploy's own lock, which keeps its `since`.
                let free =
                    "attribute_not_exists(#deploy) OR (#deploy <> :deploy AND #until <= :now)";
                let put = self.new_put(taken(target, *now, None)?);
                let put = put.expression_attribute_names("#until", "until");
                let put = put.expression_attribute_values(":now", text(sortable_time(*now)));
                let put = match inherits.filter(|from| *from != deploy) {
                    None => ours(put, free, deploy),
                    Some(from) => ours(put, &format!("{free} OR #deploy = :inherits"), deploy)
                        .expression_attribute_values(":inherits", text(from.to_string())),
                };
                self.put(Part::Lock, put)
            }
            (LockChange::Take { target, .. }, Some(held)) => {
                let put = self.new_put(taken(target, held.since, None)?);
                self.put(Part::Lock, ours(put, is_ours, deploy))
            }
            (LockChange::Expire { target, until }, held) => {
                // Only its holder changes a lock, and that is the deploy of this commit.
                let since = held.map_or(*until, |held| held.since);
                let put = self.new_put(taken(target, since, Some(*until))?);
                self.put(Part::Lock, ours(put, is_ours, deploy))
            }
            // A free lock is an item, too, so that no right to delete is needed.
            (LockChange::Free { target }, _) => {
                let put = self.new_put(item::lock_key(target));
                self.put(Part::Lock, ours(put, is_ours, deploy))
            }
        }
    }

    fn put_notification(
        &mut self,
        observed: Option<&NotificationRecord>,
    ) -> Result<(), CommitError> {
        let commit = self.commit;
        let (mut notification, part) = match (&commit.open_notifications, observed) {
            (Some(open), _) => (open.clone(), Part::Opened),
            (None, Some(observed)) => (observed.clone(), Part::Pending),
            (None, None) => return Ok(()),
        };
        let before = notification.version;
        let requested = commit.request_deliveries(&mut notification);
        requested.map_err(|e| defect(format!("an event cannot be read: {e}")))?;
        let put = item::notification_item(&notification)?;
        match part {
            // This never holds. Everything else that can be wrong with a commit is reported first.
            Part::Opened
                if commit.record.version != 1 || notification.deploy != commit.record.id =>
            {
                let never = "attribute_exists(#pk) AND attribute_not_exists(#pk)";
                self.put(part, self.if_new(put).condition_expression(never))
            }
            Part::Opened => self.put(part, self.if_new(put)),
            _ if notification.version == before => Ok(()),
            _ => self.put(part, put_over(self.table, put, before)),
        }
    }

    /// Has the card of the deploy that is repeated drawn.
    fn put_old_notification(
        &mut self,
        observed: Option<NotificationRecord>,
    ) -> Result<(), CommitError> {
        let redraw = self.commit.retried.as_ref().and_then(|old| old.redraw);
        let (Some(at), Some(mut notification)) = (redraw, observed) else {
            return Ok(());
        };
        let before = notification.version;
        notification.request_redraw(at);
        if notification.version == before {
            return Ok(());
        }
        let put = item::notification_item(&notification)?;
        self.put(Part::OldPending, put_over(self.table, put, before))
    }

    /// Writes an item whatever is there; that comes back if a condition does not hold.
    fn new_put(&self, item: TableItem) -> PutBuilder {
        new_put(self.table, item)
    }

    /// Writes an item that must not exist yet.
    fn if_new(&self, item: TableItem) -> PutBuilder {
        let put = self.new_put(item).expression_attribute_names("#pk", PK);
        put.condition_expression("attribute_not_exists(#pk)")
    }

    fn put(&mut self, part: Part, put: PutBuilder) -> Result<(), CommitError> {
        let put = put.build().map_err(|error| defect(error.to_string()))?;
        self.parts.push(part);
        self.writes
            .push(TransactWriteItem::builder().put(put).build());
        Ok(())
    }

    /// What it means that a write's condition did not hold, where `there` was.
    pub(super) fn resolve_conflict(
        &self,
        write: usize,
        there: Option<&TableItem>,
    ) -> Result<OnConflict, LedgerError> {
        let commit = self.commit;
        let conflict = |conflict: Conflict| Ok(OnConflict::Fail(conflict.into()));
        let broken = |what: String| Ok(OnConflict::Fail(defect(what)));
        let again = |lock| {
            Ok(OnConflict::Retry(Box::new(SeenItems {
                lock,
                ..SeenItems::default()
            })))
        };
        let id = commit.record.id;
        match (self.parts.get(write), there) {
            (Some(Part::Record), there) => record_conflict(&commit.record, there),
            (Some(Part::OldRecord), there) => {
                let old = commit.retried.as_ref().map(|old| &old.record);
                record_conflict(old.unwrap_or(&commit.record), there)
            }
            (Some(Part::ShortId), _) => conflict(Conflict::ShortId),
            (Some(Part::Claim), Some(there)) => conflict(Conflict::Claim(item::owner(there)?)),
            (Some(Part::Lock), there) => {
                let lock = there.map(item::parse_lock).transpose()?.flatten();
                match (&commit.lock, lock) {
                    (_, Some(lock)) if lock.deploy == id => again(Some(lock)),
                    (Some(LockChange::Take { now, inherits, .. }), Some(lock))
                        if lock.blocks_take(id, *inherits, *now) =>
                    {
                        conflict(Conflict::Lock(lock))
                    }
                    (Some(LockChange::Take { .. }), _) => again(None),
                    (_, Some(lock)) => conflict(Conflict::Lock(lock)),
                    (_, None) => broken(format!("no deploy holds what deploy {id} would give up")),
                }
            }
            // Another writer came between reading and writing.
            (Some(Part::Claim), None)
            | (Some(Part::Pending | Part::OldPending | Part::Release), _) => again(None),
            (Some(Part::Event | Part::OldEvent), _) => {
                broken(format!("an event of deploy {id} is on record already"))
            }
            (Some(Part::Action), _) => conflict(Conflict::StaleVersion),
            (Some(Part::Chain), _) => broken(format!("the chain of deploy {id} has no condition")),
            (Some(Part::Opened), _) => broken(format!(
                "only its first commit opens the notification record of {id}"
            )),
            (None, _) => broken(format!("write {write} is none of the transaction's")),
        }
    }
}

pub(super) fn new_put(table: &str, item: TableItem) -> PutBuilder {
    (Put::builder().table_name(table))
        .set_item(Some(item))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

/// Writes an item over its version `before`.
pub(super) fn put_over(table: &str, item: TableItem, before: u64) -> PutBuilder {
    (new_put(table, item).condition_expression("#v = :before"))
        .expression_attribute_names("#v", "v")
        .expression_attribute_values(":before", number(before))
}

/// Writes on a condition that names the deploy.
fn ours(put: PutBuilder, condition: &str, deploy: DeployId) -> PutBuilder {
    (put.condition_expression(condition))
        .expression_attribute_names("#deploy", "deploy")
        .expression_attribute_values(":deploy", text(deploy.to_string()))
}

fn defect(what: String) -> CommitError {
    LedgerError::new(PortErrorKind::Defect, what).into()
}

fn not_next(n: u64, id: DeployId) -> CommitError {
    defect(format!("event {n} is not the next one of deploy {id}"))
}

/// Checks what only a defect can break, and what conflicts with anything.
fn check_commit(commit: &Commit) -> Result<(), CommitError> {
    let (id, version) = (commit.record.id, commit.record.version);
    if version == 0 {
        return Err(Conflict::StaleVersion.into());
    }
    let next = |event: &AuditEvent, record: &DeployRecord| {
        event.deploy == record.id && event.n == record.events
    };
    let first = (commit.record.events + 1).saturating_sub(commit.events.len() as u64);
    for (n, event) in (first..).zip(&commit.events) {
        if event.deploy != id || event.n != n {
            return Err(not_next(event.n, id));
        }
    }
    if commit.events.is_empty() && !commit.notifications.is_empty() {
        return Err(defect(format!("a notification about {id} needs an event")));
    }
    if let Some(old) = &commit.retried {
        if version != 1 || old.record.id == id {
            return Err(defect(format!(
                "only its first commit says that {id} repeats another"
            )));
        }
        if old.record.version <= 1 {
            return Err(Conflict::StaleVersion.into());
        }
        if !next(&old.event, &old.record) {
            return Err(not_next(old.event.n, old.record.id));
        }
    }
    Ok(())
}

/// The stored record is not the one that was read.
fn record_conflict(
    record: &DeployRecord,
    there: Option<&TableItem>,
) -> Result<OnConflict, LedgerError> {
    let stored = there.map(|item| item::get_number(item, "v")).transpose()?;
    let same = stored.is_some_and(|stored| stored + 1 == record.version);
    Ok(OnConflict::Fail(if same {
        not_next(record.events, record.id)
    } else {
        Conflict::StaleVersion.into()
    }))
}
