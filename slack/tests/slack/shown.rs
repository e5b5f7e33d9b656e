//! What Slack shows, and its answers then.

use chatops_core::notification::PostResult;
use chatops_core::ports::{ChatClient as _, PostTarget};
use chatops_core::text::{Audience, SlackMessage};

use crate::support::{
    PATH, any_message, client, issued_target, post_answered, post_any, post_result, pressed_url,
    raw_response, sandbox, shown_count,
};

#[tokio::test]
async fn a_post_is_shown_as_it_was_written() {
    let sandbox = sandbox().await;
    let address = issued_target(&sandbox, 0);
    let result = post_any(&sandbox, &address).await;
    assert_eq!(result, PostResult::Delivered(None));
    let model = sandbox.slack().lock();
    let [message] = model.messages() else {
        panic!("not one message")
    };
    assert_eq!(message.visible_to.as_deref(), Some("U0001"));
    let text = message.shown_text();
    assert!(text.contains("Not accepted"), "{text}");
    let payload: serde_json::Value = serde_json::from_str(&model.attempts()[0].payload).unwrap();
    assert_eq!(payload, any_message().to_json());
}

#[tokio::test]
async fn a_post_for_the_channel_is_for_the_channel() {
    let sandbox = sandbox().await;
    let address = issued_target(&sandbox, 29);
    let post = SlackMessage {
        audience: Audience::Channel,
        ..any_message()
    };
    let result = client(sandbox.slack_url()).post(&address, &post).await;
    assert_eq!(result, PostResult::Delivered(None));
    let model = sandbox.slack().lock();
    let message = &model.messages()[0];
    assert_eq!(message.visible_to, None);
    assert_eq!(message.channel, "C0001");
}

#[tokio::test]
async fn the_request_is_a_post_of_json() {
    let (result, request) = post_answered(&raw_response("200 OK", "", "ok")).await;
    assert_eq!(result, PostResult::Delivered(None));
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let start = format!("POST {PATH} HTTP/1.1\r\n");
    assert!(head.starts_with(&start), "{head}");
    let head = head.to_ascii_lowercase();
    let kind = "content-type: application/json; charset=utf-8";
    assert!(head.contains(kind), "{head}");
    for name in ["referer", "cookie"] {
        assert!(!head.contains(name), "{head}");
    }
    assert_eq!(body, any_message().to_json().to_string());
}

#[tokio::test]
async fn each_success_of_slack_is_understood() {
    let long = r#"{"ok":true,"error":null,"ts":"1"}"#;
    for body in ["ok", " ok\r\n", r#"{"ok":true}"#, long] {
        let result = post_result("200 OK", body).await;
        assert_eq!(result, PostResult::Delivered(None), "{body}");
    }
}

#[tokio::test]
async fn an_answer_to_a_press_takes_the_place_of_its_message() {
    let sandbox = sandbox().await;
    let command = issued_target(&sandbox, 0);
    post_any(&sandbox, &command).await;
    let pressed = pressed_url(&sandbox);
    for (to, shown) in [
        (PostTarget::Pressed(pressed.clone()), 1),
        (PostTarget::ResponseUrl(pressed), 2),
    ] {
        let result = post_any(&sandbox, &to).await;
        assert!(matches!(result, PostResult::Delivered(_)), "{result:?}");
        assert_eq!(shown_count(&sandbox), shown);
    }
}
