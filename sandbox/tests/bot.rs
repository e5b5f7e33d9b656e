//! The bot's Web API over real connections.

#![expect(
    clippy::unwrap_used,
    reason = "the exemption for tests does not reach their helper functions"
)]

use std::time::Duration;

use axum::http::Request;
use chatops_sandbox::http::{self, Error, Reply};
use chatops_sandbox::slack::{Method, Typed};
use chatops_sandbox::{Fault, Sandbox, Seen, Settings};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(10);
const TOKEN: &str = "xoxb-0001";

async fn start() -> Sandbox {
    let settings = Settings::new("signing secret", Vec::new());
    let sandbox = Sandbox::start(settings).await.unwrap();
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
    method: Method,
    token: Option<&str>,
    body: &str,
) -> Result<Reply, Error> {
    let mut request = Request::post(format!("{}{}", sandbox.slack_url(), method.path()))
        .header("Content-Type", "application/json; charset=utf-8");
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    http::send(request.body(body.to_owned()).unwrap(), LIMIT).await
}

async fn said(sandbox: &Sandbox, method: Method, body: &Value) -> Value {
    let reply = call(sandbox, method, Some(TOKEN), &body.to_string()).await;
    let reply = reply.unwrap();
    assert_eq!(reply.status, 200);
    reply.json().unwrap()
}

#[tokio::test]
async fn the_bot_tells_a_conversation_and_one_person() {
    let sandbox = start().await;
    let body = json!({"channel": "C0001", "text": "to all"});
    let answer = said(&sandbox, Method::PostMessage, &body).await;
    assert_eq!(
        (&answer["ok"], &answer["channel"]),
        (&json!(true), &json!("C0001"))
    );
    assert!(answer["ts"].is_string());
    let body = json!({"channel": "C0001", "user": "U0001", "text": "to one"});
    let answer = said(&sandbox, Method::PostEphemeral, &body).await;
    assert_eq!(answer["ok"], true);
    assert!(answer["message_ts"].is_string());

    let seen: Vec<Seen> = sandbox
        .journal()
        .entries()
        .into_iter()
        .map(|entry| entry.what)
        .collect();
    let message = |shown: &str, visible_to: Option<&str>, path: &str| Seen::SlackMessage {
        channel: "C0001".to_owned(),
        visible_to: visible_to.map(str::to_owned),
        response_path: path.to_owned(),
        shown: shown.to_owned(),
        nth_use: 0,
        status: Some(200),
    };
    assert_eq!(
        seen,
        [
            message("to all", None, "/api/chat.postMessage"),
            message("to one", Some("U0001"), "/api/chat.postEphemeral"),
        ]
    );
    assert_eq!(sandbox.slack().lock().attempts().len(), 2);
}

#[tokio::test]
async fn a_refusal_is_a_success_with_a_word() {
    let sandbox = start().await;
    // Somebody has typed there, so it exists.
    let typed = Typed {
        channel_id: "C0003".to_owned(),
        ..Typed::new("help")
    };
    sandbox.client().compose("http://127.0.0.1:1/", &typed);
    let section = |length: usize| json!({"type": "section", "text": {"type": "mrkdwn", "text": "x".repeat(length)}});
    let (token, text) = (Some(TOKEN), "hello");
    for (token, body, error) in [
        (
            None,
            json!({"channel": "C0001", "text": text}),
            "not_authed",
        ),
        (
            Some("xoxb-2"),
            json!({"channel": "C0001", "text": text}),
            "invalid_auth",
        ),
        (
            token,
            json!({"channel": "C0002", "text": text}),
            "not_in_channel",
        ),
        (
            token,
            json!({"channel": "C0003", "text": text}),
            "not_in_channel",
        ),
        (
            token,
            json!({"channel": "C0004", "text": text}),
            "channel_not_found",
        ),
        (token, json!({"text": text}), "invalid_arguments"),
        (token, json!({"channel": "C0001"}), "no_text"),
        (token, json!({"channel": "C0001", "blocks": []}), "no_text"),
        (
            token,
            json!({"channel": "C0001", "blocks": [section(3_001)]}),
            "invalid_blocks",
        ),
        (
            token,
            json!({"channel": "C0001", "text": 1}),
            "invalid_arguments",
        ),
        (token, json!([1]), "invalid_json"),
    ] {
        let reply = call(&sandbox, Method::PostMessage, token, &body.to_string())
            .await
            .unwrap();
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.json().unwrap(),
            json!({"ok": false, "error": error}),
            "{body}"
        );
    }
    let nobody = json!({"channel": "C0001", "text": text});
    let answer = said(&sandbox, Method::PostEphemeral, &nobody).await;
    assert_eq!(answer["error"], "invalid_arguments");
    assert_eq!(sandbox.slack().lock().messages(), []);
    let refused = |entry: &chatops_sandbox::Entry| matches!(entry.what, Seen::SlackRefused { .. });
    assert!(sandbox.journal().entries().iter().all(refused));
    let fits = json!({"channel": "C0001", "blocks": [section(3_000)]});
    assert_eq!(said(&sandbox, Method::PostMessage, &fits).await["ok"], true);
}

#[tokio::test]
async fn the_bots_faults_are_its_own() {
    let sandbox = start().await;
    sandbox.slack().fail_next(Fault::AnswerLost);
    sandbox.slack().fail_next_bot(Fault::Refuse {
        status: 429,
        retry_after_s: Some(30),
        message: "ratelimited".to_owned(),
    });
    let body = json!({"channel": "C0001", "text": "hello"}).to_string();
    let reply = call(&sandbox, Method::PostMessage, Some(TOKEN), &body)
        .await
        .unwrap();
    assert_eq!(reply.status, 429);
    assert_eq!(reply.headers["retry-after"], "30");
    assert_eq!(
        reply.json().unwrap(),
        json!({"ok": false, "error": "ratelimited"})
    );
    assert_eq!(sandbox.slack().lock().messages(), []);
    sandbox.slack().fail_next_bot(Fault::AnswerLost);
    assert!(
        call(&sandbox, Method::PostMessage, Some(TOKEN), &body)
            .await
            .is_err()
    );
    assert_eq!(sandbox.slack().lock().messages().len(), 1);
}

#[tokio::test]
async fn a_token_can_be_tried_and_revoked() {
    let sandbox = start().await;
    assert_eq!(
        said(&sandbox, Method::AuthTest, &json!({})).await["ok"],
        true
    );
    assert_eq!(sandbox.journal().entries(), []);
    sandbox.slack().lock().revoke_bot();
    let answer = said(&sandbox, Method::AuthTest, &json!({})).await;
    assert_eq!(answer, json!({"ok": false, "error": "invalid_auth"}));
}
