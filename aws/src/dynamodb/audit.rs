//! The audit as an operator checks it: every item as it stands in the table, whatever it is worth.
//!
//! This is the one place that scans. The product never does; a check of everything reads everything.

use std::collections::BTreeSet;

use chatops_core::audit::stored::{Chain, RawEvent};

use super::DynamoDb;
use super::item::{self, DEPLOY, Item, text};
use super::table::{PK, SK};
use crate::operator::Trouble;

/// How often a deploy is read that does not look right.
const READS: usize = 3;

impl DynamoDb {
    /// Shows every deploy's items to `see`, each deploy once, in no order, with what `check` found.
    ///
    /// The items of a partition lie side by side, so one pass over the table is enough. It is no look
    /// at one moment, though: what `check` finds fault with is read again by its key, consistently, and
    /// what is found then counts. So neither a deploy that moves on meanwhile nor one that was met in
    /// two places is accused of anything.
    pub async fn each_chain<E>(
        &self,
        check: impl Fn(&Chain) -> Result<(), E>,
        mut see: impl FnMut(&Chain, Result<(), E>),
    ) -> Result<(), Trouble> {
        let mut seen = BTreeSet::new();
        let (mut met, mut after): (Option<Chain>, Option<Item>) = (None, None);
        loop {
            let scan = self.client.scan().table_name(&self.table);
            let scan = (scan.filter_expression("begins_with(#pk, :deploys)"))
                .expression_attribute_names("#pk", PK)
                .expression_attribute_values(":deploys", text(DEPLOY))
                .set_exclusive_start_key(after);
            let page = scan.send().await;
            let page = page.map_err(|error| Trouble::of("dynamodb:Scan", &error))?;
            for item in page.items() {
                let deploy = attribute(item, PK);
                let deploy = deploy.strip_prefix(DEPLOY).unwrap_or(&deploy).to_owned();
                if met.as_ref().is_none_or(|chain| chain.deploy != deploy)
                    && let Some(chain) = met.replace(empty(deploy))
                {
                    self.settle(chain, &mut seen, &check, &mut see).await?;
                }
                if let Some(chain) = &mut met {
                    put(chain, item);
                }
            }
            after = page.last_evaluated_key;
            if after.is_none() {
                break;
            }
        }
        match met {
            Some(chain) => self.settle(chain, &mut seen, &check, &mut see).await,
            None => Ok(()),
        }
    }

    async fn settle<E>(
        &self,
        met: Chain,
        seen: &mut BTreeSet<Box<str>>,
        check: &impl Fn(&Chain) -> Result<(), E>,
        see: &mut impl FnMut(&Chain, Result<(), E>),
    ) -> Result<(), Trouble> {
        if !seen.insert(met.deploy.as_str().into()) {
            return Ok(());
        }
        let (mut found, mut chain) = (check(&met), met);
        for _ in 0..READS {
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
    async fn read_chain(&self, deploy: String) -> Result<Chain, Trouble> {
        let partition = text(format!("{DEPLOY}{deploy}"));
        let (mut chain, mut after) = (empty(deploy), None);
        loop {
            let query = (self.client.query().table_name(&self.table))
                .consistent_read(true)
                .key_condition_expression("#pk = :pk")
                .expression_attribute_names("#pk", PK)
                .expression_attribute_values(":pk", partition.clone())
                .set_exclusive_start_key(after);
            let page = query.send().await;
            let page = page.map_err(|error| Trouble::of("dynamodb:Query", &error))?;
            page.items().iter().for_each(|item| put(&mut chain, item));
            after = page.last_evaluated_key;
            if after.is_none() {
                return Ok(chain);
            }
        }
    }
}

/// A deploy of which nothing is read yet.
fn empty(deploy: String) -> Chain {
    Chain {
        deploy,
        head: None,
        events: vec![],
    }
}

/// Files an item of a deploy's partition. What is neither the record nor an event counts as an event
/// that nobody wrote.
fn put(chain: &mut Chain, item: &Item) {
    let sort = attribute(item, SK);
    if sort == item::HEAD {
        chain.head = Some(attribute(item, "body"));
        return;
    }
    let n = item::count(item, "n").ok();
    let n = n.filter(|n| sort == item::event_sort(*n));
    chain.events.push(RawEvent {
        n: n.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1),
        body: attribute(item, "body"),
        hash: attribute(item, "hash"),
    });
}

/// An attribute's text; empty if it is missing or no text, so that no hash fits.
fn attribute(item: &Item, name: &str) -> String {
    item::get(item, name).unwrap_or_default().to_owned()
}
