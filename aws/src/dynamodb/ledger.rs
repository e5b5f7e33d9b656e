//! The ledger in the table, as the worker uses it.

use chatops_core::Time;
use chatops_core::audit::AuditEvent;
use chatops_core::deploy::{DeployRecord, Target, latest_timer};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::notification::Undelivered;
use chatops_core::ports::{
    Commit, CommitError, DeployFilter, DeployPage, DeployReader, DueItem, Ledger, LedgerError,
    LedgerPosition, LockChange, PortErrorKind, TargetLock,
};
use chatops_core::release::ReleaseHistory;
use futures::future::try_join_all;

use super::commit_plan::{CommitPlan, OnConflict, SeenItems};
use super::item::{self, text};
use super::table::{DUE_AT, PK, SHARDS, SK, TableIndex, UNDELIVERED};
use super::transaction::{self, TxError};
use super::{DynamoDb, listing};
use crate::failed;

/// How often a commit is sent again because another writer changed what it only adds to: the
/// notifier a notification record, or a holder its lock.
const MAX_ROUNDS: usize = 8;

/// The most entries of one page of [`TableIndex::Due`].
const DUE_PAGE_SIZE: usize = 1_000;

/// The timers of a shard up to a moment.
const UP_TO: &str = "#timer = :shard AND #due_at < :moment";

/// The timers of a shard past a moment.
const PAST: &str = "#timer = :shard AND #due_at > :moment";

impl DeployReader for DynamoDb {
    async fn read_deploy(&self, id: DeployId) -> Result<Option<DeployRecord>, LedgerError> {
        let item = self.read_item(item::record_key(id)).await?;
        item.as_ref().map(item::parse_body).transpose()
    }

    async fn read_events(&self, id: DeployId) -> Result<Vec<AuditEvent>, LedgerError> {
        let (mut events, mut after) = (Vec::new(), None);
        loop {
            let query = (self.client.query().table_name(&self.table))
                .consistent_read(true)
                .key_condition_expression("#pk = :pk AND begins_with(#sk, :events)")
                .expression_attribute_names("#pk", PK)
                .expression_attribute_names("#sk", SK)
                .expression_attribute_values(":pk", text(item::deploy_partition(id)))
                .expression_attribute_values(":events", text("E#"))
                .set_exclusive_start_key(after);
            let page = query.send().await.map_err(failed("dynamodb:Query"))?;
            for item in page.items() {
                events.push(item::parse_event(id, item)?);
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(events);
            }
        }
    }

    async fn find_by_short_id(&self, short: &ShortId) -> Result<Option<DeployId>, LedgerError> {
        let item = self.read_item(item::short_id_key(short)).await?;
        item.as_ref().map(item::owner).transpose()
    }

    async fn read_lock(&self, target: &Target) -> Result<Option<TargetLock>, LedgerError> {
        let item = self.read_item(item::lock_key(target)).await?;
        Ok(item.as_ref().map(item::parse_lock).transpose()?.flatten())
    }

    async fn read_releases(&self, target: &Target) -> Result<ReleaseHistory, LedgerError> {
        Ok(self.read_versioned_releases(target).await?.0)
    }

    async fn find_last_retry(&self, root: DeployId) -> Result<Option<DeployId>, LedgerError> {
        let item = self.read_item(item::chain_key(root)).await?;
        item.as_ref().map(item::owner).transpose()
    }

    async fn read_undelivered(&self, id: DeployId) -> Result<Option<Undelivered>, LedgerError> {
        let item = self.read_item(item::undelivered_key(id)).await?;
        item.as_ref().map(item::parse_body).transpose()
    }

    async fn list_undelivered(
        &self,
        since: Time,
        limit: usize,
    ) -> Result<Vec<Undelivered>, LedgerError> {
        let found = self.timers_in_shard(UNDELIVERED, PAST, since, limit);
        let found = found.await?;
        let read = found.iter().map(async |due_at| {
            let id = item::decode_position(due_at)?;
            self.read_undelivered(id).await
        });
        let read = try_join_all(read).await?.into_iter().flatten();
        // The index lags behind: something may have been made up for since.
        Ok(read.filter(|one| !one.told_later).collect())
    }

    async fn list_deploys(
        &self,
        filter: &DeployFilter,
        before: Option<LedgerPosition>,
        limit: usize,
    ) -> Result<DeployPage, LedgerError> {
        listing::list_deploys(self, filter, before, limit).await
    }
}

impl Ledger for DynamoDb {
    async fn pipeline_owner(&self, pipeline: PipelineId) -> Result<Option<DeployId>, LedgerError> {
        let item = self.read_item(item::pipeline_key(pipeline)).await?;
        item.as_ref().map(item::owner).transpose()
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let id = commit.record.id;
        let mut observed = SeenItems::default();
        for _ in 0..MAX_ROUNDS {
            self.read_seen(&commit, &mut observed).await?;
            let mut plan = CommitPlan::new(&self.table, &commit, &observed)?;
            let writes = plan.take_writes();
            observed = match transaction::send(&self.client, writes).await {
                Ok(()) => return Ok(()),
                Err(TxError::Store(error)) => return Err(error.into()),
                Err(TxError::Condition { write, item }) => {
                    match plan.resolve_conflict(write, item.as_ref())? {
                        OnConflict::Retry(observed) => *observed,
                        OnConflict::Fail(error) => return Err(error),
                    }
                }
            };
        }
        let what = format!("deploy {id} changed under every try to write; it may work later");
        Err(LedgerError::new(PortErrorKind::Unavailable, what).into())
    }

    async fn list_due(&self, now: Time, limit: usize) -> Result<Vec<DueItem>, LedgerError> {
        let mut due = self.list_timers(UP_TO, now, limit).await?;
        // What a clock that was wrong has set.
        let left = limit - due.len();
        due.extend(self.list_timers(PAST, latest_timer(now), left).await?);
        let item = |due_at: &String| {
            let id = item::decode_position(due_at)?;
            let is_notification = due_at.contains(item::NOTIFICATION_MARK);
            let item = if is_notification {
                DueItem::Notification
            } else {
                DueItem::Deploy
            };
            Ok(item(id))
        };
        due.iter().map(item).collect()
    }
}

impl DynamoDb {
    /// The `due_at` of what has a timer [`UP_TO`] or [`PAST`] a moment, at most `limit`, the
    /// earliest first.
    async fn list_timers(
        &self,
        side: &str,
        moment: Time,
        limit: usize,
    ) -> Result<Vec<String>, LedgerError> {
        // Boxed: each is some kilobytes, and there are two sets of them.
        let shards = SHARDS.map(|shard| Box::pin(self.timers_in_shard(shard, side, moment, limit)));
        let mut due: Vec<_> = try_join_all(shards).await?.into_iter().flatten().collect();
        // The keys begin with the moment.
        due.sort_unstable();
        due.truncate(limit);
        Ok(due)
    }

    /// The same of one shard.
    async fn timers_in_shard(
        &self,
        shard: &str,
        side: &str,
        moment: Time,
        limit: usize,
    ) -> Result<Vec<String>, LedgerError> {
        let (mut due, mut after) = (Vec::new(), None);
        while due.len() < limit {
            let wanted = (limit - due.len()).min(DUE_PAGE_SIZE);
            let query = (self.client.query().table_name(&self.table))
                .index_name(TableIndex::Due.name())
                .key_condition_expression(side)
                .expression_attribute_names("#timer", TableIndex::Due.partition_key())
                .expression_attribute_names("#due_at", DUE_AT)
                .expression_attribute_values(":shard", text(shard))
                .expression_attribute_values(":moment", text(item::upper_bound(moment)))
                .limit(i32::try_from(wanted).unwrap_or(i32::MAX))
                .set_exclusive_start_key(after);
            let page = query.send().await.map_err(failed("dynamodb:Query"))?;
            for item in page.items() {
                due.push(item::get_text(item, DUE_AT)?.to_owned());
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                break;
            }
        }
        Ok(due)
    }

    /// The release history of a target with its version; version 0 if there is none.
    async fn read_versioned_releases(
        &self,
        target: &Target,
    ) -> Result<(ReleaseHistory, u64), LedgerError> {
        match self.read_item(item::releases_key(target)).await? {
            Some(item) => Ok((item::parse_body(&item)?, item::get_number(&item, "v")?)),
            None => Ok((ReleaseHistory::default(), 0)),
        }
    }

    /// Reads what a commit changes rather than replaces.
    async fn read_seen(&self, commit: &Commit, seen: &mut SeenItems) -> Result<(), LedgerError> {
        let id = commit.record.id;
        // Only the first transaction opens a notification record.
        if commit.requests_deliveries() && commit.open_notifications.is_none() {
            let item = self.read_item(item::notification_key(id)).await?;
            seen.notification = item.as_ref().map(item::parse_notification).transpose()?;
        }
        if let Some(old) = commit.retried.as_ref().filter(|old| old.redraw.is_some()) {
            let item = self
                .read_item(item::notification_key(old.record.id))
                .await?;
            seen.old_notification = item.as_ref().map(item::parse_notification).transpose()?;
        }
        if let Some(end) = &commit.release {
            seen.releases = self.read_versioned_releases(&end.target).await?;
        }
        // A deploy that takes a lock rarely has it; one that lets it expire does.
        if let (Some(LockChange::Expire { target, .. }), None) = (&commit.lock, &seen.lock) {
            let lock = self.read_lock(target).await?;
            seen.lock = lock.filter(|lock| lock.deploy == id);
        }
        Ok(())
    }
}
