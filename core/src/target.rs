//! What a deploy changes and locks: an environment of a project, and how people type it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::ProjectSlug;
use crate::name::ProjectName;

/// What one deploy at a time may deploy to: an environment of a project at CircleCI, such as
/// `gh/acme/web/production`. It is the same for every configured project with that slug.
///
/// People type and read `web/production`: see [`Config::target_name`] and [`Config::find_target`].
///
/// [`Config::target_name`]: crate::config::Config::target_name
/// [`Config::find_target`]: crate::config::Config::find_target
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Target(pub String);

impl Target {
    /// The environment of a project.
    #[must_use]
    pub fn new(slug: &ProjectSlug, environment: &str) -> Self {
        let mut place = slug.to_string();
        // GitHub and Bitbucket do not distinguish case; the ids of other projects do.
        if slug.vcs != "circleci" {
            place.make_ascii_lowercase();
        }
        Self(format!("{place}/{environment}"))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A target as it is typed: `web/production`, or the place `gh/acme/web/production`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetRef(String);

impl TargetRef {
    /// Reads two names, or a project's slug and a name; `None` for anything else.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let parts: Vec<&str> = word.split('/').collect();
        let is_name = |part: &&str| ProjectName::parse(part).is_ok();
        let reads = match parts.as_slice() {
            [_, _] => true,
            [vcs, _, _, _] => vcs_name(vcs).is_some(),
            _ => false,
        };
        (reads && parts.iter().all(is_name)).then(|| Self(word.to_owned()))
    }

    /// The names of a project and an environment, if it is typed so.
    #[must_use]
    pub fn names(&self) -> Option<(&str, &str)> {
        let (project, environment) = self.0.split_once('/')?;
        (!environment.contains('/')).then_some((project, environment))
    }

    /// The target of a place, whether or not the configuration has it.
    #[must_use]
    pub fn place(&self) -> Option<Target> {
        let parts: Vec<&str> = self.0.split('/').collect();
        let [vcs, org, repo, environment] = parts.as_slice() else {
            return None;
        };
        let slug = ProjectSlug {
            vcs: vcs_name(vcs)?.to_owned(),
            org: (*org).to_owned(),
            repo: (*repo).to_owned(),
        };
        Some(Target::new(&slug, environment))
    }
}

/// The short name of a version control system.
fn vcs_name(word: &str) -> Option<&'static str> {
    match word {
        "gh" | "github" => Some("gh"),
        "bb" | "bitbucket" => Some("bb"),
        "circleci" => Some("circleci"),
        _ => None,
    }
}

impl TryFrom<String> for TargetRef {
    type Error = &'static str;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        Self::parse(&word).ok_or("a target looks like web/production")
    }
}

impl From<TargetRef> for String {
    fn from(target: TargetRef) -> String {
        target.0
    }
}

impl fmt::Display for TargetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
