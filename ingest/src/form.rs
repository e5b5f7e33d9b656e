//! Slack's forms: the fields, and why one cannot be read.

use std::collections::BTreeMap;

use chatops_core::id::{ChannelId, TeamId, UserId};
use http::{HeaderMap, header};
use percent_encoding::percent_decode;

/// The longest name of a user that is kept, in characters.
const MAX_NAME_CHARS: usize = 80;

/// Why a body is not a form of Slack's. The text is sent back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    #[error("the content type has to be application/x-www-form-urlencoded")]
    ContentType,
    #[error("the form is not UTF-8")]
    Encoding,
    #[error("the form has the field '{0}' twice")]
    DuplicateField(String),
    #[error("the form has no valid '{0}'")]
    InvalidField(&'static str),
}

/// The fields of a form. Unknown fields are ignored; Slack may add some at any time.
#[derive(Debug)]
pub(crate) struct Form {
    fields: BTreeMap<String, String>,
}

impl Form {
    pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, FormError> {
        let kind = headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(FormError::ContentType);
        }
        // The parser replaces bytes that are not UTF-8 by U+FFFD, which a field may also contain.
        // Separators are ASCII, so the form is UTF-8 if and only if each field is.
        if percent_decode(body).decode_utf8().is_err() {
            return Err(FormError::Encoding);
        }
        let mut fields = BTreeMap::new();
        for (key, value) in form_urlencoded::parse(body) {
            let key = key.into_owned();
            if fields.contains_key(&key) {
                let shown = key.escape_debug().take(40).collect();
                return Err(FormError::DuplicateField(shown));
            }
            fields.insert(key, value.into_owned());
        }
        Ok(Self { fields })
    }

    /// A field; `None` if it is missing or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.fields.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    pub(crate) fn team_id(&self) -> Result<TeamId, FormError> {
        self.parse_id("team_id", TeamId::parse)
    }

    pub(crate) fn channel_id(&self) -> Result<ChannelId, FormError> {
        self.parse_id("channel_id", ChannelId::parse)
    }

    pub(crate) fn user_id(&self) -> Result<UserId, FormError> {
        self.parse_id("user_id", UserId::parse)
    }

    /// The user's name in Slack: for finding what they did, never for permissions. `None` if it
    /// cannot be a name.
    pub(crate) fn user_name(&self) -> Option<String> {
        clean_name(self.get("user_name")?)
    }

    fn parse_id<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, FormError> {
        let id = self.get(name).and_then(parse);
        id.ok_or(FormError::InvalidField(name))
    }
}

/// A user's name in Slack without what no name has; `None` if nothing is left, or too much.
pub(crate) fn clean_name(name: &str) -> Option<String> {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let name = name.trim().trim_start_matches('@').trim_start();
    let is_name = (1..=MAX_NAME_CHARS).contains(&name.chars().count());
    is_name.then(|| name.to_owned())
}
