//! The shape as a JSON Schema, for editors.

use serde_json::{Map, Value, json};

use super::{Default, FILE, Key, Kind, Table};

/// A duration as `humantime` reads it.
const DURATION: &str = "^[0-9]+ *[a-zA-Z]+( *[0-9]+ *[a-zA-Z]+)*$";

/// The schema of `chatops.toml`: draft 07, which editors know best. Their completion fails below the first
/// level for later drafts.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = table_schema(&FILE);
    schema.insert(
        "$schema".to_owned(),
        "http://json-schema.org/draft-07/schema#".into(),
    );
    schema.insert("title".to_owned(), "chatops.toml".into());
    Value::Object(schema)
}

fn table_schema(table: &Table) -> Map<String, Value> {
    let property = |key: &Key| (key.name.to_owned(), key_schema(key));
    let properties: Map<String, Value> = table.keys.iter().map(property).collect();
    let required = table.keys.iter().filter(|key| key.is_required);
    let required: Vec<&str> = required.map(|key| key.name).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("description".to_owned(), table.doc.into());
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("additionalProperties".to_owned(), false.into());
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    schema
}

fn key_schema(key: &Key) -> Value {
    let mut schema = kind_schema(key.kind);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), key.doc.trim().into());
        let default = match key.default {
            Default::None => None,
            Default::Value(text) => serde_json::from_str(text).ok(),
            Default::Seconds(seconds) => Some(super::duration_text(seconds).into()),
        };
        schema.extend(default.map(|default| ("default".to_owned(), default)));
    }
    schema
}

fn kind_schema(kind: Kind) -> Value {
    let text = json!({ "type": "string" });
    let value = json!({ "type": ["string", "integer", "boolean"] });
    match kind {
        Kind::Version => json!({ "const": 1 }),
        Kind::Count => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        Kind::Switch => json!({ "type": "boolean" }),
        Kind::Text => text,
        Kind::TextLike(pattern) => json!({ "type": "string", "pattern": pattern }),
        Kind::Duration => json!({ "type": "string", "pattern": DURATION }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Texts => json!({ "type": "array", "items": text, "uniqueItems": true }),
        Kind::TextOrTexts => json!({ "anyOf": [text, kind_schema(Kind::Texts)] }),
        Kind::TextOrFalse => json!({ "anyOf": [text, { "const": false }] }),
        Kind::Value => value,
        Kind::Values => {
            json!({ "type": "array", "items": value, "minItems": 1, "uniqueItems": true })
        }
        Kind::ValueOrRule(table) => json!({ "anyOf": [value, table_schema(table)] }),
        Kind::Table(table) => Value::Object(table_schema(table)),
        Kind::Named(kind) => {
            json!({ "type": "object", "additionalProperties": kind_schema(*kind) })
        }
    }
}
