//! What the body of an error says, in whatever form: CircleCI's `message`, the `error` of API v3,
//! GitHub's answer nested in a `message`, or a proxy's HTML.

use chatops_http::plain_text;
use serde_json::Value;

/// How deep a text may be nested.
const MAX_DEPTH: usize = 8;

/// How many errors of a list are quoted.
const MAX_ERRORS: usize = 10;

/// The body's text, not yet cut; `None` if it says nothing.
pub(super) fn read(body: &[u8]) -> Option<String> {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(json) => of_json(&json, 0)?,
        Err(_) => plain_text(body),
    };
    Some(text).filter(|text| !text.is_empty())
}

/// The text of a message.
pub(super) fn of_message(message: &Value) -> Option<String> {
    of_json(message, 1)
}

/// Whether an error says that GitHub or CircleCI has had too many calls of late.
pub(super) fn is_rate_limit(text: &str) -> bool {
    text.to_ascii_lowercase().contains("rate limit")
}

fn of_json(value: &Value, depth: usize) -> Option<String> {
    if depth > MAX_DEPTH {
        return None;
    }
    match value {
        Value::String(text) => of_text(text.trim(), depth),
        Value::Array(items) => {
            let said = items.iter().filter_map(|item| of_json(item, depth + 1));
            let said: Vec<_> = said.take(MAX_ERRORS).collect();
            (!said.is_empty()).then(|| said.join("; "))
        }
        Value::Object(fields) if !fields.is_empty() => {
            let field = |name: &str| fields.get(name);
            let said = |name| of_json(field(name)?, depth + 1);
            if let Some(text) = ["message", "error", "errors"].into_iter().find_map(said) {
                return Some(text);
            }
            let titled = ["title", "detail"].into_iter().filter_map(said);
            let titled: Vec<_> = titled.collect();
            if !titled.is_empty() {
                return Some(titled.join(": "));
            }
            // A form that nobody here knows is quoted as it is.
            let known = ["message", "error", "errors", "title", "detail"];
            let is_unknown = depth == 0 && known.into_iter().all(|name| field(name).is_none());
            is_unknown.then(|| value.to_string())
        }
        _ => None,
    }
}

/// A text, which may itself be JSON with a text in it.
fn of_text(text: &str, depth: usize) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let nested = serde_json::from_str(text).ok();
    let inner = nested
        .filter(Value::is_object)
        .and_then(|nested| of_json(&nested, depth + 1));
    Some(inner.unwrap_or_else(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use serde_json::json;

    use super::*;

    fn read_text(body: &str) -> Option<String> {
        read(body.as_bytes())
    }

    #[test]
    fn every_form_of_an_error_says_something() {
        for (body, text) in [
            (r#"{"message":" Branch not found\n"}"#, "Branch not found"),
            (r#"{"message":"a","error":"b"}"#, "a"),
            (r#"{"message":null,"error":"b"}"#, "b"),
            (r#"{"message":{"message":"x"}}"#, "x"),
            (
                r#"{"error":{"id":"1","title":"Not found","detail":"No such run","source":{}}}"#,
                "Not found: No such run",
            ),
            (r#"{"error":{"title":"Not found"}}"#, "Not found"),
            (
                r#"{"errors":["a",null,{"message":"b"},{"detail":"c"}]}"#,
                "a; b; c",
            ),
            (r#"[{"message":"a"}]"#, "a"),
            (r#""message""#, "message"),
            (r#"{"code":7}"#, r#"{"code":7}"#),
            ("Bad gateway\n", "Bad gateway"),
            (
                "<!doctype html><title>Page not found</title>",
                "Page not found",
            ),
            ("{\"message\":\"broken off", "{\"message\":\"broken off"),
        ] {
            assert_eq!(read_text(body).as_deref(), Some(text), "{body}");
        }
    }

    #[test]
    fn what_lies_too_deep_is_not_looked_for() {
        let nested = |depth: usize| format!("{}\"x\"{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(read_text(&nested(8)).as_deref(), Some("x"));
        let deep = nested(9);
        assert_ne!(read_text(&deep).as_deref(), Some("x"));
    }

    #[test]
    fn what_says_nothing_is_nothing() {
        for body in [
            "",
            " ",
            "{}",
            "[]",
            "null",
            "17",
            "true",
            r#"{"message":null}"#,
            r#"{"message":" "}"#,
            r#"{"message":4}"#,
            r#"{"error":{}}"#,
            r#"{"errors":[]}"#,
            "<html></html>",
            "\u{fffd}",
        ] {
            assert_eq!(read_text(body), None, "{body}");
        }
        assert_eq!(read(&[0xff, 0xfe]), None);
    }

    #[test]
    fn githubs_answer_is_nested_in_a_message() {
        let mut body = json!({"message": "Not Found", "documentation_url": "https://x"});
        for _ in 0..3 {
            assert_eq!(of_json(&body, 0).as_deref(), Some("Not Found"));
            body = json!({ "message": body.to_string() });
        }
    }

    #[test]
    fn json_in_a_message_that_says_nothing_more_stands_as_it_is() {
        for inner in [r#"{"code":"x"}"#, "[1]", "17", r#"{"message":4}"#, "{"] {
            let body = json!({ "message": inner }).to_string();
            assert_eq!(read_text(&body).as_deref(), Some(inner));
        }
    }

    #[test]
    fn deep_nesting_is_quoted_and_not_followed() {
        let deep = "[".repeat(100_000);
        assert_eq!(read_text(&deep), Some(deep.clone()));
        let body = json!({ "message": deep }).to_string();
        assert_eq!(read_text(&body), Some(deep));
        let mut body = json!("x");
        for _ in 0..100 {
            body = json!({ "message": body });
        }
        assert_eq!(read_text(&body.to_string()), None);
    }

    #[test]
    fn a_rate_limit_is_known_by_its_words() {
        let recorded = r#"{"message":"{\"message\":\"API rate limit exceeded for user ID 1.\"}"}"#;
        assert!(is_rate_limit(&read_text(recorded).unwrap()));
        assert!(is_rate_limit("You have exceeded a secondary rate limit."));
        assert!(!is_rate_limit("Permission denied"));
    }

    proptest! {
        #[test]
        fn any_body_is_read(body in any::<Vec<u8>>(), json in r#"[\[\]{}:,"0-9a-c\\ ]{0,40}"#) {
            assert_ne!(read(&body).as_deref(), Some(""));
            assert_ne!(read_text(&json).as_deref(), Some(""));
        }
    }
}
