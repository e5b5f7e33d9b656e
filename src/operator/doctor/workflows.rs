//! The workflows of a configuration, with the jobs in them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// The workflows by name.
pub(super) type Workflows = BTreeMap<String, WorkflowJobs>;

/// The jobs of a workflow.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct WorkflowJobs {
    /// Their names in a run.
    pub(super) names: BTreeSet<String>,
    /// Whether there are more, whose names only the compiled configuration has.
    pub(super) has_more: bool,
}

#[derive(Deserialize)]
struct ConfigFile {
    workflows: Option<BTreeMap<String, Value>>,
}

/// Reads a configuration, compiled or not; `None` if it is not one.
pub(super) fn parse(yaml: &str) -> Option<Workflows> {
    // A key that stands twice is in use: CircleCI has accepted it.
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
    };
    let file: ConfigFile = serde_saphyr::from_str_with_options(yaml, options).ok()?;
    let all = file.workflows.unwrap_or_default();
    // Beside the workflows there may be a `version`.
    let workflows = all.into_iter().filter(|(_, value)| value.is_object());
    Some(
        workflows
            .map(|(name, value)| (name, read_jobs(&value["jobs"])))
            .collect(),
    )
}

fn read_jobs(jobs: &Value) -> WorkflowJobs {
    let mut read = WorkflowJobs::default();
    for job in jobs.as_array().into_iter().flatten() {
        // `- build`, or `- build: {name: other, matrix: …}`.
        let entry = job.as_object().and_then(|job| job.iter().next());
        let (key, options) = match (job, entry) {
            (Value::String(name), _) => (name.as_str(), &Value::Null),
            (_, Some((name, options))) => (name.as_str(), options),
            _ => continue,
        };
        let name = options["name"].as_str().unwrap_or(key);
        if name.contains("<<") || options.get("matrix").is_some() {
            read.has_more = true;
        } else {
            read.names.insert(name.to_owned());
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workflows_and_jobs_are_read() {
        let yaml = "\
version: 2.1
workflows:
  version: 2
  deploy:
    when: << pipeline.parameters.job >>
    jobs:
      - build
      - hold: {type: approval, requires: [build]}
      - ship:
          name: ship-prod
          requires: [hold]
  test:
    jobs:
      - unit
      - e2e: {matrix: {parameters: {os: [a, b]}}}
      - e2e: {name: e2e-<< matrix.os >>}
  empty:
";
        let read = parse(yaml).unwrap();
        let names: Vec<&String> = read.keys().collect();
        assert_eq!(names, ["deploy", "test"]);
        let deploy = &read["deploy"];
        let jobs: Vec<&String> = deploy.names.iter().collect();
        assert_eq!(jobs, ["build", "hold", "ship-prod"]);
        assert!(!deploy.has_more && read["test"].has_more);
        assert_eq!(read["test"].names.len(), 1);
        assert_eq!(parse("version: 2\njobs: {}\n"), Some(Workflows::new()));
        assert_eq!(parse("{a: b"), None);
        assert_eq!(parse("not a configuration"), None);
    }
}
