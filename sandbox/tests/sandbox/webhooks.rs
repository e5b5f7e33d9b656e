//! CircleCI's webhooks: when they are sent, what they say, and how they go wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use chatops_sandbox::circleci::{
    EVENT_HEADER, FakeProject, OutboundEvent, RunRequest, RunScript, SIGNATURE_HEADER, WebhookMode,
    WorkflowScript, sign_webhook,
};
use chatops_sandbox::{JournalEntry, JournalEvent, Sandbox};
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{self, LIMIT, serve};

const SECRET: &str = "webhook secret";

/// A request as the app receives it.
#[derive(Debug)]
struct ReceivedEvent {
    headers: HeaderMap,
    body: String,
}

impl ReceivedEvent {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn kind(&self) -> String {
        self.header(EVENT_HEADER).unwrap().to_owned()
    }

    fn is_authentic(&self) -> bool {
        self.header(SIGNATURE_HEADER) == Some(&format!("v1={}", sign_webhook(SECRET, &self.body)))
    }
}

/// An app that accepts every event.
struct EventReceiver {
    url: String,
    events: mpsc::UnboundedReceiver<ReceivedEvent>,
    _server: JoinSet<()>,
}

impl EventReceiver {
    async fn start() -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let accept = move |headers: HeaderMap, body: String| {
            sender.send(ReceivedEvent { headers, body }).unwrap();
            async { StatusCode::ACCEPTED }
        };
        let (url, server) = serve(Router::new().fallback(accept)).await;
        Self {
            url,
            events,
            _server: server,
        }
    }

    async fn next(&mut self) -> ReceivedEvent {
        let next = self.events.recv();
        tokio::time::timeout(LIMIT, next).await.unwrap().unwrap()
    }
}

async fn start(secret: Option<&str>) -> (Sandbox, EventReceiver) {
    let project = FakeProject::new("gh/acme/web", "token");
    let sandbox = support::start(vec![project]).await;
    let app = EventReceiver::start().await;
    sandbox.set_webhook(&app.url, secret);
    (sandbox, app)
}

#[expect(clippy::disallowed_methods, reason = "the sandbox runs in real time")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

/// A pipeline that follows the script from now on.
fn start_run(sandbox: &Sandbox, script: RunScript) -> String {
    let mut model = sandbox.circleci().lock();
    model.script_next(script);
    let token = Some("token");
    let created = model.trigger(now(), token, "gh/acme/web", None, BTreeMap::new());
    created.unwrap().id.to_string()
}

/// The status of a pipeline's first workflow.
fn status_at(sandbox: &Sandbox, id: &str, at: DateTime<Utc>) -> (Uuid, String) {
    let model = sandbox.circleci().lock();
    let page = model.list_workflows(at, id.parse().unwrap());
    let workflow = page.unwrap().items.remove(0);
    (workflow.id, workflow.status)
}

/// Waits for exactly two webhooks with this status.
async fn wait_two_sent(sandbox: &Sandbox, expected: Option<u16>) {
    let is_sent = |entry: &&JournalEntry| matches!(&entry.event, JournalEvent::WebhookSent { status, .. } if *status == expected);
    let two_sent =
        |entries: &[JournalEntry]| (entries.iter().filter(is_sent).count() == 2).then_some(());
    let done = sandbox.journal().wait_until(LIMIT, two_sent).await;
    done.unwrap();
}

fn instant_success() -> RunScript {
    RunScript::success(Duration::ZERO)
}

#[tokio::test]
async fn the_end_of_a_workflow_is_reported_and_signed() {
    let (sandbox, mut app) = start(Some(SECRET)).await;
    let id = start_run(&sandbox, RunScript::failure(Duration::from_millis(20)));
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
    let vcs = &body["pipeline"]["vcs"];
    assert_eq!(
        (&vcs["provider_name"], &vcs["branch"]),
        (&"github".into(), &"main".into())
    );
    assert_ne!(body["id"], job.json()["id"]);
    let workflow = body["workflow"]["id"].as_str().unwrap();
    let url = format!("https://app.circleci.com/pipelines/github/acme/web/1/workflows/{workflow}");
    assert_eq!(body["workflow"]["url"], url);
    // The API says the same.
    assert_eq!(status_at(&sandbox, &id, now()).1, "failed");
    wait_two_sent(&sandbox, Some(202)).await;
}

#[tokio::test]
async fn each_workflow_reports_its_own_end_and_a_cancel_is_one() {
    let (sandbox, mut app) = start(None).await;
    let id = start_run(&sandbox, RunScript::endless());
    start_run(&sandbox, instant_success());
    assert_eq!(app.next().await.json()["pipeline"]["number"], 2);
    let ended = app.next().await;
    assert_eq!(ended.header(SIGNATURE_HEADER), None);
    let (workflow, _) = status_at(&sandbox, &id, now() + Duration::from_secs(1));
    let canceled = sandbox.circleci().lock().cancel_workflow(now(), workflow);
    canceled.unwrap();
    assert_eq!(app.next().await.json()["job"]["status"], "canceled");
    assert_eq!(app.next().await.json()["pipeline"]["id"], id);
}

#[tokio::test]
async fn a_webhook_can_be_sent_twice_forged_or_lost() {
    let (sandbox, mut app) = start(Some(SECRET)).await;
    for how in [WebhookMode::Twice, WebhookMode::Forged, WebhookMode::Lost] {
        sandbox.circleci().deliver_next(how);
    }
    for _ in 0..4 {
        start_run(&sandbox, instant_success());
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
    let expected = expected.map(|(number, kind, valid)| (number, kind.to_owned(), valid));
    assert_eq!(got, expected);
}

#[tokio::test]
async fn an_early_webhook_is_sent_while_the_workflow_runs() {
    let (sandbox, mut app) = start(Some(SECRET)).await;
    sandbox.circleci().deliver_next(WebhookMode::Early);
    let mut script = RunScript::success(Duration::from_hours(1));
    script.workflows[0].starts_after = Duration::ZERO;
    let id = start_run(&sandbox, script);
    app.next().await;
    let ended = app.next().await;
    assert_eq!(ended.json()["workflow"]["status"], "success");
    assert_eq!(status_at(&sandbox, &id, now()).1, "running");
}

#[tokio::test]
async fn a_workflow_that_never_ran_is_not_reported() {
    let (sandbox, mut app) = start(Some(SECRET)).await;
    start_run(&sandbox, RunScript::no_workflow());
    start_run(&sandbox, RunScript::config_error("no"));
    start_run(&sandbox, RunScript::ending(Duration::ZERO, "not_run"));
    start_run(&sandbox, instant_success());
    assert_eq!(app.next().await.json()["pipeline"]["number"], 4);
}

#[tokio::test]
async fn what_is_not_continued_is_not_reported() {
    let (sandbox, mut app) = start(Some(SECRET)).await;
    let mut script = RunScript::setup_then_success(Duration::ZERO);
    script.workflows[0].steps.clear();
    let later = Duration::from_millis(500);
    script.workflows[1] = WorkflowScript::new("deploy", later, &[(later, "success")]);
    let id = start_run(&sandbox, script);
    let (setup, _) = status_at(&sandbox, &id, now());
    let canceled = sandbox.circleci().lock().cancel_workflow(now(), setup);
    canceled.unwrap();
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let event = app.next().await.json();
        assert_eq!(event["workflow"]["name"], "setup");
        kinds.push(event["type"].clone());
    }
    assert_eq!(kinds, ["job-completed", "workflow-completed"]);
    // After the time of the workflow that does not come.
    start_run(&sandbox, RunScript::success(2 * later));
    assert_eq!(app.next().await.json()["pipeline"]["number"], 2);
}

#[tokio::test]
async fn a_github_app_project_has_no_vcs() {
    let slug = "circleci/acme/web";
    let sandbox = support::start(vec![FakeProject::new(slug, "token")]).await;
    let mut app = EventReceiver::start().await;
    sandbox.set_webhook(&app.url, None);
    {
        let mut model = sandbox.circleci().lock();
        model.script_next(instant_success());
        let run = model.run_pipeline(now(), Some("token"), slug, RunRequest::default());
        run.unwrap();
    }
    let pipeline = app.next().await.json()["pipeline"].clone();
    assert_eq!(pipeline.get("vcs"), None);
    let git = &pipeline["trigger_parameters"]["git"];
    assert_eq!(git["checkout_sha"].as_str().unwrap().len(), 40);
}

#[tokio::test]
async fn a_ping_and_an_unknown_kind_can_be_sent() {
    let (sandbox, mut app) = start(Some(SECRET)).await;
    for event in [
        OutboundEvent::ping(now()),
        OutboundEvent::unknown_kind(now(), "brand-new"),
    ] {
        let (status, got) = tokio::join!(sandbox.circleci().send_event(&event), app.next());
        assert_eq!(status, Some(202));
        assert_eq!((got.kind(), got.is_authentic()), (event.kind.clone(), true));
        assert_eq!(got.json()["type"], event.kind);
    }
    let mut forged = OutboundEvent::ping(now()).signed(Some(SECRET));
    forged.set_header(SIGNATURE_HEADER, "v1=00");
    let (_, got) = tokio::join!(sandbox.circleci().send_signed(&forged), app.next());
    assert!(!got.is_authentic());
}

#[tokio::test]
async fn the_journal_shows_a_webhook_that_reached_nobody() {
    let (sandbox, app) = start(None).await;
    drop(app);
    tokio::task::yield_now().await;
    start_run(&sandbox, instant_success());
    wait_two_sent(&sandbox, None).await;
}
