//! Pressed buttons: what Slack sends for a button that stands somewhere, through the real ingest.

use bytes::Bytes;
use chatops_core::id::RequestId;
use chatops_core::ports::Clock;
use chatops_sandbox::slack::{ButtonPress, ShownMessage, signed_request};
use chrono::TimeDelta;
use http::Request;
use serde_json::json;

use super::{SIGNING_SECRET, World};
use crate::crash_points::drive;
use crate::outside::{SLACK_ORIGIN, mark_of};
use crate::people::{IssuedCommand, Person};
use chatops_core::text::MessageKind;

impl World {
    /// A person presses a button of the deploy that is the `nth` on record, in the message that was shown
    /// last with it.
    pub fn press(&mut self, person: Person, action_id: &str, nth: usize) {
        if let Some(request) = self.press_request(person, action_id, nth) {
            let _ = drive(self.ingest(TimeDelta::zero()).handle(request));
        }
    }

    /// A person presses a button of the first card that stands.
    pub fn press_first_card(&mut self, person: Person, action_id: &str) {
        if let Some(request) = self.first_card_request(person, action_id) {
            let _ = drive(self.ingest(TimeDelta::zero()).handle(request));
        }
    }

    /// The signed request of such a press.
    pub(crate) fn first_card_request(
        &mut self,
        person: Person,
        action_id: &str,
    ) -> Option<Request<Bytes>> {
        let is_card = |message: &ShownMessage| {
            mark_of(message).is_some_and(|mark| mark.kind == MessageKind::Card)
        };
        let messages = self.slack.shown_messages().into_iter();
        let mut cards = messages.filter(|message| message.stands() && is_card(message));
        let card = cards.next()?;
        let deploy = mark_of(&card)?.deploy?;
        let nth = self
            .deploys()
            .iter()
            .position(|record| record.id == deploy)?;
        let press = ButtonPress::of(&card, action_id)?;
        self.request_of(person, &press, nth)
    }

    /// A person deletes the card of the deploy that is the `nth` on record.
    pub fn delete_card(&mut self, nth: usize) {
        let deploys = self.deploys();
        let Some(deploy) = deploys.get(nth) else {
            return;
        };
        let mut notifications = self.ledger.notifications().into_iter();
        let of_deploy = notifications.find(|one| one.deploy == deploy.id);
        if let Some(at) = of_deploy.and_then(|one| one.card).and_then(|card| card.at) {
            self.slack.delete_message(&at);
        }
    }

    /// The signed request of such a press.
    pub(crate) fn press_request(
        &mut self,
        person: Person,
        action_id: &str,
        nth: usize,
    ) -> Option<Request<Bytes>> {
        let deploy = self.deploys().get(nth)?.id.to_string();
        let messages = self.slack.shown_messages().into_iter().rev();
        let presses = messages.filter(ShownMessage::stands);
        let mut presses = presses.filter_map(|message| ButtonPress::of(&message, action_id));
        let press = presses.find(|press| press.value.as_deref() == Some(&deploy))?;
        self.request_of(person, &press, nth)
    }

    fn request_of(
        &mut self,
        person: Person,
        press: &ButtonPress,
        nth: usize,
    ) -> Option<Request<Bytes>> {
        let now = self.clock.now();
        self.history.note_disturbance(now, now);
        let (response_url, trigger_id) = self.slack.start_command(person.user, person.channel);
        let ts = press.message_ts.as_deref();
        let payload = json!({
            "type": "block_actions",
            "team": {"id": person.team},
            "user": {"id": person.user, "team_id": person.team},
            "api_app_id": "A0001",
            "container": {"type": "message", "message_ts": ts, "channel_id": press.channel_id},
            "message": {"ts": ts, "blocks": press.blocks},
            "trigger_id": trigger_id,
            "channel": {"id": person.channel},
            "response_url": response_url,
            "actions": [{"action_id": press.action_id, "value": press.value}],
        });
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &payload.to_string())
            .finish();
        let signed = signed_request(SIGNING_SECRET, now.timestamp(), body);
        let mut request = Request::post("/slack/interactions");
        for (name, value) in &signed.headers {
            request = request.header(*name, value);
        }
        let command = match press.action_id.as_str() {
            "retry_confirm" => "retry confirm",
            verb => verb,
        };
        self.typed.push(IssuedCommand {
            deploy: None,
            request: RequestId::of_request(person.team, "A0001", &trigger_id),
            person: Some(person),
            response_path: response_url.replacen(SLACK_ORIGIN, "", 1),
            text: self.action_text(command, nth)?,
            typed_at: now,
            is_press: true,
        });
        request.body(Bytes::from(signed.body)).ok()
    }
}
