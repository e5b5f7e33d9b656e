//! The queues in SQS.
//!
//! What SQS leaves open, the port leaves open, too: a message may come twice, and an old receipt of a
//! message that was received again may or may not still count. SQS itself moves a message that was
//! received too often to the dead-letter queue, and keeps counting there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use chatops_core::message::MessageBody;
use chatops_core::ports::{
    MessageQueue, MessageReceipt, PortErrorKind, QueueError, QueueName, ReceivedMessage, SendError,
    SenderId,
};

use crate::client::WARM_UP_TIMEOUT;
use crate::failed;
use crate::settings::{SettingsError, read_var};

/// The longest delay of SQS; a message with a longer one comes early.
const MAX_DELAY: Duration = Duration::from_mins(15);

/// SQS hides a message for at most twelve hours, counted from its receipt.
const MAX_VISIBILITY: Duration = Duration::from_hours(11);

/// The most messages in one answer.
const BATCH_SIZE: usize = 10;

/// How long SQS waits for messages. Without waiting it asks only some of its servers and may overlook
/// a message.
const RECEIVE_WAIT: Duration = Duration::from_secs(1);

/// Where the queues are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueUrls(BTreeMap<QueueName, String>);

impl QueueUrls {
    /// The variable that holds a queue's URL.
    #[must_use]
    pub fn env_name(queue_name: QueueName) -> &'static str {
        match queue_name {
            QueueName::Work => "CHATOPS_WORK_QUEUE_URL",
            QueueName::Polls => "CHATOPS_POLLS_QUEUE_URL",
            QueueName::Operators => "CHATOPS_OPERATORS_QUEUE_URL",
            QueueName::Notify => "CHATOPS_NOTIFY_QUEUE_URL",
            QueueName::WorkDlq => "CHATOPS_WORK_DLQ_URL",
            QueueName::NotifyDlq => "CHATOPS_NOTIFY_DLQ_URL",
        }
    }

    /// Reads the URLs of the queues that a process uses through `lookup`, the environment in a real
    /// process.
    pub fn read(
        lookup: impl Fn(&str) -> Option<OsString>,
        queue_names: &[QueueName],
    ) -> Result<Self, SettingsError> {
        let mut urls = BTreeMap::new();
        for queue_name in queue_names {
            let name = Self::env_name(*queue_name);
            let what = "the queue's URL, as the deployment's outputs show it";
            let missing = SettingsError::Missing { name, what };
            urls.insert(*queue_name, read_var(&lookup, name)?.ok_or(missing)?);
        }
        Ok(Self(urls))
    }
}

impl QueueUrls {
    /// The queue that an ARN names; both end with the name that it has in the account.
    #[must_use]
    pub fn find_by_arn(&self, arn: &str) -> Option<QueueName> {
        let (_, name) = arn.rsplit_once(':')?;
        let named = |url: &&String| url.rsplit('/').next() == Some(name);
        let mut found = self.0.iter().filter(|(_, url)| named(url));
        found.next().map(|(queue_name, _)| *queue_name)
    }
}

impl FromIterator<(QueueName, String)> for QueueUrls {
    fn from_iter<I: IntoIterator<Item = (QueueName, String)>>(urls: I) -> Self {
        Self(urls.into_iter().collect())
    }
}

/// The queues. Clones share the client.
#[derive(Clone)]
pub struct Sqs {
    client: Client,
    urls: QueueUrls,
    wait: Duration,
}

impl fmt::Debug for Sqs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqs")
            .field("urls", &self.urls)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

impl Sqs {
    /// The queues at these URLs.
    pub fn new(client: Client, urls: QueueUrls) -> Self {
        let wait = RECEIVE_WAIT;
        Self { client, urls, wait }
    }

    /// Receives without waiting for what SQS may have overlooked.
    #[must_use]
    pub fn without_wait(self) -> Self {
        let wait = Duration::ZERO;
        Self { wait, ..self }
    }

    /// Opens the connection before it is needed; whether that works does not matter. It takes the
    /// right to `sqs:GetQueueAttributes`.
    pub async fn warm(&self, queue_name: QueueName) {
        let Ok(url) = self.queue_url(queue_name) else {
            return;
        };
        let request = self.client.get_queue_attributes().queue_url(url);
        let _ = tokio::time::timeout(WARM_UP_TIMEOUT, request.send()).await;
    }

    /// The URL of a queue, or which setting is missing.
    pub fn queue_url(&self, queue_name: QueueName) -> Result<&str, QueueError> {
        let url = self.urls.0.get(&queue_name).map(String::as_str);
        url.ok_or_else(|| {
            let (queue_name, variable) = (queue_name.as_str(), QueueUrls::env_name(queue_name));
            let what =
                format!("the URL of the {queue_name} queue is not known here: set {variable}");
            QueueError::new(PortErrorKind::Missing, what)
        })
    }
}

impl MessageQueue for Sqs {
    async fn send(
        &self,
        queue_name: QueueName,
        body: &MessageBody,
        delay: Duration,
    ) -> Result<(), SendError> {
        let url = self.queue_url(queue_name).map_err(SendError::NotSent)?;
        let request = self.client.send_message().queue_url(url);
        let request = request.message_body(body.as_wire());
        let delay = whole_seconds(delay.min(MAX_DELAY));
        match request.delay_seconds(delay).send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let refused = is_definite_refusal(&error);
                let error = failed("sqs:SendMessage")(error).into();
                Err(if refused {
                    SendError::NotSent(error)
                } else {
                    SendError::Unknown(error)
                })
            }
        }
    }

    async fn receive(
        &self,
        queue_name: QueueName,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<ReceivedMessage>, QueueError> {
        let url = self.queue_url(queue_name)?;
        let looks = visibility.is_zero();
        let wait = if looks { Duration::ZERO } else { self.wait };
        let (mut deliveries, mut met) = (Vec::new(), BTreeMap::new());
        while deliveries.len() < max {
            let wanted = (max - deliveries.len()).min(BATCH_SIZE);
            let request = self.client.receive_message().queue_url(url);
            let request = request
                .max_number_of_messages(i32::try_from(wanted).unwrap_or(1))
                .visibility_timeout(whole_seconds(visibility.min(MAX_VISIBILITY)))
                .wait_time_seconds(whole_seconds(wait))
                .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
                .message_system_attribute_names(MessageSystemAttributeName::SenderId);
            let answer = match request.send().await {
                Ok(answer) => answer,
                // Received messages are better handled than hidden.
                Err(_) if !deliveries.is_empty() => break,
                Err(error) => return Err(failed("sqs:ReceiveMessage")(error).into()),
            };
            let before = deliveries.len();
            for message in answer.messages.unwrap_or_default() {
                let id = message.message_id.clone();
                let Some(message) = received_message(message) else {
                    continue;
                };
                // What is not hidden comes again, with another receipt.
                match met.get(&id).and_then(|at| deliveries.get_mut(*at)) {
                    Some(known) if looks => *known = message,
                    _ => {
                        met.insert(id, deliveries.len());
                        deliveries.push(message);
                    }
                }
            }
            if deliveries.len() == before {
                break;
            }
        }
        Ok(deliveries)
    }

    async fn delete(
        &self,
        queue_name: QueueName,
        receipt: &MessageReceipt,
    ) -> Result<(), QueueError> {
        let url = self.queue_url(queue_name)?;
        if receipt.0.is_empty() {
            return Ok(());
        }
        let request = self.client.delete_message().queue_url(url);
        match request.receipt_handle(&receipt.0).send().await {
            Err(error) if !is_stale_receipt(&error) => {
                Err(failed("sqs:DeleteMessage")(error).into())
            }
            _ => Ok(()),
        }
    }

    async fn release(
        &self,
        queue_name: QueueName,
        receipt: &MessageReceipt,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let url = self.queue_url(queue_name)?;
        if receipt.0.is_empty() {
            return Ok(());
        }
        let request = self.client.change_message_visibility().queue_url(url);
        let request = request.receipt_handle(&receipt.0);
        let request = request.visibility_timeout(whole_seconds(delay.min(MAX_VISIBILITY)));
        match request.send().await {
            Err(error) if !is_stale_receipt(&error) => {
                Err(failed("sqs:ChangeMessageVisibility")(error).into())
            }
            _ => Ok(()),
        }
    }
}

/// Whole seconds, rounded up.
fn whole_seconds(duration: Duration) -> i32 {
    let up = u64::from(duration.subsec_nanos() > 0);
    i32::try_from(duration.as_secs() + up).unwrap_or(i32::MAX)
}

fn received_message(message: Message) -> Option<ReceivedMessage> {
    let mut known = message.attributes.unwrap_or_default();
    let receives = known.remove(&MessageSystemAttributeName::ApproximateReceiveCount);
    let receives = receives.and_then(|count| count.parse().ok());
    let sender = known.remove(&MessageSystemAttributeName::SenderId);
    Some(ReceivedMessage {
        receipt: MessageReceipt(message.receipt_handle?),
        body: MessageBody::from_wire(message.body?),
        receive_count: receives.unwrap_or(1),
        sender: sender.map(SenderId),
    })
}

/// Whether SQS has certainly not taken the message: it said so, or the request was never sent.
fn is_definite_refusal<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => true,
        // A throttled attempt may follow one whose answer was lost.
        SdkError::ServiceError(answer) => {
            let throttled = error.code().is_some_and(|code| code.contains("Throttl"));
            answer.raw().status().is_client_error() && !throttled
        }
        _ => false,
    }
}

/// Whether a receipt no longer counts, or never did.
fn is_stale_receipt<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let void = [
        "ReceiptHandleIsInvalid",
        "InvalidIdFormat",
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "MessageNotInflight",
    ];
    // The older of SQS's two protocols puts the service's name before the code.
    let code = error.code().unwrap_or_default();
    void.contains(&code.rsplit('.').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_rounded_up_to_seconds() {
        assert_eq!(whole_seconds(Duration::ZERO), 0);
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(1)), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1_001)), 2);
    }

    #[test]
    fn a_missing_url_is_named() {
        let set =
            |name: &str| (name == "CHATOPS_WORK_QUEUE_URL").then(|| OsString::from("https://q"));
        assert!(QueueUrls::read(set, &[QueueName::Work]).is_ok());
        let error = QueueUrls::read(set, &[QueueName::Work, QueueName::Notify]).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("CHATOPS_NOTIFY_QUEUE_URL is not set"));
    }
}
