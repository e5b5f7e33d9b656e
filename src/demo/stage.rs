//! The stage of the demo: sandbox, configuration, server, and what an act can wait for.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chatops_core::config::Config;
use chatops_sandbox::circleci::Project;
use chatops_sandbox::slack::{Ack, Typed};
use chatops_sandbox::{Sandbox, Seen};
use tempfile::TempDir;

use crate::secrets::EnvSecrets;
use crate::serve::{Server, Settings};

const SIGNING_SECRET: &str = "the-demo-signing-secret-of-slack";
const TOKEN: &str = "the-demo-token";

/// No act waits longer for a message than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Everything the acts play with.
pub(super) struct Stage {
    pub(super) sandbox: Sandbox,
    server: Server,
    url: String,
    // Removed with everything in it when the demo ends.
    _data: TempDir,
}

impl Stage {
    pub(super) async fn set() -> Result<Self> {
        let project = Project {
            branches: vec!["main".to_owned(), "feature/login".to_owned()],
            parameters: vec!["job".to_owned(), "deploy_id".to_owned()],
            ..Project::new("gh/acme/web", TOKEN)
        };
        let settings = chatops_sandbox::Settings::new(SIGNING_SECRET, vec![project]);
        let sandbox = Sandbox::start(settings)
            .await
            .context("the sandbox could not be started")?;
        let config = Config::parse(&config(&sandbox), "the demo's configuration")?;
        let secrets = EnvSecrets::read(|name| match name {
            "SLACK_SIGNING_SECRET" => Some(OsString::from(SIGNING_SECRET)),
            "CIRCLECI_TOKEN" => Some(OsString::from(TOKEN)),
            _ => None,
        })?;
        let data = tempfile::tempdir().context("no temporary folder could be made")?;
        let server = Server::start(Settings {
            config: Arc::new(config),
            secrets,
            data: data.path().join("chatops.db"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        })
        .await?;
        let url = format!("http://{}/slack/commands", server.address());
        Ok(Self {
            sandbox,
            server,
            url,
            _data: data,
        })
    }

    /// Somebody types a command; fails unless Slack got its answer.
    pub(super) async fn types(&self, channel: (&str, &str), text: &str) -> Result<Ack> {
        let typed = Typed {
            user_name: "you".to_owned(),
            channel_id: channel.0.to_owned(),
            channel_name: channel.1.to_owned(),
            ..Typed::new(text)
        };
        let ack = self.sandbox.type_command(&self.url, typed).await;
        ensure!(
            ack.status == Some(200),
            "the command was not acknowledged: {}",
            ack.shown
        );
        Ok(ack)
    }

    /// How much the sandbox has seen so far.
    pub(super) fn seen(&self) -> usize {
        self.sandbox.journal().entries().len()
    }

    /// Waits for a message in Slack that holds `words`, among what was seen after `since`.
    pub(super) async fn message(&self, since: usize, words: &str) -> Result<String> {
        let found = self.sandbox.journal().wait_until(PATIENCE, |entries| {
            entries
                .iter()
                .skip(since)
                .find_map(|entry| match &entry.what {
                    Seen::SlackMessage { shown, .. } if shown.contains(words) => {
                        Some(shown.clone())
                    }
                    _ => None,
                })
        });
        found
            .await
            .with_context(|| format!("no message that says '{words}' came"))
    }

    /// How many pipelines CircleCI has created for a job.
    pub(super) fn pipelines(&self, job: &str) -> usize {
        let model = self.sandbox.circleci().lock();
        model
            .ledger()
            .iter()
            .filter(|p| p.parameters.get("job").is_some_and(|j| j == job))
            .count()
    }

    pub(super) async fn strike(self) -> Result<()> {
        self.server.stop().await
    }
}

/// The demo's configuration: the product's own format, with times that suit an audience.
fn config(sandbox: &Sandbox) -> String {
    format!(
        r#"
version = 1
default_project = "web"

[slack]
teams = ["T0001"]
reply_origins = ["{slack}"]

[circleci]
api = "{circleci}"

[channels]
deploys = "C0001"

[times]
connect_timeout = "500ms"
request_timeout = "1s"
send_window = "2s"
horizon = "4s"
grace = "2s"
poll_first = "200ms"
poll_longest = "500ms"
retry_first = "200ms"
sweep_every = "1s"

[projects.web]
slug = "gh/acme/web"

[projects.web.jobs.deploy]
environment = "production"
branches = ["main", "release/*"]
channels = ["deploys"]
people = ["*"]

[projects.web.jobs.e2e]
branches = ["*"]
channels = ["deploys"]
people = ["*"]

[projects.web.jobs.migrate]
environment = "production"
branches = ["main"]
channels = ["deploys"]
people = ["*"]
"#,
        slack = sandbox.slack_url(),
        circleci = sandbox.circleci_url(),
    )
}
