//! API v1.1 without HTTP: one job as a build of its own, outside every workflow.
//!
//! A build follows the first workflow of a script, with the statuses of builds.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::script::{RunScript, elapsed_since, time_after};
use super::pipeline::{branch_revision, repository_url};
use super::project::{long_slug, org_and_repo, short_slug};
use super::webhook::format_time;
use super::{ApiError, ApiResult, CircleCiModel, RegisteredProject};
use crate::server::Time;

/// Builds in a listing without a limit, and the maximum.
const DEFAULT_LIMIT: usize = 30;
const MAX_LIMIT: usize = 100;

/// A build as API v1.1 shows it.
type BuildView = Map<String, Value>;

/// The variable that names the job, and the job where it is missing.
const JOB_VARIABLE: &str = "CIRCLE_JOB";
const DEFAULT_JOB: &str = "build";

/// GitHub's error for an unknown branch, which CircleCI's message repeats.
const BRANCH_NOT_FOUND: &str = r#"{"message":"Branch not found","documentation_url":"https://docs.github.com/rest/branches/branches#get-a-branch","status":"404"}"#;

/// A build as it was requested.
#[derive(Debug, Clone, PartialEq)]
pub struct FakeBuild {
    /// Its number in its project.
    pub number: u64,
    /// The project's slug.
    pub slug: String,
    /// The branch that is built.
    pub branch: String,
    /// The build parameters, with the job among them.
    pub parameters: BTreeMap<String, Value>,
    /// When it was started.
    pub created_at: Time,
    /// Why it never runs.
    skip_reason: Option<&'static str>,
    script: RunScript,
    canceled_at: Option<Time>,
}

/// The state of a build.
#[derive(Default)]
struct BuildSnapshot<'a> {
    lifecycle: &'static str,
    status: &'a str,
    outcome: Option<&'a str>,
    dont_build: Option<&'static str>,
    started_at: Option<Time>,
    stopped_at: Option<Time>,
}

impl FakeBuild {
    fn snapshot_at(&self, now: Time) -> BuildSnapshot<'_> {
        let snapshot = |lifecycle, status, outcome| BuildSnapshot {
            lifecycle,
            status,
            outcome,
            ..BuildSnapshot::default()
        };
        let never = |why| BuildSnapshot {
            dont_build: why,
            ..snapshot("not_run", "not_run", None)
        };
        if let Some(at) = self.canceled_at.filter(|at| *at <= now) {
            return BuildSnapshot {
                stopped_at: Some(at),
                ..snapshot("finished", "canceled", Some("canceled"))
            };
        }
        if self.skip_reason.is_some() {
            return never(self.skip_reason);
        }
        let Some(life) = self.script.workflows.first() else {
            // An invalid configuration fails the build; a condition skips it.
            return if self.script.errors.is_empty() {
                never(None)
            } else {
                snapshot("finished", "failed", Some("failed"))
            };
        };
        let passed = elapsed_since(self.created_at, now).unwrap_or_default();
        if passed < life.starts_after {
            return snapshot("queued", "queued", None);
        }
        let step = life.step_at(passed);
        let (since, status) =
            step.map_or((life.starts_after, "running"), |(at, status)| (*at, status));
        let started_at = Some(time_after(self.created_at, life.starts_after));
        let stopped_at = Some(time_after(self.created_at, since));
        let ended = |status, outcome| BuildSnapshot {
            started_at,
            stopped_at,
            ..snapshot("finished", status, Some(outcome))
        };
        match status {
            "queued" => snapshot("not_running", "not_running", None),
            "not_run" => never(Some("user-request")),
            // The first success after a failure.
            "fixed" => ended("fixed", "success"),
            "error" | "unauthorized" => ended("failed", "failed"),
            "success" | "failed" | "timedout" | "infrastructure_fail" | "no_tests" | "canceled" => {
                ended(status, status)
            }
            _ => BuildSnapshot {
                started_at,
                ..snapshot("running", "running", None)
            },
        }
    }

    fn is_listed(&self, now: Time) -> bool {
        elapsed_since(self.created_at, now).is_some_and(|passed| passed >= self.script.listed_after)
    }

    /// The response of every call of API v1.1.
    fn summary_at(&self, now: Time, previous: Option<&FakeBuild>) -> BuildView {
        let snapshot = self.snapshot_at(now);
        let (org, repo) = org_and_repo(&self.slug);
        let view = json!({
            "build_num": self.number,
            "build_url": format!("https://circleci.com/{}/{}", self.slug, self.number),
            "status": snapshot.status,
            "lifecycle": snapshot.lifecycle,
            "outcome": snapshot.outcome,
            "dont_build": snapshot.dont_build,
            "why": "api",
            "branch": self.branch,
            "vcs_revision": branch_revision(&self.slug, &self.branch),
            "vcs_url": repository_url(&self.slug),
            "username": org,
            "reponame": repo,
            "build_parameters": self.parameters,
            "usage_queued_at": format_time(self.created_at),
            "queued_at": format_time(self.created_at),
            "start_time": snapshot.started_at.map(format_time),
            "stop_time": snapshot.stopped_at.map(format_time),
            "user": {"is_user": true, "login": "deployer", "name": "Deployer"},
            "previous": previous.map(|build| json!({
                "build_num": build.number,
                "status": build.snapshot_at(now).status,
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

impl RegisteredProject {
    fn build_summary(&self, now: Time, place: usize) -> BuildView {
        let build = &self.builds[place];
        let previous = self.builds[..place]
            .iter()
            .rfind(|earlier| earlier.branch == build.branch);
        build.summary_at(now, previous)
    }

    fn find_build(&self, number: u64) -> ApiResult<usize> {
        number
            .checked_sub(self.project.first_build)
            .and_then(|place| usize::try_from(place).ok())
            .filter(|place| *place < self.builds.len())
            .ok_or_else(|| ApiError::new(404, "Build not found"))
    }
}

impl CircleCiModel {
    /// Starts one job as a build. Two equal calls start two.
    pub fn start_build(
        &mut self,
        now: Time,
        token: Option<&str>,
        slug: &str,
        branch: &str,
        mut parameters: BTreeMap<String, Value>,
    ) -> ApiResult<BuildView> {
        let project = self.triggerable_project(token, slug)?;
        if !project.has_branch(branch) {
            return Err(ApiError::new(404, BRANCH_NOT_FOUND));
        }
        let is_branch = |skipped: &String| skipped == branch;
        let is_skipped = project.ci_skip_branches.iter().any(is_branch);
        let job = parameters.entry(JOB_VARIABLE.to_owned());
        job.or_insert_with(|| DEFAULT_JOB.into());
        let script = self.next_script(parameters.values());
        let known = self.project_mut(slug)?;
        let place = known.builds.len();
        known.builds.push(FakeBuild {
            number: known.project.first_build + place as u64,
            slug: short_slug(slug),
            branch: branch.to_owned(),
            parameters,
            created_at: now,
            skip_reason: is_skipped.then_some("ci-skip"),
            script,
            canceled_at: None,
        });
        Ok(known.build_summary(now, place))
    }

    /// One build.
    pub fn get_build(&self, now: Time, slug: &str, number: u64) -> ApiResult<BuildView> {
        let known = self.registered_project(slug)?;
        Ok(known.build_summary(now, known.find_build(number)?))
    }

    /// A project's recent builds, newest first, of one branch or of all.
    pub fn recent_builds(
        &self,
        now: Time,
        slug: &str,
        branch: Option<&str>,
        limit: Option<usize>,
        offset: Option<usize>,
    ) -> ApiResult<Vec<BuildView>> {
        let known = self.registered_project(slug)?;
        let is_shown = |place: &usize| {
            let build = &known.builds[*place];
            build.is_listed(now) && branch.is_none_or(|branch| build.branch == branch)
        };
        let view = |place| {
            let mut view = known.build_summary(now, place);
            if !known.project.lists_build_parameters {
                view.remove("build_parameters");
            }
            view
        };
        let shown = (0..known.builds.len()).rev().filter(is_shown);
        let limit = limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
        let page = shown.skip(offset.unwrap_or(0)).take(limit);
        Ok(page.map(view).collect())
    }

    /// Cancels a build. One that ended stays as it is.
    pub fn cancel_build(&mut self, now: Time, slug: &str, number: u64) -> ApiResult<BuildView> {
        let place = self.registered_project(slug)?.find_build(number)?;
        let known = self.project_mut(slug)?;
        let build = &mut known.builds[place];
        if !matches!(build.snapshot_at(now).lifecycle, "finished" | "not_run") {
            build.canceled_at = Some(now);
        }
        Ok(known.build_summary(now, place))
    }

    /// Every build of every project, each project's oldest first.
    pub fn builds(&self) -> impl Iterator<Item = &FakeBuild> {
        self.projects().flat_map(|known| known.builds.iter())
    }
}

/// The path of a build.
pub(crate) fn build_location(slug: &str, number: u64) -> String {
    let slug = long_slug(&short_slug(slug));
    format!("/api/v1.1/project/{slug}/{number}")
}
