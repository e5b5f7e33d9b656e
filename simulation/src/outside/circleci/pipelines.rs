//! Pipelines as a poll shows them, and as CircleCI itself knows them.

use std::cmp::Reverse;

use chatops_core::Time;
use chatops_core::id::PipelineId;
use chatops_core::ports::{
    CiJob, CiWorkflow, JobStatus, PipelineDetails, PipelineError, PipelineErrorKind, PipelineState,
    PollResult, WorkflowStatus,
};
use chatops_sandbox::circleci as model;
use chrono::SubsecRound;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::{MemoryCircleCi, MemoryCircleCiState};
use crate::outside::truth::{PipelineTruth, RunEnd, RunTruth};

/// CircleCI's status as our value, by the names both sides use.
fn parse_value<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(Value::String(text.to_owned())).ok()
}

/// What the API does not say, or says only by the place in a list.
impl MemoryCircleCiState {
    /// The runs that exist at a moment, the newest first, each with its place in the timeline.
    fn runs_at(
        &self,
        now: Time,
        id: Uuid,
    ) -> Result<Vec<(usize, model::WorkflowView)>, model::ApiError> {
        let all = self.model.list_workflows(now, id)?.items;
        let setup = self.scripted.get(&id).and_then(|script| script.setup);
        let count = self.scripted.get(&id);
        let count = count.map_or(0, |script| script.timeline.workflows.len());
        let ids: Vec<_> = (0..count)
            .map(|place| Uuid::new_v5(&id, &place.to_be_bytes()))
            .collect();
        let place =
            |view: &model::WorkflowView| ids.iter().position(|id| *id == view.id).unwrap_or(count);
        let mut runs: Vec<_> = all.into_iter().map(|view| (place(&view), view)).collect();
        // What a setup that did not succeed would have continued with never comes.
        let stopped = |(place, view): &(usize, model::WorkflowView)| {
            setup == Some(*place) && view.stopped_at.is_some() && view.status != "success"
        };
        if runs.iter().any(stopped) {
            runs.retain(|(place, _)| setup == Some(*place));
        }
        // CircleCI reruns what failed, and nothing that somebody has canceled.
        let canceled: Vec<String> = runs
            .iter()
            .filter(|(_, view)| view.status == "canceled")
            .map(|(_, view)| view.name.clone())
            .collect();
        runs.retain(|(_, view)| {
            let is_rerun = view.auto_rerun_number.is_some_and(|number| number > 0);
            !is_rerun || view.status == "canceled" || !canceled.contains(&view.name)
        });
        runs.sort_by_key(|(place, view)| Reverse((view.created_at, *place)));
        Ok(runs)
    }

    /// A pipeline as a poll shows it.
    pub(super) fn poll_at(
        &self,
        now: Time,
        id: Uuid,
        details: bool,
    ) -> Result<PollResult, model::ApiError> {
        let seen = self.model.get_pipeline(now, id)?;
        let script = self.scripted.get(&id).cloned().unwrap_or_default();
        let runs = self.runs_at(now, id)?;
        let is_setup = |place| script.setup == Some(place);
        let stopped = runs.iter().any(|(place, view)| {
            is_setup(*place) && view.stopped_at.is_some() && view.status != "success"
        });
        let state = if stopped {
            PipelineState::Setup
        } else {
            parse_value(seen.state.into()).unwrap_or(PipelineState::Unknown)
        };
        let errors = match script.errors_after {
            Some(after) if now >= seen.created_at + after => script.timeline.errors,
            _ => seen.errors.unwrap_or_default(),
        };
        let workflows = runs.into_iter().map(|(place, seen)| CiWorkflow {
            id: seen.id.to_string(),
            is_setup: is_setup(place),
            name: seen.name,
            status: parse_value(&seen.status).unwrap_or(WorkflowStatus::Unknown),
            // CircleCI says it in whole seconds.
            created_at: seen.created_at.trunc_subsecs(0),
            auto_rerun_number: seen.auto_rerun_number.filter(|number| *number > 0),
            max_auto_reruns: seen.max_auto_reruns,
        });
        let errors = errors.into_iter().map(|error| PipelineError {
            kind: parse_value(&error.kind).unwrap_or(PipelineErrorKind::Other),
            message: error.message,
        });
        let pipeline = PipelineDetails {
            state,
            errors: errors.collect(),
            subject: seen.vcs.as_ref().map(|vcs| vcs.commit.subject.clone()),
            author: None,
            revision: seen.vcs.map(|vcs| vcs.revision),
        };
        Ok(PollResult {
            pipeline: details.then_some(pipeline),
            workflows: workflows.collect(),
        })
    }

    /// The jobs of a workflow: one, of the workflow's name, and its approvals.
    pub(super) fn jobs_at(
        &self,
        now: Time,
        id: Uuid,
        workflow: &str,
    ) -> Result<Vec<CiJob>, model::ApiError> {
        let script = self.scripted.get(&id).cloned().unwrap_or_default();
        let runs = self.runs_at(now, id)?;
        let job = |(place, view): (usize, model::WorkflowView)| {
            let skipped = !script.deploy_job_runs && script.setup != Some(place);
            let job_until = view.stopped_at.map(|at| at + script.job_outlasts);
            let outlasts = !script.job_outlasts.is_zero() && view.status == "canceled";
            CiJob {
                name: view.name,
                status: match view.status.as_str() {
                    "success" if skipped => JobStatus::NotRun,
                    _ if outlasts && job_until.is_some_and(|until| now < until) => JobStatus::Open,
                    _ if outlasts => JobStatus::Success,
                    status => parse_value(&status.replace('_', "-")).unwrap_or(JobStatus::Other),
                },
                is_build: true,
            }
        };
        let Some((place, view)) = runs
            .into_iter()
            .find(|(_, view)| view.id.to_string() == workflow)
        else {
            return Ok(vec![]);
        };
        let listed = self.model.list_jobs(now, view.id)?.items.into_iter();
        let approvals = listed.filter(|job| job.kind == model::JobKind::Approval);
        let approvals = approvals.map(|job| CiJob {
            name: job.name,
            status: match job.status.as_str() {
                "on_hold" => JobStatus::Open,
                "success" => JobStatus::Success,
                _ => JobStatus::NotRun,
            },
            is_build: false,
        });
        Ok(approvals.chain([job((place, view))]).collect())
    }

    /// What is known of a pipeline at a moment after everything in it.
    pub(super) fn truth_of(&self, made: &model::FakePipeline, at: Time) -> Option<PipelineTruth> {
        let script = self.scripted.get(&made.id)?;
        let job = made.parameters.get("job").and_then(Value::as_str);
        let mut runs = self.runs_at(at, made.id).ok()?;
        runs.reverse();
        let runs = runs.into_iter().map(|(place, view)| {
            let is_setup = script.setup == Some(place);
            let is_asked = !is_setup && job == Some(view.name.as_str());
            let deployed = is_asked && view.status == "success" && script.deploy_job_runs;
            RunTruth {
                is_setup,
                is_asked,
                starts_at: view.created_at,
                end: view.stopped_at.map(|at| RunEnd {
                    at,
                    job_until: match view.status.as_str() {
                        "canceled" => at + script.job_outlasts,
                        _ => at,
                    },
                    status: view.status,
                    deployed,
                }),
                name: view.name,
            }
        });
        let since = |after| made.created_at + after;
        let reaches = |state| {
            let mut states = script.timeline.states.iter();
            states
                .find(|(_, one)| *one == state)
                .map(|(after, _)| since(*after))
        };
        let errored = reaches(model::PipelineStateView::Errored);
        let truth = PipelineTruth {
            id: PipelineId(made.id),
            deploy: MemoryCircleCi::deploy_of(made),
            created_at: made.created_at,
            processed_at: reaches(model::PipelineStateView::Created).or(errored),
            listed_at: since(script.timeline.listed_after),
            errors_at: script.errors_after.map(since).or(errored),
            runs: runs.collect(),
        };
        Some(truth)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use chrono::DateTime;
    use serde_json::json;

    use super::*;
    use crate::outside::ScriptedRun;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: i64) -> Time {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    /// CircleCI with one pipeline, created at second 0.
    fn created(script: ScriptedRun) -> (MemoryCircleCiState, Uuid) {
        let mut state = MemoryCircleCiState::default();
        let project = model::FakeProject::declaring("gh/acme/web", "token", &["job"]);
        state.model.add_project(project);
        state.model.script_job("deploy", script.timeline.clone());
        let parameters = BTreeMap::from([("job".to_owned(), json!("deploy"))]);
        let created = state
            .model
            .trigger(at(0), Some("token"), "gh/acme/web", None, parameters);
        let id = created.unwrap().id;
        state.scripted.insert(id, script);
        (state, id)
    }

    fn seen(state: &MemoryCircleCiState, id: Uuid, seconds: i64) -> Vec<String> {
        let poll = state.poll_at(at(seconds), id, true).unwrap();
        let runs = poll.workflows.into_iter();
        runs.map(|run| format!("{} {}", run.name, run.status.as_str()))
            .collect()
    }

    #[test]
    fn the_newest_run_is_listed_first() {
        let equal = ScriptedRun::two_runs_at_once(9 * SECOND, "failed", "success");
        let (state, id) = created(equal);
        assert_eq!(seen(&state, id, 9), ["deploy success", "deploy failed"]);
        let poll = state.poll_at(at(9), id, true).unwrap();
        assert_eq!(poll.workflows[0].created_at, poll.workflows[1].created_at);
        let newer = ScriptedRun::two_runs((99 * SECOND, "failed"), (9 * SECOND, "success"));
        let (state, id) = created(newer);
        assert_eq!(seen(&state, id, 9), ["deploy success", "deploy running"]);
    }

    #[test]
    fn a_canceled_setup_continues_with_nothing() {
        let script = model::RunScript::setup_then_success(40 * SECOND);
        let (mut state, id) = created(script.clone().into());
        assert_eq!(seen(&state, id, 25), ["deploy running", "setup success"]);
        let setup = state
            .poll_at(at(6), id, true)
            .unwrap()
            .workflows
            .remove(0)
            .id;
        let (mut canceled, _) = created(script.into());
        canceled
            .model
            .cancel_workflow(at(6), setup.parse().unwrap())
            .unwrap();
        assert_eq!(seen(&canceled, id, 99), ["setup canceled"]);
        let poll = canceled.poll_at(at(99), id, true).unwrap();
        assert_eq!(poll.pipeline.unwrap().state, PipelineState::Setup);
        // Too late to stop anything.
        state
            .model
            .cancel_workflow(at(25), setup.parse().unwrap())
            .unwrap();
        assert_eq!(seen(&state, id, 99), ["deploy success", "setup success"]);
    }

    #[test]
    fn errors_are_shown_beside_a_created_pipeline() {
        let (state, id) = created(ScriptedRun::continuation_rejected(9 * SECOND));
        let errors = |seconds| {
            let poll = state.poll_at(at(seconds), id, true).unwrap();
            let pipeline = poll.pipeline.unwrap();
            (pipeline.state, pipeline.errors.len())
        };
        assert_eq!(errors(9), (PipelineState::Pending, 0));
        assert_eq!(errors(10), (PipelineState::Created, 1));
    }
}
