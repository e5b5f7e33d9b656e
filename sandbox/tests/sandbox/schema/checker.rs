//! Checks a JSON value against a schema written as JSON.
//!
//! A text is a plain type: `text`, `integer`, `positive` (an integer from one), `boolean`, `uuid`,
//! `time` (RFC 3339, UTC), `seconds` (the same without a fraction), `null` or `anything`. An
//! object is one of `{"required": {…}, "optional": {…}}` (no other field may exist),
//! `{"items": …}`, `{"values": …}`, `{"words": […]}`, `{"nullable": …}` and `{"any": […]}`.

use chrono::DateTime;
use serde_json::{Map, Value};
use uuid::Uuid;

/// What is wrong with `value`, each with its place.
pub(crate) fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, value, "answer", &mut found);
    found
}

fn check(schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let Value::Object(rule) = schema else {
        let kind = schema.as_str().unwrap();
        if !is_plain(kind, value) {
            found.push(format!("{place} is no {kind}: {value}"));
        }
        return;
    };
    if let Some(inner) = rule.get("nullable") {
        if !value.is_null() {
            check(inner, value, place, found);
        }
    } else if let Some(words) = rule.get("words") {
        if !words.as_array().unwrap().contains(value) {
            found.push(format!("{place} is no such word: {value}"));
        }
    } else if let Some(schemas) = rule.get("any") {
        let mut schemas = schemas.as_array().unwrap().iter();
        if schemas.all(|schema| !problems(schema, value).is_empty()) {
            found.push(format!("{place} is none of these: {value}"));
        }
    } else if let Some(item) = rule.get("items") {
        let Some(items) = value.as_array() else {
            return found.push(format!("{place} is no list: {value}"));
        };
        for (index, value) in items.iter().enumerate() {
            check(item, value, &format!("{place}[{index}]"), found);
        }
    } else {
        let Some(fields) = value.as_object() else {
            return found.push(format!("{place} is no object: {value}"));
        };
        check_fields(rule, fields, place, found);
    }
}

fn check_fields(
    rule: &Map<String, Value>,
    fields: &Map<String, Value>,
    place: &str,
    found: &mut Vec<String>,
) {
    if let Some(value) = rule.get("values") {
        for (name, field) in fields {
            check(value, field, &format!("{place}.{name}"), found);
        }
        return;
    }
    let none = Map::new();
    let part = |name| {
        rule.get(name)
            .map_or(&none, |part| part.as_object().unwrap())
    };
    let (required, optional) = (part("required"), part("optional"));
    for name in required.keys().filter(|name| !fields.contains_key(*name)) {
        found.push(format!("{place}.{name} is missing"));
    }
    for (name, field) in fields {
        let place = format!("{place}.{name}");
        match required.get(name).or_else(|| optional.get(name)) {
            Some(schema) => check(schema, field, &place, found),
            None => found.push(format!("{place} is not documented: {field}")),
        }
    }
}

fn is_plain(kind: &str, value: &Value) -> bool {
    let text = value.as_str();
    let is_time = |text: &str| text.ends_with('Z') && DateTime::parse_from_rfc3339(text).is_ok();
    match kind {
        "text" => text.is_some(),
        "integer" => value.is_i64() || value.is_u64(),
        "positive" => value.as_u64().is_some_and(|number| number > 0),
        "boolean" => value.is_boolean(),
        "uuid" => text.is_some_and(|text| text.parse::<Uuid>().is_ok()),
        "time" => text.is_some_and(is_time),
        "seconds" => text.is_some_and(|text| is_time(text) && !text.contains('.')),
        "null" => value.is_null(),
        "anything" => true,
        _ => unreachable!("no such type: {kind}"),
    }
}

#[test]
fn every_deviation_is_found() {
    let schema = serde_json::json!({
        "required": {
            "id": "uuid",
            "number": "positive",
            "end": {"nullable": "seconds"},
            "states": {"items": {"words": ["on", "off"]}},
            "values": {"values": {"any": ["text", "integer"]}},
        },
        "optional": {"ok": "boolean"},
    });
    let right = serde_json::json!({
        "id": Uuid::nil(),
        "number": 1,
        "end": "2026-01-02T03:04:05Z",
        "states": ["on"],
        "values": {"a": 1, "b": "c"},
    });
    assert_eq!(problems(&schema, &right), [] as [String; 0]);
    for (name, wrong) in [
        ("id", serde_json::json!("x")),
        ("number", 0.into()),
        ("number", "1".into()),
        ("end", "2026-01-02T03:04:05.5Z".into()),
        ("end", "2026-01-02T03:04:05+01:00".into()),
        ("states", serde_json::json!(["on", "gone"])),
        ("states", Value::Null),
        ("values", serde_json::json!({"a": true})),
        ("ok", Value::Null),
        ("more", 1.into()),
    ] {
        let mut changed = right.clone();
        changed[name] = wrong;
        assert_eq!(problems(&schema, &changed).len(), 1, "{changed}");
    }
    for name in ["id", "number", "end", "states", "values"] {
        let mut changed = right.clone();
        changed.as_object_mut().unwrap().remove(name);
        assert_eq!(problems(&schema, &changed).len(), 1, "{changed}");
    }
}
