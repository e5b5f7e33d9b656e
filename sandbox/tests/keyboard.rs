//! The keyboard over real connections: what is typed reaches the app, and what Slack shows comes
//! back to the one who typed, to nobody else, and only as long as they listen.

#![expect(
    clippy::unwrap_used,
    reason = "the exemption for tests does not reach their helper functions"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{Request, StatusCode};
use chatops_sandbox::http::{self, Reply};
use chatops_sandbox::slack::{Conversation, Heard, NoConversation, Typed};
use chatops_sandbox::{Sandbox, Settings};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

const LIMIT: Duration = Duration::from_secs(10);

async fn start() -> Sandbox {
    Sandbox::start(Settings::new("a signing secret", vec![]))
        .await
        .unwrap()
}

fn slack(sandbox: &Sandbox) -> SocketAddr {
    let url = sandbox.slack_url();
    url.trim_start_matches("http://").parse().unwrap()
}

/// An app that acknowledges with what it is given, and hands out the response addresses.
async fn install(
    sandbox: &Sandbox,
    ack: &'static str,
) -> (mpsc::UnboundedReceiver<String>, JoinSet<()>) {
    let (tell, told) = mpsc::unbounded_channel();
    let answer = move |body: Bytes| {
        let body = String::from_utf8(body.to_vec()).unwrap();
        let (_, rest) = body.split_once("response_url=").unwrap();
        let url = rest.split('&').next().unwrap();
        tell.send(url.replace("%3A", ":").replace("%2F", "/"))
            .unwrap();
        async move { ack }
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    sandbox.install(&format!("http://{}/slack", listener.local_addr().unwrap()));
    let mut tasks = JoinSet::new();
    let router = Router::new().fallback(answer);
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (told, tasks)
}

async fn post(url: &str, kind: &str, body: &str) -> Reply {
    let request = Request::post(url)
        .header("Content-Type", kind)
        .body(body.to_owned())
        .unwrap();
    http::send(request, LIMIT).await.unwrap()
}

async fn begin(sandbox: &Sandbox, text: &str) -> Conversation {
    Conversation::begin(slack(sandbox), &Typed::new(text))
        .await
        .unwrap()
}

async fn hear(conversation: &mut Conversation) -> Heard {
    let heard = tokio::time::timeout(LIMIT, conversation.next());
    heard.await.unwrap().unwrap().unwrap()
}

fn message(visible_to: Option<&str>, shown: &str) -> Heard {
    Heard::Message {
        visible_to: visible_to.map(str::to_owned),
        shown: shown.to_owned(),
    }
}

#[tokio::test]
async fn who_types_hears_the_answer_and_every_message_to_it() {
    let sandbox = start().await;
    let (mut urls, _app) = install(&sandbox, "noted").await;
    let mut one = begin(&sandbox, "main deploy").await;
    let mut two = begin(&sandbox, "main e2e").await;
    for conversation in [&mut one, &mut two] {
        let Heard::Acknowledged {
            status,
            latency_ms,
            visible_to,
            shown,
        } = hear(conversation).await
        else {
            panic!("the acknowledgement is not the first");
        };
        assert_eq!((status, shown.as_str()), (Some(200), "noted"));
        assert_eq!(visible_to.as_deref(), Some("U0001"));
        assert!(latency_ms > 0.0);
    }
    let to_one = urls.recv().await.unwrap();
    let to_two = urls.recv().await.unwrap();
    let json = "application/json";
    post(
        &to_one,
        json,
        r#"{"text":"a","response_type":"in_channel"}"#,
    )
    .await;
    post(&to_two, json, r#"{"text":"b"}"#).await;
    post(&to_one, json, r#"{"text":"c"}"#).await;
    assert_eq!(hear(&mut one).await, message(None, "a"));
    assert_eq!(hear(&mut one).await, message(Some("U0001"), "c"));
    assert_eq!(hear(&mut two).await, message(Some("U0001"), "b"));
}

#[tokio::test]
async fn an_empty_answer_shows_nothing() {
    let sandbox = start().await;
    let (_urls, _app) = install(&sandbox, "").await;
    let heard = hear(&mut begin(&sandbox, "history").await).await;
    assert!(matches!(
        heard,
        Heard::Acknowledged { status: Some(200), shown, .. } if shown.is_empty()
    ));
}

#[tokio::test]
async fn nothing_is_left_of_a_client_that_hangs_up() {
    let sandbox = start().await;
    let (_urls, _app) = install(&sandbox, "noted").await;
    let mut open = Vec::new();
    for _ in 0..20 {
        let mut conversation = begin(&sandbox, "main deploy").await;
        hear(&mut conversation).await;
        open.push(conversation);
    }
    assert_eq!(sandbox.journal().listeners(), 20);
    drop(open);
    let gone = async {
        while sandbox.journal().listeners() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.unwrap();
    // And the next one is served.
    hear(&mut begin(&sandbox, "main deploy").await).await;
}

#[tokio::test]
async fn a_command_arrives_even_if_the_one_who_typed_hangs_up() {
    let sandbox = start().await;
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let app = {
        let (arrived, go) = (Arc::clone(&arrived), Arc::clone(&go));
        Router::new().fallback(async move || {
            arrived.notify_one();
            go.notified().await;
            "late"
        })
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    sandbox.install(&format!("http://{}/", listener.local_addr().unwrap()));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });

    let typed = Typed::new("main deploy");
    tokio::select! {
        _ = Conversation::begin(slack(&sandbox), &typed) => panic!("it was answered"),
        () = arrived.notified() => {}
    }
    go.notify_one();
    let shown = sandbox.journal().wait_until(LIMIT, |entries| {
        entries.iter().find_map(|entry| match &entry.what {
            chatops_sandbox::Seen::Acknowledged { shown, .. } => Some(shown.clone()),
            _ => None,
        })
    });
    assert_eq!(shown.await.as_deref(), Some("late"));
}

#[tokio::test]
async fn what_cannot_be_typed_says_why() {
    let sandbox = start().await;
    let refused = Conversation::begin(slack(&sandbox), &Typed::new("help")).await;
    assert!(
        matches!(&refused, Err(NoConversation::Refused { status: 503, message }) if message == "no app is installed yet"),
        "{refused:?}"
    );
    let (_urls, _app) = install(&sandbox, "noted").await;
    let url = format!("{}/say", sandbox.slack_url());
    let typed = serde_json::to_string(&Typed::new("help")).unwrap();
    assert_eq!(
        post(&url, "text/plain", &typed).await.status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    assert_eq!(
        post(&url, "application/json", "{}").await.status,
        StatusCode::BAD_REQUEST
    );
    assert!(sandbox.journal().entries().is_empty());

    let address = slack(&sandbox);
    drop(sandbox);
    let nobody = Conversation::begin(address, &Typed::new("help")).await;
    assert!(
        matches!(nobody, Err(NoConversation::Http(http::Error::Broken(_)))),
        "{nobody:?}"
    );
}

#[tokio::test]
async fn slack_listens_where_it_is_told_to_and_only_on_this_machine() {
    let sandbox = start().await;
    let mut settings = Settings::new("a signing secret", vec![]);
    settings.slack = slack(&sandbox);
    let taken = Sandbox::start(settings.clone()).await.unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    drop(sandbox);
    settings.slack = ([0, 0, 0, 0], 0).into();
    let open = Sandbox::start(settings).await.unwrap_err();
    assert_eq!(open.kind(), std::io::ErrorKind::InvalidInput);
}
