//! The example of a project's CircleCI configuration: it goes with the `chatops.toml` beside it and with the
//! example that explains every key, and every workflow of it is guarded.

use std::collections::{BTreeMap, BTreeSet};

use chatops_core::config::{Config, JobConfig, WorkflowSelector};
use serde::Deserialize;
use serde_json::Value;

use crate::read;

/// A CircleCI configuration, as far as a deploy depends on it.
#[derive(Debug, Deserialize)]
struct CiConfig {
    version: f64,
    #[serde(default)]
    setup: bool,
    parameters: BTreeMap<String, Value>,
    jobs: BTreeMap<String, Value>,
    workflows: BTreeMap<String, Workflow>,
}

#[derive(Debug, Deserialize)]
struct Workflow {
    when: Option<Value>,
    jobs: Vec<Value>,
}

/// A job in a workflow.
struct Step<'w> {
    definition: &'w str,
    options: &'w Value,
}

impl Step<'_> {
    fn name(&self) -> &str {
        self.options["name"].as_str().unwrap_or(self.definition)
    }

    fn is_approval(&self) -> bool {
        self.options["type"] == "approval"
    }
}

impl Workflow {
    fn steps(&self) -> Vec<Step<'_>> {
        let mut steps = vec![];
        for job in &self.jobs {
            let entry = job.as_object().and_then(|job| job.iter().next());
            let (definition, options) = match (job.as_str(), entry) {
                (Some(name), _) => (name, &Value::Null),
                (_, Some((name, options))) => (name.as_str(), options),
                _ => panic!("{job}"),
            };
            steps.push(Step {
                definition,
                options,
            });
        }
        steps
    }

    /// The values of `job` for which it runs: `equal` of one, or `or` of several.
    fn runs_for(&self) -> Option<BTreeSet<&str>> {
        let when = self.when.as_ref()?;
        assert!(when["equal"].is_array() || when["or"].is_array(), "{when}");
        let equals = when["or"].as_array().into_iter().flatten().chain([when]);
        let equals = equals.filter_map(|one| one["equal"].as_array());
        let of_job = equals.map(|equal| {
            assert_eq!(equal[1], "<< pipeline.parameters.job >>");
            equal[0].as_str().unwrap()
        });
        Some(of_job.collect())
    }
}

fn parse(yaml: &str) -> CiConfig {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}"))
}

/// What is wrong between a project's jobs and its CircleCI configuration.
fn differences(jobs: &BTreeMap<String, JobConfig>, ci: &CiConfig) -> Vec<String> {
    let mut wrong = vec![];
    for (name, workflow) in &ci.workflows {
        wrong.extend(wrong_in_workflow(name, workflow, jobs, ci));
    }
    for (name, job) in jobs {
        wrong.extend(undeclared(name, job, ci));
        wrong.extend(wrong_for_job(name, job, ci));
    }
    let is_empty = |name| ci.parameters.get(name).map(|one| &one["default"]) == Some(&"".into());
    if !is_empty("job") || !is_empty("deploy_id") {
        wrong.push("a push is taken for a deploy".to_owned());
    }
    wrong
}

/// What is wrong with a workflow, whoever starts it.
fn wrong_in_workflow(
    name: &str,
    workflow: &Workflow,
    jobs: &BTreeMap<String, JobConfig>,
    ci: &CiConfig,
) -> Vec<String> {
    let mut wrong = vec![];
    match workflow.runs_for() {
        None => wrong.push(format!("workflow {name} is not guarded")),
        Some(values) => {
            let known = |value: &str| value.is_empty() || jobs.contains_key(value);
            let unknown = values.into_iter().filter(|value| !known(value));
            let say = |value| format!("workflow {name} runs for {value}, which is no job");
            wrong.extend(unknown.map(say));
        }
    }
    let steps = workflow.steps();
    let there: BTreeSet<_> = steps.iter().map(Step::name).collect();
    for step in &steps {
        if !step.is_approval() && !ci.jobs.contains_key(step.definition) {
            wrong.push(format!("{name} has no job {}", step.definition));
        }
        for required in step.options["requires"].as_array().into_iter().flatten() {
            if !there.contains(required.as_str().unwrap()) {
                wrong.push(format!("{name} requires {required}"));
            }
        }
    }
    wrong
}

/// The parameters that are sent for a job and not declared.
fn undeclared(name: &str, job: &JobConfig, ci: &CiConfig) -> Vec<String> {
    let trigger = &job.trigger;
    let always = [&trigger.job_parameter, &trigger.deploy_id_parameter];
    let sent = always.into_iter().flatten();
    let sent = sent.chain(trigger.parameters.keys());
    let sent = sent.chain(trigger.settable.keys());
    let missing = sent.filter(|sent| !ci.parameters.contains_key(*sent));
    let say = |sent| format!("{sent} of {name} is not declared");
    missing.map(say).collect()
}

/// What is wrong with the workflow that decides how a job's deploys end.
fn wrong_for_job(name: &str, job: &JobConfig, ci: &CiConfig) -> Vec<String> {
    let WorkflowSelector::Named(deciding) = &job.workflow else {
        return vec![];
    };
    let mut found = deciding.iter().filter_map(|found| ci.workflows.get(found));
    let Some(workflow) = found.next() else {
        return vec![format!("{name} has no workflow {deciding:?}")];
    };
    let mut wrong = vec![];
    if !workflow.runs_for().unwrap_or_default().contains(name) {
        wrong.push(format!("the workflow of {name} does not run for it"));
    }
    let steps = workflow.steps();
    for must in &job.must_run {
        if !steps.iter().any(|step| step.name() == must) {
            wrong.push(format!("{name} must run {must}"));
        }
    }
    for step in steps.iter().filter(|_| !job.tags.is_empty()) {
        if step.options["filters"]["tags"].is_null() {
            wrong.push(format!("{} of {name} runs on no tag", step.name()));
        }
    }
    wrong
}

/// The jobs of the project `web` of a configuration.
fn jobs_of_web(file: &str) -> BTreeMap<String, JobConfig> {
    let config = Config::parse(&read(file), file).unwrap();
    let mut projects = config.projects.into_iter();
    let (_, web) = projects.find(|(name, _)| name.as_str() == "web").unwrap();
    let jobs = web.jobs.into_iter();
    jobs.map(|(name, job)| (name.as_str().to_owned(), job))
        .collect()
}

const EXAMPLE: &str = "docs/examples/circleci.yml";
const ITS_JOBS: &str = "docs/examples/chatops.toml";

#[test]
fn the_example_goes_with_both_configurations() {
    let ci = parse(&read(EXAMPLE));
    assert!((ci.version - 2.1).abs() < f64::EPSILON && !ci.setup);
    assert!(differences(&jobs_of_web(ITS_JOBS), &ci).is_empty());
    // The example of every key has some of the jobs.
    let mut wrong = differences(&jobs_of_web("config/chatops.toml"), &ci);
    wrong.retain(|one| !one.ends_with("which is no job"));
    assert_eq!(wrong, Vec::<String>::new());
    // Pushes run something, and something waits for an approval.
    let mut workflows = ci.workflows.values();
    assert!(workflows.any(|workflow| workflow.runs_for().unwrap().contains("")));
    let mut workflows = ci.workflows.values();
    assert!(workflows.any(|workflow| workflow.steps().iter().any(Step::is_approval)));
}

#[test]
fn a_setup_declares_what_the_continuation_does_and_passes_nothing_on() {
    let (ci, setup) = (
        parse(&read(EXAMPLE)),
        parse(&read("docs/examples/circleci-setup.yml")),
    );
    assert!(setup.setup);
    assert_eq!(setup.parameters, ci.parameters);
    let continued = &setup.jobs["continue"]["steps"][1]["continuation/continue"];
    assert_eq!(continued["configuration_path"], ".circleci/continue.yml");
    assert!(continued["parameters"].is_null());
    for workflow in setup.workflows.values() {
        for step in workflow.steps() {
            assert!(step.options["filters"]["tags"].is_object());
        }
    }
}

#[test]
fn mistakes_in_the_example_are_seen() {
    let jobs = jobs_of_web(ITS_JOBS);
    let example = read(EXAMPLE);
    let after = |right: &str, wrong: &str| {
        assert!(example.contains(right), "{right}");
        differences(&jobs, &parse(&example.replacen(right, wrong, 1)))
    };
    let guard = "    when: { equal: [deploy, << pipeline.parameters.job >>] }\n";
    let deploy_id = "  deploy_id: { type: string, default: \"\" }\n";
    for (right, wrong, says) in [
        (guard, "", "workflow deploy is not guarded"),
        (deploy_id, "", "deploy_id of deploy is not declared"),
        (
            "  notify: {",
            "  tell: {",
            "notify of deploy is not declared",
        ),
        (
            "  version: {",
            "  v: {",
            "version of deploy is not declared",
        ),
        (
            "name: deploy-prod",
            "name: ship",
            "deploy must run deploy-prod",
        ),
        (
            "equal: [release,",
            "equal: [relase,",
            "runs for relase, which is no job",
        ),
        (
            "equal: [release,",
            "equal: [deploy,",
            "the workflow of release does not run for it",
        ),
        (
            "  release:\n",
            "  ship:\n",
            "release has no workflow [\"release\"]",
        ),
        (
            "requires: [approve]",
            "requires: [hold]",
            "migrate requires \"hold\"",
        ),
        (
            "          filters: { tags: { only: /^v.*/ } }\n",
            "",
            "test of release runs on no tag",
        ),
        ("- deploy:\n", "- ship:\n", "deploy has no job ship"),
        (
            "job: { type: string, default: \"\" }",
            "job: { type: string, default: deploy }",
            "a push is taken",
        ),
    ] {
        let found = after(right, wrong);
        assert!(
            found.iter().any(|one| one.contains(says)),
            "{says}: {found:?}"
        );
    }
}
