//! `chatops doctor` against the sandbox, and against a CircleCI and a Slack that say what a test
//! wants them to.

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

use crate::operator::{self, run};
use crate::support::{Ended, SIGNING_SECRET, TOKEN, World, chatops, now};

const BOT: &str = "canary3bot3token3of3slack";
const DEFINITION: &str = "2f1c9d6e-0b7a-4c58-9e3d-6a4f8b2c7d10";
const YAML: &str =
    "version: 2.1\nparameters:\n  job:\n    type: string\n  deploy_id:\n    type: string\n";

/// What the stand-in says; a test changes what it is about.
#[derive(Clone)]
struct Says {
    me: (u16, Value),
    project: (u16, Value),
    definitions: (u16, Value),
    pipelines: (u16, Value),
    source: (u16, Value),
    bot: (u16, Value),
    ahead: TimeDelta,
}

impl Default for Says {
    fn default() -> Self {
        let project = json!({
            "id": "5b2f6c1e-1111-4c58-9e3d-6a4f8b2c7d10", "name": "web", "organization_name": "acme",
            "vcs_info": { "default_branch": "main" },
        });
        let pipeline = json!({ "id": "7d0c5a3e-2222-4c58-9e3d-6a4f8b2c7d10", "number": 42 });
        Self {
            me: (200, json!({ "id": "x", "login": "ada", "name": "Ada L." })),
            project: (200, project),
            definitions: (
                200,
                json!({ "items": [{ "id": DEFINITION, "name": "ship" }] }),
            ),
            pipelines: (200, json!({ "items": [pipeline], "next_page_token": null })),
            source: (200, json!({ "source": YAML, "compiled": "" })),
            bot: (
                200,
                json!({ "ok": true, "user": "deploys", "team": "Acme" }),
            ),
            ahead: TimeDelta::zero(),
        }
    }
}

/// Both sides at one address, a configuration that names it, and what was asked.
struct Stand {
    dir: TempDir,
    says: Arc<Mutex<Says>>,
    asked: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

type Shared = (Arc<Mutex<Says>>, Arc<Mutex<Vec<String>>>);

async fn answer(State((says, asked)): State<Shared>, request: Request) -> Response {
    let header = |name: &str| {
        let value = request.headers().get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let token = header("circle-token").or_else(|| header("authorization"));
    let path = request.uri().path().to_owned();
    let line = format!("{} {path} {}", request.method(), token.unwrap_or_default());
    asked.lock().unwrap().push(line);
    let says = says.lock().unwrap().clone();
    let (status, body) = match path.as_str() {
        "/api/v2/me" => says.me,
        "/api/v2/project/gh/acme/web/pipeline" => says.pipelines,
        "/api/v2/project/gh/acme/web" => says.project,
        "/api/auth.test" => says.bot,
        path if path.ends_with("/pipeline-definitions") => says.definitions,
        path if path.ends_with("/config") => says.source,
        _ => (404, json!({ "message": "Not found" })),
    };
    let date = (now() + says.ahead)
        .format("%a, %d %b %Y %H:%M:%S GMT")
        .to_string();
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("date", date)], body.to_string()).into_response()
}

impl Stand {
    async fn new() -> Self {
        let (says, asked) = (Arc::default(), Arc::default());
        let router = Router::new()
            .fallback(answer)
            .with_state((Arc::clone(&says), Arc::clone(&asked)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("chatops.toml"), config(&origin, &origin)).unwrap();
        Self {
            dir,
            says,
            asked,
            _server: server,
        }
    }

    fn say(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().unwrap());
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
        let ended = examined(command).await;
        let told = operator::json(&ended.stdout[0]);
        assert_eq!(told["ok"], ended.code == Some(0), "{told}");
        let checks = told["checks"].as_array().unwrap();
        let mut found = checks.iter().filter(|check| check["name"] == name);
        let check = found.next().unwrap_or_else(|| panic!("{name}: {told:#}"));
        (check.clone(), ended.code)
    }

    /// The check of that name comes to that level and says that, with a fix unless all is well.
    async fn finds(&self, name: &str, level: &str, words: &str) -> String {
        let (check, code) = self.check(name).await;
        assert_eq!(check["level"], level, "{check}");
        assert!(check["found"].as_str().unwrap().contains(words), "{check}");
        assert_eq!(check["fix"].is_null(), level == "ok", "{check}");
        assert_eq!(code, Some(i32::from(level == "fail")), "{check}");
        check["fix"].as_str().unwrap_or_default().to_owned()
    }
}

fn config(slack: &str, circleci: &str) -> String {
    format!(
        r#"
version = 1
default_project = "web"
[slack]
teams = ["T0001"]
reply_origins = ["{slack}"]
api = "{slack}"
[circleci]
api = "{circleci}"
[projects.web]
slug = "gh/acme/web"
[projects.web.jobs.deploy]
branches = ["main"]
channels = ["*"]
people = ["*"]
[projects.web.jobs.ship]
trigger = "pipeline-run"
definition = "{DEFINITION}"
branches = ["main"]
channels = ["*"]
people = ["*"]
"#
    )
}

/// Runs it; whatever it finds, it shows no secret.
async fn examined(command: Command) -> Ended {
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
    let world = World::new().await;
    let server = world.serve().await;
    let mut command = operator::command(&world, &["doctor"]);
    command
        .env("SLACK_SIGNING_SECRET", SIGNING_SECRET)
        .env("CIRCLECI_TOKEN", TOKEN);
    let ended = examined(command).await;
    let text = ended.stdout.join("\n");
    assert_eq!(ended.code, Some(0), "{text}");
    assert!(!text.contains("FAIL"), "{text}");
    for words in [
        "ok    CircleCI token: ",
        "ok    project web: ",
        "ok    data file: ",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_check_of_a_good_installation_is_ok() {
    let stand = Stand::new().await;
    // The one warning is that nobody has served yet.
    let ended = examined(stand.command()).await;
    let text = ended.stdout.join("\n");
    assert_eq!(ended.code, Some(0), "{text}");
    let lines: Vec<&str> = ended.stdout.iter().map(String::as_str).collect();
    assert!(
        lines[0].starts_with("ok    configuration: chatops.toml, revision "),
        "{text}"
    );
    for line in [
        "ok    secret SLACK_SIGNING_SECRET: it is set",
        "ok    secret CIRCLECI_TOKEN: it is set",
        "ok    secret SLACK_BOT_TOKEN: it is set",
        "ok    CircleCI token: it is ada's (Ada L.)",
        "ok    project web: gh/acme/web is web of acme",
        &format!("ok    pipeline definition of web: {DEFINITION} is there ship"),
        "ok    parameters of web/deploy: job, deploy_id declared, judged by pipeline 42 on main",
        "ok    parameters of web/ship: job, deploy_id declared, judged by pipeline 42 on main",
        "ok    Slack bot: deploys in Acme",
    ] {
        assert!(lines.contains(&line), "{line}: {text}");
    }
    assert!(
        lines
            .iter()
            .any(|l| l.starts_with("warn  data file: there is none")),
        "{text}"
    );
    assert!(
        lines
            .last()
            .unwrap()
            .ends_with("nothing is wrong, 1 worth a look."),
        "{text}"
    );
    let asked = stand.asked.lock().unwrap().clone();
    assert!(
        asked.iter().all(|line| line.starts_with("GET ")),
        "{asked:?}"
    );
    // Each token goes where it belongs and nowhere else.
    for line in &asked {
        let circleci = line.contains("/api/v2/");
        assert_eq!(line.contains(TOKEN), circleci, "{line}");
        assert_eq!(line.contains(BOT), line.contains("/auth.test"), "{line}");
    }
}

#[tokio::test]
async fn what_circleci_refuses_is_told_with_the_fix() {
    let stand = Stand::new().await;
    stand.say(|says| says.me = (401, json!({ "message": "You must log in first." })));
    let fix = stand
        .finds("CircleCI token", "fail", "401 You must log in first.")
        .await;
    assert!(fix.contains("Personal API Tokens"), "{fix}");
    stand.say(|says| says.me = (503, json!({})));
    stand.finds("CircleCI's address", "warn", "503").await;
    stand.say(|says| {
        *says = Says {
            project: (404, json!({ "message": "Project not found" })),
            ..Says::default()
        }
    });
    let fix = stand
        .finds("project web", "fail", "404 Project not found")
        .await;
    assert!(fix.contains("[projects.web]"), "{fix}");
    stand.say(|says| says.project = (429, json!({ "message": "Slow down" })));
    stand.finds("project web", "warn", "429 Slow down").await;
    // Whatever it says, it does not drive the terminal.
    stand.say(|says| says.me = (200, json!({ "login": "a\u{1b}[2Jb", "name": "" })));
    stand.finds("CircleCI token", "ok", r"a\u{1b}[2Jb").await;
}

#[tokio::test]
async fn definitions_and_parameters_are_looked_up_as_far_as_can_be_known() {
    let stand = Stand::new().await;
    let definition = "pipeline definition of web";
    let other = "00000000-0b7a-4c58-9e3d-6a4f8b2c7d10";
    stand.say(|says| says.definitions = (200, json!({ "items": [{ "id": other }] })));
    let fix = stand.finds(definition, "fail", DEFINITION).await;
    assert!(fix.contains(other), "{fix}");
    stand.say(|says| says.definitions = (404, json!({ "message": "Not found" })));
    stand
        .finds(definition, "warn", "cannot be known (404 Not found)")
        .await;
    stand.say(|says| *says = Says::default());

    let parameters = "parameters of web/deploy";
    let without = YAML.replace("deploy_id", "other");
    stand.say(|says| says.source.1["source"] = without.into());
    let fix = stand
        .finds(
            parameters,
            "warn",
            "deploy_id not declared, judged by pipeline 42",
        )
        .await;
    assert!(fix.contains("top-level `parameters:`"), "{fix}");
    // With a setup workflow, that is the configuration that counts.
    stand.say(|says| says.source.1["setup-config"] = YAML.into());
    stand.finds(parameters, "ok", "declared").await;
    stand.say(|says| says.source = (200, json!({ "source": "{a: b}", "compiled": "" })));
    stand.finds(parameters, "warn", "cannot be known").await;
    stand.say(|says| says.source = (403, json!({ "message": "Forbidden" })));
    stand
        .finds(parameters, "warn", "not shown (403 Forbidden)")
        .await;
    stand.say(|says| says.pipelines = (200, json!({ "items": [] })));
    stand
        .finds(parameters, "warn", "no pipeline on main yet")
        .await;

    let path = stand.dir.path().join("chatops.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace(
        "[projects.web.jobs.deploy]\n",
        "[projects.web.jobs.deploy]\ntrigger = \"job\"\n",
    );
    std::fs::write(&path, text).unwrap();
    stand.say(|says| *says = Says::default());
    stand.finds(parameters, "warn", "version 2.1").await;
    stand.say(|says| says.source.1["source"] = "version: 2\njobs: {}\n".into());
    stand.finds(parameters, "ok", "no declaration").await;
}

#[tokio::test]
async fn clocks_are_compared_with_both_sides() {
    let stand = Stand::new().await;
    for (seconds, level, words) in [
        (0, "ok", ""),
        (30, "ok", " s behind"),
        (-150, "warn", " s ahead"),
        (150, "warn", " s behind"),
        (1000, "fail", " s behind"),
        (-1000, "fail", " s ahead"),
    ] {
        stand.say(|says| says.ahead = TimeDelta::seconds(seconds));
        for whose in ["CircleCI", "Slack"] {
            stand
                .finds(&format!("clock against {whose}'s"), level, words)
                .await;
        }
    }
}

#[tokio::test]
async fn the_bot_is_tried_if_there_is_one() {
    let stand = Stand::new().await;
    stand.say(|says| says.bot = (200, json!({ "ok": false, "error": "invalid_auth" })));
    let fix = stand.finds("Slack bot", "fail", "invalid_auth").await;
    assert!(fix.contains("SLACK_BOT_TOKEN"), "{fix}");
    stand.say(|says| says.bot = (500, json!("oh")));
    stand.finds("Slack bot", "warn", "500").await;
    let mut command = stand.command();
    command.env_remove("SLACK_BOT_TOKEN");
    let ended = examined(command).await;
    assert!(
        !ended.stdout.join("\n").contains("bot"),
        "{:?}",
        ended.stdout
    );
}

#[tokio::test]
async fn what_is_wrong_on_this_machine_is_told_all_at_once() {
    let stand = Stand::new().await;
    let mut command = stand.command();
    command
        .env_remove("SLACK_SIGNING_SECRET")
        .env("CIRCLECI_TOKEN", "canary with spaces")
        .env("SLACK_BOT_TOKEN", "canary")
        .env("CIRCLECI_WEBHOOK_SECRET_FILE", "/nowhere/secret")
        .args(["--data", "/nowhere/chatops.db"]);
    let ended = examined(command).await;
    let text = ended.stdout.join("\n");
    assert_eq!(ended.code, Some(1), "{text}");
    for words in [
        "FAIL  secret SLACK_SIGNING_SECRET: it is not set",
        "FAIL  secret CIRCLECI_TOKEN: CIRCLECI_TOKEN does not hold a CircleCI personal API token",
        "FAIL  secret SLACK_BOT_TOKEN: SLACK_BOT_TOKEN does not hold the Slack app's bot token: it is too short",
        "FAIL  secret CIRCLECI_WEBHOOK_SECRET: CIRCLECI_WEBHOOK_SECRET_FILE names /nowhere/secret",
        "FAIL  data file: there is none, and /nowhere cannot be written",
        // What can be asked without a token is asked.
        "ok    CircleCI's address: ",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let mut command = stand.command();
    command.args(["--config", "/nowhere/chatops.toml", "--json"]);
    let ended = examined(command).await;
    let told = operator::json(&ended.stdout[0]);
    assert_eq!(
        (ended.code, &told["checks"][0]["level"]),
        (Some(1), &"fail".into())
    );

    // An address at which nobody listens.
    let path = stand.dir.path().join("chatops.toml");
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    std::fs::write(&path, config(&origin, &origin)).unwrap();
    for whom in ["CircleCI's address", "Slack's address"] {
        stand.finds(whom, "fail", "cannot be reached: ").await;
    }
}

#[tokio::test]
async fn a_damaged_data_file_is_found() {
    let stand = Stand::new().await;
    let path = stand.dir.path().join("chatops.db");
    std::fs::write(
        &path,
        "this is no database at all, whatever its name may say",
    )
    .unwrap();
    stand
        .finds("data file", "fail", "is not a data file of chatops")
        .await;
    std::fs::remove_file(&path).unwrap();
    let world = World::new().await;
    world.serve().await.stop().await;
    let mut bytes = std::fs::read(world.data()).unwrap();
    // The root of a table, overwritten.
    let page = 4096;
    bytes[2 * page..3 * page].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    stand.finds("data file", "fail", "damaged").await;
}
