//! The table, its indexes, and how its keys are made.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use chatops_core::Time;
use chrono::{DateTime, SecondsFormat};

/// The table's partition key.
pub(crate) const PK: &str = "pk";

/// The table's sort key.
pub(crate) const SK: &str = "sk";

/// The sort key of all the lists: [`super::item::place`].
pub(super) const ASKED: &str = "asked";

/// The sort key of [`Index::Due`].
pub(super) const DUE_AT: &str = "due_at";

/// What a list learns of each deploy without reading it.
pub(super) const COLUMNS: [&str; 6] = ["user", "user_name", "branch", "job", "project", "state"];

/// The indexes of the table. Each has a key of its own, which only those items carry that belong
/// there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// Every deploy, newest first.
    All,
    /// By who asked.
    User,
    /// By the name of who asked, in small letters.
    UserName,
    /// By branch.
    Branch,
    /// By job.
    Job,
    /// By project.
    Project,
    /// By state.
    State,
    /// Those that wait to be tried again.
    Awaits,
    /// What has a timer, deploys and reply items, the first due first.
    Due,
}

impl Index {
    /// All indexes.
    pub const ALL: [Index; 9] = [
        Index::All,
        Index::User,
        Index::UserName,
        Index::Branch,
        Index::Job,
        Index::Project,
        Index::State,
        Index::Awaits,
        Index::Due,
    ];

    /// The index's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Index::All => "by-time",
            Index::User => "by-user",
            Index::UserName => "by-user-name",
            Index::Branch => "by-branch",
            Index::Job => "by-job",
            Index::Project => "by-project",
            Index::State => "by-state",
            Index::Awaits => "awaits-retry",
            Index::Due => "due",
        }
    }

    /// Its partition key, the attribute's name.
    #[must_use]
    pub fn partition(self) -> &'static str {
        match self {
            Index::All => "ledger",
            Index::User => "user",
            Index::UserName => "user_name",
            Index::Branch => "branch",
            Index::Job => "job",
            Index::Project => "project",
            Index::State => "state",
            Index::Awaits => "awaits",
            Index::Due => "timer",
        }
    }

    /// Its sort key, the attribute's name.
    #[must_use]
    pub fn sort(self) -> &'static str {
        match self {
            Index::Due => DUE_AT,
            _ => ASKED,
        }
    }

    /// What it holds beside the keys.
    fn projected(self) -> Vec<String> {
        let columns = COLUMNS.iter().filter(|name| **name != self.partition());
        match self {
            Index::Due => vec![],
            _ => columns.map(|name| (*name).to_owned()).collect(),
        }
    }
}

/// The one value of a partition key that only says that an item belongs to the index.
pub(super) const MEMBER: &str = "1";

/// The request that makes the table, as the deployment's template does; for emulators.
pub fn create(client: &Client, name: &str) -> Result<CreateTableFluentBuilder, BuildError> {
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
    for name in [PK, SK, ASKED, DUE_AT] {
        request = request.attribute_definitions(text(name)?);
    }
    for index in Index::ALL {
        let columns = index.projected();
        let projection = if columns.is_empty() {
            Projection::builder().projection_type(ProjectionType::KeysOnly)
        } else {
            Projection::builder()
                .projection_type(ProjectionType::Include)
                .set_non_key_attributes(Some(columns))
        };
        let index_request = GlobalSecondaryIndex::builder()
            .index_name(index.name())
            .key_schema(key(index.partition(), KeyType::Hash)?)
            .key_schema(key(index.sort(), KeyType::Range)?)
            .projection(projection.build());
        request = request
            .attribute_definitions(text(index.partition())?)
            .global_secondary_indexes(index_request.build()?);
    }
    Ok(request)
}

/// A moment as it stands in keys: text that sorts by time, and that a person can read.
pub(super) fn moment(time: Time) -> String {
    // What has no four digits for its year would sort wrongly.
    let first = DateTime::from_timestamp(-62_135_596_800, 0).unwrap_or(Time::UNIX_EPOCH);
    let last = DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(Time::UNIX_EPOCH);
    time.clamp(first, last)
        .to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_sort_as_text_by_time() {
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
        let texts = times.map(moment);
        assert!(texts.is_sorted_by(|a, b| a < b), "{texts:?}");
        assert_eq!(texts[3], "1970-01-01T00:00:00.000001Z");
        assert!(texts.iter().all(|text| text.len() == 27));
    }

    #[test]
    fn what_indexes_hold_stays_within_what_a_table_may() {
        let attributes: usize = Index::ALL.iter().map(|i| i.projected().len()).sum();
        assert!(attributes <= 100, "{attributes}");
    }
}
