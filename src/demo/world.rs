//! The demo's sandbox, configuration and server, and what a scenario can wait for.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use chatops_core::config::Config;
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::DeployId;
use chatops_core::ports::DeployReader;
use chatops_core::text::{MessageKind, MessageMark};
use chatops_sandbox::circleci::{FakeProject, RunScript};
use chatops_sandbox::slack::{ButtonPress, CommandAck};
use chatops_sandbox::{JournalEntry, JournalEvent, Sandbox, SandboxSettings};
use tempfile::TempDir;

use super::directory;
use chatops_local::secrets::EnvSecrets;
use chatops_local::serve::{ChatopsServer, ServeSettings};
use chatops_local::sqlite::read_only::ReadOnlyDatabase;

const SIGNING_SECRET: &str = "the-demo-signing-secret-of-slack";
const CIRCLECI_TOKEN: &str = "the-demo-token";
/// The channel that people deploy from, as in the demo's configuration.
const DEPLOYS: &str = "C0001";
const BOT_TOKEN: &str = "xoxb-the-demo-bot";

/// How long a scenario waits for a message.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two looks at a record that nothing is said about.
const RECORD_POLL: Duration = Duration::from_millis(20);

/// Everything that the scenarios use.
pub(super) struct DemoWorld {
    pub(super) sandbox: Sandbox,
    server: ChatopsServer,
    url: String,
    // Removed when the demo ends.
    folder: TempDir,
}

impl DemoWorld {
    /// Starts everything; the stand-in Slack listens at `slack`.
    pub(super) async fn start(slack: SocketAddr) -> Result<Self> {
        let project = FakeProject {
            branches: ["main", "feature/login", "release/1.4"]
                .map(str::to_owned)
                .to_vec(),
            parameters: vec!["job".to_owned(), "deploy_id".to_owned()],
            ..FakeProject::new("gh/acme/web", CIRCLECI_TOKEN)
        };
        let settings = SandboxSettings {
            slack_addr: slack,
            workspace: Some(directory::workspace()),
            ..SandboxSettings::new(SIGNING_SECRET, vec![project])
        };
        let sandbox = Sandbox::start(settings)
            .await
            .map_err(|error| sandbox_error(slack, error))?;
        let config = Config::parse(&demo_config(&sandbox), "the demo's configuration")?;
        let secrets = EnvSecrets::read(|name| match name {
            "SLACK_SIGNING_SECRET" => Some(OsString::from(SIGNING_SECRET)),
            "CIRCLECI_TOKEN" => Some(OsString::from(CIRCLECI_TOKEN)),
            "SLACK_BOT_TOKEN" => Some(OsString::from(BOT_TOKEN)),
            _ => None,
        })?;
        {
            let mut slack = sandbox.slack().lock();
            slack.install_bot(BOT_TOKEN);
            slack.invite_bot(DEPLOYS);
        }
        let folder = tempfile::tempdir().context("no temporary folder could be created")?;
        let server = ChatopsServer::start(ServeSettings {
            config: Arc::new(config),
            secrets,
            data: data_file(&folder),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            lost_log_lines: Arc::default(),
        })
        .await?;
        let url = format!("http://{}/slack/commands", server.address());
        sandbox.install_app(&url);
        sandbox.install_interactivity(&interactions_url(&url));
        Ok(Self {
            sandbox,
            server,
            url,
            folder,
        })
    }

    /// Types a command in the channel of deploys.
    pub(super) async fn type_command(&self, text: &str) -> Result<CommandAck> {
        self.type_in("deploys", text).await
    }

    /// Types a command; fails unless it was acknowledged.
    pub(super) async fn type_in(&self, channel: &str, text: &str) -> Result<CommandAck> {
        let command = directory::typed_command("you", channel, text)?;
        let ack = self.sandbox.type_command(&self.url, command).await;
        let shown = &ack.shown;
        ensure!(ack.status == Some(200), "not acknowledged: {shown}");
        Ok(ack)
    }

    /// How many events the sandbox has seen.
    pub(super) fn seen_count(&self) -> usize {
        self.sandbox.journal().entries().len()
    }

    /// Waits for a message of a kind, among the events after `since`.
    pub(super) async fn wait_message(
        &self,
        since: usize,
        kind: MessageKind,
    ) -> Result<DemoMessage> {
        let journal = self.sandbox.journal();
        let search = journal.wait_until(MESSAGE_TIMEOUT, |entries| {
            let mut messages = entries.iter().skip(since).filter_map(DemoMessage::of_entry);
            messages.find(|message| message.mark.kind == kind)
        });
        search
            .await
            .with_context(|| format!("no message of the kind {kind:?} came"))
    }

    /// Waits until a card says this, among the events after `since`.
    pub(super) async fn wait_card(&self, since: usize, words: &str) -> Result<DemoMessage> {
        let journal = self.sandbox.journal();
        let search = journal.wait_until(MESSAGE_TIMEOUT, |entries| {
            let mut messages = entries.iter().skip(since).filter_map(DemoMessage::of_entry);
            messages.find(|message| {
                message.mark.kind == MessageKind::Card && message.text.contains(words)
            })
        });
        search
            .await
            .with_context(|| format!("no card says {words}"))
    }

    /// Waits until the bot has deleted a message.
    pub(super) async fn wait_deleted(&self, since: usize) -> Result<()> {
        let journal = self.sandbox.journal();
        let search = journal.wait_until(MESSAGE_TIMEOUT, |entries| {
            let mut events = entries.iter().skip(since).map(|entry| &entry.event);
            let deleted = events.any(|event| matches!(event, JournalEvent::MessageDeleted { .. }));
            deleted.then_some(())
        });
        search.await.context("no message was deleted")
    }

    /// How many cards of a deploy stand.
    pub(super) fn count_cards(&self, deploy: DeployId) -> usize {
        let slack = self.sandbox.slack().lock();
        let standing = slack.messages().iter().filter(|message| message.stands());
        let marks = standing.filter_map(|message| MessageMark::parse(&message.block_id()?));
        marks
            .filter(|mark| mark.kind == MessageKind::Card && mark.deploy == Some(deploy))
            .count()
    }

    /// Presses a button of the card that a deploy has, the first that stands.
    pub(super) async fn press(&self, deploy: DeployId, action_id: &str) -> Result<()> {
        let press = {
            let slack = self.sandbox.slack().lock();
            let standing = slack.messages().iter().filter(|message| message.stands());
            let mut presses = standing.filter_map(|message| ButtonPress::of(message, action_id));
            let value = deploy.to_string();
            presses.find(|press| press.value.as_deref() == Some(&value))
        };
        let press = press.context("there is no such button")?;
        let sender = self.sandbox.command_sender();
        let url = interactions_url(&self.url);
        let status = sender.send_press(&sender.prepare_press(&url, &press)).await;
        ensure!(status == Some(200), "the press was answered {status:?}");
        Ok(())
    }

    /// Waits for the final status of a deploy, which must have ended so.
    pub(super) async fn wait_end(&self, since: usize, state: DeployState) -> Result<DemoEnd> {
        let message = self.wait_message(since, MessageKind::Final).await?;
        let record = self.read_record(&message).await?;
        let text = message.text;
        let ended = record.state;
        ensure!(ended == state, "it ended {ended}, not {state}: {text}");
        Ok(DemoEnd { record, text })
    }

    /// The first deploy of which Slack shows that it ended so.
    pub(super) async fn earlier_end(&self, state: DeployState) -> Result<DeployRecord> {
        let entries = self.sandbox.journal().entries();
        let messages = entries.iter().filter_map(DemoMessage::of_entry);
        let ends = messages.filter(|message| message.mark.kind == MessageKind::Final);
        for message in ends {
            if let Ok(record) = self.read_record(&message).await
                && record.state == state
            {
                return Ok(record);
            }
        }
        bail!("no deploy ended {state}")
    }

    /// The record of the deploy that a message is about.
    pub(super) async fn read_record(&self, message: &DemoMessage) -> Result<DeployRecord> {
        let unknown = || format!("it names no deploy on record: {}", message.text);
        let id: DeployId = message.mark.deploy.with_context(unknown)?;
        let database = ReadOnlyDatabase::open(&data_file(&self.folder))?;
        database.read_deploy(id).await?.with_context(unknown)
    }

    /// The ended record of the deploy that an answer is about: nothing else is said about it.
    pub(super) async fn wait_record(&self, answer: &CommandAck) -> Result<DeployRecord> {
        let mark = answer.body.as_ref().and_then(|body| {
            let block_id = body.blocks.as_ref()?[0]["block_id"].as_str()?;
            MessageMark::parse(block_id)
        });
        let id = mark.and_then(|mark| mark.deploy);
        let id = id.context("the answer is about no deploy")?;
        let database = ReadOnlyDatabase::open(&data_file(&self.folder))?;
        let ended = async {
            loop {
                match database.read_deploy(id).await? {
                    Some(record) if record.state.is_terminal() => return Ok(record),
                    _ => tokio::time::sleep(RECORD_POLL).await,
                }
            }
        };
        let ended = tokio::time::timeout(MESSAGE_TIMEOUT, ended).await;
        ended.context("the deploy was not put on record")?
    }

    /// The data file.
    pub(super) fn data_file(&self) -> PathBuf {
        data_file(&self.folder)
    }

    /// Scripts the next run of a job.
    pub(super) fn script_job(&self, job: &str, script: RunScript) {
        self.sandbox.circleci().lock().script_job(job, script);
    }

    /// How often CircleCI was called after `since`.
    pub(super) fn count_calls(&self, since: usize) -> usize {
        let entries = self.sandbox.journal().entries();
        let calls = entries.iter().skip(since);
        calls
            .filter(|entry| matches!(entry.event, JournalEvent::CircleCiCall { .. }))
            .count()
    }

    /// How many pipelines CircleCI has created for a job.
    pub(super) fn count_pipelines(&self, job: &str) -> usize {
        let model = self.sandbox.circleci().lock();
        model
            .all_pipelines()
            .iter()
            .filter(|p| p.parameters.get("job").is_some_and(|j| j == job))
            .count()
    }

    /// Stops the server, then the stand-ins.
    pub(super) async fn stop(self) -> Result<()> {
        self.run_until(std::future::ready(())).await
    }

    /// Runs until `asked` is ready, and stops.
    pub(super) async fn run_until(self, asked: impl Future<Output = ()>) -> Result<()> {
        let Self {
            sandbox,
            server,
            folder,
            ..
        } = self;
        let ended = server.run_until(asked).await;
        // Messages in flight needed them.
        drop((sandbox, folder));
        ended
    }
}

/// Where presses go, if commands go to this URL.
fn interactions_url(commands_url: &str) -> String {
    commands_url.replace("/commands", "/interactions")
}

fn data_file(folder: &TempDir) -> PathBuf {
    folder.path().join("chatops.db")
}

/// A message that Slack shows.
pub(super) struct DemoMessage {
    mark: MessageMark,
    pub(super) text: String,
}

impl DemoMessage {
    fn of_entry(entry: &JournalEntry) -> Option<Self> {
        let (JournalEvent::MessageDelivered {
            shown, block_id, ..
        }
        | JournalEvent::MessageEdited {
            shown, block_id, ..
        }) = &entry.event
        else {
            return None;
        };
        let mark = MessageMark::parse(block_id.as_deref()?)?;
        let text = shown.clone();
        Some(Self { mark, text })
    }
}

/// A deploy that ended, and its final status.
pub(super) struct DemoEnd {
    pub(super) record: DeployRecord,
    pub(super) text: String,
}

fn sandbox_error(slack: SocketAddr, error: io::Error) -> anyhow::Error {
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

/// The demo's configuration.
fn demo_config(sandbox: &Sandbox) -> String {
    include_str!("demo.toml")
        .replace("SLACK", sandbox.slack_url())
        .replace("CIRCLECI", sandbox.circleci_url())
}
