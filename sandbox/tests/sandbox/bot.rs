//! The bot's Web API.

use std::time::Duration;

use chatops_sandbox::http::{HttpError, HttpReply};
use chatops_sandbox::slack::{BotMethod, ButtonPress, TypedCommand};
use chatops_sandbox::{HttpFault, JournalEntry, JournalEvent, Sandbox};
use serde_json::{Value, json};

use crate::support::{self, LIMIT, events, reject_429, send};

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

/// The timestamp of a message that the bot posts.
async fn posted(sandbox: &Sandbox, body: &Value) -> String {
    let answer = answer(sandbox, BotMethod::PostMessage, body).await;
    answer["ts"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_message_is_edited_and_deleted() {
    let sandbox = start().await;
    let ts = posted(&sandbox, &json!({"channel": "C0001", "text": "one"})).await;
    let edit = json!({"channel": "C0001", "ts": ts, "text": "two"});
    let edited = answer(&sandbox, BotMethod::Update, &edit).await;
    assert_eq!((&edited["ok"], &edited["ts"]), (&json!(true), &json!(ts)));
    let deleted = answer(&sandbox, BotMethod::Delete, &edit).await;
    assert_eq!(deleted, json!({"ok": true, "channel": "C0001", "ts": ts}));
    let again = answer(&sandbox, BotMethod::Delete, &edit).await;
    assert_eq!(again["error"], "message_not_found");
    let channel = "C0001".to_owned();
    let expected = [
        JournalEvent::MessageEdited {
            channel: channel.clone(),
            ts: ts.clone(),
            shown: "two".to_owned(),
            block_id: None,
            status: Some(200),
        },
        JournalEvent::MessageDeleted {
            channel,
            ts,
            status: Some(200),
        },
    ];
    assert_eq!(events(&sandbox)[1..3], expected);
    assert!(matches!(
        events(&sandbox)[3],
        JournalEvent::MessageRejected { .. }
    ));
}

#[tokio::test]
async fn a_fault_can_wait_for_its_method() {
    let sandbox = start().await;
    let slack = sandbox.slack();
    slack.fail_next_call(BotMethod::Update, HttpFault::AnswerLost);
    slack.fail_next_call(BotMethod::Update, reject_429(30, "ratelimited"));
    let ts = posted(&sandbox, &json!({"channel": "C0001", "text": "one"})).await;
    let edit = json!({"channel": "C0001", "ts": ts, "text": "two"});
    let update = || call(&sandbox, BotMethod::Update, Some(TOKEN), &edit);
    assert!(update().await.is_err());
    assert_eq!(slack.lock().messages()[0].shown_text(), "two");
    assert_eq!(update().await.unwrap().status, 429);
    assert_eq!(update().await.unwrap().status, 200);
}

#[tokio::test]
async fn an_edit_can_come_late() {
    let sandbox = start().await;
    let slack = sandbox.slack();
    let ts = posted(&sandbox, &json!({"channel": "C0001", "text": "one"})).await;
    let edit = |text: &str| json!({"channel": "C0001", "ts": ts, "text": text});
    let update = async |text: &str| {
        let body = edit(text);
        call(&sandbox, BotMethod::Update, Some(TOKEN), &body).await
    };
    let shown = || slack.lock().messages()[0].shown_text();
    slack.delay_next_call(BotMethod::Update, Some(503), None);
    slack.delay_next_call(BotMethod::Update, None, Some(Duration::from_millis(200)));
    assert_eq!(update("told").await.unwrap().status, 503);
    assert!(update("timed").await.is_err());
    assert_eq!(update("newer").await.unwrap().status, 200);
    assert_eq!(shown(), "newer");
    let late = |entries: &[JournalEntry]| {
        let is_late = |entry: &&JournalEntry| {
            matches!(
                &entry.event,
                JournalEvent::MessageEdited { status: None, .. }
            )
        };
        entries
            .iter()
            .find(is_late)
            .map(|entry| entry.event.clone())
    };
    let seen = sandbox.journal().wait_until(LIMIT, late).await.unwrap();
    assert!(matches!(seen, JournalEvent::MessageEdited { shown, .. } if shown == "timed"));
    assert_eq!(shown(), "timed");
    slack.carry_out_late();
    assert_eq!(shown(), "told");
    assert_eq!(slack.lock().late_count(), 0);
}

/// The payload of a press.
fn payload(sandbox: &Sandbox, press: &ButtonPress) -> Value {
    let sender = sandbox.command_sender();
    let sent = sender.prepare_press("http://127.0.0.1:1/", press);
    let mut fields = form_urlencoded::parse(sent.signed.body.as_bytes());
    let (name, value) = fields.next().unwrap();
    assert_eq!(name, "payload");
    serde_json::from_str(&value).unwrap()
}

fn with_button(text: &str) -> Value {
    json!([
        {"type": "section", "text": {"type": "mrkdwn", "text": text}},
        {"type": "actions", "elements": [{
            "type": "button", "action_id": "cancel", "value": "v",
            "text": {"type": "plain_text", "text": "Cancel"},
        }]},
    ])
}

#[tokio::test]
async fn a_press_names_its_message_as_it_stands() {
    let sandbox = start().await;
    let body = json!({"channel": "C0001", "text": "t", "blocks": with_button("one")});
    let ts = posted(&sandbox, &body).await;
    let press = {
        let model = sandbox.slack().lock();
        ButtonPress::of(&model.messages()[0], "cancel").unwrap()
    };
    let container = json!({
        "type": "message", "message_ts": ts, "channel_id": "C0001", "is_ephemeral": false,
    });
    let edit = json!({"channel": "C0001", "ts": ts, "text": "t", "blocks": with_button("two")});
    answer(&sandbox, BotMethod::Update, &edit).await;
    let sent = payload(&sandbox, &press);
    assert_eq!(sent["container"], container);
    assert_eq!(sent["message"]["ts"], ts.as_str());
    assert_eq!(sent["message"]["bot_id"], "B0001");
    assert_eq!(sent["message"]["blocks"], with_button("two"));
    assert_eq!(sent["message"]["thread_ts"], Value::Null);
    assert_eq!(sent["actions"][0]["value"], "v");

    let reply = json!({
        "channel": "C0001", "text": "t", "thread_ts": ts, "blocks": with_button("reply"),
    });
    let reply_ts = posted(&sandbox, &reply).await;
    let private = json!({
        "channel": "C0001", "user": "U0001", "text": "t", "blocks": with_button("private"),
    });
    answer(&sandbox, BotMethod::PostEphemeral, &private).await;
    let presses: Vec<_> = {
        let model = sandbox.slack().lock();
        let pressed = model.messages()[1..].iter();
        pressed
            .map(|message| ButtonPress::of(message, "cancel").unwrap())
            .collect()
    };
    let sent = payload(&sandbox, &presses[0]);
    assert_eq!(sent["container"]["message_ts"], reply_ts.as_str());
    assert_eq!(sent["container"]["thread_ts"], ts.as_str());
    assert_eq!(sent["message"]["thread_ts"], ts.as_str());
    // Slack leaves out a message that only one person saw.
    let sent = payload(&sandbox, &presses[1]);
    assert_eq!(sent["container"]["is_ephemeral"], true);
    assert_eq!(sent.get("message"), None);
}
