//! A client, a scripted Slack, and the result of a post.

use std::net::TcpListener as Unserved;

use chatops_core::config::Config;
use chatops_core::notification::PostResult;
use chatops_core::ports::{
    ChatClient as _, PostTarget, SecretError, SecretName, SecretReader, SecretVersions,
};
use chatops_core::secret::ResponseUrl;
use chatops_core::text::{self, SlackMessage};
use chatops_sandbox::{HttpFault, Sandbox, SandboxSettings};
use chatops_slack::SlackClient;
use chatops_testkit::config::TestConfig;
use chrono::{TimeDelta, Utc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use url::Url;

/// Long enough for a request to leave even on a machine that is busy; only what hangs takes it.
pub(crate) const SHORT_TIMEOUTS: &str = "request_timeout = \"1s\"\nconnect_timeout = \"900ms\"";

pub(crate) const PATH: &str = "/commands/T0001/1/canary";

/// A configuration whose whole Slack is at this origin.
pub(crate) fn config(origin: &str, times: &str) -> Config {
    // Fails if another test of this process has installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    TestConfig::new().slack(origin).timeouts(times).parse()
}

pub(crate) fn client_with(origin: &str, times: &str) -> SlackClient<NoSecrets> {
    let config = config(origin, times);
    SlackClient::new(&config.slack, &config.timeouts, NoSecrets).unwrap()
}

pub(crate) fn client(origin: &str) -> SlackClient<NoSecrets> {
    client_with(origin, "")
}

/// A response URL takes no token.
#[derive(Debug)]
pub(crate) struct NoSecrets;

impl SecretReader for NoSecrets {
    async fn get(&self, name: SecretName) -> Result<SecretVersions, SecretError> {
        panic!("{name:?} is not needed")
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretError> {
        panic!("{name:?} is not needed")
    }
}

/// A response URL as read from the ledger, which does not check it.
pub(crate) fn stored_target(address: &str) -> PostTarget {
    PostTarget::ResponseUrl(serde_json::from_value(address.into()).unwrap())
}

pub(crate) fn any_message() -> SlackMessage {
    text::not_accepted()
}

pub(crate) async fn sandbox() -> Sandbox {
    let settings = SandboxSettings::new("signing secret", vec![]);
    Sandbox::start(settings).await.unwrap()
}

/// A response URL that Slack issued `age` minutes ago.
#[expect(clippy::disallowed_methods, reason = "the sandbox runs in real time")]
pub(crate) fn issued_target(sandbox: &Sandbox, age: i64) -> PostTarget {
    let at = Utc::now() - TimeDelta::minutes(age);
    let mut model = sandbox.slack().lock();
    let path = model.issue_response_url(at, "U0001", "C0001");
    let url = format!("{}{path}", sandbox.slack_url());
    let origin = Url::parse(sandbox.slack_url()).unwrap();
    PostTarget::ResponseUrl(ResponseUrl::parse(&url, &[origin]).unwrap())
}

/// The response URL of a press in the first message that is shown.
#[expect(clippy::disallowed_methods, reason = "the sandbox runs in real time")]
pub(crate) fn pressed_url(sandbox: &Sandbox) -> ResponseUrl {
    let mut model = sandbox.slack().lock();
    let ts = model.messages()[0].ts.clone();
    let path = model.issue_action_url(Utc::now(), "U0001", "C0001", &ts);
    let origin = Url::parse(sandbox.slack_url()).unwrap();
    ResponseUrl::parse(&format!("{}{path}", sandbox.slack_url()), &[origin]).unwrap()
}

pub(crate) fn shown_count(sandbox: &Sandbox) -> usize {
    sandbox.slack().lock().messages().len()
}

/// The result of a post that meets `fault`, after checking that it was sent once.
pub(crate) async fn post_with_fault(fault: HttpFault, shows: usize) -> PostResult {
    let sandbox = sandbox().await;
    let address = issued_target(&sandbox, 0);
    sandbox.slack().fail_next(fault);
    let result = post_any(&sandbox, &address).await;
    let sent = sandbox.journal().entries().len();
    assert_eq!(sent, 1, "the post is sent once");
    assert_eq!(shown_count(&sandbox), shows);
    result
}

pub(crate) fn rejection(status: u16, retry_after_s: Option<u64>, message: &str) -> HttpFault {
    HttpFault::Reject {
        status,
        retry_after_s,
        message: message.to_owned(),
    }
}

pub(crate) fn rejected(reason: &str) -> PostResult {
    let reason = reason.to_owned();
    PostResult::Refused { reason }
}

/// The result of a raw answer, and the request; the connection is closed after the answer.
pub(crate) async fn post_answered(text: &str) -> (PostResult, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let to = stored_target(&format!("{origin}{PATH}"));
    let answered = exchange_once(&listener, &client(&origin), &to, &any_message(), text).await;
    assert_no_call(listener);
    answered
}

/// One post, and the raw answer to it.
pub(crate) async fn exchange_once<Secrets: SecretReader>(
    listener: &TcpListener,
    client: &SlackClient<Secrets>,
    to: &PostTarget,
    post: &SlackMessage,
    text: &str,
) -> (PostResult, String) {
    tokio::join!(client.post(to, post), serve_once(listener, text))
}

/// Answers one request, and returns it.
pub(crate) async fn serve_once(listener: &TcpListener, text: &str) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    while !is_complete(&read) {
        let count = stream.read_buf(&mut read).await.unwrap();
        assert_ne!(count, 0, "the request broke off");
    }
    // A client that has seen enough may be gone.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
    String::from_utf8(read).unwrap()
}

pub(crate) fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    let length = |line: &str| line.strip_prefix("content-length: ")?.parse().ok();
    body.len() >= head.lines().find_map(length).unwrap_or(0)
}

/// A connection is in the listener's queue as soon as it is made, so the check needs no wait.
pub(crate) fn assert_no_call(listener: TcpListener) {
    assert_no_connection(&listener.into_std().unwrap());
}

pub(crate) fn assert_no_connection(listener: &Unserved) {
    listener.set_nonblocking(true).unwrap();
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

/// A whole answer that closes its connection.
pub(crate) fn raw_response(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

pub(crate) fn ok_response() -> String {
    raw_response("200 OK", "", r#"{"ok":true}"#)
}

pub(crate) fn error_response(error: &str) -> String {
    let body = format!(r#"{{"ok":false,"error":"{error}"}}"#);
    raw_response("200 OK", "", &body)
}

/// The origin of a port that is closed: bound so that no other process gets it, and not listening.
pub(crate) fn closed_port() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let origin = format!("http://{}", socket.local_addr().unwrap());
    (socket, origin)
}

pub(crate) fn not_sent(reason: &str) -> PostResult {
    let reason = reason.to_owned();
    PostResult::NotSent {
        reason,
        after: None,
    }
}

pub(crate) async fn post_any(sandbox: &Sandbox, to: &PostTarget) -> PostResult {
    client(sandbox.slack_url()).post(to, &any_message()).await
}

pub(crate) async fn post_result(status: &str, body: &str) -> PostResult {
    post_answered(&raw_response(status, "", body)).await.0
}
