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
        } else if block["type"] == "input" {
            check_field(block);
        } else {
            assert_eq!(block["type"], "actions", "{block}");
            check_elements(block["elements"].as_array().unwrap());
        }
    }
    check_mentions(message);
    let all = serde_json::to_string(blocks).unwrap().chars().count();
    assert!(all < 13_000, "{all} characters");
}

fn plain(text: &Value, most: usize) {
    assert_eq!(text["type"], "plain_text", "{text}");
    let length = text["text"].as_str().unwrap().chars().count();
    assert!((1..=most).contains(&length), "{text}");
}

/// A field of a form, with its own name.
fn check_field(block: &Value) {
    plain(&block["label"], 2_000);
    assert_eq!(block["block_id"], block["element"]["action_id"]);
    let element = &block["element"];
    if element["type"] == "static_select" {
        return check_menu(element);
    }
    assert_eq!(element["type"], "plain_text_input", "{element}");
    plain(&element["placeholder"], 150);
    if let Some(initial) = element["initial_value"].as_str() {
        assert!((1..=3_000).contains(&initial.chars().count()));
    }
}

/// Options, or groups of them, at most 100 of all; and the one that is chosen first is among them.
fn check_menu(menu: &Value) {
    plain(&menu["placeholder"], 150);
    let groups = menu["option_groups"].as_array();
    assert_eq!(groups.is_some(), menu["options"].is_null(), "{menu}");
    let mut options = vec![];
    for group in groups.into_iter().flatten() {
        plain(&group["label"], 75);
        options.extend(group["options"].as_array().unwrap());
    }
    options.extend(menu["options"].as_array().into_iter().flatten());
    assert!((1..=100).contains(&options.len()), "{}", options.len());
    let mut values = std::collections::BTreeSet::new();
    for option in &options {
        plain(&option["text"], 75);
        let value = option["value"].as_str().unwrap();
        assert!(
            (1..=75).contains(&value.chars().count()) && values.insert(value),
            "{value}"
        );
    }
    let initial = &menu["initial_option"];
    assert!(initial.is_null() || options.contains(&initial), "{initial}");
}

/// At most 25 in a block, each with its own `action_id`; a value or an address; a confirmation whole.
fn check_elements(buttons: &[Value]) {
    assert!((1..=25).contains(&buttons.len()));
    let mut ids = std::collections::BTreeSet::new();
    for button in buttons {
        if button["type"] == "static_select" {
            check_menu(button);
            continue;
        }
        assert_eq!(button["type"], "button");
        plain(&button["text"], 75);
        let id = button["action_id"].as_str().unwrap();
        assert!((1..=255).contains(&id.len()) && ids.insert(id), "{id}");
        let length = |name: &str| button[name].as_str().map(|text| text.chars().count());
        match (length("value"), length("url")) {
            (Some(length), None) => assert!((1..=2_000).contains(&length)),
            (None, Some(length)) => assert!((1..=3_000).contains(&length)),
            (None, None) => {}
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
