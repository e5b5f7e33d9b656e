//! The one-machine runner: HTTP, the three services, and one SQLite file.
//!
//! Every decision is the services'. If any part of it ends, the whole server ends.

mod consumer;
mod http;
mod shutdown;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chatops_circleci::CircleCiClient;
use chatops_core::config::Config;
use chatops_core::id::InvocationId;
use chatops_core::ports::{Clock, Ports, QueueName, SecretName};
use chatops_ingest::{DowngradeWarnings, Ingest};
use chatops_notifier::Notifier;
use chatops_slack::SlackClient;
use chatops_worker::{SweepReport, Worker};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::{error, info, warn};
use uuid::Uuid;

use self::consumer::QueueConsumer;
use self::shutdown::StopSender;
use crate::clock::WallClock;
use crate::secrets::EnvSecrets;
use crate::sqlite::{self, Sqlite};

/// What the server runs with.
#[derive(Debug)]
pub struct ServeSettings {
    /// The configuration.
    pub config: Arc<Config>,
    /// The secrets.
    pub secrets: EnvSecrets,
    /// The data file; created if it does not exist.
    pub data: PathBuf,
    /// The address to listen on; port 0 takes a free port.
    pub listen: SocketAddr,
}

/// The running server.
#[derive(Debug)]
pub struct ChatopsServer {
    address: SocketAddr,
    stop: StopSender,
    tasks: JoinSet<Result<()>>,
}

/// The worker's queues, and the most messages of each in flight: a queue whose messages all wait for
/// CircleCI takes nothing from the others.
const WORKER_QUEUES: [(QueueName, usize); 3] = [
    (QueueName::Work, 16),
    (QueueName::Polls, 16),
    (QueueName::Operators, 4),
];

/// Why it does not start: the token that the configuration needs is not there.
const LIVE_WITHOUT_BOT: &str = "`live = true` in [slack] needs a bot, and SLACK_BOT_TOKEN is not set: put \
    the app's bot token there, or the path of a file that holds it in SLACK_BOT_TOKEN_FILE; or set \
    `live = false`";

/// The most messages for the notifier in flight.
const NOTIFY_IN_FLIGHT: usize = 16;

/// How long messages in flight may take after the stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

impl ChatopsServer {
    /// Opens the data, binds the address and starts every part.
    pub async fn start(settings: ServeSettings) -> Result<Self> {
        let ServeSettings {
            config,
            secrets,
            data,
            listen,
        } = settings;
        require_bot(&config, &secrets)?;
        let db = Sqlite::open(&data, sqlite::SqliteSettings::new(Arc::new(WallClock)))?;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener
            .local_addr()
            .context("the listener has no address")?;
        install_tls_provider();

        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        let (circleci, times) = (config.circleci.clone(), &config.timeouts);
        let circleci = CircleCiClient::new(circleci, times, secrets.clone())?;
        let slack = SlackClient::new(&config.slack, times, secrets.clone())?;
        let has = |name| secrets.has(name);
        chatops_ingest::warn_of_token(
            has(SecretName::SlackVerification),
            has(SecretName::SlackSigning),
        );
        let ingest = Arc::new(Ingest {
            ports: Ports {
                ledger: (),
                queue: db.clone(),
                vendor: (),
                secrets: secrets.clone(),
            },
            clock: Arc::clone(&clock),
            config: Arc::clone(&config),
            downgrades: DowngradeWarnings::default(),
        });
        let worker = Arc::new(Worker {
            ports: Ports {
                ledger: db.clone(),
                queue: db.clone(),
                vendor: circleci,
                secrets: secrets.clone(),
            },
            clock: Arc::clone(&clock),
            config: Arc::clone(&config),
        });
        let notifier = Arc::new(Notifier {
            ports: Ports {
                ledger: db.clone(),
                queue: db.clone(),
                vendor: slack,
                secrets: (),
            },
            clock,
            config: Arc::clone(&config),
        });

        let (sender, mut stop) = shutdown::stop_channel();
        let mut parts = JoinSet::new();
        parts.spawn(http::serve_http(listener, ingest, db.clone(), stop.clone()));
        let consumer = |queue_name, max_in_flight| QueueConsumer {
            queue: db.clone(),
            queue_name,
            max_in_flight,
            stop: stop.clone(),
        };
        for (queue_name, max_in_flight) in WORKER_QUEUES {
            let worker = Arc::clone(&worker);
            let consumer = consumer(queue_name, max_in_flight);
            parts.spawn(consumer.run(move |message| {
                let worker = Arc::clone(&worker);
                async move {
                    let (invocation, sender) = (new_invocation().into(), message.sender.as_ref());
                    Box::pin(worker.handle(&invocation, queue_name, &message.body, sender)).await
                }
            }));
        }
        let notify = consumer(QueueName::Notify, NOTIFY_IN_FLIGHT);
        parts.spawn(notify.run(move |message| {
            let notifier = Arc::clone(&notifier);
            async move { notifier.handle(&message.body).await }
        }));
        let every = config.timeouts.sweep_interval;
        parts.spawn(async move {
            while !stop.requested_within(every).await {
                match worker.sweep(&new_invocation().into()).await {
                    Ok(report) if report == SweepReport::default() => {}
                    Ok(report) => report.log(),
                    Err(error) => warn!(%error, "the sweep failed; the next one follows"),
                }
            }
            Ok(())
        });
        info!(%address, data = %data.display(), config = %config.revision, "serving");
        Ok(Self {
            address,
            stop: sender,
            tasks: parts,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until `asked` is ready, then finishes what is in flight. If a part ends by itself, that is
    /// an error.
    pub async fn run_until(mut self, asked: impl Future<Output = ()>) -> Result<()> {
        tokio::select! {
            () = asked => info!("stopping: finishing what is in flight"),
            ended = self.tasks.join_next() => {
                error!("a part of the server ended");
                ended.context("the server has no parts")??.context("a part of the server failed")?;
                bail!("a part of the server ended unexpectedly");
            }
        }
        self.stop().await
    }

    /// Stops receiving, and finishes what is in flight.
    pub async fn stop(mut self) -> Result<()> {
        self.stop.request_stop();
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended??;
            }
            Ok(())
        };
        match tokio::time::timeout(STOP_TIMEOUT, all).await {
            Ok(ended) => ended,
            // Everything unfinished is on record and continues at the next start.
            Err(_) => bail!("stopping took longer than {} s", STOP_TIMEOUT.as_secs()),
        }
    }
}

/// A card is the bot's message; without a bot nobody would see how a deploy goes.
fn require_bot(config: &Config, secrets: &EnvSecrets) -> Result<()> {
    if config.slack.live && !secrets.has(SecretName::SlackBot) {
        bail!(LIVE_WITHOUT_BOT);
    }
    Ok(())
}

/// The id of one run of a handler.
#[expect(clippy::disallowed_methods, reason = "a random id")]
fn new_invocation() -> InvocationId {
    InvocationId::new(Uuid::new_v4().to_string())
}

/// Gives rustls its cryptography; a second call changes nothing.
pub fn install_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
