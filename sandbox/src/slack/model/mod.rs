//! Slack without HTTP: response URLs, and the messages that arrived through them or from the bot.
//!
//! Time is an argument and secrets are derived from counters, so equal calls have equal results.

pub(super) mod bot;
pub(super) mod late;
pub(super) mod message;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde_json::{Map, Value};

use self::bot::BotAccount;
use self::late::LateCall;
use self::message::ShownMessage;
use super::blocks;
use crate::circleci::derived_uuid;
use crate::server::Time;

/// How often a response URL can be used.
const MAX_USES: u32 = 5;

/// How long it can be used.
const URL_TTL: TimeDelta = TimeDelta::minutes(30);

/// Slack cuts a longer text.
const MAX_TEXT: usize = 40_000;

/// The workspace.
pub(super) const TEAM_ID: &str = "T0001";

/// One call of a response URL or of the bot, delivered or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostAttempt {
    /// When it arrived.
    pub at: Time,
    /// The path of the URL, or of the bot's method.
    pub response_path: String,
    /// Which use of the URL it was, from one; zero for an unknown URL and the bot.
    pub nth_use: u32,
    /// The body.
    pub payload: String,
    /// Slack's response.
    pub response: PostResponse,
}

/// Slack's response to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostResponse {
    /// The HTTP status.
    pub status: u16,
    /// `ok`, or the error.
    pub body: String,
}

impl PostResponse {
    pub(super) fn new(status: u16, body: &str) -> Self {
        let body = body.to_owned();
        Self { status, body }
    }
}

/// A response URL.
#[derive(Debug, Clone)]
pub(super) struct IssuedUrl {
    user: String,
    pub(super) channel: String,
    /// The message whose button was pressed.
    pressed_ts: Option<String>,
    issued_at: Time,
    use_count: u32,
}

/// Everything this Slack knows.
#[derive(Debug, Clone, Default)]
pub struct SlackModel {
    pub(super) issued_urls: BTreeMap<String, IssuedUrl>,
    pub(super) messages: Vec<ShownMessage>,
    pub(super) attempts: Vec<PostAttempt>,
    pub(super) bot: BotAccount,
    late_calls: Vec<LateCall>,
    trigger_count: u64,
}

impl SlackModel {
    /// The path of a new response URL for a command by `user` in `channel`.
    pub fn issue_response_url(&mut self, now: Time, user: &str, channel: &str) -> String {
        self.issue_url("commands", now, user, channel, None)
    }

    /// The path of a new response URL for a press by `user` of a button of the message at `ts` in `channel`.
    pub fn issue_action_url(&mut self, now: Time, user: &str, channel: &str, ts: &str) -> String {
        self.issue_url("actions", now, user, channel, Some(ts.to_owned()))
    }

    fn issue_url(
        &mut self,
        kind: &str,
        now: Time,
        user: &str,
        channel: &str,
        pressed_ts: Option<String>,
    ) -> String {
        let number = 397_700_000_000 + self.issued_urls.len() as u64;
        let secret = derived_hex(&format!("response {number}"));
        let path = format!("/{kind}/{TEAM_ID}/{number}/{}", &secret[..24]);
        let issued = IssuedUrl {
            user: user.to_owned(),
            channel: channel.to_owned(),
            pressed_ts,
            issued_at: now,
            use_count: 0,
        };
        self.issued_urls.insert(path.clone(), issued);
        path
    }

    /// A new trigger id; no two commands share one.
    pub fn next_trigger_id(&mut self) -> String {
        self.trigger_count += 1;
        let number = 398_738_000_000 + self.trigger_count;
        let secret = derived_hex(&format!("trigger {number}"));
        format!("{number}.47445629121.{secret}")
    }

    /// Posts a message to a response URL. Every attempt counts as a use.
    pub fn post_to_url(&mut self, now: Time, path: &str, json: &[u8]) -> PostResponse {
        let (nth_use, response) = match self.use_url(now, path, json) {
            Ok((message, replaced)) => {
                let nth_use = message.nth_use;
                match replaced.and_then(|ts| self.standing_mut(&message.channel, &ts)) {
                    Some(shown) => {
                        shown.edit(now, message.text, message.blocks);
                        shown.replaced_by.push(message.response_path);
                    }
                    None => drop(self.show(message)),
                }
                (nth_use, PostResponse::new(200, "ok"))
            }
            Err(rejected) => rejected,
        };
        self.record_attempt(now, path, nth_use, json, response)
    }

    pub(super) fn record_attempt(
        &mut self,
        at: Time,
        path: &str,
        nth_use: u32,
        json: &[u8],
        response: PostResponse,
    ) -> PostResponse {
        self.attempts.push(PostAttempt {
            at,
            response_path: path.to_owned(),
            nth_use,
            payload: String::from_utf8_lossy(json).into_owned(),
            response: response.clone(),
        });
        response
    }

    fn use_url(
        &mut self,
        now: Time,
        path: &str,
        json: &[u8],
    ) -> Result<(ShownMessage, Option<String>), (u32, PostResponse)> {
        let Some(address) = self.issued_urls.get_mut(path) else {
            return Err((0, PostResponse::new(404, "no_service")));
        };
        address.use_count += 1;
        let nth_use = address.use_count;
        let reject = |status, body: &str| (nth_use, PostResponse::new(status, body));
        if now - address.issued_at > URL_TTL {
            return Err(reject(404, r#"{"ok":false,"error":"expired_url"}"#));
        }
        if nth_use > MAX_USES {
            return Err(reject(404, r#"{"ok":false,"error":"used_url"}"#));
        }
        let content = parse_message(json).map_err(|error| reject(400, error))?;
        // Where it is gone, or was a command, the message is a new one.
        let replaced = address.pressed_ts.clone().filter(|_| content.replaces);
        Ok((content.into_message(now, address, path, nth_use), replaced))
    }

    /// Takes the immediate answer to the command of this response URL, which is JSON or plain text.
    /// An empty answer shows nothing. The error is Slack's code for an invalid body.
    pub fn receive_ack(
        &mut self,
        now: Time,
        path: &str,
        body: &[u8],
        json: bool,
    ) -> Result<Option<&ShownMessage>, &'static str> {
        let Some(address) = self.issued_urls.get(path) else {
            return Err("no_service");
        };
        let content = if body.is_empty() {
            return Ok(None);
        } else if json {
            match parse_message(body) {
                // Only `response_type`, or nothing.
                Err("no_text") => return Ok(None),
                content => content?,
            }
        } else {
            MessageContent {
                text: String::from_utf8_lossy(body).into_owned(),
                blocks: None,
                in_channel: false,
                replaces: false,
            }
        };
        let message = content.into_message(now, address, path, 0);
        self.show(message);
        Ok(self.messages.last())
    }

    /// Adds a message and gives it its timestamp.
    fn show(&mut self, mut message: ShownMessage) -> String {
        // Counts all messages, so that two of one second differ, too.
        let ts = format!("{}.{:06}", message.at.timestamp(), self.messages.len() + 1);
        message.ts.clone_from(&ts);
        self.messages.push(message);
        ts
    }

    /// Every message that was delivered, in order of posting, as it is now. One that was deleted stays
    /// and says so.
    pub fn messages(&self) -> &[ShownMessage] {
        &self.messages
    }

    /// The messages of a channel that stand now, with the replies in threads.
    pub fn standing(&self, channel: &str) -> impl Iterator<Item = &ShownMessage> {
        let there = move |message: &&ShownMessage| message.channel == channel && message.stands();
        self.messages.iter().filter(there)
    }

    /// The message at a place, deleted or not.
    pub fn message_at(&self, channel: &str, ts: &str) -> Option<&ShownMessage> {
        let mut messages = self.messages.iter();
        messages.find(|message| message.channel == channel && message.ts == ts)
    }

    fn standing_mut(&mut self, channel: &str, ts: &str) -> Option<&mut ShownMessage> {
        let is_it = |m: &&mut ShownMessage| m.channel == channel && m.ts == ts && m.stands();
        self.messages.iter_mut().find(is_it)
    }

    /// A person deletes a message; `false` if there is none.
    pub fn delete_message(&mut self, now: Time, channel: &str, ts: &str) -> bool {
        let message = self.standing_mut(channel, ts);
        message.is_some_and(|message| message.deleted_at.replace(now).is_none())
    }

    /// Every call of a response URL or of the bot, delivered or not, in order.
    pub fn attempts(&self) -> &[PostAttempt] {
        &self.attempts
    }
}

/// The content of a valid body.
pub(super) struct MessageContent {
    pub(super) text: String,
    pub(super) blocks: Option<Value>,
    in_channel: bool,
    /// Whether it takes the place of the message whose button was pressed.
    replaces: bool,
}

impl MessageContent {
    fn into_message(self, at: Time, address: &IssuedUrl, path: &str, nth_use: u32) -> ShownMessage {
        ShownMessage {
            at,
            channel: address.channel.clone(),
            ts: String::new(),
            thread_ts: None,
            is_broadcast: false,
            visible_to: (!self.in_channel).then(|| address.user.clone()),
            text: self.text,
            blocks: self.blocks,
            earlier: Vec::new(),
            edited_at: None,
            deleted_at: None,
            replaced_by: Vec::new(),
            response_path: path.to_owned(),
            nth_use,
        }
    }
}

/// Reads a message; the error is Slack's code.
pub(super) fn parse_message(json: &[u8]) -> Result<MessageContent, &'static str> {
    let mut body: Map<String, Value> =
        serde_json::from_slice(json).map_err(|_| "invalid_payload")?;
    let text = match body.remove("text") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text,
        Some(_) => return Err("invalid_payload"),
    };
    let blocks = body.remove("blocks").filter(|blocks| !blocks.is_null());
    if !blocks.as_ref().is_none_or(blocks::are_valid_blocks) {
        return Err("invalid_blocks");
    }
    let blocks = blocks.filter(|blocks| blocks.as_array().is_some_and(|list| !list.is_empty()));
    if text.is_empty() && blocks.is_none() {
        return Err("no_text");
    }
    Ok(MessageContent {
        text: text.chars().take(MAX_TEXT).collect(),
        blocks,
        in_channel: body.get("response_type").and_then(Value::as_str) == Some("in_channel"),
        replaces: body.get("replace_original") == Some(&Value::Bool(true)),
    })
}

/// 32 hexadecimal digits derived from a name.
fn derived_hex(name: &str) -> String {
    derived_uuid(name).simple().to_string()
}
