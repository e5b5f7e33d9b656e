//! The CircleCI client over real connections: what each answer, and each missing one, means.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::TcpListener as Unserved;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::config::{Config, Slug};
use chatops_core::id::PipelineId;
use chatops_core::name::BranchName;
use chatops_core::ports::{
    Ci, CiError, Finding, Look, Outcome, PipelineState, Search, SecretName, Secrets, SecretsError,
    Trigger, Versions, WorkflowStatus,
};
use chatops_sandbox::circleci::{Call, Project, Script, WorkflowScript};
use chatops_sandbox::{Fault, Sandbox, Seen, Settings};
use chatops_worker::CircleCi;
use chrono::{TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use uuid::Uuid;

const TOKEN: &str = "a-token-that-nobody-may-see";
const DEPLOY: &str = "f643ce10-7507-5ba4-a5e5-a01266e1559c";
/// As the sandbox records it, without `/api/v2`.
const PIPELINES: &str = "/project/gh/acme/web/pipeline";

/// Long enough for a request to leave even on a machine that is busy; only what hangs takes it.
const SHORT: &str = "request_timeout = \"500ms\"\nconnect_timeout = \"400ms\"";

// --- The client ---

struct Token(Result<&'static str, SecretsError>);

impl Secrets for Token {
    async fn get(&self, name: SecretName) -> Result<Versions, SecretsError> {
        assert_eq!(name, SecretName::CircleCiToken);
        let current = SecretString::from(self.0.clone()?);
        Ok(Versions {
            current,
            previous: None,
        })
    }

    async fn refresh(&self, _: SecretName) -> Result<(), SecretsError> {
        panic!("the worker has the token read afresh, not its client")
    }
}

fn client_with(url: &str, times: &str, token: Token) -> CircleCi<Token> {
    // The second test of a process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let text = format!(
        "version = 1\n[slack]\nteams = [\"T0001\"]\n[circleci]\napi = \"{url}\"\n[times]\n{times}\n"
    );
    let config = Config::parse(&text, "chatops.toml").unwrap();
    CircleCi::new(config.circleci, &config.times, token).unwrap()
}

fn client(url: &str) -> CircleCi<Token> {
    client_with(url, "", Token(Ok(TOKEN)))
}

fn hasty(url: &str) -> CircleCi<Token> {
    client_with(url, SHORT, Token(Ok(TOKEN)))
}

/// The client to meet `fault` with: only what hangs is not waited for.
fn client_for(url: &str, fault: &Fault) -> CircleCi<Token> {
    if matches!(fault, Fault::Hang { .. }) {
        hasty(url)
    } else {
        client(url)
    }
}

fn slug() -> Slug {
    Slug {
        vcs: "gh".to_owned(),
        org: "acme".to_owned(),
        repo: "web".to_owned(),
    }
}

fn order() -> Trigger {
    let parameters = [("job", json!("deploy")), ("deploy_id", json!(DEPLOY))];
    Trigger {
        slug: slug(),
        branch: BranchName::parse("feature/x").unwrap(),
        parameters: parameters
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
    }
}

fn search_since(since: Time) -> Search {
    Search {
        slug: slug(),
        branch: BranchName::parse("feature/x").unwrap(),
        since,
        proof: Some(("deploy_id".to_owned(), DEPLOY.to_owned())),
    }
}

// --- A CircleCI that behaves ---

async fn sandbox() -> Sandbox {
    let project = Project {
        branches: vec!["main".to_owned(), "feature/x".to_owned()],
        parameters: vec!["job".to_owned(), "deploy_id".to_owned()],
        first_number: 470,
        ..Project::new("gh/acme/web", TOKEN)
    };
    Sandbox::start(Settings::new("signing secret", vec![project]))
        .await
        .unwrap()
}

fn created(sandbox: &Sandbox) -> usize {
    sandbox.circleci().lock().ledger().len()
}

/// Method, path and what the caller saw, of every call so far.
fn calls(sandbox: &Sandbox) -> Vec<(String, String, Option<u16>)> {
    let call = |entry: chatops_sandbox::Entry| match entry.what {
        Seen::CircleCall {
            method,
            path,
            status,
            ..
        } => Some((method, path, status)),
        _ => None,
    };
    sandbox
        .journal()
        .entries()
        .into_iter()
        .filter_map(call)
        .collect()
}

/// The client sent one POST and nothing else.
fn posted_once(sandbox: &Sandbox) {
    let calls = calls(sandbox);
    let [(method, path, _)] = calls.as_slice() else {
        panic!("{calls:?}")
    };
    assert_eq!((method.as_str(), path.as_str()), ("POST", PIPELINES));
}

/// The outcome of a trigger that meets `fault`, after checking what it left behind.
async fn trigger_meets(fault: Fault, left_behind: usize) -> Outcome {
    let sandbox = sandbox().await;
    sandbox.circleci().fail_next(Call::Trigger, fault);
    let outcome = client(sandbox.circleci_url()).trigger(&order()).await;
    posted_once(&sandbox);
    assert_eq!(created(&sandbox), left_behind);
    outcome
}

fn refuse(status: u16, retry_after_s: Option<u64>) -> Fault {
    Fault::Refuse {
        status,
        retry_after_s,
        message: "No, sorry".to_owned(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the sandbox runs in real time")]
fn ago(seconds: i64) -> Time {
    Utc::now() - TimeDelta::seconds(seconds)
}

/// Starts a pipeline as somebody else would have, at a moment in the past.
fn started(sandbox: &Sandbox, at: Time, branch: &str, id: &str) -> (PipelineId, u64) {
    let parameters: BTreeMap<String, Value> = [("deploy_id".to_owned(), json!(id))].into();
    let mut model = sandbox.circleci().lock();
    let created = model
        .trigger(at, Some(TOKEN), "gh/acme/web", Some(branch), parameters)
        .unwrap();
    (PipelineId(created.id), created.number)
}

/// A pipeline that follows `script`, `age` seconds after it was created.
fn scripted(sandbox: &Sandbox, script: Script, age: i64) -> PipelineId {
    sandbox.circleci().lock().script_next(script);
    started(sandbox, ago(age), "feature/x", DEPLOY).0
}

// --- A CircleCI that does not ---

/// One answer for each connection, in order; the last one also for all that follow.
struct Raw {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl Raw {
    async fn new(answers: Vec<String>) -> Self {
        Self::start(answers, false).await
    }

    /// Never closes a connection by itself.
    async fn that_holds_on(answer: String) -> Self {
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

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
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
fn answer(status: &str, headers: &[&str], body: &str) -> String {
    let mut text = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for header in headers {
        write!(text, "{header}\r\n").unwrap();
    }
    text + "\r\n" + body
}

fn pipeline_json(number: u64) -> String {
    json!({
        "id": Uuid::from_u128(u128::from(number)),
        "number": number,
        "state": "pending",
        "created_at": "2026-01-02T03:04:05.678Z",
    })
    .to_string()
}

async fn trigger_answered(text: String) -> Outcome {
    let raw = Raw::new(vec![text]).await;
    let outcome = client(&raw.url).trigger(&order()).await;
    assert_eq!(raw.requests().len(), 1, "the POST is sent once");
    outcome
}

fn is_unknown(outcome: &Outcome) {
    let Outcome::Unknown { doubt } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        !doubt.is_empty() && !doubt.contains(TOKEN) && !doubt.contains("http://"),
        "{doubt}"
    );
}

// --- The trigger ---

#[tokio::test]
async fn a_pipeline_is_created_with_its_number_and_address() {
    let sandbox = sandbox().await;
    let outcome = client(sandbox.circleci_url()).trigger(&order()).await;
    let Outcome::Created(pipeline) = outcome else {
        panic!("{outcome:?}")
    };
    posted_once(&sandbox);
    let model = sandbox.circleci().lock();
    let [made] = model.ledger() else {
        panic!("not one pipeline")
    };
    assert_eq!((pipeline.id.0, pipeline.number), (made.id, 470));
    assert_eq!(
        pipeline.url.as_str(),
        "https://app.circleci.com/pipelines/github/acme/web/470"
    );
    assert_eq!(
        (made.slug.as_str(), made.branch.as_str()),
        ("gh/acme/web", "feature/x")
    );
    assert_eq!(made.parameters, order().parameters);
}

#[tokio::test]
async fn two_equal_orders_are_two_pipelines_on_connections_of_their_own() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    for _ in 0..2 {
        assert!(matches!(
            client.trigger(&order()).await,
            Outcome::Created(_)
        ));
    }
    assert_eq!(created(&sandbox), 2);
}

#[tokio::test]
async fn the_request_is_what_the_api_describes_and_hides_the_token() {
    let raw = Raw::new(vec![answer("201 Created", &[], &pipeline_json(7))]).await;
    let outcome = client(&raw.url).trigger(&order()).await;
    assert!(matches!(outcome, Outcome::Created(_)), "{outcome:?}");
    let [request] = &raw.requests()[..] else {
        panic!("not one request")
    };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(
        lines.next(),
        Some("POST /api/v2/project/gh/acme/web/pipeline HTTP/1.1")
    );
    let headers: BTreeMap<String, &str> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    assert_eq!(headers["circle-token"], TOKEN);
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(
        headers["user-agent"],
        concat!("chatops/", env!("CARGO_PKG_VERSION"))
    );
    assert!(!headers.contains_key("authorization"));
    assert_eq!(request.matches(TOKEN).count(), 1);
    let body: Value = serde_json::from_str(body).unwrap();
    let parameters = json!({"job": "deploy", "deploy_id": DEPLOY});
    assert_eq!(
        body,
        json!({"branch": "feature/x", "parameters": parameters})
    );
}

#[tokio::test]
async fn a_refusal_is_final_and_has_circlecis_words() {
    for status in [400, 402, 403, 404, 405, 409, 410, 413, 415, 422] {
        let outcome = trigger_meets(refuse(status, None), 0).await;
        assert_eq!(
            outcome,
            Outcome::Refused {
                status,
                message: "No, sorry".to_owned()
            }
        );
    }
}

#[tokio::test]
async fn circlecis_own_refusals_are_understood() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let mut wrong = order();
    wrong.branch = BranchName::parse("gone").unwrap();
    let refused = |status, message: &str| Outcome::Refused {
        status,
        message: message.to_owned(),
    };
    assert_eq!(
        client.trigger(&wrong).await,
        refused(400, "Branch not found")
    );
    let mut wrong = order();
    wrong.slug.repo = "gone".to_owned();
    assert_eq!(
        client.trigger(&wrong).await,
        refused(404, "Project not found")
    );
    let mut wrong = order();
    wrong.parameters.insert("undeclared".to_owned(), json!(1));
    assert_eq!(
        client.trigger(&wrong).await,
        refused(404, "Project not found")
    );
    assert_eq!(created(&sandbox), 0);
}

#[tokio::test]
async fn a_refused_token_is_told_apart() {
    let unauthorized = |words: &str| Outcome::Unauthorized {
        message: words.to_owned(),
    };
    assert_eq!(
        trigger_meets(refuse(401, None), 0).await,
        unauthorized("No, sorry")
    );
    let sandbox = sandbox().await;
    let client = client_with(sandbox.circleci_url(), "", Token(Ok("an-older-token")));
    assert_eq!(
        client.trigger(&order()).await,
        unauthorized("You must log in first.")
    );
    assert_eq!(created(&sandbox), 0);
}

#[tokio::test]
async fn too_many_requests_may_work_later() {
    for (asked, after) in [(None, None), (Some(7), Some(7)), (Some(0), Some(0))] {
        let outcome = trigger_meets(refuse(429, asked), 0).await;
        let obstacle = "HTTP 429: No, sorry".to_owned();
        assert_eq!(
            outcome,
            Outcome::NotNow {
                obstacle,
                after: after.map(Duration::from_secs)
            }
        );
    }
}

#[tokio::test]
async fn a_wait_that_is_not_a_number_of_seconds_is_left_out() {
    for wait in [
        "Wed, 21 Oct 2026 07:28:00 GMT",
        "-1",
        "1.5",
        "",
        "99999999999999999999999",
        "\u{e9}",
    ] {
        let header = format!("retry-after: {wait}");
        let outcome = trigger_answered(answer("429 Too Many Requests", &[&header], "{}")).await;
        assert!(
            matches!(outcome, Outcome::NotNow { after: None, .. }),
            "{wait}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_servers_error_leaves_everything_open() {
    for status in [408, 500, 502, 503, 504, 520, 599] {
        is_unknown(&trigger_meets(refuse(status, None), 0).await);
        is_unknown(&trigger_meets(Fault::ErrorAfter { status }, 1).await);
    }
    // A wait does not change that.
    is_unknown(&trigger_meets(refuse(503, Some(5)), 0).await);
}

#[tokio::test]
async fn an_answer_that_does_not_arrive_leaves_everything_open() {
    for fault in [Fault::AnswerLost, Fault::HalfBody, Fault::Garbage] {
        is_unknown(&trigger_meets(fault, 1).await);
    }
    // Closed at once, within the status line, and within the head.
    for text in ["", "HTTP/1.1 20", "HTTP/1.1 201 Created\r\ncontent-"] {
        is_unknown(&trigger_answered(text.to_owned()).await);
    }
    is_unknown(&trigger_answered("SSH-2.0-OpenSSH_9.6\r\n".to_owned()).await);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_leaves_everything_open() {
    let sandbox = sandbox().await;
    let hang = Fault::Hang {
        for_: Duration::from_secs(3_600),
    };
    sandbox.circleci().fail_next(Call::Trigger, hang);
    let outcome = hasty(sandbox.circleci_url()).trigger(&order()).await;
    assert_eq!(
        outcome,
        Outcome::Unknown {
            doubt: "timed out".to_owned()
        }
    );
    posted_once(&sandbox);
    assert_eq!(created(&sandbox), 0);
}

#[tokio::test]
async fn an_answer_that_stops_halfway_leaves_everything_open() {
    let whole = answer("201 Created", &[], &pipeline_json(7));
    let raw = Raw::that_holds_on(whole[..whole.len() - 1].to_owned()).await;
    is_unknown(&hasty(&raw.url).trigger(&order()).await);
    assert_eq!(raw.requests().len(), 1);
}

#[tokio::test]
async fn a_refusal_needs_no_body() {
    let half = |status: &str| {
        answer(status, &["retry-after: 7"], r#"{"message":"No"}"#).replace("\"}", "")
    };
    let outcome = trigger_answered(half("404 Not Found")).await;
    assert!(
        matches!(outcome, Outcome::Refused { status: 404, .. }),
        "{outcome:?}"
    );
    let outcome = trigger_answered(half("401 Unauthorized")).await;
    assert!(
        matches!(outcome, Outcome::Unauthorized { .. }),
        "{outcome:?}"
    );
    let outcome = trigger_answered(half("429 Too Many Requests")).await;
    let after = Some(Duration::from_secs(7));
    assert!(
        matches!(&outcome, Outcome::NotNow { after: a, .. } if *a == after),
        "{outcome:?}"
    );
    let outcome = trigger_answered(answer("404 Not Found", &[], "<!doctype html>")).await;
    let message = "an answer without a message".to_owned();
    assert_eq!(
        outcome,
        Outcome::Refused {
            status: 404,
            message
        }
    );
}

#[tokio::test]
async fn a_success_that_names_no_pipeline_leaves_everything_open() {
    for body in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"message":"Accepted"}"#,
        r#"{"id":"x","number":1}"#,
    ] {
        is_unknown(&trigger_answered(answer("201 Created", &[], body)).await);
        is_unknown(&trigger_answered(answer("202 Accepted", &[], body)).await);
    }
    is_unknown(&trigger_answered(answer("200 OK", &[], "{}")).await);
    is_unknown(
        &trigger_answered("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_owned()).await,
    );
}

#[tokio::test]
async fn a_success_with_a_message_alone_started_nothing() {
    let skipped = answer("200 OK", &[], r#"{"message":"Skipped by [ci skip]"}"#);
    let message = "Skipped by [ci skip]".to_owned();
    assert_eq!(
        trigger_answered(skipped).await,
        Outcome::Refused {
            status: 200,
            message
        }
    );
    let outcome = trigger_answered(answer("200 OK", &[], &pipeline_json(7))).await;
    assert!(matches!(outcome, Outcome::Created(_)), "{outcome:?}");
}

#[tokio::test]
async fn an_answer_is_read_up_to_one_mebibyte() {
    let padded = |status: &str, length: usize| {
        let pipeline = pipeline_json(7);
        let padding = " ".repeat(length - pipeline.len());
        answer(status, &[], &(pipeline + &padding))
    };
    let outcome = trigger_answered(padded("201 Created", 1024 * 1024)).await;
    assert!(matches!(outcome, Outcome::Created(_)), "{outcome:?}");
    let doubt = "the answer is larger than 1 MiB".to_owned();
    let outcome = trigger_answered(padded("201 Created", 1024 * 1024 + 1)).await;
    assert_eq!(
        outcome,
        Outcome::Unknown {
            doubt: doubt.clone()
        }
    );
    // Also if its length was never announced.
    let endless = padded("201 Created", 3 * 1024 * 1024).replace("content-length", "x-length");
    assert_eq!(
        trigger_answered(endless).await,
        Outcome::Unknown {
            doubt: doubt.clone()
        }
    );
    let outcome = trigger_answered(padded("404 Not Found", 1024 * 1024 + 1)).await;
    assert_eq!(
        outcome,
        Outcome::Refused {
            status: 404,
            message: doubt
        }
    );
}

#[tokio::test]
async fn a_closed_port_means_that_nothing_was_sent() {
    // Bound and not listening, so that nobody else gets the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let outcome = client(&url).trigger(&order()).await;
    let Outcome::NotNow {
        obstacle,
        after: None,
    } = &outcome
    else {
        panic!("{outcome:?}")
    };
    assert!(obstacle.starts_with("could not connect: "), "{obstacle}");
    assert!(
        !obstacle.contains(TOKEN) && !obstacle.contains("http://"),
        "{obstacle}"
    );
}

#[tokio::test]
async fn a_failed_handshake_means_that_nothing_was_sent() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let client = client(&format!("https://{}", listener.local_addr().unwrap()));
    let order = order();
    let (outcome, hello) = tokio::join!(client.trigger(&order), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = Vec::new();
        stream.read_buf(&mut hello).await.unwrap();
        hello
    });
    assert!(matches!(outcome, Outcome::NotNow { .. }), "{outcome:?}");
    // The first byte of TLS, where the request would begin with a letter.
    assert_eq!(hello[0], 0x16);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Unserved::bind(("127.0.0.1", 0)).unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let location = format!("location: http://{}/x", elsewhere.local_addr().unwrap());
    for status in [301, 302, 303, 307, 308] {
        let text = answer(&format!("{status} Elsewhere"), &[&location], "");
        let outcome = trigger_answered(text.clone()).await;
        assert!(
            matches!(outcome, Outcome::Refused { status: s, .. } if s == status),
            "{outcome:?}"
        );
        // Nor by a read, which would take the token along.
        let raw = Raw::new(vec![text]).await;
        let error = client(&raw.url)
            .search(&search_since(ago(0)))
            .await
            .unwrap_err();
        assert!(
            error.message.starts_with(&format!("HTTP {status}: ")),
            "{error}"
        );
    }
    let nobody = elsewhere.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_token_that_fits_no_header_is_never_sent() {
    let sandbox = sandbox().await;
    for token in ["a-token\n", "a\r\nx: y", "a\0b", "a\u{7f}b"] {
        let client = client_with(sandbox.circleci_url(), "", Token(Ok(token)));
        let outcome = client.trigger(&order()).await;
        let obstacle = "the CircleCI token is not one: it has characters no header takes";
        assert_eq!(
            outcome,
            Outcome::NotNow {
                obstacle: obstacle.to_owned(),
                after: None
            }
        );
        let error = client.cancel("x").await.unwrap_err();
        assert_eq!(
            (error.message.as_str(), error.unauthorized),
            (obstacle, false)
        );
    }
    assert_eq!(calls(&sandbox), []);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let sandbox = sandbox().await;
    let down = Token(Err(SecretsError("the store is down".to_owned())));
    let outcome = client_with(sandbox.circleci_url(), "", down)
        .trigger(&order())
        .await;
    let obstacle = "the secret cannot be read: the store is down".to_owned();
    assert_eq!(
        outcome,
        Outcome::NotNow {
            obstacle,
            after: None
        }
    );
    assert_eq!(calls(&sandbox), []);
}

// --- The search ---

fn absent() -> Finding {
    Finding::Absent { candidates: vec![] }
}

fn found(finding: &Finding) -> PipelineId {
    match finding {
        Finding::Found(pipeline) => pipeline.id,
        other @ Finding::Absent { .. } => panic!("{other:?}"),
    }
}

fn lists(sandbox: &Sandbox) -> Vec<String> {
    let list = |call: &(String, String, _)| call.1.starts_with(PIPELINES);
    calls(sandbox)
        .into_iter()
        .filter(list)
        .map(|call| call.1)
        .collect()
}

#[tokio::test]
async fn the_proof_is_found_among_others() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let search = search_since(ago(60));
    assert_eq!(client.search(&search).await, Ok(absent()));
    started(&sandbox, ago(30), "feature/x", "another deploy");
    let (ours, number) = started(&sandbox, ago(20), "feature/x", DEPLOY);
    started(&sandbox, ago(10), "feature/x", "a third");
    let finding = client.search(&search).await.unwrap();
    assert_eq!(found(&finding), ours);
    let Finding::Found(pipeline) = finding else {
        panic!("not found")
    };
    assert_eq!(pipeline.number, number);
    assert_eq!(
        pipeline.url.as_str(),
        "https://app.circleci.com/pipelines/github/acme/web/471"
    );
    assert!(
        lists(&sandbox)
            .iter()
            .all(|path| *path == format!("{PIPELINES}?branch=feature%2Fx"))
    );
    assert!(calls(&sandbox).iter().all(|(method, ..)| method == "GET"));
}

#[tokio::test]
async fn what_was_triggered_is_what_is_found() {
    let sandbox = sandbox().await;
    sandbox
        .circleci()
        .fail_next(Call::Trigger, Fault::AnswerLost);
    let client = client(sandbox.circleci_url());
    let since = ago(0);
    is_unknown(&client.trigger(&order()).await);
    let finding = client.search(&search_since(since)).await.unwrap();
    assert_eq!(found(&finding).0, sandbox.circleci().lock().ledger()[0].id);
}

#[tokio::test]
async fn another_branch_or_value_proves_nothing() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    started(&sandbox, ago(10), "main", DEPLOY);
    for almost in [
        "",
        &DEPLOY[1..],
        &DEPLOY.to_uppercase(),
        &format!("{DEPLOY} "),
    ] {
        started(&sandbox, ago(10), "feature/x", almost);
    }
    assert_eq!(client.search(&search_since(ago(60))).await, Ok(absent()));
}

#[tokio::test]
async fn a_pipeline_may_be_listed_late() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let search = search_since(ago(100));
    scripted(
        &sandbox,
        Script::default().listed_after(Duration::from_secs(3_600)),
        60,
    );
    assert_eq!(client.search(&search).await, Ok(absent()));
    let ours = scripted(
        &sandbox,
        Script::default().listed_after(Duration::from_secs(50)),
        60,
    );
    assert_eq!(found(&client.search(&search).await.unwrap()), ours);
}

#[tokio::test]
async fn the_listing_is_read_page_by_page() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let (ours, _) = started(&sandbox, ago(60), "feature/x", DEPLOY);
    for _ in 0..45 {
        started(&sandbox, ago(30), "feature/x", "another deploy");
    }
    let finding = client.search(&search_since(ago(60))).await.unwrap();
    assert_eq!(found(&finding), ours);
    let lists = lists(&sandbox);
    assert_eq!(lists.len(), 3, "{lists:?}");
    assert!(
        lists[1].ends_with("?branch=feature%2Fx&page-token=496"),
        "{lists:?}"
    );
}

#[tokio::test]
async fn reading_stops_at_what_is_older() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    for _ in 0..45 {
        started(&sandbox, ago(3_600), "feature/x", DEPLOY);
    }
    started(&sandbox, ago(30), "feature/x", "another deploy");
    assert_eq!(client.search(&search_since(ago(60))).await, Ok(absent()));
    assert_eq!(lists(&sandbox).len(), 1);
    // The older ones were not even asked for their values.
    assert_eq!(calls(&sandbox).len(), 2);
}

#[tokio::test]
async fn clocks_may_be_five_minutes_apart() {
    let since = ago(1_000);
    for (earlier, counts) in [(299, true), (300, true), (301, false)] {
        let sandbox = sandbox().await;
        started(
            &sandbox,
            since - TimeDelta::seconds(earlier),
            "feature/x",
            DEPLOY,
        );
        // Milliseconds are all that CircleCI shows.
        let since = since - TimeDelta::nanoseconds(i64::from(since.timestamp_subsec_nanos()));
        let mut search = search_since(since);
        let finding = client(sandbox.circleci_url())
            .search(&search)
            .await
            .unwrap();
        assert_eq!(matches!(finding, Finding::Found(_)), counts, "{earlier}");
        search.proof = None;
        let finding = client(sandbox.circleci_url())
            .search(&search)
            .await
            .unwrap();
        assert_eq!(finding != absent(), counts, "{earlier}");
    }
}

#[tokio::test]
async fn without_proof_there_are_only_candidates() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let search = Search {
        proof: None,
        ..search_since(ago(60))
    };
    assert_eq!(client.search(&search).await, Ok(absent()));
    started(&sandbox, ago(3_600), "feature/x", DEPLOY);
    started(&sandbox, ago(20), "main", DEPLOY);
    let mut expected: Vec<_> = (0..3)
        .map(|n| started(&sandbox, ago(30 - n), "feature/x", DEPLOY))
        .collect();
    // Newest first.
    expected.reverse();
    let Finding::Absent { candidates } = client.search(&search).await.unwrap() else {
        panic!("without proof nothing is found")
    };
    let seen: Vec<_> = candidates.iter().map(|p| (p.id, p.number)).collect();
    assert_eq!(seen, expected);
    assert!(
        calls(&sandbox)
            .iter()
            .all(|(_, path, _)| !path.contains("values"))
    );
}

#[tokio::test]
async fn a_listing_without_end_proves_nothing() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    for _ in 0..201 {
        started(&sandbox, ago(30), "feature/x", "another deploy");
    }
    let search = Search {
        proof: None,
        ..search_since(ago(60))
    };
    let error = client.search(&search).await.unwrap_err();
    assert_eq!(
        error.message,
        "the branch has more than 10 pages of recent pipelines"
    );
    assert_eq!(lists(&sandbox).len(), 10);
}

#[tokio::test]
async fn a_value_may_go_by_its_bare_name_and_has_to_be_a_string() {
    let line: Value = serde_json::from_str(&pipeline_json(7)).unwrap();
    let list = answer(
        "200 OK",
        &[],
        &json!({"items": [line], "next_page_token": null}).to_string(),
    );
    for (values, proves) in [
        (json!({"deploy_id": DEPLOY}), true),
        (json!({"pipeline.parameters.deploy_id": DEPLOY}), true),
        (
            json!({"pipeline.parameters.deploy_id": "other", "deploy_id": DEPLOY}),
            false,
        ),
        (json!({"pipeline.parameters.other": DEPLOY}), false),
        (json!({"pipeline.parameters.deploy_id": [DEPLOY]}), false),
        (json!({}), false),
    ] {
        let raw = Raw::new(vec![
            list.clone(),
            answer("200 OK", &[], &values.to_string()),
        ])
        .await;
        let search = search_since("2026-01-02T03:04:00Z".parse().unwrap());
        let finding = client(&raw.url).search(&search).await.unwrap();
        assert_eq!(matches!(finding, Finding::Found(_)), proves, "{values}");
        let id = Uuid::from_u128(7);
        assert!(
            raw.requests()[1].starts_with(&format!("GET /api/v2/pipeline/{id}/values HTTP/1.1"))
        );
    }
}

#[tokio::test]
async fn what_is_listed_without_its_fields_ends_the_search() {
    for body in [
        r#"{"items":[{"id":"x"}]}"#,
        r#"{"items":null}"#,
        "{}",
        "[]",
        "<html>",
        "",
    ] {
        let raw = Raw::new(vec![answer("200 OK", &[], body)]).await;
        let error = client(&raw.url)
            .search(&search_since(ago(0)))
            .await
            .unwrap_err();
        assert!(
            error.message.starts_with("the answer cannot be read: "),
            "{error}"
        );
    }
}

// --- Faults of a question ---

/// Every way in which a question can fail: the fault, the wait, and whether the token was refused.
fn failures() -> Vec<(Fault, Option<u64>, bool)> {
    vec![
        (refuse(429, Some(7)), Some(7), false),
        (refuse(429, None), None, false),
        (refuse(503, Some(60)), Some(60), false),
        (refuse(500, None), None, false),
        (refuse(404, None), None, false),
        (refuse(401, None), None, true),
        (Fault::ErrorAfter { status: 502 }, None, false),
        (Fault::AnswerLost, None, false),
        (Fault::HalfBody, None, false),
        (Fault::Garbage, None, false),
        (
            Fault::Hang {
                for_: Duration::from_secs(3_600),
            },
            None,
            false,
        ),
    ]
}

fn failed<T: std::fmt::Debug>(outcome: Result<T, CiError>, after: Option<u64>, unauthorized: bool) {
    let error = outcome.unwrap_err();
    assert_eq!(error.after, after.map(Duration::from_secs), "{error}");
    assert_eq!(error.unauthorized, unauthorized, "{error}");
    assert!(!error.message.is_empty(), "{error}");
    assert!(
        !error.message.contains(TOKEN) && !error.message.contains("http://"),
        "{error}"
    );
}

#[tokio::test]
async fn a_search_that_meets_a_fault_proves_nothing() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let (ours, _) = started(&sandbox, ago(30), "feature/x", DEPLOY);
    for call in [Call::List, Call::Values] {
        for (fault, after, unauthorized) in failures() {
            let failing = client_for(sandbox.circleci_url(), &fault);
            sandbox.circleci().fail_next(call, fault);
            let outcome = failing.search(&search_since(ago(60))).await;
            failed(outcome, after, unauthorized);
            let finding = client.search(&search_since(ago(60))).await.unwrap();
            assert_eq!(found(&finding), ours);
        }
    }
}

#[tokio::test]
async fn a_look_that_meets_a_fault_shows_nothing() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let id = scripted(&sandbox, Script::endless(), 60);
    for call in [Call::Pipeline, Call::Workflows] {
        for (fault, after, unauthorized) in failures() {
            let failing = client_for(sandbox.circleci_url(), &fault);
            sandbox.circleci().fail_next(call, fault);
            failed(failing.look(&slug(), id).await, after, unauthorized);
            assert_eq!(client.look(&slug(), id).await.unwrap().workflows.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_refusal_of_a_question_needs_no_body() {
    let half = |status: &str| {
        answer(status, &["retry-after: 7"], r#"{"message":"No"}"#).replace("\"}", "")
    };
    for (status, unauthorized) in [("401 Unauthorized", true), ("429 Too Many Requests", false)] {
        let raw = Raw::new(vec![half(status)]).await;
        failed(
            client(&raw.url).search(&search_since(ago(0))).await,
            Some(7),
            unauthorized,
        );
    }
}

#[tokio::test]
async fn a_closed_port_answers_no_question() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let client = client(&format!("http://{}", socket.local_addr().unwrap()));
    failed(client.search(&search_since(ago(0))).await, None, false);
    failed(
        client.look(&slug(), PipelineId(Uuid::nil())).await,
        None,
        false,
    );
    failed(client.cancel("x").await, None, false);
}

// --- The look ---

async fn look_at(script: Script, age: i64) -> Look {
    let sandbox = sandbox().await;
    let id = scripted(&sandbox, script, age);
    let look = client(sandbox.circleci_url())
        .look(&slug(), id)
        .await
        .unwrap();
    let paths: Vec<_> = calls(&sandbox)
        .into_iter()
        .map(|(_, path, _)| path)
        .collect();
    assert_eq!(
        paths,
        [
            format!("/pipeline/{id}"),
            format!("/pipeline/{id}/workflow")
        ]
    );
    look
}

fn statuses(look: &Look) -> Vec<(&str, WorkflowStatus)> {
    look.workflows
        .iter()
        .map(|workflow| (workflow.name.as_str(), workflow.status))
        .collect()
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_look_shows_where_a_pipeline_stands() {
    use PipelineState::{Created, Errored, Pending, Setup, SetupPending};
    use WorkflowStatus::{Failed, OnHold, Queued, Running, Success};
    let cases = [
        (Script::success(HOUR), 0, Pending, vec![]),
        (
            Script::success(HOUR),
            1_800,
            Created,
            vec![("deploy", Running)],
        ),
        (
            Script::success(MINUTE),
            120,
            Created,
            vec![("deploy", Success)],
        ),
        (
            Script::failure(MINUTE),
            120,
            Created,
            vec![("deploy", Failed)],
        ),
        (
            Script::endless(),
            86_400,
            Created,
            vec![("deploy", Running)],
        ),
        (Script::no_workflow(), 120, Created, vec![]),
        (
            Script::on_hold_then(HOUR, "success"),
            2_700,
            Created,
            vec![("deploy", OnHold)],
        ),
        (
            Script::queued(HOUR, 2 * HOUR),
            1_800,
            Created,
            vec![("deploy", Queued)],
        ),
        (Script::setup_then_success(HOUR), 0, SetupPending, vec![]),
        (
            Script::setup_then_success(HOUR),
            600,
            Setup,
            vec![("setup", Running)],
        ),
        (
            Script::setup_then_success(HOUR),
            1_200,
            Pending,
            vec![("setup", Success)],
        ),
        (
            Script::setup_then_success(HOUR),
            2_400,
            Created,
            vec![("setup", Success), ("deploy", Running)],
        ),
        (
            Script::two_workflows((MINUTE, "success"), (HOUR, "failed")),
            1_800,
            Created,
            vec![("build", Success), ("deploy", Running)],
        ),
        (Script::config_error("No such job"), 120, Errored, vec![]),
    ];
    for (script, age, state, workflows) in cases {
        let look = look_at(script.clone(), age).await;
        assert_eq!(look.state, state, "{script:?} after {age}");
        assert_eq!(statuses(&look), workflows, "{script:?} after {age}");
        assert!(look.workflows.iter().all(|workflow| !workflow.rerun_coming));
        let revision = look.revision.unwrap();
        assert!(revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit()));
        let errors: &[&str] = if state == Errored {
            &["No such job"]
        } else {
            &[]
        };
        assert_eq!(look.errors, errors);
    }
}

#[tokio::test]
async fn each_status_is_read_and_an_unknown_one_is_not_final() {
    use WorkflowStatus as W;
    for (word, status, is_final) in [
        ("success", W::Success, true),
        ("failed", W::Failed, true),
        ("error", W::Error, true),
        ("canceled", W::Canceled, true),
        ("unauthorized", W::Unauthorized, true),
        ("not_run", W::NotRun, true),
        ("running", W::Running, false),
        ("failing", W::Failing, false),
        ("on_hold", W::OnHold, false),
        ("queued", W::Queued, false),
        ("blocked", W::Unknown, false),
        ("cancelled", W::Unknown, false),
        ("SUCCESS", W::Unknown, false),
        ("", W::Unknown, false),
    ] {
        let look = look_at(Script::ending(MINUTE, word), 120).await;
        assert_eq!(statuses(&look), [("deploy", status)], "{word}");
        assert_eq!(look.workflows[0].status.is_final(), is_final, "{word}");
    }
}

#[tokio::test]
async fn a_rerun_that_is_coming_is_known() {
    use WorkflowStatus::{Failed, Running, Success};
    let rerun = || Script::auto_rerun(HOUR);
    let coming =
        |look: &Look| -> Vec<bool> { look.workflows.iter().map(|w| w.rerun_coming).collect() };

    // The rerun is not listed yet: the failure alone says that it will be.
    let mut first = rerun();
    first.workflows.truncate(1);
    let look = look_at(first, 2_000).await;
    assert_eq!(
        (statuses(&look), coming(&look)),
        (vec![("deploy", Failed)], vec![true])
    );

    let look = look_at(rerun(), 1_200).await;
    assert_eq!(
        (statuses(&look), coming(&look)),
        (vec![("deploy", Running)], vec![false])
    );
    let look = look_at(rerun(), 7_200).await;
    assert_eq!(statuses(&look), [("deploy", Failed), ("deploy", Success)]);
    assert!(!look.workflows[1].rerun_coming);
    assert!(look.workflows[0].created_at < look.workflows[1].created_at);

    // The last rerun that is allowed is followed by none.
    let mut last = Script::failure(MINUTE);
    last.workflows = vec![last.workflows.remove(0).auto_rerun(2, 2)];
    assert_eq!(coming(&look_at(last, 120).await), [false]);
}

#[tokio::test]
async fn a_rerun_by_hand_is_a_later_workflow_of_the_same_name() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let id = scripted(&sandbox, Script::failure(MINUTE), 120);
    let first = client.look(&slug(), id).await.unwrap().workflows.remove(0);
    let again = WorkflowScript::new("deploy", Duration::ZERO, &[(Duration::ZERO, "running")]);
    let second = {
        let mut model = sandbox.circleci().lock();
        model
            .rerun(ago(10), first.id.parse().unwrap(), again)
            .unwrap()
    };
    let look = client.look(&slug(), id).await.unwrap();
    let ids: Vec<_> = look
        .workflows
        .iter()
        .map(|workflow| workflow.id.clone())
        .collect();
    assert_eq!(ids, [first.id, second.to_string()]);
    assert!(look.workflows[0].created_at < look.workflows[1].created_at);
}

#[tokio::test]
async fn long_errors_are_cut() {
    let look = look_at(Script::config_error(&"x".repeat(5_000)), 120).await;
    assert_eq!(look.errors[0].chars().count(), 301);
}

#[tokio::test]
async fn a_pipeline_that_is_not_there_is_an_error() {
    let sandbox = sandbox().await;
    let error = client(sandbox.circleci_url())
        .look(&slug(), PipelineId(Uuid::nil()))
        .await;
    assert_eq!(error.unwrap_err().message, "HTTP 404: Pipeline not found");
}

fn workflows_page(name: &str, next: Option<&str>) -> String {
    let workflow = json!({
        "id": name, "name": name, "status": "success", "created_at": "2026-01-02T03:04:05Z",
    });
    answer(
        "200 OK",
        &[],
        &json!({"items": [workflow], "next_page_token": next}).to_string(),
    )
}

#[tokio::test]
async fn a_pipeline_may_say_less_or_something_new() {
    for (state, known) in [
        ("created", PipelineState::Created),
        ("brand-new", PipelineState::Unknown),
    ] {
        let details = answer(
            "200 OK",
            &[],
            &json!({"state": state, "surprise": [1]}).to_string(),
        );
        let raw = Raw::new(vec![details, workflows_page("deploy", None)]).await;
        let look = client(&raw.url)
            .look(&slug(), PipelineId(Uuid::nil()))
            .await
            .unwrap();
        assert_eq!(
            (look.state, look.revision, look.errors.len()),
            (known, None, 0)
        );
        assert_eq!(look.workflows.len(), 1);
    }
}

#[tokio::test]
async fn workflows_are_read_page_by_page() {
    let details = answer("200 OK", &[], r#"{"state":"created"}"#);
    let pages = [
        workflows_page("build", Some("a b&c")),
        workflows_page("deploy", None),
    ];
    let raw = Raw::new([vec![details], pages.to_vec()].concat()).await;
    let look = client(&raw.url)
        .look(&slug(), PipelineId(Uuid::nil()))
        .await
        .unwrap();
    assert_eq!(statuses(&look).len(), 2);
    let requests = raw.requests();
    let path = format!("GET /api/v2/pipeline/{}/workflow", Uuid::nil());
    assert!(
        requests[1].starts_with(&format!("{path} HTTP/1.1")),
        "{requests:?}"
    );
    assert!(
        requests[2].starts_with(&format!("{path}?page-token=a+b%26c HTTP/1.1")),
        "{requests:?}"
    );
}

#[tokio::test]
async fn workflows_without_end_show_nothing() {
    let details = answer("200 OK", &[], r#"{"state":"created"}"#);
    let raw = Raw::new(vec![details, workflows_page("deploy", Some("more"))]).await;
    let error = client(&raw.url)
        .look(&slug(), PipelineId(Uuid::nil()))
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        "the pipeline has more than 10 pages of workflows"
    );
    assert_eq!(raw.requests().len(), 11);
}

// --- The cancel ---

#[tokio::test]
async fn a_workflow_is_canceled() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let id = scripted(&sandbox, Script::endless(), 60);
    let workflow = client.look(&slug(), id).await.unwrap().workflows.remove(0);
    assert_eq!(client.cancel(&workflow.id).await, Ok(()));
    let (method, path, status) = calls(&sandbox).pop().unwrap();
    let expected = format!("/workflow/{}/cancel", workflow.id);
    assert_eq!(
        (method.as_str(), path, status),
        ("POST", expected, Some(202))
    );
    let look = client.look(&slug(), id).await.unwrap();
    assert_eq!(statuses(&look), [("deploy", WorkflowStatus::Canceled)]);
    // Asking again is harmless.
    assert_eq!(client.cancel(&workflow.id).await, Ok(()));
}

#[tokio::test]
async fn a_cancel_that_fails_says_so() {
    let sandbox = sandbox().await;
    let client = client(sandbox.circleci_url());
    let error = client.cancel("nonsense").await.unwrap_err();
    assert_eq!(error.message, "HTTP 404: Workflow not found");
    let id = scripted(&sandbox, Script::endless(), 60);
    let workflow = client.look(&slug(), id).await.unwrap().workflows.remove(0);
    for (fault, after, unauthorized) in failures() {
        // Whatever CircleCI accepted counts; nobody reads its words.
        let is_accepted = fault == Fault::Garbage || fault == Fault::HalfBody;
        let failing = client_for(sandbox.circleci_url(), &fault);
        sandbox.circleci().fail_next(Call::Cancel, fault);
        let outcome = failing.cancel(&workflow.id).await;
        if is_accepted {
            assert_eq!(outcome, Ok(()));
        } else {
            failed(outcome, after, unauthorized);
        }
    }
}
