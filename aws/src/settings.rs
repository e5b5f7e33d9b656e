//! A setting that is missing or makes no sense, whichever part it is of.

use std::ffi::OsString;

/// The sentence names the variable and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A variable is not set.
    #[error("{name} is not set: put {what} there")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What belongs there.
        what: &'static str,
    },
    /// A variable holds what it cannot hold.
    #[error("{name} is '{value}': {expected}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// The certificates cannot be used.
    #[error("the trusted certificates cannot be used: {0}")]
    Certificates(String),
}

/// A variable's value, if it has one that is text and not empty.
pub(crate) fn read_var(
    lookup: impl Fn(&str) -> Option<OsString>,
    name: &'static str,
) -> Result<Option<String>, SettingsError> {
    match lookup(name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(value)) if value.is_empty() => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(value)) => Err(SettingsError::Invalid {
            name,
            value: value.to_string_lossy().into_owned(),
            expected: "it has to be text",
        }),
    }
}
