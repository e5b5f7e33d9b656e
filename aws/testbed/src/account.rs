//! What a deployment finds in an account: the table, the queues, the secrets.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::TableStatus;
use aws_sdk_sqs::types::QueueAttributeName;
use chatops_aws::client::Aws;
use chatops_aws::dynamodb::{DynamoDb, table};
use chatops_core::ports::Lane;
use serde_json::{Value, json};

use crate::until;

/// An empty table of that name.
pub async fn make_table(aws: &Aws, name: &str) -> DynamoDb {
    let client = aws.dynamodb();
    let request = table::create(&client, name).unwrap();
    request.send().await.unwrap();
    until("the table", async || {
        let request = client.describe_table().table_name(name);
        let status = request.send().await.unwrap().table?.table_status?;
        (status == TableStatus::Active).then_some(())
    })
    .await;
    DynamoDb::new(client, name)
}

/// The four queues, named `<name>-<lane>`, by their addresses. What is received that often without
/// being deleted goes to the dead-letter queue.
pub async fn make_queues(aws: &Aws, name: &str, max_receives: u32) -> HashMap<Lane, String> {
    let client = aws.sqs();
    let mut queues: HashMap<Lane, String> = HashMap::new();
    for lane in [Lane::WorkDead, Lane::NoticeDead, Lane::Work, Lane::Notice] {
        let mut request = client.create_queue();
        request = request.queue_name(format!("{name}-{}", lane.name()));
        if let Some(dead) = lane.dead() {
            let arn = QueueAttributeName::QueueArn;
            let attributes = client.get_queue_attributes().queue_url(&queues[&dead]);
            let attributes = attributes.attribute_names(arn.clone()).send().await;
            let arn = &attributes.unwrap().attributes.unwrap()[&arn];
            let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": max_receives});
            request = request.attributes(QueueAttributeName::RedrivePolicy, policy.to_string());
        }
        let made = request.send().await.unwrap();
        queues.insert(lane, made.queue_url.unwrap());
    }
    queues
}

/// The secret `<name>/<what>`; its name.
pub async fn make_secret(aws: &Aws, name: &str, what: &str, value: &Value) -> String {
    let name = format!("{name}/{what}");
    let request = aws.secrets().create_secret().name(&name);
    let request = request.secret_string(value.to_string());
    request.send().await.unwrap();
    name
}
