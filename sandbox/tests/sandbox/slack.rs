//! Commands to an app, and its messages to response URLs.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use chatops_sandbox::http::{HttpError, HttpReply};
use chatops_sandbox::slack::{SIGNATURE_HEADER, TIMESTAMP_HEADER, TypedCommand, sign_form};
use chatops_sandbox::{HttpFault, JournalEvent, Sandbox, SandboxSettings};
use tokio::task::JoinSet;

use crate::support::{self, JSON, SECRET, events, reject_429, response_url, serve, start};

/// An app that answers every command with the same response.
async fn serve_app(status: u16, kind: &'static str, body: &'static str) -> (String, JoinSet<()>) {
    let status = StatusCode::from_u16(status).unwrap();
    let answer = move || async move { (status, [("content-type", kind)], body) };
    serve(Router::new().fallback(answer)).await
}

async fn respond(url: &str, body: &str) -> Result<HttpReply, HttpError> {
    support::post(url, JSON, body).await
}

#[tokio::test]
async fn a_command_arrives_signed_and_can_be_answered_later() {
    let sandbox = start(vec![]).await;
    // The app checks the signature and answers with the response URL.
    let check = |headers: HeaderMap, body: Bytes| async move {
        let form = std::str::from_utf8(&body).unwrap();
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        let timestamp = header(TIMESTAMP_HEADER).parse().unwrap();
        let signature = sign_form(SECRET, timestamp, form);
        assert_eq!(header(SIGNATURE_HEADER), signature);
        assert!(header("user-agent").starts_with("Slackbot 1.0"));
        assert!(form.contains("&command=%2Fchatops&text=feature%2Fx+deploy&"));
        response_url(&body)
    };
    let (url, _app) = serve(Router::new().route("/slack", post(check))).await;
    let typed = TypedCommand::new("feature/x deploy");
    let ack = sandbox.type_command(&url, typed).await;
    assert_eq!(ack.status, Some(200));
    assert!(ack.shown.starts_with(sandbox.slack_url()));

    let public = r#"{"text":"done","response_type":"in_channel"}"#;
    let reply = respond(&ack.shown, public).await.unwrap();
    assert_eq!((reply.status.as_u16(), &*reply.text()), (200, "ok"));
    let events = events(&sandbox);
    assert!(
        matches!(
            &events[..],
            [
                JournalEvent::CommandTyped { text, .. },
                JournalEvent::CommandAcknowledged { .. },
                JournalEvent::MessageDelivered { shown, visible_to: None, .. },
            ] if text == "feature/x deploy" && shown == "done"
        ),
        "{events:?}"
    );
    assert_eq!(sandbox.slack().lock().messages().len(), 2);
}

#[tokio::test]
async fn the_person_sees_the_answer_or_slacks_error() {
    let sandbox = start(vec![]).await;
    let json = "application/json; charset=utf-8";
    let in_channel = r#"{"response_type":"in_channel"}"#;
    let failed = |error: &str| format!("/chatops failed with the error \"{error}\"");
    for (status, kind, body, shown) in [
        (200, "text/plain", "plain", "plain".to_owned()),
        (200, json, r#"{"text":"a &lt; b"}"#, "a < b".to_owned()),
        (200, json, "", String::new()),
        (200, json, in_channel, "/chatops main deploy".to_owned()),
        (200, json, "{", failed("dispatch_failed")),
        (401, json, r#"{"text":"no"}"#, failed("http_client_error")),
        (503, json, r#"{"text":"no"}"#, failed("dispatch_failed")),
    ] {
        let (url, _app) = serve_app(status, kind, body).await;
        let typed = TypedCommand::new("main deploy");
        let ack = sandbox.type_command(&url, typed).await;
        assert_eq!((ack.status, ack.shown), (Some(status), shown));
    }
    for url in ["http://127.0.0.1:1/slack", "https://example.com/slack"] {
        let ack = sandbox.type_command(url, TypedCommand::new("")).await;
        assert_eq!((ack.status, ack.shown), (None, failed("dispatch_failed")));
    }
}

#[tokio::test]
async fn a_late_answer_is_a_timeout() {
    let ack_timeout = Duration::from_millis(50);
    let settings = SandboxSettings {
        ack_timeout,
        ..SandboxSettings::new(SECRET, vec![])
    };
    let sandbox = Sandbox::start(settings).await.unwrap();
    let never = || std::future::pending::<StatusCode>();
    let (url, _app) = serve(Router::new().fallback(never)).await;
    let ack = sandbox.type_command(&url, TypedCommand::new("")).await;
    let expected = "/chatops failed with the error \"operation_timeout\"";
    assert_eq!(ack.shown, expected);
    assert!(ack.latency >= ack_timeout);
}

#[tokio::test]
async fn a_request_can_be_changed_and_repeated() {
    let sandbox = start(vec![]).await;
    let echo = |headers: HeaderMap, body: Bytes| async move {
        let signature = headers[SIGNATURE_HEADER].to_str().unwrap();
        format!("{signature} {}", String::from_utf8_lossy(&body))
    };
    let (url, _app) = serve(Router::new().fallback(echo)).await;
    let sender = sandbox.command_sender();
    let mut sent = sender.prepare_command(&url, &TypedCommand::new("main deploy"));
    let first = sender.send(&sent).await;
    let again = sender.resend(&sent).await;
    assert_eq!(first.shown, again.shown);
    sent.signed.set_header(SIGNATURE_HEADER, "v0=forged");
    let forged = sender.send(&sent).await;
    assert!(forged.shown.starts_with("v0=forged "));
}

#[tokio::test]
async fn slack_can_fail_before_and_after_delivery() {
    let sandbox = start(vec![]).await;
    let sender = sandbox.command_sender();
    let sent = sender.prepare_command("http://127.0.0.1:1", &TypedCommand::new(""));
    let url = format!("{}{}", sandbox.slack_url(), sent.response_path);
    for fault in [
        reject_429(1, "rate_limited"),
        HttpFault::AnswerLost,
        HttpFault::ErrorAfter { status: 500 },
    ] {
        sandbox.slack().fail_next(fault);
    }
    let body = r#"{"text":"hello"}"#;
    let reply = respond(&url, body).await.unwrap();
    assert_eq!(reply.status, 429);
    assert_eq!(reply.headers["retry-after"], "1");
    assert!(respond(&url, body).await.is_err());
    assert_eq!(respond(&url, body).await.unwrap().status, 500);
    let forged = respond(&format!("{url}x"), body).await.unwrap();
    assert_eq!(
        (forged.status.as_u16(), &*forged.text()),
        (404, "no_service")
    );
    assert_eq!(sandbox.slack().lock().messages().len(), 2);
    let outcome = |event| match event {
        JournalEvent::MessageDelivered { status, .. } => ("delivered", status),
        JournalEvent::MessageRejected { status, .. } => ("rejected", status),
        other => panic!("{other:?}"),
    };
    let outcomes: Vec<_> = events(&sandbox).into_iter().map(outcome).collect();
    let expected = [
        ("rejected", Some(429)),
        ("delivered", None),
        ("delivered", Some(500)),
        ("rejected", Some(404)),
    ];
    assert_eq!(outcomes, expected);
}
