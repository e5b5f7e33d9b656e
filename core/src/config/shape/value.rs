//! Single values: whether they are of their kind, and what was probably meant.

use std::ops::Range;

use toml::de::DeValue;

use super::Kind;
use crate::command::closest_word;
use crate::config::mistake::Finding;

/// What is wrong with a value that is no table and no list of texts.
pub(super) fn wrong_value(
    name: &str,
    kind: Kind,
    value: &DeValue<'_>,
    span: Range<usize>,
    example: &str,
) -> Option<Finding> {
    let is_right = match (kind, value) {
        (Kind::Version, DeValue::Integer(number)) => number.as_str() == "1",
        (Kind::Count, DeValue::Integer(number)) => {
            u32::from_str_radix(number.as_str(), number.radix()).is_ok()
        }
        (Kind::Switch, DeValue::Boolean(_))
        | (Kind::TextOrFalse, DeValue::Boolean(false))
        | (
            Kind::Text | Kind::TextLike(_) | Kind::TextOrTexts | Kind::TextOrFalse,
            DeValue::String(_),
        ) => true,
        (Kind::Duration, DeValue::String(text)) => humantime::parse_duration(text).is_ok(),
        (Kind::Choice(words), DeValue::String(text)) => words.contains(&text.as_ref()),
        (Kind::Value | Kind::ValueOrRule(_), value) => is_plain(value),
        (Kind::Values, DeValue::Array(items)) => items.iter().all(|item| is_plain(item.get_ref())),
        _ => false,
    };
    if is_right {
        return None;
    }
    let words = kind.words();
    let given = match (kind, value) {
        (Kind::Choice(_) | Kind::Duration, DeValue::String(text)) => format!("{:?}", text.as_ref()),
        (Kind::Version | Kind::Count, DeValue::Integer(number)) => number.to_string(),
        (Kind::Values, DeValue::Array(_)) => "this list".to_owned(),
        (_, value) => words_of(value).to_owned(),
    };
    let fix = fixed_value(kind, value);
    let advice = match (&fix, value) {
        (Some(fix), DeValue::String(_)) if matches!(kind, Kind::Choice(_)) => {
            format!(": did you mean {fix}?")
        }
        (Some(fix), _) => format!(": write {fix}"),
        (None, _) if example.is_empty() || matches!(kind, Kind::Choice(_) | Kind::Duration) => {
            String::new()
        }
        (None, _) => format!(": write something like {example}"),
    };
    let why = match kind {
        Kind::Table(_) | Kind::Named(_) if matches!(value, DeValue::Array(_)) => {
            format!("`{name}` is a table: write [{name}…], with one bracket on each side")
        }
        Kind::Version => format!("this program reads version = 1, not {given}"),
        Kind::Value | Kind::Values | Kind::ValueOrRule(_) => {
            format!("CircleCI takes {words} for `{name}`, not {given}")
        }
        _ => format!("`{name}` takes {words}, not {given}{advice}"),
    };
    Some(Finding::new(span, why).suggest(fix))
}

/// Whether CircleCI takes it as the value of a parameter.
fn is_plain(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(_) | DeValue::Boolean(_) => true,
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).is_ok(),
        _ => false,
    }
}

/// The value that was probably meant, as TOML writes it.
fn fixed_value(kind: Kind, value: &DeValue<'_>) -> Option<String> {
    let text = text_of(value)?;
    match kind {
        Kind::Version => Some("1".to_owned()),
        Kind::Switch if ["true", "false"].contains(&text.as_str()) => Some(text),
        Kind::Switch if ["yes", "on", "1"].contains(&text.to_lowercase().as_str()) => {
            Some("true".to_owned())
        }
        Kind::Switch if ["no", "off", "0"].contains(&text.to_lowercase().as_str()) => {
            Some("false".to_owned())
        }
        Kind::Count => text.parse::<u32>().ok().map(|number| number.to_string()),
        Kind::Text | Kind::TextLike(_) | Kind::TextOrTexts | Kind::TextOrFalse
            if !value.is_bool() =>
        {
            Some(format!("{text:?}"))
        }
        Kind::Texts => Some(format!("[{text:?}]")),
        Kind::Duration if text.chars().all(|c| c.is_ascii_digit()) && !text.is_empty() => {
            Some(format!("\"{text}s\""))
        }
        Kind::Choice(words) => {
            let folded = text.to_lowercase().replace(['_', ' '], "-");
            let close = closest_word(&folded, words.iter().copied());
            close.map(|word| format!("{word:?}"))
        }
        _ => None,
    }
}

/// A single value as text.
pub(super) fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(on) => Some(on.to_string()),
        _ => None,
    }
}

/// What a value is, in words.
pub(super) fn words_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text in quotes",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
