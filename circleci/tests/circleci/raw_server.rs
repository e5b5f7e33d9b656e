//! A misbehaving CircleCI: raw answers, one for each connection.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use chatops_core::ports::{CiClient, TriggerOutcome};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{TOKEN, client, trigger_request};

/// One answer for each connection, in order; the last one also for all that follow.
pub(crate) struct RawServer {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl RawServer {
    pub(crate) async fn new(answers: Vec<String>) -> Self {
        Self::start(answers, false).await
    }

    /// Never closes a connection by itself.
    pub(crate) async fn kept_open(answer: String) -> Self {
        Self::start(vec![answer], true).await
    }

    async fn start(answers: Vec<String>, keep_open: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut open = Vec::new();
            for n in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                seen.lock().unwrap().push(request);
                let answer = &answers[n.min(answers.len() - 1)];
                // A client that has seen enough may be gone.
                let _ = stream.write_all(answer.as_bytes()).await;
                if keep_open {
                    open.push(stream);
                } else {
                    let _ = stream.shutdown().await;
                }
            }
        });
        Self {
            url,
            requests,
            _server: server,
        }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

pub(crate) async fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = |line: &str| line.strip_prefix("content-length: ")?.parse().ok();
            if body.len() >= head.lines().find_map(length).unwrap_or(0) {
                return text;
            }
        }
        if stream.read_buf(&mut read).await.unwrap() == 0 {
            return text;
        }
    }
}

/// A whole answer that closes its connection.
pub(crate) fn raw_response(status: &str, headers: &[&str], body: &str) -> String {
    let length = body.len();
    let mut text =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n");
    for header in headers {
        write!(text, "{header}\r\n").unwrap();
    }
    text + "\r\n" + body
}

pub(crate) fn ok_response(body: &str) -> String {
    raw_response("200 OK", &[], body)
}

pub(crate) fn created_response(body: &str) -> String {
    raw_response("201 Created", &[], body)
}

pub(crate) fn pipeline_json(number: u64) -> String {
    json!({
        "id": Uuid::from_u128(u128::from(number)),
        "number": number,
        "state": "pending",
        "created_at": "2026-01-02T03:04:05.678Z",
    })
    .to_string()
}

pub(crate) async fn trigger_outcome(text: String) -> TriggerOutcome {
    let raw = RawServer::new(vec![text]).await;
    let outcome = client(&raw.url).trigger(&trigger_request()).await;
    assert_eq!(raw.requests().len(), 1, "the POST is sent once");
    outcome
}

pub(crate) fn assert_unknown(outcome: &TriggerOutcome) {
    let TriggerOutcome::Unknown { because } = outcome else {
        panic!("{outcome:?}")
    };
    assert_discloses_nothing(because);
}

/// It says something, and has neither the token nor an address.
pub(crate) fn assert_discloses_nothing(message: &str) {
    let discloses = message.contains(TOKEN) || message.contains("http://");
    assert!(!message.is_empty() && !discloses, "{message}");
}
