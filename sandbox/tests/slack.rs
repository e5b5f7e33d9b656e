//! Slack over real connections: commands to an app, and messages back.

#![expect(
    clippy::unwrap_used,
    reason = "the exemption for tests does not reach their helper functions"
)]

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::post;
use chatops_sandbox::http::{self, Error, Reply};
use chatops_sandbox::slack::{self, SIGNATURE_HEADER, TIMESTAMP_HEADER, Typed};
use chatops_sandbox::{Fault, Sandbox, Seen, Settings};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const LIMIT: Duration = Duration::from_secs(10);
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

async fn start() -> Sandbox {
    start_with(Duration::from_secs(3)).await
}

async fn start_with(ack_limit: Duration) -> Sandbox {
    let settings = Settings {
        ack_limit,
        ..Settings::new(SECRET, Vec::new())
    };
    Sandbox::start(settings).await.unwrap()
}

/// An app that answers every command with the same response.
async fn app(status: u16, kind: &'static str, body: &'static str) -> (String, JoinSet<()>) {
    let status = StatusCode::from_u16(status).unwrap();
    let answer = move || async move { (status, [("content-type", kind)], body) };
    serve(Router::new().fallback(answer)).await
}

async fn serve(router: Router) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/slack", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, tasks)
}

async fn respond(url: &str, body: &str) -> Result<Reply, Error> {
    let request = Request::post(url)
        .header("Content-Type", "application/json")
        .body(body.to_owned())
        .unwrap();
    http::send(request, LIMIT).await
}

#[tokio::test]
async fn a_command_arrives_signed_and_can_be_answered_later() {
    let sandbox = start().await;
    // The app checks the signature and answers with the response address.
    let check = |headers: HeaderMap, body: Bytes| async move {
        let body = String::from_utf8(body.to_vec()).unwrap();
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        let timestamp = header(TIMESTAMP_HEADER).parse().unwrap();
        assert_eq!(
            header(SIGNATURE_HEADER),
            slack::sign(SECRET, timestamp, &body)
        );
        assert!(header("user-agent").starts_with("Slackbot 1.0"));
        assert!(body.contains("&command=%2Fchatops&text=feature%2Fx+deploy&"));
        body.split_once("response_url=")
            .and_then(|(_, rest)| rest.split('&').next())
            .map(|url| url.replace("%3A", ":").replace("%2F", "/"))
            .unwrap()
    };
    let (url, _app) = serve(Router::new().route("/slack", post(check))).await;
    let ack = sandbox
        .type_command(&url, Typed::new("feature/x deploy"))
        .await;
    assert_eq!(ack.status, Some(200));
    let response_url = ack.shown.clone();
    assert!(response_url.starts_with(sandbox.slack_url()));

    let public = r#"{"text":"done","response_type":"in_channel"}"#;
    let reply = respond(&response_url, public).await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (200, "ok".to_owned())
    );
    let delivered = sandbox
        .journal()
        .wait_until(LIMIT, |entries| {
            entries.iter().find_map(|entry| match &entry.what {
                Seen::SlackMessage {
                    shown, visible_to, ..
                } => Some((shown.clone(), visible_to.clone())),
                _ => None,
            })
        })
        .await;
    assert_eq!(delivered, Some(("done".to_owned(), None)));
    let entries = sandbox.journal().entries();
    assert!(matches!(&entries[0].what, Seen::Typed { text, .. } if text == "feature/x deploy"));
    assert!(matches!(&entries[1].what, Seen::Acknowledged { .. }));
    let model = sandbox.slack().lock();
    assert_eq!(model.messages().len(), 2);
}

#[tokio::test]
async fn the_person_sees_the_answer_or_slacks_error() {
    let sandbox = start().await;
    let json = "application/json; charset=utf-8";
    let failed = |error: &str| format!("/chatops failed with the error \"{error}\"");
    for (status, kind, body, shown) in [
        (200, "text/plain", "plain", "plain".to_owned()),
        (200, json, r#"{"text":"a &lt; b"}"#, "a < b".to_owned()),
        (200, json, "", String::new()),
        (
            200,
            json,
            r#"{"response_type":"in_channel"}"#,
            "/chatops main deploy".to_owned(),
        ),
        (200, json, "{", failed("dispatch_failed")),
        (401, json, r#"{"text":"no"}"#, failed("http_client_error")),
        (503, json, r#"{"text":"no"}"#, failed("dispatch_failed")),
    ] {
        let (url, _app) = app(status, kind, body).await;
        let ack = sandbox.type_command(&url, Typed::new("main deploy")).await;
        assert_eq!((ack.status, ack.shown), (Some(status), shown));
    }
    let nobody = "http://127.0.0.1:1/slack";
    let ack = sandbox.type_command(nobody, Typed::new("")).await;
    assert_eq!((ack.status, ack.shown), (None, failed("dispatch_failed")));
    let outside = "https://example.com/slack";
    let ack = sandbox.type_command(outside, Typed::new("")).await;
    assert_eq!(ack.shown, failed("dispatch_failed"));
}

#[tokio::test]
async fn a_late_answer_is_a_timeout() {
    let sandbox = start_with(Duration::from_millis(50)).await;
    let never = || std::future::pending::<StatusCode>();
    let (url, _app) = serve(Router::new().fallback(never)).await;
    let ack = sandbox.type_command(&url, Typed::new("")).await;
    assert_eq!(
        ack.shown,
        "/chatops failed with the error \"operation_timeout\""
    );
    assert!(ack.latency >= Duration::from_millis(50));
}

#[tokio::test]
async fn a_request_can_be_changed_and_repeated() {
    let sandbox = start().await;
    let echo = |headers: HeaderMap, body: Bytes| async move {
        let signature = headers[SIGNATURE_HEADER].to_str().unwrap();
        format!("{signature} {}", String::from_utf8_lossy(&body))
    };
    let (url, _app) = serve(Router::new().fallback(echo)).await;
    let mut sent = sandbox.client().compose(&url, &Typed::new("main deploy"));
    let first = sandbox.client().send(&sent).await;
    let again = sandbox.client().resend(&sent).await;
    assert_eq!(first.shown, again.shown);
    sent.signed.set(SIGNATURE_HEADER, "v0=forged");
    let forged = sandbox.client().send(&sent).await;
    assert!(forged.shown.starts_with("v0=forged "));
}

#[tokio::test]
async fn slack_can_fail_before_and_after_delivery() {
    let sandbox = start().await;
    let sent = sandbox
        .client()
        .compose("http://127.0.0.1:1", &Typed::new(""));
    let url = format!("{}{}", sandbox.slack_url(), sent.response_path);
    let refuse = Fault::Refuse {
        status: 429,
        retry_after_s: Some(1),
        message: "rate_limited".to_owned(),
    };
    for fault in [refuse, Fault::AnswerLost, Fault::ErrorAfter { status: 500 }] {
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
        (forged.status.as_u16(), forged.text()),
        (404, "no_service".to_owned())
    );
    assert_eq!(sandbox.slack().lock().messages().len(), 2);
    let seen: Vec<Seen> = sandbox
        .journal()
        .entries()
        .into_iter()
        .map(|entry| entry.what)
        .collect();
    assert!(matches!(
        &seen[..],
        [
            Seen::SlackRefused {
                status: Some(429),
                ..
            },
            Seen::SlackMessage { status: None, .. },
            Seen::SlackMessage {
                status: Some(500),
                ..
            },
            Seen::SlackRefused {
                status: Some(404),
                ..
            },
        ]
    ));
}
