//! A sandbox, requests to it, and an app that it calls.

use std::time::Duration;

use axum::Router;
use axum::http::Request;
use chatops_sandbox::circleci::{FakeProject, RunScript};
use chatops_sandbox::http::{self, HttpError, HttpReply};
use chatops_sandbox::{HttpFault, JournalEvent, Sandbox, SandboxSettings};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) const LIMIT: Duration = Duration::from_mins(5);
pub(crate) const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
pub(crate) const JSON: &str = "application/json";

pub(crate) async fn start(projects: Vec<FakeProject>) -> Sandbox {
    let settings = SandboxSettings::new(SECRET, projects);
    Sandbox::start(settings).await.unwrap()
}

/// A project with two branches, one tag and one parameter.
pub(crate) fn web_project() -> FakeProject {
    FakeProject {
        branches: vec!["main".to_owned(), "feature/x".to_owned()],
        tags: vec!["v1.2.3".to_owned()],
        parameters: vec!["job".to_owned()],
        ..FakeProject::new("gh/acme/web", "token")
    }
}

/// A workflow that runs at once and until it is canceled.
pub(crate) fn endless_script() -> RunScript {
    let mut script = RunScript::endless();
    script.workflows[0].starts_after = Duration::ZERO;
    script
}

pub(crate) fn reject_429(retry_after_s: u64, message: &str) -> HttpFault {
    HttpFault::Reject {
        status: 429,
        retry_after_s: Some(retry_after_s),
        message: message.to_owned(),
    }
}

pub(crate) async fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<HttpReply, HttpError> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    http::send_request(request.body(body.to_owned()).unwrap(), LIMIT).await
}

pub(crate) async fn post(url: &str, kind: &str, body: &str) -> Result<HttpReply, HttpError> {
    send("POST", url, &[("content-type", kind)], body).await
}

/// Serves an app on loopback until the set is dropped.
pub(crate) async fn serve(router: Router) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/slack", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, tasks)
}

/// The response URL in the form of a command.
pub(crate) fn response_url(form: &[u8]) -> String {
    form_urlencoded::parse(form)
        .find_map(|(name, value)| (name == "response_url").then(|| value.into_owned()))
        .unwrap()
}

pub(crate) fn events(sandbox: &Sandbox) -> Vec<JournalEvent> {
    let entries = sandbox.journal().entries().into_iter();
    entries.map(|entry| entry.event).collect()
}
