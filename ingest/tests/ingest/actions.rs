//! What is queued for an action, and how it is acknowledged.

use chatops_core::command::{self, ChatCommand, DeployAction};
use chatops_core::id::RequestId;
use chatops_core::text;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::requests::{
    NOW, RESPONSE_URL, SECRET, SlackRequest, TRIGGER, USER_NAME, command, command_with, signed,
};
use crate::support::{FakeSecrets, TestIngest, one_version};

pub(crate) const ACTIONS: [&str; 4] = [
    "retry 1a2b3c4d",
    "retry 1a2b3c4d confirm",
    "cancel 1a2b3c4d",
    "cancel 0668e443-29ad-5564-9021-3d84198fbb4b",
];

pub(crate) fn parse_action(text: &str) -> DeployAction {
    match command::parse(text) {
        Ok(ChatCommand::Action(action)) => action,
        other => panic!("{other:?}"),
    }
}

fn action_id(sent: &SlackRequest) -> RequestId {
    let ingest = TestIngest::new();
    ingest.run(sent).is_to_requester("Noted");
    serde_json::from_value(ingest.queued_json()["id"].clone()).unwrap()
}

#[test]
fn the_message_says_who_what_where_and_when() {
    let short = json!({"short": "1a2b3c4d"});
    let full = json!({"full": "0668e443-29ad-5564-9021-3d84198fbb4b"});
    let retry =
        |confirm| json!({"kind": "retry", "deploy": short, "confirm": confirm, "force": false});
    let cancel = |deploy: &Value| json!({"kind": "cancel", "deploy": deploy});
    let actions = [retry(false), retry(true), cancel(&short), cancel(&full)];
    let id = RequestId::of_request("T1DC2JH3J", "A0001", TRIGGER);
    for (text, action) in ACTIONS.into_iter().zip(actions) {
        // Slack's clock is behind: the message carries the moment that Slack signed.
        let ingest = TestIngest::at_time(NOW + 120, FakeSecrets::new(one_version(SECRET)));
        ingest.run(&command(text));
        let expected = json!({
            "type": "action.v1",
            "id": id,
            "requested_by": {
                "kind": "user",
                "team": "T1DC2JH3J",
                "channel": "G8PSS9T3V",
                "user": "U2CERLKJA",
                "user_name": USER_NAME,
                "response_url": RESPONSE_URL,
            },
            "action": action,
            "requested_at": "2018-07-12T18:36:58Z",
        });
        assert_eq!(ingest.queued_json(), expected, "{text}");
    }
}

#[test]
fn only_the_requester_sees_the_acknowledgement() {
    for text in ACTIONS {
        let ingest = TestIngest::new();
        let answer = ingest.run(&command(text));
        answer.is_to_requester("Noted");
        answer.is_exactly(&text::action_accepted(&parse_action(text)));
        TestIngest::new().accepts(&command(text));
    }
}

#[test]
fn nobody_forces_from_slack() {
    let ingest = TestIngest::new();
    for text in ["retry 1a2b3c4d force", "retry 1a2b3c4d confirm force"] {
        ingest.only_answers(&command(text), "Not a command");
    }
    // Neither the text nor another field of the form can say so.
    for text in ["retry 1a2b3c4d", "retry 1a2b3c4d confirm"] {
        let ingest = TestIngest::new();
        let body = [command(text).body.as_slice(), b"&force=true"].concat();
        ingest.run(&signed(body)).is_to_requester("Noted");
        assert_eq!(ingest.queued_json()["action"]["force"], false);
    }
}

#[test]
fn a_repeated_request_is_the_same_action_and_a_new_one_is_not() {
    for text in ACTIONS {
        let id = |name, value| action_id(&command_with(text, &[(name, Some(value))]));
        let first = action_id(&command(text));
        assert_eq!(action_id(&command(text)), first);
        // Typed again, Slack gives it another trigger id.
        assert_ne!(id("trigger_id", "1.2.3"), first);
        assert_ne!(id("api_app_id", "A0002"), first);
        // Another response URL alone is no other request.
        assert_eq!(id("response_url", &format!("{RESPONSE_URL}x")), first);
    }
    // Without a trigger id, the response URL identifies it.
    let bare = |url| {
        let changes = [("trigger_id", None), ("response_url", Some(url))];
        command_with("retry 1a2b3c4d", &changes)
    };
    let first = action_id(&bare(RESPONSE_URL));
    let expected = RequestId::of_request("T1DC2JH3J", "A0001", RESPONSE_URL);
    assert_eq!(first, expected);
    assert_ne!(action_id(&bare(&format!("{RESPONSE_URL}x"))), first);
}

#[test]
fn ids_stay_what_they_were() {
    // With another derivation a replayed action would be done twice.
    let json = serde_json::to_string(&action_id(&command("retry 1a2b3c4d"))).unwrap();
    assert_snapshot!(json, @r#""107d2d75-f7f3-55ca-9d19-1857b09827c1""#);
}

#[test]
fn an_action_needs_an_idempotency_key() {
    for text in ACTIONS {
        for missing in [None, Some("")] {
            let sent = command_with(text, &[("trigger_id", missing), ("response_url", missing)]);
            TestIngest::new().only_shows(&sent, &text::no_request_id());
        }
    }
}

#[test]
fn an_action_that_cannot_be_answered_is_queued() {
    for text in ACTIONS {
        let ingest = TestIngest::new();
        let sent = command_with(text, &[("response_url", None)]);
        ingest.run(&sent).is_to_requester("Noted");
        assert!(ingest.queued_requester().response_url.is_none());
    }
}

#[test]
fn the_worker_decides_who_may_act() {
    // Ingest does not know the deploy, so it cannot decide.
    for text in ACTIONS {
        for (name, value) in [("user_id", "U0BAD"), ("channel_id", "C0BAD")] {
            let ingest = TestIngest::new();
            let sent = command_with(text, &[(name, Some(value))]);
            ingest.run(&sent).is_to_requester("Noted");
            let requester = ingest.queued_requester();
            let of = [requester.user.as_str(), requester.channel.as_str()];
            assert!(of.contains(&value), "{of:?}");
        }
    }
}
