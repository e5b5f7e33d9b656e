//! What is typed behind the job: `version=v1.2`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Parameters by name, as typed. Which there are, and what each may be, says the job's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Adds one, or gives `false` if there is one of that name in any case.
    #[must_use]
    pub fn add(&mut self, name: &str, value: &str) -> bool {
        let is_new = !self.0.keys().any(|known| known.eq_ignore_ascii_case(name));
        if is_new {
            self.0.insert(name.to_owned(), value.to_owned());
        }
        is_new
    }

    /// The same under other names.
    #[must_use]
    pub fn renamed<'a>(&'a self, new_name: impl Fn(&'a str) -> &'a str) -> Self {
        let all = self.iter();
        Self(
            all.map(|(name, value)| (new_name(name).to_owned(), value.to_owned()))
                .collect(),
        )
    }
}

/// As they are typed behind a command: each with a space in front.
impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter()
            .try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}
