//! A build as API v1.1 shows it, and what is true of it.

use serde_json::{Map, Value, json};

use super::super::truth::BuildTruth;
use super::CircleCiModel;
use super::build::{BuildView, FakeBuild, JOB_VARIABLE};
use super::pipeline::{commit_subject, repository_url};
use super::project::{derived_uuid, long_slug, org_and_repo};
use super::view::format_time;
use crate::server::Time;

/// What one step's action adds to the answer, about.
const ACTION_BYTES: usize = 1_000;

impl FakeBuild {
    /// The job that it runs.
    fn job(&self) -> &str {
        let job = self.parameters.get(JOB_VARIABLE);
        job.and_then(Value::as_str).unwrap_or_default()
    }

    /// The response of every call of API v1.1.
    pub(super) fn summary_at(
        &self,
        now: Time,
        previous: Option<&FakeBuild>,
        retry: Option<&FakeBuild>,
    ) -> BuildView {
        let snapshot = self.snapshot_at(now);
        let is = |outcome: &str| snapshot.outcome == Some(outcome);
        let (org, repo) = org_and_repo(&self.slug);
        let long_slug = long_slug(&self.slug);
        let previous = previous.map(|build| {
            json!({
                "build_num": build.number,
                "status": build.snapshot_at(now).status,
                "build_time_millis": build.run_time(now).unwrap_or(0),
            })
        });
        let view = json!({
            "build_num": self.number,
            "build_url": format!("https://circleci.com/{}/{}", self.slug, self.number),
            "status": snapshot.status,
            "lifecycle": snapshot.lifecycle,
            "outcome": snapshot.outcome,
            "dont_build": snapshot.dont_build,
            "why": if self.retry_of.is_some() { "auto-retry" } else { "api" },
            "branch": self.branch,
            "vcs_revision": self.revision,
            "vcs_url": repository_url(&self.slug),
            "vcs_type": long_slug.split('/').next(),
            "username": org,
            "reponame": repo,
            "subject": commit_subject(&self.revision),
            "body": "x".repeat(self.script.build.summary_bytes),
            "build_parameters": self.parameters,
            "start_time": snapshot.started_at.map(format_time),
            "stop_time": snapshot.stopped_at.map(format_time),
            "build_time_millis": self.run_time(now),
            "user": {"is_user": true, "login": "deployer", "name": "Deployer"},
            "previous": previous,
            "retries": retry.map(|retry| [retry.number]),
            "retry_of": self.retry_of,
            "canceled": is("canceled"),
            "failed": is("failed").then_some(true),
            "fail_reason": null,
            "infrastructure_fail": is("infrastructure_fail"),
            "timedout": is("timedout"),
            "is_first_green_build": false,
            "no_dependency_cache": false,
            "node": null,
            "parallel": 1,
            "platform": "2.0",
            "job_name": null,
        });
        let mut view = match view {
            Value::Object(view) => view,
            _ => Map::new(),
        };
        // A build that never runs was never in a queue.
        if snapshot.dont_build.is_none() && snapshot.lifecycle != "not_run" {
            for name in ["usage_queued_at", "queued_at"] {
                view.insert(name.to_owned(), format_time(self.created_at).into());
            }
        }
        if self.script.build.in_workflow {
            view.insert("workflows".to_owned(), self.workflow());
        }
        view
    }

    /// The workflow around it.
    fn workflow(&self) -> Value {
        let id = |what: &str| derived_uuid(&format!("{what} of {}/{}", self.slug, self.number));
        json!({
            "job_name": self.job(),
            "job_id": id("job"),
            "workflow_id": id("workflow"),
            "workflow_name": self.job(),
            "upstream_job_ids": [],
            "upstream_concurrency_map": {},
        })
    }

    /// The summary with what only the answer for one build has: the configuration and the steps,
    /// each with the signed address of its output.
    pub(super) fn with_details(&self, now: Time, mut summary: BuildView) -> BuildView {
        let snapshot = self.snapshot_at(now);
        let config = format!("jobs:\n  {}:\n    steps:\n    - checkout\n", self.job());
        summary.insert("circle_yml".to_owned(), json!({ "string": config }));
        let has_ended = snapshot.stopped_at.is_some();
        let action = |index: usize| {
            json!({
                "index": index,
                "step": 0,
                "name": "Spin up environment",
                "type": "test",
                "status": if has_ended { "success" } else { "running" },
                "parallel": true,
                "has_output": true,
                "output_url": signed_address(self.number, index),
                "start_time": snapshot.started_at.map(format_time),
                "end_time": snapshot.stopped_at.map(format_time),
                "exit_code": null,
                "failed": null,
            })
        };
        let extra = self.script.build.extra_bytes / ACTION_BYTES;
        let actions = snapshot.started_at.map_or(0, |_| 1 + extra);
        let actions: Vec<Value> = (0..actions).map(action).collect();
        let steps = if actions.is_empty() {
            json!([])
        } else {
            json!([{"name": "Spin up environment", "actions": actions}])
        };
        summary.insert("steps".to_owned(), steps);
        summary
    }

    fn run_time(&self, now: Time) -> Option<i64> {
        let snapshot = self.snapshot_at(now);
        let (start, stop) = (snapshot.started_at?, snapshot.stopped_at?);
        Some((stop - start).num_milliseconds())
    }
}

/// An address as a store of outputs signs it.
fn signed_address(build: u64, index: usize) -> String {
    let signature = "0123456789abcdef".repeat(ACTION_BYTES / 16);
    format!(
        "https://outputs.example.com/{build}/{index}?X-Amz-Expires=432000&X-Amz-Signature={signature}"
    )
}

impl CircleCiModel {
    /// What is true of every build at `now`, each project's oldest first, with the retries to
    /// come.
    pub fn build_truths(&self, now: Time) -> Vec<BuildTruth> {
        let projects = self.projects();
        let truths = projects.flat_map(|known| {
            let created = known.builds.iter().filter(|build| known.is_created(build));
            created.map(|build| {
                let exists = build.created_at <= now;
                let snapshot = exists.then(|| build.snapshot_at(now));
                let has_ended = exists && build.has_ended(now);
                let started_at = snapshot.as_ref().and_then(|snapshot| snapshot.started_at);
                BuildTruth {
                    number: build.number,
                    slug: build.slug.clone(),
                    branch: build.branch.clone(),
                    job: build.job().to_owned(),
                    revision: build.revision.clone(),
                    parameters: build.parameters.clone(),
                    status: snapshot.map(|snapshot| snapshot.status.to_owned()),
                    has_run: started_at.is_some(),
                    is_final: has_ended,
                    is_open: !has_ended,
                    retry: known.retry_of(build).map(|retry| retry.number),
                    retry_of: build.retry_of,
                }
            })
        });
        truths.collect()
    }
}
