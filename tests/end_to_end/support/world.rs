//! One sandbox, one configuration and one data file, and the servers that are started over them. What
//! happens to a server then is in the rooms of its other sides.

use std::path::{Path, PathBuf};
use std::process::Command;

use chatops_sandbox::circleci::{FakeProject, RunScript};
use chatops_sandbox::{Sandbox, SandboxSettings};
use chatops_testkit::config::{TestConfig, TestJob};
use tempfile::TempDir;

use super::circleci::BUILD_TIME;
use super::process::{ServerProcess, chatops};

// Nothing else may be like these, so that a leak of them can be searched for.
pub(crate) const SIGNING_SECRET: &str = "canary1signing1secret1of1slack11";
pub(crate) const TOKEN: &str = "canary2token2of2circleci";
/// The sandbox puts it into every form, as Slack does.
pub(crate) const FORM_TOKEN: &str = "gIkuvaNzQIHg97ATvDxqgjtO";

/// Quick, but with room for a slow machine wherever a time limits what may be met.
const TIMES: &str = r#"
connect_timeout = "1s"
request_timeout = "2s"
trigger_window = "3s"
lookup_timeout = "1s"
lookup_give_up = "4s"
workflow_start_timeout = "500ms"
empty_pipeline_timeout = "1s"
settle_time = "500ms"
rerun_timeout = "1s"
poll_interval_min = "50ms"
poll_interval_max = "100ms"
retry_backoff = "50ms"
delivery_lease = "3s"
sweep_interval = "300ms"
"#;

/// One sandbox, one configuration and one data file.
pub(crate) struct ServeWorld {
    pub(crate) sandbox: Sandbox,
    dir: TempDir,
}

impl ServeWorld {
    pub(crate) async fn new() -> Self {
        Self::with_times(TIMES).await
    }

    /// A world and its server.
    pub(crate) async fn start() -> (Self, ServerProcess) {
        let world = Self::new().await;
        let server = world.serve().await;
        (world, server)
    }

    pub(crate) async fn with_times(times: &str) -> Self {
        let project = FakeProject::declaring("gh/acme/web", TOKEN, &["job", "deploy_id"]);
        let settings = SandboxSettings::new(SIGNING_SECRET, vec![project]);
        let sandbox = Sandbox::start(settings).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let world = Self { sandbox, dir };
        for job in ["deploy", "migrate", "e2e", "restore", "test"] {
            world.script(job, RunScript::success(BUILD_TIME));
        }
        std::fs::write(world.config(), config(&world.sandbox, times)).unwrap();
        world
    }

    /// More of the configuration, for the next start.
    pub(crate) fn configure(&self, more: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        std::fs::write(self.config(), text + more).unwrap();
    }

    /// More of the table for Slack, for the next start.
    pub(crate) fn configure_slack(&self, more: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        let text = text.replacen("[slack]\n", &format!("[slack]\n{more}"), 1);
        std::fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir().join("chatops.toml")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir().join("chatops.db")
    }

    /// `chatops serve` with the secrets in an environment that holds nothing else.
    pub(crate) fn command(&self) -> Command {
        self.command_on(&self.data(), "127.0.0.1:0")
    }

    /// The same on another data file or address.
    pub(crate) fn command_on(&self, data: &Path, listen: &str) -> Command {
        let mut command = chatops("serve");
        command
            .env("SLACK_SIGNING_SECRET", SIGNING_SECRET)
            .env("CIRCLECI_TOKEN", TOKEN)
            .arg("--config")
            .arg(self.config())
            .arg("--data")
            .arg(data)
            .args(["--listen", listen]);
        command
    }

    pub(crate) async fn serve(&self) -> ServerProcess {
        self.serve_with(&[]).await
    }

    pub(crate) async fn serve_with(&self, arguments: &[&str]) -> ServerProcess {
        let mut command = self.command();
        command.args(arguments);
        ServerProcess::start(command).await
    }

    /// A server with one more variable in its environment.
    pub(crate) async fn serve_with_env(&self, name: &str, value: &str) -> ServerProcess {
        let mut command = self.command();
        command.env(name, value);
        ServerProcess::start(command).await
    }
}

fn config(sandbox: &Sandbox, times: &str) -> String {
    let (here, everybody) = (["C0001"], ["*"]);
    let job = |name, branches: &[&str]| TestJob::limited(name, branches, &here, &everybody);
    let production = "environment = \"production\"";
    let jobs = [
        // Two jobs of one environment: one excludes the other.
        job("deploy", &["main", "release/*"]).with(production),
        job("migrate", &["**"]).with(production),
        job("e2e", &["**"]),
        TestJob::limited("restore", &["main"], &here, &["U0009"]),
        TestJob::open("test").with("exclusive = false"),
    ];
    TestConfig::new()
        .slack(sandbox.slack_url())
        .circleci(sandbox.circleci_url())
        .timeouts(times)
        .project("web", &jobs)
        .text()
}
