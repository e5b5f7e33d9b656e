//! The form of a slash command: which fields are read, and what is wrong when one cannot be.

use std::collections::BTreeMap;

use chatops_core::id::{ChannelId, TeamId, UserId};
use http::{HeaderMap, header};

/// Why a body is not the form of a command. The text goes back to the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadForm {
    #[error("the content type has to be application/x-www-form-urlencoded")]
    ContentType,
    #[error("the form is not UTF-8")]
    Encoding,
    #[error("the form has the field '{0}' twice")]
    Doubled(String),
    #[error("the form has no valid '{0}'")]
    Field(&'static str),
}

/// The fields of a command. Unknown fields are ignored; Slack may add some at any time.
#[derive(Debug)]
pub(crate) struct Form {
    fields: BTreeMap<String, String>,
}

impl Form {
    pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, BadForm> {
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let essence = kind
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(BadForm::ContentType);
        }
        let mut fields = BTreeMap::new();
        for (key, value) in form_urlencoded::parse(body) {
            // The parser puts this character where bytes were not UTF-8.
            if key.contains('\u{fffd}') || value.contains('\u{fffd}') {
                return Err(BadForm::Encoding);
            }
            let key = key.into_owned();
            if fields.contains_key(&key) {
                return Err(BadForm::Doubled(key.chars().take(40).collect()));
            }
            fields.insert(key, value.into_owned());
        }
        Ok(Self { fields })
    }

    /// A field; `None` if it is missing or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    pub(crate) fn team(&self) -> Result<TeamId, BadForm> {
        self.id("team_id", TeamId::parse)
    }

    pub(crate) fn channel(&self) -> Result<ChannelId, BadForm> {
        self.id("channel_id", ChannelId::parse)
    }

    pub(crate) fn user(&self) -> Result<UserId, BadForm> {
        self.id("user_id", UserId::parse)
    }

    fn id<T>(&self, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<T, BadForm> {
        self.get(name).and_then(parse).ok_or(BadForm::Field(name))
    }
}
