//! How messages and the schedule reach the functions, and what is left in the queues. What a deploy comes to
//! is in `outcome`.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::types::{Message, QueueAttributeName};
use chatops_core::ports::QueueName;
use chatops_testkit::wait_until;
use serde_json::{Value, json};

use super::{LEFT, LambdaWorld};
use crate::function::{InvokeOutcome, LambdaFunction};
use crate::mapping::{DeliveryMode, SourceMapping, event_record, receive_messages};

/// The queues that functions are run over.
const SERVED_QUEUES: [QueueName; 4] = [
    QueueName::Work,
    QueueName::Notify,
    QueueName::Polls,
    QueueName::Operators,
];

impl LambdaWorld {
    /// The function that handles a queue.
    fn function_of(&self, queue_name: QueueName) -> &Arc<LambdaFunction> {
        match queue_name {
            QueueName::Work | QueueName::Polls | QueueName::Operators => &self.worker,
            QueueName::Notify => &self.notifier,
            _ => unreachable!("no function handles {queue_name:?}"),
        }
    }

    /// A mapping that does nothing by itself yet.
    pub(crate) fn new_mapping(&self, queue: QueueName, mode: DeliveryMode) -> Arc<SourceMapping> {
        Arc::new(SourceMapping {
            sqs: self.aws.sqs(),
            queue: self.queues[&queue].clone(),
            function: Arc::clone(self.function_of(queue)),
            left: LEFT,
            mode,
            runs: Mutex::default(),
            stopped: AtomicBool::new(false),
        })
    }

    /// From now on messages are delivered.
    pub(crate) fn connect(&self, mode: DeliveryMode) -> [Arc<SourceMapping>; 4] {
        let all = SERVED_QUEUES.map(|queue| self.new_mapping(queue, mode));
        for mapping in &all {
            let running = Arc::clone(mapping).run();
            self.mappings.lock().unwrap().spawn(running);
        }
        all
    }

    /// From now on nothing is delivered; what was received is finished first.
    pub(crate) async fn disconnect(&self, mappings: &[Arc<SourceMapping>]) {
        for mapping in mappings {
            mapping.stop();
        }
        let running = std::mem::take(&mut *self.mappings.lock().unwrap());
        running.join_all().await;
    }

    /// All messages of a queue, hidden from every other receiver.
    pub(crate) async fn take_messages(&self, queue_name: QueueName) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            let some = receive_messages(&self.aws.sqs(), &self.queues[&queue_name], 0).await;
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }

    /// Deletes what is queued; what was taken does not come again, either.
    pub(crate) async fn lose_wake_ups(&self) {
        for queue_name in SERVED_QUEUES {
            let purge = self.aws.sqs().purge_queue();
            let purge = purge.queue_url(&self.queues[&queue_name]);
            purge.send().await.unwrap();
        }
    }

    /// Waits until a queue is empty.
    pub(crate) async fn is_empty(&self, queue_name: QueueName) {
        self.is_empty_but(queue_name, 0).await;
    }

    /// Waits until a queue has only what the test itself has taken.
    pub(crate) async fn is_empty_but(&self, queue_name: QueueName, taken: usize) {
        let empty = async || (self.queue_depth(queue_name).await == taken).then_some(());
        wait_until(&format!("{queue_name:?} to be empty"), empty).await;
    }

    pub(crate) async fn send_message_text(&self, queue_name: QueueName, body: &str) {
        let request = self.aws.sqs().send_message();
        let request = request.queue_url(&self.queues[&queue_name]);
        request.message_body(body).send().await.unwrap();
    }

    /// How many messages a queue has, the invisible ones included.
    pub(crate) async fn queue_depth(&self, queue_name: QueueName) -> usize {
        let request = self.aws.sqs().get_queue_attributes();
        let request = request.queue_url(&self.queues[&queue_name]);
        let names = vec![
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = request.set_attribute_names(Some(names));
        let counts = request.send().await.unwrap().attributes.unwrap();
        let counts = counts.values().map(|count| count.parse::<usize>().unwrap());
        counts.sum()
    }

    /// From now on the schedule runs, too, more often than once a minute.
    pub(crate) fn start_sweeping(&self) {
        let worker = Arc::clone(&self.worker);
        self.mappings.lock().unwrap().spawn(async move {
            loop {
                worker.invoke(&schedule_event(), LEFT).await;
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
    }

    /// It is time for the sweep.
    pub(crate) async fn sweep(&self) -> InvokeOutcome {
        self.worker.invoke(&schedule_event(), LEFT).await
    }

    /// A batch of messages of a queue, as Lambda hands it over.
    pub(crate) fn batch_event<'m>(
        &self,
        queue_name: QueueName,
        messages: impl IntoIterator<Item = &'m Message>,
    ) -> Value {
        let queue = &self.queues[&queue_name];
        let records = messages.into_iter().map(|one| event_record(queue, one));
        let records: Vec<Value> = records.collect();
        json!({ "Records": records })
    }

    /// Hands a batch to a function by hand.
    pub(crate) async fn hand_batch(
        &self,
        function: &LambdaFunction,
        queue_name: QueueName,
        messages: &[Message],
        left: Duration,
    ) -> Value {
        let event = self.batch_event(queue_name, messages);
        function.invoke(&event, left).await.into_answer()
    }
}

/// `EventBridge`'s event of a schedule.
fn schedule_event() -> Value {
    json!({
        "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event", "source": "aws.events", "account": "000000000000",
        "time": "2026-01-01T00:00:00Z", "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:000000000000:rule/sweep"], "detail": {},
    })
}
