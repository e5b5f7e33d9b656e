//! The shape of a message, and how it stays within Slack's limits: 50 blocks, 3,000 characters a
//! section, and about 13,000 for all blocks together.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::mrkdwn::json_length;
use super::{Button, ButtonSubject, Field};
use super::{MessageKind, MessageMark, Mrkdwn};
use crate::id::DeployId;

/// Who sees a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Everybody in the conversation.
    Channel,
    /// The requester alone.
    Requester,
}

/// A message for Slack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct SlackMessage {
    /// What it is.
    pub mark: MessageMark,
    /// Who sees it.
    pub audience: Audience,
    /// The first line: state, what, which, who. It is also the notification's text.
    pub headline: Mrkdwn,
    /// Facts side by side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Mrkdwn>,
    /// A list, one line each.
    pub rows: Vec<Mrkdwn>,
    /// What a person fills in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub form: Vec<Field>,
    /// Further lines.
    pub details: Vec<Mrkdwn>,
    /// A link, in the last line.
    pub link: Option<MessageLink>,
    /// Buttons, in the last line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
}

/// A link. It is text: a link button sends an interaction as well, and Slack shows a warning sign
/// where nobody answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageLink {
    /// Where it leads.
    pub url: Url,
    /// Its label.
    pub label: Cow<'static, str>,
}

// All lengths are in characters of JSON. A message at all of its limits has 1,280 of headline, 85 of
// mark, 8,870 of rows in five sections and 1,280 of button, which leaves five details their
// `MIN_DETAIL`.

/// The blocks together (Slack takes about 13,000).
const MAX_LENGTH: usize = 12_730;
/// What is around the mark.
const MARK_OVERHEAD: usize = 15;
/// The headline.
const MAX_HEADLINE: usize = 1_200;
/// Most fields that are shown (Slack takes 10).
const MAX_FIELDS: usize = 4;
/// One field (Slack takes 2,000).
const MAX_FIELD: usize = 500;
/// Most rows that are shown.
const MAX_ROWS: usize = 20;
/// The same beside fields, which take the room of the others.
const MAX_ROWS_BESIDE_FIELDS: usize = 10;
/// One row.
pub(super) const MAX_ROW: usize = 420;
/// Most details that are shown.
const MAX_DETAILS: usize = 5;
/// The room that each detail always has.
const MIN_DETAIL: usize = 160;
/// The text of one section (Slack takes 3,000).
const MAX_SECTION: usize = 2_400;
/// What is around the text of a section.
const SECTION_OVERHEAD: usize = 80;
/// The longest address that is linked (Slack takes 3,000).
const MAX_URL: usize = 1_000;
/// Most buttons of a message (Slack takes 25).
const MAX_BUTTONS: usize = 5;
/// The longest label (Slack's own limit).
const MAX_LABEL: usize = 75;

pub(super) fn to_requester(kind: MessageKind, headline: Mrkdwn) -> SlackMessage {
    SlackMessage::new(Audience::Requester, kind, headline)
}

pub(super) fn reply(headline: Mrkdwn) -> SlackMessage {
    to_requester(MessageKind::Reply, headline)
}

impl SlackMessage {
    pub(super) fn new(audience: Audience, kind: MessageKind, headline: Mrkdwn) -> Self {
        Self {
            mark: kind.into(),
            audience,
            headline,
            fields: vec![],
            rows: vec![],
            form: vec![],
            details: vec![],
            link: None,
            buttons: vec![],
        }
    }

    /// Names the deploy it is about.
    pub(super) fn about(mut self, deploy: DeployId) -> Self {
        self.mark.deploy = Some(deploy);
        self
    }

    pub(super) fn fields(mut self, fields: impl IntoIterator<Item = Mrkdwn>) -> Self {
        self.fields.extend(fields);
        self
    }

    pub(super) fn rows(mut self, rows: impl IntoIterator<Item = Mrkdwn>) -> Self {
        self.rows.extend(rows);
        self
    }

    pub(super) fn field(mut self, field: Field) -> Self {
        self.form.push(field);
        self
    }

    pub(super) fn detail(mut self, line: Mrkdwn) -> Self {
        self.details.push(line);
        self
    }

    /// Adds these lines below the rows.
    pub fn details(mut self, lines: impl IntoIterator<Item = Mrkdwn>) -> Self {
        self.details.extend(lines);
        self
    }

    pub(super) fn link(mut self, url: &Url, label: &'static str) -> Self {
        self.link = Some(MessageLink {
            url: url.clone(),
            label: Cow::Borrowed(label),
        });
        self
    }

    pub(super) fn button(mut self, button: Button) -> Self {
        self.buttons.push(button);
        self
    }

    /// The JSON that Slack takes, as an immediate answer or at a response URL.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let headline = self.headline.truncated(MAX_HEADLINE);
        let link = self.link_line();
        let mark = self.mark.to_string();
        let mut room = MAX_LENGTH - MARK_OVERHEAD - mark.len();
        room -= link
            .as_ref()
            .map_or(0, |line| line.length() + SECTION_OVERHEAD);
        let actions = self.actions_block();
        let form: Vec<Value> = self.form.iter().filter_map(Field::to_json).collect();
        room = room.saturating_sub(form.iter().map(|block| json_size(block) + 1).sum());
        let actions_length = actions.as_ref().map_or(0, |block| json_size(block) + 1);
        room = room.saturating_sub(actions_length);
        let mut blocks = vec![];
        room = room.saturating_sub(json_length(&headline) + SECTION_OVERHEAD);
        blocks.push(text_section(&headline));
        if let Some(block) = self.fields_block() {
            room = room.saturating_sub(json_size(&block) + 1);
            blocks.push(block);
        }
        let rows = self.packed_rows();
        let form_at = blocks.len() + rows.len();
        let mut section = |text: String, room: &mut usize| {
            *room = room.saturating_sub(json_length(&text) + SECTION_OVERHEAD);
            blocks.push(text_section(&text));
        };
        for text in rows {
            section(text, &mut room);
        }
        let details = self.details.iter().filter(|line| !line.is_empty());
        let details: Vec<_> = details.take(MAX_DETAILS).collect();
        for (i, line) in details.iter().enumerate() {
            let others = (details.len() - i - 1) * (MIN_DETAIL + SECTION_OVERHEAD);
            let limit = room
                .saturating_sub(others + SECTION_OVERHEAD)
                .min(MAX_SECTION);
            section(line.truncated(limit), &mut room);
        }
        if let Some(line) = link {
            room += line.length() + SECTION_OVERHEAD;
            section(line.to_string(), &mut room);
        }
        blocks.splice(form_at..form_at, form);
        blocks.extend(actions);
        blocks[0]["block_id"] = mark.into();
        json!({
            "response_type": match self.audience {
                Audience::Channel => "in_channel",
                Audience::Requester => "ephemeral",
            },
            "text": headline,
            "blocks": blocks,
            // Where a button was pressed, its message stays as it is.
            "replace_original": false,
            "unfurl_links": false,
            "unfurl_media": false,
        })
    }

    /// The fields, in one section.
    fn fields_block(&self) -> Option<Value> {
        let fields = self.fields.iter().filter(|field| !field.is_empty());
        let text = |field: &Mrkdwn| mrkdwn(&field.truncated(MAX_FIELD));
        let fields: Vec<Value> = fields.take(MAX_FIELDS).map(text).collect();
        (!fields.is_empty()).then(|| json!({"type": "section", "fields": fields}))
    }

    /// Tells it from every other message.
    #[must_use]
    pub(crate) fn digest(&self) -> String {
        let digest = Sha256::digest(self.to_json().to_string());
        let digits = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
        digits.collect()
    }

    /// The rows in as few sections as possible, each in one of them.
    fn packed_rows(&self) -> Vec<String> {
        let rows = self.rows.iter().filter(|row| !row.is_empty());
        let mut sections: Vec<String> = vec![];
        let mut push = |row: &str| match sections.last_mut() {
            Some(last) if json_length(last) + 2 + json_length(row) <= MAX_SECTION => {
                last.push('\n');
                last.push_str(row);
            }
            _ => sections.push(row.to_owned()),
        };
        let most = if self.fields.is_empty() {
            MAX_ROWS
        } else {
            MAX_ROWS_BESIDE_FIELDS
        };
        rows.clone()
            .take(most)
            .for_each(|row| push(&row.truncated(MAX_ROW)));
        match rows.count() {
            n if n > most => push(&format!("… and {} more.", n - most)),
            _ => {}
        }
        sections
    }

    /// The link, unless its address is longer than Slack takes.
    fn link_line(&self) -> Option<Mrkdwn> {
        let MessageLink { url, label } = self.link.as_ref()?;
        if url.as_str().len() > MAX_URL || label.is_empty() {
            return None;
        }
        let label: String = label.chars().take(MAX_LABEL).collect();
        Some(Mrkdwn::default().link(url, label))
    }

    /// The buttons; those that open an address longer than Slack takes are left out.
    fn actions_block(&self) -> Option<Value> {
        let fits = |button: &&Button| match &button.about {
            ButtonSubject::Url(url) => url.as_str().len() <= MAX_URL,
            ButtonSubject::Deploy(_) | ButtonSubject::Words(_) => true,
        };
        let buttons = self.buttons.iter().filter(fits).take(MAX_BUTTONS);
        let elements: Vec<Value> = buttons.map(Button::to_json).collect();
        (!elements.is_empty()).then(|| json!({"type": "actions", "elements": elements}))
    }

    /// The message as plain lines, for snapshots and terminals.
    #[must_use]
    pub fn to_lines(&self) -> Vec<String> {
        let text = [&self.headline].into_iter();
        let text = text.chain(&self.fields).chain(&self.rows);
        let form = self.form.iter().map(Field::to_line);
        let link = self.link.iter();
        let buttons = self.buttons.iter().map(|button| match &button.about {
            ButtonSubject::Deploy(_) | ButtonSubject::Words(_) => format!("[{}]", button.label),
            ButtonSubject::Url(url) => format!("[{}] {url}", button.label),
        });
        text.map(ToString::to_string)
            .chain(form)
            .chain(self.details.iter().map(ToString::to_string))
            .chain(link.map(|link| format!("[{}] {}", link.label, link.url)))
            .chain(buttons)
            .collect()
    }
}

fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

fn text_section(text: &str) -> Value {
    json!({"type": "section", "text": mrkdwn(text)})
}

/// How many characters a block takes.
fn json_size(block: &Value) -> usize {
    block.to_string().chars().count()
}
