//! Values that must never be printed: they have no `Display`, and `Debug` shows a placeholder.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// Why a text cannot be a secret of Slack or CircleCI, to follow "it is"; `None` if it can. What came around it on
/// the way from an environment file or a form is named.
#[must_use]
pub fn unfit_secret(value: &str) -> Option<&'static str> {
    let mut chars = value.chars();
    let ends = chars.next().zip(chars.next_back());
    let is_around = |open, close| ends == Some((open, close));
    let name = value.split_once('=').filter(|(_, rest)| !rest.is_empty());
    let is_name = |name: &str| {
        let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        name.contains('_') && name.chars().all(fits)
    };
    if is_around('"', '"')
        || is_around('\'', '\'')
        || is_around('`', '`')
        || is_around('\u{201c}', '\u{201d}')
    {
        Some("in quotes, which would be part of it: take them away")
    } else if is_around('<', '>') {
        Some("a placeholder: put the real one there")
    } else if name.is_some_and(|(name, _)| is_name(name)) {
        Some("written as NAME=value: keep the value alone")
    } else if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("not one word of plain characters")
    } else {
        None
    }
}

/// Slack's response URL for one command: a bearer secret, since its holder can post into the
/// conversation for 30 minutes.
///
/// It is serialised only into the command's queue message and the notification record.
#[derive(Clone)]
pub struct ResponseUrl(SecretString);

/// The address is not one that Slack could have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response_url is not an address of Slack's")]
pub struct ResponseUrlError;

impl ResponseUrl {
    /// Accepts only one of `origins` (scheme, host and port, compared exactly) and only Slack's paths
    /// for commands and presses, so that a forged request cannot make the notifier call another server.
    pub fn parse(text: &str, origins: &[Url]) -> Result<Self, ResponseUrlError> {
        let plain = text.len() <= 1024
            && text.bytes().all(|b| b.is_ascii_graphic())
            && !text.contains(['\\', '#', '@', '?', '%'])
            && !text.contains("/.");
        let url = Url::parse(text).map_err(|_| ResponseUrlError)?;
        let known = origins.iter().any(|o| o.origin() == url.origin());
        let ours = ["/commands/", "/actions/"];
        let answers = ours.iter().any(|path| url.path().starts_with(path));
        if plain && known && answers {
            Ok(Self(SecretString::from(text)))
        } else {
            Err(ResponseUrlError)
        }
    }

    /// The address, for the one request that posts to it (and for deriving an id from it).
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for ResponseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseUrl(…)")
    }
}

impl Serialize for ResponseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for ResponseUrl {
    /// Does not validate: ingest validated it, and the notifier validates it again before it posts.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::from(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slack() -> Vec<Url> {
        vec![Url::parse("https://hooks.slack.com").unwrap()]
    }

    #[test]
    fn only_a_name_in_capitals_with_an_underscore_is_taken_for_one() {
        for fit in ["AB=c", "a_b=c", "Ab_c=d", "A_B=", "xoxb-1-a_b=="] {
            assert_eq!(unfit_secret(fit), None, "{fit}");
        }
        for unfit in [
            "SLACK_BOT_TOKEN=xoxb-1",
            "A_1=b",
            "\"a\"",
            "'a'",
            "`a`",
            "\u{201c}a\u{201d}",
            "<a>",
            "a b",
            "ä",
        ] {
            assert!(unfit_secret(unfit).is_some(), "{unfit}");
        }
    }

    #[test]
    fn slacks_own_address_is_accepted_and_not_printed() {
        let url =
            ResponseUrl::parse("https://hooks.slack.com/commands/T1/2/abc", &slack()).unwrap();
        assert_eq!(format!("{url:?}"), "ResponseUrl(…)");
    }

    #[test]
    fn anything_else_is_not() {
        for wrong in [
            "",
            "hooks.slack.com/commands/T1/2/abc",
            "http://hooks.slack.com/commands/T1/2/abc",
            "https://hooks.slack.com.evil.example/commands/T1/2/abc",
            "https://evil.example/commands/T1/2/abc",
            "https://hooks.slack.com:444/commands/T1/2/abc",
            "https://user@hooks.slack.com/commands/T1/2/abc",
            "https://hooks.slack.com/services/T1/2/abc",
            "https://hooks.slack.com/actions",
            "https://hooks.slack.com/commands/../services/x",
            "https://hooks.slack.com/commands/%2e%2e/x",
            "https://hooks.slack.com\\@evil.example/commands/x",
            "https://hooks.slack.com/commands/T1#x",
            "https://169.254.169.254/commands/x",
            "https://hooks.slack.com/commands/T1/2/ab c",
        ] {
            assert!(ResponseUrl::parse(wrong, &slack()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_comes_back_from_storage_as_it_went() {
        let url = crate::fixtures::response_url();
        let stored = serde_json::to_string(&url).unwrap();
        let back: ResponseUrl = serde_json::from_str(&stored).unwrap();
        assert_eq!(back.expose(), url.expose());
        let printed = format!("{back:?} {back:#?}");
        assert_eq!(printed, "ResponseUrl(…) ResponseUrl(…)");
    }
}
