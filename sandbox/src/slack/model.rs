//! Slack without HTTP: response addresses, and the messages that arrived through them or from the
//! bot.
//!
//! Time is an argument and secrets are derived from counters, so equal calls give equal answers.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::blocks;
use super::bot::Bot;

/// How often an address can be used.
const MAX_USES: u32 = 5;

/// How long it can be used.
const LIFE: TimeDelta = TimeDelta::minutes(30);

/// Slack cuts a longer text.
const MAX_TEXT: usize = 40_000;

/// The workspace.
pub(super) const TEAM: &str = "T0001";

/// A message that people can see.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// When it arrived.
    pub at: DateTime<Utc>,
    /// Where it stands.
    pub channel: String,
    /// The only person who sees it; nobody in particular means the whole channel.
    pub visible_to: Option<String>,
    /// The text; with blocks, only the notification.
    pub text: String,
    /// The blocks, if there are any.
    pub blocks: Option<Value>,
    /// The response address of the command that it answers, or the bot's method.
    pub response_path: String,
    /// Which use of the address brought it, from one; zero for the immediate answer and the bot.
    pub nth_use: u32,
}

impl Message {
    /// What people see.
    pub fn shown(&self) -> String {
        blocks::plain_text(&self.text, self.blocks.as_ref())
    }
}

/// One call of a response address or of the bot, delivered or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it arrived.
    pub at: DateTime<Utc>,
    /// The address, or the bot's method.
    pub response_path: String,
    /// Which use of the address it was, from one; zero for an unknown address and the bot.
    pub nth_use: u32,
    /// The body as it was sent.
    pub payload: String,
    /// What it met.
    pub answer: PostAnswer,
}

/// Slack's answer to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostAnswer {
    /// The HTTP status.
    pub status: u16,
    /// `ok`, or the error.
    pub body: String,
}

impl PostAnswer {
    fn new(status: u16, body: &str) -> Self {
        Self {
            status,
            body: body.to_owned(),
        }
    }
}

/// A response address.
#[derive(Debug, Clone)]
pub(super) struct Address {
    user: String,
    pub(super) channel: String,
    issued_at: DateTime<Utc>,
    uses: u32,
}

/// Everything this Slack knows.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub(super) addresses: BTreeMap<String, Address>,
    pub(super) messages: Vec<Message>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) bot: Bot,
    triggers: u64,
}

impl Model {
    /// A new response address for a command by `user` in `channel`: the path on Slack's host.
    pub fn issue_response_url(&mut self, now: DateTime<Utc>, user: &str, channel: &str) -> String {
        let number = 397_700_000_000 + self.addresses.len() as u64;
        let secret = derived(&format!("response {number}"));
        let path = format!("/commands/{TEAM}/{number}/{}", &secret[..24]);
        self.addresses.insert(
            path.clone(),
            Address {
                user: user.to_owned(),
                channel: channel.to_owned(),
                issued_at: now,
                uses: 0,
            },
        );
        path
    }

    /// A new trigger id; no two commands share one.
    pub fn trigger_id(&mut self) -> String {
        self.triggers += 1;
        let number = 398_738_000_000 + self.triggers;
        format!(
            "{number}.47445629121.{}",
            derived(&format!("trigger {number}"))
        )
    }

    /// Posts a message through a response address. Every attempt counts as a use.
    pub fn post(&mut self, now: DateTime<Utc>, path: &str, json: &[u8]) -> PostAnswer {
        let (nth_use, answer) = match self.deliver(now, path, json) {
            Ok(message) => {
                let nth_use = message.nth_use;
                self.messages.push(message);
                (nth_use, PostAnswer::new(200, "ok"))
            }
            Err(refused) => refused,
        };
        self.attempts.push(Attempt {
            at: now,
            response_path: path.to_owned(),
            nth_use,
            payload: String::from_utf8_lossy(json).into_owned(),
            answer: answer.clone(),
        });
        answer
    }

    fn deliver(
        &mut self,
        now: DateTime<Utc>,
        path: &str,
        json: &[u8],
    ) -> Result<Message, (u32, PostAnswer)> {
        let Some(address) = self.addresses.get_mut(path) else {
            return Err((0, PostAnswer::new(404, "no_service")));
        };
        address.uses += 1;
        let nth_use = address.uses;
        let refuse = |status, body: &str| (nth_use, PostAnswer::new(status, body));
        if now - address.issued_at > LIFE {
            return Err(refuse(404, r#"{"ok":false,"error":"expired_url"}"#));
        }
        if nth_use > MAX_USES {
            return Err(refuse(404, r#"{"ok":false,"error":"used_url"}"#));
        }
        let content = parse(json).map_err(|error| refuse(400, error))?;
        Ok(content.message(now, address, path, nth_use))
    }

    /// Takes the immediate answer to the command that `path` was issued for. `json` says whether
    /// the answer declares itself as JSON; otherwise it is plain text. An empty answer shows
    /// nothing. The error is Slack's word for a body it cannot show.
    pub fn acknowledge(
        &mut self,
        now: DateTime<Utc>,
        path: &str,
        body: &[u8],
        json: bool,
    ) -> Result<Option<&Message>, &'static str> {
        let Some(address) = self.addresses.get(path) else {
            return Err("no_service");
        };
        let content = if body.is_empty() {
            return Ok(None);
        } else if json {
            match parse(body) {
                // Only a switch for the echo of the command, or nothing at all.
                Err("no_text") => return Ok(None),
                content => content?,
            }
        } else {
            Content {
                text: String::from_utf8_lossy(body).into_owned(),
                blocks: None,
                in_channel: false,
            }
        };
        self.messages.push(content.message(now, address, path, 0));
        Ok(self.messages.last())
    }

    /// Every message that was delivered, in order.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Every call of a response address or of the bot, delivered or not, in order.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }
}

/// What a valid body holds.
pub(super) struct Content {
    pub(super) text: String,
    pub(super) blocks: Option<Value>,
    in_channel: bool,
}

impl Content {
    fn message(self, at: DateTime<Utc>, address: &Address, path: &str, nth_use: u32) -> Message {
        Message {
            at,
            channel: address.channel.clone(),
            visible_to: (!self.in_channel).then(|| address.user.clone()),
            text: self.text,
            blocks: self.blocks,
            response_path: path.to_owned(),
            nth_use,
        }
    }
}

/// Reads a message, or says what is wrong with it in Slack's words.
pub(super) fn parse(json: &[u8]) -> Result<Content, &'static str> {
    let mut body: Map<String, Value> =
        serde_json::from_slice(json).map_err(|_| "invalid_payload")?;
    let text = match body.remove("text") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text,
        Some(_) => return Err("invalid_payload"),
    };
    let blocks = body.remove("blocks").filter(|blocks| !blocks.is_null());
    if blocks.as_ref().is_some_and(|blocks| !blocks::valid(blocks)) {
        return Err("invalid_blocks");
    }
    let blocks = blocks.filter(|blocks| blocks.as_array().is_some_and(|list| !list.is_empty()));
    if text.is_empty() && blocks.is_none() {
        return Err("no_text");
    }
    Ok(Content {
        text: text.chars().take(MAX_TEXT).collect(),
        blocks,
        in_channel: body.get("response_type").and_then(Value::as_str) == Some("in_channel"),
    })
}

/// 32 hexadecimal digits that look drawn and are not.
fn derived(name: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
        .simple()
        .to_string()
}
