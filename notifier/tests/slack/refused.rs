//! What Slack refuses, and in which words.

use chatops_core::ports::Chat as _;
use chatops_core::reply::Posted;

use crate::support::{
    PATH, answer, answered, client, issued, meets, outcome, post, refuse, refused, sandbox, shown,
    stored,
};

#[tokio::test]
async fn a_refusal_may_hide_in_a_200() {
    for (body, why) in [
        (r#"{"ok":false,"error":"expired_url"}"#, "expired_url"),
        (r#"{"ok":false,"error":"Expired url"}"#, "Expired url"),
        (
            r#"{"error":"used_url", "more":[1], "ok":false}"#,
            "used_url",
        ),
        (r#"{"ok":false}"#, "200 OK"),
        (r#"{"ok":false,"error":null}"#, "200 OK"),
        (r#"{"ok":false,"error":{"code":"expired_url"}}"#, "200 OK"),
    ] {
        assert_eq!(outcome("200 OK", body).await, refused(why), "{body}");
    }
}

#[tokio::test]
async fn an_expired_address_is_refused() {
    let sandbox = sandbox().await;
    let address = issued(&sandbox, 31);
    assert_eq!(
        client(sandbox.slack_url()).post(&address, &post()).await,
        refused("expired_url")
    );
    assert_eq!(shown(&sandbox), 0);
}

#[tokio::test]
async fn a_used_up_address_is_refused() {
    let sandbox = sandbox().await;
    let address = issued(&sandbox, 0);
    let client = client(sandbox.slack_url());
    for _ in 0..5 {
        assert_eq!(client.post(&address, &post()).await, Posted::Shown);
    }
    assert_eq!(client.post(&address, &post()).await, refused("used_url"));
    assert_eq!(shown(&sandbox), 5);
}

#[tokio::test]
async fn an_address_that_slack_never_issued_is_refused() {
    let sandbox = sandbox().await;
    let address = stored(&format!("{}{PATH}", sandbox.slack_url()));
    let posted = client(sandbox.slack_url()).post(&address, &post()).await;
    assert_eq!(posted, refused("404 Not Found no_service"));
}

#[tokio::test]
async fn a_refusal_is_final_and_has_slacks_words() {
    for (status, message, why) in [
        (400, "invalid_blocks", "400 Bad Request invalid_blocks"),
        (403, "action_prohibited", "403 Forbidden action_prohibited"),
        (404, "no_service", "404 Not Found no_service"),
        (404, r#"{"ok":false,"error":"expired_url"}"#, "expired_url"),
        (404, "", "404 Not Found"),
        (410, "channel_is_archived", "410 Gone channel_is_archived"),
    ] {
        assert_eq!(meets(refuse(status, None, message), 0).await, refused(why));
    }
    assert_eq!(
        outcome("404 Not Found", r#"{"ok":true}"#).await,
        refused("404 Not Found")
    );
}

#[tokio::test]
async fn long_words_are_cut() {
    let Posted::Refused { why } = outcome("403 Forbidden", &"\u{e9}".repeat(30_000)).await else {
        panic!("not refused")
    };
    assert_eq!(why.chars().count(), 100);
}

#[tokio::test]
async fn a_refusal_needs_no_body() {
    let half = answer("410 Gone", "", "channel_is_archived").replace("_archived", "");
    assert_eq!(answered(&half).await.0, refused("410 Gone"));
    assert_eq!(
        outcome("404 Not Found", &"x".repeat(65 * 1024)).await,
        refused("404 Not Found")
    );
}
