//! The queues in SQS.
//!
//! What SQS leaves open, the port leaves open too: a message may come twice, and an old receipt of
//! a message that has been received again may or may not still count. SQS itself moves to the dead
//! lane what was received too often, and keeps counting there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use chatops_core::message::Body;
use chatops_core::ports::{Delivery, Lane, Queue, QueueError, Receipt, SendError};

use crate::client::WARM_UP;
use crate::failure::words;
use crate::settings::{BadSettings, get};

/// The longest delay that SQS knows; what asks for more comes early.
const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// SQS hides a message for twelve hours at most, counted from its receipt.
const LONGEST_HIDING: Duration = Duration::from_hours(11);

/// The most messages in one answer.
const AT_ONCE: usize = 10;

/// How long SQS looks for messages. With none at all it asks only some of its machines, and a
/// message may be overlooked.
const WAIT: Duration = Duration::from_secs(1);

/// Where the queues are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses(BTreeMap<Lane, String>);

impl Addresses {
    /// The variable that holds a lane's address.
    #[must_use]
    pub fn variable(lane: Lane) -> &'static str {
        match lane {
            Lane::Work => "CHATOPS_WORK_QUEUE_URL",
            Lane::Notice => "CHATOPS_NOTICE_QUEUE_URL",
            Lane::WorkDead => "CHATOPS_WORK_DEAD_QUEUE_URL",
            Lane::NoticeDead => "CHATOPS_NOTICE_DEAD_QUEUE_URL",
        }
    }

    /// Reads the addresses of the lanes that a process uses through `lookup`, the environment in a
    /// real process.
    pub fn read(
        lookup: impl Fn(&str) -> Option<OsString>,
        lanes: &[Lane],
    ) -> Result<Self, BadSettings> {
        let mut addresses = BTreeMap::new();
        for lane in lanes {
            let name = Self::variable(*lane);
            let what = "the queue's URL, as the deployment's outputs show it";
            let missing = BadSettings::Missing { name, what };
            addresses.insert(*lane, get(&lookup, name)?.ok_or(missing)?);
        }
        Ok(Self(addresses))
    }
}

impl FromIterator<(Lane, String)> for Addresses {
    fn from_iter<I: IntoIterator<Item = (Lane, String)>>(lanes: I) -> Self {
        Self(lanes.into_iter().collect())
    }
}

/// The queues. Clones share the client.
#[derive(Clone)]
pub struct Sqs {
    client: Client,
    addresses: Addresses,
    wait: Duration,
}

impl fmt::Debug for Sqs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqs")
            .field("addresses", &self.addresses)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

impl Sqs {
    /// The queues at these addresses.
    pub fn new(client: Client, addresses: Addresses) -> Self {
        let wait = WAIT;
        Self {
            client,
            addresses,
            wait,
        }
    }

    /// Receives without waiting for what SQS may have overlooked.
    #[must_use]
    pub fn impatient(self) -> Self {
        let wait = Duration::ZERO;
        Self { wait, ..self }
    }

    /// Opens the connection, while nobody waits for it yet; whether that works does not matter. It
    /// takes the right to `sqs:GetQueueAttributes`.
    pub async fn warm(&self, lane: Lane) {
        let Ok(address) = self.address(lane) else {
            return;
        };
        let request = self.client.get_queue_attributes().queue_url(address);
        let _ = tokio::time::timeout(WARM_UP, request.send()).await;
    }

    /// The address of a lane, or which setting is missing.
    pub fn address(&self, lane: Lane) -> Result<&str, String> {
        let address = self.addresses.0.get(&lane).map(String::as_str);
        address.ok_or_else(|| {
            let (lane, variable) = (lane.name(), Addresses::variable(lane));
            format!("the address of the {lane} queue is not known here: set {variable}")
        })
    }
}

impl Queue for Sqs {
    async fn send(&self, lane: Lane, body: &Body, delay: Duration) -> Result<(), SendError> {
        let address = self.address(lane).map_err(SendError::NotSent)?;
        let request = self.client.send_message().queue_url(address);
        let request = request.message_body(body.as_wire());
        let delay = seconds(delay.min(LONGEST_DELAY));
        match request.delay_seconds(delay).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_refusal(&error) => Err(SendError::NotSent(words(&error))),
            Err(error) => Err(SendError::Unknown(words(&error))),
        }
    }

    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        let address = self.address(lane).map_err(QueueError)?;
        let mut deliveries = Vec::new();
        while deliveries.len() < max {
            let wanted = (max - deliveries.len()).min(AT_ONCE);
            let request = self.client.receive_message().queue_url(address);
            let request = request
                .max_number_of_messages(i32::try_from(wanted).unwrap_or(1))
                .visibility_timeout(seconds(visibility.min(LONGEST_HIDING)))
                .wait_time_seconds(seconds(self.wait))
                .message_system_attribute_names(
                    MessageSystemAttributeName::ApproximateReceiveCount,
                );
            let answer = match request.send().await {
                Ok(answer) => answer,
                // What has been received is better handled than hidden.
                Err(_) if !deliveries.is_empty() => break,
                Err(error) => return Err(QueueError(words(&error))),
            };
            let messages = answer.messages.unwrap_or_default();
            if messages.is_empty() {
                break;
            }
            deliveries.extend(messages.into_iter().filter_map(delivery));
        }
        Ok(deliveries)
    }

    async fn delete(&self, lane: Lane, receipt: &Receipt) -> Result<(), QueueError> {
        let address = self.address(lane).map_err(QueueError)?;
        if receipt.0.is_empty() {
            return Ok(());
        }
        let request = self.client.delete_message().queue_url(address);
        match request.receipt_handle(&receipt.0).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_void(&error) => Ok(()),
            Err(error) => Err(QueueError(words(&error))),
        }
    }

    async fn release(
        &self,
        lane: Lane,
        receipt: &Receipt,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let address = self.address(lane).map_err(QueueError)?;
        if receipt.0.is_empty() {
            return Ok(());
        }
        let request = self.client.change_message_visibility().queue_url(address);
        let request = request
            .receipt_handle(&receipt.0)
            .visibility_timeout(seconds(delay.min(LONGEST_HIDING)));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_void(&error) => Ok(()),
            Err(error) => Err(QueueError(words(&error))),
        }
    }
}

/// Whole seconds, no less than asked for.
fn seconds(duration: Duration) -> i32 {
    let up = u64::from(duration.subsec_nanos() > 0);
    i32::try_from(duration.as_secs() + up).unwrap_or(i32::MAX)
}

fn delivery(message: Message) -> Option<Delivery> {
    let receives = message.attributes.as_ref();
    let receives = receives
        .and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount))
        .and_then(|count| count.parse().ok());
    Some(Delivery {
        receipt: Receipt(message.receipt_handle?),
        body: Body::from_wire(message.body?),
        receives: receives.unwrap_or(1),
    })
}

/// Whether SQS has certainly not taken the message: it said so, or the request was never made.
fn is_refusal<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
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

/// Whether a receipt does not count any more, or never did.
fn is_void<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let void = [
        "ReceiptHandleIsInvalid",
        "InvalidIdFormat",
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "MessageNotInflight",
    ];
    // In the older of its two protocols SQS puts its own name before the code.
    let code = error.code().unwrap_or_default();
    void.contains(&code.rsplit('.').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_second_are_waited_for() {
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(1)), 1);
        assert_eq!(seconds(Duration::from_millis(1_001)), 2);
    }

    #[test]
    fn a_missing_address_is_named() {
        let set =
            |name: &str| (name == "CHATOPS_WORK_QUEUE_URL").then(|| OsString::from("https://q"));
        assert!(Addresses::read(set, &[Lane::Work]).is_ok());
        let error = Addresses::read(set, &[Lane::Work, Lane::Notice]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("CHATOPS_NOTICE_QUEUE_URL is not set")
        );
    }
}
