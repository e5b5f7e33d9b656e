//! The audit as an operator checks and exports it: every item of the table, valid or not.
//!
//! Only this scans. The functions never do; a check of everything reads everything. A scan is no snapshot: where
//! something is found, it is read again by key, consistently, and that counts. So what changes meanwhile is not
//! suspected.

mod items;
mod links;

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use chatops_core::audit::stored::{EventOnRecord, ExaminedPart, StoredChain, StoredEvent};
use chatops_core::id::DeployId;
use futures::{StreamExt, TryStreamExt};

use super::DynamoDb;
use super::item::{self, DEPLOY, TableItem, text};
use super::table::{PK, SK};
use crate::{AwsError, failed};

/// How often a deploy or an item with a fault is read again.
const MAX_READS: usize = 3;

/// How many reads are under way at a time.
const READS_AT_ONCE: usize = 32;

/// The attributes that are read. Operators may read no other by a scan: a notification record holds a
/// response URL in one that is not among them.
const ATTRIBUTES: [&str; 20] = [
    PK,
    SK,
    "n",
    "body",
    "hash",
    "v",
    "events",
    "requested_at",
    "user",
    "user_name",
    "branch",
    "job",
    "project",
    "environment",
    "state",
    "ledger",
    "awaiting_retry",
    "timer",
    "due_at",
    "deploy",
];

/// A deploy as it was met: its chain, and the item of its record.
type MetDeploy = (StoredChain, Option<TableItem>);

/// A page of a scan.
#[derive(Debug, Default)]
struct ScanPage {
    deploys: Vec<MetDeploy>,
    others: Vec<TableItem>,
    next: Option<String>,
}

impl DynamoDb {
    /// Some deploys as stored, in no order, from where an earlier call ended; with where this one ends.
    pub async fn read_chains(
        &self,
        cursor: Option<&str>,
    ) -> Result<(Vec<StoredChain>, Option<String>), AwsError> {
        let page = self.scan_page(cursor, true).await?;
        let chains = page.deploys.into_iter().map(|(chain, _)| chain);
        Ok((chains.collect(), page.next))
    }

    /// Examines a part of the table, from where an earlier call ended.
    pub async fn examine(&self, cursor: Option<&str>) -> Result<ExaminedPart, AwsError> {
        let page = self.scan_page(cursor, false).await?;
        let mut part = ExaminedPart {
            deploys: page.deploys.len() as u64,
            events: page
                .deploys
                .iter()
                .map(|(chain, _)| chain.events.len() as u64)
                .sum(),
            findings: vec![],
            next: page.next,
        };
        let deploys = futures::stream::iter(page.deploys);
        let deploys = deploys.map(|met| self.examine_again(met));
        let mut deploys = deploys.buffered(READS_AT_ONCE);
        while let Some(findings) = deploys.try_next().await? {
            part.findings.extend(findings);
        }
        let others = futures::stream::iter(page.others);
        let others = others.map(|item| self.examine_item_again(item));
        let mut others = others.buffered(READS_AT_ONCE);
        while let Some(findings) = others.try_next().await? {
            part.findings.extend(findings);
        }
        Ok(part)
    }

    /// What is on record of events that a log names.
    pub async fn logged_events(
        &self,
        keys: &[(DeployId, u64)],
    ) -> Result<Vec<EventOnRecord>, AwsError> {
        let read = |&(deploy, n): &(DeployId, u64)| async move {
            let item = self.read_item(item::event_key(deploy, n)).await?;
            Ok::<_, AwsError>(match item {
                Some(item) => EventOnRecord::Hash(attribute(&item, "hash")),
                None => EventOnRecord::Missing,
            })
        };
        let reads = futures::stream::iter(keys).map(read);
        reads.buffered(READS_AT_ONCE).try_collect().await
    }

    /// One page of a scan. The items of a partition are adjacent; where the page ends within a deploy, that is
    /// read to its end by key, and the next page leaves the rest of it out.
    async fn scan_page(
        &self,
        cursor: Option<&str>,
        only_deploys: bool,
    ) -> Result<ScanPage, AwsError> {
        let place = cursor.and_then(|place| place.rsplit_once(' '));
        let names: Vec<String> = (0..ATTRIBUTES.len()).map(|n| format!("#a{n}")).collect();
        let mut scan = (self.client.scan().table_name(&self.table))
            .select(Select::SpecificAttributes)
            .projection_expression(names.join(", "));
        for (name, attribute) in names.iter().zip(ATTRIBUTES) {
            scan = scan.expression_attribute_names(name, attribute);
        }
        if only_deploys {
            scan = scan
                .filter_expression("begins_with(#a0, :deploys)")
                .expression_attribute_values(":deploys", text(DEPLOY));
        }
        if let Some((partition, sort)) = place {
            scan = scan
                .exclusive_start_key(PK, text(partition))
                .exclusive_start_key(SK, text(sort));
        }
        let answer = scan.send().await.map_err(failed("dynamodb:Scan"))?;
        let mut page = ScanPage::default();
        for item in answer.items.unwrap_or_default() {
            let partition = attribute(&item, PK);
            if place.is_some_and(|(known, _)| known == partition && known.starts_with(DEPLOY)) {
                continue;
            }
            let Some(deploy) = partition.strip_prefix(DEPLOY) else {
                page.others.push(item);
                continue;
            };
            if page
                .deploys
                .last()
                .is_none_or(|(chain, _)| chain.deploy != deploy)
            {
                page.deploys.push((empty_chain(deploy.to_owned()), None));
            }
            if let Some(met) = page.deploys.last_mut() {
                add(met, item);
            }
        }
        if let Some(last) = answer.last_evaluated_key {
            let (partition, sort) = (attribute(&last, PK), attribute(&last, SK));
            // The deploy at the end may go on, and what was filtered out may be its rest.
            let cut = page.deploys.last().map(|(chain, _)| chain.deploy.clone());
            if let Some(deploy) = cut.filter(|deploy| partition.ends_with(&**deploy)) {
                page.deploys.pop();
                page.deploys.push(self.read_chain(deploy).await?);
            }
            page.next = Some(format!("{partition} {sort}"));
        }
        Ok(page)
    }

    /// One deploy's items, read consistently by their key.
    async fn read_chain(&self, deploy: String) -> Result<MetDeploy, AwsError> {
        let partition = text(format!("{DEPLOY}{deploy}"));
        let (mut met, mut after) = ((empty_chain(deploy), None), None);
        loop {
            let query = (self.client.query().table_name(&self.table))
                .consistent_read(true)
                .key_condition_expression("#pk = :pk")
                .expression_attribute_names("#pk", PK)
                .expression_attribute_values(":pk", partition.clone())
                .set_exclusive_start_key(after);
            let page = query.send().await.map_err(failed("dynamodb:Query"))?;
            for item in page.items.unwrap_or_default() {
                add(&mut met, item);
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(met);
            }
        }
    }
}

/// A deploy before its first item.
fn empty_chain(deploy: String) -> StoredChain {
    StoredChain {
        deploy,
        record: None,
        events: vec![],
    }
}

/// Adds an item of a deploy's partition. What is neither the record nor an event counts as an event
/// with an impossible number.
fn add((chain, record): &mut MetDeploy, item: TableItem) {
    let sort = attribute(&item, SK);
    if sort == item::RECORD_SORT {
        chain.record = Some(attribute(&item, "body"));
        *record = Some(item);
        return;
    }
    let n = item::get_number(&item, "n").ok();
    let n = n.filter(|n| sort == item::event_sort(*n));
    chain.events.push(StoredEvent {
        n: n.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1),
        body: attribute(&item, "body"),
        hash: attribute(&item, "hash"),
    });
}

/// An attribute's text; empty if it is missing or no text, so that no hash fits.
fn attribute(item: &TableItem, name: &str) -> String {
    item::get_text(item, name).unwrap_or_default().to_owned()
}

/// An attribute for people.
fn show(value: Option<&AttributeValue>) -> Option<String> {
    value.map(|value| match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
        other => format!("{other:?}"),
    })
}
