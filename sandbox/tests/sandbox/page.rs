//! The page: whom it answers, and what it lets a person do.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use chatops_sandbox::http::{self, HttpReply};
use chatops_sandbox::slack::{BotMethod, TypedCommand};
use chatops_sandbox::{Sandbox, SandboxSettings, Workspace};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support::{JSON, SECRET, response_url, send, serve, web_project};

/// What a page of another site may look like to a server.
const FOREIGN: &[&str] = &[
    "https://evil.example",
    "http://evil.example",
    "http://localhost:1",
    "http://127.0.0.1",
    "https://127.0.0.1:1",
    "null",
    "",
];

async fn start() -> Sandbox {
    let named = |name: &str, id: &str| (name.to_owned(), id.to_owned());
    let settings = SandboxSettings {
        workspace: Some(Workspace {
            people: vec![named("ana", "U0001"), named("bo", "U0002")],
            channels: vec![named("deploys", "C0001")],
            suggestions: vec![],
        }),
        ..SandboxSettings::new(SECRET, vec![web_project()])
    };
    Sandbox::start(settings).await.unwrap()
}

/// The port that Slack listens at.
fn port(sandbox: &Sandbox) -> &str {
    sandbox.slack_url().rsplit(':').next().unwrap()
}

async fn get(sandbox: &Sandbox, path: &str, headers: &[(&str, &str)]) -> HttpReply {
    let url = format!("{}{path}", sandbox.slack_url());
    send("GET", &url, headers, "").await.unwrap()
}

/// Asks as the page itself does, but for these headers.
async fn ask(sandbox: &Sandbox, path: &str, other: &[(&str, &str)], body: &Value) -> HttpReply {
    let url = format!("{}{path}", sandbox.slack_url());
    let mut headers = vec![("origin", sandbox.slack_url()), ("content-type", JSON)];
    headers.retain(|(name, _)| !other.iter().any(|(others, _)| others == name));
    // An empty value stands for no header.
    headers.extend(other.iter().filter(|(_, value)| !value.is_empty()));
    send("POST", &url, &headers, &body.to_string())
        .await
        .unwrap()
}

/// An app that acknowledges everything; the bodies that reach it.
async fn install(sandbox: &Sandbox) -> (mpsc::UnboundedReceiver<String>, JoinSet<()>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let take = |State(sender): State<mpsc::UnboundedSender<String>>, body: String| async move {
        sender.send(body).unwrap();
    };
    let app = Router::new().route("/slack", post(take)).with_state(sender);
    let (url, tasks) = serve(app).await;
    sandbox.install_app(&url);
    sandbox.install_interactivity(&url);
    (receiver, tasks)
}

/// Every change that the page can make.
fn changes() -> [(&'static str, Value); 3] {
    let command = json!({"person": "U0001", "channel": "C0001", "text": "main deploy"});
    let press = json!({
        "person": "U0001", "channel": "C0001", "ts": "1", "action_id": "go", "value": null, "fields": {},
    });
    [
        ("/page/command", command),
        ("/page/press", press),
        ("/page/circleci", json!({"lose_answer": true})),
    ]
}

const FILES: [&str; 8] = [
    "/",
    "/page.css",
    "/icon.svg",
    "/page.js",
    "/conversation.js",
    "/blocks.js",
    "/mrkdwn.js",
    "/circleci.js",
];

#[tokio::test]
async fn only_its_own_names_are_answered() {
    let sandbox = start().await;
    let (mut bodies, _app) = install(&sandbox).await;
    let port = port(&sandbox).to_owned();
    for own in ["127.0.0.1", "localhost", "LOCALHOST"] {
        let host = format!("{own}:{port}");
        let reply = get(&sandbox, "/", &[("host", &host)]).await;
        assert_eq!(reply.status, StatusCode::OK, "{host}");
    }
    for foreign in [
        "evil.example",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "127.0.0.2",
        "localhost.",
    ] {
        let hosts = [format!("{foreign}:{port}"), foreign.to_owned()];
        for host in &hosts {
            for path in FILES.into_iter().chain(["/page/events"]) {
                let reply = get(&sandbox, path, &[("host", host)]).await;
                assert_eq!(
                    reply.status,
                    StatusCode::MISDIRECTED_REQUEST,
                    "{host} {path}"
                );
            }
            // The origin is right: another name leads here, and whoever asks says what it likes.
            let typed = serde_json::to_value(TypedCommand::new("main deploy")).unwrap();
            for (path, body) in changes().into_iter().chain([("/say", typed)]) {
                let reply = ask(&sandbox, path, &[("host", host)], &body).await;
                assert_eq!(
                    reply.status,
                    StatusCode::MISDIRECTED_REQUEST,
                    "{host} {path}"
                );
            }
        }
    }
    assert!(bodies.try_recv().is_err());
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let sandbox = start().await;
    let (mut bodies, _app) = install(&sandbox).await;
    for (path, body) in changes() {
        for origin in FOREIGN {
            let reply = ask(&sandbox, path, &[("origin", origin)], &body).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path} {origin}");
        }
        let simple = [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "",
        ];
        for kind in simple {
            let reply = ask(&sandbox, path, &[("content-type", kind)], &body).await;
            assert_eq!(
                reply.status,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "{path} {kind}"
            );
        }
        // A browser asks first whether it may, and is told nothing.
        let url = format!("{}{path}", sandbox.slack_url());
        let asks = [
            ("origin", "https://evil.example"),
            ("access-control-request-method", "POST"),
        ];
        let reply = send("OPTIONS", &url, &asks, "").await.unwrap();
        assert!(!reply.status.is_success(), "{path}");
        assert!(!reply.headers.contains_key("access-control-allow-origin"));
    }
    assert!(bodies.try_recv().is_err());
    let counts = sandbox.circleci().call_counts();
    assert!(counts.is_empty(), "{counts:?}");
}

/// The other addresses of Slack, too: a browser says where what it sends comes from.
#[tokio::test]
async fn a_page_of_another_site_cannot_use_slack() {
    let sandbox = start().await;
    let (mut bodies, _app) = install(&sandbox).await;
    let typed = serde_json::to_string(&TypedCommand::new("main deploy")).unwrap();
    let app = "http://127.0.0.1:9/slack";
    let command = TypedCommand::new("help");
    let sent = sandbox.command_sender().prepare_command(app, &command);
    let response = response_url(sent.signed.body.as_bytes());
    let message = r#"{"text":"forged"}"#.to_owned();
    let base = sandbox.slack_url();
    for (url, body) in [
        (format!("{base}/say"), typed),
        (response, message.clone()),
        (format!("{base}{}", BotMethod::PostMessage.path()), message),
    ] {
        for origin in FOREIGN.iter().filter(|origin| !origin.is_empty()) {
            for kind in [JSON, "text/plain"] {
                let headers = [("origin", *origin), ("content-type", kind)];
                let reply = send("POST", &url, &headers, &body).await.unwrap();
                assert_eq!(reply.status, StatusCode::FORBIDDEN, "{url} {origin}");
            }
        }
    }
    assert!(bodies.try_recv().is_err());
    assert!(sandbox.slack().lock().messages().is_empty());
    assert!(sandbox.slack().lock().attempts().is_empty());
}

#[tokio::test]
async fn the_browser_is_told_to_keep_the_page_to_itself() {
    let sandbox = start().await;
    for path in FILES {
        let reply = get(&sandbox, path, &[]).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        let header = |name: &str| reply.headers[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'"),
            "{policy}"
        );
        assert!(
            !policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-store");
        assert!(!reply.headers.contains_key("access-control-allow-origin"));
    }
    // What the browser says of itself: a part of another page, and a link that was followed.
    let part = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "no-cors"),
    ];
    for path in ["/", "/page.js", "/page/events"] {
        assert_eq!(
            get(&sandbox, path, &part).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    let link = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
    ];
    assert_eq!(get(&sandbox, "/", &link).await.status, StatusCode::OK);
}

/// Nothing of the page is fetched from elsewhere, and nothing of it is a script in the text.
#[tokio::test]
async fn the_page_is_complete() {
    let sandbox = start().await;
    for path in FILES {
        let text = get(&sandbox, path, &[]).await.text();
        let ours = text.replace("http://www.w3.org/2000/svg", "");
        for foreign in [
            "https://",
            "http://",
            "//cdn",
            "@import",
            "innerHTML",
            "onclick=",
            "style=\"",
        ] {
            assert!(!ours.contains(foreign), "{path}: {foreign}");
        }
    }
}

#[tokio::test]
async fn a_press_carries_what_stands_in_the_fields() {
    let sandbox = start().await;
    let (mut bodies, _app) = install(&sandbox).await;
    let plain = |text: &str| json!({"type": "plain_text", "text": text});
    let option = |value: &str| json!({"text": plain(value), "value": value});
    let menu = json!({
        "type": "static_select", "action_id": "job", "options": [option("deploy"), option("test")],
    });
    let field = json!({"type": "plain_text_input", "action_id": "ref", "initial_value": "main"});
    let button = json!({"type": "button", "action_id": "go", "text": plain("Go"), "value": "v"});
    let input = |id: &str, element: Value| json!({"type": "input", "block_id": id, "label": plain(id), "element": element});
    let blocks = json!([
        input("what", menu), input("where", field),
        {"type": "actions", "elements": [button]},
    ]);
    let ts = {
        let mut slack = sandbox.slack().lock();
        slack.install_bot("token");
        slack.invite_bot("C0001");
        let body =
            json!({"channel": "C0001", "user": "U0001", "text": "x", "blocks": blocks}).to_string();
        let now = chrono::DateTime::UNIX_EPOCH;
        slack.call_bot(
            now,
            BotMethod::PostEphemeral,
            Some("token"),
            body.as_bytes(),
        );
        slack.messages()[0].ts.clone()
    };
    let press = |person: &str, action: &str, fields: Value| {
        json!({
            "person": person, "channel": "C0001", "ts": ts, "action_id": action, "value": null,
            "fields": fields,
        })
    };
    let entered = json!({"what": {"job": "test"}, "where": {"ref": ""}, "more": {"x": "y"}});
    let reply = ask(&sandbox, "/page/press", &[], &press("U0001", "go", entered)).await;
    assert_eq!(reply.json().unwrap(), json!({"status": 200}));
    let form = bodies.recv().await.unwrap();
    let (_, payload) = form_urlencoded::parse(form.as_bytes()).next().unwrap();
    let payload: Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(payload["user"]["id"], "U0001");
    assert_eq!(payload["actions"][0]["value"], "v");
    let expected = json!({
        "what": {"job": {"type": "static_select", "selected_option": option("test")}},
        "where": {"ref": {"type": "plain_text_input", "value": null}},
    });
    assert_eq!(payload["state"]["values"], expected);
    // Nobody presses what they do not see, what is not there, or as a stranger.
    for (person, action, status) in [
        ("U0002", "go", StatusCode::NOT_FOUND),
        ("U0001", "stop", StatusCode::NOT_FOUND),
        ("U0009", "go", StatusCode::NOT_FOUND),
    ] {
        let reply = ask(
            &sandbox,
            "/page/press",
            &[],
            &press(person, action, json!({})),
        )
        .await;
        assert_eq!(reply.status, status, "{person} {action}");
    }
    assert!(bodies.try_recv().is_err());
}

/// The first event has everything that the person sees, also on a second connection.
#[tokio::test]
async fn the_stream_begins_with_everything() {
    let sandbox = start().await;
    let (_bodies, _app) = install(&sandbox).await;
    let say = |text: &str, user: Option<&str>| {
        let mut slack = sandbox.slack().lock();
        slack.install_bot("token");
        slack.invite_bot("C0001");
        let method = if user.is_some() {
            BotMethod::PostEphemeral
        } else {
            BotMethod::PostMessage
        };
        let body = json!({"channel": "C0001", "text": text, "user": user}).to_string();
        slack.call_bot(
            chrono::DateTime::UNIX_EPOCH,
            method,
            Some("token"),
            body.as_bytes(),
        );
    };
    say("to all", None);
    say("to ana", Some("U0001"));
    let (ana, bo) = (
        first_event(&sandbox, "U0001").await,
        first_event(&sandbox, "U0002").await,
    );
    assert_eq!(texts(&ana), ["to all", "to ana"]);
    assert_eq!(texts(&bo), ["to all"]);
    say("later", None);
    assert_eq!(
        texts(&first_event(&sandbox, "U0002").await),
        ["to all", "later"]
    );
    let reply = get(&sandbox, "/page/events?person=U0009", &[]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

async fn first_event(sandbox: &Sandbox, person: &str) -> Value {
    let url = format!("{}/page/events?person={person}", sandbox.slack_url());
    let request = axum::http::Request::get(url).body(String::new()).unwrap();
    let mut lines = http::open_lines(request).await.unwrap();
    loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if let Some(data) = line.strip_prefix("data: ") {
            return serde_json::from_str(data).unwrap();
        }
    }
}

fn texts(event: &Value) -> Vec<&str> {
    let messages = event["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["text"].as_str().unwrap())
        .collect()
}

/// Each switch shows its state, and goes back by itself where it was for one call.
#[tokio::test]
async fn the_switches_change_circleci() {
    let sandbox = start().await;
    let set = async |change: Value| {
        ask(&sandbox, "/page/circleci", &[], &change)
            .await
            .json()
            .unwrap()
    };
    for name in ["unreachable", "lose_answer", "refuse", "start_late"] {
        let on = set(json!({name: true})).await;
        assert_eq!(on[name], true, "{on}");
        let off = set(json!({name: false})).await;
        assert_eq!(off[name], false, "{off}");
    }
    set(json!({"refuse": true})).await;
    let run = async || {
        let url = format!(
            "{}/api/v2/project/github/acme/web/pipeline/run",
            sandbox.circleci_url()
        );
        let headers = [("circle-token", "token"), ("content-type", JSON)];
        let body =
            json!({"config": {"branch": "main"}, "checkout": {"branch": "main"}, "parameters": {}});
        send("POST", &url, &headers, &body.to_string())
            .await
            .unwrap()
            .status
    };
    assert_eq!(run().await, StatusCode::FORBIDDEN);
    let next = set(json!({"next_run": "fails"})).await;
    assert_eq!(
        (&next["refuse"], &next["next_run"]),
        (&json!(false), &json!("fails"))
    );
    let none = json!({"approve": {"workflow": uuid::Uuid::nil(), "request": uuid::Uuid::nil()}});
    let reply = ask(&sandbox, "/page/circleci", &[], &none).await;
    assert_eq!(reply.status, StatusCode::CONFLICT);
    let reply = ask(&sandbox, "/page/circleci", &[], &json!({"burn": true})).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

/// Without a workspace there is no page.
#[tokio::test]
async fn a_sandbox_of_a_test_has_no_page() {
    let sandbox = crate::support::start(vec![]).await;
    let reply = get(&sandbox, "/", &[]).await;
    assert!(!reply.status.is_success());
}
