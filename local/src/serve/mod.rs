//! The one-machine runner: HTTP, the three services, and one SQLite file.
//!
//! Every decision is the services'. If any part of it ends, the whole server ends.

mod changes;
mod connections;
mod consumer;
mod health;
mod http;
mod services;
mod shutdown;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chatops_core::Time;
use chatops_core::config::Config;
use chatops_core::id::InvocationId;
use chatops_core::ports::{Clock, QueueName, SecretName};
use chatops_ingest::RefusalLog;
use chatops_worker::SweepReport;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::{error, info, warn};
use uuid::Uuid;

use self::connections::{ConnectionLog, most_connections, serve_connections};
use self::consumer::QueueConsumer;
use self::health::{Health, HealthLog};
use self::http::HttpAnswer;
use self::services::{CurrentServices, Parts, Services};
use self::shutdown::{StopReceiver, StopSender};
use crate::clock::WallClock;
use crate::secrets::EnvSecrets;
use crate::sqlite::{self, Sqlite};

pub use self::services::Reloader;

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
    /// How many lines of the log could not be written, for the health check.
    pub lost_log_lines: Arc<AtomicU64>,
}

/// The running server.
#[derive(Debug)]
pub struct ChatopsServer {
    address: SocketAddr,
    stop: StopSender,
    tasks: JoinSet<Result<()>>,
    reloader: Arc<Reloader>,
}

/// The worker's queues, and the most messages of each in flight: a queue whose messages all wait for
/// CircleCI takes nothing from the others. That of commands and queries has room for more deploys that begin
/// than there are, so that no query waits until CircleCI has answered.
const WORKER_QUEUES: [(QueueName, usize); 3] = [
    (QueueName::Work, 64),
    (QueueName::Polls, 16),
    (QueueName::Operators, 4),
];

/// The most messages for the notifier in flight.
const NOTIFY_IN_FLIGHT: usize = 16;

/// How long messages in flight may take after the stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

impl ChatopsServer {
    /// Binds the address, opens the data and starts every part.
    pub async fn start(settings: ServeSettings) -> Result<Self> {
        let ServeSettings {
            config,
            secrets,
            data,
            listen,
            lost_log_lines,
        } = settings;
        // What is refused is refused before anything is made.
        services::require_bot(&config, &secrets)?;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener
            .local_addr()
            .context("the listener has no address")?;
        let db = Sqlite::open(&data, sqlite::SqliteSettings::new(Arc::new(WallClock)))?;
        install_tls_provider();
        let has = |name| secrets.has(name);
        chatops_ingest::warn_of_token(
            has(SecretName::SlackVerification),
            has(SecretName::SlackSigning),
        );
        let revision = config.revision.clone();
        let refusals = Arc::new(RefusalLog::default());
        let parts = Parts {
            db: db.clone(),
            secrets,
            refusals: Arc::clone(&refusals),
        };
        let (reloader, current) = Reloader::new(Services::new(config, &parts)?, parts);
        let (sender, stop) = shutdown::stop_channel();
        let health = Arc::new(Health::new(db.clone(), lost_log_lines));
        let log = Arc::new(ConnectionLog::default());
        let mut tasks = JoinSet::new();
        let answer = HttpAnswer {
            services: current.clone(),
            health: Arc::clone(&health),
            log: Arc::clone(&log),
        };
        let room = most_connections();
        tasks.spawn(serve_connections(
            listener,
            room,
            Arc::new(answer),
            Arc::clone(&log),
            stop.clone(),
        ));
        spawn_consumers(&mut tasks, &db, &current, &stop);
        tasks.spawn(sweep_regularly(current, health, refusals, log, stop));
        let data = data.display();
        info!(%address, %data, config = %revision, connections = room, "serving");
        Ok(Self {
            address,
            stop: sender,
            tasks,
            reloader: Arc::new(reloader),
        })
    }

    /// Gives the running server another configuration.
    pub fn reloader(&self) -> Arc<Reloader> {
        Arc::clone(&self.reloader)
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

/// Starts what receives from each queue.
fn spawn_consumers(
    tasks: &mut JoinSet<Result<()>>,
    db: &Sqlite,
    current: &CurrentServices,
    stop: &StopReceiver,
) {
    let consumer = |queue_name, max_in_flight| QueueConsumer {
        queue: db.clone(),
        queue_name,
        max_in_flight,
        stop: stop.clone(),
    };
    for (queue_name, max_in_flight) in WORKER_QUEUES {
        let current = current.clone();
        let consumer = consumer(queue_name, max_in_flight);
        tasks.spawn(consumer.run(move |message| {
            let services = current.get();
            async move {
                let (invocation, sender) = (new_invocation().into(), message.sender.as_ref());
                let worker = &services.worker;
                Box::pin(worker.handle(&invocation, queue_name, &message.body, sender)).await
            }
        }));
    }
    let (notify, current) = (
        consumer(QueueName::Notify, NOTIFY_IN_FLIGHT),
        current.clone(),
    );
    tasks.spawn(notify.run(move |message| {
        let services = current.get();
        async move { services.notifier.handle(&message.body).await }
    }));
}

/// Sweeps, looks after the data file, and says what was counted, again and again.
async fn sweep_regularly(
    current: CurrentServices,
    health: Arc<Health>,
    refusals: Arc<RefusalLog>,
    log: Arc<ConnectionLog>,
    mut stop: StopReceiver,
) -> Result<()> {
    let mut health_log = HealthLog::default();
    loop {
        let every = current.get().config.timeouts.sweep_interval;
        if stop.requested_within(every).await {
            // Nothing is left for a later line.
            refusals.report(Time::MAX_UTC);
            log.report(Time::MAX_UTC);
            return Ok(());
        }
        let now = WallClock.now();
        refusals.report(now);
        log.report(now);
        let found = health.check().await;
        let is_healthy = found.is_ok();
        health_log.note(found);
        if !is_healthy {
            continue;
        }
        match current.get().worker.sweep(&new_invocation().into()).await {
            Ok(report) if report == SweepReport::default() => {}
            Ok(report) => report.log(),
            Err(error) => warn!(%error, "the sweep failed; the next one follows"),
        }
    }
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
