//! The newest configuration of a project: the pipeline parameters that it declares, and its workflows.

use std::collections::BTreeMap;

use chatops_circleci::PipelineConfig;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::workflows::{self, Workflows};

/// The configuration of the newest pipeline of a branch.
pub(super) struct NewestConfig {
    pub(super) branch: String,
    pub(super) number: u64,
    /// What the configuration declares that takes the parameters.
    pub(super) declared: DeclaredParameters,
    /// What the configuration declares that followed a setup workflow.
    pub(super) continued: Option<DeclaredParameters>,
    /// The workflows that a deploy can have.
    pub(super) workflows: Workflows,
}

impl NewestConfig {
    /// Reads it; `None` if the configuration that takes the parameters cannot be read.
    pub(super) fn read(branch: &str, number: u64, config: &PipelineConfig) -> Option<Self> {
        let declared = config.yaml().and_then(parse)?;
        let continued = config.continuation();
        // A setup workflow never decides. What a condition leaves out is in the source alone.
        let source = if declared.is_setup {
            continued
        } else {
            config.yaml()
        };
        let mut workflows = source.and_then(workflows::parse).unwrap_or_default();
        let compiled = config.compiled().and_then(workflows::parse);
        workflows.extend(compiled.unwrap_or_default());
        Some(Self {
            branch: branch.to_owned(),
            number,
            declared,
            continued: continued.and_then(parse).filter(|file| !file.is_setup),
            workflows,
        })
    }
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DeclaredParameters {
    /// The names, sorted.
    pub(super) parameters: Vec<String>,
    /// The value of `version`.
    pub(super) version: Option<String>,
    /// Whether it is a setup configuration.
    pub(super) is_setup: bool,
}

#[derive(Deserialize)]
struct ConfigFile {
    version: Option<String>,
    #[serde(default)]
    setup: bool,
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
        is_setup: file.setup,
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
    fn a_setup_configuration_is_told_from_what_follows() {
        let setup = "version: 2.1\nsetup: true\nparameters: {job: {type: string}}\n\
                     workflows: {setup: {jobs: [continue]}}\n";
        let next = "version: 2.1\nparameters: {job: {type: string}}\n\
                    workflows: {deploy: {jobs: [ship]}}\n";
        let read = |config: serde_json::Value| {
            let config = serde_json::from_value(config).unwrap();
            NewestConfig::read("main", 42, &config).unwrap()
        };
        let both = read(serde_json::json!({
            "source": next, "compiled": "version: 2\nworkflows: {deploy: {jobs: [ship, notify]}}\n",
            "setup-config": setup, "compiled-setup-config": setup,
        }));
        assert!(both.declared.is_setup);
        assert_eq!(both.continued.unwrap().parameters, ["job"]);
        let names: Vec<&String> = both.workflows.keys().collect();
        assert_eq!(names, ["deploy"]);
        assert_eq!(both.workflows["deploy"].names.len(), 2);
        // Nothing was continued yet.
        let alone = read(serde_json::json!({ "source": setup, "compiled": "" }));
        assert!(alone.continued.is_none() && alone.workflows.is_empty());
        let plain = read(serde_json::json!({ "source": next, "compiled": "" }));
        assert!(!plain.declared.is_setup && plain.continued.is_none());
        assert_eq!(plain.workflows.len(), 1);
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
