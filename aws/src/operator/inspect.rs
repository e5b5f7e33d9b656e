//! How a deployment is set up, as far as the caller's rights allow. No secret's value is read.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{
    ContinuousBackupsDescription, GlobalSecondaryIndexDescription, KeySchemaElement, KeyType,
    PointInTimeRecoveryStatus, TableDescription,
};
use aws_sdk_sqs::types::QueueAttributeName;
use chatops_core::ports::{PortErrorKind, QueueName};
use strum::VariantArray;

use super::StackNames;
use crate::client::AwsSdk;
use crate::dynamodb::table::{PK, SK, TableIndex};
use crate::{AwsError, failed};

/// The differences from the table that the template creates.
pub async fn check_table(aws: &AwsSdk, names: &StackNames) -> Result<Vec<String>, AwsError> {
    let request = aws.dynamodb().describe_table().table_name(names.table());
    let answer = request.send().await;
    let answer = answer.map_err(failed("dynamodb:DescribeTable"))?;
    Ok(schema_differences(
        &answer
            .table
            .unwrap_or_else(|| TableDescription::builder().build()),
    ))
}

fn schema_differences(table: &TableDescription) -> Vec<String> {
    let mut differences = Vec::new();
    if !has_keys(table.key_schema(), PK, SK) {
        differences.push(format!("its keys are not {PK} and {SK}"));
    }
    for index in TableIndex::VARIANTS {
        let name = index.name();
        let mut all = table.global_secondary_indexes().iter();
        match all.find(|one: &&GlobalSecondaryIndexDescription| one.index_name() == Some(name)) {
            None => differences.push(format!("the index {name} is missing")),
            Some(one) if !has_keys(one.key_schema(), index.partition_key(), index.sort_key()) => {
                let keys = format!("{} and {}", index.partition_key(), index.sort_key());
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

/// Whether point-in-time recovery is on.
pub async fn is_recovery_enabled(aws: &AwsSdk, names: &StackNames) -> Result<bool, AwsError> {
    let request = aws.dynamodb().describe_continuous_backups();
    let answer = request.table_name(names.table()).send().await;
    let answer = answer.map_err(failed("dynamodb:DescribeContinuousBackups"))?;
    let backups = answer.continuous_backups_description;
    let recovery = backups
        .and_then(|all: ContinuousBackupsDescription| all.point_in_time_recovery_description);
    let status = recovery.and_then(|recovery| recovery.point_in_time_recovery_status);
    Ok(status == Some(PointInTimeRecoveryStatus::Enabled))
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueState {
    /// About how many messages it has.
    pub depth: u64,
    /// Whether a message received too often goes to the dead-letter queue; `true` for those.
    pub has_redrive: bool,
}

/// Reads the state of a queue.
pub async fn read_queue(
    aws: &AwsSdk,
    names: &StackNames,
    queue_name: QueueName,
) -> Result<QueueState, AwsError> {
    let url = names.queue_url(aws, queue_name).await?;
    let request = aws.sqs().get_queue_attributes().queue_url(url);
    let (depth, redrive) = (
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::RedrivePolicy,
    );
    let request = request.attribute_names(depth.clone());
    let request = request.attribute_names(redrive.clone());
    let answer = request.send().await;
    let answer = answer.map_err(failed("sqs:GetQueueAttributes"))?;
    let attributes = answer.attributes.unwrap_or_default();
    let depth = attributes.get(&depth).and_then(|count| count.parse().ok());
    let redrives = |dead| {
        // The policy is JSON with the other queue's ARN, which ends with its name.
        let policy = attributes.get(&redrive);
        policy.is_some_and(|policy| policy.contains(&format!(":{}\"", names.queue(dead))))
    };
    Ok(QueueState {
        depth: depth.unwrap_or(0),
        has_redrive: queue_name.dead_letter_queue().is_none_or(redrives),
    })
}

/// Whether a secret exists; its value is not read.
pub async fn check_secret(aws: &AwsSdk, name: &str) -> Result<(), AwsError> {
    let request = aws.secrets().describe_secret().secret_id(name);
    let described = request.send().await;
    let described = described.map_err(failed("secretsmanager:DescribeSecret"))?;
    match described.deleted_date {
        None => Ok(()),
        Some(_) => Err(AwsError {
            action: None,
            kind: PortErrorKind::Missing,
            message: "it is to be deleted".to_owned(),
        }),
    }
}
