//! How a deployment is set up, as far as the one who asks may know. No secret's value is read.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{
    ContinuousBackupsDescription, GlobalSecondaryIndexDescription, KeySchemaElement, KeyType,
    PointInTimeRecoveryStatus, TableDescription,
};
use aws_sdk_sqs::types::QueueAttributeName;
use chatops_core::ports::Lane;

use super::{Names, Trouble};
use crate::client::Aws;
use crate::dynamodb::table::{Index, PK, SK};

/// What differs from the table that the template makes; nothing if all is well.
pub async fn table(aws: &Aws, names: &Names) -> Result<Vec<String>, Trouble> {
    let request = aws.dynamodb().describe_table().table_name(names.table());
    let answer = request.send().await;
    let answer = answer.map_err(|error| Trouble::of("dynamodb:DescribeTable", &error))?;
    Ok(differences(
        &answer
            .table
            .unwrap_or_else(|| TableDescription::builder().build()),
    ))
}

fn differences(table: &TableDescription) -> Vec<String> {
    let mut differences = Vec::new();
    if !has_keys(table.key_schema(), PK, SK) {
        differences.push(format!("its keys are not {PK} and {SK}"));
    }
    for index in Index::ALL {
        let name = index.name();
        let mut all = table.global_secondary_indexes().iter();
        match all.find(|one: &&GlobalSecondaryIndexDescription| one.index_name() == Some(name)) {
            None => differences.push(format!("the index {name} is missing")),
            Some(one) if !has_keys(one.key_schema(), index.partition(), index.sort()) => {
                let keys = format!("{} and {}", index.partition(), index.sort());
                differences.push(format!("the keys of the index {name} are not {keys}"));
            }
            Some(_) => {}
        }
    }
    differences
}

fn has_keys(keys: &[KeySchemaElement], partition: &str, sort: &str) -> bool {
    let mut names = BTreeMap::new();
    for key in keys {
        names.insert(key.key_type().as_str(), key.attribute_name());
    }
    let (hash, range) = (KeyType::Hash, KeyType::Range);
    names.get(hash.as_str()) == Some(&partition) && names.get(range.as_str()) == Some(&sort)
}

/// Whether the table can be brought back to how it was at a moment.
pub async fn point_in_time_recovery(aws: &Aws, names: &Names) -> Result<bool, Trouble> {
    let request = aws.dynamodb().describe_continuous_backups();
    let answer = request.table_name(names.table()).send().await;
    let answer =
        answer.map_err(|error| Trouble::of("dynamodb:DescribeContinuousBackups", &error))?;
    let backups = answer.continuous_backups_description;
    let recovery = backups
        .and_then(|all: ContinuousBackupsDescription| all.point_in_time_recovery_description);
    let status = recovery.and_then(|recovery| recovery.point_in_time_recovery_status);
    Ok(status == Some(PointInTimeRecoveryStatus::Enabled))
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueState {
    /// About how many messages lie in it.
    pub depth: u64,
    /// Whether what is received too often goes to its dead-letter queue; `true` for those.
    pub redrives: bool,
}

/// How a queue stands.
pub async fn queue(aws: &Aws, names: &Names, lane: Lane) -> Result<QueueState, Trouble> {
    let url = names.address(aws, lane).await?;
    let request = aws.sqs().get_queue_attributes().queue_url(url);
    let (depth, redrive) = (
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::RedrivePolicy,
    );
    let request = request
        .attribute_names(depth.clone())
        .attribute_names(redrive.clone());
    let answer = request.send().await;
    let answer = answer.map_err(|error| Trouble::of("sqs:GetQueueAttributes", &error))?;
    let attributes = answer.attributes.unwrap_or_default();
    let depth = attributes.get(&depth).and_then(|count| count.parse().ok());
    let redrives = |dead| {
        // The policy is JSON, and in it stands the other queue's ARN, whose end is its name.
        let policy = attributes.get(&redrive);
        policy.is_some_and(|policy| policy.contains(&format!(":{}\"", names.queue(dead))))
    };
    Ok(QueueState {
        depth: depth.unwrap_or(0),
        redrives: lane.dead().is_none_or(redrives),
    })
}

/// Whether a secret exists; its value is not read.
pub async fn secret(aws: &Aws, name: &str) -> Result<(), Trouble> {
    let request = aws.secrets().describe_secret().secret_id(name);
    let answer = request.send().await;
    let described = answer.map_err(|error| Trouble::of("secretsmanager:DescribeSecret", &error))?;
    match described.deleted_date {
        None => Ok(()),
        Some(_) => Err(Trouble {
            action: None,
            kind: super::Kind::Missing,
            words: "it is to be deleted".to_owned(),
        }),
    }
}
