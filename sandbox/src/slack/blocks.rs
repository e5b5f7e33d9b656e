//! Slack's limits on the blocks of a message, and their text.

use serde_json::Value;

/// Blocks in one message.
const MAX_BLOCKS: usize = 50;

/// Characters of all blocks together, as JSON.
const MAX_BLOCKS_JSON: usize = 13_200;

/// Whether Slack accepts these blocks.
pub(super) fn are_valid_blocks(blocks: &Value) -> bool {
    let Some(list) = blocks.as_array() else {
        return false;
    };
    list.len() <= MAX_BLOCKS
        && blocks.to_string().chars().count() <= MAX_BLOCKS_JSON
        && list.iter().all(is_block)
}

fn is_block(block: &Value) -> bool {
    let optional_id = |value: &Value| value.is_null() || has_length(value, 0, 255);
    if !optional_id(&block["block_id"]) {
        return false;
    }
    match block["type"].as_str() {
        Some("section") => {
            let fields = &block["fields"];
            let text = &block["text"];
            let some_content = !text.is_null() || !fields.is_null();
            some_content
                && (text.is_null() || is_text(text, 3000))
                && (fields.is_null() || all_match(fields, 10, |field| is_text(field, 2000)))
                && (block["accessory"].is_null() || is_element(&block["accessory"]))
        }
        Some("header") => block["text"]["type"] == "plain_text" && is_text(&block["text"], 150),
        Some("actions") => all_match(&block["elements"], 25, is_element),
        Some("context") => all_match(&block["elements"], 10, |element| {
            is_text(element, 3000) || is_image(element)
        }),
        Some("image") => is_image(block),
        Some("markdown") => has_length(&block["text"], 1, 12_000),
        Some("divider" | "rich_text") => true,
        _ => false,
    }
}

/// Buttons have limits of their own; other interactive elements are not checked.
fn is_element(element: &Value) -> bool {
    let up_to = |name: &str, most| element[name].is_null() || has_length(&element[name], 0, most);
    match element["type"].as_str() {
        Some("button") => {
            element["text"]["type"] == "plain_text"
                && is_text(&element["text"], 75)
                && up_to("value", 2000)
                && up_to("url", 3000)
                && up_to("action_id", 255)
                && up_to("accessibility_label", 75)
        }
        Some("image") => is_image(element),
        Some(_) => up_to("action_id", 255),
        None => false,
    }
}

fn is_image(image: &Value) -> bool {
    image["type"] == "image"
        && has_length(&image["image_url"], 1, 3000)
        && has_length(&image["alt_text"], 1, 2000)
}

fn is_text(text: &Value, most: usize) -> bool {
    matches!(text["type"].as_str(), Some("plain_text" | "mrkdwn"))
        && has_length(&text["text"], 1, most)
}

fn all_match(list: &Value, most: usize, valid: impl Fn(&Value) -> bool) -> bool {
    list.as_array()
        .is_some_and(|list| (1..=most).contains(&list.len()) && list.iter().all(valid))
}

fn has_length(value: &Value, least: usize, most: usize) -> bool {
    value
        .as_str()
        .is_some_and(|text| (least..=most).contains(&text.chars().count()))
}

/// What a person sees: the blocks, or the text without blocks. Buttons are in square brackets and
/// the three escaped characters are unescaped; other markup stays.
pub fn plain_text(text: &str, blocks: Option<&Value>) -> String {
    let blocks = blocks.and_then(Value::as_array).into_iter().flatten();
    let lines: Vec<String> = blocks.filter_map(block_text).collect();
    let shown = if lines.is_empty() {
        text.to_owned()
    } else {
        lines.join("\n")
    };
    // The ampersand last, so that `&amp;lt;` is unescaped once.
    shown
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// The id of the first block.
pub(super) fn first_block_id(blocks: Option<&Value>) -> Option<String> {
    Some(blocks?.get(0)?["block_id"].as_str()?.to_owned())
}

/// One block as text; `None` for a divider or an unknown block.
fn block_text(block: &Value) -> Option<String> {
    let text = |value: &Value| {
        let text = &value["text"];
        let text = text.as_str().or_else(|| text["text"].as_str())?;
        Some(match (value["type"].as_str(), value["url"].as_str()) {
            (Some("button"), Some(url)) => format!("[{text}] {url}"),
            (Some("button"), None) => format!("[{text}]"),
            _ => text.to_owned(),
        })
    };
    let parts: Vec<String> = std::iter::once(block)
        .chain(block["fields"].as_array().into_iter().flatten())
        .chain(block["elements"].as_array().into_iter().flatten())
        .chain(block.get("accessory"))
        .filter_map(text)
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn section(length: usize) -> Value {
        json!({"type": "section", "text": {"type": "mrkdwn", "text": "x".repeat(length)}})
    }

    fn button(text: usize, value: usize, url: usize) -> Value {
        json!({
            "type": "button",
            "text": {"type": "plain_text", "text": "x".repeat(text)},
            "value": "x".repeat(value),
            "url": "x".repeat(url),
        })
    }

    fn repeated(count: usize, value: &Value) -> Value {
        std::iter::repeat_n(value.clone(), count).collect()
    }

    #[test]
    fn limits_hold_on_both_sides() {
        let header = |length| json!([{"type": "header", "text": {"type": "plain_text", "text": "x".repeat(length)}}]);
        let actions = |elements: &Value| json!([{"type": "actions", "elements": elements}]);
        let context = |count| {
            let text = json!({"type": "mrkdwn", "text": "x"});
            json!([{"type": "context", "elements": repeated(count, &text)}])
        };
        for (blocks, expected) in [
            (repeated(50, &json!({"type": "divider"})), true),
            (repeated(51, &json!({"type": "divider"})), false),
            (json!([section(3000)]), true),
            (json!([section(3001)]), false),
            (json!([section(0)]), false),
            (repeated(4, &section(3000)), true),
            (repeated(5, &section(3000)), false),
            (header(150), true),
            (header(151), false),
            (actions(&repeated(25, &button(1, 1, 1))), true),
            (actions(&repeated(26, &button(1, 1, 1))), false),
            (actions(&json!([button(75, 2000, 3000)])), true),
            (actions(&json!([button(76, 1, 1)])), false),
            (actions(&json!([button(1, 2001, 1)])), false),
            (actions(&json!([button(1, 1, 3001)])), false),
            (context(10), true),
            (context(11), false),
            (json!([{"type": "sektion"}]), false),
            (json!({"type": "divider"}), false),
        ] {
            assert_eq!(are_valid_blocks(&blocks), expected, "{blocks}");
        }
    }

    #[test]
    fn people_see_blocks_rather_than_the_text() {
        let blocks = json!([
            {"type": "section", "block_id": "b", "text": {"type": "mrkdwn", "text": "a &lt; b &amp;amp; c"}},
            {"type": "divider"},
            {"type": "actions", "elements": [button(2, 1, 1), button(3, 1, 1)]},
        ]);
        let shown = "a < b &amp; c\n[xx] x [xxx] x";
        assert_eq!(plain_text("no", Some(&blocks)), shown);
        assert_eq!(plain_text("text", None), "text");
        assert_eq!(first_block_id(Some(&blocks)).as_deref(), Some("b"));
        assert_eq!(first_block_id(Some(&json!([]))), None);
    }
}
