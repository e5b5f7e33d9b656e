//! The Web API with a bot's token, without HTTP: `chat.postMessage` and `chat.postEphemeral`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{PostResponse, ShownMessage, SlackModel, TEAM_ID, parse_message};
use crate::server::Time;

/// A method of the Web API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray)]
pub enum BotMethod {
    /// `chat.postMessage`: the whole conversation sees it.
    PostMessage,
    /// `chat.postEphemeral`: one person sees it.
    PostEphemeral,
    /// `auth.test`: the token's owner.
    AuthTest,
}

impl BotMethod {
    /// Its path, which the journal shows instead of a response URL.
    pub fn path(self) -> &'static str {
        match self {
            Self::PostMessage => "/api/chat.postMessage",
            Self::PostEphemeral => "/api/chat.postEphemeral",
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
            BotMethod::AuthTest => {
                Ok(json!({"ok": true, "team_id": TEAM_ID, "user_id": "U0BOT", "bot_id": "B0001"}))
            }
            _ => self.post_as_bot(now, method, json),
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

    fn post_as_bot(
        &mut self,
        now: Time,
        method: BotMethod,
        json: &[u8],
    ) -> Result<Value, &'static str> {
        let body: Map<String, Value> = serde_json::from_slice(json).map_err(|_| "invalid_json")?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let channel = text("channel").ok_or("invalid_arguments")?;
        let visible_to = match method {
            BotMethod::PostEphemeral => Some(text("user").ok_or("invalid_arguments")?),
            _ => None,
        };
        // A conversation exists if a command was typed there.
        let mut issued = self.issued_urls.values();
        match self.bot.conversations.get(channel) {
            Some(true) => {}
            Some(false) => return Err("not_in_channel"),
            None if issued.any(|issued| issued.channel == channel) => return Err("not_in_channel"),
            None => return Err("channel_not_found"),
        }
        let content = parse_message(json).map_err(|error| match error {
            "invalid_payload" => "invalid_arguments",
            error => error,
        })?;
        let message = ShownMessage {
            at: now,
            channel: channel.to_owned(),
            visible_to: visible_to.map(str::to_owned),
            text: content.text,
            blocks: content.blocks,
            response_path: method.path().to_owned(),
            nth_use: 0,
        };
        self.messages.push(message);
        let ts = format!("{}.{:06}", now.timestamp(), self.messages.len());
        Ok(match method {
            BotMethod::PostEphemeral => json!({"ok": true, "message_ts": ts}),
            _ => {
                json!({"ok": true, "channel": channel, "ts": ts, "message": {"type": "message", "ts": ts}})
            }
        })
    }
}
