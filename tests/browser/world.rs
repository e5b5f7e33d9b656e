//! What the page is about: the demo's configuration, the sandbox, and the real server between its two
//! sides.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chatops_core::config::Config;
use chatops_core::ports::Clock;
use chatops_local::clock::WallClock;
use chatops_local::secrets::EnvSecrets;
use chatops_local::serve::{ChatopsServer, ServeSettings};
use chatops_sandbox::circleci::{FakeProject, RunScript};
use chatops_sandbox::slack::BotMethod;
use chatops_sandbox::{Sandbox, SandboxSettings, Workspace};
use serde_json::{Value, json};
use tempfile::TempDir;

const SIGNING_SECRET: &str = "the-signing-secret-of-the-page";
const TOKEN: &str = "the-token-of-the-page";
const BOT_TOKEN: &str = "xoxb-the-bot-of-the-page";

/// The sandbox with a page, and the server.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    _server: ChatopsServer,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// With Slack at this address.
    pub(crate) async fn start_at(slack_addr: SocketAddr) -> Self {
        let sandbox = Sandbox::start(settings(slack_addr)).await.unwrap();
        {
            let mut slack = sandbox.slack().lock();
            slack.install_bot(BOT_TOKEN);
            slack.invite_bot("C0001");
        }
        {
            let mut circleci = sandbox.circleci().lock();
            let jobs = ["build", "test", "deploy"];
            let run = RunScript::staged(&jobs, Duration::from_secs(4), "success");
            circleci.script_job("deploy", run);
            circleci.script_job("e2e", RunScript::endless());
        }
        let config = include_str!("../../src/demo/demo.toml")
            .replace("teammate", "bo")
            .replace("you", "ana")
            .replace("SLACK", sandbox.slack_url())
            .replace("CIRCLECI", sandbox.circleci_url());
        let secrets = EnvSecrets::read(|name| match name {
            "SLACK_SIGNING_SECRET" => Some(OsString::from(SIGNING_SECRET)),
            "CIRCLECI_TOKEN" => Some(OsString::from(TOKEN)),
            "SLACK_BOT_TOKEN" => Some(OsString::from(BOT_TOKEN)),
            _ => None,
        });
        let folder = tempfile::tempdir().unwrap();
        let settings = ServeSettings {
            config: Arc::new(Config::parse(&config, "the demo's configuration").unwrap()),
            secrets: secrets.unwrap(),
            data: folder.path().join("chatops.db"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            lost_log_lines: Arc::default(),
        };
        let server = ChatopsServer::start(settings).await.unwrap();
        let url = |path: &str| format!("http://{}/slack/{path}", server.address());
        sandbox.install_app(&url("commands"));
        sandbox.install_interactivity(&url("interactions"));
        Self {
            sandbox,
            _server: server,
            _folder: folder,
        }
    }

    /// The page's address.
    pub(crate) fn page(&self) -> String {
        format!("{}/", self.sandbox.slack_url())
    }

    /// Waits until so many pages follow what happens.
    pub(crate) async fn wait_streams(&self, count: usize) {
        let journal = self.sandbox.journal();
        let followed = async || (journal.listener_count() == count).then_some(());
        chatops_testkit::wait_until(&format!("{count} streams"), followed).await;
    }

    /// The bot says something in the channel of deploys.
    pub(crate) fn say(&self, message: &Value) {
        say(&self.sandbox, message);
    }
}

/// The bot says something in the channel of deploys; the message's timestamp.
pub(crate) fn say(sandbox: &Sandbox, message: &Value) -> String {
    call_bot(sandbox, BotMethod::PostMessage, message.clone())
}

/// The bot says something else instead.
pub(crate) fn edit(sandbox: &Sandbox, ts: &str, message: &Value) {
    let mut message = message.clone();
    message["ts"] = json!(ts);
    call_bot(sandbox, BotMethod::Update, message);
}

fn call_bot(sandbox: &Sandbox, method: BotMethod, mut body: Value) -> String {
    body["channel"] = json!("C0001");
    let body = body.to_string();
    let mut slack = sandbox.slack().lock();
    let now = WallClock.now();
    let answer = slack.call_bot(now, method, Some(BOT_TOKEN), body.as_bytes());
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer["ok"], true, "{answer}");
    answer["ts"].as_str().unwrap().to_owned()
}

fn settings(slack_addr: SocketAddr) -> SandboxSettings {
    let project = FakeProject {
        branches: ["main", "feature/login"].map(str::to_owned).to_vec(),
        parameters: vec!["job".to_owned(), "deploy_id".to_owned()],
        ..FakeProject::new("gh/acme/web", TOKEN)
    };
    let named = |all: &[(&str, &str)]| {
        let owned = |(name, id): &(&str, &str)| ((*name).to_owned(), (*id).to_owned());
        all.iter().map(owned).collect()
    };
    SandboxSettings {
        slack_addr,
        workspace: Some(Workspace {
            people: named(&[("ana", "U0001"), ("bo", "U0002"), ("visitor", "U0003")]),
            channels: named(&[("deploys", "C0001"), ("random", "C0002")]),
            suggestions: ["", "main deploy", "plan main deploy", "status", "help"]
                .map(str::to_owned)
                .to_vec(),
        }),
        ..SandboxSettings::new(SIGNING_SECRET, vec![project])
    }
}

/// A sandbox with a page and a bot, and no app.
pub(crate) async fn without_app() -> Sandbox {
    without_app_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
}

/// With Slack at this address.
pub(crate) async fn without_app_at(slack_addr: SocketAddr) -> Sandbox {
    let sandbox = Sandbox::start(settings(slack_addr)).await.unwrap();
    {
        let mut slack = sandbox.slack().lock();
        slack.install_bot(BOT_TOKEN);
        slack.invite_bot("C0001");
    }
    sandbox
}
