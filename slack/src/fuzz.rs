//! Slack's answers, whatever is in them, tried by a fuzzer; see `core/src/fuzz.rs`.

use bolero::check;
use chatops_core::notification::PostResult;
use chatops_http::VendorResponse;
use serde_json::Value;

use crate::response::{response_url_result, web_api_result};

/// *Delivered* is said only of a success in which Slack says `ok`, and *not delivered* never of an answer
/// that leaves it open.
#[test]
fn answers() {
    const STATUSES: [u16; 9] = [200, 302, 400, 403, 404, 408, 410, 429, 500];
    check!(name = "answers").for_each(|input: &[u8]| {
        let Some((&first, body)) = input.split_first() else {
            return;
        };
        let status = STATUSES[usize::from(first) % STATUSES.len()];
        let response = VendorResponse {
            status: status.try_into().unwrap(),
            retry_after: None,
            date: None,
            body: Ok(body.to_vec()),
        };
        // What is no text in a field that is not read does not take the `ok` back.
        let json: Option<Value> = serde_json::from_str(&String::from_utf8_lossy(body)).ok();
        let is_ok = json.is_some_and(|json| match json {
            Value::Object(fields) => fields.get("ok") == Some(&Value::Bool(true)),
            // The parser takes a list for an object's fields in their order.
            Value::Array(fields) => fields.first() == Some(&Value::Bool(true)),
            _ => false,
        });
        let is_plain_ok = str::from_utf8(body).is_ok_and(|text| text.trim() == "ok");
        for (result, says_ok) in [
            (web_api_result(&response), is_ok),
            (response_url_result(&response), is_ok || is_plain_ok),
        ] {
            match result {
                PostResult::Delivered(_) => assert!(status == 200 && says_ok),
                PostResult::Unknown => assert!(matches!(status, 200 | 408 | 500) || !says_ok),
                PostResult::Refused { reason } | PostResult::Unauthorized { reason } => {
                    assert!(status < 500 && !(status == 200 && says_ok));
                    assert!(reason.chars().count() <= 100);
                }
                PostResult::Later { .. } | PostResult::NotSent { .. } => assert!(status < 500),
            }
        }
    });
}
