//! Secrets from the environment: a value in `NAME`, or a file's path in `NAME_FILE`.
//!
//! A file is read again when a secret was rejected, so that it can be rotated without a restart.
//! Nothing here prints a secret.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use chatops_core::ports::{PortErrorKind, SecretError, SecretName, SecretReader, SecretVersions};
use secrecy::{ExposeSecret, SecretString};

/// A missing or invalid secret. The text names the variable and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// It is not set, and has to be.
    #[error(
        "{name} is not set: put {description} there, or the path of a file that holds it in {name}_FILE"
    )]
    Missing {
        /// The variable.
        name: &'static str,
        /// What the secret is.
        description: &'static str,
    },
    /// Both the variable and the file are set.
    #[error("{0} and {0}_FILE are both set: keep one")]
    BothSet(&'static str),
    /// The value is empty, too short or not text.
    #[error("{from} does not hold {description}: it is {reason}")]
    Invalid {
        /// The variable or file.
        from: String,
        /// What the secret is.
        description: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// The file cannot be read.
    #[error("{name}_FILE names {}, which cannot be read: {reason}", path.display())]
    Unreadable {
        /// The variable, without `_FILE`.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A secret: its variable, what it is, and its shortest length.
struct SecretSpec {
    secret: SecretName,
    variable: &'static str,
    description: &'static str,
    min_len: usize,
    requirement: SecretRequirement,
}

/// When a secret has to be set.
enum SecretRequirement {
    Always,
    Unless(SecretName),
    Never,
}

impl SecretSpec {
    /// An optional secret of at least 16 characters: a shorter key would be none.
    const fn optional(secret: SecretName, variable: &'static str, what: &'static str) -> Self {
        Self {
            secret,
            variable,
            description: what,
            min_len: 16,
            requirement: SecretRequirement::Never,
        }
    }

    fn is_required(&self, has: impl Fn(SecretName) -> bool) -> bool {
        match self.requirement {
            SecretRequirement::Always => true,
            SecretRequirement::Unless(other) => !has(other),
            SecretRequirement::Never => false,
        }
    }
}

const PREVIOUS_SIGNING: SecretSpec = SecretSpec::optional(
    SecretName::SlackSigning,
    "SLACK_SIGNING_SECRET_PREVIOUS",
    "the Slack app's signing secret before the last rotation",
);

const SECRET_SPECS: [SecretSpec; 5] = [
    SecretSpec {
        requirement: SecretRequirement::Unless(SecretName::SlackVerification),
        ..SecretSpec::optional(
            SecretName::SlackSigning,
            "SLACK_SIGNING_SECRET",
            "the Slack app's signing secret",
        )
    },
    SecretSpec::optional(
        SecretName::SlackVerification,
        "SLACK_VERIFICATION_TOKEN",
        "the verification token of a legacy slash command",
    ),
    SecretSpec::optional(
        SecretName::SlackBot,
        "SLACK_BOT_TOKEN",
        "the Slack app's bot token",
    ),
    SecretSpec {
        min_len: 1,
        requirement: SecretRequirement::Always,
        ..SecretSpec::optional(
            SecretName::CircleCiToken,
            "CIRCLECI_TOKEN",
            "a CircleCI personal API token",
        )
    },
    SecretSpec::optional(
        SecretName::CircleCiWebhook,
        "CIRCLECI_WEBHOOK_SECRET",
        "the signing secret of CircleCI's webhook",
    ),
];

/// A secret as found, for `chatops doctor`.
#[derive(Debug)]
pub struct ExaminedSecret {
    /// Which one.
    pub secret: SecretName,
    /// Its variable.
    pub variable: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Whether `chatops serve` needs it.
    pub is_required: bool,
    /// The value, `None` if it is not set, or what is wrong with it.
    pub value: Result<Option<SecretString>, BadSecret>,
}

/// Reads each secret on its own, so that a bad one does not hide the others.
pub fn examine_secrets(lookup: impl Fn(&str) -> Option<OsString>) -> Vec<ExaminedSecret> {
    let kinds = || SECRET_SPECS.iter().chain([&PREVIOUS_SIGNING]);
    let value = |kind: &SecretSpec| {
        let held = load_secret(kind, &lookup)?;
        Ok(held.and_then(|held| held.value.into_inner().ok()))
    };
    let is_there = |secret| {
        let mut of_that = kinds().filter(|kind| kind.secret == secret);
        of_that.any(|kind| matches!(value(kind), Ok(Some(_))))
    };
    let examined = kinds().map(|kind| ExaminedSecret {
        secret: kind.secret,
        variable: kind.variable,
        description: kind.description,
        is_required: kind.is_required(is_there),
        value: value(kind),
    });
    examined.collect()
}

/// The value of a secret that is set and valid.
pub fn find_value(examined: &[ExaminedSecret], name: SecretName) -> Option<&SecretString> {
    let mut values = examined.iter().filter(|one| one.secret == name);
    values.next()?.value.as_ref().ok()?.as_ref()
}

/// The secrets of one process.
#[derive(Debug, Clone)]
pub struct EnvSecrets(Arc<Vec<HeldSecret>>);

#[derive(Debug)]
struct HeldSecret {
    secret: SecretName,
    file: Option<PathBuf>,
    value: RwLock<SecretString>,
    previous: Option<SecretString>,
}

impl EnvSecrets {
    /// Reads every secret by `lookup`, in production from the environment.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, BadSecret> {
        let mut all: Vec<HeldSecret> = Vec::new();
        for kind in &SECRET_SPECS {
            all.extend(load_secret(kind, &lookup)?);
        }
        let has = |secret| all.iter().any(|held: &HeldSecret| held.secret == secret);
        for kind in &SECRET_SPECS {
            if kind.is_required(has) && !has(kind.secret) {
                return Err(BadSecret::Missing {
                    name: kind.variable,
                    description: kind.description,
                });
            }
        }
        let before = load_secret(&PREVIOUS_SIGNING, &lookup)?;
        let mut signing = all
            .iter_mut()
            .filter(|held| held.secret == PREVIOUS_SIGNING.secret);
        if let Some(signing) = signing.next() {
            signing.previous = before.and_then(|held| held.value.into_inner().ok());
        }
        Ok(Self(Arc::new(all)))
    }

    /// Whether the secret is set.
    pub fn has(&self, name: SecretName) -> bool {
        self.find_secret(name).is_ok()
    }

    fn find_secret(&self, name: SecretName) -> Result<&HeldSecret, SecretError> {
        let held = self.0.iter().find(|held| held.secret == name);
        let missing = || format!("{name:?} is not configured");
        held.ok_or_else(|| SecretError::new(PortErrorKind::Unavailable, missing()))
    }
}

/// Reads a secret; `None` if neither variable is set.
fn load_secret(
    kind: &SecretSpec,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<HeldSecret>, BadSecret> {
    let SecretSpec {
        secret,
        variable,
        description,
        ..
    } = *kind;
    let (value, file) = match (lookup(variable), lookup(&format!("{variable}_FILE"))) {
        (Some(_), Some(_)) => return Err(BadSecret::BothSet(variable)),
        (None, None) => return Ok(None),
        (Some(value), None) => {
            let not_text = |_| BadSecret::Invalid {
                from: variable.to_owned(),
                description,
                reason: "not text",
            };
            let value = value.into_string().map_err(not_text)?;
            (validate_secret(kind, &value, variable)?, None)
        }
        (None, Some(path)) => {
            let path = PathBuf::from(path);
            (read_secret_file(kind, &path)?, Some(path))
        }
    };
    Ok(Some(HeldSecret {
        secret,
        file,
        value: RwLock::new(value),
        previous: None,
    }))
}

fn read_secret_file(kind: &SecretSpec, path: &Path) -> Result<SecretString, BadSecret> {
    let text = std::fs::read_to_string(path).map_err(|error| BadSecret::Unreadable {
        name: kind.variable,
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    validate_secret(kind, &text, &path.display().to_string())
}

fn validate_secret(kind: &SecretSpec, value: &str, from: &str) -> Result<SecretString, BadSecret> {
    let value = value.trim();
    let reason = if value.is_empty() {
        "empty"
    } else if value.len() < kind.min_len {
        "too short"
    } else if !value.bytes().all(|b| b.is_ascii_graphic()) {
        "not one word of plain characters"
    } else {
        return Ok(SecretString::from(value));
    };
    Err(BadSecret::Invalid {
        from: from.to_owned(),
        description: kind.description,
        reason,
    })
}

impl SecretReader for EnvSecrets {
    async fn get(&self, name: SecretName) -> Result<SecretVersions, SecretError> {
        let held = self.find_secret(name)?;
        let value = held.value.read().unwrap_or_else(PoisonError::into_inner);
        Ok(SecretVersions {
            current: value.clone(),
            previous: held.previous.clone(),
        })
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretError> {
        let held = self.find_secret(name)?;
        let kind = SECRET_SPECS.iter().find(|kind| kind.secret == name);
        let (Some(path), Some(kind)) = (&held.file, kind) else {
            return Ok(());
        };
        let fresh = read_secret_file(kind, path)
            .map_err(|error| SecretError::new(PortErrorKind::Unavailable, error.to_string()))?;
        let mut value = held.value.write().unwrap_or_else(PoisonError::into_inner);
        if value.expose_secret() != fresh.expose_secret() {
            tracing::info!(variable = kind.variable, "a secret was read again");
            *value = fresh;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
