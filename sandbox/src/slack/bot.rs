//! The Web API with a bot's token, without HTTP: `chat.postMessage` and `chat.postEphemeral`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::model::{Attempt, Message, Model, PostAnswer, TEAM, parse};

/// A method of the Web API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `chat.postMessage`: the whole conversation sees it.
    PostMessage,
    /// `chat.postEphemeral`: one person sees it.
    PostEphemeral,
    /// `auth.test`: who the token's owner is.
    AuthTest,
}

impl Method {
    /// Its path, which also stands for the response address in the record.
    pub fn path(self) -> &'static str {
        match self {
            Self::PostMessage => "/api/chat.postMessage",
            Self::PostEphemeral => "/api/chat.postEphemeral",
            Self::AuthTest => "/api/auth.test",
        }
    }
}

/// What is known of a bot and of the conversations that it may meet.
#[derive(Debug, Clone, Default)]
pub(super) struct Bot {
    token: Option<String>,
    /// Every conversation there is, and whether the bot is in it.
    conversations: BTreeMap<String, bool>,
}

impl Model {
    /// The app has a bot from now on, with this token.
    pub fn install_bot(&mut self, token: &str) {
        self.bot.token = Some(token.to_owned());
    }

    /// The bot's token is worth nothing from now on.
    pub fn revoke_bot(&mut self) {
        self.bot.token = None;
    }

    /// A conversation that the bot is in.
    pub fn invite_bot(&mut self, channel: &str) {
        self.bot.conversations.insert(channel.to_owned(), true);
    }

    /// A conversation that the bot is not in, or no longer.
    pub fn remove_bot(&mut self, channel: &str) {
        self.bot.conversations.insert(channel.to_owned(), false);
    }

    /// A call of the Web API. Errors have the status 200.
    pub fn call(
        &mut self,
        now: DateTime<Utc>,
        method: Method,
        token: Option<&str>,
        json: &[u8],
    ) -> PostAnswer {
        let done = self.allowed(token).and_then(|()| match method {
            Method::AuthTest => {
                Ok(json!({"ok": true, "team_id": TEAM, "user_id": "U0BOT", "bot_id": "B0001"}))
            }
            Method::PostMessage | Method::PostEphemeral => self.say(now, method, json),
        });
        let body = done.unwrap_or_else(|error| json!({"ok": false, "error": error}));
        let answer = PostAnswer {
            status: 200,
            body: body.to_string(),
        };
        if method != Method::AuthTest {
            self.attempts.push(Attempt {
                at: now,
                response_path: method.path().to_owned(),
                nth_use: 0,
                payload: String::from_utf8_lossy(json).into_owned(),
                answer: answer.clone(),
            });
        }
        answer
    }

    fn allowed(&self, token: Option<&str>) -> Result<(), &'static str> {
        match token {
            None => Err("not_authed"),
            token if token == self.bot.token.as_deref() => Ok(()),
            Some(_) => Err("invalid_auth"),
        }
    }

    fn say(
        &mut self,
        now: DateTime<Utc>,
        method: Method,
        json: &[u8],
    ) -> Result<Value, &'static str> {
        let body: Map<String, Value> = serde_json::from_slice(json).map_err(|_| "invalid_json")?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let channel = text("channel").ok_or("invalid_arguments")?;
        let visible_to = match method {
            Method::PostEphemeral => Some(text("user").ok_or("invalid_arguments")?),
            Method::PostMessage | Method::AuthTest => None,
        };
        // Where somebody has typed a command there is a conversation, too.
        let is_known = || {
            self.addresses
                .values()
                .any(|known| known.channel == channel)
        };
        match self.bot.conversations.get(channel) {
            Some(true) => {}
            Some(false) => return Err("not_in_channel"),
            None if is_known() => return Err("not_in_channel"),
            None => return Err("channel_not_found"),
        }
        let content = parse(json).map_err(|error| match error {
            "invalid_payload" => "invalid_arguments",
            error => error,
        })?;
        let message = Message {
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
            Method::PostEphemeral => json!({"ok": true, "message_ts": ts}),
            Method::PostMessage | Method::AuthTest => {
                json!({"ok": true, "channel": channel, "ts": ts, "message": {"type": "message", "ts": ts}})
            }
        })
    }
}
