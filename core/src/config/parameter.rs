//! The parameters of a job: those that are sent as they are written, and those that people may set.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::mistake::{Finding, Findings};
use super::{Pattern, PatternKind};

/// The most characters of a value that CircleCI takes.
pub const MAX_PARAMETER_VALUE: usize = 512;

/// The most parameters that CircleCI takes, ours among them.
const MAX_PARAMETERS: usize = 100;

/// What people may set a parameter to, and what is sent if they do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterRule {
    /// What is accepted; everything else is refused.
    pub accepts: AcceptedValues,
    /// What is sent if nobody sets it; `None` leaves it to the default of CircleCI's configuration.
    pub default: Option<Value>,
    /// Whether a deploy has to set it.
    pub required: bool,
}

/// The values that a parameter may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptedValues {
    /// Text that matches; an empty text never does.
    Matching(Pattern),
    /// One of these, which are all text, all whole numbers, or all true or false. CircleCI refuses the text
    /// `true` where its configuration declares a boolean, so they are sent as what they are.
    Listed(Vec<Value>),
}

impl ParameterRule {
    /// What is sent for a typed value; `None` if it is not accepted.
    #[must_use]
    pub fn accept(&self, typed: &str) -> Option<Value> {
        match &self.accepts {
            AcceptedValues::Matching(pattern) => {
                let is_plain = PatternKind::Value.accepts(typed) && !typed.starts_with('-');
                let fits = !typed.is_empty() && typed.len() <= MAX_PARAMETER_VALUE;
                (fits && is_plain && pattern.matches(typed)).then(|| typed.into())
            }
            AcceptedValues::Listed(values) => {
                let mut values = values.iter();
                values.find(|value| value_text(value) == typed).cloned()
            }
        }
    }
}

/// As people read it: `v*`, or `true, false`.
impl fmt::Display for AcceptedValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matching(pattern) => pattern.fmt(f),
            Self::Listed(values) => {
                let values: Vec<_> = values.iter().map(value_text).collect();
                f.write_str(&values.join(", "))
            }
        }
    }
}

/// A value as it is typed.
#[must_use]
pub fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether CircleCI takes it as a parameter's name.
pub(crate) fn is_parameter_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

pub(super) const PARAMETER_NAME: &str =
    "a parameter's name holds letters, digits, `_` and `-`, at most 128";

/// The parameters as the file writes them, in two kinds: fixed ones, and those that people may set.
pub(super) type Resolved = (BTreeMap<String, Value>, BTreeMap<String, ParameterRule>);

/// Reads them. `ours` are the names that carry the job and the deploy id; `as_text` is for build parameters,
/// which are environment variables.
pub(super) fn resolve_parameters(
    raw: BTreeMap<Spanned<String>, Value>,
    ours: &[&str],
    as_text: bool,
    findings: &mut Findings,
) -> Resolved {
    let (mut fixed, mut settable) = (BTreeMap::new(), BTreeMap::new());
    let free = MAX_PARAMETERS - ours.len();
    if let Some((name, _)) = raw.iter().nth(free) {
        let why = "parameter: CircleCI takes at most 100 of them";
        findings.add(Finding::new(name.span(), why));
    }
    for (name, value) in raw {
        let text = name.get_ref();
        let resolved = if !is_parameter_name(text) {
            Err(PARAMETER_NAME.to_owned())
        } else if ours.contains(&text.as_str()) {
            Err("it carries the job's name or the deploy's id already".to_owned())
        } else if is_rule(&value) {
            resolve_rule(value, as_text).map(|rule| {
                settable.insert(text.clone(), rule);
            })
        } else {
            check_value(&value).map(|()| {
                fixed.insert(text.clone(), sent_value(value, as_text));
            })
        };
        let resolved =
            resolved.map_err(|why| Finding::new(name.span(), format!("parameter: {why}")));
        findings.keep(resolved);
    }
    (fixed, settable)
}

fn check_value(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) if text.chars().count() > MAX_PARAMETER_VALUE => {
            Err("CircleCI takes values of at most 512 characters".to_owned())
        }
        Value::String(_) | Value::Bool(_) => Ok(()),
        Value::Number(number) if number.is_i64() => Ok(()),
        _ => Err("CircleCI takes a string, a whole number, true or false".to_owned()),
    }
}

fn sent_value(value: Value, as_text: bool) -> Value {
    if as_text {
        Value::String(value_text(&value))
    } else {
        value
    }
}

/// The table of a parameter that people may set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    pattern: Option<String>,
    values: Option<Vec<Value>>,
    default: Option<Value>,
    #[serde(default)]
    required: bool,
}

/// Whether it is a table; a date is one for the parser, too.
fn is_rule(value: &Value) -> bool {
    let is_date =
        |table: &serde_json::Map<String, Value>| table.keys().any(|key| key.contains('$'));
    value.as_object().is_some_and(|table| !is_date(table))
}

fn resolve_rule(value: Value, as_text: bool) -> Result<ParameterRule, String> {
    let raw: RawRule = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let accepts = match (raw.pattern, raw.values) {
        (Some(pattern), None) => {
            let pattern = Pattern::parse(&pattern, PatternKind::Value);
            AcceptedValues::Matching(pattern.map_err(|why| why.to_string())?)
        }
        (None, Some(values)) => AcceptedValues::Listed(resolve_values(values, as_text)?),
        _ => {
            let why = "what people may set takes a pattern or values, such as pattern = \"v*\"";
            return Err(why.to_owned());
        }
    };
    let rule = ParameterRule {
        accepts,
        default: raw.default.map(|value| sent_value(value, as_text)),
        required: raw.required,
    };
    match &rule.default {
        Some(_) if rule.required => Err("a required parameter has no default".to_owned()),
        Some(default) if rule.accept(&value_text(default)).as_ref() != Some(default) => Err(
            format!("its default has to be accepted, too: {}", rule.accepts),
        ),
        _ => Ok(rule),
    }
}

fn resolve_values(values: Vec<Value>, as_text: bool) -> Result<Vec<Value>, String> {
    let Some(first) = values.first() else {
        return Err("values are what is accepted: name one".to_owned());
    };
    let kind = std::mem::discriminant(first);
    for (i, value) in values.iter().enumerate() {
        check_value(value)?;
        if std::mem::discriminant(value) != kind {
            return Err("values are all text, all whole numbers, or all true or false".to_owned());
        }
        let text = value_text(value);
        if values[..i].contains(value) {
            return Err(format!("'{text}' is listed twice"));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            let why = "nobody can type a value with a space or a control character";
            return Err(why.to_owned());
        }
    }
    let values = values.into_iter();
    Ok(values.map(|value| sent_value(value, as_text)).collect())
}
