//! Slack's limits on the blocks of a message, and their text.

use serde_json::{Value, json};

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
        Some("input") => {
            block["label"]["type"] == "plain_text"
                && is_text(&block["label"], 2000)
                && (block["hint"].is_null() || is_text(&block["hint"], 2000))
                && matches!(
                    block["element"]["type"].as_str(),
                    Some("plain_text_input" | "static_select")
                )
                && is_element(&block["element"])
        }
        Some("markdown") => has_length(&block["text"], 1, 12_000),
        Some("divider" | "rich_text") => true,
        _ => false,
    }
}

/// Buttons, menus and text fields have limits of their own; other interactive elements are not checked.
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
        Some("static_select") => up_to("action_id", 255) && is_menu(element),
        Some("plain_text_input") => {
            up_to("action_id", 255)
                && up_to("initial_value", 3000)
                && (element["placeholder"].is_null() || is_text(&element["placeholder"], 150))
        }
        Some(_) => up_to("action_id", 255),
        None => false,
    }
}

/// Slack takes a menu with options or with groups of them, and an initial option that is one of these.
fn is_menu(menu: &Value) -> bool {
    let is_option = |option: &Value| {
        option["text"]["type"] == "plain_text"
            && is_text(&option["text"], 75)
            && has_length(&option["value"], 1, 150)
    };
    let is_group = |group: &Value| {
        group["label"]["type"] == "plain_text"
            && is_text(&group["label"], 75)
            && all_match(&group["options"], 100, is_option)
    };
    let has_options =
        all_match(&menu["options"], 100, is_option) && menu["option_groups"].is_null();
    let has_groups = all_match(&menu["option_groups"], 100, is_group) && menu["options"].is_null();
    let initial = &menu["initial_option"];
    (has_options || has_groups)
        && (initial.is_null() || options(menu).any(|option| option == initial))
}

/// The options of a menu, with those of its groups.
fn options(menu: &Value) -> impl Iterator<Item = &Value> {
    let groups = menu["option_groups"].as_array().into_iter().flatten();
    let grouped = groups.filter_map(|group| group["options"].as_array());
    let own = menu["options"].as_array().into_iter();
    own.chain(grouped).flatten()
}

/// The option of a menu that has this value.
pub(super) fn option<'a>(menu: &'a Value, value: &str) -> Option<&'a Value> {
    options(menu).find(|option| option["value"] == value)
}

/// Every interactive element, with the id of its block.
fn elements(blocks: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let blocks = blocks.as_array().into_iter().flatten();
    blocks.flat_map(|block| {
        let several = block["elements"].as_array().into_iter().flatten();
        let single = [block.get("accessory"), block.get("element")];
        let all = several.chain(single.into_iter().flatten());
        all.map(|element| (&block["block_id"], element))
    })
}

/// The interactive element with this id.
pub(crate) fn element<'a>(blocks: &'a Value, action_id: &str) -> Option<&'a Value> {
    let mut all = elements(blocks).map(|(_, element)| element);
    all.find(|element| element["action_id"] == action_id)
}

/// What stands in the fields before anybody has touched them, as a press carries it (`state.values`).
pub fn initial_state(blocks: &Value) -> Value {
    filled_state(blocks, |_, _| None)
}

/// What stands in the fields, where `entered` gives what somebody entered or chose by block and element.
/// A value that a menu does not have counts as nothing chosen.
pub(crate) fn filled_state<'a>(
    blocks: &Value,
    entered: impl Fn(&str, &str) -> Option<&'a str>,
) -> Value {
    let mut state = serde_json::Map::new();
    for (block_id, element) in elements(blocks) {
        let (Some(block), Some(field)) = (block_id.as_str(), element["action_id"].as_str()) else {
            continue;
        };
        let kind = &element["type"];
        let entered = entered(block, field);
        let value = match (kind.as_str(), entered) {
            // Slack has no empty text.
            (Some("plain_text_input"), Some("")) => json!({"type": kind, "value": null}),
            (Some("plain_text_input"), Some(text)) => json!({"type": kind, "value": text}),
            (Some("plain_text_input"), None) => {
                json!({"type": kind, "value": element["initial_value"]})
            }
            (Some("static_select"), Some(value)) => {
                json!({"type": kind, "selected_option": option(element, value)})
            }
            (Some("static_select"), None) => {
                json!({"type": kind, "selected_option": element["initial_option"]})
            }
            _ => continue,
        };
        state.entry(block).or_insert_with(|| json!({}))[field] = value;
    }
    Value::Object(state)
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
        if let Some(field) = shown_field(value) {
            return Some(field);
        }
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
        .chain(block.get("element"))
        .filter_map(text)
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The label of a field, or what stands in it first.
fn shown_field(value: &Value) -> Option<String> {
    let text = |of: &Value| of["text"].as_str().unwrap_or_default().to_owned();
    match value["type"].as_str()? {
        "input" => Some(text(&value["label"])),
        "static_select" => Some(format!("[{} v]", text(&value["initial_option"]["text"]))),
        "plain_text_input" => {
            let initial = value["initial_value"].as_str().unwrap_or_default();
            Some(format!("[{initial:_<10}]"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
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
    fn fields_hold_their_limits_and_what_stands_in_them() {
        let plain = |text: &str| json!({"type": "plain_text", "text": text});
        let option = |value: &str| json!({"text": plain(value), "value": value});
        let menu = |id: &str, options: &Value, initial: &Value| json!({"type": "static_select", "action_id": id, "options": options, "initial_option": initial});
        let input = |id: &str, element: &Value| json!({"type": "input", "block_id": id, "label": plain("L"), "element": element});
        let text = json!({"type": "plain_text_input", "action_id": "b", "initial_value": "main"});
        let one = json!([option("x")]);
        for (element, expected) in [
            (menu("a", &one, &option("x")), true),
            (menu("a", &one, &Value::Null), true),
            // Slack refuses one that is none of the options.
            (menu("a", &one, &option("y")), false),
            (menu("a", &repeated(100, &option("x")), &Value::Null), true),
            (menu("a", &repeated(101, &option("x")), &Value::Null), false),
            (menu("a", &json!([]), &Value::Null), false),
            (
                menu("a", &json!([option(&"x".repeat(76))]), &Value::Null),
                false,
            ),
            (text.clone(), true),
            (button(1, 1, 1), false),
        ] {
            let blocks = json!([input("a", &element)]);
            assert_eq!(are_valid_blocks(&blocks), expected, "{element}");
        }
        let blocks = json!([
            input("job", &menu("a", &one, &option("x"))),
            input("branch", &text),
            {"type": "actions", "elements": [button(1, 1, 1)]},
        ]);
        assert_eq!(
            initial_state(&blocks),
            json!({
                "job": {"a": {"type": "static_select", "selected_option": option("x")}},
                "branch": {"b": {"type": "plain_text_input", "value": "main"}},
            })
        );
        assert_eq!(
            plain_text("no", Some(&blocks)),
            "L [x v]\nL [main______]\n[x] x"
        );
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
