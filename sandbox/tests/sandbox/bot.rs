//! The bot's Web API.

use chatops_sandbox::http::{HttpError, HttpReply};
use chatops_sandbox::slack::{BotMethod, TypedCommand};
use chatops_sandbox::{HttpFault, JournalEvent, Sandbox};
use serde_json::{Value, json};

use crate::support::{self, events, reject_429, send};

const TOKEN: &str = "xoxb-0001";

async fn start() -> Sandbox {
    let sandbox = support::start(vec![]).await;
    {
        let mut model = sandbox.slack().lock();
        model.install_bot(TOKEN);
        model.invite_bot("C0001");
        model.remove_bot("C0002");
    }
    sandbox
}

async fn call(
    sandbox: &Sandbox,
    method: BotMethod,
    token: Option<&str>,
    body: &Value,
) -> Result<HttpReply, HttpError> {
    let url = format!("{}{}", sandbox.slack_url(), method.path());
    let token = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/json; charset=utf-8")];
    headers.extend(token.as_deref().map(|token| ("authorization", token)));
    send("POST", &url, &headers, &body.to_string()).await
}

async fn answer(sandbox: &Sandbox, method: BotMethod, body: &Value) -> Value {
    let reply = call(sandbox, method, Some(TOKEN), body).await.unwrap();
    assert_eq!(reply.status, 200);
    reply.json().unwrap()
}

#[tokio::test]
async fn the_bot_posts_to_a_conversation_and_to_one_person() {
    let sandbox = start().await;
    let body = json!({"channel": "C0001", "text": "to all"});
    let public = answer(&sandbox, BotMethod::PostMessage, &body).await;
    assert_eq!(public["ok"], true);
    assert_eq!(public["channel"], "C0001");
    assert!(public["ts"].is_string());
    let body = json!({"channel": "C0001", "user": "U0001", "text": "to one"});
    let private = answer(&sandbox, BotMethod::PostEphemeral, &body).await;
    assert_eq!(private["ok"], true);
    assert!(private["message_ts"].is_string());

    let message = |shown: &str, visible_to, path: &str| JournalEvent::MessageDelivered {
        channel: "C0001".to_owned(),
        visible_to,
        response_path: path.to_owned(),
        shown: shown.to_owned(),
        block_id: None,
        nth_use: 0,
        status: Some(200),
    };
    let user = Some("U0001".to_owned());
    let expected = [
        message("to all", None, "/api/chat.postMessage"),
        message("to one", user, "/api/chat.postEphemeral"),
    ];
    assert_eq!(events(&sandbox), expected);
    assert_eq!(sandbox.slack().lock().attempts().len(), 2);
}

#[tokio::test]
async fn a_rejection_has_the_status_200_and_an_error_code() {
    let sandbox = start().await;
    // A command was typed there, so the conversation exists.
    let typed = TypedCommand {
        channel_id: "C0003".to_owned(),
        ..TypedCommand::new("help")
    };
    let sender = sandbox.command_sender();
    sender.prepare_command("http://127.0.0.1:1/", &typed);
    let to = |channel: &str| json!({"channel": channel, "text": "hello"});
    let section = |length: usize| {
        let text = json!({"type": "mrkdwn", "text": "x".repeat(length)});
        json!({"channel": "C0001", "blocks": [{"type": "section", "text": text}]})
    };
    let token = Some(TOKEN);
    for (token, body, error) in [
        (None, to("C0001"), "not_authed"),
        (Some("xoxb-2"), to("C0001"), "invalid_auth"),
        (token, to("C0002"), "not_in_channel"),
        (token, to("C0003"), "not_in_channel"),
        (token, to("C0004"), "channel_not_found"),
        (token, json!({"text": "hello"}), "invalid_arguments"),
        (token, json!({"channel": "C0001"}), "no_text"),
        (token, json!({"channel": "C0001", "blocks": []}), "no_text"),
        (token, section(3_001), "invalid_blocks"),
        (
            token,
            json!({"channel": "C0001", "text": 1}),
            "invalid_arguments",
        ),
        (token, json!([1]), "invalid_json"),
    ] {
        let reply = call(&sandbox, BotMethod::PostMessage, token, &body).await;
        let reply = reply.unwrap();
        assert_eq!(reply.status, 200);
        let expected = json!({"ok": false, "error": error});
        assert_eq!(reply.json().unwrap(), expected, "{body}");
    }
    let without_user = answer(&sandbox, BotMethod::PostEphemeral, &to("C0001")).await;
    assert_eq!(without_user["error"], "invalid_arguments");
    assert_eq!(sandbox.slack().lock().messages(), []);
    let is_rejected = |event: &_| matches!(event, JournalEvent::MessageRejected { .. });
    assert!(events(&sandbox).iter().all(is_rejected));
    let fits = answer(&sandbox, BotMethod::PostMessage, &section(3_000)).await;
    assert_eq!(fits["ok"], true);
}

#[tokio::test]
async fn the_bot_has_its_own_faults() {
    let sandbox = start().await;
    let slack = sandbox.slack();
    slack.fail_next(HttpFault::AnswerLost);
    slack.fail_next_bot(reject_429(30, "ratelimited"));
    let body = json!({"channel": "C0001", "text": "hello"});
    let post = || call(&sandbox, BotMethod::PostMessage, Some(TOKEN), &body);
    let reply = post().await.unwrap();
    assert_eq!(reply.status, 429);
    assert_eq!(reply.headers["retry-after"], "30");
    let expected = json!({"ok": false, "error": "ratelimited"});
    assert_eq!(reply.json().unwrap(), expected);
    assert_eq!(slack.lock().messages(), []);
    slack.fail_next_bot(HttpFault::AnswerLost);
    assert!(post().await.is_err());
    assert_eq!(slack.lock().messages().len(), 1);
}

#[tokio::test]
async fn a_token_can_be_tested_and_revoked() {
    let sandbox = start().await;
    let empty = json!({});
    let test = || answer(&sandbox, BotMethod::AuthTest, &empty);
    assert_eq!(test().await["ok"], true);
    assert_eq!(events(&sandbox), []);
    sandbox.slack().lock().revoke_bot();
    let expected = json!({"ok": false, "error": "invalid_auth"});
    assert_eq!(test().await, expected);
}
