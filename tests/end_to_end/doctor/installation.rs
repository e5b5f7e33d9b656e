//! An installation between a CircleCI and a Slack whose answers a test sets, and the doctor's report on it.
//! What a report should say is up to the tests.

use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chatops_testkit::config::{TestConfig, TestJob};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::operator;
use crate::support::{ProcessExit, SIGNING_SECRET, TOKEN, assert_says, chatops, now, run};

pub(super) const BOT: &str = "canary3bot3token3of3slack";
pub(super) const DEFINITION: &str = "2f1c9d6e-0b7a-4c58-9e3d-6a4f8b2c7d10";
pub(super) const YAML: &str =
    "version: 2.1\nparameters:\n  job:\n    type: string\n  deploy_id:\n    type: string\n";

pub(super) const COMPILED: &str = "version: 2\nworkflows:\n  deploy:\n    jobs:\n    - build\n    - ship:\n        requires:\n        - build\n  lint:\n    jobs:\n    - lint\n";

/// What the fake answers; a test changes a part of it.
#[derive(Clone)]
pub(super) struct FakeAnswers {
    pub(super) me: (u16, Value),
    pub(super) project: (u16, Value),
    pub(super) definitions: (u16, Value),
    pub(super) pipelines: (u16, Value),
    pub(super) source: (u16, Value),
    pub(super) settings: (u16, Value),
    pub(super) bot: (u16, Value),
    pub(super) scopes: &'static str,
    pub(super) ahead: TimeDelta,
}

impl Default for FakeAnswers {
    fn default() -> Self {
        let project = json!({
            "id": "5b2f6c1e-1111-4c58-9e3d-6a4f8b2c7d10", "name": "web", "organization_name": "acme",
            "vcs_info": { "default_branch": "main" },
        });
        let definition = json!({ "id": DEFINITION, "name": "ship" });
        let bot = json!({ "ok": true, "user": "deploys", "team": "Acme" });
        let pipeline = json!({ "id": "7d0c5a3e-2222-4c58-9e3d-6a4f8b2c7d10", "number": 42 });
        Self {
            me: (200, json!({ "id": "x", "login": "ada", "name": "Ada L." })),
            project: (200, project),
            definitions: (200, json!({ "items": [definition] })),
            pipelines: (200, json!({ "items": [pipeline], "next_page_token": null })),
            source: (200, json!({ "source": YAML, "compiled": COMPILED })),
            settings: (200, json!({ "advanced": { "autocancel_builds": false } })),
            bot: (200, bot),
            scopes: "commands,chat:write",
            ahead: TimeDelta::zero(),
        }
    }
}

/// Both sides at one address, a configuration that names it, and the requests.
pub(super) struct DoctorWorld {
    pub(super) dir: TempDir,
    answers: Arc<Mutex<FakeAnswers>>,
    pub(super) requests: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

type SharedAnswers = (Arc<Mutex<FakeAnswers>>, Arc<Mutex<Vec<String>>>);

async fn fake_answer(State((says, requests)): State<SharedAnswers>, request: Request) -> Response {
    let header = |name: &str| {
        let value = request.headers().get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let token = header("circle-token").or_else(|| header("authorization"));
    let path = request.uri().path().to_owned();
    let line = format!("{} {path} {}", request.method(), token.unwrap_or_default());
    requests.lock().unwrap().push(line);
    let says = says.lock().unwrap().clone();
    let (status, body) = match path.as_str() {
        "/api/v2/me" => says.me,
        "/api/v2/project/gh/acme/web/pipeline" => says.pipelines,
        "/api/v2/project/gh/acme/web" => says.project,
        "/api/v2/project/gh/acme/web/settings" => says.settings,
        "/api/auth.test" => says.bot,
        path if path.ends_with("/pipeline-definitions") => says.definitions,
        path if path.ends_with("/config") => says.source,
        _ => (404, json!({ "message": "Not found" })),
    };
    let date = (now() + says.ahead).format("%a, %d %b %Y %H:%M:%S GMT");
    let date = date.to_string();
    let status = StatusCode::from_u16(status).unwrap();
    let headers = [("date", date), ("x-oauth-scopes", says.scopes.to_owned())];
    (status, headers, body.to_string()).into_response()
}

impl DoctorWorld {
    pub(super) async fn new() -> Self {
        let (says, requests) = (Arc::default(), Arc::default());
        let router = Router::new()
            .fallback(fake_answer)
            .with_state((Arc::clone(&says), Arc::clone(&requests)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let dir = tempfile::tempdir().unwrap();
        let world = Self {
            dir,
            answers: says,
            requests,
            _server: server,
        };
        world.configure(&config(&origin));
        world
    }

    /// What the configuration is.
    pub(super) fn configuration(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("chatops.toml")).unwrap()
    }

    /// From now on this is the configuration.
    pub(super) fn configure(&self, text: &str) {
        std::fs::write(self.dir.path().join("chatops.toml"), text).unwrap();
    }

    pub(super) fn set_answers(&self, change: impl FnOnce(&mut FakeAnswers)) {
        change(&mut self.answers.lock().unwrap());
    }

    pub(super) fn command(&self) -> Command {
        let mut command = chatops("doctor");
        command
            .current_dir(self.dir.path())
            .env("SLACK_SIGNING_SECRET", SIGNING_SECRET)
            .env("SLACK_BOT_TOKEN", BOT)
            .env("CIRCLECI_TOKEN", TOKEN)
            // Whatever this machine serves elsewhere.
            .env("CHATOPS_LISTEN", "127.0.0.1:1");
        command
    }

    /// The check of that name, and the exit code.
    async fn check(&self, name: &str) -> (Value, Option<i32>) {
        let mut command = self.command();
        command.arg("--json");
        let ended = run_doctor(command).await;
        let report = operator::json(&ended.stdout[0]);
        assert_eq!(report["ok"], ended.code == Some(0), "{report}");
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == name);
        let check = check.unwrap_or_else(|| panic!("{name}: {report:#}"));
        (check.clone(), ended.code)
    }

    /// The check of that name comes to that level and says that, with a fix unless all is well.
    pub(super) async fn check_is(&self, name: &str, level: &str, words: &str) -> String {
        let (check, code) = self.check(name).await;
        assert_eq!(check["level"], level, "{check}");
        assert_says(check["found"].as_str().unwrap(), words);
        assert_eq!(check["fix"].is_null(), level == "ok", "{check}");
        assert_eq!(code, Some(i32::from(level == "fail")), "{check}");
        check["fix"].as_str().unwrap_or_default().to_owned()
    }
}

pub(super) fn config(origin: &str) -> String {
    let everybody: [&str; 1] = ["*"];
    let job = |name| TestJob::limited(name, &["main"], &everybody, &everybody);
    let ship = job("ship")
        .with("trigger = \"pipeline-run\"")
        .with(&format!("definition = {DEFINITION:?}"));
    let deploy = job("deploy").with("trigger = \"pipeline\"");
    TestConfig::new()
        .slack(origin)
        .circleci(origin)
        .project("web", &[deploy, ship])
        .text()
}

/// Runs it; whatever it finds, it shows no secret.
pub(super) async fn run_doctor(command: Command) -> ProcessExit {
    let ended = run(command).await;
    for line in ended.stdout.iter().chain(&ended.stderr) {
        for secret in [SIGNING_SECRET, TOKEN, BOT, "canary"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    ended
}
