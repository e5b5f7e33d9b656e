//! Pressed buttons: what Slack sends for a button that stands somewhere, through the real ingest.

use bytes::Bytes;
use chatops_core::id::{DeployId, QualifiedUser, RequestId, TeamId, UserId};
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

    /// A person asks in the form for the plan of a job on a branch.
    pub fn press_plan(&mut self, person: Person, job: &str, branch: &str) {
        if let Some(request) = self.plan_request(person, job, branch) {
            let _ = drive(self.ingest(TimeDelta::zero()).handle(request));
        }
    }

    /// The signed request of such a press.
    pub(crate) fn plan_request(
        &mut self,
        person: Person,
        job: &str,
        branch: &str,
    ) -> Option<Request<Bytes>> {
        let state = json!({
            "job": {"job": {"selected_option": {"value": job}}},
            "branch": {"branch": {"value": branch}},
        });
        let press = ButtonPress {
            user_id: person.user.to_owned(),
            user_name: String::new(),
            channel_id: person.channel.to_owned(),
            message_ts: None,
            blocks: json!([]),
            action_id: "plan".to_owned(),
            value: None,
            state,
        };
        let text = format!("plan {branch} {job}");
        self.signed_press(person, &press, text).map(|found| found.1)
    }

    /// A person presses the button of the latest plan that starts it, so often.
    pub fn press_planned(&mut self, person: Person, times: usize) {
        for _ in 0..times {
            let Some((deploy, request)) = self.planned_request(person) else {
                return;
            };
            let answer = drive(self.ingest(TimeDelta::zero()).handle(request));
            if answer.is_some_and(|answer| answer.status() == 200) {
                self.acknowledged.push(deploy);
            }
        }
    }

    /// The signed request of such a press, and the deploy that it starts. What Slack replaces meanwhile may
    /// still be on a screen.
    pub(crate) fn planned_request(&mut self, person: Person) -> Option<(DeployId, Request<Bytes>)> {
        let messages = self.slack.shown_messages().into_iter().rev();
        let mut presses = messages.filter_map(|message| {
            let earlier = message.earlier.iter().map(|version| version.blocks.clone());
            let mut shown = earlier.chain([message.blocks.clone()]);
            shown.find_map(|blocks| {
                let message = ShownMessage {
                    blocks,
                    ..message.clone()
                };
                ButtonPress::of(&message, "deploy")
            })
        });
        let press = presses.next()?;
        let (plan, words) = press.value.as_deref()?.split_once(' ')?;
        let plan = RequestId::parse(plan)?;
        let user = QualifiedUser {
            team: TeamId::parse(person.team)?,
            id: UserId::parse(person.user)?,
        };
        let deploy = DeployId::of_plan(plan, &user, words);
        let (index, request) = self.signed_press(person, &press, format!("deploy {words}"))?;
        self.typed[index].deploy = Some(deploy);
        Some((deploy, request))
    }

    fn request_of(
        &mut self,
        person: Person,
        press: &ButtonPress,
        nth: usize,
    ) -> Option<Request<Bytes>> {
        let command = match press.action_id.as_str() {
            "retry_confirm" => "retry confirm",
            verb => verb,
        };
        let text = self.action_text(command, nth)?;
        self.signed_press(person, press, text).map(|found| found.1)
    }

    /// The signed request of a press that is noted as this command, by its place there.
    fn signed_press(
        &mut self,
        person: Person,
        press: &ButtonPress,
        text: String,
    ) -> Option<(usize, Request<Bytes>)> {
        let now = self.clock.now();
        self.history.note_disturbance(now, now);
        let ts = press.message_ts.as_deref();
        let (response_url, trigger_id) =
            self.slack
                .start_press(person.user, person.channel, ts.unwrap_or_default());
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
            "state": {"values": press.state},
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
        let index = self.typed.len();
        self.typed.push(IssuedCommand {
            deploy: None,
            request: RequestId::of_request(person.team, "A0001", &trigger_id),
            person: Some(person),
            response_path: response_url.replacen(SLACK_ORIGIN, "", 1),
            text,
            typed_at: now,
            is_press: true,
        });
        let request = request.body(Bytes::from(signed.body)).ok()?;
        Some((index, request))
    }
}
