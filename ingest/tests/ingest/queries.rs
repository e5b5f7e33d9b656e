//! What is queued for a query; its acknowledgement shows nothing.

use chatops_core::id::RequestId;
use chatops_core::text;
use serde_json::{Value, json};

use crate::requests::{NOW, RESPONSE_URL, SECRET, TRIGGER, USER_NAME, command, command_with};
use crate::support::{FakeSecrets, TestIngest, one_version};

/// Every form of a query, and how it is queued.
fn typed_queries() -> Vec<(&'static str, Value)> {
    let plan = |project, branch, job| json!({"kind": "plan", "project": project, "branch": branch, "job": job});
    let history = |user, branch, status, limit| {
        json!({
            "kind": "history", "user": user, "branch": branch, "job": null, "project": null,
            "status": status, "since": null, "limit": limit, "before": null,
        })
    };
    let null = Value::Null;
    let failed = json!({"outcome": "failed"});
    vec![
        (
            "plan release/1 deploy",
            plan(null.clone(), "release/1", "deploy"),
        ),
        // As typed: the worker resolves aliases by its own configuration.
        ("plan site main ship", plan(json!("site"), "main", "ship")),
        ("status", json!({"kind": "in_progress"})),
        (
            "status 1A2B3C4D",
            json!({"kind": "status", "deploy": {"short": "1a2b3c4d"}}),
        ),
        (
            "status 0668e443-29ad-5564-9021-3d84198fbb4b",
            json!({"kind": "status", "deploy": {"full": "0668e443-29ad-5564-9021-3d84198fbb4b"}}),
        ),
        (
            "history",
            history(null.clone(), null.clone(), null.clone(), null.clone()),
        ),
        (
            "history user:me branch:main status:failed limit:5",
            history(json!("me"), json!("main"), failed, json!(5)),
        ),
        ("failed", json!({"kind": "failed", "before": null})),
        (
            "failed before:1a2b3c4d",
            json!({"kind": "failed", "before": {"short": "1a2b3c4d"}}),
        ),
    ]
}

#[test]
fn the_message_says_who_what_where_and_when() {
    for (text, query) in typed_queries() {
        // Slack's clock is behind: the message carries the moment that Slack signed.
        let ingest = TestIngest::at_time(NOW + 120, FakeSecrets::new(one_version(SECRET)));
        ingest.run(&command(text)).shows_nothing();
        let expected = json!({
            "type": "query.v1",
            "team": "T1DC2JH3J",
            "channel": "G8PSS9T3V",
            "user": "U2CERLKJA",
            "user_name": USER_NAME,
            "response_url": RESPONSE_URL,
            "query": query,
            "requested_at": "2018-07-12T18:36:58Z",
            "id": RequestId::of_request("T1DC2JH3J", "A0001", TRIGGER),
        });
        assert_eq!(ingest.queued_json(), expected, "{text}");
    }
}

#[test]
fn both_routes_take_queries() {
    for (text, _) in typed_queries() {
        TestIngest::new().accepts(&command(text));
    }
}

#[test]
fn a_query_needs_a_response_url_for_its_reply() {
    for (text, _) in typed_queries() {
        let ingest = TestIngest::new();
        for missing in [None, Some("")] {
            for trigger in [None, Some("1.2.3")] {
                let changes = [("response_url", missing), ("trigger_id", trigger)];
                let sent = command_with(text, &changes);
                ingest.only_shows(&sent, &text::no_response_url());
            }
        }
    }
}

#[test]
fn a_query_needs_nothing_else_that_a_deploy_needs() {
    for (text, _) in typed_queries() {
        let ingest = TestIngest::new();
        let sent = command_with(text, &[("trigger_id", None), ("api_app_id", None)]);
        ingest.run(&sent).shows_nothing();
        assert_eq!(ingest.queued_json()["response_url"], RESPONSE_URL, "{text}");
    }
}

#[test]
fn whoever_may_deploy_nothing_may_query() {
    for (text, _) in typed_queries() {
        for (name, value) in [("user_id", "U0BAD"), ("channel_id", "C0BAD")] {
            let ingest = TestIngest::new();
            let sent = command_with(text, &[(name, Some(value))]);
            ingest.run(&sent).shows_nothing();
            let requester = ingest.queued_requester();
            let of = [requester.user.as_str(), requester.channel.as_str()];
            assert!(of.contains(&value), "{of:?}");
        }
    }
}
