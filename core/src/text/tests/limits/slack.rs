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
        if block["type"] == "section" {
            let text = &block["text"]["text"];
            assert!((1..=2_400).contains(&chars(text)), "{text}");
            check_text(text.as_str().unwrap());
        } else {
            panic!("{block}");
        }
    }
    check_mentions(message);
    let all = serde_json::to_string(blocks).unwrap().chars().count();
    assert!(all < 13_000, "{all} characters");
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
