//! A client, a Slack that answers as it is told, and what became of a post.

use std::net::TcpListener as Unserved;

use chatops_core::config::Config;
use chatops_core::ports::{Chat as _, SecretName, Secrets, SecretsError, To, Versions};
use chatops_core::reply::Posted;
use chatops_core::secret::ResponseUrl;
use chatops_core::words::{self, Post};
use chatops_notifier::SlackClient;
use chatops_sandbox::{Fault, Sandbox, Settings};
use chrono::{TimeDelta, Utc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

/// Long enough for a request to leave even on a machine that is busy; only what hangs takes it.
pub(crate) const SHORT: &str = "request_timeout = \"1s\"\nconnect_timeout = \"900ms\"";

pub(crate) const PATH: &str = "/commands/T0001/1/canary";

/// A configuration whose whole Slack is at this origin.
pub(crate) fn config(origin: &str, times: &str) -> Config {
    // The second test of a process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let text = format!(
        "version = 1\n[slack]\nteams = [\"T0001\"]\nreply_origins = [\"{origin}\"]\napi = \"{origin}\"\n\
         [times]\n{times}\n"
    );
    Config::parse(&text, "chatops.toml").unwrap()
}

pub(crate) fn client_with(origin: &str, times: &str) -> Client {
    let config = config(origin, times);
    SlackClient::new(&config.slack, &config.times, NoSecrets).unwrap()
}

pub(crate) fn client(origin: &str) -> Client {
    client_with(origin, "")
}

/// A reply address takes no token.
#[derive(Debug)]
pub(crate) struct NoSecrets;

impl Secrets for NoSecrets {
    async fn get(&self, name: SecretName) -> Result<Versions, SecretsError> {
        panic!("{name:?} is not needed")
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretsError> {
        panic!("{name:?} is not needed")
    }
}

/// A client for reply addresses.
pub(crate) type Client = SlackClient<NoSecrets>;

/// An address as it lies in the ledger, where reading back checks nothing.
pub(crate) fn stored(address: &str) -> To {
    To::Address(serde_json::from_value(address.into()).unwrap())
}

pub(crate) fn post() -> Post {
    words::not_accepted()
}

pub(crate) async fn sandbox() -> Sandbox {
    Sandbox::start(Settings::new("signing secret", vec![]))
        .await
        .unwrap()
}

/// A reply address that Slack issued `age` minutes ago.
#[expect(clippy::disallowed_methods, reason = "the sandbox runs in real time")]
pub(crate) fn issued(sandbox: &Sandbox, age: i64) -> To {
    let at = Utc::now() - TimeDelta::minutes(age);
    let path = sandbox
        .slack()
        .lock()
        .issue_response_url(at, "U0001", "C0001");
    let address = format!("{}{path}", sandbox.slack_url());
    let slack = Url::parse(sandbox.slack_url()).unwrap();
    To::Address(ResponseUrl::parse(&address, &[slack]).unwrap())
}

pub(crate) fn shown(sandbox: &Sandbox) -> usize {
    sandbox.slack().lock().messages().len()
}

/// What the client makes of `fault`, after checking that it posted once.
pub(crate) async fn meets(fault: Fault, shows: usize) -> Posted {
    let sandbox = sandbox().await;
    let address = issued(&sandbox, 0);
    sandbox.slack().fail_next(fault);
    let posted = client(sandbox.slack_url()).post(&address, &post()).await;
    assert_eq!(
        sandbox.journal().entries().len(),
        1,
        "the post is sent once"
    );
    assert_eq!(shown(&sandbox), shows);
    posted
}

pub(crate) fn refuse(status: u16, retry_after_s: Option<u64>, message: &str) -> Fault {
    Fault::Refuse {
        status,
        retry_after_s,
        message: message.to_owned(),
    }
}

pub(crate) fn refused(why: &str) -> Posted {
    Posted::Refused {
        why: why.to_owned(),
    }
}

/// What the client makes of a raw answer, and the request that it sent; the connection is closed
/// behind the answer.
pub(crate) async fn answered(text: &str) -> (Posted, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let to = stored(&format!("{origin}{PATH}"));
    let answered = exchange(&listener, &client(&origin), &to, &post(), text).await;
    is_left_alone(listener);
    answered
}

/// One post, and the raw answer to it.
pub(crate) async fn exchange<X: Secrets>(
    listener: &TcpListener,
    client: &SlackClient<X>,
    to: &To,
    post: &Post,
    text: &str,
) -> (Posted, String) {
    tokio::join!(client.post(to, post), serve(listener, text))
}

/// Takes one request and answers it; the request.
pub(crate) async fn serve(listener: &TcpListener, text: &str) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    while !is_whole(&read) {
        assert_ne!(
            stream.read_buf(&mut read).await.unwrap(),
            0,
            "the request broke off"
        );
    }
    // A client that has seen enough may be gone.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
    String::from_utf8(read).unwrap()
}

pub(crate) fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = |line: &str| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    };
    body.len() >= head.lines().find_map(length).unwrap_or(0)
}

/// A connection stands in the listener's queue as soon as it is made, so there is nothing to wait
/// for.
pub(crate) fn is_left_alone(listener: TcpListener) {
    nobody_called(&listener.into_std().unwrap());
}

pub(crate) fn nobody_called(listener: &Unserved) {
    listener.set_nonblocking(true).unwrap();
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

/// A whole answer that closes its connection.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

pub(crate) async fn outcome(status: &str, body: &str) -> Posted {
    answered(&answer(status, "", body)).await.0
}
