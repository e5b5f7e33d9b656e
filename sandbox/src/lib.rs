//! A stand-in Slack and a stand-in CircleCI.
//!
//! Both are real HTTP servers on loopback over plain models in memory. The models alone
//! ([`slack::Model`], [`circleci::Model`]) take the time as an argument and draw nothing at
//! random, so a simulation can run them in virtual time. Faults are settings: see [`Fault`].

use std::io;
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
use slack::{Ack, Client, Slack, Typed};

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
}

impl Settings {
    /// The command `/chatops` and Slack's limit of three seconds.
    pub fn new(signing_secret: &str, projects: Vec<Project>) -> Self {
        Self {
            signing_secret: signing_secret.to_owned(),
            projects,
            command: "/chatops".to_owned(),
            ack_limit: Duration::from_secs(3),
        }
    }
}

/// The two servers. They stop when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    slack: Arc<Slack>,
    circleci: Arc<CircleCi>,
    client: Client,
    journal: Journal,
    slack_url: String,
    circleci_url: String,
    _servers: JoinSet<()>,
}

impl Sandbox {
    /// Starts both servers on free ports of 127.0.0.1.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let journal = Journal::default();
        let slack = Arc::new(Slack::new(journal.clone()));
        let mut model = circleci::Model::default();
        for project in &settings.projects {
            model.add_project(project.clone());
        }
        let circleci = Arc::new(CircleCi::new(model, journal.clone()));

        let (slack_listener, slack_url) = listen().await?;
        let (circleci_listener, circleci_url) = listen().await?;
        let mut servers = JoinSet::new();
        servers.spawn(server::serve(
            slack_listener,
            slack::router(Arc::clone(&slack)),
        ));
        servers.spawn(server::serve(
            circleci_listener,
            circleci::router(Arc::clone(&circleci)),
        ));
        let client = Client::new(
            Arc::clone(&slack),
            journal.clone(),
            slack_url.clone(),
            &settings,
        );
        Ok(Self {
            slack,
            circleci,
            client,
            journal,
            slack_url,
            circleci_url,
            _servers: servers,
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
}

async fn listen() -> io::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}
