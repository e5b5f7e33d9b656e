//! Fields of a message that a person fills in: a menu or a line of text. What is in them comes with a press
//! (`state.values`), by the name of the field.
//!
//! A menu that is no field of a form asks at once.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::button::plain;
use super::mrkdwn::cut;
use crate::command::{ButtonVerb, FormField};

/// Options of a menu (Slack's own limit).
const MAX_OPTIONS: usize = 100;
/// The label of an option or of a group (Slack's own limit).
const MAX_OPTION: usize = 75;
/// The value of an option. Slack's documents say 150, and said 75 before.
pub(super) const MAX_OPTION_VALUE: usize = 75;
/// A text that is in a field before anybody has typed (Slack takes 3,000).
const MAX_INITIAL: usize = 300;
/// What is shown in an empty field (Slack's own limit).
const MAX_PLACEHOLDER: usize = 150;

/// A field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name, in Slack's `block_id` and `action_id`.
    pub name: Cow<'static, str>,
    /// What stands above it; empty for a menu that asks at once.
    pub label: Cow<'static, str>,
    /// Whether it may stay empty.
    pub optional: bool,
    /// What it is.
    pub kind: FieldKind,
}

/// What a field is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// One of these options.
    Menu {
        /// Its groups, in order.
        groups: Vec<MenuGroup>,
        /// The value of the option that is chosen first.
        initial: Option<String>,
    },
    /// A line of text.
    Text {
        /// What is in it first.
        initial: String,
        /// What is shown while it is empty.
        placeholder: String,
    },
}

/// Options that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MenuGroup {
    /// What they have in common.
    pub label: String,
    /// The options.
    pub options: Vec<MenuOption>,
}

/// An option of a menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MenuOption {
    /// What is shown.
    pub label: String,
    /// What a press says.
    pub value: String,
}

impl Field {
    /// A field of the form.
    pub(super) fn of_form(name: FormField, label: &'static str, kind: FieldKind) -> Self {
        Self {
            name: Cow::Borrowed(name.as_str()),
            label: Cow::Borrowed(label),
            optional: name == FormField::Parameters,
            kind,
        }
    }

    /// A menu whose choice is a press.
    pub(super) fn asking(verb: ButtonVerb, groups: Vec<MenuGroup>) -> Self {
        Self {
            name: Cow::Borrowed(verb.as_str()),
            label: Cow::Borrowed(""),
            optional: false,
            kind: FieldKind::Menu {
                groups,
                initial: None,
            },
        }
    }

    /// The block, or `None` of a menu without options.
    pub(super) fn to_json(&self) -> Option<Value> {
        let mut element = match &self.kind {
            FieldKind::Menu { groups, initial } => menu(groups, initial.as_deref())?,
            FieldKind::Text {
                initial,
                placeholder,
            } => text_input(initial, placeholder),
        };
        element["action_id"] = self.name.as_ref().into();
        if self.label.is_empty() {
            return Some(json!({"type": "actions", "elements": [element]}));
        }
        Some(json!({
            "type": "input",
            "block_id": self.name,
            "label": plain(&self.label),
            "element": element,
            "optional": self.optional,
        }))
    }

    /// The field as a plain line, for snapshots and terminals.
    pub(super) fn to_line(&self) -> String {
        match &self.kind {
            FieldKind::Menu { groups, initial } => {
                let options = groups.iter().flat_map(|group| &group.options);
                let mut chosen = options.filter(|option| Some(&option.value) == initial.as_ref());
                let chosen = chosen.next().map_or("…", |option| &option.label);
                let line = format!("{} [{chosen} ▾]", self.label);
                line.trim_start().to_owned()
            }
            FieldKind::Text { initial, .. } => format!("{} [{initial:_<12}]", self.label),
        }
    }
}

fn menu(groups: &[MenuGroup], initial: Option<&str>) -> Option<Value> {
    let mut left = MAX_OPTIONS;
    let mut shown = vec![];
    let mut chosen = None;
    for group in groups.iter().filter(|group| !group.options.is_empty()) {
        let options: Vec<Value> = group.options.iter().take(left).map(option).collect();
        left -= options.len();
        let of_group = options
            .iter()
            .find(|option| option["value"].as_str() == initial);
        chosen = chosen.or(of_group.cloned());
        if !options.is_empty() {
            shown.push((plain(&cut(&group.label, MAX_OPTION)), options));
        }
    }
    let mut menu = json!({"type": "static_select", "placeholder": plain("Choose")});
    match shown.as_mut_slice() {
        [] => return None,
        [(_, options)] => menu["options"] = std::mem::take(options).into(),
        groups => {
            let groups = groups.iter_mut().map(
                |(label, options)| json!({"label": label, "options": std::mem::take(options)}),
            );
            menu["option_groups"] = groups.collect();
        }
    }
    if let Some(chosen) = chosen {
        menu["initial_option"] = chosen;
    }
    Some(menu)
}

fn option(option: &MenuOption) -> Value {
    json!({"text": plain(&cut(&option.label, MAX_OPTION)), "value": option.value})
}

fn text_input(initial: &str, placeholder: &str) -> Value {
    let mut input = json!({"type": "plain_text_input"});
    if !initial.is_empty() {
        input["initial_value"] = cut(initial, MAX_INITIAL).into();
    }
    if !placeholder.is_empty() {
        input["placeholder"] = plain(&cut(placeholder, MAX_PLACEHOLDER));
    }
    input
}
