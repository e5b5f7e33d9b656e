//! The dead-letter queue, read through: every letter is taken in hand, looked at, and given back.

use std::collections::BTreeSet;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, QueueAttributeName};
use chatops_core::message::Body;

use super::Trouble;

/// How long a letter is out of sight if nobody gives it back: long enough to read a long queue, short
/// enough that what a killed reader had in hand is soon there again.
const HELD: i32 = 300;

/// The most letters in one answer, and in one giving back.
const AT_ONCE: usize = 10;

/// How long SQS looks for letters, in seconds: waiting makes it ask all its machines, so that an empty
/// answer means an empty queue.
const WAIT: i32 = 1;

/// What is in hand.
#[derive(Debug)]
pub struct Letters {
    client: Client,
    url: String,
    receipts: Vec<String>,
}

impl Letters {
    /// The queue at that address; nothing is in hand yet.
    pub fn at(client: Client, url: impl Into<String>) -> Self {
        Self {
            client,
            url: url.into(),
            receipts: Vec::new(),
        }
    }

    /// About how many letters lie there.
    pub async fn count(&self) -> Result<u64, Trouble> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let request = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = request.attribute_names(name.clone()).send().await;
        let answer = answer.map_err(|error| Trouble::of("sqs:GetQueueAttributes", &error))?;
        let count = answer.attributes.as_ref().and_then(|all| all.get(&name));
        Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
    }

    /// Takes every letter in hand, in no order. Whatever becomes of this, [`Self::give_back`] what
    /// is in hand.
    pub async fn take(&mut self, mut progress: impl FnMut(usize)) -> Result<Vec<Body>, Trouble> {
        let (mut letters, mut met) = (Vec::new(), BTreeSet::new());
        loop {
            let request = self.client.receive_message().queue_url(&self.url);
            let request = request
                .max_number_of_messages(i32::try_from(AT_ONCE).unwrap_or(1))
                .visibility_timeout(HELD)
                .wait_time_seconds(WAIT);
            let answer = request.send().await;
            let answer = answer.map_err(|error| Trouble::of("sqs:ReceiveMessage", &error))?;
            let before = letters.len();
            for message in answer.messages.unwrap_or_default() {
                self.receipts.extend(message.receipt_handle);
                // One that has come into sight again was looked at.
                if met.insert(message.message_id.unwrap_or_default()) {
                    letters.push(Body::from_wire(message.body.unwrap_or_default()));
                }
            }
            progress(letters.len());
            if letters.len() == before {
                return Ok(letters);
            }
        }
    }

    /// Gives back what is in hand. What SQS does not take back comes into sight by itself.
    pub async fn give_back(self) -> Result<(), Trouble> {
        let mut trouble = Ok(());
        for receipts in self.receipts.chunks(AT_ONCE) {
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
                trouble = Err(Trouble::of("sqs:ChangeMessageVisibility", &error));
            }
        }
        trouble
    }
}
