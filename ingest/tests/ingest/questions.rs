//! What is queued for a question, and that nobody sees its acknowledgement.

use chatops_core::words;
use serde_json::json;

use crate::requests::{ADDRESS, NOW, SECRET, USER_NAME, command, with};
use crate::support::{Keys, Stage, only};

/// Every form of a question, and how it is queued.
fn questions() -> Vec<(&'static str, serde_json::Value)> {
    let plan = |project, branch, job| json!({"ask": "plan", "project": project, "branch": branch, "job": job});
    let history = |user, branch, status, limit| {
        json!({
            "ask": "history", "user": user, "branch": branch, "job": null, "project": null,
            "status": status, "since": null, "limit": limit, "before": null,
        })
    };
    let null = serde_json::Value::Null;
    vec![
        (
            "plan release/1 deploy",
            plan(null.clone(), "release/1", "deploy"),
        ),
        // As typed: the worker resolves aliases by the configuration of its moment.
        ("plan site main ship", plan(json!("site"), "main", "ship")),
        ("status", json!({"ask": "open"})),
        (
            "status 1A2B3C4D",
            json!({"ask": "status", "deploy": {"short": "1a2b3c4d"}}),
        ),
        (
            "status 0668e443-29ad-5564-9021-3d84198fbb4b",
            json!({"ask": "status", "deploy": {"full": "0668e443-29ad-5564-9021-3d84198fbb4b"}}),
        ),
        (
            "history",
            history(null.clone(), null.clone(), null.clone(), null.clone()),
        ),
        (
            "history user:me branch:main status:failed limit:5",
            history(
                json!("me"),
                json!("main"),
                json!({"standing": "failed"}),
                json!(5),
            ),
        ),
        ("failed", json!({"ask": "failed", "before": null})),
        (
            "failed before:1a2b3c4d",
            json!({"ask": "failed", "before": {"short": "1a2b3c4d"}}),
        ),
    ]
}

#[test]
fn the_message_says_who_what_where_and_when() {
    for (text, question) in questions() {
        // Slack's clock is behind: the message carries the moment that Slack signed.
        let stage = Stage::at(NOW + 120, Keys::new(only(SECRET)));
        stage.hears(&command(text)).shows_nothing();
        let expected = json!({
            "type": "question.v1",
            "team": "T1DC2JH3J",
            "channel": "G8PSS9T3V",
            "user": "U2CERLKJA",
            "user_name": USER_NAME,
            "reply_to": ADDRESS,
            "question": question,
            "asked_at": "2018-07-12T18:36:58Z",
        });
        assert_eq!(stage.wire(), expected, "{text}");
    }
}

#[test]
fn both_addresses_take_it() {
    for (text, _) in questions() {
        Stage::new().takes(&command(text));
    }
}

#[test]
fn a_question_needs_an_address_for_its_answer() {
    for (text, _) in questions() {
        let stage = Stage::new();
        for missing in [None, Some("")] {
            for trigger in [None, Some("1.2.3")] {
                let sent = with(text, &[("response_url", missing), ("trigger_id", trigger)]);
                stage.only_posts(&sent, &words::nowhere_to_answer());
            }
        }
    }
}

#[test]
fn a_question_needs_nothing_else_that_a_deploy_needs() {
    for (text, _) in questions() {
        let stage = Stage::new();
        let sent = with(text, &[("trigger_id", None), ("api_app_id", None)]);
        stage.hears(&sent).shows_nothing();
        assert_eq!(stage.wire()["reply_to"], ADDRESS, "{text}");
    }
}

#[test]
fn whoever_may_run_nothing_may_ask() {
    for (text, _) in questions() {
        for (name, value) in [("user_id", "U0BAD"), ("channel_id", "C0BAD")] {
            let stage = Stage::new();
            stage
                .hears(&with(text, &[(name, Some(value))]))
                .shows_nothing();
            let asker = stage.asker();
            let of = [asker.user.as_str(), asker.channel.as_str()];
            assert!(of.contains(&value), "{of:?}");
        }
    }
}
