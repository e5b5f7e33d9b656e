//! The table, its indexes, and how its keys are made.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use chatops_core::Time;
use chatops_core::id::DeployId;
use chrono::{DateTime, SecondsFormat};
use strum::VariantArray;

/// The table's partition key.
pub(crate) const PK: &str = "pk";

/// The table's sort key.
pub(crate) const SK: &str = "sk";

/// The sort key of all lists: [`super::item::encode_position`].
pub(super) const REQUESTED_AT: &str = "requested_at";

/// The sort key of [`TableIndex::Due`].
pub(super) const DUE_AT: &str = "due_at";

/// What the indexes of the lists hold of each deploy.
pub(super) const LISTED: [&str; 7] = [
    "user",
    "user_name",
    "branch",
    "job",
    "project",
    "environment",
    "state",
];

/// The indexes of the table. Each has a partition key of its own, which only its items have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
pub enum TableIndex {
    /// Every deploy, newest first.
    All,
    /// By requester.
    User,
    /// By the requester's name, in lower case.
    UserName,
    /// By branch.
    Branch,
    /// By job.
    Job,
    /// By project.
    Project,
    /// By environment.
    Environment,
    /// By state.
    State,
    /// Those that wait for a retry.
    AwaitingRetry,
    /// Deploys and notification records with a timer, the first due first.
    Due,
}

impl TableIndex {
    /// The index's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TableIndex::All => "by-time",
            TableIndex::User => "by-user",
            TableIndex::UserName => "by-user-name",
            TableIndex::Branch => "by-branch",
            TableIndex::Job => "by-job",
            TableIndex::Project => "by-project",
            TableIndex::Environment => "by-environment",
            TableIndex::State => "by-state",
            TableIndex::AwaitingRetry => "awaiting-retry",
            TableIndex::Due => "due",
        }
    }

    /// The attribute that is its partition key.
    #[must_use]
    pub fn partition_key(self) -> &'static str {
        match self {
            TableIndex::All => "ledger",
            TableIndex::User => "user",
            TableIndex::UserName => "user_name",
            TableIndex::Branch => "branch",
            TableIndex::Job => "job",
            TableIndex::Project => "project",
            TableIndex::Environment => "environment",
            TableIndex::State => "state",
            TableIndex::AwaitingRetry => "awaiting_retry",
            TableIndex::Due => "timer",
        }
    }

    /// The attribute that is its sort key.
    #[must_use]
    pub fn sort_key(self) -> &'static str {
        match self {
            TableIndex::Due => DUE_AT,
            _ => REQUESTED_AT,
        }
    }

    /// What it holds besides the keys.
    fn projected_columns(self) -> Vec<String> {
        let columns = LISTED.iter().filter(|name| **name != self.partition_key());
        match self {
            TableIndex::Due => vec![],
            _ => columns.map(|name| (*name).to_owned()).collect(),
        }
    }
}

/// The one partition key of [`TableIndex::AwaitingRetry`].
pub(super) const MEMBER: &str = "1";

/// The partition key of what could not be delivered in [`TableIndex::Due`], in which no timer is.
pub(super) const UNDELIVERED: &str = "undelivered";

/// The partition keys of [`TableIndex::All`] and [`TableIndex::Due`]. Every deploy is in both, and one
/// partition takes 1,000 write units a second.
pub(super) const SHARDS: [&str; 16] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f",
];

/// The shard of a deploy: the first digit of its id, which is a hash.
pub(super) fn shard(id: DeployId) -> &'static str {
    SHARDS[(id.uuid().as_u128() >> 124) as usize % SHARDS.len()]
}

/// The request that creates the table as the template does; for emulators.
pub fn create_request(client: &Client, name: &str) -> Result<CreateTableFluentBuilder, BuildError> {
    let key = |name: &str, kind| {
        let key = KeySchemaElement::builder().attribute_name(name);
        key.key_type(kind).build()
    };
    let text = |name: &str| {
        let attribute = AttributeDefinition::builder().attribute_name(name);
        attribute.attribute_type(ScalarAttributeType::S).build()
    };
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key(PK, KeyType::Hash)?)
        .key_schema(key(SK, KeyType::Range)?);
    for name in [PK, SK, REQUESTED_AT, DUE_AT] {
        request = request.attribute_definitions(text(name)?);
    }
    for index in TableIndex::VARIANTS {
        let columns = index.projected_columns();
        let projection = if columns.is_empty() {
            Projection::builder().projection_type(ProjectionType::KeysOnly)
        } else {
            Projection::builder()
                .projection_type(ProjectionType::Include)
                .set_non_key_attributes(Some(columns))
        };
        let index_request = GlobalSecondaryIndex::builder()
            .index_name(index.name())
            .key_schema(key(index.partition_key(), KeyType::Hash)?)
            .key_schema(key(index.sort_key(), KeyType::Range)?)
            .projection(projection.build());
        request = request
            .attribute_definitions(text(index.partition_key())?)
            .global_secondary_indexes(index_request.build()?);
    }
    Ok(request)
}

/// A moment in keys: readable text that sorts by time.
pub(super) fn sortable_time(time: Time) -> String {
    // Years without four digits would sort wrongly.
    let first = DateTime::from_timestamp(-62_135_596_800, 0).unwrap_or(Time::UNIX_EPOCH);
    let last = DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(Time::UNIX_EPOCH);
    time.clamp(first, last)
        .to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_text() {
        let at = |micros| DateTime::from_timestamp_micros(micros).unwrap();
        let times = [
            Time::MIN_UTC,
            at(-1),
            at(0),
            at(1),
            at(999_999),
            at(1_000_000),
            at(1_800_000_000_000_000),
            Time::MAX_UTC,
        ];
        let texts = times.map(sortable_time);
        assert!(texts.is_sorted_by(|a, b| a < b), "{texts:?}");
        assert_eq!(texts[3], "1970-01-01T00:00:00.000001Z");
        assert!(texts.iter().all(|text| text.len() == 27));
    }

    #[test]
    fn the_indexes_hold_no_more_than_a_table_may() {
        let columns = TableIndex::VARIANTS
            .iter()
            .map(|index| index.projected_columns().len());
        assert!(columns.sum::<usize>() <= 100);
    }
}
