//! Secrets in Secrets Manager.
//!
//! A secret there is a JSON object that holds one or more of the product's secrets by name, so that
//! a function's rights are the secrets it may read as a whole. They are read once, before the first
//! message. After a refusal they are read afresh, and where a field was missing they are looked
//! through for it again, each at most once a minute. The version before the last rotation counts for
//! `previous_secret_ttl` after it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::{
    GetSecretValueError, GetSecretValueOutput,
};
use aws_sdk_secretsmanager::primitives::DateTime;
use chatops_core::Time;
use chatops_core::ports::{
    Clock, PortErrorKind, SecretError, SecretName, SecretReader, SecretVersions,
};
use chatops_core::secret::unfit_secret;
use chrono::TimeDelta;
use futures::future::try_join_all;
use futures::lock::Mutex;
use secrecy::{ExposeSecret, SecretString};

use crate::settings::{SettingsError, read_var};
use crate::{AwsError, failed};

/// How often a secret is read afresh at most.
const REFRESH_INTERVAL: TimeDelta = TimeDelta::seconds(60);

/// Which secrets of Secrets Manager a process reads, by name or ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSources(Vec<String>);

impl SecretSources {
    /// The variable that holds them, with commas between them.
    pub const VAR: &str = "CHATOPS_SECRETS";

    /// Reads them through `lookup`, the environment in a real process.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, SettingsError> {
        let name = Self::VAR;
        let what = "the names of the secrets in Secrets Manager, with commas between them";
        let list = read_var(lookup, name)?.ok_or(SettingsError::Missing { name, what })?;
        Ok(list.split(',').map(str::trim).map(str::to_owned).collect())
    }
}

impl FromIterator<String> for SecretSources {
    fn from_iter<I: IntoIterator<Item = String>>(sources: I) -> Self {
        Self(sources.into_iter().filter(|id| !id.is_empty()).collect())
    }
}

/// The name of a secret within a secret of Secrets Manager.
#[must_use]
pub fn field_name(name: SecretName) -> &'static str {
    match name {
        SecretName::SlackSigning => "slack_signing_secret",
        SecretName::CircleCiToken => "circleci_token",
        SecretName::CircleCiWebhook => "circleci_webhook_secret",
        SecretName::SlackVerification => "slack_verification_token",
        SecretName::SlackBot => "slack_bot_token",
    }
}

/// The fields of one version of a secret.
type SecretFields = BTreeMap<String, SecretString>;

/// What one secret of Secrets Manager held when it was read.
#[derive(Clone)]
struct FetchedSecret {
    id: String,
    read_at: Time,
    /// When it was looked through for a missing field, and what failed then.
    searched: Option<(Time, Option<SecretError>)>,
    current: SecretFields,
    previous: SecretFields,
    /// Until when the previous version counts.
    until: Time,
}

/// The secrets of one process. Clones share them.
#[derive(Clone)]
pub struct AwsSecrets {
    client: Client,
    clock: Arc<dyn Clock>,
    previous_ttl: Duration,
    fetched: Arc<RwLock<Vec<FetchedSecret>>>,
    /// Held while a secret is read afresh: whoever else needs it waits for the result.
    refreshing: Arc<Mutex<()>>,
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
        sources: &SecretSources,
        previous_ttl: Duration,
    ) -> Result<Self, SecretError> {
        let secrets = Self {
            client,
            clock,
            previous_ttl,
            fetched: Arc::default(),
            refreshing: Arc::default(),
        };
        let reads = sources.0.iter().map(|id| secrets.fetch(id));
        let fetched = try_join_all(reads).await?;
        *secrets
            .fetched
            .write()
            .unwrap_or_else(PoisonError::into_inner) = fetched;
        Ok(secrets)
    }

    /// Whether the secret was there when it was last read.
    pub fn has_secret(&self, name: SecretName) -> bool {
        self.find_secret(name).is_ok()
    }

    /// Fails unless one of these exists.
    pub fn require_any(&self, names: &[SecretName]) -> Result<(), SecretError> {
        if names.iter().any(|name| self.has_secret(*name)) {
            return Ok(());
        }
        let fields: Vec<_> = names
            .iter()
            .map(|name| format!("'{}'", field_name(*name)))
            .collect();
        let all = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
        let ids: Vec<_> = all.iter().map(|held| held.id.as_str()).collect();
        let (fields, ids, variable) = (fields.join(" or "), ids.join(", "), SecretSources::VAR);
        let what = format!(
            "there is no {fields} in {ids}: put it there, or name the secret that has it in {variable}"
        );
        Err(SecretError::new(PortErrorKind::Missing, what))
    }

    fn find_secret(&self, name: SecretName) -> Result<FetchedSecret, SecretError> {
        let all = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
        let found = all
            .iter()
            .find(|held| held.current.contains_key(field_name(name)));
        found.cloned().ok_or_else(|| {
            let (field, variable) = (field_name(name), SecretSources::VAR);
            let what = format!("none of the secrets in {variable} has the field '{field}'");
            SecretError::new(PortErrorKind::Missing, what)
        })
    }
}

impl SecretReader for AwsSecrets {
    async fn get(&self, name: SecretName) -> Result<SecretVersions, SecretError> {
        let (held, field) = (self.find_secret(name)?, field_name(name));
        let current = held.current.get(field).cloned();
        let gone = || SecretError::new(PortErrorKind::Missing, format!("'{field}' is gone"));
        let current = current.ok_or_else(gone)?;
        let previous = held.previous.get(field).filter(|previous| {
            self.clock.now() < held.until && previous.expose_secret() != current.expose_secret()
        });
        Ok(SecretVersions {
            previous: previous.cloned(),
            current,
        })
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretError> {
        let _turn = self.refreshing.lock().await;
        let (held, now) = match self.find_secret(name) {
            Ok(held) => (held, self.clock.now()),
            Err(_) => return self.search(name).await,
        };
        if now < held.read_at + REFRESH_INTERVAL {
            return Ok(());
        }
        // Once a minute, whether it works or not.
        self.update_fetched(&held.id, |held| held.read_at = now);
        let fresh = self.fetch(&held.id).await?;
        tracing::info!(secret = held.id, "a secret was read afresh");
        self.update_fetched(&held.id, |held| held.replace_fields(fresh));
        Ok(())
    }
}

impl FetchedSecret {
    /// What was read; when it was searched stays.
    fn replace_fields(&mut self, fresh: Self) {
        let searched = self.searched.take();
        *self = Self { searched, ..fresh };
    }
}

impl AwsSecrets {
    /// Looks for a missing field in every secret. The init was no search: what is added right after it
    /// is found at once.
    async fn search(&self, name: SecretName) -> Result<(), SecretError> {
        let now = self.clock.now();
        for held in self.all_fetched() {
            if let Some((at, error)) = held.searched
                && now < at + REFRESH_INTERVAL
            {
                // Until the next look nobody knows better.
                error.map_or(Ok(()), Err)?;
                continue;
            }
            let fresh = self.fetch(&held.id).await;
            let error = fresh.as_ref().err().cloned();
            self.update_fetched(&held.id, |held| {
                held.searched = Some((now, error));
                if let Ok(fresh) = &fresh {
                    held.replace_fields(fresh.clone());
                }
            });
            fresh?;
            if self.has_secret(name) {
                tracing::info!(
                    secret = held.id,
                    field = field_name(name),
                    "a field that was added is used from now on"
                );
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads a secret: its current version, and the one before if that may still count.
    async fn fetch(&self, id: &str) -> Result<FetchedSecret, SecretError> {
        let (client, now) = (&self.client, self.clock.now());
        let failed = |error| {
            let error = failed("secretsmanager:GetSecretValue")(error);
            let message = format!("{id}: {error}");
            AwsError { message, ..error }
        };
        let current = client.get_secret_value().secret_id(id).send().await;
        let current = current.map_err(failed)?;
        let changed = current.created_date.as_ref().map(DateTime::secs);
        let changed = changed.and_then(|seconds| Time::from_timestamp(seconds, 0));
        let until = changed.unwrap_or(Time::UNIX_EPOCH) + self.previous_ttl;
        let previous = if now < until {
            let request = client.get_secret_value().secret_id(id);
            match request.version_stage("AWSPREVIOUS").send().await {
                Ok(previous) => parse_fields(id, &previous)?,
                Err(error) => match error.as_service_error() {
                    // It was never rotated.
                    Some(GetSecretValueError::ResourceNotFoundException(_)) => SecretFields::new(),
                    _ => return Err(failed(error).into()),
                },
            }
        } else {
            SecretFields::new()
        };
        Ok(FetchedSecret {
            id: id.to_owned(),
            read_at: now,
            searched: None,
            current: parse_fields(id, &current)?,
            previous,
            until,
        })
    }

    fn all_fetched(&self) -> Vec<FetchedSecret> {
        let all = self.fetched.read().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }

    fn update_fetched(&self, id: &str, change: impl FnOnce(&mut FetchedSecret)) {
        let mut all = self.fetched.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = all.iter_mut().find(|held| held.id == id) {
            change(held);
        }
    }
}

/// The fields of a version. An error does not show what it holds.
fn parse_fields(id: &str, version: &GetSecretValueOutput) -> Result<SecretFields, SecretError> {
    let unfit = |what: String| {
        SecretError::new(PortErrorKind::Unreadable, format!("the secret {id} {what}"))
    };
    let text = version.secret_string();
    let text = text.ok_or_else(|| unfit("is binary; it has to be a JSON object".to_owned()))?;
    let fields: BTreeMap<String, String> = serde_json::from_str(text)
        .map_err(|_| unfit("is not a JSON object whose values are text".to_owned()))?;
    // An empty field is one that is not filled in yet.
    let fields = fields
        .into_iter()
        .filter(|(_, value)| !value.trim().is_empty());
    let fields = fields.map(|(name, value)| {
        let value = value.trim();
        if let Some(reason) = unfit_secret(value) {
            let what = format!("has a field '{name}' that is {reason}");
            return Err(unfit(what));
        }
        Ok((name, SecretString::from(value)))
    });
    fields.collect()
}
