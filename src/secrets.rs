//! Secrets from the environment: a value in `NAME`, or a file's path in `NAME_FILE`.
//!
//! A file is read again when a secret was refused, so that it can be rotated without a restart.
//! Nothing here prints a secret.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use chatops_core::ports::{SecretName, Secrets, SecretsError, Versions};
use secrecy::{ExposeSecret, SecretString};

/// A secret that is missing or cannot be one. The sentence names the variable and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// Neither variable is set.
    #[error(
        "{name} is not set: put {what} there, or the path of a file that holds it in {name}_FILE"
    )]
    Missing {
        /// The variable.
        name: &'static str,
        /// What belongs there.
        what: &'static str,
    },
    /// Both variables are set.
    #[error("{0} and {0}_FILE are both set: keep one")]
    Both(&'static str),
    /// The value is empty, too short or not text.
    #[error("{from} does not hold {what}: it is {why}")]
    Unfit {
        /// The variable or file.
        from: String,
        /// What belongs there.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file cannot be read.
    #[error("{name}_FILE names {}, which cannot be read: {why}", path.display())]
    File {
        /// The variable.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
}

/// What is known about each secret: its variable, and what a person looks for.
struct Kind {
    secret: SecretName,
    variable: &'static str,
    what: &'static str,
    shortest: usize,
    needed: Need,
}

/// When a secret has to be there.
enum Need {
    Always,
    Unless(SecretName),
    Never,
}

/// The variable of the signing secret before the last rotation.
const PREVIOUS: Kind = Kind {
    secret: SecretName::SlackSigning,
    variable: "SLACK_SIGNING_SECRET_PREVIOUS",
    what: "the Slack app's signing secret before the last rotation",
    shortest: 16,
    needed: Need::Never,
};

const KINDS: [Kind; 5] = [
    Kind {
        secret: SecretName::SlackSigning,
        variable: "SLACK_SIGNING_SECRET",
        what: "the Slack app's signing secret",
        // Slack's have 32 characters; a much shorter key would be no key.
        shortest: 16,
        needed: Need::Unless(SecretName::SlackVerification),
    },
    Kind {
        secret: SecretName::SlackVerification,
        variable: "SLACK_VERIFICATION_TOKEN",
        what: "the verification token of a legacy slash command",
        shortest: 16,
        needed: Need::Never,
    },
    Kind {
        secret: SecretName::SlackBot,
        variable: "SLACK_BOT_TOKEN",
        what: "the Slack app's bot token",
        shortest: 16,
        needed: Need::Never,
    },
    Kind {
        secret: SecretName::CircleCiToken,
        variable: "CIRCLECI_TOKEN",
        what: "a CircleCI personal API token",
        shortest: 1,
        needed: Need::Always,
    },
    Kind {
        secret: SecretName::CircleCiWebhook,
        variable: "CIRCLECI_WEBHOOK_SECRET",
        what: "the signing secret of CircleCI's webhook",
        shortest: 16,
        needed: Need::Never,
    },
];

/// A secret as it was found, for the one who checks what is set up.
#[derive(Debug)]
pub struct Examined {
    /// Which it is.
    pub secret: SecretName,
    /// Its variable.
    pub variable: &'static str,
    /// What belongs there.
    pub what: &'static str,
    /// Whether `chatops serve` starts without it.
    pub needed: bool,
    /// The value, `None` if there is none, or what is wrong with it.
    pub value: Result<Option<SecretString>, BadSecret>,
}

/// Looks at each secret on its own, so that one that is wrong does not hide the others.
pub fn examine(lookup: impl Fn(&str) -> Option<OsString>) -> Vec<Examined> {
    let kinds = || KINDS.iter().chain([&PREVIOUS]);
    let value = |kind: &Kind| {
        let held = hold(kind, &lookup)?;
        Ok(held.and_then(|held| held.value.into_inner().ok()))
    };
    let is_there = |secret| {
        let mut of_that = kinds().filter(|kind| kind.secret == secret);
        of_that.any(|kind| matches!(value(kind), Ok(Some(_))))
    };
    let examined = kinds().map(|kind| Examined {
        secret: kind.secret,
        variable: kind.variable,
        what: kind.what,
        needed: match kind.needed {
            Need::Always => true,
            Need::Unless(other) => !is_there(other),
            Need::Never => false,
        },
        value: value(kind),
    });
    examined.collect()
}

/// The secrets of one process.
#[derive(Debug, Clone)]
pub struct EnvSecrets(Arc<Vec<Held>>);

#[derive(Debug)]
struct Held {
    secret: SecretName,
    file: Option<PathBuf>,
    value: RwLock<SecretString>,
    previous: Option<SecretString>,
}

impl EnvSecrets {
    /// Reads every secret through `lookup`, the environment in a real process.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, BadSecret> {
        let mut all: Vec<Held> = Vec::new();
        for kind in &KINDS {
            all.extend(hold(kind, &lookup)?);
        }
        let has = |secret| all.iter().any(|held: &Held| held.secret == secret);
        for kind in &KINDS {
            let needed = match kind.needed {
                Need::Always => true,
                Need::Unless(other) => !has(other),
                Need::Never => false,
            };
            if needed && !has(kind.secret) {
                return Err(BadSecret::Missing {
                    name: kind.variable,
                    what: kind.what,
                });
            }
        }
        let before = hold(&PREVIOUS, &lookup)?;
        if let Some(signing) = all.iter_mut().find(|held| held.secret == PREVIOUS.secret) {
            signing.previous = before.and_then(|held| held.value.into_inner().ok());
        }
        Ok(Self(Arc::new(all)))
    }

    /// Whether there is such a secret.
    #[must_use]
    pub fn has(&self, name: SecretName) -> bool {
        self.held(name).is_ok()
    }

    fn held(&self, name: SecretName) -> Result<&Held, SecretsError> {
        let held = self.0.iter().find(|held| held.secret == name);
        held.ok_or_else(|| SecretsError(format!("{name:?} is not configured")))
    }
}

/// A secret, if there is anything that should be one.
fn hold(kind: &Kind, lookup: impl Fn(&str) -> Option<OsString>) -> Result<Option<Held>, BadSecret> {
    let Kind {
        secret,
        variable,
        what,
        ..
    } = *kind;
    let (value, file) = match (lookup(variable), lookup(&format!("{variable}_FILE"))) {
        (Some(_), Some(_)) => return Err(BadSecret::Both(variable)),
        (None, None) => return Ok(None),
        (Some(value), None) => {
            let unfit = |why| BadSecret::Unfit {
                from: variable.to_owned(),
                what,
                why,
            };
            let value = value.into_string().map_err(|_| unfit("not text"))?;
            (fit(kind, &value, variable)?, None)
        }
        (None, Some(path)) => {
            let path = PathBuf::from(path);
            (read_file(kind, &path)?, Some(path))
        }
    };
    Ok(Some(Held {
        secret,
        file,
        value: RwLock::new(value),
        previous: None,
    }))
}

fn read_file(kind: &Kind, path: &Path) -> Result<SecretString, BadSecret> {
    let text = std::fs::read_to_string(path).map_err(|error| BadSecret::File {
        name: kind.variable,
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    fit(kind, &text, &path.display().to_string())
}

fn fit(kind: &Kind, value: &str, from: &str) -> Result<SecretString, BadSecret> {
    let value = value.trim();
    let unfit = |why| {
        Err(BadSecret::Unfit {
            from: from.to_owned(),
            what: kind.what,
            why,
        })
    };
    if value.is_empty() {
        unfit("empty")
    } else if value.len() < kind.shortest {
        unfit("too short")
    } else if !value.bytes().all(|b| b.is_ascii_graphic()) {
        unfit("not one word of plain characters")
    } else {
        Ok(SecretString::from(value))
    }
}

impl Secrets for EnvSecrets {
    async fn get(&self, name: SecretName) -> Result<Versions, SecretsError> {
        let held = self.held(name)?;
        let value = held.value.read().unwrap_or_else(PoisonError::into_inner);
        Ok(Versions {
            current: value.clone(),
            previous: held.previous.clone(),
        })
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretsError> {
        let held = self.held(name)?;
        let kind = KINDS.iter().find(|kind| kind.secret == name);
        let (Some(path), Some(kind)) = (&held.file, kind) else {
            return Ok(());
        };
        let fresh = read_file(kind, path).map_err(|error| SecretsError(error.to_string()))?;
        let mut value = held.value.write().unwrap_or_else(PoisonError::into_inner);
        if value.expose_secret() != fresh.expose_secret() {
            tracing::info!(variable = kind.variable, "a secret was read afresh");
            *value = fresh;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
