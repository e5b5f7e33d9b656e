//! Transactions: sending one, and telling apart why it was cancelled.
//!
//! Each logical transaction has one request token. The SDK sends a request again whose answer was
//! lost, and so does the loop here after a cancellation that will pass; all of them carry that
//! token, so that DynamoDB answers a transaction it has already done with success, for ten
//! minutes, instead of finding its own write in the way. The SDK would draw a token by itself, once
//! per call and before its own attempts; ours spans the calls.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use chatops_core::ports::StoreError;
use uuid::Uuid;

use super::item::Item;
use crate::failure::words;

/// How often a transaction is sent that others are in the way of, or that is throttled.
const TRIES: u32 = 8;

/// The first pause between them; each is twice as long as the one before, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_millis(320);

/// Why a transaction did not (certainly) happen.
#[derive(Debug)]
pub(super) enum Failed {
    /// A condition did not hold: nothing was written.
    Condition {
        /// The place of the write in the transaction; the first one, if there are several.
        write: usize,
        /// The item that was there.
        item: Option<Item>,
    },
    /// Anything else.
    Store(StoreError),
}

/// What one answer means.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// A condition did not hold.
    Condition(usize),
    /// Somebody else is writing there, or it is throttled: it may work in a moment.
    Busy(String),
    /// It can never work.
    Defect(String),
}

/// Writes all of it or nothing.
pub(super) async fn send(client: &Client, writes: Vec<TransactWriteItem>) -> Result<(), Failed> {
    let token = token();
    let mut tries = 0;
    loop {
        tries += 1;
        let request = client.transact_write_items().client_request_token(token);
        let request = request.set_transact_items(Some(writes.clone()));
        let Err(error) = request.send().await else {
            return Ok(());
        };
        let store = |what: String| Err(Failed::Store(StoreError(what)));
        let busy = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let reasons = cancelled.cancellation_reasons();
                match verdict(reasons) {
                    Verdict::Condition(write) => {
                        let reason = reasons.get(write);
                        let item = reason.and_then(|reason| reason.item.clone());
                        return Err(Failed::Condition { write, item });
                    }
                    Verdict::Defect(what) => return store(what),
                    Verdict::Busy(what) => what,
                }
            }
            // The attempt before this one is still being done.
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => words(&error),
            _ => return store(words(&error)),
        };
        if tries == TRIES {
            let what = format!("{busy}; it was tried {TRIES} times and may work later");
            return store(what);
        }
        tracing::debug!(tries, busy, "a transaction has to wait");
        tokio::time::sleep(pause(tries, token)).await;
    }
}

/// The first write that failed decides: what was checked before it held, what comes after it does
/// not matter any more.
fn verdict(reasons: &[CancellationReason]) -> Verdict {
    for (write, reason) in reasons.iter().enumerate() {
        let code = reason.code().unwrap_or("None");
        let words = || {
            let message = reason.message().unwrap_or("no message");
            format!("write {write} of the transaction was refused with {code}: {message}")
        };
        match code {
            "None" => {}
            "ConditionalCheckFailed" => return Verdict::Condition(write),
            "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded" => {
                return Verdict::Busy(words());
            }
            _ => return Verdict::Defect(words()),
        }
    }
    Verdict::Defect("the transaction was cancelled without a reason".to_owned())
}

/// A token for one logical transaction.
#[expect(
    clippy::disallowed_methods,
    reason = "it identifies nothing: derived from the content, it would let two writers of the same \
              content both win"
)]
fn token() -> Uuid {
    Uuid::new_v4()
}

/// Between half the pause and all of it, so that writers that met do not meet again.
fn pause(tries: u32, token: Uuid) -> Duration {
    let whole = FIRST_PAUSE * 2_u32.saturating_pow(tries - 1);
    let dice = token.as_bytes()[tries as usize % 16];
    whole.min(LAST_PAUSE).mul_f32(0.5 + f32::from(dice) / 512.0)
}

#[cfg(test)]
mod tests;
