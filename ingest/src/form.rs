//! The form of a slash command: which fields are read, and what is wrong when one cannot be.

use std::collections::BTreeMap;

use chatops_core::id::{ChannelId, TeamId, UserId};
use http::{HeaderMap, header};

/// The longest name of a user that is kept, in characters.
const LONGEST_NAME: usize = 80;

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
        // The parser puts U+FFFD where bytes are not UTF-8, which it could also have read. What
        // separates fields is ASCII, so the form is UTF-8 if and only if each field is.
        if std::str::from_utf8(&percent_decoded(body)).is_err() {
            return Err(BadForm::Encoding);
        }
        let mut fields = BTreeMap::new();
        for (key, value) in form_urlencoded::parse(body) {
            let key = key.into_owned();
            if fields.contains_key(&key) {
                return Err(BadForm::Doubled(key.escape_debug().take(40).collect()));
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

    /// What Slack calls the user: for finding what they did, never for rights. What cannot be a
    /// name is none.
    pub(crate) fn user_name(&self) -> Option<String> {
        let plain = |c: &char| !c.is_control();
        let name: String = self.get("user_name")?.chars().filter(plain).collect();
        let name = name.trim().trim_start_matches('@').trim_start();
        (1..=LONGEST_NAME)
            .contains(&name.chars().count())
            .then(|| name.to_owned())
    }

    fn id<T>(&self, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<T, BadForm> {
        self.get(name).and_then(parse).ok_or(BadForm::Field(name))
    }
}

/// The bytes that a body stands for, its separators among them.
fn percent_decoded(body: &[u8]) -> Vec<u8> {
    let digit = |at: usize| char::from(*body.get(at)?).to_digit(16);
    let mut bytes = Vec::with_capacity(body.len());
    let mut at = 0;
    while let Some(&byte) = body.get(at) {
        let escape = (byte == b'%').then(|| digit(at + 1).zip(digit(at + 2)));
        if let Some((high, low)) = escape.flatten() {
            bytes.extend(u8::try_from(high << 4 | low));
            at += 3;
        } else {
            bytes.push(byte);
            at += 1;
        }
    }
    bytes
}
