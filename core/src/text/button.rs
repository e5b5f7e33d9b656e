//! Buttons under a message, where the Slack app has an address for presses.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::mrkdwn::cut;
use crate::command::ButtonVerb;
use crate::id::DeployId;

/// A question (Slack's own limit).
const MAX_QUESTION: usize = 300;

/// A button. What it does is decided anew for whoever presses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What it is for.
    pub verb: ButtonVerb,
    /// Its label.
    pub label: Cow<'static, str>,
    /// What it is about.
    #[serde(flatten)]
    pub about: ButtonSubject,
    /// What Slack asks the presser first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Cow<'static, str>>,
}

/// What a button is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonSubject {
    /// A deploy. The value of the button is its full id.
    Deploy(DeployId),
    /// What the verb needs to know, which is read like something typed.
    Words(String),
    /// An address that is opened.
    Url(Url),
}

impl Button {
    /// Opens an address.
    pub(super) fn open(url: &Url, label: &'static str) -> Self {
        Self {
            verb: ButtonVerb::Open,
            label: Cow::Borrowed(label),
            about: ButtonSubject::Url(url.clone()),
            confirm: None,
        }
    }

    /// Does something to a deploy.
    pub(super) fn act(verb: ButtonVerb, label: &'static str, deploy: DeployId) -> Self {
        Self {
            verb,
            label: Cow::Borrowed(label),
            about: ButtonSubject::Deploy(deploy),
            confirm: None,
        }
    }

    /// Asks for something of the form or of a plan.
    pub(super) fn ask(verb: ButtonVerb, label: &'static str, words: String) -> Self {
        Self {
            verb,
            label: Cow::Borrowed(label),
            about: ButtonSubject::Words(words),
            confirm: None,
        }
    }

    /// Asks the presser this first.
    pub(super) fn confirm(mut self, question: impl Into<Cow<'static, str>>) -> Self {
        self.confirm = Some(question.into());
        self
    }

    /// The element of a block.
    pub(super) fn to_json(&self) -> Value {
        let mut button = json!({
            "type": "button",
            "action_id": self.verb.as_str(),
            "text": plain(&self.label),
        });
        match &self.about {
            ButtonSubject::Deploy(deploy) => button["value"] = deploy.to_string().into(),
            ButtonSubject::Words(words) if words.is_empty() => {}
            ButtonSubject::Words(words) => button["value"] = words.as_str().into(),
            ButtonSubject::Url(url) => button["url"] = url.as_str().into(),
        }
        if let Some(question) = &self.confirm {
            button["confirm"] = json!({
                "title": plain(&self.label),
                "text": plain(&cut(question, MAX_QUESTION)),
                "confirm": plain("Yes"),
                "deny": plain("No"),
            });
        }
        match self.verb {
            ButtonVerb::Cancel | ButtonVerb::RetryConfirm => button["style"] = "danger".into(),
            ButtonVerb::Plan | ButtonVerb::Deploy => button["style"] = "primary".into(),
            _ => {}
        }
        button
    }
}

pub(super) fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": text, "emoji": false})
}
