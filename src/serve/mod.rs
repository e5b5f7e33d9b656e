//! The one-machine runner: HTTP in front, the three stages, one SQLite file behind.
//!
//! It only carries: every decision is the stages'. If any part of it ends, all of it ends.

mod consume;
mod http;
mod stop;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chatops_core::config::Config;
use chatops_core::id::Invocation;
use chatops_core::ports::{Lane, SecretName};
use chatops_ingest::Ingest;
use chatops_notifier::{Notifier, SlackClient};
use chatops_worker::{CircleCi, Worker};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::{error, info, warn};
use uuid::Uuid;

use self::consume::{Consumer, Handled};
use self::stop::StopSender;
use crate::clock::SystemClock;
use crate::secrets::EnvSecrets;
use crate::sqlite::{self, Sqlite};

/// What a server needs.
#[derive(Debug)]
pub struct Settings {
    /// The configuration.
    pub config: Arc<Config>,
    /// The secrets.
    pub secrets: EnvSecrets,
    /// The data file; it is made if it does not exist.
    pub data: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: StopSender,
    parts: JoinSet<Result<()>>,
}

/// How long what is in hand may take after a stop was asked for.
const GRACE: Duration = Duration::from_secs(20);

impl Server {
    /// Opens the data, binds the address and starts every part.
    pub async fn start(settings: Settings) -> Result<Self> {
        let Settings {
            config,
            secrets,
            data,
            listen,
        } = settings;
        let clock = SystemClock;
        let db = Sqlite::open(&data, sqlite::Settings::new(Arc::new(clock)))?;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener
            .local_addr()
            .context("the listener has no address")?;
        install_tls_provider();

        let ingest = Arc::new(Ingest {
            queue: db.clone(),
            secrets: secrets.clone(),
            clock,
            config: Arc::clone(&config),
        });
        let worker = Arc::new(Worker {
            store: db.clone(),
            queue: db.clone(),
            ci: CircleCi::new(config.circleci.clone(), &config.times, secrets.clone())?,
            secrets: secrets.clone(),
            clock,
            config: Arc::clone(&config),
        });
        let notifier = Arc::new(Notifier {
            replies: db.clone(),
            queue: db.clone(),
            bot: secrets.has(SecretName::SlackBot),
            chat: SlackClient::new(&config.slack, &config.times, secrets.clone())?,
            clock,
            config: Arc::clone(&config),
        });

        let (stop, heard) = stop::channel();
        let mut parts = JoinSet::new();
        parts.spawn(http::serve(listener, ingest, db.clone(), heard.clone()));
        let work = Consumer {
            queue: db.clone(),
            lane: Lane::Work,
            stop: heard.clone(),
        };
        let for_work = Arc::clone(&worker);
        parts.spawn(work.run(move |body| {
            let worker = Arc::clone(&for_work);
            async move { Handled::from(worker.handle(&invocation().into(), &body).await) }
        }));
        let notices = Consumer {
            queue: db,
            lane: Lane::Notice,
            stop: heard.clone(),
        };
        parts.spawn(notices.run(move |body| {
            let notifier = Arc::clone(&notifier);
            async move { Handled::from(notifier.handle(&body).await) }
        }));
        let every = config.times.sweep_every;
        let mut heard = heard;
        parts.spawn(async move {
            while !heard.within(every).await {
                match worker.sweep().await {
                    Ok(0) => {}
                    Ok(found) => info!(found, "reminded of what was due"),
                    Err(error) => warn!(%error, "the sweep failed; the next one follows"),
                }
                if let Err(error) = worker.tidy().await {
                    warn!(%error, "the dead letters could not be tidied; the next sweep follows");
                }
            }
            Ok(())
        });
        info!(%address, data = %data.display(), config = %config.revision, "serving");
        Ok(Self {
            address,
            stop,
            parts,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until `asked` is ready, then finishes what is in hand. If a part ends by itself, that
    /// is an error.
    pub async fn run_until(mut self, asked: impl Future<Output = ()>) -> Result<()> {
        tokio::select! {
            () = asked => info!("stopping: finishing what is in hand"),
            ended = self.parts.join_next() => {
                error!("a part of the server ended");
                ended.context("the server has no parts")??.context("a part of the server failed")?;
                bail!("a part of the server ended although nobody asked it to");
            }
        }
        self.stop().await
    }

    /// Stops taking work, and finishes what is in hand.
    pub async fn stop(mut self) -> Result<()> {
        self.stop.ask();
        let all = async {
            while let Some(ended) = self.parts.join_next().await {
                ended??;
            }
            Ok(())
        };
        match tokio::time::timeout(GRACE, all).await {
            Ok(ended) => ended,
            // Everything that was not finished is on record and is taken up at the next start.
            Err(_) => bail!("what is in hand took longer than {} s", GRACE.as_secs()),
        }
    }
}

/// A name that no other run of a handler has.
#[expect(
    clippy::disallowed_methods,
    reason = "the shell is where the one drawn id is made"
)]
fn invocation() -> Invocation {
    Invocation::new(Uuid::new_v4().to_string())
}

/// rustls takes its cryptography from whoever installs it first; a second time changes nothing.
fn install_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
