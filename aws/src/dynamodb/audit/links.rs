//! A deploy of the table, compared with its events and with what other items say of it.

use chatops_core::audit::finding::Finding;
use chatops_core::audit::links::{Links, Neighbour, check_links};
use chatops_core::audit::{self, Replayed};
use chatops_core::deploy::DeployRecord;
use chatops_core::id::DeployId;

use super::{ATTRIBUTES, MAX_READS, MetDeploy, attribute, show};
use crate::AwsError;
use crate::dynamodb::DynamoDb;
use crate::dynamodb::item::{self, TableItem};
use crate::dynamodb::table::SK;

impl DynamoDb {
    /// Examines a deploy; if something is found, as it is read again.
    pub(super) async fn examine_again(&self, met: MetDeploy) -> Result<Vec<Finding>, AwsError> {
        let mut met = met;
        let mut findings = self.examine_deploy(&met).await?;
        for _ in 0..MAX_READS {
            if findings.is_empty() {
                break;
            }
            met = self.read_chain(met.0.deploy).await?;
            findings = self.examine_deploy(&met).await?;
        }
        Ok(findings)
    }

    async fn examine_deploy(&self, (chain, item): &MetDeploy) -> Result<Vec<Finding>, AwsError> {
        let audit::Examined {
            record,
            replayed,
            mut findings,
        } = audit::examine(chain);
        if let (Some(record), Some(item)) = (&record, item) {
            findings.extend(compare_attributes(&chain.deploy, record, item)?);
        }
        if let (Some(record), Some(replayed)) = (&record, &replayed) {
            let links = self.links_of(record, replayed).await?;
            findings.extend(check_links(replayed, record, &links));
        }
        Ok(findings)
    }

    /// What other items say of a deploy. Its notification record may not be read.
    async fn links_of(
        &self,
        stored: &DeployRecord,
        replayed: &Replayed,
    ) -> Result<Links, AwsError> {
        let record = &replayed.record;
        let owner = |item: Option<TableItem>| item.map(|item| attribute(&item, "deploy"));
        let mut links = Links {
            short_id: Some(owner(
                self.read_item(item::short_id_key(&stored.short_id)).await?,
            )),
            ..Links::default()
        };
        if let Some(run) = &record.run {
            let key = item::pipeline_key(run.pipeline.id);
            links.pipeline = Some(owner(self.read_item(key).await?));
        }
        if let Some(target) = &record.locked_target {
            let item = self.read_item(item::lock_key(target)).await?;
            // What cannot be read is no lock of this deploy.
            links.lock = Some(item.and_then(|item| item::parse_lock(&item).ok().flatten()));
        }
        if let Some(old) = record.retry_of {
            links.repeats = Some(self.neighbour(old).await?);
        }
        if let Some(new) = record.retried_by {
            links.repeated_by = Some(self.neighbour(new).await?);
        }
        if record.retried_by.is_some() || stored.retry_root.is_some() {
            let key = item::chain_key(stored.chain_root());
            links.last_of_chain = Some(owner(self.read_item(key).await?));
        }
        if let Some(request) = stored.retry_request {
            let item = self.read_item(item::action_key(request)).await?;
            links.action = Some(item.map(|item| attribute(&item, "body")));
        }
        let target = replayed.ended.as_ref().and_then(|ended| ended.target());
        if let Some(target) = target {
            let item = self.read_item(item::releases_key(&target)).await?;
            links.releases = match item {
                // What cannot be read is found with its item.
                Some(item) => item::parse_body(&item).ok(),
                None => Some(chatops_core::release::ReleaseHistory::default()),
            };
        }
        Ok(links)
    }

    async fn neighbour(&self, id: DeployId) -> Result<Neighbour, AwsError> {
        let item = self.read_item(item::record_key(id)).await?;
        let record = item.and_then(|item| item::parse_body(&item).ok());
        Ok(match record {
            Some(record) => Neighbour::There(Box::new(record)),
            None => Neighbour::Missing,
        })
    }
}

/// The attributes by which lists and the sweeper find a deploy.
fn compare_attributes(
    deploy: &str,
    record: &DeployRecord,
    stored: &TableItem,
) -> Result<Vec<Finding>, AwsError> {
    let expected = item::record_item(record)?;
    let compared = ATTRIBUTES
        .into_iter()
        .filter(|name| !matches!(*name, "body" | SK));
    let differs = compared.filter(|name| stored.get(*name) != expected.get(*name));
    let finding = |name| {
        let (is, by) = (show(stored.get(name)), show(expected.get(name)));
        Finding::differs(
            deploy,
            format!("attribute {name}"),
            is.as_deref(),
            by.as_deref(),
        )
    };
    // The key of the partition is the deploy's.
    let differs = differs.filter(|name| *name != crate::dynamodb::table::PK);
    Ok(differs.map(finding).collect())
}
