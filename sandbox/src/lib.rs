//! A stand-in Slack and a stand-in CircleCI.
//!
//! Both are real HTTP servers on loopback over plain models in memory. The models alone
//! ([`slack::Model`], [`circleci::Model`]) take the time as an argument and draw nothing at
//! random, so a simulation can run them in virtual time. Faults are settings: see [`Fault`].

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

pub use fault::Fault;
pub use journal::{Entry, Journal, Seen, Subscription};

use circleci::{CircleCi, Project};
use server::Server;
use slack::{Ack, Client, Keyboard, Slack, Typed};

/// A free port of 127.0.0.1.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What a sandbox starts with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Signs the commands.
    pub signing_secret: String,
    /// The projects of CircleCI, each with its token.
    pub projects: Vec<Project>,
    /// The slash command.
    pub command: String,
    /// How long Slack waits for the immediate answer.
    pub ack_limit: Duration,
    /// Where Slack listens, on loopback; port 0 takes a free one.
    pub slack: SocketAddr,
}

impl Settings {
    /// The command `/chatops`, Slack's limit of three seconds, and a free port for Slack.
    pub fn new(signing_secret: &str, projects: Vec<Project>) -> Self {
        Self {
            signing_secret: signing_secret.to_owned(),
            projects,
            command: "/chatops".to_owned(),
            ack_limit: Duration::from_secs(3),
            slack: ANY_PORT,
        }
    }
}

/// The two servers. They stop when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    slack: Arc<Slack>,
    circleci: Arc<CircleCi>,
    client: Arc<Client>,
    keyboard: Arc<Keyboard>,
    journal: Journal,
    slack_url: String,
    circleci_url: String,
    _slack_server: Server,
    circleci_server: Server,
    _webhooks: JoinSet<()>,
}

impl Sandbox {
    /// Starts both servers; CircleCI takes a free port of 127.0.0.1.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let journal = Journal::default();
        let slack = Arc::new(Slack::new(journal.clone()));
        let mut model = circleci::Model::default();
        for project in &settings.projects {
            model.add_project(project.clone());
        }
        let circleci = Arc::new(CircleCi::new(model, journal.clone()));

        let (slack_listener, slack_url) = listen(settings.slack).await?;
        let (circleci_listener, circleci_url) = listen(ANY_PORT).await?;
        let client = Arc::new(Client::new(
            Arc::clone(&slack),
            journal.clone(),
            slack_url.clone(),
            &settings,
        ));
        let keyboard = Arc::new(Keyboard::new(Arc::clone(&client), journal.clone()));
        let slack_router = slack::router(Arc::clone(&slack), Arc::clone(&keyboard));
        let circleci_router = circleci::router(Arc::clone(&circleci));
        let mut webhooks = JoinSet::new();
        webhooks.spawn(circleci::deliver(Arc::clone(&circleci)));
        Ok(Self {
            _slack_server: Server::start(slack_listener, slack_router)?,
            circleci_server: Server::start(circleci_listener, circleci_router)?,
            slack,
            circleci,
            client,
            keyboard,
            journal,
            slack_url,
            circleci_url,
            _webhooks: webhooks,
        })
    }

    /// Slack's base address, such as `http://127.0.0.1:40001`: response addresses start with it.
    pub fn slack_url(&self) -> &str {
        &self.slack_url
    }

    /// CircleCI's base address, without `/api/v2`.
    pub fn circleci_url(&self) -> &str {
        &self.circleci_url
    }

    /// Everything seen from outside.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Slack: its model and its faults.
    pub fn slack(&self) -> &Slack {
        &self.slack
    }

    /// CircleCI: its model and its faults.
    pub fn circleci(&self) -> &CircleCi {
        &self.circleci
    }

    /// Slack's side that calls the app, for requests to be changed or repeated.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A person types a command; the app at `app_url` receives it.
    pub async fn type_command(&self, app_url: &str, typed: Typed) -> Ack {
        self.client.type_command(app_url, typed).await
    }

    /// Installs the app: what is typed at the keyboard goes to this address from now on.
    pub fn install(&self, request_url: &str) {
        self.keyboard.install(request_url);
    }

    /// From now on CircleCI tells the app at `url` of every job and workflow that ends, signed
    /// with the secret if there is one.
    pub fn hear_circleci(&self, url: &str, secret: Option<&str>) {
        self.circleci.hear(url, secret);
    }

    /// From now on nobody gets a connection to CircleCI.
    pub async fn take_circleci_away(&self) -> io::Result<()> {
        if self.circleci_server.take_away().await? {
            self.journal.record(server::now(), Seen::CircleGone);
        }
        Ok(())
    }

    /// CircleCI can be reached again.
    pub async fn bring_circleci_back(&self) -> io::Result<()> {
        if self.circleci_server.bring_back().await? {
            self.journal.record(server::now(), Seen::CircleBack);
        }
        Ok(())
    }
}

async fn listen(address: SocketAddr) -> io::Result<(TcpListener, String)> {
    if !address.ip().is_loopback() {
        let why = format!("{address} is not an address of this machine alone, such as 127.0.0.1");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}
