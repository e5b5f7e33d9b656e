//! The audit as an operator checks it: every item of every deploy, valid or not.
//!
//! Only this scans. The functions never do; a check of everything reads everything.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::Select;
use chatops_core::audit::stored::{StoredChain, StoredEvent};

use super::DynamoDb;
use super::item::{self, DEPLOY, TableItem, text};
use super::table::{PK, SK};
use crate::{AwsError, failed};

/// How often a deploy with a fault is read again.
const MAX_READS: usize = 3;

impl DynamoDb {
    /// Shows every deploy's items to `see`, each deploy once, in no order, with what `check` found.
    ///
    /// The items of a partition are adjacent, so one pass over the table is enough. A scan is no
    /// snapshot, though: where `check` finds a fault, the deploy is read again by key, consistently, and
    /// that counts. So a deploy that changes meanwhile, or that the scan meets in two places, has none.
    pub async fn for_each_chain<E>(
        &self,
        check: impl Fn(&StoredChain) -> Result<(), E>,
        mut see: impl FnMut(&StoredChain, Result<(), E>),
    ) -> Result<(), AwsError> {
        let mut seen = BTreeSet::new();
        let (mut met, mut after): (Option<StoredChain>, Option<TableItem>) = (None, None);
        loop {
            let scan = self.client.scan().table_name(&self.table);
            let scan = (scan.filter_expression("begins_with(#pk, :deploys)"))
                // Operators may read no other attribute: notification records hold response URLs.
                .select(Select::SpecificAttributes)
                .projection_expression("#pk, #sk, #n, #body, #hash")
                .expression_attribute_names("#pk", PK)
                .expression_attribute_names("#sk", SK)
                .expression_attribute_names("#n", "n")
                .expression_attribute_names("#body", "body")
                .expression_attribute_names("#hash", "hash")
                .expression_attribute_values(":deploys", text(DEPLOY))
                .set_exclusive_start_key(after);
            let page = scan.send().await.map_err(failed("dynamodb:Scan"))?;
            for item in page.items() {
                let deploy = attribute(item, PK);
                let deploy = deploy.strip_prefix(DEPLOY).unwrap_or(&deploy).to_owned();
                if met.as_ref().is_none_or(|chain| chain.deploy != deploy)
                    && let Some(chain) = met.replace(empty_chain(deploy))
                {
                    self.recheck(chain, &mut seen, &check, &mut see).await?;
                }
                if let Some(chain) = &mut met {
                    add(chain, item);
                }
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                break;
            }
        }
        match met {
            Some(chain) => self.recheck(chain, &mut seen, &check, &mut see).await,
            None => Ok(()),
        }
    }

    async fn recheck<E>(
        &self,
        met: StoredChain,
        seen: &mut BTreeSet<Box<str>>,
        check: &impl Fn(&StoredChain) -> Result<(), E>,
        see: &mut impl FnMut(&StoredChain, Result<(), E>),
    ) -> Result<(), AwsError> {
        if !seen.insert(met.deploy.as_str().into()) {
            return Ok(());
        }
        let (mut found, mut chain) = (check(&met), met);
        for _ in 0..MAX_READS {
            if found.is_ok() {
                break;
            }
            chain = self.read_chain(chain.deploy).await?;
            found = check(&chain);
        }
        see(&chain, found);
        Ok(())
    }

    /// One deploy's items, read consistently by their key.
    async fn read_chain(&self, deploy: String) -> Result<StoredChain, AwsError> {
        let partition = text(format!("{DEPLOY}{deploy}"));
        let (mut chain, mut after) = (empty_chain(deploy), None);
        loop {
            let query = (self.client.query().table_name(&self.table))
                .consistent_read(true)
                .key_condition_expression("#pk = :pk")
                .expression_attribute_names("#pk", PK)
                .expression_attribute_values(":pk", partition.clone())
                .set_exclusive_start_key(after);
            let page = query.send().await.map_err(failed("dynamodb:Query"))?;
            page.items().iter().for_each(|item| add(&mut chain, item));
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(chain);
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
fn add(chain: &mut StoredChain, item: &TableItem) {
    let sort = attribute(item, SK);
    if sort == item::RECORD_SORT {
        chain.record = Some(attribute(item, "body"));
        return;
    }
    let n = item::get_number(item, "n").ok();
    let n = n.filter(|n| sort == item::event_sort(*n));
    chain.events.push(StoredEvent {
        n: n.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1),
        body: attribute(item, "body"),
        hash: attribute(item, "hash"),
    });
}

/// An attribute's text; empty if it is missing or no text, so that no hash fits.
fn attribute(item: &TableItem, name: &str) -> String {
    item::get_text(item, name).unwrap_or_default().to_owned()
}
