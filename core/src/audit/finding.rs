//! What `chatops audit verify` finds: a place, what stands there, and what the events say.

use serde::Serialize;
use serde_json::Value;

/// The most characters of a value that are shown.
const MAX_SHOWN: usize = 200;

/// Something that is not as the events say. It never holds a secret: no record has one, and of a notification
/// record only the kinds of its deliveries are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The deploy, by its key in the store, or the row that belongs to none.
    pub deploy: String,
    /// The event by its place in the chain, from 1.
    pub event: Option<u64>,
    /// What is wrong.
    pub reason: String,
    /// The field, if one differs: its path in the record, or its column.
    pub field: Option<String>,
    /// What is stored; `None` for nothing.
    pub stored: Option<String>,
    /// What should be, by the events; `None` for nothing.
    pub by_events: Option<String>,
}

impl Finding {
    /// Something about a deploy or a row.
    #[must_use]
    pub fn about(deploy: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            deploy: deploy.into(),
            event: None,
            reason: reason.into(),
            field: None,
            stored: None,
            by_events: None,
        }
    }

    /// Something about an event.
    #[must_use]
    pub fn about_event(deploy: impl Into<String>, n: u64, reason: impl Into<String>) -> Self {
        Self {
            event: Some(n),
            ..Self::about(deploy, reason)
        }
    }

    /// A field that differs.
    #[must_use]
    pub fn differs(
        deploy: impl Into<String>,
        field: impl Into<String>,
        stored: Option<&str>,
        by_events: Option<&str>,
    ) -> Self {
        Self {
            field: Some(field.into()),
            stored: stored.map(cut),
            by_events: by_events.map(cut),
            ..Self::about(deploy, "differs from its events")
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Calls `differs` with the path and both values of each leaf in which two values differ. What is empty is
/// the same as nothing.
pub(super) fn compare(
    path: &str,
    stored: &Value,
    expected: &Value,
    differs: &mut impl FnMut(&str, Option<&str>, Option<&str>),
) {
    if stored == expected {
        return;
    }
    let join = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    match (stored, expected) {
        (Value::Object(left), Value::Object(right)) => {
            let absent = |key: &&String| !left.contains_key(*key);
            for key in left.keys().chain(right.keys().filter(absent)) {
                let of = |map: &serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or(Value::Null)
                };
                compare(&join(key), &of(left), &of(right), differs);
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for n in 0..left.len().max(right.len()) {
                let of = |list: &[Value]| list.get(n).cloned().unwrap_or(Value::Null);
                compare(&join(&n.to_string()), &of(left), &of(right), differs);
            }
        }
        (left, right) => {
            let (left, right) = (show(left), show(right));
            if left != right {
                differs(path, left.as_deref(), right.as_deref());
            }
        }
    }
}

fn show(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(list) if list.is_empty() => None,
        Value::Object(map) if map.is_empty() => None,
        other => Some(other.to_string()),
    }
}
