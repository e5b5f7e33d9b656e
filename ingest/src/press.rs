//! Pressed buttons: from Slack's form to one message in the queue.
//!
//! A press is acknowledged with an empty answer; what became of it is posted to a response URL of its
//! own. Nothing in a press is believed but who pressed it and where: what it says is read like something
//! typed, and decided for the presser. What cannot be queued is answered with an error, so that Slack warns
//! the presser.

use bytes::Bytes;
use chatops_core::Time;
use chatops_core::command::{DeployAction, DeployCommand, PressMeaning, Query};
use chatops_core::id::{ChannelId, DeployId, RequestId, TeamId, UserId};
use chatops_core::message::{
    ActionMessage, ActionRequester, DeployMessage, QueryMessage, Requester, WorkMessage,
};
use chatops_core::policy;
use chatops_core::ports::IngestPorts;
use chatops_core::rejection::Rejection;
use chatops_core::secret::ResponseUrl;
use http::{Request, Response, StatusCode};
use tracing::{info, warn};

use crate::form::{Form, FormError, clean_name};
use crate::payload::Payload;
use crate::verify::VerifiedBody;
use crate::{Ingest, plain};

/// The largest press that is read, in bytes. It carries the whole message that the button is in.
pub const MAX_PRESS_BYTES: usize = 256 * 1024;

/// Where presses arrive.
pub const PRESS_PATH: &str = "/slack/interactions";

/// Who pressed, and which press it is.
#[derive(Debug)]
struct Press {
    /// Derived from the press, so that a repeated one is the same.
    id: RequestId,
    requester: Requester,
    pressed_at: Time,
}

impl<P: IngestPorts> Ingest<P> {
    /// Answers a verified press.
    pub(crate) async fn handle_press(
        &self,
        request: &Request<Bytes>,
        body: &VerifiedBody<'_>,
    ) -> Result<Response<Bytes>, FormError> {
        let invalid = FormError::InvalidField;
        let form = Form::parse(request.headers(), body.bytes)?;
        let nothing = plain(StatusCode::OK, "");
        if form.get("ssl_check") == Some("1") {
            return Ok(nothing);
        }
        let payload = form.get("payload").ok_or(invalid("payload"))?;
        let payload: Payload = serde_json::from_str(payload).map_err(|_| invalid("payload"))?;
        let Some((verb, value)) = payload.pressed() else {
            if payload.is_unknown_button() {
                let answer = self.answer_unknown_button(&payload, body.signed_at);
                return Ok(answer.await);
            }
            // Another kind of interaction.
            return Ok(nothing);
        };
        let meaning = verb.meaning(value, payload.form());
        let Some(meaning) = meaning.map_err(|_| invalid("value"))? else {
            return Ok(nothing);
        };
        let press = self.read_press(&payload, body.signed_at)?;
        let (user, verb) = (press.requester.user.clone(), verb.as_str());
        let team = &press.requester.team;
        if policy::check_team(&self.config, team).is_err() {
            warn!(%user, verb, %team, "press from a workspace that is not allowed");
            return Ok(nothing);
        }
        let message = match meaning {
            PressMeaning::Action(deploy, action) => press.action(&payload, deploy, action),
            PressMeaning::Query(query) => press.query(query),
            PressMeaning::Deploy { plan, deploy } => self.press_deploy(press, plan, deploy),
        };
        Ok(match self.send_message(message).await {
            Ok(()) => {
                info!(%user, verb, "press queued");
                nothing
            }
            // A second press of one that was queued all the same finds the first on record.
            Err(error) => {
                warn!(%user, verb, %error, "press not accepted");
                plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The press could not be queued.\n",
                )
            }
        })
    }

    /// A button of a version before or after this one: its message may be older than the last update, and the
    /// update may be taken back. Whoever presses it is told.
    async fn answer_unknown_button(&self, payload: &Payload, pressed_at: Time) -> Response<Bytes> {
        let nothing = plain(StatusCode::OK, "");
        // Not everything that Slack sends of a button can be answered.
        let Ok(press) = self.read_press(payload, pressed_at) else {
            return nothing;
        };
        let (user, team) = (press.requester.user.clone(), press.requester.team.clone());
        if policy::check_team(&self.config, &team).is_ok() {
            warn!(%user, "press of a button that this version does not know");
            if let Err(error) = self.send_message(press.query(Query::UnknownButton)).await {
                warn!(%user, %error, "press not accepted");
            }
        }
        nothing
    }

    fn read_press(&self, payload: &Payload, pressed_at: Time) -> Result<Press, FormError> {
        let invalid = FormError::InvalidField;
        let presser = payload.user.as_ref().ok_or(invalid("user"))?;
        // An app that is installed for an organisation says the workspace only of the user.
        let team = payload.team.as_ref().map(|team| &team.id);
        let team = team.or(presser.team_id.as_ref());
        let team = team
            .and_then(|id| TeamId::parse(id))
            .ok_or(invalid("team"))?;
        let channel = payload.channel.as_ref();
        let channel = channel.and_then(|place| ChannelId::parse(&place.id));
        let name = presser.username.as_ref().or(presser.name.as_ref());
        let origins = &self.config.slack.response_url_origins;
        let response_url = payload.response_url.as_deref();
        let response_url = response_url.map(|url| ResponseUrl::parse(url, origins));
        let response_url = response_url
            .transpose()
            .map_err(|_| invalid("response_url"))?;
        let trigger_id = payload.trigger_id.as_ref().ok_or(invalid("trigger_id"))?;
        Ok(Press {
            id: RequestId::of_request(team.as_str(), &payload.api_app_id, trigger_id),
            requester: Requester {
                team,
                channel: channel.ok_or(invalid("channel"))?,
                user: UserId::parse(&presser.id).ok_or(invalid("user"))?,
                user_name: name.and_then(|name| clean_name(name)),
                response_url,
                unsigned: false,
            },
            pressed_at,
        })
    }

    /// The deploy that a plan's button starts: one for each plan and presser, however often it is pressed.
    fn press_deploy(&self, press: Press, plan: RequestId, deploy: DeployCommand) -> WorkMessage {
        let Press {
            requester,
            pressed_at,
            ..
        } = &press;
        let request = requester.deploy_request(&deploy, *pressed_at, &self.config);
        let refused = policy::authorize_deploy(&self.config, &request).err();
        if refused.as_ref().is_some_and(Rejection::names_nothing) {
            // The configuration has changed. That is on no record; the plan says so.
            return press.query(Query::Plan(deploy));
        }
        WorkMessage::Deploy(Box::new(DeployMessage {
            id: DeployId::of_plan(plan, &requester.qualified_user(), &deploy.words()),
            requester: press.requester,
            deploy,
            requested_at: press.pressed_at,
            refused: refused.map(Box::new),
            press: Some(press.id),
        }))
    }
}

impl Press {
    fn action(self, payload: &Payload, deploy: DeployId, action: DeployAction) -> WorkMessage {
        WorkMessage::Action(Box::new(ActionMessage {
            id: self.id,
            requested_by: ActionRequester::User(self.requester),
            action,
            requested_at: self.pressed_at,
            card: payload.pressed_card(deploy),
        }))
    }

    fn query(self, query: Query) -> WorkMessage {
        WorkMessage::Query(Box::new(QueryMessage {
            // These leave the message where it is.
            in_place: !matches!(query, Query::Help | Query::UnknownButton),
            id: Some(self.id),
            requester: self.requester,
            query,
            requested_at: self.pressed_at,
        }))
    }
}
