//! The Web API with a bot's token, without HTTP: posts, edits and deletions.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::message::ShownMessage;
use super::{MessageContent, PostResponse, SlackModel, TEAM_ID, parse_message};
use crate::server::Time;

/// The bot.
pub(in crate::slack) const BOT_ID: &str = "B0001";

/// The user that the bot is.
pub(in crate::slack) const BOT_USER: &str = "U0BOT";

/// An edit refuses a longer text; a post cuts it, and far later.
const MAX_EDITED_TEXT: usize = 4000;

/// A method of the Web API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::VariantArray)]
pub enum BotMethod {
    /// `chat.postMessage`: the whole conversation sees it.
    PostMessage,
    /// `chat.postEphemeral`: one person sees it.
    PostEphemeral,
    /// `chat.update`: a message of the bot shows something else.
    Update,
    /// `chat.delete`: a message of the bot is gone.
    Delete,
    /// `auth.test`: the token's owner.
    AuthTest,
}

impl BotMethod {
    /// Its path, which the journal shows instead of a response URL.
    pub fn path(self) -> &'static str {
        match self {
            Self::PostMessage => "/api/chat.postMessage",
            Self::PostEphemeral => "/api/chat.postEphemeral",
            Self::Update => "/api/chat.update",
            Self::Delete => "/api/chat.delete",
            Self::AuthTest => "/api/auth.test",
        }
    }
}

/// A bot and the conversations that exist.
#[derive(Debug, Clone, Default)]
pub(crate) struct BotAccount {
    token: Option<String>,
    /// Every conversation, and whether the bot is in it.
    conversations: BTreeMap<String, bool>,
}

impl SlackModel {
    /// The app has a bot from now on, with this token.
    pub fn install_bot(&mut self, token: &str) {
        self.bot.token = Some(token.to_owned());
    }

    /// The bot's token is invalid from now on.
    pub fn revoke_bot(&mut self) {
        self.bot.token = None;
    }

    /// Adds the bot to a conversation.
    pub fn invite_bot(&mut self, channel: &str) {
        self.bot.conversations.insert(channel.to_owned(), true);
    }

    /// Adds a conversation without the bot, or removes the bot from it.
    pub fn remove_bot(&mut self, channel: &str) {
        self.bot.conversations.insert(channel.to_owned(), false);
    }

    /// A call of the Web API. Errors have the status 200.
    pub fn call_bot(
        &mut self,
        now: Time,
        method: BotMethod,
        token: Option<&str>,
        json: &[u8],
    ) -> PostResponse {
        let done = self.check_token(token).and_then(|()| match method {
            BotMethod::AuthTest => Ok(json!({
                "ok": true, "team": "Acme", "team_id": TEAM_ID, "user": "chatops",
                "user_id": BOT_USER, "bot_id": BOT_ID,
            })),
            BotMethod::PostMessage | BotMethod::PostEphemeral => {
                self.post_as_bot(now, method, &CallBody::read(json)?)
            }
            BotMethod::Update => self.edit_as_bot(now, &CallBody::read(json)?),
            BotMethod::Delete => self.delete_as_bot(now, &CallBody::read(json)?),
        });
        let body = done.unwrap_or_else(|error| json!({"ok": false, "error": error}));
        let response = PostResponse::new(200, &body.to_string());
        if method == BotMethod::AuthTest {
            return response;
        }
        self.record_attempt(now, method.path(), 0, json, response)
    }

    fn check_token(&self, token: Option<&str>) -> Result<(), &'static str> {
        match token {
            None => Err("not_authed"),
            token if token == self.bot.token.as_deref() => Ok(()),
            Some(_) => Err("invalid_auth"),
        }
    }

    /// Whether the bot is in a conversation.
    fn check_member(&self, channel: &str) -> Result<(), &'static str> {
        // A conversation exists if a command was typed there.
        let mut issued = self.issued_urls.values();
        match self.bot.conversations.get(channel) {
            Some(true) => Ok(()),
            Some(false) => Err("not_in_channel"),
            None if issued.any(|issued| issued.channel == channel) => Err("not_in_channel"),
            None => Err("channel_not_found"),
        }
    }

    fn post_as_bot(
        &mut self,
        now: Time,
        method: BotMethod,
        body: &CallBody<'_>,
    ) -> Result<Value, &'static str> {
        let channel = body.required("channel")?;
        let visible_to = match method {
            BotMethod::PostEphemeral => Some(body.required("user")?),
            _ => None,
        };
        self.check_member(channel)?;
        let content = body.content()?;
        // Slack documents no error for a thread that does not exist.
        let thread_ts = body.text("thread_ts").map(str::to_owned);
        let is_broadcast = thread_ts.is_some() && body.is_set("reply_broadcast");
        let ts = self.show(ShownMessage {
            at: now,
            channel: channel.to_owned(),
            ts: String::new(),
            thread_ts,
            is_broadcast,
            visible_to: visible_to.map(str::to_owned),
            text: content.text,
            blocks: content.blocks,
            earlier: Vec::new(),
            edited_at: None,
            deleted_at: None,
            replaced_by: Vec::new(),
            response_path: method.path().to_owned(),
            nth_use: 0,
        });
        if method == BotMethod::PostEphemeral {
            return Ok(json!({"ok": true, "message_ts": ts}));
        }
        let message = json!({"type": "message", "ts": ts, "bot_id": BOT_ID});
        Ok(json!({"ok": true, "channel": channel, "ts": ts, "message": message}))
    }

    /// The bot's own message that a call names; `foreign` is the error for another's.
    fn own_message(
        &mut self,
        body: &CallBody<'_>,
        foreign: &'static str,
    ) -> Result<&mut ShownMessage, &'static str> {
        let (channel, ts) = (body.required("channel")?, body.required("ts")?);
        self.check_member(channel)?;
        match self.standing_mut(channel, ts) {
            None => Err("message_not_found"),
            Some(message) if message.is_own() => Ok(message),
            Some(_) => Err(foreign),
        }
    }

    /// A text without blocks removes the blocks. There is no version: the last call wins.
    fn edit_as_bot(&mut self, now: Time, body: &CallBody<'_>) -> Result<Value, &'static str> {
        let message = self.own_message(body, "cant_update_message")?;
        let content = body.content()?;
        if content.text.chars().count() > MAX_EDITED_TEXT {
            return Err("msg_too_long");
        }
        let answer = json!({
            "ok": true, "channel": message.channel, "ts": message.ts, "text": content.text,
            "message": {"type": "message", "text": content.text, "bot_id": BOT_ID},
        });
        message.edit(now, content.text, content.blocks);
        Ok(answer)
    }

    fn delete_as_bot(&mut self, now: Time, body: &CallBody<'_>) -> Result<Value, &'static str> {
        let message = self.own_message(body, "cant_delete_message")?;
        message.deleted_at = Some(now);
        Ok(json!({"ok": true, "channel": message.channel, "ts": message.ts}))
    }
}

/// The body of a call.
struct CallBody<'a> {
    json: &'a [u8],
    fields: Map<String, Value>,
}

impl<'a> CallBody<'a> {
    fn read(json: &'a [u8]) -> Result<Self, &'static str> {
        let fields = serde_json::from_slice(json).map_err(|_| "invalid_json")?;
        Ok(Self { json, fields })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    fn required(&self, name: &str) -> Result<&str, &'static str> {
        self.text(name).ok_or("invalid_arguments")
    }

    fn is_set(&self, name: &str) -> bool {
        self.fields.get(name) == Some(&Value::Bool(true))
    }

    fn content(&self) -> Result<MessageContent, &'static str> {
        parse_message(self.json).map_err(|error| match error {
            "invalid_payload" => "invalid_arguments",
            error => error,
        })
    }
}
