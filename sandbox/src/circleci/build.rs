//! API v1.1 without HTTP: one job as a build of its own, outside every workflow.
//!
//! A build follows the first workflow of a script, in the words that builds have.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::model::{Model, Refusal, Registered};
use super::pipeline::{repository, revision};
use super::project::{canonical, long};
use super::script::{Script, elapsed, moment};

/// Builds in a listing that names no limit, and the most there can be.
const LISTED: usize = 30;
const MOST_LISTED: usize = 100;

/// The variable that names the job, and the job where it is missing.
const JOB: &str = "CIRCLE_JOB";
const DEFAULT_JOB: &str = "build";

/// What GitHub says of a branch that it does not have; CircleCI passes it on as its own message.
const NO_BRANCH: &str = r#"{"message":"Branch not found","documentation_url":"https://docs.github.com/rest/branches/branches#get-a-branch","status":"404"}"#;

/// A build that was started, as it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Build {
    /// Its number in its project.
    pub number: u64,
    /// The project's slug.
    pub slug: String,
    /// The branch that is built.
    pub branch: String,
    /// The build parameters, with the job among them.
    pub parameters: BTreeMap<String, Value>,
    /// When it was started.
    pub created_at: DateTime<Utc>,
    /// Why it never runs.
    held_back: Option<&'static str>,
    script: Script,
    canceled_at: Option<DateTime<Utc>>,
}

/// Where a build stands.
struct Stage<'a> {
    lifecycle: &'static str,
    status: &'a str,
    outcome: Option<&'a str>,
    dont_build: Option<&'static str>,
    started_at: Option<DateTime<Utc>>,
    stopped_at: Option<DateTime<Utc>>,
}

impl Build {
    fn stage(&self, now: DateTime<Utc>) -> Stage<'_> {
        let stage = |lifecycle, status, outcome| Stage {
            lifecycle,
            status,
            outcome,
            dont_build: None,
            started_at: None,
            stopped_at: None,
        };
        let never = |why| Stage {
            dont_build: why,
            ..stage("not_run", "not_run", None)
        };
        if let Some(at) = self.canceled_at.filter(|at| *at <= now) {
            return Stage {
                stopped_at: Some(at),
                ..stage("finished", "canceled", Some("canceled"))
            };
        }
        if self.held_back.is_some() {
            return never(self.held_back);
        }
        let Some(life) = self.script.workflows.first() else {
            // A configuration that cannot be used fails the build; a condition leaves it unbuilt.
            return if self.script.errors.is_empty() {
                never(None)
            } else {
                stage("finished", "failed", Some("failed"))
            };
        };
        let passed = elapsed(self.created_at, now).unwrap_or_default();
        if passed < life.starts_after {
            return stage("queued", "queued", None);
        }
        let (since, word) = match life.step(passed) {
            Some((since, word)) => (*since, word.as_str()),
            None => (life.starts_after, "running"),
        };
        let started_at = Some(moment(self.created_at, life.starts_after));
        let ended = |status, outcome| Stage {
            started_at,
            stopped_at: Some(moment(self.created_at, since)),
            ..stage("finished", status, Some(outcome))
        };
        match word {
            "queued" => stage("not_running", "not_running", None),
            "not_run" => never(Some("user-request")),
            // The first success after a failure.
            "fixed" => ended("fixed", "success"),
            "error" | "unauthorized" => ended("failed", "failed"),
            "success" | "failed" | "timedout" | "infrastructure_fail" | "no_tests" | "canceled" => {
                ended(word, word)
            }
            _ => Stage {
                started_at,
                ..stage("running", "running", None)
            },
        }
    }

    fn is_listed(&self, now: DateTime<Utc>) -> bool {
        elapsed(self.created_at, now).is_some_and(|passed| passed >= self.script.listed_after)
    }

    /// The summary that every call of API v1.1 answers with.
    fn view(&self, now: DateTime<Utc>, previous: Option<&Build>) -> Map<String, Value> {
        let stage = self.stage(now);
        let (org, repo) = self
            .slug
            .split_once('/')
            .and_then(|(_, path)| path.split_once('/'))
            .unwrap_or_default();
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let view = json!({
            "build_num": self.number,
            "build_url": format!("https://circleci.com/{}/{}", self.slug, self.number),
            "status": stage.status,
            "lifecycle": stage.lifecycle,
            "outcome": stage.outcome,
            "dont_build": stage.dont_build,
            "why": "api",
            "branch": self.branch,
            "vcs_revision": revision(&self.slug, &self.branch),
            "vcs_url": repository(&self.slug),
            "username": org,
            "reponame": repo,
            "build_parameters": self.parameters,
            "usage_queued_at": time(self.created_at),
            "queued_at": time(self.created_at),
            "start_time": stage.started_at.map(time),
            "stop_time": stage.stopped_at.map(time),
            "user": {"is_user": true, "login": "deployer", "name": "Deployer"},
            "previous": previous.map(|build| json!({
                "build_num": build.number,
                "status": build.stage(now).status,
            })),
            "platform": "2.0",
            "job_name": null,
        });
        match view {
            Value::Object(view) => view,
            _ => Map::new(),
        }
    }
}

impl Registered {
    fn summary(&self, now: DateTime<Utc>, place: usize) -> Map<String, Value> {
        let build = &self.builds[place];
        let previous = self.builds[..place]
            .iter()
            .rfind(|earlier| earlier.branch == build.branch);
        build.view(now, previous)
    }

    fn place(&self, number: u64) -> Result<usize, Refusal> {
        number
            .checked_sub(self.project.first_build)
            .and_then(|place| usize::try_from(place).ok())
            .filter(|place| *place < self.builds.len())
            .ok_or_else(|| Refusal::new(404, "Build not found"))
    }
}

impl Model {
    /// Starts one job as a build. Two equal calls start two.
    pub fn start_build(
        &mut self,
        now: DateTime<Utc>,
        token: Option<&str>,
        slug: &str,
        branch: &str,
        mut parameters: BTreeMap<String, Value>,
    ) -> Result<Map<String, Value>, Refusal> {
        self.authorise(token)?;
        let not_found = || Refusal::new(404, "Project not found");
        let project = self
            .permitted(token, slug)
            .filter(|project| !project.is_standalone())
            .ok_or_else(not_found)?;
        if !project.has_branch(branch) {
            return Err(Refusal::new(404, NO_BRANCH));
        }
        let is_skipped = project.ci_skip.iter().any(|skipped| skipped == branch);
        parameters
            .entry(JOB.to_owned())
            .or_insert_with(|| DEFAULT_JOB.into());
        let script = self.next_script(parameters.values());
        let known = self.registered_mut(slug).ok_or_else(not_found)?;
        let place = known.builds.len();
        known.builds.push(Build {
            number: known.project.first_build + place as u64,
            slug: canonical(slug),
            branch: branch.to_owned(),
            parameters,
            created_at: now,
            held_back: is_skipped.then_some("ci-skip"),
            script,
            canceled_at: None,
        });
        Ok(known.summary(now, place))
    }

    /// One build.
    pub fn build(
        &self,
        now: DateTime<Utc>,
        slug: &str,
        number: u64,
    ) -> Result<Map<String, Value>, Refusal> {
        let known = self.builds_of(slug)?;
        Ok(known.summary(now, known.place(number)?))
    }

    /// A project's recent builds, newest first, of one branch or of all.
    pub fn recent_builds(
        &self,
        now: DateTime<Utc>,
        slug: &str,
        branch: Option<&str>,
        limit: Option<usize>,
        offset: Option<usize>,
    ) -> Result<Vec<Map<String, Value>>, Refusal> {
        let known = self.builds_of(slug)?;
        let shown = (0..known.builds.len())
            .rev()
            .filter(|place| {
                let build = &known.builds[*place];
                build.is_listed(now) && branch.is_none_or(|branch| build.branch == branch)
            })
            .skip(offset.unwrap_or(0))
            .take(limit.unwrap_or(LISTED).min(MOST_LISTED));
        Ok(shown
            .map(|place| {
                let mut view = known.summary(now, place);
                if !known.project.lists_build_parameters {
                    view.remove("build_parameters");
                }
                view
            })
            .collect())
    }

    /// Cancels a build. A finished one stays as it is.
    pub fn cancel_build(
        &mut self,
        now: DateTime<Utc>,
        slug: &str,
        number: u64,
    ) -> Result<Map<String, Value>, Refusal> {
        let place = self.builds_of(slug)?.place(number)?;
        let not_found = || Refusal::new(404, "Project not found");
        let known = self.registered_mut(slug).ok_or_else(not_found)?;
        let build = &mut known.builds[place];
        if !matches!(build.stage(now).lifecycle, "finished" | "not_run") {
            build.canceled_at = Some(now);
        }
        Ok(known.summary(now, place))
    }

    /// Every build of every project, each project's oldest first.
    pub fn builds(&self) -> impl Iterator<Item = &Build> {
        self.projects().flat_map(|known| known.builds.iter())
    }

    fn builds_of(&self, slug: &str) -> Result<&Registered, Refusal> {
        self.registered(slug)
            .ok_or_else(|| Refusal::new(404, "Project not found"))
    }
}

/// Where API v1.1 finds a build.
pub(super) fn location(slug: &str, number: u64) -> String {
    format!("/api/v1.1/project/{}/{number}", long(&canonical(slug)))
}
