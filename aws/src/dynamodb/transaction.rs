//! Transactions: sending one, and classifying why it was cancelled.
//!
//! Each logical transaction has one request token. The SDK sends a request again if its answer was
//! lost, and so does the loop here after a cancellation that will pass. All of them carry the token, so
//! that for ten minutes DynamoDB answers a transaction that is done with success instead of finding its
//! own write in the way. The SDK would draw a token for each call; ours spans the calls.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use chatops_core::backoff::Backoff;
use chatops_core::ports::{LedgerError, PortErrorKind};
use uuid::Uuid;

use super::item::TableItem;
use crate::failed;

/// How often a transaction is sent that conflicts with others or is throttled.
const MAX_TRIES: u32 = 8;

/// The pauses between them.
const RETRY_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(10),
    growth: 2.0,
    longest: Duration::from_millis(320),
};

/// Why a transaction did not (certainly) happen.
#[derive(Debug)]
pub(super) enum TxError {
    /// A condition did not hold: nothing was written.
    Condition {
        /// The place of the write in the transaction; the first one, if there are several.
        write: usize,
        /// The item that was there.
        item: Option<TableItem>,
    },
    /// Anything else.
    Store(LedgerError),
}

/// What one answer means.
#[derive(Debug, PartialEq)]
enum CancelKind {
    /// A condition did not hold.
    Condition(usize),
    /// Another transaction is writing there, or it is throttled: it may work in a moment.
    Transient(String),
    /// It can never work.
    Permanent(String),
}

/// Writes all of it or nothing.
pub(super) async fn send(client: &Client, writes: Vec<TransactWriteItem>) -> Result<(), TxError> {
    let token = request_token();
    let mut tries = 0;
    loop {
        tries += 1;
        let request = client.transact_write_items().client_request_token(token);
        let request = request.set_transact_items(Some(writes.clone()));
        let Err(error) = request.send().await else {
            return Ok(());
        };
        let store = |what: String| {
            let error = LedgerError::new(PortErrorKind::Unavailable, what);
            Err(TxError::Store(error))
        };
        // The rights that a transaction takes are those of its writes.
        let failed = failed("dynamodb:PutItem");
        let reason = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let reasons = cancelled.cancellation_reasons();
                match classify(reasons) {
                    CancelKind::Condition(write) => {
                        let reason = reasons.get(write);
                        let item = reason.and_then(|reason| reason.item.clone());
                        return Err(TxError::Condition { write, item });
                    }
                    CancelKind::Permanent(what) => return store(what),
                    CancelKind::Transient(what) => what,
                }
            }
            // The attempt before this one is still being done.
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => {
                failed(error).message
            }
            _ => return Err(TxError::Store(failed(error).into())),
        };
        if tries == MAX_TRIES {
            let what = format!("{reason}; it was tried {MAX_TRIES} times and may work later");
            return store(what);
        }
        tracing::debug!(tries, reason, "a transaction has to wait");
        tokio::time::sleep(retry_pause(tries, token)).await;
    }
}

/// The first write that failed decides: the conditions before it held, those after it do not matter.
fn classify(reasons: &[CancellationReason]) -> CancelKind {
    for (write, reason) in reasons.iter().enumerate() {
        let code = reason.code().unwrap_or("None");
        let words = || {
            let message = reason.message().unwrap_or("no message");
            format!("write {write} of the transaction was refused with {code}: {message}")
        };
        match code {
            "None" => {}
            "ConditionalCheckFailed" => return CancelKind::Condition(write),
            "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded" => {
                return CancelKind::Transient(words());
            }
            _ => return CancelKind::Permanent(words()),
        }
    }
    CancelKind::Permanent("the transaction was cancelled without a reason".to_owned())
}

/// A token for one logical transaction.
#[expect(
    clippy::disallowed_methods,
    reason = "it identifies nothing: derived from the content, it would let two writers of the same \
              content both win"
)]
fn request_token() -> Uuid {
    Uuid::new_v4()
}

/// Between half the pause and all of it, so that writers that collided do not collide again.
fn retry_pause(tries: u32, token: Uuid) -> Duration {
    let whole = RETRY_BACKOFF.pause(tries - 1);
    let jitter = token.as_bytes()[tries as usize % 16];
    whole.mul_f32(0.5 + f32::from(jitter) / 512.0)
}

#[cfg(test)]
mod tests;
