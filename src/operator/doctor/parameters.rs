//! The pipeline parameters that a `.circleci/config.yml` declares.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// The configuration of the newest pipeline of a branch.
pub(super) struct NewestConfig {
    pub(super) branch: String,
    pub(super) number: u64,
    pub(super) declared: DeclaredParameters,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DeclaredParameters {
    /// The names, sorted.
    pub(super) parameters: Vec<String>,
    /// The value of `version`.
    pub(super) version: Option<String>,
}

#[derive(Deserialize)]
struct ConfigFile {
    version: Option<String>,
    #[serde(default)]
    #[expect(clippy::zero_sized_map_values, reason = "only the keys matter")]
    parameters: BTreeMap<String, IgnoredAny>,
}

/// Reads a configuration; `None` if it is not one.
pub(super) fn parse(yaml: &str) -> Option<DeclaredParameters> {
    // Several `<<` in one mapping, and a key that stands twice, are in use: CircleCI has accepted both.
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
    };
    let file: ConfigFile = serde_saphyr::from_str_with_options(yaml, options).ok()?;
    Some(DeclaredParameters {
        parameters: file.parameters.into_keys().collect(),
        version: file.version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_below_parameters_are_read() {
        let yaml = "\
# what it is
version: 2.1 # no less

parameters:
  # which one
  job:
    type: string
    default: \"\"
  'deploy_id':
    type: string
    default: none

jobs:
  build:
    parameters:
      other:
        type: string
    steps:
      - run: \"echo 'a: b'\"
";
        let declared = parse(yaml).unwrap();
        assert_eq!(declared.parameters, ["deploy_id", "job"]);
        assert_eq!(declared.version.as_deref(), Some("2.1"));
        for (yaml, version) in [
            ("{version: 2.1, parameters: {job: {type: string}}}", "2.1"),
            (
                "version: \"2.1\"\nparameters: {job: {type: string}}\n",
                "2.1",
            ),
            (
                "---\nversion: 2\nparameters: &all\n  job: {type: string}\n",
                "2",
            ),
            (
                "var_8: &a 1\nvar_8: &b 2\nversion: 2.1\nparameters: {job: {}}\n",
                "2.1",
            ),
            (
                "a: &a {job: {}}\nb: &b {job: {}}\nversion: 2\nparameters:\n  <<: *a\n  <<: *b\n",
                "2",
            ),
            (
                "all: &all {job: {}}\nversion: 2\nparameters:\n  <<: *all\n",
                "2",
            ),
        ] {
            let declared = parse(yaml).unwrap();
            assert_eq!(declared.parameters, ["job"], "{yaml}");
            assert_eq!(declared.version.as_deref(), Some(version), "{yaml}");
        }
    }

    #[test]
    fn several_merges_in_one_mapping_count() {
        let yaml = "a: &a {job: {}}\nb: &b {deploy_id: {}}\nparameters:\n  <<: *a\n  <<: *b\n";
        assert_eq!(parse(yaml).unwrap().parameters, ["deploy_id", "job"]);
    }

    #[test]
    fn none_and_what_cannot_be_read_are_told_apart() {
        assert_eq!(parse("version: 2\njobs: {}\n").unwrap().parameters, [""; 0]);
        for yaml in [
            "version: 2.1\nparameters:\n  <<: *all\n",
            "version: 2.1\nparameters: [job]\n",
            "version: 2.1\n\tparameters:\n",
            "not a configuration",
        ] {
            assert_eq!(parse(yaml), None, "{yaml}");
        }
    }
}
