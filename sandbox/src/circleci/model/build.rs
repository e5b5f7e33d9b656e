//! API v1.1 without HTTP: one job as a build of its own, outside every workflow.
//!
//! A build follows the first workflow of a script, with the statuses of builds.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::script::{RunScript, elapsed_since, time_after};
use super::project::{long_slug, short_slug};
use super::{ApiError, ApiResult, CircleCiModel, RegisteredProject};
use crate::server::Time;

/// Builds in a listing without a limit, and the maximum.
const DEFAULT_LIMIT: usize = 30;
const MAX_LIMIT: usize = 100;

/// A build as API v1.1 shows it.
pub(super) type BuildView = Map<String, Value>;

/// The variable that names the job, and the job where it is missing.
pub(super) const JOB_VARIABLE: &str = "CIRCLE_JOB";
const DEFAULT_JOB: &str = "build";

/// GitHub's error for an unknown branch, which CircleCI's message repeats.
const BRANCH_NOT_FOUND: &str = r#"{"message":"Branch not found","documentation_url":"https://docs.github.com/rest/branches/branches#get-a-branch","status":"404"}"#;

/// A build as it was requested, or as CircleCI repeats it.
#[derive(Debug, Clone, PartialEq)]
pub struct FakeBuild {
    /// Its number in its project.
    pub number: u64,
    /// The project's slug.
    pub slug: String,
    /// The branch that is built.
    pub branch: String,
    /// The commit that is built.
    pub revision: String,
    /// The build parameters, with the job among them.
    pub parameters: BTreeMap<String, Value>,
    /// When it was started.
    pub created_at: Time,
    /// The build that it replaces.
    pub retry_of: Option<u64>,
    /// Why it never runs.
    pub(super) skip_reason: Option<String>,
    pub(super) script: RunScript,
    /// Which workflow of the script it follows, and the moment from which its times count.
    pub(super) part: usize,
    pub(super) origin: Time,
    pub(super) canceled_at: Option<Time>,
}

/// The state of a build.
#[derive(Default)]
pub(super) struct BuildSnapshot<'a> {
    pub(super) lifecycle: &'static str,
    pub(super) status: &'a str,
    pub(super) outcome: Option<&'a str>,
    pub(super) dont_build: Option<&'a str>,
    pub(super) started_at: Option<Time>,
    pub(super) stopped_at: Option<Time>,
}

impl FakeBuild {
    pub(super) fn snapshot_at(&self, now: Time) -> BuildSnapshot<'_> {
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
        let life = self.script.workflows.get(self.part);
        let passed = elapsed_since(self.origin, now).unwrap_or_default();
        let started_at = life
            .filter(|life| passed >= life.starts_after && self.skip_reason.is_none())
            .map(|life| time_after(self.origin, life.starts_after));
        if let Some(at) = self.canceled_at.filter(|at| *at <= now) {
            return BuildSnapshot {
                started_at: started_at.filter(|start| *start <= at),
                stopped_at: Some(at),
                ..snapshot("finished", "canceled", Some("canceled"))
            };
        }
        let reason = self.skip_reason.as_deref();
        if let Some(reason) = reason.or(self.script.build.dont_build.as_deref()) {
            return BuildSnapshot {
                // Recorded on retries of builds that the platform cannot run any more.
                lifecycle: if reason == "1.0-not-available" {
                    "scheduled"
                } else {
                    "not_run"
                },
                ..never(Some(reason))
            };
        }
        let Some(life) = life else {
            // An invalid configuration fails the build; a condition skips it.
            return if self.script.errors.is_empty() {
                never(None)
            } else {
                BuildSnapshot {
                    stopped_at: Some(self.created_at),
                    ..snapshot("finished", "failed", Some("failed"))
                }
            };
        };
        if started_at.is_none() {
            return snapshot("queued", "queued", None);
        }
        let step = life.step_at(passed);
        let (since, status) = step.map_or((life.starts_after, "running"), |(at, status)| {
            (*at, status.as_str())
        });
        let ended = |status, outcome| {
            let changed = self.script.build.outcome.as_deref();
            BuildSnapshot {
                started_at,
                stopped_at: Some(time_after(self.origin, since)),
                ..snapshot(
                    "finished",
                    changed.unwrap_or(status),
                    Some(changed.unwrap_or(outcome)),
                )
            }
        };
        match status {
            "queued" => snapshot("not_running", "not_running", None),
            "not_run" => never(Some("user-request")),
            // The first success after a failure.
            "fixed" => ended("fixed", "success"),
            // Given up for trouble of CircleCI's own; `retries` names the build that replaces it.
            "retried" => ended("retried", "infrastructure_fail"),
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

    /// Whether its state cannot change.
    pub(super) fn has_ended(&self, now: Time) -> bool {
        let snapshot = self.snapshot_at(now);
        snapshot.dont_build.is_some() || matches!(snapshot.lifecycle, "finished" | "not_run")
    }

    fn is_listed(&self, now: Time) -> bool {
        elapsed_since(self.created_at, now).is_some_and(|passed| passed >= self.script.listed_after)
    }

    /// The build that CircleCI starts in its place, if its script has one.
    fn retry(&self) -> Option<Self> {
        let life = self.script.workflows.get(self.part)?;
        let again = self.script.workflows.get(self.part + 1)?;
        let is_retried = life.steps.iter().any(|(_, status)| status == "retried");
        is_retried.then(|| Self {
            number: self.number + 1,
            created_at: time_after(self.origin, again.starts_after),
            retry_of: Some(self.number),
            part: self.part + 1,
            ..self.clone()
        })
    }
}

impl RegisteredProject {
    /// Whether the build exists, or will: what was canceled is not retried.
    pub(super) fn is_created(&self, build: &FakeBuild) -> bool {
        let original = build.retry_of.and_then(|number| self.place_of(number));
        original.is_none_or(|place| {
            let original = &self.builds[place];
            let is_canceled = original.canceled_at.is_some_and(|at| at < build.created_at);
            !is_canceled && self.is_created(original)
        })
    }

    /// The build that replaces this one, now or later.
    pub(super) fn retry_of(&self, build: &FakeBuild) -> Option<&FakeBuild> {
        let place = self.place_of(build.number + 1)?;
        let next = &self.builds[place];
        (next.retry_of == Some(build.number) && self.is_created(next)).then_some(next)
    }

    fn place_of(&self, number: u64) -> Option<usize> {
        number
            .checked_sub(self.project.first_build)
            .and_then(|place| usize::try_from(place).ok())
            .filter(|place| *place < self.builds.len())
    }

    fn build_summary(&self, now: Time, place: usize) -> BuildView {
        let build = &self.builds[place];
        let previous = self.builds[..place]
            .iter()
            .rfind(|earlier| earlier.branch == build.branch);
        let retry = self.retry_of(build);
        let retry = retry.filter(|retry| retry.created_at <= now);
        build.summary_at(now, previous, retry)
    }

    fn find_build(&self, now: Time, number: u64) -> ApiResult<usize> {
        let exists = |place: &usize| {
            let build = &self.builds[*place];
            build.created_at <= now && self.is_created(build)
        };
        self.place_of(number)
            .filter(exists)
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
        let slug = short_slug(slug);
        let revision = self.revision(&slug, branch);
        let known = self.project_mut(&slug)?;
        let place = known.builds.len();
        let mut build = FakeBuild {
            number: known.project.first_build + place as u64,
            slug,
            branch: branch.to_owned(),
            revision,
            parameters,
            created_at: now,
            retry_of: None,
            skip_reason: is_skipped.then(|| "ci-skip".to_owned()),
            script,
            part: 0,
            origin: now,
            canceled_at: None,
        };
        // The numbers of the retries are taken at once, since ends are computed, not awaited.
        while let Some(retry) = build.retry() {
            known.builds.push(std::mem::replace(&mut build, retry));
        }
        known.builds.push(build);
        Ok(known.build_summary(now, place))
    }

    /// One build.
    pub fn get_build(&self, now: Time, slug: &str, number: u64) -> ApiResult<BuildView> {
        let known = self.registered_project(slug)?;
        let place = known.find_build(now, number)?;
        let summary = known.build_summary(now, place);
        Ok(known.builds[place].with_details(now, summary))
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
            build.is_listed(now)
                && known.is_created(build)
                && branch.is_none_or(|branch| build.branch == branch)
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
        let place = self.registered_project(slug)?.find_build(now, number)?;
        let known = self.project_mut(slug)?;
        let build = &mut known.builds[place];
        if !build.has_ended(now) {
            build.canceled_at = Some(now);
        }
        Ok(known.build_summary(now, place))
    }

    /// Every build of every project, each project's oldest first, with the retries to come.
    pub fn builds(&self) -> impl Iterator<Item = &FakeBuild> {
        self.projects().flat_map(|known| known.builds.iter())
    }
}

/// The path of a build.
pub(crate) fn build_location(slug: &str, number: u64) -> String {
    let slug = long_slug(&short_slug(slug));
    format!("/api/v1.1/project/{slug}/{number}")
}
