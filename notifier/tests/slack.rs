//! Slack's reply addresses over real connections: what each answer, and each missing one, means.

#![expect(
    clippy::unwrap_used,
    reason = "the exemption for tests does not reach their helper functions"
)]

use std::net::TcpListener as Unserved;
use std::time::Duration;

use chatops_core::config::Config;
use chatops_core::ports::Chat as _;
use chatops_core::reply::Posted;
use chatops_core::secret::ResponseUrl;
use chatops_core::words::{self, Audience, Post};
use chatops_notifier::SlackReplies;
use chatops_sandbox::{Fault, Sandbox, Settings};
use chrono::{TimeDelta, Utc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use url::Url;

/// Long enough for a request to leave even on a machine that is busy; only what hangs takes it.
const SHORT: &str = "request_timeout = \"1s\"\nconnect_timeout = \"900ms\"";

const PATH: &str = "/commands/T0001/1/canary";

fn client_with(origin: &str, times: &str) -> SlackReplies {
    // The second test of a process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let text = format!(
        "version = 1\n[slack]\nteams = [\"T0001\"]\nreply_origins = [\"{origin}\"]\n[times]\n{times}\n"
    );
    let config = Config::parse(&text, "chatops.toml").unwrap();
    SlackReplies::new(&config.times, config.slack.reply_origins).unwrap()
}

fn client(origin: &str) -> SlackReplies {
    client_with(origin, "")
}

/// An address as it lies in the ledger, where reading back checks nothing.
fn stored(address: &str) -> ResponseUrl {
    serde_json::from_value(address.into()).unwrap()
}

fn post() -> Post {
    words::not_accepted()
}

async fn sandbox() -> Sandbox {
    Sandbox::start(Settings::new("signing secret", vec![]))
        .await
        .unwrap()
}

/// A reply address that Slack issued `age` minutes ago.
#[expect(clippy::disallowed_methods, reason = "the sandbox runs in real time")]
fn issued(sandbox: &Sandbox, age: i64) -> ResponseUrl {
    let at = Utc::now() - TimeDelta::minutes(age);
    let path = sandbox
        .slack()
        .lock()
        .issue_response_url(at, "U0001", "C0001");
    let address = format!("{}{path}", sandbox.slack_url());
    ResponseUrl::parse(&address, &[Url::parse(sandbox.slack_url()).unwrap()]).unwrap()
}

fn shown(sandbox: &Sandbox) -> usize {
    sandbox.slack().lock().messages().len()
}

/// What the client makes of `fault`, after checking that it posted once.
async fn meets(fault: Fault, shows: usize) -> Posted {
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

fn refuse(status: u16, retry_after_s: Option<u64>, message: &str) -> Fault {
    Fault::Refuse {
        status,
        retry_after_s,
        message: message.to_owned(),
    }
}

fn refused(why: &str) -> Posted {
    Posted::Refused {
        why: why.to_owned(),
    }
}

/// What the client makes of a raw answer, and the request that it sent; the connection is closed
/// behind the answer.
async fn answered(text: &str) -> (Posted, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let client = client(&origin);
    let (address, post) = (stored(&format!("{origin}{PATH}")), post());
    let exchange = async {
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
    };
    let answered = tokio::join!(client.post(&address, &post), exchange);
    is_left_alone(listener);
    answered
}

fn is_whole(request: &[u8]) -> bool {
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
fn is_left_alone(listener: TcpListener) {
    nobody_called(&listener.into_std().unwrap());
}

fn nobody_called(listener: &Unserved) {
    listener.set_nonblocking(true).unwrap();
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

/// A whole answer that closes its connection.
fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

async fn outcome(status: &str, body: &str) -> Posted {
    answered(&answer(status, "", body)).await.0
}

// --- Shown ---

#[tokio::test]
async fn a_post_is_shown_as_it_was_written() {
    let sandbox = sandbox().await;
    let address = issued(&sandbox, 0);
    assert_eq!(
        client(sandbox.slack_url()).post(&address, &post()).await,
        Posted::Shown
    );
    let model = sandbox.slack().lock();
    let [message] = model.messages() else {
        panic!("not one message")
    };
    assert_eq!(message.visible_to.as_deref(), Some("U0001"));
    assert!(
        message.shown().contains("Not accepted"),
        "{}",
        message.shown()
    );
    let payload: serde_json::Value = serde_json::from_str(&model.attempts()[0].payload).unwrap();
    assert_eq!(payload, post().to_json());
}

#[tokio::test]
async fn a_post_for_the_channel_is_for_the_channel() {
    let sandbox = sandbox().await;
    let address = issued(&sandbox, 29);
    let post = Post {
        audience: Audience::Channel,
        ..post()
    };
    assert_eq!(
        client(sandbox.slack_url()).post(&address, &post).await,
        Posted::Shown
    );
    let model = sandbox.slack().lock();
    assert_eq!(
        (
            model.messages()[0].visible_to.as_deref(),
            model.messages()[0].channel.as_str()
        ),
        (None, "C0001")
    );
}

#[tokio::test]
async fn the_request_is_a_post_of_json() {
    let (posted, request) = answered(&answer("200 OK", "", "ok")).await;
    assert_eq!(posted, Posted::Shown);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with(&format!("POST {PATH} HTTP/1.1\r\n")),
        "{head}"
    );
    let head = head.to_ascii_lowercase();
    assert!(
        head.contains("content-type: application/json; charset=utf-8"),
        "{head}"
    );
    assert!(
        !head.contains("referer") && !head.contains("cookie"),
        "{head}"
    );
    assert_eq!(body, post().to_json().to_string());
}

#[tokio::test]
async fn each_form_of_slacks_yes_is_understood() {
    for body in [
        "ok",
        "ok\n",
        "",
        r#"{"ok":true}"#,
        r#"{"ok":true,"error":null,"ts":"1"}"#,
    ] {
        assert_eq!(outcome("200 OK", body).await, Posted::Shown, "{body}");
    }
    assert_eq!(outcome("204 No Content", "").await, Posted::Shown);
    // Slack took it, whatever page a proxy put in front of its answer.
    assert_eq!(meets(Fault::Garbage, 1).await, Posted::Shown);
}

// --- Refused ---

#[tokio::test]
async fn a_refusal_may_hide_in_a_200() {
    for (body, why) in [
        (r#"{"ok":false,"error":"expired_url"}"#, "expired_url"),
        (r#"{"ok":false,"error":"Expired url"}"#, "Expired url"),
        (
            r#"{"error":"used_url", "more":[1], "ok":false}"#,
            "used_url",
        ),
        (r#"{"ok":false}"#, "200 OK"),
        (r#"{"ok":false,"error":null}"#, "200 OK"),
        (r#"{"ok":false,"error":{"code":"expired_url"}}"#, "200 OK"),
    ] {
        assert_eq!(outcome("200 OK", body).await, refused(why), "{body}");
    }
}

#[tokio::test]
async fn an_expired_address_is_refused() {
    let sandbox = sandbox().await;
    let address = issued(&sandbox, 31);
    assert_eq!(
        client(sandbox.slack_url()).post(&address, &post()).await,
        refused("expired_url")
    );
    assert_eq!(shown(&sandbox), 0);
}

#[tokio::test]
async fn a_used_up_address_is_refused() {
    let sandbox = sandbox().await;
    let address = issued(&sandbox, 0);
    let client = client(sandbox.slack_url());
    for _ in 0..5 {
        assert_eq!(client.post(&address, &post()).await, Posted::Shown);
    }
    assert_eq!(client.post(&address, &post()).await, refused("used_url"));
    assert_eq!(shown(&sandbox), 5);
}

#[tokio::test]
async fn an_address_that_slack_never_issued_is_refused() {
    let sandbox = sandbox().await;
    let address = stored(&format!("{}{PATH}", sandbox.slack_url()));
    let posted = client(sandbox.slack_url()).post(&address, &post()).await;
    assert_eq!(posted, refused("404 Not Found no_service"));
}

#[tokio::test]
async fn a_refusal_is_final_and_has_slacks_words() {
    for (status, message, why) in [
        (400, "invalid_blocks", "400 Bad Request invalid_blocks"),
        (403, "action_prohibited", "403 Forbidden action_prohibited"),
        (404, "no_service", "404 Not Found no_service"),
        (404, r#"{"ok":false,"error":"expired_url"}"#, "expired_url"),
        (404, "", "404 Not Found"),
        (410, "channel_is_archived", "410 Gone channel_is_archived"),
    ] {
        assert_eq!(meets(refuse(status, None, message), 0).await, refused(why));
    }
    assert_eq!(
        outcome("404 Not Found", r#"{"ok":true}"#).await,
        refused("404 Not Found")
    );
}

#[tokio::test]
async fn long_words_are_cut() {
    let Posted::Refused { why } = outcome("403 Forbidden", &"\u{e9}".repeat(30_000)).await else {
        panic!("not refused")
    };
    assert_eq!(why.chars().count(), 100);
}

#[tokio::test]
async fn a_refusal_needs_no_body() {
    let half = answer("410 Gone", "", "channel_is_archived").replace("_archived", "");
    assert_eq!(answered(&half).await.0, refused("410 Gone"));
    assert_eq!(
        outcome("404 Not Found", &"x".repeat(65 * 1024)).await,
        refused("404 Not Found")
    );
}

// --- Later, and unknown ---

#[tokio::test]
async fn too_many_requests_may_work_later() {
    for (asked, after) in [(None, None), (Some(30), Some(Duration::from_secs(30)))] {
        assert_eq!(
            meets(refuse(429, asked, "rate_limited"), 0).await,
            Posted::Later { after }
        );
    }
    for wait in [
        "Wed, 21 Oct 2026 07:28:00 GMT",
        "-1",
        "1.5",
        "",
        "99999999999999999999999",
    ] {
        let header = format!("retry-after: {wait}\r\n");
        let (posted, _) = answered(&answer("429 Too Many Requests", &header, "")).await;
        assert_eq!(posted, Posted::Later { after: None }, "{wait}");
    }
}

#[tokio::test]
async fn a_servers_error_leaves_everything_open() {
    for status in [408, 500, 502, 503, 504, 599] {
        assert_eq!(
            meets(refuse(status, None, "rollup_error"), 0).await,
            Posted::Unknown
        );
        assert_eq!(
            meets(Fault::ErrorAfter { status }, 1).await,
            Posted::Unknown
        );
    }
    assert_eq!(
        meets(refuse(503, Some(5), r#"{"ok":false}"#), 0).await,
        Posted::Unknown
    );
}

#[tokio::test]
async fn an_answer_that_does_not_arrive_leaves_everything_open() {
    for fault in [Fault::AnswerLost, Fault::HalfBody] {
        assert_eq!(meets(fault, 1).await, Posted::Unknown);
    }
    for text in [
        "",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\ncontent-",
        "SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        assert_eq!(answered(text).await.0, Posted::Unknown, "{text}");
    }
    // More than is read: the refusal might stand behind it.
    assert_eq!(
        outcome("200 OK", &"x".repeat(65 * 1024)).await,
        Posted::Unknown
    );
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_leaves_everything_open() {
    let sandbox = sandbox().await;
    let address = issued(&sandbox, 0);
    sandbox.slack().fail_next(Fault::Hang {
        for_: Duration::from_secs(3_600),
    });
    let posted = client_with(sandbox.slack_url(), SHORT)
        .post(&address, &post())
        .await;
    assert_eq!(posted, Posted::Unknown);
    assert_eq!(sandbox.journal().entries().len(), 1);
    assert_eq!(shown(&sandbox), 0);
}

// --- Not sent ---

#[tokio::test]
async fn a_closed_port_means_that_nothing_was_sent() {
    // Bound and not listening, so that nobody else gets the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let origin = format!("http://{}", socket.local_addr().unwrap());
    let posted = client(&origin)
        .post(&stored(&format!("{origin}{PATH}")), &post())
        .await;
    assert_eq!(
        posted,
        Posted::NotSent {
            why: "Slack could not be reached".to_owned()
        }
    );
}

#[tokio::test]
async fn a_failed_handshake_means_that_nothing_was_sent() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    let client = client(&origin);
    let (address, post) = (stored(&format!("{origin}{PATH}")), post());
    let (posted, hello) = tokio::join!(client.post(&address, &post), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = Vec::new();
        stream.read_buf(&mut hello).await.unwrap();
        hello
    });
    assert_eq!(posted.word(), "not sent");
    // The first byte of TLS, where the request would begin with a letter.
    assert_eq!(hello[0], 0x16);
}

#[tokio::test]
async fn what_is_not_slacks_is_never_called() {
    let elsewhere = Unserved::bind(("127.0.0.1", 0)).unwrap();
    let there = elsewhere.local_addr().unwrap();
    let sandbox = sandbox().await;
    let client = client(sandbox.slack_url());
    let slack = sandbox.slack_url().trim_start_matches("http://");
    for address in [
        format!("http://{there}{PATH}"),
        format!("https://{there}{PATH}"),
        format!("http://{slack}@{there}{PATH}"),
        format!("http://{there}\\@{slack}{PATH}"),
        format!("http://{there}#@{slack}{PATH}"),
        // Slack's own origin, but not where commands are answered.
        format!("http://{slack}/services/T1/2/x"),
        format!("http://{slack}/commands/../services/x"),
        format!("https://{slack}{PATH}"),
        format!("http://localhost:{}{PATH}", there.port()),
        "not an address".to_owned(),
        String::new(),
    ] {
        let posted = client.post(&stored(&address), &post()).await;
        assert_eq!(posted, refused("the address is not Slack's"), "{address}");
    }
    nobody_called(&elsewhere);
    assert!(sandbox.journal().entries().is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Unserved::bind(("127.0.0.1", 0)).unwrap();
    let location = format!(
        "location: http://{}{PATH}\r\n",
        elsewhere.local_addr().unwrap()
    );
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let (posted, _) = answered(&answer(status, &location, "")).await;
        assert_eq!(posted, refused(status));
    }
    nobody_called(&elsewhere);
}
