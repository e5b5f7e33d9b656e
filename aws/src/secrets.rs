//! Secrets in Secrets Manager.
//!
//! A secret there is a JSON object that holds one or more of the product's secrets by name, so that
//! a function's rights are the secrets it may read as a whole. They are read once, before the first
//! message; after a refusal they are read afresh, at most once a minute. What a secret was before
//! the last rotation counts for a day after it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::{
    GetSecretValueError, GetSecretValueOutput,
};
use aws_sdk_secretsmanager::primitives::DateTime;
use chatops_core::Time;
use chatops_core::ports::{Clock, SecretName, Secrets, SecretsError, Versions};
use chrono::TimeDelta;
use futures::future::try_join_all;
use secrecy::{ExposeSecret, SecretString};

use crate::failure::words;
use crate::settings::{BadSettings, get};

/// How long what was before the last rotation counts.
const GRACE: TimeDelta = TimeDelta::hours(24);

/// How often a secret is read afresh at most.
const PAUSE: TimeDelta = TimeDelta::seconds(60);

/// Which secrets of Secrets Manager a process reads, by name or ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources(Vec<String>);

impl Sources {
    /// The variable that holds them, with commas between them.
    pub const VARIABLE: &str = "CHATOPS_SECRETS";

    /// Reads them through `lookup`, the environment in a real process.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, BadSettings> {
        let name = Self::VARIABLE;
        let what = "the names of the secrets in Secrets Manager, with commas between them";
        let list = get(lookup, name)?.ok_or(BadSettings::Missing { name, what })?;
        Ok(list.split(',').map(str::trim).map(str::to_owned).collect())
    }
}

impl FromIterator<String> for Sources {
    fn from_iter<I: IntoIterator<Item = String>>(sources: I) -> Self {
        Self(sources.into_iter().filter(|id| !id.is_empty()).collect())
    }
}

/// The name of a secret within a secret of Secrets Manager.
#[must_use]
pub fn field(name: SecretName) -> &'static str {
    match name {
        SecretName::SlackSigning => "slack_signing_secret",
        SecretName::CircleCiToken => "circleci_token",
        SecretName::CircleCiWebhook => "circleci_webhook_secret",
        SecretName::SlackVerification => "slack_verification_token",
        SecretName::SlackBot => "slack_bot_token",
    }
}

/// The fields of one version of a secret.
type Fields = BTreeMap<String, SecretString>;

/// What one secret of Secrets Manager held when it was read.
#[derive(Clone)]
struct Held {
    id: String,
    read_at: Time,
    current: Fields,
    previous: Fields,
    /// Until when the previous version counts.
    until: Time,
}

/// The secrets of one process. Clones share them.
#[derive(Clone)]
pub struct AwsSecrets {
    client: Client,
    clock: Arc<dyn Clock>,
    held: Arc<RwLock<Vec<Held>>>,
}

impl fmt::Debug for AwsSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsSecrets").finish_non_exhaustive()
    }
}

impl AwsSecrets {
    /// Reads every secret.
    pub async fn open(
        client: Client,
        clock: Arc<dyn Clock>,
        sources: &Sources,
    ) -> Result<Self, SecretsError> {
        let reads = sources.0.iter().map(|id| read(&client, id, clock.now()));
        let held = Arc::new(RwLock::new(try_join_all(reads).await?));
        Ok(Self {
            client,
            clock,
            held,
        })
    }

    /// Whether there is such a secret.
    #[must_use]
    pub fn has(&self, name: SecretName) -> bool {
        self.find(name).is_ok()
    }

    /// Refuses to go on without any of these.
    pub fn need_one_of(&self, names: &[SecretName]) -> Result<(), SecretsError> {
        if names.iter().any(|name| self.has(*name)) {
            return Ok(());
        }
        let fields: Vec<_> = names
            .iter()
            .map(|name| format!("'{}'", field(*name)))
            .collect();
        let all = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let ids: Vec<_> = all.iter().map(|held| held.id.as_str()).collect();
        let (fields, ids, variable) = (fields.join(" or "), ids.join(", "), Sources::VARIABLE);
        Err(SecretsError(format!(
            "there is no {fields} in {ids}: put it there, or name the secret that has it in \
             {variable}"
        )))
    }

    fn find(&self, name: SecretName) -> Result<Held, SecretsError> {
        let all = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let found = all
            .iter()
            .find(|held| held.current.contains_key(field(name)));
        found.cloned().ok_or_else(|| {
            let (field, variable) = (field(name), Sources::VARIABLE);
            SecretsError(format!(
                "none of the secrets in {variable} has the field '{field}'"
            ))
        })
    }
}

impl Secrets for AwsSecrets {
    async fn get(&self, name: SecretName) -> Result<Versions, SecretsError> {
        let (held, field) = (self.find(name)?, field(name));
        let current = held.current.get(field).cloned();
        let current = current.ok_or_else(|| SecretsError(format!("'{field}' is gone")))?;
        let previous = held.previous.get(field).filter(|previous| {
            self.clock.now() < held.until && previous.expose_secret() != current.expose_secret()
        });
        Ok(Versions {
            previous: previous.cloned(),
            current,
        })
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretsError> {
        let (held, now) = (self.find(name)?, self.clock.now());
        if now < held.read_at + PAUSE {
            return Ok(());
        }
        // Whether it works or not, and whoever else asks meanwhile: once a minute.
        self.change(&held.id, |held| held.read_at = now);
        let fresh = read(&self.client, &held.id, now).await?;
        tracing::info!(secret = held.id, "a secret was read afresh");
        self.change(&held.id, |held| *held = fresh);
        Ok(())
    }
}

impl AwsSecrets {
    fn change(&self, id: &str, change: impl FnOnce(&mut Held)) {
        let mut all = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = all.iter_mut().find(|held| held.id == id) {
            change(held);
        }
    }
}

/// Reads a secret: its current version, and the one before if that may still count.
async fn read(client: &Client, id: &str, now: Time) -> Result<Held, SecretsError> {
    let current = client.get_secret_value().secret_id(id).send().await;
    let current = current.map_err(|error| SecretsError(format!("{id}: {}", words(&error))))?;
    let changed = current.created_date.as_ref().map(DateTime::secs);
    let changed = changed.and_then(|seconds| Time::from_timestamp(seconds, 0));
    let until = changed.unwrap_or(Time::UNIX_EPOCH) + GRACE;
    let previous = if now < until {
        let request = client.get_secret_value().secret_id(id);
        match request.version_stage("AWSPREVIOUS").send().await {
            Ok(previous) => parse(id, &previous)?,
            Err(error) => match error.as_service_error() {
                // It was never rotated.
                Some(GetSecretValueError::ResourceNotFoundException(_)) => Fields::new(),
                _ => return Err(SecretsError(format!("{id}: {}", words(&error)))),
            },
        }
    } else {
        Fields::new()
    };
    Ok(Held {
        id: id.to_owned(),
        read_at: now,
        current: parse(id, &current)?,
        previous,
        until,
    })
}

/// The fields of a version. What is wrong with it is said without saying what it holds.
fn parse(id: &str, version: &GetSecretValueOutput) -> Result<Fields, SecretsError> {
    let unfit = |what: String| SecretsError(format!("the secret {id} {what}"));
    let text = version.secret_string();
    let text = text.ok_or_else(|| unfit("is binary; it has to be a JSON object".to_owned()))?;
    let fields: BTreeMap<String, String> = serde_json::from_str(text)
        .map_err(|_| unfit("is not a JSON object whose values are text".to_owned()))?;
    // An empty field is one that somebody has yet to fill in.
    let fields = fields
        .into_iter()
        .filter(|(_, value)| !value.trim().is_empty());
    let fields = fields.map(|(name, value)| {
        let value = value.trim();
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            let what = format!("has a field '{name}' that is not one word of plain characters");
            return Err(unfit(what));
        }
        Ok((name, SecretString::from(value)))
    });
    fields.collect()
}
