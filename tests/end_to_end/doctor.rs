//! `chatops doctor` against the sandbox, and against a CircleCI and a Slack whose answers a test sets.

use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use chatops_testkit::config::{TestConfig, TestJob};

use crate::operator;
use crate::support::{
    ProcessExit, SIGNING_SECRET, ServeWorld, TOKEN, assert_says, chatops, now, run,
};

const BOT: &str = "canary3bot3token3of3slack";
const DEFINITION: &str = "2f1c9d6e-0b7a-4c58-9e3d-6a4f8b2c7d10";
const YAML: &str =
    "version: 2.1\nparameters:\n  job:\n    type: string\n  deploy_id:\n    type: string\n";

const COMPILED: &str = "version: 2\nworkflows:\n  deploy:\n    jobs:\n    - build\n    - ship:\n        requires:\n        - build\n  lint:\n    jobs:\n    - lint\n";

/// What the fake answers; a test changes a part of it.
#[derive(Clone)]
struct FakeAnswers {
    me: (u16, Value),
    project: (u16, Value),
    definitions: (u16, Value),
    pipelines: (u16, Value),
    source: (u16, Value),
    settings: (u16, Value),
    bot: (u16, Value),
    ahead: TimeDelta,
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
            ahead: TimeDelta::zero(),
        }
    }
}

/// Both sides at one address, a configuration that names it, and the requests.
struct DoctorWorld {
    dir: TempDir,
    answers: Arc<Mutex<FakeAnswers>>,
    requests: Arc<Mutex<Vec<String>>>,
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
    (status, [("date", date)], body.to_string()).into_response()
}

impl DoctorWorld {
    async fn new() -> Self {
        let (says, requests) = (Arc::default(), Arc::default());
        let router = Router::new()
            .fallback(fake_answer)
            .with_state((Arc::clone(&says), Arc::clone(&requests)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("chatops.toml"), config(&origin, &origin)).unwrap();
        Self {
            dir,
            answers: says,
            requests,
            _server: server,
        }
    }

    fn set_answers(&self, change: impl FnOnce(&mut FakeAnswers)) {
        change(&mut self.answers.lock().unwrap());
    }

    fn command(&self) -> Command {
        let mut command = chatops("doctor");
        command
            .current_dir(self.dir.path())
            .env("SLACK_SIGNING_SECRET", SIGNING_SECRET)
            .env("SLACK_BOT_TOKEN", BOT)
            .env("CIRCLECI_TOKEN", TOKEN);
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
    async fn check_is(&self, name: &str, level: &str, words: &str) -> String {
        let (check, code) = self.check(name).await;
        assert_eq!(check["level"], level, "{check}");
        assert_says(check["found"].as_str().unwrap(), words);
        assert_eq!(check["fix"].is_null(), level == "ok", "{check}");
        assert_eq!(code, Some(i32::from(level == "fail")), "{check}");
        check["fix"].as_str().unwrap_or_default().to_owned()
    }
}

fn config(slack: &str, circleci: &str) -> String {
    let everybody: [&str; 1] = ["*"];
    let job = |name| TestJob::limited(name, &["main"], &everybody, &everybody);
    let ship = job("ship")
        .with("trigger = \"pipeline-run\"")
        .with(&format!("definition = {DEFINITION:?}"));
    let deploy = job("deploy").with("trigger = \"pipeline\"");
    TestConfig::new()
        .slack(slack)
        .circleci(circleci)
        .project("web", &[deploy, ship])
        .text()
}

/// Runs it; whatever it finds, it shows no secret.
async fn run_doctor(command: Command) -> ProcessExit {
    let ended = run(command).await;
    for line in ended.stdout.iter().chain(&ended.stderr) {
        for secret in [SIGNING_SECRET, TOKEN, BOT, "canary"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    ended
}

#[tokio::test]
async fn all_is_well_beside_a_server() {
    let (world, server) = ServeWorld::start().await;
    let mut command = operator::command(&world, &["doctor"]);
    command.env("SLACK_SIGNING_SECRET", SIGNING_SECRET);
    command.env("CIRCLECI_TOKEN", TOKEN);
    let text = run_doctor(command).await.success();
    assert!(!text.contains("FAIL"), "{text}");
    for check in ["CircleCI token", "project web", "data file"] {
        assert_says(&text, &format!("ok    {check}: "));
    }
    server.stop().await;
}

#[tokio::test]
async fn every_check_of_a_good_installation_is_ok() {
    let world = DoctorWorld::new().await;
    // The one warning is that nobody has served yet.
    let text = run_doctor(world.command()).await.success();
    let lines: Vec<&str> = text.lines().collect();
    let configuration = "ok    configuration: chatops.toml, revision ";
    assert!(lines[0].starts_with(configuration), "{text}");
    for line in [
        "ok    secret SLACK_SIGNING_SECRET: it is set",
        "ok    secret CIRCLECI_TOKEN: it is set",
        "ok    secret SLACK_BOT_TOKEN: it is set",
        "ok    CircleCI token: it is ada's (Ada L.)",
        "ok    project web: gh/acme/web is web of acme",
        &format!("ok    pipeline definition of web: {DEFINITION} exists, named ship"),
        "ok    parameters of web/deploy: job, deploy_id declared in pipeline 42 on main",
        "ok    parameters of web/ship: job, deploy_id declared in pipeline 42 on main",
        "ok    workflow of web/deploy: deploy found in pipeline 42 on main",
        "ok    workflow of web/ship: deploy found in pipeline 42 on main",
        "ok    Slack bot: deploys in Acme",
    ] {
        assert!(lines.contains(&line), "{line}: {text}");
    }
    assert_says(&text, "\nwarn  data file: there is no file");
    assert!(text.ends_with(" checks: 1 to review."), "{text}");
    // Each token goes where it belongs and nowhere else.
    for line in world.requests.lock().unwrap().iter() {
        assert!(line.starts_with("GET "), "{line}");
        let circleci = line.contains("/api/v2/");
        assert_eq!(line.contains(TOKEN), circleci, "{line}");
        assert_eq!(line.contains(BOT), line.contains("/auth.test"), "{line}");
    }
}

#[tokio::test]
async fn an_answer_of_circleci_is_shown_with_the_fix() {
    let world = DoctorWorld::new().await;
    world.set_answers(|says| says.me = (401, json!({ "message": "You must log in first." })));
    let fix = world
        .check_is("CircleCI token", "fail", "401 You must log in first.")
        .await;
    assert_says(&fix, "Personal API Tokens");
    world.set_answers(|says| says.me = (503, json!({})));
    world.check_is("CircleCI's address", "warn", "503").await;
    world.set_answers(|says| *says = FakeAnswers::default());
    world.set_answers(|says| says.project = (404, json!({ "message": "Project not found" })));
    let fix = world
        .check_is("project web", "fail", "404 Project not found")
        .await;
    assert_says(&fix, "[projects.web]");
    world.set_answers(|says| says.project = (429, json!({ "message": "Slow down" })));
    world.check_is("project web", "warn", "429 Slow down").await;
    // Its answer cannot control the terminal.
    world.set_answers(|says| says.me = (200, json!({ "login": "a\u{1b}[2Jb", "name": "" })));
    world.check_is("CircleCI token", "ok", r"a\u{1b}[2Jb").await;
}

#[tokio::test]
async fn definitions_and_parameters_are_looked_up_as_far_as_can_be_known() {
    let world = DoctorWorld::new().await;
    let definition = "pipeline definition of web";
    let other = "00000000-0b7a-4c58-9e3d-6a4f8b2c7d10";
    world.set_answers(|says| says.definitions = (200, json!({ "items": [{ "id": other }] })));
    let fix = world.check_is(definition, "fail", DEFINITION).await;
    assert!(fix.contains(other), "{fix}");
    world.set_answers(|says| says.definitions = (404, json!({ "message": "Not found" })));
    let unknown = "could not find out whether it exists (404 Not found)";
    world.check_is(definition, "warn", unknown).await;
    world.set_answers(|says| *says = FakeAnswers::default());

    let parameters = "parameters of web/deploy";
    let without = YAML.replace("deploy_id", "other");
    world.set_answers(|says| says.source.1["source"] = without.into());
    let missing = "deploy_id not declared in pipeline 42";
    let fix = world.check_is(parameters, "warn", missing).await;
    assert_says(&fix, "top-level `parameters:`");
    // With a setup workflow, that is the configuration that counts.
    world.set_answers(|says| says.source.1["setup-config"] = YAML.into());
    world.check_is(parameters, "ok", "declared").await;
    world.set_answers(|says| says.source = (200, json!({ "source": "{a: b", "compiled": "" })));
    world.check_is(parameters, "warn", "cannot be read").await;
    world.set_answers(|says| says.source = (403, json!({ "message": "Forbidden" })));
    world
        .check_is(parameters, "warn", "not shown (403 Forbidden)")
        .await;
    world.set_answers(|says| says.pipelines = (200, json!({ "items": [] })));
    world
        .check_is(parameters, "warn", "no pipeline on main yet")
        .await;

    let path = world.dir.path().join("chatops.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("trigger = \"pipeline\"", "trigger = \"job\"");
    std::fs::write(&path, text).unwrap();
    world.set_answers(|says| *says = FakeAnswers::default());
    world.check_is(parameters, "warn", "version 2.1").await;
    world.set_answers(|says| says.source.1["source"] = "version: 2\njobs: {}\n".into());
    world.check_is(parameters, "ok", "no declaration").await;
}

#[tokio::test]
async fn what_decides_an_end_is_looked_up() {
    let world = DoctorWorld::new().await;
    let workflow = "workflow of web/deploy";
    world.set_answers(|says| says.source.1["compiled"] = COMPILED.replace("deploy", "ship").into());
    let missing = "there is no deploy in pipeline 42 on main; the workflows are lint, ship";
    let fix = world.check_is(workflow, "warn", missing).await;
    assert_says(&fix, "workflow = ");
    // A configuration that did not compile says nothing about its workflows.
    world.set_answers(|says| says.source.1["compiled"] = "".into());
    let unknown = "no compiled configuration";
    world.check_is(workflow, "warn", unknown).await;
    world.set_answers(|says| *says = FakeAnswers::default());

    let path = world.dir.path().join("chatops.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let job = "[projects.web.jobs.deploy]\n";
    let must_run = |name: &str| text.replace(job, &format!("{job}must_run = [{name:?}]\n"));
    std::fs::write(&path, must_run("ship")).unwrap();
    world
        .check_is(workflow, "ok", "deploy, with ship found")
        .await;
    std::fs::write(&path, must_run("smoke")).unwrap();
    let absent = "it has no job smoke in pipeline 42 on main; its jobs are build, ship";
    world.check_is(workflow, "warn", absent).await;

    // It concerns who deploys another branch than the default one.
    let autocancel = "auto-cancel of web";
    let branches = text.replace(
        r#"branches = ["main"]"#,
        r#"branches = ["main", "hotfix/*"]"#,
    );
    std::fs::write(&path, branches).unwrap();
    world.check_is(autocancel, "ok", "it is off").await;
    let on = json!({ "advanced": { "autocancel_builds": true } });
    world.set_answers(|says| says.settings = (200, on));
    world.check_is(autocancel, "warn", "it is on").await;
    world.set_answers(|says| says.settings = (404, json!({ "message": "Not found" })));
    world.check_is(autocancel, "warn", "404 Not found").await;
}

#[tokio::test]
async fn clocks_are_compared_with_both_sides() {
    let world = DoctorWorld::new().await;
    for (seconds, level, words) in [
        (0, "ok", ""),
        (30, "ok", " s behind"),
        (-150, "warn", " s ahead"),
        (150, "warn", " s behind"),
        (1000, "fail", " s behind"),
        (-1000, "fail", " s ahead"),
    ] {
        world.set_answers(|says| says.ahead = TimeDelta::seconds(seconds));
        for whose in ["CircleCI", "Slack"] {
            let name = format!("clock against {whose}'s");
            world.check_is(&name, level, words).await;
        }
    }
}

#[tokio::test]
async fn the_bot_is_tried_if_there_is_one() {
    let world = DoctorWorld::new().await;
    world.set_answers(|says| says.bot = (200, json!({ "ok": false, "error": "invalid_auth" })));
    let fix = world.check_is("Slack bot", "fail", "invalid_auth").await;
    assert_says(&fix, "SLACK_BOT_TOKEN");
    world.set_answers(|says| says.bot = (500, json!("oh")));
    world.check_is("Slack bot", "warn", "500").await;
    let mut command = world.command();
    command.env_remove("SLACK_BOT_TOKEN");
    let ended = run_doctor(command).await;
    assert!(!format!("{ended:?}").contains("bot"), "{ended:?}");
}

#[tokio::test]
async fn what_is_wrong_on_this_machine_is_shown_all_at_once() {
    let world = DoctorWorld::new().await;
    let mut command = world.command();
    command
        .env_remove("SLACK_SIGNING_SECRET")
        .env("CIRCLECI_TOKEN", "canary with spaces")
        .env("SLACK_BOT_TOKEN", "canary")
        .env("CIRCLECI_WEBHOOK_SECRET_FILE", "/nowhere/secret")
        .args(["--data", "/nowhere/chatops.db"]);
    let ended = run_doctor(command).await;
    let text = ended.stdout.join("\n");
    assert_eq!(ended.code, Some(1), "{text}");
    for words in [
        "FAIL  secret SLACK_SIGNING_SECRET: it is not set",
        "FAIL  secret CIRCLECI_TOKEN: CIRCLECI_TOKEN does not hold a CircleCI personal API token",
        "FAIL  secret SLACK_BOT_TOKEN: SLACK_BOT_TOKEN does not hold the Slack app's bot token: it is too short",
        "warn  secret CIRCLECI_WEBHOOK_SECRET: CIRCLECI_WEBHOOK_SECRET_FILE names /nowhere/secret",
        "FAIL  data file: there is no file, and /nowhere cannot be written",
        // Requests that need no token are made.
        "ok    CircleCI's address: ",
    ] {
        assert_says(&text, words);
    }
    let mut command = world.command();
    command.args(["--config", "/nowhere/chatops.toml", "--json"]);
    let ended = run_doctor(command).await;
    let report = operator::json(&ended.stdout[0]);
    assert_eq!(report["checks"][0]["level"], "fail");
    assert_eq!(ended.code, Some(1));

    // An address at which nobody listens.
    let path = world.dir.path().join("chatops.toml");
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    std::fs::write(&path, config(&origin, &origin)).unwrap();
    for whom in ["CircleCI's address", "Slack's address"] {
        world.check_is(whom, "fail", "cannot be reached: ").await;
    }
}

#[tokio::test]
async fn a_damaged_data_file_is_found() {
    let world = DoctorWorld::new().await;
    let path = world.dir.path().join("chatops.db");
    let text = "this is no database at all, whatever its name may say";
    std::fs::write(&path, text).unwrap();
    world
        .check_is("data file", "fail", "is not a data file of chatops")
        .await;
    std::fs::remove_file(&path).unwrap();
    let served = ServeWorld::new().await;
    served.serve().await.stop().await;
    let mut bytes = std::fs::read(served.data()).unwrap();
    // The root of a table, overwritten.
    let page = 4096;
    bytes[2 * page..3 * page].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    world.check_is("data file", "fail", "damaged").await;
}
