//! What becomes of a received message after its handler has run: the one rule of every shell.
//!
//! A dependency that fails is not poison: the message comes again, later each time, and its receive
//! count is far from its limit for hours. Buried, in the dead-letter queue, is only what can never be
//! handled: what cannot be read or is in a queue where it does not belong, and what made its handler
//! panic [`MAX_CRASHES`] times.

use serde::Serialize;
use tracing::{error, warn};

use crate::message::MessageBody;
use crate::ports::{MessageQueue, QueueName, ReceivedMessage, SendError, redelivery_pause};

/// How many handlers may panic over a message. They are counted in the message, since a queue counts
/// every receive, whatever it failed for.
pub const MAX_CRASHES: u32 = 5;

/// How much of a message is kept that is wrapped when it is buried.
const MAX_WRAPPED: usize = 4_000;

/// Why a handler did not finish with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerFailure {
    /// Something that it depends on failed: it can work later.
    Later {
        /// The error.
        error: String,
    },
    /// The message can never be handled.
    Poison {
        /// Why not.
        reason: String,
    },
    /// The handler panicked.
    Panicked,
}

/// Where a message is after its handler failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// In its queue: it comes again.
    ComesAgain,
    /// No longer in its queue: it was buried, or sent again with its crashes counted.
    Removed,
}

/// Settles a message whose handler failed: it is released with a pause, sent again or buried.
///
/// Whatever fails on the way leaves the message where it is, so it can be buried twice, but not lost.
pub async fn settle_failure<Q: MessageQueue>(
    queues: &Q,
    queue: QueueName,
    message: &ReceivedMessage,
    failure: HandlerFailure,
) -> AfterFailure {
    let receive_count = message.receive_count;
    let moved = match failure {
        HandlerFailure::Later { error } => {
            let queue = queue.as_str();
            warn!(queue, receive_count, error, "a message comes again");
            None
        }
        HandlerFailure::Poison { reason } => Some(bury(queues, queue, message, &reason).await),
        HandlerFailure::Panicked => after_panic(queues, queue, message).await,
    };
    match moved {
        Some(Ok(())) => {
            if let Err(error) = queues.delete(queue, &message.receipt).await {
                warn!(queue = queue.as_str(), %error, "a message that was moved was not deleted");
            }
            AfterFailure::Removed
        }
        Some(Err(error)) => {
            error!(queue = queue.as_str(), %error, "a message that failed was not moved");
            release(queues, queue, message).await
        }
        None => release(queues, queue, message).await,
    }
}

/// Makes the message visible again, later each time.
async fn release<Q: MessageQueue>(
    queues: &Q,
    queue: QueueName,
    message: &ReceivedMessage,
) -> AfterFailure {
    let pause = redelivery_pause(message.receive_count);
    if let Err(error) = queues.release(queue, &message.receipt, pause).await {
        // It comes back when its visibility timeout is over.
        warn!(queue = queue.as_str(), %error, "a message comes again later than it could");
    }
    AfterFailure::ComesAgain
}

/// Sends the message again with one more crash, or buries it; `None` if it has to stay.
async fn after_panic<Q: MessageQueue>(
    queues: &Q,
    queue: QueueName,
    message: &ReceivedMessage,
) -> Option<Result<(), SendError>> {
    // Sent by anybody else, an operator's action would lose who sent it.
    let crash_count = if queue == QueueName::Operators {
        message.receive_count
    } else {
        message.body.crash_count().saturating_add(1)
    };
    error!(queue = queue.as_str(), crash_count, "a handler panicked");
    if crash_count >= MAX_CRASHES {
        let reason = format!("its handler panicked {crash_count} times");
        return Some(bury(queues, queue, message, &reason).await);
    }
    if queue == QueueName::Operators {
        return None;
    }
    Some(match message.body.after_crash() {
        Ok(again) => {
            let pause = redelivery_pause(crash_count);
            queues.send(queue, &again, pause).await
        }
        Err(error) => bury(queues, queue, message, &error.to_string()).await,
    })
}

/// Sends the message to the dead-letter queue. The log line is what burying is counted by.
async fn bury<Q: MessageQueue>(
    queues: &Q,
    queue: QueueName,
    message: &ReceivedMessage,
    reason: &str,
) -> Result<(), SendError> {
    let Some(dlq) = queue.dead_letter_queue() else {
        return Err(SendError::not_sent("the queue has no dead-letter queue"));
    };
    // What only an operator could send must not come out as anything else when it is redriven.
    let is_foreign = queue == QueueName::Operators && !message.body.is_operator_action();
    let body = if is_foreign {
        let wrapped = BuriedMessage::wrap(queue, reason, &message.body);
        wrapped.map_err(|error| SendError::not_sent(error.to_string()))?
    } else {
        message.body.clone()
    };
    queues.send(dlq, &body, std::time::Duration::ZERO).await?;
    let (queue, receive_count) = (queue.as_str(), message.receive_count);
    error!(
        buried = 1,
        queue, receive_count, reason, "a message is buried"
    );
    Ok(())
}

/// A message that no handler reads: it holds another for people.
#[derive(Serialize)]
struct BuriedMessage<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    queue: &'static str,
    reason: &'a str,
    message: String,
}

impl<'a> BuriedMessage<'a> {
    fn wrap(
        queue: QueueName,
        reason: &'a str,
        body: &MessageBody,
    ) -> Result<MessageBody, serde_json::Error> {
        MessageBody::encode(&Self {
            kind: "buried.v1",
            queue: queue.as_str(),
            reason,
            message: body.as_wire().chars().take(MAX_WRAPPED).collect(),
        })
    }
}
