//! The say endpoint: a typed command reaches the app, and its client alone receives what Slack
//! shows, until it hangs up.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use chatops_sandbox::http::HttpError;
use chatops_sandbox::slack::{SayError, SayEvent, SaySession, TypedCommand};
use chatops_sandbox::{JournalEvent, Sandbox, SandboxSettings};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::support::{JSON, LIMIT, events, post, response_url, serve, start};

fn slack_addr(sandbox: &Sandbox) -> SocketAddr {
    let url = sandbox.slack_url();
    url.trim_start_matches("http://").parse().unwrap()
}

/// An app that acknowledges with a text and hands out the response URLs.
async fn install_app(
    sandbox: &Sandbox,
    ack: &'static str,
) -> (mpsc::UnboundedReceiver<String>, JoinSet<()>) {
    let (sender, urls) = mpsc::unbounded_channel();
    let answer = move |body: Bytes| {
        sender.send(response_url(&body)).unwrap();
        async move { ack }
    };
    let (url, tasks) = serve(Router::new().fallback(answer)).await;
    sandbox.install_app(&url);
    (urls, tasks)
}

async fn start_session(sandbox: &Sandbox, text: &str) -> SaySession {
    let typed = TypedCommand::new(text);
    let session = SaySession::start(slack_addr(sandbox), &typed);
    session.await.unwrap()
}

async fn next_event(session: &mut SaySession) -> SayEvent {
    let event = tokio::time::timeout(LIMIT, session.next_event());
    event.await.unwrap().unwrap().unwrap()
}

fn message(visible_to: Option<&str>, shown: &str, block_id: Option<&str>) -> SayEvent {
    SayEvent::Message {
        by_bot: false,
        edited: false,
        visible_to: visible_to.map(str::to_owned),
        shown: shown.to_owned(),
        block_id: block_id.map(str::to_owned),
    }
}

#[tokio::test]
async fn a_client_receives_the_acknowledgement_and_every_message_to_its_command() {
    let sandbox = start(vec![]).await;
    let (mut urls, _app) = install_app(&sandbox, "noted").await;
    let mut one = start_session(&sandbox, "main deploy").await;
    let mut two = start_session(&sandbox, "main e2e").await;
    for session in [&mut one, &mut two] {
        let SayEvent::Acknowledged {
            status,
            latency_ms,
            visible_to,
            shown,
            block_id,
        } = next_event(session).await
        else {
            panic!("the acknowledgement is not the first event");
        };
        assert_eq!((status, shown.as_str()), (Some(200), "noted"));
        assert_eq!((visible_to.as_deref(), block_id), (Some("U0001"), None));
        assert!(latency_ms > 0.0);
    }
    let (to_one, to_two) = (urls.recv().await.unwrap(), urls.recv().await.unwrap());
    for (url, body) in [
        (&to_one, r#"{"text":"a","response_type":"in_channel"}"#),
        (&to_two, r#"{"text":"b"}"#),
        (
            &to_one,
            r#"{"blocks":[{"type":"markdown","block_id":"id","text":"c"}]}"#,
        ),
    ] {
        post(url, JSON, body).await.unwrap();
    }
    let user = Some("U0001");
    assert_eq!(next_event(&mut one).await, message(None, "a", None));
    assert_eq!(next_event(&mut one).await, message(user, "c", Some("id")));
    assert_eq!(next_event(&mut two).await, message(user, "b", None));
}

#[tokio::test]
async fn an_empty_answer_shows_nothing() {
    let sandbox = start(vec![]).await;
    let (_urls, _app) = install_app(&sandbox, "").await;
    let event = next_event(&mut start_session(&sandbox, "history").await).await;
    assert!(matches!(
        event,
        SayEvent::Acknowledged { status: Some(200), shown, .. } if shown.is_empty()
    ));
}

#[tokio::test]
async fn nothing_is_left_of_a_client_that_hangs_up() {
    let sandbox = start(vec![]).await;
    let (_urls, _app) = install_app(&sandbox, "noted").await;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        let mut session = start_session(&sandbox, "main deploy").await;
        next_event(&mut session).await;
        sessions.push(session);
    }
    assert_eq!(sandbox.journal().listener_count(), 20);
    drop(sessions);
    let gone = async {
        while sandbox.journal().listener_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.unwrap();
    // The next one is served.
    next_event(&mut start_session(&sandbox, "main deploy").await).await;
}

#[tokio::test]
async fn a_command_arrives_even_if_its_client_hangs_up() {
    let sandbox = start(vec![]).await;
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let app = {
        let (arrived, go) = (Arc::clone(&arrived), Arc::clone(&go));
        Router::new().fallback(async move || {
            arrived.notify_one();
            go.notified().await;
            "late"
        })
    };
    let (url, _app) = serve(app).await;
    sandbox.install_app(&url);

    let typed = TypedCommand::new("main deploy");
    tokio::select! {
        _ = SaySession::start(slack_addr(&sandbox), &typed) => panic!("it was answered"),
        () = arrived.notified() => {}
    }
    go.notify_one();
    let shown = sandbox.journal().wait_until(LIMIT, |entries| {
        entries.iter().find_map(|entry| match &entry.event {
            JournalEvent::CommandAcknowledged { shown, .. } => Some(shown.clone()),
            _ => None,
        })
    });
    assert_eq!(shown.await.as_deref(), Some("late"));
}

#[tokio::test]
async fn a_command_that_cannot_be_typed_has_a_reason() {
    let sandbox = start(vec![]).await;
    let address = slack_addr(&sandbox);
    let help = TypedCommand::new("help");
    let refused = SaySession::start(address, &help).await;
    assert!(
        matches!(&refused, Err(SayError::Refused { status: 503, message }) if message == "no app is installed yet"),
        "{refused:?}"
    );
    let (_urls, _app) = install_app(&sandbox, "noted").await;
    let url = format!("{}/say", sandbox.slack_url());
    let typed = serde_json::to_string(&help).unwrap();
    for (kind, body, status) in [("text/plain", &*typed, 415), (JSON, "{}", 400)] {
        assert_eq!(post(&url, kind, body).await.unwrap().status, status);
    }
    assert_eq!(events(&sandbox), []);

    drop(sandbox);
    let offline = SaySession::start(address, &help).await;
    assert!(
        matches!(offline, Err(SayError::Http(HttpError::Broken(_)))),
        "{offline:?}"
    );
}

#[tokio::test]
async fn slack_listens_at_the_configured_address_and_only_on_loopback() {
    let sandbox = start(vec![]).await;
    let mut settings = SandboxSettings::new("a signing secret", vec![]);
    settings.slack_addr = slack_addr(&sandbox);
    let taken = Sandbox::start(settings.clone()).await.unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    drop(sandbox);
    settings.slack_addr = ([0, 0, 0, 0], 0).into();
    let open = Sandbox::start(settings).await.unwrap_err();
    assert_eq!(open.kind(), std::io::ErrorKind::InvalidInput);
}
