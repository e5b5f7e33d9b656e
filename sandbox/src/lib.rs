//! A stand-in Slack and a stand-in CircleCI.
//!
//! Both are real HTTP servers on loopback over plain models in memory. The models alone
//! ([`slack::SlackModel`], [`circleci::CircleCiModel`]) take the time as an argument and use no
//! randomness, so a simulation can run them in virtual time. See [`HttpFault`] for faults.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub mod circleci;
mod fault;
pub mod http;
pub mod journal;
mod server;
pub mod slack;

pub use fault::HttpFault;
pub use journal::{Journal, JournalEntry, JournalEvent, JournalSubscription};

use circleci::{FakeCircleCi, FakeProject};
use server::LoopbackServer;
use slack::{CommandAck, CommandSender, FakeSlack, SayEndpoint, TypedCommand};

/// A free port of 127.0.0.1.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The settings of a sandbox.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    /// The secret that signs the commands.
    pub signing_secret: String,
    /// CircleCI's projects, each with its token.
    pub projects: Vec<FakeProject>,
    /// The slash command.
    pub command: String,
    /// How long Slack waits for the immediate answer.
    pub ack_timeout: Duration,
    /// Slack's address, on loopback; port 0 takes a free one.
    pub slack_addr: SocketAddr,
}

impl SandboxSettings {
    /// The command `/chatops`, Slack's limit of three seconds, and a free port for Slack.
    pub fn new(signing_secret: &str, projects: Vec<FakeProject>) -> Self {
        Self {
            signing_secret: signing_secret.to_owned(),
            projects,
            command: "/chatops".to_owned(),
            ack_timeout: Duration::from_secs(3),
            slack_addr: ANY_PORT,
        }
    }
}

/// The two servers. Dropping it stops them.
#[derive(Debug)]
pub struct Sandbox {
    slack: Arc<FakeSlack>,
    circleci: Arc<FakeCircleCi>,
    command_sender: Arc<CommandSender>,
    say_endpoint: Arc<SayEndpoint>,
    journal: Journal,
    slack_url: String,
    circleci_url: String,
    _slack_server: LoopbackServer,
    circleci_server: LoopbackServer,
    _webhook_task: JoinSet<()>,
}

impl Sandbox {
    /// Starts both servers; CircleCI on a free port of 127.0.0.1.
    pub async fn start(settings: SandboxSettings) -> io::Result<Self> {
        let journal = Journal::default();
        let slack = Arc::new(FakeSlack::new(journal.clone()));
        let mut model = circleci::CircleCiModel::default();
        for project in &settings.projects {
            model.add_project(project.clone());
        }
        let circleci = Arc::new(FakeCircleCi::new(model, journal.clone()));

        let (slack_listener, slack_url) = bind_loopback(settings.slack_addr).await?;
        let (circleci_listener, circleci_url) = bind_loopback(ANY_PORT).await?;
        let sender = CommandSender::new(&slack, &journal, &slack_url, &settings);
        let command_sender = Arc::new(sender);
        let say_endpoint = SayEndpoint::new(Arc::clone(&command_sender), journal.clone());
        let say_endpoint = Arc::new(say_endpoint);
        let slack_router = slack::router(Arc::clone(&slack), Arc::clone(&say_endpoint));
        let circleci_router = circleci::router(Arc::clone(&circleci));
        let mut webhooks = JoinSet::new();
        webhooks.spawn(circleci::deliver_webhooks(Arc::clone(&circleci)));
        Ok(Self {
            _slack_server: LoopbackServer::start(slack_listener, slack_router)?,
            circleci_server: LoopbackServer::start(circleci_listener, circleci_router)?,
            slack,
            circleci,
            command_sender,
            say_endpoint,
            journal,
            slack_url,
            circleci_url,
            _webhook_task: webhooks,
        })
    }

    /// Slack's base URL, such as `http://127.0.0.1:40001`; response URLs start with it.
    pub fn slack_url(&self) -> &str {
        &self.slack_url
    }

    /// CircleCI's base URL, without `/api/v2`.
    pub fn circleci_url(&self) -> &str {
        &self.circleci_url
    }

    /// Everything that is visible from outside.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Slack: its model and its faults.
    pub fn slack(&self) -> &FakeSlack {
        &self.slack
    }

    /// CircleCI: its model and its faults.
    pub fn circleci(&self) -> &FakeCircleCi {
        &self.circleci
    }

    /// Slack's side that calls the app, to change or repeat requests.
    pub fn command_sender(&self) -> &CommandSender {
        &self.command_sender
    }

    /// Types a command; the app at `app_url` receives it.
    pub async fn type_command(&self, app_url: &str, typed: TypedCommand) -> CommandAck {
        self.command_sender.type_command(app_url, typed).await
    }

    /// Installs the app: the say endpoint sends commands to this URL from now on.
    pub fn install_app(&self, request_url: &str) {
        self.say_endpoint.set_request_url(request_url);
    }

    /// From now on CircleCI sends `url` a webhook for every job and workflow that ends, signed if
    /// there is a secret.
    pub fn set_webhook(&self, url: &str, secret: Option<&str>) {
        self.circleci.set_webhook(url, secret);
    }

    /// From now on CircleCI takes no connection.
    pub async fn take_circleci_offline(&self) -> io::Result<()> {
        if self.circleci_server.take_offline().await? {
            let event = JournalEvent::CircleCiDown;
            self.journal.record(server::now(), event);
        }
        Ok(())
    }

    /// CircleCI takes connections again.
    pub async fn bring_circleci_online(&self) -> io::Result<()> {
        if self.circleci_server.bring_online().await? {
            self.journal.record(server::now(), JournalEvent::CircleCiUp);
        }
        Ok(())
    }
}

async fn bind_loopback(address: SocketAddr) -> io::Result<(TcpListener, String)> {
    if !address.ip().is_loopback() {
        let why = format!("{address} is not an address of this machine alone, such as 127.0.0.1");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}
