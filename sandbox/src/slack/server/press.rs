//! What Slack does when a person presses a button.

use serde_json::{Value, json};

use super::super::blocks;
use super::super::model::TEAM_ID;
use super::super::model::bot::{BOT_ID, BOT_USER};
use super::super::model::message::ShownMessage;
use super::super::signature::signed_request;
use super::sender::{CommandRequest, CommandSender};
use crate::http;
use crate::server::{Time, now};

/// A press of a button under a message, or a choice in one of its menus.
#[derive(Debug, Clone, PartialEq)]
pub struct ButtonPress {
    /// Who, by id.
    pub user_id: String,
    /// Who, by name.
    pub user_name: String,
    /// Where, by id.
    pub channel_id: String,
    /// The timestamp of the message that the button is in; `None` for one that Slack did not show.
    pub message_ts: Option<String>,
    /// The blocks of that message, as the presser saw them.
    pub blocks: Value,
    /// Which button.
    pub action_id: String,
    /// What the button is about, or what was chosen in the menu.
    pub value: Option<String>,
    /// What stands in the fields of the message: by block and element, as in Slack's `state.values`.
    pub state: Value,
}

impl ButtonPress {
    /// The press of a message's button by the person `U0001`, where the message stands and with its fields
    /// as they were shown first; `None` if it has no such button.
    pub fn of(message: &ShownMessage, action_id: &str) -> Option<Self> {
        let blocks = message.blocks.clone()?;
        let button = blocks::element(&blocks, action_id)?;
        let value = button["value"].as_str().map(str::to_owned);
        Some(Self {
            user_id: "U0001".to_owned(),
            user_name: "ada".to_owned(),
            channel_id: message.channel.clone(),
            message_ts: Some(message.ts.clone()),
            action_id: action_id.to_owned(),
            state: blocks::initial_state(&blocks),
            blocks,
            value,
        })
    }
}

impl CommandSender {
    /// The signed request for a press with a response URL of its own, not sent yet.
    pub fn prepare_press(&self, app_url: &str, press: &ButtonPress) -> CommandRequest {
        let now = now();
        let (response_path, trigger_id, place) = {
            let mut model = self.slack.lock();
            let ts = press.message_ts.as_deref().unwrap_or_default();
            let path = model.issue_action_url(now, &press.user_id, &press.channel_id, ts);
            let pressed = model.message_at(&press.channel_id, ts);
            let place = pressed_place(now, press, pressed);
            (path, model.next_trigger_id(), place)
        };
        let element = blocks::element(&press.blocks, &press.action_id);
        let kind = element.map_or("button", |found| found["type"].as_str().unwrap_or("button"));
        let mut action = json!({
            "action_id": press.action_id, "block_id": "actions", "type": kind,
            "action_ts": format!("{}.000100", now.timestamp()),
        });
        if kind == "button" {
            action["text"] = json!({"type": "plain_text", "text": press.action_id});
            action["value"] = json!(press.value);
        } else {
            let chosen = press.value.as_deref();
            let option = element.and_then(|menu| blocks::option(menu, chosen?));
            action["selected_option"] = option.cloned().unwrap_or_default();
        }
        let mut payload = json!({
            "type": "block_actions",
            "team": {"id": TEAM_ID, "domain": "acme"},
            "enterprise": null,
            "is_enterprise_install": false,
            "user": {
                "id": press.user_id, "username": press.user_name, "name": press.user_name,
                "team_id": TEAM_ID,
            },
            "api_app_id": "A0001",
            "token": "gIkuvaNzQIHg97ATvDxqgjtO",
            "container": place.container,
            "trigger_id": trigger_id,
            "channel": {"id": press.channel_id, "name": "deploys"},
            "state": {"values": press.state},
            "response_url": format!("{}{response_path}", self.slack_url),
            "actions": [action],
        });
        if let Some(message) = place.message {
            payload["message"] = message;
        }
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &payload.to_string())
            .finish();
        CommandRequest {
            url: app_url.to_owned(),
            signed: signed_request(&self.signing_secret, now.timestamp(), body),
            response_path,
            user_id: press.user_id.clone(),
            command_line: String::new(),
        }
    }

    /// Sends a press and takes the status of the answer within Slack's limit; `None` if there was none.
    /// Slack reads nothing else of it.
    pub async fn send_press(&self, sent: &CommandRequest) -> Option<u16> {
        let (headers, body) = (&sent.signed.headers, &sent.signed.body);
        let reply = http::post(&sent.url, headers, body, self.ack_timeout).await;
        reply.ok().map(|reply| reply.status.as_u16())
    }
}

/// Where a press comes from, as its payload says it.
struct PressedPlace {
    container: Value,
    /// The message; Slack leaves out an ephemeral one.
    message: Option<Value>,
}

/// The place of a press: the message as it stands, or as the presser saw it where it is none that
/// Slack showed here.
fn pressed_place(now: Time, press: &ButtonPress, pressed: Option<&ShownMessage>) -> PressedPlace {
    let invented = format!("{}.000100", now.timestamp());
    let ts = press.message_ts.as_deref().unwrap_or(&invented);
    let is_ephemeral = pressed.is_some_and(|message| message.visible_to.is_some());
    let standing = pressed.filter(|message| message.stands());
    let blocks = standing.map_or_else(
        || press.blocks.clone(),
        |message| message.blocks.clone().unwrap_or_default(),
    );
    let text = standing.map_or("", |message| &message.text);
    let mut container = json!({
        "type": "message", "message_ts": ts, "channel_id": press.channel_id,
        "is_ephemeral": is_ephemeral,
    });
    let mut message = json!({
        "type": "message", "user": BOT_USER, "bot_id": BOT_ID, "app_id": "A0001", "team": TEAM_ID,
        "text": text, "ts": ts, "blocks": blocks,
    });
    if let Some(thread) = pressed.and_then(|message| message.thread_ts.as_deref()) {
        container["thread_ts"] = json!(thread);
        message["thread_ts"] = json!(thread);
    }
    PressedPlace {
        container,
        message: (!is_ephemeral).then_some(message),
    }
}
