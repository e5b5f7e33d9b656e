//! Configurations for tests: by default of one workspace, `T0001`, and with nothing in it.

use std::fmt::Write;

use chatops_core::config::Config;

/// A configuration as text.
#[derive(Debug, Clone)]
pub struct TestConfig {
    teams: Vec<String>,
    slack: Option<String>,
    circleci: Option<String>,
    timeouts: String,
    projects: String,
    default_project: Option<String>,
}

impl TestConfig {
    /// Nothing but the workspace.
    #[must_use]
    pub fn new() -> Self {
        Self {
            teams: vec!["T0001".to_owned()],
            slack: None,
            circleci: None,
            timeouts: String::new(),
            projects: String::new(),
            default_project: None,
        }
    }

    /// Of another workspace.
    #[must_use]
    pub fn team(self, team: &str) -> Self {
        self.teams(&[team])
    }

    /// Of these workspaces.
    #[must_use]
    pub fn teams(mut self, teams: &[&str]) -> Self {
        self.teams = teams.iter().map(|team| (*team).to_owned()).collect();
        self
    }

    /// All of Slack is at this origin.
    #[must_use]
    pub fn slack(mut self, origin: &str) -> Self {
        self.slack = Some(origin.to_owned());
        self
    }

    /// CircleCI is at this origin.
    #[must_use]
    pub fn circleci(mut self, origin: &str) -> Self {
        self.circleci = Some(origin.to_owned());
        self
    }

    /// These lines of `[timeouts]`.
    #[must_use]
    pub fn timeouts(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.timeouts);
        self
    }

    /// A project of the organisation `gh/acme`, with its jobs; the first one is the default project.
    #[must_use]
    pub fn project(self, name: &str, jobs: &[TestJob]) -> Self {
        self.project_with(name, "", jobs)
    }

    /// The same, with this line of the project's own.
    #[must_use]
    pub fn project_with(mut self, name: &str, line: &str, jobs: &[TestJob]) -> Self {
        self.default_project.get_or_insert_with(|| name.to_owned());
        let _ = writeln!(
            self.projects,
            "[projects.{name}]\nslug = \"gh/acme/{name}\"\n{line}"
        );
        for job in jobs {
            let _ = writeln!(self.projects, "[projects.{name}.jobs.{}]", job.name);
            if let Some(name) = job.workflow_to_write() {
                let _ = writeln!(self.projects, "workflow = {name:?}");
            }
            self.projects.push_str(&job.lines);
        }
        self
    }

    /// Without a default project.
    #[must_use]
    pub fn without_default(mut self) -> Self {
        self.default_project = None;
        self
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = "version = 1\n".to_owned();
        if let Some(name) = &self.default_project {
            let _ = writeln!(text, "default_project = {name:?}");
        }
        let _ = writeln!(text, "[slack]\nteams = {:?}", self.teams);
        if let Some(origin) = &self.slack {
            let _ = writeln!(
                text,
                "response_url_origins = [{origin:?}]\napi = {origin:?}"
            );
        }
        if let Some(origin) = &self.circleci {
            let _ = writeln!(text, "[circleci]\napi = {origin:?}");
        }
        let _ = writeln!(text, "[timeouts]\n{}", self.timeouts);
        text + &self.projects
    }

    /// The configuration.
    #[must_use]
    pub fn parse(&self) -> Config {
        Config::parse(&self.text(), "chatops.toml").unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Default for TestConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// The workflow that the sandbox's pipelines have.
const SANDBOX_WORKFLOW: &str = "deploy";

/// A job: at first for everybody, everywhere, on every branch, and with the workflow of the sandbox's
/// pipelines.
#[derive(Debug, Clone)]
pub struct TestJob {
    name: String,
    workflow: Option<String>,
    lines: String,
}

impl TestJob {
    /// For everybody, everywhere, on every branch.
    #[must_use]
    pub fn open(name: &str) -> Self {
        Self::limited(name, &["**"], &["*"], &["*"])
    }

    /// For these users, from these channels, on these branches.
    #[must_use]
    pub fn limited(name: &str, branches: &[&str], channels: &[&str], users: &[&str]) -> Self {
        let lines =
            format!("branches = {branches:?}\nchannels = {channels:?}\nusers = {users:?}\n");
        Self {
            name: name.to_owned(),
            workflow: None,
            lines,
        }
    }

    /// Another workflow decides, or with `*` all of them.
    #[must_use]
    pub fn workflow(mut self, name: &str) -> Self {
        self.workflow = Some(name.to_owned());
        self
    }

    /// With this line, too.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        self.lines.push_str(line);
        self.lines.push('\n');
        self
    }

    /// The workflow, unless the default is the right one, a line says it, or there is none: a single
    /// build is outside workflows.
    fn workflow_to_write(&self) -> Option<&str> {
        let says = |line: &str| {
            let (key, value) = line.split_once('=').unwrap_or_default();
            let key = key.trim();
            key == "workflow" || (key == "trigger" && value.trim() == "\"job\"")
        };
        let usual = || {
            let differs = self.name != SANDBOX_WORKFLOW && !self.lines.lines().any(says);
            differs.then_some(SANDBOX_WORKFLOW)
        };
        self.workflow.as_deref().or_else(usual)
    }
}

#[cfg(test)]
mod tests {
    use chatops_core::config::{JobConfig, TriggerCall, WorkflowSelector};

    use super::*;

    fn parse(job: TestJob) -> JobConfig {
        let mut config = TestConfig::new().project("web", &[job]).parse();
        let mut project = config.projects.pop_first().unwrap().1;
        project.jobs.pop_first().unwrap().1
    }

    #[test]
    fn every_job_has_the_workflow_of_the_sandbox_unless_the_test_says_otherwise() {
        let named = |name: &str| WorkflowSelector::Named(vec![name.to_owned()]);
        let open = TestJob::open;
        for (job, expected) in [
            (open("deploy"), named("deploy")),
            (open("test"), named("deploy")),
            (open("test").with("exclusive = false"), named("deploy")),
            (open("test").workflow("test"), named("test")),
            (open("deploy").workflow("*"), WorkflowSelector::ALL),
            (open("test").with("workflow = [\"ship\"]"), named("ship")),
            (
                open("test").with("trigger = \"job\""),
                WorkflowSelector::ALL,
            ),
            (open("test").with("trigger = \"pipeline\""), named("deploy")),
        ] {
            assert_eq!(parse(job.clone()).workflow, expected, "{job:?}");
        }
    }

    #[test]
    fn a_job_is_started_by_the_default_call() {
        let call = parse(TestJob::open("test")).trigger.call;
        assert_eq!(call, TriggerCall::PipelineRun { definition: None });
    }
}
