//! Pressed buttons: from Slack's form to one message in the queue.
//!
//! A press is acknowledged with an empty answer; what became of it is posted to a response URL of its
//! own. Nothing in a press is believed but who pressed it and where: the worker decides about the
//! deploy as it stands. What cannot be queued is answered with an error, so that Slack warns the
//! presser.

use bytes::Bytes;
use chatops_core::Time;
use chatops_core::command::{ButtonVerb, DeployAction};
use chatops_core::id::{ChannelId, DeployId, RequestId, TeamId, UserId};
use chatops_core::message::{ActionMessage, ActionRequester, Requester, WorkMessage};
use chatops_core::policy;
use chatops_core::ports::IngestPorts;
use chatops_core::posted::{MessageTs, PostedMessage};
use chatops_core::secret::ResponseUrl;
use chatops_core::text::{MessageKind, MessageMark};
use http::{Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use tracing::{info, warn};

use crate::form::{Form, FormError, clean_name};
use crate::verify::VerifiedBody;
use crate::{Ingest, plain};

/// The largest press that is read, in bytes. It carries the whole message that the button is in.
pub const MAX_PRESS_BYTES: usize = 256 * 1024;

/// Where presses arrive.
pub const PRESS_PATH: &str = "/slack/interactions";

/// What Slack sends of a press, as far as it is read. Unknown fields are ignored.
#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    team: Option<Named>,
    user: Option<Presser>,
    channel: Option<Named>,
    #[serde(default)]
    api_app_id: String,
    trigger_id: Option<String>,
    response_url: Option<String>,
    #[serde(default)]
    actions: Vec<PressedElement>,
    /// Where the button is, and in which message; an ephemeral one is left out.
    #[serde(default)]
    container: Value,
    #[serde(default)]
    message: Value,
}

impl Payload {
    /// The message, if it is a card of this deploy. What it says of itself decides nothing but which of the
    /// bot's own messages is looked at again.
    fn pressed_card(&self, deploy: DeployId) -> Option<PostedMessage> {
        let block_id = self.message["blocks"][0]["block_id"].as_str()?;
        let mark = MessageMark::parse(block_id)?;
        let is_card = mark.kind == MessageKind::Card && mark.deploy == Some(deploy);
        is_card.then_some(PostedMessage {
            channel: ChannelId::parse(self.container["channel_id"].as_str()?)?,
            ts: MessageTs::parse(self.container["message_ts"].as_str()?)?,
        })
    }
}

#[derive(Debug, Deserialize)]
struct Named {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Presser {
    id: String,
    username: Option<String>,
    name: Option<String>,
    team_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PressedElement {
    #[serde(default)]
    action_id: String,
    value: Option<String>,
}

/// A press that asks for something.
#[derive(Debug)]
struct Press {
    requester: Requester,
    app: String,
    trigger_id: String,
    action: DeployAction,
    card: Option<PostedMessage>,
}

/// What a payload is.
#[derive(Debug)]
enum Pressed {
    /// It asks for something.
    Asks(Box<Press>),
    /// It means nothing to us: a link that was opened, or another kind of interaction.
    Nothing,
}

impl<P: IngestPorts> Ingest<P> {
    /// Answers a verified press.
    pub(crate) async fn handle_press(
        &self,
        request: &Request<Bytes>,
        body: &VerifiedBody<'_>,
    ) -> Result<Response<Bytes>, FormError> {
        let form = Form::parse(request.headers(), body.bytes)?;
        if form.get("ssl_check") == Some("1") {
            return Ok(plain(StatusCode::OK, ""));
        }
        let payload = form
            .get("payload")
            .ok_or(FormError::InvalidField("payload"))?;
        match self.read_payload(payload)? {
            Pressed::Nothing => Ok(plain(StatusCode::OK, "")),
            Pressed::Asks(press) => Ok(self.queue_press(*press, body.signed_at).await),
        }
    }

    fn read_payload(&self, json: &str) -> Result<Pressed, FormError> {
        let invalid = FormError::InvalidField;
        let payload: Payload = serde_json::from_str(json).map_err(|_| invalid("payload"))?;
        let verb = payload
            .actions
            .first()
            .and_then(|pressed| ButtonVerb::parse(&pressed.action_id));
        let (Some(verb), "block_actions") = (verb, payload.kind.as_str()) else {
            return Ok(Pressed::Nothing);
        };
        let value = payload.actions.first();
        let value = value.and_then(|pressed| pressed.value.as_deref());
        let value = value.unwrap_or_default();
        if verb == ButtonVerb::Open {
            return Ok(Pressed::Nothing);
        }
        let deploy = DeployId::parse(value).map_err(|_| invalid("value"))?;
        let Some(action) = verb.action(deploy) else {
            return Ok(Pressed::Nothing);
        };
        let card = payload.pressed_card(deploy);
        let presser = payload.user.ok_or(invalid("user"))?;
        // An app that is installed for an organisation says the workspace only of the user.
        let team = payload.team.map(|team| team.id).or(presser.team_id);
        let team = team.as_deref().and_then(TeamId::parse);
        let channel = payload
            .channel
            .and_then(|place| ChannelId::parse(&place.id));
        let name = presser.username.or(presser.name);
        let origins = &self.config.slack.response_url_origins;
        let response_url = payload.response_url.as_deref();
        let response_url = response_url.map(|url| ResponseUrl::parse(url, origins));
        let response_url = response_url
            .transpose()
            .map_err(|_| invalid("response_url"))?;
        Ok(Pressed::Asks(Box::new(Press {
            requester: Requester {
                team: team.ok_or(invalid("team"))?,
                channel: channel.ok_or(invalid("channel"))?,
                user: UserId::parse(&presser.id).ok_or(invalid("user"))?,
                user_name: name.as_deref().and_then(clean_name),
                response_url,
                unsigned: false,
            },
            app: payload.api_app_id,
            trigger_id: payload.trigger_id.ok_or(invalid("trigger_id"))?,
            action,
            card,
        })))
    }

    async fn queue_press(&self, press: Press, pressed_at: Time) -> Response<Bytes> {
        let Press {
            requester,
            app,
            trigger_id,
            action,
            card,
        } = press;
        let (user, verb) = (requester.user.clone(), action.verb().as_str());
        if policy::check_team(&self.config, &requester.team).is_err() {
            warn!(%user, verb, team = %requester.team, "press from a workspace that is not allowed");
            return plain(StatusCode::OK, "");
        }
        let message = ActionMessage {
            id: RequestId::of_request(requester.team.as_str(), &app, &trigger_id),
            requested_by: ActionRequester::User(requester),
            action,
            requested_at: pressed_at,
            card,
        };
        match self
            .send_message(WorkMessage::Action(Box::new(message)))
            .await
        {
            Ok(()) => {
                info!(%user, verb, "press queued");
                plain(StatusCode::OK, "")
            }
            // A second press of one that was queued all the same finds the first on record.
            Err(error) => {
                warn!(%user, verb, %error, "press not accepted");
                plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The press could not be queued.\n",
                )
            }
        }
    }
}
