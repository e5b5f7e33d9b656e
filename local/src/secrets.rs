//! Secrets from the environment: a value in `NAME`, or a file's path in `NAME_FILE`.
//!
//! A file is read again when a secret was rejected, so that it can be rotated without a restart; as
//! long as it does not exist whenever an optional secret is needed, so that it can be added without
//! one; and when an operator asks. Nothing here prints a secret.

mod spec;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use chatops_core::ports::{PortErrorKind, SecretError, SecretName, SecretReader, SecretVersions};
use chatops_core::secret::unfit_secret;
use secrecy::{ExposeSecret, SecretString};
use tracing::{info, warn};

use self::spec::{PREVIOUS_SIGNING, SECRET_SPECS, SecretSpec, spec_of};
use crate::modes;

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
    /// The file does not exist.
    #[error("{name}_FILE names {}, which does not exist", path.display())]
    NotThere {
        /// The variable, without `_FILE`.
        name: &'static str,
        /// The file.
        path: PathBuf,
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
    /// The mode of its file, if that is open to others.
    pub open_mode: Option<u32>,
    /// The value, `None` if it is not set, or what is wrong with it.
    pub value: Result<Option<SecretString>, BadSecret>,
}

/// Reads each secret on its own, so that a bad one does not hide the others.
pub fn examine_secrets(lookup: impl Fn(&str) -> Option<OsString>) -> Vec<ExaminedSecret> {
    let kinds = || SECRET_SPECS.iter().chain([&PREVIOUS_SIGNING]);
    let value = |kind: &SecretSpec| {
        let held = load_secret(kind, &lookup)?;
        Ok(held.and_then(|held| held.current()))
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
        open_mode: lookup(&format!("{}_FILE", kind.variable))
            .and_then(|path| modes::excess(Path::new(&path), modes::SECRET)),
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
    /// `None` as long as the file does not exist.
    value: RwLock<Option<SecretString>>,
    /// The one before the last rotation, which counts as well.
    previous: Option<Box<HeldSecret>>,
}

impl HeldSecret {
    fn current(&self) -> Option<SecretString> {
        let value = self.value.read().unwrap_or_else(PoisonError::into_inner);
        value.clone()
    }

    /// Reads the secret's file again, if it is in one. What cannot be read stays as it was.
    fn reread(&self, kind: &SecretSpec) -> Result<(), BadSecret> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        let known = self.current();
        let fresh = match read_secret_file(kind, path) {
            Ok(fresh) => Some(fresh),
            // As before.
            Err(BadSecret::NotThere { .. }) if known.is_none() => return Ok(()),
            // Somebody has removed it after its time.
            Err(BadSecret::NotThere { .. }) if kind.variable == PREVIOUS_SIGNING.variable => None,
            Err(bad) => return Err(bad),
        };
        if known.as_ref().map(ExposeSecret::expose_secret)
            != fresh.as_ref().map(ExposeSecret::expose_secret)
        {
            if fresh.is_some() {
                info!(variable = kind.variable, "a secret was read from its file");
            } else {
                info!(variable = kind.variable, "a secret is not used any more");
            }
            let mut value = self.value.write().unwrap_or_else(PoisonError::into_inner);
            *value = fresh;
        }
        Ok(())
    }

    /// Warns of a file that others can read.
    fn warn_of_mode(&self, variable: &str) {
        let file = self.file.as_ref();
        if let Some(mode) = file.and_then(|path| modes::excess(path, modes::SECRET)) {
            warn!(
                variable,
                mode = %modes::octal(mode),
                "the secret's file is open to others: let only its owner and a group of this service \
                 read it (chmod 640)"
            );
        }
    }
}

impl EnvSecrets {
    /// Reads every secret by `lookup`, in production from the environment.
    pub fn read(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, BadSecret> {
        let (mut all, mut not_there) = (Vec::new(), BTreeMap::new());
        for kind in &SECRET_SPECS {
            match load_secret(kind, &lookup) {
                Ok(held) => all.extend(held),
                Err(BadSecret::NotThere { name, path }) => {
                    not_there.insert(kind.secret, (name, path));
                }
                Err(bad) => return Err(bad),
            }
        }
        let has = |secret| all.iter().any(|held: &HeldSecret| held.secret == secret);
        for kind in &SECRET_SPECS {
            if kind.is_required(has) && !has(kind.secret) {
                let missing = BadSecret::Missing {
                    name: kind.variable,
                    description: kind.description,
                };
                let not_there = not_there.remove(&kind.secret);
                let not_there = not_there.map(|(name, path)| BadSecret::NotThere { name, path });
                return Err(not_there.unwrap_or(missing));
            }
        }
        for (secret, (name, path)) in not_there {
            warn!(
                "{}; it is used once it is there",
                BadSecret::NotThere {
                    name,
                    path: path.clone()
                }
            );
            all.push(HeldSecret {
                secret,
                file: Some(path),
                value: RwLock::new(None),
                previous: None,
            });
        }
        let before = match load_secret(&PREVIOUS_SIGNING, &lookup) {
            Err(BadSecret::NotThere { path, .. }) => Some(HeldSecret {
                secret: PREVIOUS_SIGNING.secret,
                file: Some(path),
                value: RwLock::new(None),
                previous: None,
            }),
            before => before?,
        };
        let mut signing = all
            .iter_mut()
            .filter(|held| held.secret == PREVIOUS_SIGNING.secret);
        if let Some(signing) = signing.next() {
            signing.previous = before.map(Box::new);
        }
        for held in &all {
            held.warn_of_mode(spec_of(held.secret).variable);
            if let Some(before) = &held.previous {
                before.warn_of_mode(PREVIOUS_SIGNING.variable);
            }
        }
        Ok(Self(Arc::new(all)))
    }

    /// Whether the secret is set.
    pub fn has(&self, name: SecretName) -> bool {
        self.find_secret(name)
            .is_some_and(|held| held.current().is_some())
    }

    /// Reads every secret again that is in a file. What cannot be read stays as it was, and is in the log;
    /// it is false then.
    pub fn reread(&self) -> bool {
        let mut all_read = true;
        for held in self.0.iter() {
            let spec = spec_of(held.secret);
            let before = held.previous.as_ref();
            let before = before.map(|before| before.reread(&PREVIOUS_SIGNING));
            for read in [Some(held.reread(spec)), before].into_iter().flatten() {
                if let Err(bad) = read {
                    warn!("{bad}; the one that was read before stays in use");
                    all_read = false;
                }
            }
        }
        all_read
    }

    fn find_secret(&self, name: SecretName) -> Option<&HeldSecret> {
        self.0.iter().find(|held| held.secret == name)
    }
}

fn missing(name: SecretName) -> SecretError {
    SecretError::new(
        PortErrorKind::Missing,
        format!("{name:?} is not configured"),
    )
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
        value: RwLock::new(Some(value)),
        previous: None,
    }))
}

fn read_secret_file(kind: &SecretSpec, path: &Path) -> Result<SecretString, BadSecret> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let (name, path) = (kind.variable, path.to_owned());
        if error.kind() == ErrorKind::NotFound {
            return BadSecret::NotThere { name, path };
        }
        let reason = error.to_string();
        BadSecret::Unreadable { name, path, reason }
    })?;
    validate_secret(kind, &text, &path.display().to_string())
}

fn validate_secret(kind: &SecretSpec, value: &str, from: &str) -> Result<SecretString, BadSecret> {
    let value = value.trim();
    let reason = if value.is_empty() {
        "empty"
    } else if value.len() < kind.min_len {
        "too short"
    } else if let Some(reason) = unfit_secret(value) {
        reason
    } else if kind.secret == SecretName::SlackSigning && value.starts_with("xox") {
        "a token of the app: take the signing secret (Basic Information)"
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
        let held = self.find_secret(name).ok_or_else(|| missing(name))?;
        Ok(SecretVersions {
            current: held.current().ok_or_else(|| missing(name))?,
            previous: held.previous.as_ref().and_then(|held| held.current()),
        })
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretError> {
        let held = self.find_secret(name).ok_or_else(|| missing(name))?;
        held.reread(spec_of(name))
            .map_err(|bad| SecretError::new(PortErrorKind::Unavailable, bad.to_string()))
    }
}

#[cfg(test)]
mod tests;
