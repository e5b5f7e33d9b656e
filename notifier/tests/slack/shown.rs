//! What Slack shows, and how it says so.

use chatops_core::ports::Chat as _;
use chatops_core::reply::Posted;
use chatops_core::words::{Audience, Post};
use chatops_sandbox::Fault;

use crate::support::{PATH, answer, answered, client, issued, meets, outcome, post, sandbox};

#[tokio::test]
async fn a_post_is_shown_as_it_was_written() {
    let sandbox = sandbox().await;
    let address = issued(&sandbox, 0);
    assert_eq!(
        client(sandbox.slack_url()).post(&address, &post()).await,
        Posted::Shown
    );
    let model = sandbox.slack().lock();
    let [message] = model.messages() else {
        panic!("not one message")
    };
    assert_eq!(message.visible_to.as_deref(), Some("U0001"));
    assert!(
        message.shown().contains("Not accepted"),
        "{}",
        message.shown()
    );
    let payload: serde_json::Value = serde_json::from_str(&model.attempts()[0].payload).unwrap();
    assert_eq!(payload, post().to_json());
}

#[tokio::test]
async fn a_post_for_the_channel_is_for_the_channel() {
    let sandbox = sandbox().await;
    let address = issued(&sandbox, 29);
    let post = Post {
        audience: Audience::Channel,
        ..post()
    };
    assert_eq!(
        client(sandbox.slack_url()).post(&address, &post).await,
        Posted::Shown
    );
    let model = sandbox.slack().lock();
    assert_eq!(
        (
            model.messages()[0].visible_to.as_deref(),
            model.messages()[0].channel.as_str()
        ),
        (None, "C0001")
    );
}

#[tokio::test]
async fn the_request_is_a_post_of_json() {
    let (posted, request) = answered(&answer("200 OK", "", "ok")).await;
    assert_eq!(posted, Posted::Shown);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with(&format!("POST {PATH} HTTP/1.1\r\n")),
        "{head}"
    );
    let head = head.to_ascii_lowercase();
    assert!(
        head.contains("content-type: application/json; charset=utf-8"),
        "{head}"
    );
    assert!(
        !head.contains("referer") && !head.contains("cookie"),
        "{head}"
    );
    assert_eq!(body, post().to_json().to_string());
}

#[tokio::test]
async fn each_form_of_slacks_yes_is_understood() {
    for body in [
        "ok",
        "ok\n",
        "",
        r#"{"ok":true}"#,
        r#"{"ok":true,"error":null,"ts":"1"}"#,
    ] {
        assert_eq!(outcome("200 OK", body).await, Posted::Shown, "{body}");
    }
    assert_eq!(outcome("204 No Content", "").await, Posted::Shown);
    // Slack took it, whatever page a proxy put in front of its answer.
    assert_eq!(meets(Fault::Garbage, 1).await, Posted::Shown);
}
