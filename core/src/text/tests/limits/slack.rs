//! What Slack takes of a message, as it documents or is known to reject. No message is built here.

use serde_json::Value;

use super::*;
use crate::text::tests::person::check_mentions;

/// Checks what Slack documents or is known to reject, and that foreign text has no markup.
pub(super) fn check(message: &SlackMessage) {
    let json = message.to_json();
    let chars = |value: &Value| value.as_str().unwrap().chars().count();
    assert!((1..=2_400).contains(&chars(&json["text"])));
    check_text(json["text"].as_str().unwrap());
    let blocks = json["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()));
    assert!((1..=255).contains(&chars(&blocks[0]["block_id"])));
    for block in blocks {
        if let Some(fields) = block["fields"].as_array() {
            assert_eq!(block["type"], "section", "{block}");
            assert!((1..=10).contains(&fields.len()));
            for field in fields {
                assert_eq!(field["type"], "mrkdwn");
                let text = &field["text"];
                assert!((1..=2_000).contains(&chars(text)), "{text}");
                check_text(text.as_str().unwrap());
            }
        } else if block["type"] == "section" {
            let text = &block["text"]["text"];
            assert!((1..=2_400).contains(&chars(text)), "{text}");
            check_text(text.as_str().unwrap());
        } else {
            assert_eq!(block["type"], "actions", "{block}");
            check_buttons(block["elements"].as_array().unwrap());
        }
    }
    check_mentions(message);
    let all = serde_json::to_string(blocks).unwrap().chars().count();
    assert!(all < 13_000, "{all} characters");
}

/// At most 25 in a block, each with its own `action_id`; a value or an address; a confirmation whole.
fn check_buttons(buttons: &[Value]) {
    assert!((1..=25).contains(&buttons.len()));
    let plain = |text: &Value, most: usize| {
        assert_eq!(text["type"], "plain_text", "{text}");
        let length = text["text"].as_str().unwrap().chars().count();
        assert!((1..=most).contains(&length), "{text}");
    };
    let mut ids = std::collections::BTreeSet::new();
    for button in buttons {
        assert_eq!(button["type"], "button");
        plain(&button["text"], 75);
        let id = button["action_id"].as_str().unwrap();
        assert!((1..=255).contains(&id.len()) && ids.insert(id), "{id}");
        let length = |name: &str| button[name].as_str().map(|text| text.chars().count());
        match (length("value"), length("url")) {
            (Some(length), None) => assert!((1..=2_000).contains(&length)),
            (None, Some(length)) => assert!((1..=3_000).contains(&length)),
            _ => panic!("{button}"),
        }
        if let Some(confirm) = button.get("confirm") {
            plain(&confirm["title"], 100);
            plain(&confirm["text"], 300);
            plain(&confirm["confirm"], 30);
            plain(&confirm["deny"], 30);
        }
        let style = &button["style"];
        assert!(style.is_null() || style == "danger" || style == "primary");
    }
}

/// Mentions, links and moments are only those of this program, and all are closed.
fn check_text(text: &str) {
    for (i, part) in text.split('<').enumerate().skip(1) {
        let (inner, _) = part
            .split_once('>')
            .unwrap_or_else(|| panic!("open: {i} {text}"));
        let (commit, compare) = (
            "https://github.com/acme/web/commit/",
            "https://github.com/acme/web/compare/",
        );
        let ours = [
            "@U",
            "#C",
            "!date^",
            "https://app.circleci.com/",
            commit,
            compare,
        ];
        assert!(ours.iter().any(|start| inner.starts_with(start)), "{inner}");
        assert!(!inner.contains("EVIL"), "{inner}");
    }
    let closed = text.matches('>').count();
    assert_eq!(closed, text.matches('<').count(), "{text}");
    for (at, _) in text.match_indices('&') {
        let entity = ["&amp;", "&lt;", "&gt;"];
        assert!(entity.iter().any(|e| text[at..].starts_with(e)), "{text}");
    }
    // A row may be cut within a code span, which then ends there.
    for row in text.lines() {
        assert_eq!(row.matches('`').count() % 2, 0, "{row}");
    }
}

/// A list is never cut: its rows are built to fit.
pub(super) fn check_rows(message: &SlackMessage) {
    for row in &message.rows {
        let length = row.length();
        assert!(length <= slack_message::MAX_ROW, "{length} in {row}");
    }
}
