//! The ledger in the table, as the worker uses it.

use chatops_core::Time;
use chatops_core::audit::Event;
use chatops_core::deploy::{Head, Target};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::ports::{
    Commit, CommitError, Due, Filter, Lock, LockChange, Page, Position, Store, StoreError,
};

use super::commit::{Next, Plan, Seen};
use super::item::{self, text};
use super::table::{DUE_AT, Index, MEMBER, PK, SK};
use super::transaction::{self, Failed};
use super::{DynamoDb, listing};
use crate::failure::words;

/// How often a commit is made again because another writer changed what it only adds to: the
/// notifier a reply item, or a holder its lock.
const ROUNDS: usize = 8;

/// The most entries of the sweeper's index in one answer.
const DUE_AT_ONCE: usize = 1_000;

impl Store for DynamoDb {
    async fn head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        let item = self.read(item::head_key(id)).await?;
        item.as_ref().map(item::record).transpose()
    }

    async fn events(&self, id: DeployId) -> Result<Vec<Event>, StoreError> {
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
            let page = query.send().await;
            let page = page.map_err(|error| StoreError(words(&error)))?;
            for item in page.items() {
                events.push(item::event(id, item)?);
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(events);
            }
        }
    }

    async fn lock(&self, target: &Target) -> Result<Option<Lock>, StoreError> {
        let item = self.read(item::lock_key(target)).await?;
        Ok(item.as_ref().map(item::lock).transpose()?.flatten())
    }

    async fn owner(&self, pipeline: PipelineId) -> Result<Option<DeployId>, StoreError> {
        let item = self.read(item::claim_key(pipeline)).await?;
        item.as_ref().map(item::owner).transpose()
    }

    async fn by_short(&self, short: &ShortId) -> Result<Option<DeployId>, StoreError> {
        let item = self.read(item::short_key(short)).await?;
        item.as_ref().map(item::owner).transpose()
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let id = commit.head.id;
        let mut seen = Seen::default();
        for _ in 0..ROUNDS {
            self.look(&commit, &mut seen).await?;
            let mut plan = Plan::new(&self.table, &commit, &seen)?;
            let writes = plan.writes();
            seen = match transaction::send(&self.client, writes).await {
                Ok(()) => return Ok(()),
                Err(Failed::Store(error)) => return Err(error.into()),
                Err(Failed::Condition { write, item }) => {
                    match plan.judge(write, item.as_ref())? {
                        Next::Again(seen) => seen,
                        Next::End(error) => return Err(error),
                    }
                }
            };
        }
        let what = format!("deploy {id} changed under every try to write; it may work later");
        Err(StoreError(what).into())
    }

    async fn list(
        &self,
        filter: &Filter,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        listing::list(self, filter, before, limit).await
    }

    async fn due(&self, now: Time, limit: usize) -> Result<Vec<Due>, StoreError> {
        let (mut due, mut after) = (Vec::new(), None);
        while due.len() < limit {
            let wanted = (limit - due.len()).min(DUE_AT_ONCE);
            let query = (self.client.query().table_name(&self.table))
                .index_name(Index::Due.name())
                .key_condition_expression("#timer = :member AND #due_at < :now")
                .expression_attribute_names("#timer", Index::Due.partition())
                .expression_attribute_names("#due_at", DUE_AT)
                .expression_attribute_values(":member", text(MEMBER))
                .expression_attribute_values(":now", text(item::until(now)))
                .limit(i32::try_from(wanted).unwrap_or(i32::MAX))
                .set_exclusive_start_key(after);
            let page = query.send().await;
            let page = page.map_err(|error| StoreError(words(&error)))?;
            for item in page.items() {
                let at = item::get(item, DUE_AT)?;
                let id = item::placed(at)?;
                due.push(if at.contains(" R ") {
                    Due::Reply(id)
                } else {
                    Due::Deploy(id)
                });
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                break;
            }
        }
        Ok(due)
    }
}

impl DynamoDb {
    /// Reads what a commit changes rather than replaces.
    async fn look(&self, commit: &Commit, seen: &mut Seen) -> Result<(), StoreError> {
        let id = commit.head.id;
        // Without an item from the first transaction there never is one.
        if !commit.owe.is_empty() && commit.open.is_none() {
            let item = self.read(item::reply_key(id)).await?;
            seen.reply = item.as_ref().map(item::record).transpose()?;
        }
        // Whoever takes a lock rarely has it; whoever lets it run out does.
        if let (Some(LockChange::Expire { target, .. }), None) = (&commit.lock, &seen.lock) {
            let lock = Store::lock(self, target).await?;
            seen.lock = lock.filter(|lock| lock.deploy == id);
        }
        Ok(())
    }
}
