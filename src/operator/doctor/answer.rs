//! What an answer of a vendor shows to a person: its status and message, and the vendor's clock.

use chatops_core::Time;
use chatops_http::{VendorResponse, truncate};
use chrono::TimeDelta;

use super::super::now;
use crate::output::sanitize;

/// How far the vendor's clock is ahead of ours, by the Date of an answer that has just come.
pub(super) fn clock_ahead(answer: &VendorResponse, sent_at: Time) -> Option<TimeDelta> {
    let between = sent_at + (now() - sent_at) / 2;
    answer.date.map(|date| date - between)
}

/// The status, and the error message.
pub(super) fn status_text(answer: &VendorResponse) -> String {
    #[derive(serde::Deserialize)]
    struct ErrorBody {
        message: String,
    }
    let status = answer.status.as_u16();
    match answer.json::<ErrorBody>() {
        Some(ErrorBody { message }) if !message.trim().is_empty() => {
            format!("{status} {}", sanitize(&truncate(&message)))
        }
        _ => status.to_string(),
    }
}
