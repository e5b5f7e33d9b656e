//! Where a message of the bot is. Slack names it by its conversation and a timestamp that is unique there.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::id::ChannelId;

/// A message of the bot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PostedMessage {
    /// The conversation.
    pub channel: ChannelId,
    /// Its timestamp.
    pub ts: MessageTs,
}

/// Slack's timestamp of a message, like `1503435956.000247`: an id, not a number and not a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MessageTs(String);

/// The longest that is read. Slack's have 17 characters.
const MAX_LENGTH: usize = 32;

impl MessageTs {
    /// Reads a timestamp: digits with one point between them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (seconds, count) = text.split_once('.')?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let fits = text.len() <= MAX_LENGTH && digits(seconds) && digits(count);
        fits.then(|| Self(text.to_owned()))
    }

    /// The timestamp as Slack writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageTs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MessageTs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("it is no timestamp of a message"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_has_a_form() {
        let ts = MessageTs::parse("1503435956.000247").unwrap();
        assert_eq!(ts.as_str(), "1503435956.000247");
        for wrong in [
            "",
            "1503435956",
            "1503435956.",
            ".000247",
            "1.2.3",
            "1e9.0",
            "1 .2",
        ] {
            assert_eq!(MessageTs::parse(wrong), None, "{wrong}");
        }
    }
}
