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
mod page;
mod server;
pub mod slack;

pub use fault::HttpFault;
pub use journal::{Journal, JournalEntry, JournalEvent, JournalSubscription};
pub use page::Workspace;

use circleci::{CircleCiServer, FakeCircleCi, FakeProject};
use page::Page;
use page::guard::OwnAddress;
use server::LoopbackServer;
use slack::{CommandAck, CommandSender, FakeSlack, InstalledApp, SayEndpoint, TypedCommand};

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
    /// Who and what the page at Slack's address shows; without it there is no page.
    pub workspace: Option<Workspace>,
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
            workspace: None,
        }
    }
}

/// The two servers. Dropping it stops them.
#[derive(Debug)]
pub struct Sandbox {
    slack: Arc<FakeSlack>,
    circleci: Arc<FakeCircleCi>,
    command_sender: Arc<CommandSender>,
    app: Arc<InstalledApp>,
    journal: Journal,
    slack_url: String,
    circleci_url: String,
    _slack_server: LoopbackServer,
    circleci_server: Arc<CircleCiServer>,
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
        let app = Arc::new(InstalledApp::new(Arc::clone(&command_sender)));
        let circleci_router = circleci::router(Arc::clone(&circleci));
        let circleci_server = LoopbackServer::start(circleci_listener, circleci_router)?;
        let circleci_server = Arc::new(CircleCiServer::new(circleci_server, journal.clone()));

        let own = OwnAddress::new(slack_listener.local_addr()?);
        let say_endpoint = SayEndpoint::new(Arc::clone(&app), journal.clone());
        let mut slack_router = slack::router(Arc::clone(&slack), say_endpoint, &own);
        if let Some(workspace) = settings.workspace {
            let page = Page {
                workspace,
                command: settings.command,
                slack: Arc::clone(&slack),
                circleci: Arc::clone(&circleci),
                circleci_server: Arc::clone(&circleci_server),
                app: Arc::clone(&app),
                journal: journal.clone(),
            };
            slack_router = slack_router.merge(page::router(page, &own));
        }
        let slack_router = page::guard::refuse_foreign_pages(slack_router, &own);
        let mut webhooks = JoinSet::new();
        webhooks.spawn(circleci::deliver_webhooks(Arc::clone(&circleci)));
        Ok(Self {
            _slack_server: LoopbackServer::start(slack_listener, slack_router)?,
            circleci_server,
            slack,
            circleci,
            command_sender,
            app,
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

    /// Installs the app: what people type at the say endpoint or on the page goes to this URL from now on.
    pub fn install_app(&self, request_url: &str) {
        self.app.set_request_url(request_url);
    }

    /// Gives the app interactivity: presses on the page go to this URL from now on.
    pub fn install_interactivity(&self, interactions_url: &str) {
        self.app.set_interactions_url(interactions_url);
    }

    /// From now on CircleCI sends `url` a webhook for every job and workflow that ends, signed if
    /// there is a secret.
    pub fn set_webhook(&self, url: &str, secret: Option<&str>) {
        self.circleci.set_webhook(url, secret);
    }

    /// From now on CircleCI takes no connection.
    pub async fn take_circleci_offline(&self) -> io::Result<()> {
        self.circleci_server.take_offline().await
    }

    /// CircleCI takes connections again.
    pub async fn bring_circleci_online(&self) -> io::Result<()> {
        self.circleci_server.bring_online().await
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
