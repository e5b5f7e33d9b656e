//! Every word a person reads in Slack, and the shape it is posted in.
//!
//! The first line of a post carries everything; the asker is mentioned once. Foreign text enters
//! through [`Line`], which escapes it; nothing else builds text.

mod deploy;
mod intake;
mod line;
mod refusal;

use serde_json::{Value, json};
use url::Url;

pub use self::deploy::{last, progress};
pub use self::intake::{
    accepted, bad_command, cannot_confirm, checking, help, no_identity, not_accepted, not_slacks,
};
pub use self::line::Line;

/// Who sees a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Everybody in the conversation.
    Channel,
    /// The asker alone.
    Asker,
}

/// A message for Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Who sees it.
    pub audience: Audience,
    /// The first line: state, what, which, who. It is also the notification's text.
    pub headline: Line,
    /// What else is worth saying.
    pub details: Vec<Line>,
    /// An address to go to.
    pub link: Option<Link>,
}

/// A link button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it leads.
    pub url: Url,
    /// What it says.
    pub label: &'static str,
}

/// The longest text of one section, in characters of JSON (Slack takes 3,000 of text). Four of
/// them, a link and what is around them stay below the 13,000 or so that Slack takes in all.
const SECTION: usize = 2_400;

/// The longest address that is linked (Slack takes 3,000 characters).
const ADDRESS: usize = 1_000;

/// Most detail lines that are shown (Slack takes 50 blocks).
const DETAILS: usize = 3;

impl Post {
    fn new(audience: Audience, headline: Line) -> Self {
        Self {
            audience,
            headline,
            details: vec![],
            link: None,
        }
    }

    fn detail(mut self, line: Line) -> Self {
        self.details.push(line);
        self
    }

    fn link(mut self, url: &Url, label: &'static str) -> Self {
        self.link = Some(Link {
            url: url.clone(),
            label,
        });
        self
    }

    /// The JSON that Slack takes, as an immediate answer or at a reply address.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let section = |line: &Line| {
            json!({
                "type": "section",
                "text": { "type": "mrkdwn", "text": line.cut(SECTION), "verbatim": true },
            })
        };
        let mut blocks = vec![section(&self.headline)];
        blocks.extend(self.details.iter().take(DETAILS).map(section));
        if let Some(link) = self.short_link() {
            blocks.push(json!({
                "type": "actions",
                "elements": [{
                    "type": "button",
                    "action_id": "open",
                    "text": { "type": "plain_text", "text": link.label },
                    "url": link.url,
                }],
            }));
        }
        json!({
            "response_type": match self.audience {
                Audience::Channel => "in_channel",
                Audience::Asker => "ephemeral",
            },
            "text": self.headline.cut(SECTION),
            "blocks": blocks,
            "unfurl_links": false,
            "unfurl_media": false,
        })
    }

    /// The link, unless its address is longer than Slack takes.
    fn short_link(&self) -> Option<&Link> {
        self.link
            .as_ref()
            .filter(|link| link.url.as_str().len() <= ADDRESS)
    }

    /// The post as plain lines, for snapshots and terminals.
    #[must_use]
    pub fn to_lines(&self) -> Vec<String> {
        let mut lines = vec![self.headline.to_string()];
        lines.extend(self.details.iter().map(ToString::to_string));
        lines.extend(
            self.link
                .iter()
                .map(|link| format!("[{}] {}", link.label, link.url)),
        );
        lines
    }
}

#[cfg(test)]
mod tests;
