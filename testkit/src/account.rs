//! What a deployment needs in an account: the table, the queues, the secrets.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::TableStatus;
use aws_sdk_sqs::types::QueueAttributeName;
use chatops_aws::client::AwsSdk;
use chatops_aws::dynamodb::{DynamoDb, table};
use chatops_core::ports::QueueName;
use serde_json::{Value, json};

use crate::wait_until;

/// An empty table of that name.
pub async fn make_table(aws: &AwsSdk, name: &str) -> DynamoDb {
    let client = aws.dynamodb();
    let request = table::create_request(&client, name).unwrap();
    request.send().await.unwrap();
    wait_until("the table", async || {
        let request = client.describe_table().table_name(name);
        let status = request.send().await.unwrap().table?.table_status?;
        (status == TableStatus::Active).then_some(())
    })
    .await;
    DynamoDb::new(client, name)
}

/// The URLs of the queues.
pub type Queues = HashMap<QueueName, String>;

/// All queues, named `<name>-<queue>`. A message received `max_receives` times without being deleted
/// goes to the dead-letter queue.
pub async fn make_queues(aws: &AwsSdk, name: &str, max_receives: u32) -> Queues {
    let client = aws.sqs();
    let mut queues = Queues::new();
    for queue_name in [
        QueueName::WorkDlq,
        QueueName::NotifyDlq,
        QueueName::Work,
        QueueName::Polls,
        QueueName::Operators,
        QueueName::Notify,
    ] {
        let mut request = client.create_queue();
        request = request.queue_name(format!("{name}-{}", queue_name.as_str()));
        if let Some(dead) = queue_name.dead_letter_queue() {
            let arn = QueueAttributeName::QueueArn;
            let attributes = client.get_queue_attributes().queue_url(&queues[&dead]);
            let attributes = attributes.attribute_names(arn.clone()).send().await;
            let arn = &attributes.unwrap().attributes.unwrap()[&arn];
            let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": max_receives});
            request = request.attributes(QueueAttributeName::RedrivePolicy, policy.to_string());
        }
        let made = request.send().await.unwrap();
        queues.insert(queue_name, made.queue_url.unwrap());
    }
    queues
}

/// The secret `<name>/<what>`; its name.
pub async fn make_secret(aws: &AwsSdk, name: &str, what: &str, value: &Value) -> String {
    let name = format!("{name}/{what}");
    let request = aws.secrets().create_secret().name(&name);
    let request = request.secret_string(value.to_string());
    request.send().await.unwrap();
    name
}
