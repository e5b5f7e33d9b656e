//! Reading a dead-letter queue: every message is received, shown and released.

use std::collections::BTreeSet;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, QueueAttributeName};
use chatops_core::message::MessageBody;

use crate::{AwsError, failed};

/// How long a message is hidden unless it is released: long enough to read a long queue, short enough
/// that after a killed reader it is soon visible again.
const VISIBILITY_SECONDS: i32 = 300;

/// The most messages in one response, and in one release.
const BATCH_SIZE: usize = 10;

/// How long SQS waits for messages, in seconds. Waiting makes it ask all its servers, so that an empty
/// response means an empty queue.
const WAIT_SECONDS: i32 = 1;

/// The received messages of a dead-letter queue.
#[derive(Debug)]
pub struct DeadLetters {
    client: Client,
    url: String,
    receipts: Vec<String>,
}

impl DeadLetters {
    /// The queue at that URL; nothing is received yet.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self {
            client,
            url: url.into(),
            receipts: Vec::new(),
        }
    }

    /// About how many messages the queue has.
    pub async fn count_letters(&self) -> Result<u64, AwsError> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = request.attribute_names(name.clone()).send().await;
        let answer = answer.map_err(failed("sqs:GetQueueAttributes"))?;
        let count = answer.attributes.as_ref().and_then(|all| all.get(&name));
        Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
    }

    /// Receives every message, in no order. Whatever the result, call [`Self::release_all`].
    pub async fn take_all(
        &mut self,
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<MessageBody>, AwsError> {
        let (mut letters, mut met) = (Vec::new(), BTreeSet::new());
        loop {
            let request = self.client.receive_message().queue_url(&self.url);
            let request = request
                .max_number_of_messages(i32::try_from(BATCH_SIZE).unwrap_or(1))
                .visibility_timeout(VISIBILITY_SECONDS)
                .wait_time_seconds(WAIT_SECONDS);
            let answer = request.send().await.map_err(failed("sqs:ReceiveMessage"))?;
            let before = letters.len();
            for message in answer.messages.unwrap_or_default() {
                self.receipts.extend(message.receipt_handle);
                // One that became visible again is known already.
                if met.insert(message.message_id.unwrap_or_default()) {
                    letters.push(MessageBody::from_wire(message.body.unwrap_or_default()));
                }
            }
            progress(letters.len());
            if letters.len() == before {
                return Ok(letters);
            }
        }
    }

    /// Makes the received messages visible again. What fails here becomes visible by itself later.
    pub async fn release_all(self) -> Result<(), AwsError> {
        let mut result = Ok(());
        for receipts in self.receipts.chunks(BATCH_SIZE) {
            let entries = receipts.iter().enumerate().filter_map(|(n, receipt)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(n.to_string())
                    .receipt_handle(receipt)
                    .visibility_timeout(0);
                // Only what is left out could fail.
                entry.build().ok()
            });
            let request = self.client.change_message_visibility_batch();
            let request = request.queue_url(&self.url);
            let request = request.set_entries(Some(entries.collect()));
            if let Err(error) = request.send().await {
                result = Err(failed("sqs:ChangeMessageVisibility")(error));
            }
        }
        result
    }
}
