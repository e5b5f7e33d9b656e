//! From the other items of the table to the deploys that they name: so an item too many, or one that names
//! another deploy, is found.

use chatops_core::audit::finding::Finding;
use chatops_core::audit::{self, Replayed, links};
use chatops_core::deploy::{DeployRecord, Target};
use chatops_core::id::DeployId;
use chatops_core::release::ReleaseHistory;
use std::collections::HashMap;

use super::{MAX_READS, attribute};
use crate::AwsError;
use crate::dynamodb::DynamoDb;
use crate::dynamodb::item::{self, TableItem};
use crate::dynamodb::table::{PK, SK};

impl DynamoDb {
    /// Examines an item; if something is found, as it is read again.
    pub(super) async fn examine_item_again(
        &self,
        item: TableItem,
    ) -> Result<Vec<Finding>, AwsError> {
        let mut findings = self.examine_item(&item).await?;
        for _ in 0..MAX_READS {
            // No operator may read a notification record.
            if findings.is_empty() || attribute(&item, PK).starts_with("N#") {
                break;
            }
            let key = [PK, SK].map(|name| (name.to_owned(), item::text(attribute(&item, name))));
            findings = match self.read_item(TableItem::from(key)).await? {
                Some(item) => self.examine_item(&item).await?,
                None => vec![],
            };
        }
        Ok(findings)
    }

    async fn examine_item(&self, item: &TableItem) -> Result<Vec<Finding>, AwsError> {
        let partition = attribute(item, PK);
        let Some((kind, key)) = partition.split_once('#') else {
            return Ok(vec![Finding::about(partition, "is no item of chatops")]);
        };
        let (deploy, body) = (attribute(item, "deploy"), attribute(item, "body"));
        let finding = match kind {
            "S" => links::check_short_id(key, &deploy, self.record_of(&deploy).await?.as_ref()),
            "P" => links::check_claim(key, &deploy, self.record_of(&deploy).await?.as_ref()),
            "R" => links::check_chain(key, &deploy, self.record_of(&deploy).await?.as_ref()),
            "N" | "V" => {
                let what = "has an item about its notifications and is not on record";
                let is_there = self.record_of(key).await?.is_some();
                (!is_there).then(|| Finding::about(key, what))
            }
            "LOCK" => self.examine_lock(key, item).await?,
            "A" => match links::made_by_action(key, &body) {
                Ok(Some(deploy)) => {
                    let owner = self.replayed_of(deploy).await?;
                    links::check_action(key, &body, owner.as_ref())
                }
                Ok(None) => None,
                Err(finding) => Some(*finding),
            },
            "T" => return self.examine_releases(key, &body).await,
            // No event says how many actions a user asked for, or what is known of a project.
            "U" | "C" => None,
            _ => Some(Finding::about(partition, "is no item of chatops")),
        };
        Ok(finding.into_iter().collect())
    }

    async fn examine_lock(
        &self,
        target: &str,
        item: &TableItem,
    ) -> Result<Option<Finding>, AwsError> {
        let target = Target(target.to_owned());
        let row = || format!("the lock of {target}");
        let lock = match item::parse_lock(item) {
            Ok(Some(lock)) => lock,
            // A free one is only a key.
            Ok(None) => return Ok(None),
            Err(_) => return Ok(Some(Finding::about(row(), "cannot be read"))),
        };
        if attribute(item, "deploy") != lock.deploy.to_string() {
            return Ok(Some(Finding::about(row(), "names two deploys")));
        }
        let owner = self.replayed_of(lock.deploy).await?;
        Ok(links::check_held(&target, &lock, owner.as_ref()))
    }

    async fn examine_releases(&self, target: &str, body: &str) -> Result<Vec<Finding>, AwsError> {
        let target = Target(target.to_owned());
        let Ok(history) = serde_json::from_str::<ReleaseHistory>(body) else {
            let row = format!("the releases of {target}");
            return Ok(vec![Finding::about(row, "cannot be read")]);
        };
        let named = history.releases.iter().map(|release| release.deploy);
        let named = named.chain(history.last.as_ref().map(|last| last.deploy));
        let mut owners: HashMap<DeployId, Option<Replayed>> = HashMap::new();
        for deploy in named {
            let owner = self.replayed_of(deploy).await?;
            owners.insert(deploy, owner);
        }
        links::check_releases(&target, &history, |deploy| {
            Ok(owners.get(&deploy).cloned().flatten())
        })
    }

    /// A deploy's record, if it can be read.
    async fn record_of(&self, deploy: &str) -> Result<Option<DeployRecord>, AwsError> {
        let Ok(id) = DeployId::parse(deploy) else {
            return Ok(None);
        };
        let item = self.read_item(item::record_key(id)).await?;
        Ok(item.and_then(|item| item::parse_body(&item).ok()))
    }

    /// A deploy by its events.
    async fn replayed_of(&self, deploy: DeployId) -> Result<Option<Replayed>, AwsError> {
        let (chain, _) = self.read_chain(deploy.to_string()).await?;
        Ok(audit::examine(&chain).replayed.map(|replayed| *replayed))
    }
}
