//! The stage of the demo: sandbox, configuration, server, and what an act can wait for.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use chatops_core::config::Config;
use chatops_sandbox::circleci::Project;
use chatops_sandbox::slack::Ack;
use chatops_sandbox::{Entry, Sandbox, Seen};
use tempfile::TempDir;

use super::cast;
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
    data: TempDir,
}

impl Stage {
    /// Starts everything; the stand-in Slack listens at `slack`.
    pub(super) async fn set(slack: SocketAddr) -> Result<Self> {
        let project = Project {
            branches: ["main", "feature/login", "release/1.4"]
                .map(str::to_owned)
                .to_vec(),
            parameters: vec!["job".to_owned(), "deploy_id".to_owned()],
            ..Project::new("gh/acme/web", TOKEN)
        };
        let settings = chatops_sandbox::Settings {
            slack,
            ..chatops_sandbox::Settings::new(SIGNING_SECRET, vec![project])
        };
        let sandbox = Sandbox::start(settings)
            .await
            .map_err(|error| no_sandbox(slack, error))?;
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
        sandbox.install(&url);
        Ok(Self {
            sandbox,
            server,
            url,
            data,
        })
    }

    /// Somebody types a command; fails unless Slack got its answer.
    pub(super) async fn types(&self, channel: &str, text: &str) -> Result<Ack> {
        let typed = cast::typed("you", channel, text)?;
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
        self.until(since, |entry| {
            shown(entry).filter(|shown| shown.contains(words))
        })
        .await
        .with_context(|| format!("no message that says '{words}' came"))
    }

    /// Waits for the next message in Slack, whatever it says.
    pub(super) async fn answer(&self, since: usize) -> Result<String> {
        self.until(since, shown).await.context("no answer came")
    }

    async fn until(&self, since: usize, found: impl Fn(&Entry) -> Option<&str>) -> Option<String> {
        let journal = self.sandbox.journal();
        let search = journal.wait_until(PATIENCE, |entries| {
            let found = entries.iter().skip(since).find_map(&found);
            found.map(str::to_owned)
        });
        search.await
    }

    /// The message of an earlier act that holds `words`.
    pub(super) fn earlier(&self, words: &str) -> Result<String> {
        let entries = self.sandbox.journal().entries();
        let mut messages = entries.iter().filter_map(shown);
        let found = messages.find(|shown| shown.contains(words));
        found
            .map(str::to_owned)
            .with_context(|| format!("no message says '{words}'"))
    }

    /// How often CircleCI was called after `since`.
    pub(super) fn calls(&self, since: usize) -> usize {
        let entries = self.sandbox.journal().entries();
        let calls = entries.iter().skip(since);
        calls
            .filter(|entry| matches!(entry.what, Seen::CircleCall { .. }))
            .count()
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

    /// Stops the pipeline, then the stand-ins.
    pub(super) async fn strike(self) -> Result<()> {
        self.run_until(std::future::ready(())).await
    }

    /// Runs until `asked` is ready, and stops.
    pub(super) async fn run_until(self, asked: impl Future<Output = ()>) -> Result<()> {
        let Self {
            sandbox,
            server,
            data,
            ..
        } = self;
        let ended = server.run_until(asked).await;
        // What was in hand needed them to the end.
        drop((sandbox, data));
        ended
    }
}

/// The message that an entry shows.
fn shown(entry: &Entry) -> Option<&str> {
    match &entry.what {
        Seen::SlackMessage { shown, .. } => Some(shown),
        _ => None,
    }
}

fn no_sandbox(slack: SocketAddr, error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::AddrInUse {
        return anyhow!(
            "the stand-in Slack cannot listen on {slack}, since something else does (another \
             `chatops demo --keep`?): stop that, or take another address with --slack, such as \
             --slack 127.0.0.1:{}",
            slack.port().wrapping_add(1).max(1024)
        );
    }
    anyhow::Error::new(error).context(format!("the sandbox could not be started on {slack}"))
}

/// The demo's configuration: the product's own format, with times that suit an audience.
fn config(sandbox: &Sandbox) -> String {
    include_str!("demo.toml")
        .replace("SLACK", sandbox.slack_url())
        .replace("CIRCLECI", sandbox.circleci_url())
}
