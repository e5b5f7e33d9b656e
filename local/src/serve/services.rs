//! The three services of one configuration, and which ones count now.
//!
//! Whatever begins takes the services that count then and keeps them to its end, so that every run has one
//! configuration. Nothing here reads a file.

use std::sync::Arc;

use anyhow::{Result, bail};
use chatops_circleci::CircleCiClient;
use chatops_core::config::Config;
use chatops_core::ports::{Clock, Ports, SecretName};
use chatops_ingest::{Ingest, RefusalLog};
use chatops_notifier::Notifier;
use chatops_slack::SlackClient;
use chatops_worker::Worker;
use tokio::sync::watch;
use tracing::info;

use super::changes::changed_parts;
use crate::clock::WallClock;
use crate::secrets::EnvSecrets;
use crate::sqlite::Sqlite;

/// Why a configuration is not used: the token that it needs is not there.
const LIVE_WITHOUT_BOT: &str = "`live = true` in [slack] needs a bot, and SLACK_BOT_TOKEN is not set: put \
    the app's bot token there, or the path of a file that holds it in SLACK_BOT_TOKEN_FILE; or set \
    `live = false`";

type CircleCi = CircleCiClient<EnvSecrets>;
type Slack = SlackClient<EnvSecrets>;

/// What every configuration's services have.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) db: Sqlite,
    pub(super) secrets: EnvSecrets,
    pub(super) refusals: Arc<RefusalLog>,
}

/// The services of one configuration.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) config: Arc<Config>,
    pub(super) ingest: Ingest<Ports<(), Sqlite, (), EnvSecrets>>,
    pub(super) worker: Worker<Ports<Sqlite, Sqlite, CircleCi, EnvSecrets>>,
    pub(super) notifier: Notifier<Ports<Sqlite, Sqlite, Slack, ()>>,
}

impl Services {
    /// The first services.
    pub(super) fn new(config: Arc<Config>, parts: &Parts) -> Result<Self> {
        let (times, secrets) = (&config.timeouts, &parts.secrets);
        let circleci = CircleCi::new(config.circleci.clone(), times, secrets.clone())?;
        let slack = Slack::new(&config.slack, times, secrets.clone())?;
        Self::build(config, parts, circleci, slack)
    }

    /// Those of another configuration, which keep the pauses that the vendors have asked for.
    fn reconfigure(&self, config: Arc<Config>, parts: &Parts) -> Result<Self> {
        let times = &config.timeouts;
        let circleci = &self.worker.ports.vendor;
        let circleci = circleci.reconfigure(config.circleci.clone(), times)?;
        let slack = &self.notifier.ports.vendor;
        let slack = slack.reconfigure(&config.slack, times)?;
        Self::build(config, parts, circleci, slack)
    }

    fn build(config: Arc<Config>, parts: &Parts, circleci: CircleCi, slack: Slack) -> Result<Self> {
        require_bot(&config, &parts.secrets)?;
        let Parts {
            db,
            secrets,
            refusals,
        } = parts.clone();
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        Ok(Self {
            ingest: Ingest {
                ports: Ports {
                    ledger: (),
                    queue: db.clone(),
                    vendor: (),
                    secrets: secrets.clone(),
                },
                clock: Arc::clone(&clock),
                config: Arc::clone(&config),
                refusals,
            },
            worker: Worker {
                ports: Ports {
                    ledger: db.clone(),
                    queue: db.clone(),
                    vendor: circleci,
                    secrets,
                },
                clock: Arc::clone(&clock),
                config: Arc::clone(&config),
            },
            notifier: Notifier {
                ports: Ports {
                    ledger: db.clone(),
                    queue: db,
                    vendor: slack,
                    secrets: (),
                },
                clock,
                config: Arc::clone(&config),
            },
            config,
        })
    }
}

/// A card is the bot's message; without a bot nobody would see how a deploy goes.
pub(super) fn require_bot(config: &Config, secrets: &EnvSecrets) -> Result<()> {
    if config.slack.live && !secrets.has(SecretName::SlackBot) {
        bail!(LIVE_WITHOUT_BOT);
    }
    Ok(())
}

/// The services that count now, for whatever begins.
#[derive(Debug, Clone)]
pub(super) struct CurrentServices(watch::Receiver<Arc<Services>>);

impl CurrentServices {
    pub(super) fn get(&self) -> Arc<Services> {
        Arc::clone(&self.0.borrow())
    }
}

/// Gives a running server another configuration, and the secrets as their files have them now.
#[derive(Debug)]
pub struct Reloader {
    parts: Parts,
    services: watch::Sender<Arc<Services>>,
}

impl Reloader {
    pub(super) fn new(services: Services, parts: Parts) -> (Self, CurrentServices) {
        let (services, current) = watch::channel(Arc::new(services));
        (Self { parts, services }, CurrentServices(current))
    }

    /// Has everything that begins from now on use this configuration; what is in progress ends with the
    /// one that it began with. An error changes nothing.
    pub fn use_config(&self, config: Config) -> Result<()> {
        let before = Arc::clone(&self.services.borrow());
        let (from, to) = (before.config.revision.clone(), config.revision.clone());
        if from == to {
            info!(config = %to, "the configuration has not changed");
            return Ok(());
        }
        let changed = changed_parts(&before.config, &config).join(", ");
        let services = before.reconfigure(Arc::new(config), &self.parts)?;
        self.services.send_replace(Arc::new(services));
        info!(
            config = %to,
            before = %from,
            changed,
            "the changed configuration is used from now on"
        );
        Ok(())
    }

    /// Reads every secret again that is in a file; whether each of them could be.
    pub fn reread_secrets(&self) -> bool {
        self.parts.secrets.reread()
    }
}
