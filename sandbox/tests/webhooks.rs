//! CircleCI's webhooks over real connections: when they come, what they say, how they go wrong.

#![expect(
    clippy::unwrap_used,
    reason = "the exemption for tests does not reach their helper functions"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use chatops_sandbox::circleci::{
    Delivery, EVENT_HEADER, Event, Project, SIGNATURE_HEADER, Script, sign,
};
use chatops_sandbox::{Entry, Sandbox, Seen, Settings};
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const SECRET: &str = "webhook secret";
const LIMIT: Duration = Duration::from_secs(20);

/// A request as the app gets it.
#[derive(Debug)]
struct Got {
    head: String,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn kind(&self) -> String {
        self.header(EVENT_HEADER).unwrap().to_owned()
    }

    fn is_authentic(&self) -> bool {
        self.header(SIGNATURE_HEADER) == Some(&format!("v1={}", sign(SECRET, &self.body)))
    }
}

/// An app that takes every event.
struct App {
    url: String,
    events: mpsc::UnboundedReceiver<Got>,
    _server: JoinSet<()>,
}

impl App {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/circleci", listener.local_addr().unwrap());
        let (send, events) = mpsc::unbounded_channel();
        let mut server = JoinSet::new();
        server.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut read = Vec::new();
                let got = loop {
                    stream.read_buf(&mut read).await.unwrap();
                    let text = String::from_utf8(read.clone()).unwrap();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else {
                        continue;
                    };
                    let got = Got {
                        head: head.to_owned(),
                        body: body.to_owned(),
                    };
                    let length = got.header("content-length").unwrap().parse().unwrap();
                    if body.len() >= length {
                        break got;
                    }
                };
                send.send(got).unwrap();
                let answer = "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self {
            url,
            events,
            _server: server,
        }
    }

    async fn next(&mut self) -> Got {
        let next = self.events.recv();
        tokio::time::timeout(LIMIT, next).await.unwrap().unwrap()
    }
}

async fn start(secret: Option<&str>) -> (Sandbox, App) {
    let settings = Settings::new("signing secret", vec![Project::new("gh/acme/web", "token")]);
    let sandbox = Sandbox::start(settings).await.unwrap();
    let app = App::start().await;
    sandbox.hear_circleci(&app.url, secret);
    (sandbox, app)
}

#[expect(clippy::disallowed_methods, reason = "the sandbox runs in real time")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

/// A pipeline that follows the script from now on.
fn started(sandbox: &Sandbox, script: Script) -> String {
    let mut model = sandbox.circleci().lock();
    model.script_next(script);
    let created = model
        .trigger(now(), Some("token"), "gh/acme/web", None, BTreeMap::new())
        .unwrap();
    created.id.to_string()
}

fn at_once() -> Script {
    Script::success(Duration::ZERO)
}

#[tokio::test]
async fn the_end_of_a_workflow_is_told_and_signed() {
    let (sandbox, mut app) = start(Some(SECRET)).await;
    let id = started(&sandbox, Script::failure(Duration::from_millis(20)));
    let job = app.next().await;
    assert_eq!(job.kind(), "job-completed");
    assert_eq!(job.json()["job"]["status"], "failed");
    assert_eq!(job.json()["workflow"]["status"], Value::Null);
    let ended = app.next().await;
    assert!(ended.is_authentic() && job.is_authentic());
    assert_eq!(ended.header("content-type"), Some("application/json"));
    assert_eq!(ended.header("user-agent"), Some("CircleCI-Webhook/1.0"));
    let body = ended.json();
    assert_eq!(body["type"], "workflow-completed");
    assert_eq!(body["pipeline"]["id"], id);
    assert_eq!(body["workflow"]["status"], "failed");
    assert_eq!(body["project"]["slug"], "github/acme/web");
    assert_ne!(body["id"], job.json()["id"]);
    let workflow = body["workflow"]["id"].as_str().unwrap();
    let url = format!("https://app.circleci.com/pipelines/github/acme/web/1/workflows/{workflow}");
    assert_eq!(body["workflow"]["url"], url);
    // What it says is what the API says.
    let page = sandbox
        .circleci()
        .lock()
        .workflows(now(), id.parse().unwrap());
    assert_eq!(page.unwrap().items[0].status, "failed");
    let told = |entries: &[Entry]| {
        let told = |entry: &&Entry| {
            matches!(
                &entry.what,
                Seen::Webhook {
                    status: Some(202),
                    ..
                }
            )
        };
        (entries.iter().filter(told).count() == 2).then_some(())
    };
    sandbox.journal().wait_until(LIMIT, told).await.unwrap();
}

#[tokio::test]
async fn each_workflow_tells_of_its_own_end_and_a_cancel_is_one() {
    let (sandbox, mut app) = start(None).await;
    let id = started(&sandbox, Script::endless());
    started(&sandbox, at_once());
    assert_eq!(app.next().await.json()["pipeline"]["number"], 2);
    let ended = app.next().await;
    assert_eq!(ended.header(SIGNATURE_HEADER), None);
    {
        let mut model = sandbox.circleci().lock();
        let later = now() + Duration::from_secs(1);
        let workflow = model.workflows(later, id.parse().unwrap()).unwrap().items[0].id;
        model.cancel_workflow(now(), workflow).unwrap();
    }
    assert_eq!(app.next().await.json()["job"]["status"], "canceled");
    assert_eq!(app.next().await.json()["pipeline"]["id"], id);
}

#[tokio::test]
async fn a_delivery_can_be_doubled_forged_or_lost() {
    let (sandbox, mut app) = start(Some(SECRET)).await;
    for how in [Delivery::Doubled, Delivery::Forged, Delivery::Lost] {
        sandbox.circleci().deliver_next(how);
    }
    for _ in 0..4 {
        started(&sandbox, at_once());
    }
    let mut got = Vec::new();
    for _ in 0..8 {
        let event = app.next().await;
        let number = event.json()["pipeline"]["number"].as_u64().unwrap();
        got.push((number, event.kind(), event.is_authentic()));
    }
    let (job, ended) = ("job-completed", "workflow-completed");
    let expected = [
        (1, job, true),
        (1, job, true),
        (1, ended, true),
        (1, ended, true),
        (2, job, false),
        (2, ended, false),
        (4, job, true),
        (4, ended, true),
    ];
    assert_eq!(
        got,
        expected.map(|(number, kind, authentic)| (number, kind.to_owned(), authentic))
    );
}

#[tokio::test]
async fn an_early_delivery_comes_while_the_workflow_runs() {
    let (sandbox, mut app) = start(Some(SECRET)).await;
    sandbox.circleci().deliver_next(Delivery::Early);
    let mut script = Script::success(Duration::from_hours(1));
    script.workflows[0].starts_after = Duration::ZERO;
    let id = started(&sandbox, script);
    app.next().await;
    let ended = app.next().await;
    assert_eq!(ended.json()["workflow"]["status"], "success");
    let page = sandbox
        .circleci()
        .lock()
        .workflows(now(), id.parse().unwrap());
    assert_eq!(page.unwrap().items[0].status, "running");
}

#[tokio::test]
async fn nothing_is_told_of_what_never_ran() {
    let (sandbox, mut app) = start(Some(SECRET)).await;
    started(&sandbox, Script::no_workflow());
    started(&sandbox, Script::config_error("no"));
    started(&sandbox, Script::ending(Duration::ZERO, "not_run"));
    started(&sandbox, at_once());
    assert_eq!(app.next().await.json()["pipeline"]["number"], 4);
}

#[tokio::test]
async fn a_ping_and_a_kind_that_is_new_can_be_sent() {
    let (sandbox, mut app) = start(Some(SECRET)).await;
    for event in [Event::ping(now()), Event::unknown(now(), "brand-new")] {
        let (status, got) = tokio::join!(sandbox.circleci().send_event(&event), app.next());
        assert_eq!(status, Some(202));
        assert_eq!((got.kind(), got.is_authentic()), (event.kind.clone(), true));
        assert_eq!(got.json()["type"], event.kind);
    }
    let mut forged = Event::ping(now()).signed(Some(SECRET));
    forged.set(SIGNATURE_HEADER, "v1=00");
    let (_, got) = tokio::join!(sandbox.circleci().send_signed(&forged), app.next());
    assert!(!got.is_authentic());
}

#[tokio::test]
async fn an_app_that_is_gone_hears_nothing_and_the_record_says_so() {
    let (sandbox, app) = start(None).await;
    drop(app);
    tokio::task::yield_now().await;
    started(&sandbox, at_once());
    let lost = |entries: &[Entry]| {
        let lost = |entry: &Entry| matches!(&entry.what, Seen::Webhook { status: None, .. });
        entries.iter().any(lost).then_some(())
    };
    sandbox.journal().wait_until(LIMIT, lost).await.unwrap();
}
