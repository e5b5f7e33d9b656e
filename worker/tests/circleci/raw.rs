//! A CircleCI that does not behave: raw answers, one for each connection.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use chatops_core::ports::{Ci, Outcome};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{TOKEN, client, order};

/// One answer for each connection, in order; the last one also for all that follow.
pub(crate) struct Raw {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl Raw {
    pub(crate) async fn new(answers: Vec<String>) -> Self {
        Self::start(answers, false).await
    }

    /// Never closes a connection by itself.
    pub(crate) async fn that_holds_on(answer: String) -> Self {
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
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                return text;
            }
        }
        if stream.read_buf(&mut read).await.unwrap() == 0 {
            return text;
        }
    }
}

/// A whole answer that closes its connection.
pub(crate) fn answer(status: &str, headers: &[&str], body: &str) -> String {
    let mut text = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for header in headers {
        write!(text, "{header}\r\n").unwrap();
    }
    text + "\r\n" + body
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

pub(crate) async fn trigger_answered(text: String) -> Outcome {
    let raw = Raw::new(vec![text]).await;
    let outcome = client(&raw.url).trigger(&order()).await;
    assert_eq!(raw.requests().len(), 1, "the POST is sent once");
    outcome
}

pub(crate) fn is_unknown(outcome: &Outcome) {
    let Outcome::Unknown { doubt } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        !doubt.is_empty() && !doubt.contains(TOKEN) && !doubt.contains("http://"),
        "{doubt}"
    );
}
