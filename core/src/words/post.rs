//! The shape of a message, and how it stays within what Slack takes: 50 blocks, 3,000 characters a
//! section, and about 13,000 for all blocks together.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::Line;
use super::line::json_length;

/// Who sees a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Everybody in the conversation.
    Channel,
    /// The asker alone.
    Asker,
}

/// A message for Slack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// Who sees it.
    pub audience: Audience,
    /// The first line: state, what, which, who. It is also the notification's text.
    pub headline: Line,
    /// A list, one line each.
    pub rows: Vec<Line>,
    /// What else is worth saying.
    pub details: Vec<Line>,
    /// An address to go to.
    pub link: Option<Link>,
}

/// A link button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Where it leads.
    pub url: Url,
    /// What it says.
    pub label: Cow<'static, str>,
}

// All lengths are in characters of JSON. A post at all of its limits has 1,280 of headline, 8,870 of
// rows in five sections and 1,280 of button, which leaves five details their `LEAST`.

/// The blocks together (Slack takes about 13,000).
const ALL: usize = 12_700;
/// The headline.
const HEADLINE: usize = 1_200;
/// Most rows that are shown.
const ROWS: usize = 20;
/// One row.
pub(super) const ROW: usize = 420;
/// Most details that are shown.
const DETAILS: usize = 5;
/// What a detail always has.
const LEAST: usize = 160;
/// The text of one section (Slack takes 3,000).
const SECTION: usize = 2_400;
/// What is around the text of a section.
const AROUND: usize = 80;
/// What is around the address and label of a button.
const BUTTON: usize = 130;
/// The longest address that is linked (Slack takes 3,000).
const ADDRESS: usize = 1_000;
/// The longest label (Slack's own limit).
const LABEL: usize = 75;

impl Post {
    pub(super) fn new(audience: Audience, headline: Line) -> Self {
        Self {
            audience,
            headline,
            rows: vec![],
            details: vec![],
            link: None,
        }
    }

    pub(super) fn rows(mut self, rows: impl IntoIterator<Item = Line>) -> Self {
        self.rows.extend(rows);
        self
    }

    pub(super) fn detail(mut self, line: Line) -> Self {
        self.details.push(line);
        self
    }

    pub(super) fn details(mut self, lines: impl IntoIterator<Item = Line>) -> Self {
        self.details.extend(lines);
        self
    }

    pub(super) fn link(mut self, url: &Url, label: &'static str) -> Self {
        self.link = Some(Link {
            url: url.clone(),
            label: Cow::Borrowed(label),
        });
        self
    }

    /// The JSON that Slack takes, as an immediate answer or at a reply address.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let headline = self.headline.cut(HEADLINE);
        let button = self.button();
        let mut room = ALL - button.as_ref().map_or(0, |(_, length)| *length);
        let mut blocks = vec![];
        let mut section = |text: String, room: &mut usize| {
            *room = room.saturating_sub(json_length(&text) + AROUND);
            blocks.push(json!({
                "type": "section",
                "text": { "type": "mrkdwn", "text": text, "verbatim": true },
            }));
        };
        section(headline.clone(), &mut room);
        for text in self.packed_rows() {
            section(text, &mut room);
        }
        let details = self.details.iter().filter(|line| !line.is_empty());
        let details: Vec<_> = details.take(DETAILS).collect();
        for (i, line) in details.iter().enumerate() {
            let others = (details.len() - i - 1) * (LEAST + AROUND);
            let limit = room.saturating_sub(others + AROUND).min(SECTION);
            section(line.cut(limit), &mut room);
        }
        blocks.extend(button.map(|(block, _)| block));
        json!({
            "response_type": match self.audience {
                Audience::Channel => "in_channel",
                Audience::Asker => "ephemeral",
            },
            "text": headline,
            "blocks": blocks,
            "unfurl_links": false,
            "unfurl_media": false,
        })
    }

    /// The rows in as few sections as possible, each in one of them.
    fn packed_rows(&self) -> Vec<String> {
        let rows = self.rows.iter().filter(|row| !row.is_empty());
        let mut sections: Vec<String> = vec![];
        let mut push = |row: &str| match sections.last_mut() {
            Some(last) if json_length(last) + 2 + json_length(row) <= SECTION => {
                last.push('\n');
                last.push_str(row);
            }
            _ => sections.push(row.to_owned()),
        };
        rows.clone().take(ROWS).for_each(|row| push(&row.cut(ROW)));
        match rows.count() {
            n if n > ROWS => push(&format!("… and {} more.", n - ROWS)),
            _ => {}
        }
        sections
    }

    /// The link and its length, unless its address is longer than Slack takes.
    fn button(&self) -> Option<(Value, usize)> {
        let Link { url, label } = self.link.as_ref()?;
        if url.as_str().len() > ADDRESS || label.is_empty() {
            return None;
        }
        let label: String = label.chars().take(LABEL).collect();
        let length = json_length(url.as_str()) + json_length(&label) + BUTTON;
        let block = json!({
            "type": "actions",
            "elements": [{
                "type": "button",
                "action_id": "open",
                "text": { "type": "plain_text", "text": label },
                "url": url,
            }],
        });
        Some((block, length))
    }

    /// The post as plain lines, for snapshots and terminals.
    #[must_use]
    pub fn to_lines(&self) -> Vec<String> {
        let text = [&self.headline].into_iter();
        let text = text.chain(&self.rows).chain(&self.details);
        let link = self.link.iter();
        text.map(ToString::to_string)
            .chain(link.map(|link| format!("[{}] {}", link.label, link.url)))
            .collect()
    }
}
