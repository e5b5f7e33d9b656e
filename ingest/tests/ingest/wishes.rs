//! What is queued for a wish, and how it is acknowledged.

use chatops_core::command::{self, Command, Wish};
use chatops_core::id::RequestId;
use chatops_core::words;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::requests::{ADDRESS, NOW, SECRET, Sent, TRIGGER, USER_NAME, command, signed, with};
use crate::support::{Keys, Stage, only};

pub(crate) const WISHES: [&str; 4] = [
    "retry 1a2b3c4d",
    "retry 1a2b3c4d confirm",
    "cancel 1a2b3c4d",
    "cancel 0668e443-29ad-5564-9021-3d84198fbb4b",
];

pub(crate) fn wish(text: &str) -> Wish {
    match command::parse(text) {
        Ok(Command::Wish(wish)) => wish,
        other => panic!("{other:?}"),
    }
}

fn id(sent: &Sent) -> RequestId {
    let stage = Stage::new();
    stage.hears(sent).is_to_asker("Noted");
    serde_json::from_value(stage.wire()["id"].clone()).unwrap()
}

#[test]
fn the_message_says_who_what_where_and_when() {
    let short = json!({"short": "1a2b3c4d"});
    let full = json!({"full": "0668e443-29ad-5564-9021-3d84198fbb4b"});
    let retry =
        |confirm| json!({"wish": "retry", "deploy": short, "confirm": confirm, "force": false});
    let cancel = |deploy: &Value| json!({"wish": "cancel", "deploy": deploy});
    let wishes = [retry(false), retry(true), cancel(&short), cancel(&full)];
    let id = RequestId::of_request("T1DC2JH3J", "A0001", TRIGGER);
    for (text, wish) in WISHES.into_iter().zip(wishes) {
        // Slack's clock is behind: the message carries the moment that Slack signed.
        let stage = Stage::at(NOW + 120, Keys::new(only(SECRET)));
        stage.hears(&command(text));
        let expected = json!({
            "type": "wish.v1",
            "id": id,
            "from": {
                "kind": "person",
                "team": "T1DC2JH3J",
                "channel": "G8PSS9T3V",
                "user": "U2CERLKJA",
                "user_name": USER_NAME,
                "reply_to": ADDRESS,
            },
            "wish": wish,
            "asked_at": "2018-07-12T18:36:58Z",
        });
        assert_eq!(stage.wire(), expected, "{text}");
    }
}

#[test]
fn only_the_asker_hears_that_it_is_noted() {
    for text in WISHES {
        let stage = Stage::new();
        let answer = stage.hears(&command(text));
        answer.is_to_asker("Noted");
        answer.says(&words::noted(&wish(text)));
        Stage::new().takes(&command(text));
    }
}

#[test]
fn nobody_forces_from_slack() {
    let stage = Stage::new();
    for text in ["retry 1a2b3c4d force", "retry 1a2b3c4d confirm force"] {
        stage.only_says(&command(text), "Not a command");
    }
    // Neither the text nor another field of the form can say so.
    for text in ["retry 1a2b3c4d", "retry 1a2b3c4d confirm"] {
        let stage = Stage::new();
        let body = [command(text).body.as_slice(), b"&force=true"].concat();
        stage.hears(&signed(body)).is_to_asker("Noted");
        assert_eq!(stage.wire()["wish"]["force"], false);
    }
}

#[test]
fn a_repeated_request_is_the_same_wish_and_a_new_one_is_not() {
    for text in WISHES {
        let first = id(&command(text));
        assert_eq!(id(&command(text)), first);
        // Typed again, Slack gives it another trigger id.
        assert_ne!(id(&with(text, &[("trigger_id", Some("1.2.3"))])), first);
        assert_ne!(id(&with(text, &[("api_app_id", Some("A0002"))])), first);
        // Another reply address alone is no other request.
        let moved = format!("{ADDRESS}x");
        assert_eq!(id(&with(text, &[("response_url", Some(&moved))])), first);
    }
    // Without a trigger id, the reply address stands in.
    let bare = |address| {
        with(
            "retry 1a2b3c4d",
            &[("trigger_id", None), ("response_url", Some(address))],
        )
    };
    let first = id(&bare(ADDRESS));
    assert_eq!(first, RequestId::of_request("T1DC2JH3J", "A0001", ADDRESS));
    assert_ne!(id(&bare(&format!("{ADDRESS}x"))), first);
}

#[test]
fn ids_stay_what_they_were() {
    // A changed derivation would let a replayed wish be done twice.
    let json = serde_json::to_string(&id(&command("retry 1a2b3c4d"))).unwrap();
    assert_snapshot!(json, @r#""42bcd263-6a37-5f4b-a05a-f4a4e006e41f""#);
}

#[test]
fn a_wish_needs_something_that_makes_it_unique() {
    for text in WISHES {
        for missing in [None, Some("")] {
            let sent = with(text, &[("trigger_id", missing), ("response_url", missing)]);
            Stage::new().only_posts(&sent, &words::no_identity());
        }
    }
}

#[test]
fn a_wish_that_cannot_be_answered_is_queued() {
    for text in WISHES {
        let stage = Stage::new();
        let sent = with(text, &[("response_url", None)]);
        stage.hears(&sent).is_to_asker("Noted");
        assert!(stage.asker().reply_to.is_none());
    }
}

#[test]
fn the_policy_of_a_wish_is_the_workers() {
    // Ingest does not know the deploy, so it cannot know who may.
    for text in WISHES {
        for (name, value) in [("user_id", "U0BAD"), ("channel_id", "C0BAD")] {
            let stage = Stage::new();
            stage
                .hears(&with(text, &[(name, Some(value))]))
                .is_to_asker("Noted");
            let asker = stage.asker();
            let of = [asker.user.as_str(), asker.channel.as_str()];
            assert!(of.contains(&value), "{of:?}");
        }
    }
}
