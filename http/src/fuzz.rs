//! Headers and texts of vendors, whatever is in them, tried by a fuzzer; see `core/src/fuzz.rs`.

use bolero::check;
use chatops_core::ports::MAX_ASKED_PAUSE;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

use crate::retry_after::retry_after;
use crate::{MAX_MESSAGE_CHARS, plain_text, truncate};

/// No answer makes anybody wait for longer than is granted.
#[test]
fn pauses() {
    check!(name = "pauses").for_each(|input: &[u8]| {
        let mut headers = HeaderMap::new();
        for (n, line) in input.split(|byte| *byte == b'\n').enumerate() {
            let name = if n == 0 { DATE } else { RETRY_AFTER };
            if let Ok(value) = HeaderValue::from_bytes(line) {
                headers.append(name, value);
            }
        }
        let pause = retry_after(&headers, None);
        assert!(pause.is_none_or(|pause| pause <= MAX_ASKED_PAUSE));
    });
}

/// A body becomes one line without controls.
#[test]
fn texts() {
    check!(name = "texts").for_each(|body: &[u8]| {
        let text = plain_text(body);
        assert!(!text.contains(char::is_control), "{text:?}");
        assert!(truncate(&text).chars().count() <= MAX_MESSAGE_CHARS + 1);
    });
}
