//! A stand-in for Lambda's Runtime API for one process: it hands out events and takes the replies.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// An event as it is handed out.
#[derive(Debug)]
pub struct RuntimeEvent {
    pub request_id: String,
    /// In milliseconds since 1970.
    pub deadline: i64,
    pub body: String,
}

/// What the process replies to an event.
#[derive(Debug, Clone, PartialEq)]
pub enum FunctionReply {
    Response(Value),
    Error(Value),
}

#[derive(Debug)]
struct Shared {
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<RuntimeEvent>>,
    answers: mpsc::UnboundedSender<FunctionReply>,
    /// How often an event was asked for.
    asked: watch::Sender<usize>,
    /// Whose answer is awaited.
    in_hand: Mutex<Option<String>>,
}

/// The server. It stops when it is dropped.
#[derive(Debug)]
pub struct RuntimeApi {
    /// Host and port, as a function reads them.
    pub address: String,
    events: mpsc::UnboundedSender<RuntimeEvent>,
    answers: mpsc::UnboundedReceiver<FunctionReply>,
    asked: watch::Receiver<usize>,
    _server: JoinSet<()>,
}

impl RuntimeApi {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, to_hand_out) = mpsc::unbounded_channel();
        let (taken, answers) = mpsc::unbounded_channel();
        let (sender, asked) = watch::channel(0);
        let shared = Arc::new(Shared {
            events: tokio::sync::Mutex::new(to_hand_out),
            answers: taken,
            asked: sender,
            in_hand: Mutex::default(),
        });
        let invocation = "/2018-06-01/runtime/invocation";
        let router = Router::new()
            .route(&format!("{invocation}/next"), get(next))
            .route(&format!("{invocation}/{{id}}/response"), post(respond))
            .route(&format!("{invocation}/{{id}}/error"), post(fail))
            .route("/2018-06-01/runtime/init/error", post(accept))
            .with_state(shared);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            events,
            answers,
            asked,
            _server: server,
        }
    }

    /// Whether the process has asked for an event, which ends its init.
    pub fn was_asked(&self) -> bool {
        *self.asked.borrow() > 0
    }

    /// Waits until the process has asked for an event as often as that.
    pub async fn wait_until_asked(&mut self, times: usize) {
        self.asked.wait_for(|asked| *asked >= times).await.unwrap();
    }

    pub fn hand_out(&self, event: RuntimeEvent) {
        self.events.send(event).unwrap();
    }

    /// The answer to the event that was handed out.
    pub async fn next_reply(&mut self) -> FunctionReply {
        self.answers.recv().await.unwrap()
    }
}

/// The long poll.
async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.asked.send_modify(|asked| *asked += 1);
    let Some(event) = shared.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    *shared.in_hand.lock().unwrap() = Some(event.request_id.clone());
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:chatops".to_owned();
    let trace = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0".to_owned();
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", event.request_id),
        ("Lambda-Runtime-Deadline-Ms", event.deadline.to_string()),
        ("Lambda-Runtime-Invoked-Function-Arn", arn),
        ("Lambda-Runtime-Trace-Id", trace),
        ("Content-Type", "application/json".to_owned()),
    ];
    (headers, event.body).into_response()
}

async fn respond(State(shared): State<Arc<Shared>>, id: Path<String>, body: Bytes) -> StatusCode {
    take(&shared, &id, &body, FunctionReply::Response)
}

async fn fail(State(shared): State<Arc<Shared>>, id: Path<String>, body: Bytes) -> StatusCode {
    take(&shared, &id, &body, FunctionReply::Error)
}

async fn accept() -> StatusCode {
    StatusCode::ACCEPTED
}

/// Only the event in hand can be answered, once and in JSON.
fn take(shared: &Shared, id: &str, body: &[u8], answer: fn(Value) -> FunctionReply) -> StatusCode {
    let mut in_hand = shared.in_hand.lock().unwrap();
    let Ok(body) = serde_json::from_slice(body) else {
        return StatusCode::BAD_REQUEST;
    };
    if in_hand.as_deref() != Some(id) {
        return StatusCode::BAD_REQUEST;
    }
    *in_hand = None;
    shared.answers.send(answer(body)).unwrap();
    StatusCode::ACCEPTED
}
