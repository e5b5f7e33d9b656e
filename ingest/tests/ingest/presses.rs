//! Pressed buttons: who is believed, what is queued, and what is answered.

use chatops_core::command::ButtonVerb;
use chatops_core::id::RequestId;
use chatops_core::ports::SendError;
use chatops_ingest::{MAX_PRESS_BYTES, PRESS_PATH};
use http::Request;
use serde_json::{Value, json};

use crate::requests::{NOW, SECRET, SlackRequest, TOKEN, TRIGGER, USER_NAME, signed};
use crate::support::{FakeSecrets, TestIngest, TestResponse, one_version};

/// A press's own response URL.
pub(crate) const PRESS_URL: &str =
    "https://hooks.slack.com/actions/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXa";

const DEPLOY: &str = "0668e443-29ad-5564-9021-3d84198fbb4b";

/// A press as Slack documents it, in a message of the whole channel.
pub(crate) fn payload(action_id: &str) -> Value {
    json!({
        "type": "block_actions",
        "user": {"id": "U2CERLKJA", "username": USER_NAME, "name": USER_NAME, "team_id": "T1DC2JH3J"},
        "api_app_id": "A0001",
        "token": TOKEN,
        "container": {
            "type": "message", "message_ts": "1548261231.000200",
            "channel_id": "G8PSS9T3V", "is_ephemeral": false,
        },
        "trigger_id": TRIGGER,
        "team": {"id": "T1DC2JH3J", "domain": "acme"},
        "enterprise": null,
        "is_enterprise_install": false,
        "channel": {"id": "G8PSS9T3V", "name": "deploys"},
        "message": {"bot_id": "B0001", "type": "message", "text": "x", "ts": "1548261231.000200"},
        "state": {"values": {}},
        "response_url": PRESS_URL,
        "actions": [{
            "action_id": action_id, "block_id": "b", "value": DEPLOY, "type": "button",
            "text": {"type": "plain_text", "text": "Cancel"}, "action_ts": "1548426417.840180",
        }],
    })
}

pub(crate) fn press_of(payload: &Value) -> SlackRequest {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("payload", &payload.to_string());
    signed(form.finish())
}

fn press(ingest: &TestIngest, payload: &Value) -> TestResponse {
    ingest.send(press_of(payload).to_route(PRESS_PATH))
}

/// Answered so, and nothing is queued.
fn refuses(sent: &SlackRequest, status: u16) -> String {
    let ingest = TestIngest::new();
    let answer = ingest.send(sent.to_route(PRESS_PATH));
    assert_eq!(answer.status, status, "{sent:?}: {}", answer.text);
    assert_eq!(ingest.queued_count(), 0);
    answer.text
}

#[test]
fn a_press_becomes_the_typed_command() {
    let full = json!({"full": DEPLOY});
    for (action_id, action) in [
        ("cancel", json!({"kind": "cancel", "deploy": full})),
        (
            "retry",
            json!({"kind": "retry", "deploy": full, "confirm": false, "force": false}),
        ),
        (
            "retry_confirm",
            json!({"kind": "retry", "deploy": full, "confirm": true, "force": false}),
        ),
        ("dismiss", json!({"kind": "dismiss", "deploy": full})),
    ] {
        let ingest = TestIngest::at_time(NOW + 120, FakeSecrets::new(one_version(SECRET)));
        press(&ingest, &payload(action_id)).shows_nothing();
        let expected = json!({
            "type": "action.v1",
            "id": RequestId::of_request("T1DC2JH3J", "A0001", TRIGGER),
            "requested_by": {
                "kind": "user",
                "team": "T1DC2JH3J",
                "channel": "G8PSS9T3V",
                "user": "U2CERLKJA",
                "user_name": USER_NAME,
                "response_url": PRESS_URL,
            },
            "action": action,
            "requested_at": "2018-07-12T18:36:58Z",
        });
        assert_eq!(ingest.queued_json(), expected, "{action_id}");
    }
}

#[test]
fn a_link_that_was_opened_and_what_is_not_ours_is_acknowledged_and_dropped() {
    let with = |name: &str, value: Value| {
        let mut payload = payload("cancel");
        payload[name] = value;
        payload
    };
    // A button of another version in a place that has no channel.
    let mut nowhere = payload("approve_v2");
    nowhere["channel"] = Value::Null;
    for payload in [
        payload(ButtonVerb::Open.as_str()),
        nowhere,
        with("actions", json!([])),
        with("type", json!("view_submission")),
        json!({"type": "shortcut"}),
    ] {
        let ingest = TestIngest::new();
        press(&ingest, &payload).shows_nothing();
        assert_eq!(ingest.queued_count(), 0);
    }
}

#[test]
fn a_button_of_another_version_is_answered() {
    let mut other = payload("approve_v2");
    other["actions"][0]["value"] = json!("x");
    let ingest = TestIngest::new();
    press(&ingest, &other).shows_nothing();
    let queued = ingest.queued_json();
    assert_eq!(queued["type"], "query.v1");
    assert_eq!(queued["query"]["kind"], "unknown_button");
    assert_eq!(queued["user"], "U2CERLKJA");
    // The message with the button stays.
    assert_ne!(queued["in_place"], true);
    // Nobody else's workspace is answered.
    other["team"] = json!({"id": "T0OTHER"});
    let ingest = TestIngest::new();
    press(&ingest, &other).shows_nothing();
    assert_eq!(ingest.queued_count(), 0);
}

/// A press in a message whose first block says that it is this.
fn press_in(block_id: &str) -> Value {
    let mut payload = payload("cancel");
    let blocks = json!([{"type": "section", "block_id": block_id}, {"type": "actions"}]);
    payload["message"]["blocks"] = blocks;
    payload
}

#[test]
fn a_press_says_which_card_it_was_in() {
    let card = |payload: &Value| {
        let ingest = TestIngest::new();
        press(&ingest, payload).shows_nothing();
        ingest.queued_json()["card"].clone()
    };
    let ours = press_in(&format!("card:{DEPLOY}"));
    let place = json!({"channel": "G8PSS9T3V", "ts": "1548261231.000200"});
    assert_eq!(card(&ours), place);
    assert_eq!(card(&press_in(&format!("card:{DEPLOY}:repeat"))), place);
    // Another deploy's, another message's, and what cannot be read: the press counts all the same.
    let other = "card:f643ce10-7507-5ba4-a5e5-a01266e1559c".to_owned();
    for block_id in [
        other,
        format!("final:{DEPLOY}"),
        "card".to_owned(),
        String::new(),
    ] {
        assert_eq!(card(&press_in(&block_id)), Value::Null, "{block_id}");
    }
    for (name, value) in [
        ("container", Value::Null),
        ("container", json!("x")),
        (
            "container",
            json!({"message_ts": 1.5, "channel_id": "G8PSS9T3V"}),
        ),
        (
            "container",
            json!({"message_ts": "yesterday", "channel_id": "G8PSS9T3V"}),
        ),
        (
            "container",
            json!({"message_ts": "1548261231.000200", "channel_id": null}),
        ),
        ("message", Value::Null),
        ("message", json!([])),
        ("message", json!({"blocks": null})),
        ("message", json!({"blocks": [null]})),
        ("message", json!({"blocks": {"0": 1}})),
    ] {
        let mut odd = ours.clone();
        odd[name] = value;
        assert_eq!(card(&odd), Value::Null, "{odd}");
    }
}

#[test]
fn the_workspace_may_be_that_of_the_user() {
    let mut payload = payload("cancel");
    payload["team"] = Value::Null;
    payload["enterprise"] = json!({"id": "E0001", "name": "acme"});
    payload["is_enterprise_install"] = json!(true);
    let ingest = TestIngest::new();
    press(&ingest, &payload).shows_nothing();
    assert_eq!(ingest.queued_requester().team.as_str(), "T1DC2JH3J");
}

#[test]
fn what_is_missing_or_forged_is_refused() {
    for (name, value, what) in [
        ("user", Value::Null, "user"),
        ("user", json!({"id": "ana"}), "team"),
        ("channel", Value::Null, "channel"),
        ("channel", json!({"id": "deploys"}), "channel"),
        ("trigger_id", Value::Null, "trigger_id"),
        (
            "response_url",
            json!("https://evil.example.com/x"),
            "response_url",
        ),
        (
            "response_url",
            json!("https://hooks.slack.com@evil.example.com/"),
            "response_url",
        ),
        ("actions", json!({}), "payload"),
        (
            "actions",
            json!([{"action_id": "cancel", "value": "1a2b3c4d"}]),
            "value",
        ),
        ("actions", json!([{"action_id": "cancel"}]), "value"),
    ] {
        let mut payload = payload("cancel");
        payload[name] = value.clone();
        if what == "team" {
            payload["team"] = Value::Null;
        }
        let said = refuses(&press_of(&payload), 400);
        let expected = format!("Not a press: the form has no valid '{what}'.\n");
        assert_eq!(said, expected, "{name}: {value}");
    }
    for body in ["", "payload=", "payload=%7B", "text=cancel", "payload=[]"] {
        let said = refuses(&signed(body), 400);
        assert!(said.starts_with("Not a press: "), "{said}");
    }
}

#[test]
fn only_a_signature_vouches_for_a_press() {
    let sent = press_of(&payload("cancel"));
    refuses(&sent.clone().unsigned(), 401);
    refuses(&sent.clone().with_body(b"payload=%7B%7D".to_vec()), 401);
    // The legacy token is for commands.
    let secrets = FakeSecrets::new(one_version(SECRET)).with_secret(
        chatops_core::ports::SecretName::SlackVerification,
        one_version(TOKEN),
    );
    let ingest = TestIngest::with_secrets(secrets);
    let body = [&sent.body[..], b"&token=", TOKEN.as_bytes()].concat();
    let answer = ingest.send(sent.with_body(body).unsigned().to_route(PRESS_PATH));
    assert_eq!((answer.status.as_u16(), ingest.queued_count()), (401, 0));
}

#[test]
fn other_workspaces_press_in_vain() {
    let mut payload = payload("cancel");
    payload["team"]["id"] = json!("T0OTHER");
    let ingest = TestIngest::new();
    press(&ingest, &payload).shows_nothing();
    assert_eq!(ingest.queued_count(), 0);
}

#[test]
fn what_is_not_queued_is_warned_of() {
    for error in [SendError::not_sent("full"), SendError::unknown("reset")] {
        let ingest = TestIngest::with_send_error(error);
        let answer = press(&ingest, &payload("retry"));
        assert_eq!(answer.status, 503);
    }
}

#[test]
fn a_press_carries_a_whole_message() {
    let mut large = payload("cancel");
    large["message"]["blocks"] = json!("x".repeat(200 * 1024));
    let ingest = TestIngest::new();
    press(&ingest, &large).shows_nothing();
    assert_eq!(ingest.queued_count(), 1);
    large["message"]["blocks"] = json!("x".repeat(MAX_PRESS_BYTES));
    let said = refuses(&press_of(&large), 413);
    assert_eq!(said, "The body is larger than 256 KiB.\n");
}

#[test]
fn the_address_takes_posts() {
    let ingest = TestIngest::new();
    let get = Request::get(PRESS_PATH).body(bytes::Bytes::new()).unwrap();
    let answer = ingest.send(get);
    assert_eq!(
        (answer.status.as_u16(), answer.headers["allow"].as_bytes()),
        (405, &b"POST"[..])
    );
    // Slack tests the certificate without a signature.
    let probe = signed("ssl_check=1&token=x").unsigned();
    let answer = ingest.send(probe.to_route(PRESS_PATH));
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
}
