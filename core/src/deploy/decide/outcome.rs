//! What CircleCI shows of a run: how it has ended, or what is still missing.
//!
//! Only runs of the job's workflow decide, and only when all of them are final. Nothing here knows the
//! record, the time or how long anything was waited for.

use std::collections::BTreeMap;

use crate::config::WorkflowSelector;
use crate::deploy::{DeployState, EndReason, MAX_NAMED, NOT_FINISHED, NOT_THERE, WaitReason};
use crate::ports::{CiJob, CiWorkflow, JobStatus, PipelineState, PollResult, WorkflowStatus};
use crate::release::ReleaseHistory;

/// The most workflows whose jobs are read where all workflows decide.
const MAX_JOB_LISTS: usize = 5;

/// What was read of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunReport {
    /// What the poll showed.
    pub poll: PollResult,
    /// The jobs of the workflows whose jobs were read, by the workflow's id.
    pub jobs: BTreeMap<String, Vec<CiJob>>,
    /// The release history of the target, if it was read.
    pub releases: Option<ReleaseHistory>,
}

impl From<PollResult> for RunReport {
    /// A report of the poll alone.
    fn from(poll: PollResult) -> Self {
        Self {
            poll,
            jobs: BTreeMap::new(),
            releases: None,
        }
    }
}

/// What decides how a run has ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunRule {
    /// Which workflows.
    pub workflow: WorkflowSelector,
    /// Which of their jobs must have succeeded.
    pub must_run: Vec<String>,
    /// Whether the pipeline is known to be `created`.
    pub is_created: bool,
    /// Whether it is a single build, which has no jobs.
    pub is_build: bool,
}

/// What a report shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunOutcome {
    /// It runs, or waits for an approval.
    Open,
    /// It has ended.
    Ended(DeployState, EndReason),
    /// Something is missing; without it, it ends like this.
    Waits(WaitReason, DeployState, EndReason),
    /// The pipeline has to be read, too.
    NeedsDetails,
    /// The jobs of these workflows have to be read, too.
    NeedsJobs(Vec<String>),
}

/// Workflows by name, with CircleCI's status.
pub(super) type NamedStatuses = Vec<(String, String)>;

impl RunRule {
    /// What a report shows.
    #[must_use]
    pub fn outcome(&self, report: &RunReport) -> RunOutcome {
        let PollResult {
            pipeline,
            workflows,
        } = &report.poll;
        if let Some(details) = pipeline
            && (!details.errors.is_empty() || details.state == PipelineState::Errored)
        {
            // What still runs keeps the target locked.
            if workflows.iter().any(|run| !run.status.is_final()) {
                return RunOutcome::Open;
            }
            let errors = details.errors.iter().take(MAX_NAMED).cloned().collect();
            return RunOutcome::Ended(DeployState::CiError, EndReason::PipelineErrors { errors });
        }
        if workflows.iter().any(CiWorkflow::is_open_without_name) {
            return RunOutcome::Open;
        }
        let selected: Vec<&CiWorkflow> = self.selected(report).collect();
        if selected.is_empty() {
            return self.outcome_without_workflow(report);
        }
        if selected.iter().any(|run| !run.status.is_final()) {
            return RunOutcome::Open;
        }
        let newest = newest_by_name(&selected);
        let (state, reason) = self.combine(&newest, report);
        if newest.iter().any(|run| may_rerun(run, &selected)) {
            return RunOutcome::Waits(WaitReason::Rerun, state, reason);
        }
        let missing = |name: &String| newest.iter().all(|run| run.name != *name);
        if self.workflow.names().iter().any(missing) {
            return RunOutcome::Waits(WaitReason::JobWorkflow, state, reason);
        }
        let created = |state| matches!(state, PipelineState::Created | PipelineState::Unknown);
        let is_created = self.is_created
            || self.is_build
            || pipeline.as_ref().is_some_and(|seen| created(seen.state));
        if !is_created {
            if pipeline.is_none() {
                return RunOutcome::NeedsDetails;
            }
            // The state and the list contradict each other; the list is later. If it stays so, what ran
            // was the setup, whatever its name.
            let (state, reason) = match state {
                DeployState::Succeeded => (DeployState::NothingRan, self.missing_reason(workflows)),
                _ => (state, reason),
            };
            return RunOutcome::Waits(WaitReason::AfterSetup, state, reason);
        }
        let had_setup = workflows.iter().any(|run| run.is_setup);
        if state == DeployState::Succeeded && had_setup && pipeline.is_none() {
            return RunOutcome::NeedsDetails;
        }
        let unread = self.unread_jobs(&newest, &selected, state, report);
        if !unread.is_empty() {
            return RunOutcome::NeedsJobs(unread);
        }
        let is_open = |job: &&CiJob| job.is_build && job.status == JobStatus::Open;
        if jobs_of(&newest, report).any(|job| is_open(&job)) {
            return RunOutcome::Waits(WaitReason::Jobs, state, reason);
        }
        RunOutcome::Ended(state, reason)
    }

    /// The runs that decide.
    pub(super) fn selected<'r>(
        &self,
        report: &'r RunReport,
    ) -> impl Iterator<Item = &'r CiWorkflow> {
        let workflows = report.poll.workflows.iter();
        workflows.filter(|run| !run.is_setup && self.workflow.selects(&run.name))
    }

    /// The same, where every workflow counts.
    pub(super) fn of_all_workflows(&self) -> Self {
        Self {
            workflow: WorkflowSelector::ALL,
            ..self.clone()
        }
    }

    /// The newest run of each deciding workflow, with CircleCI's status.
    pub(super) fn newest_statuses(&self, report: &RunReport) -> NamedStatuses {
        let selected: Vec<_> = self.selected(report).collect();
        statuses(&newest_by_name(&selected))
    }

    /// None of the deciding workflows is there.
    fn outcome_without_workflow(&self, report: &RunReport) -> RunOutcome {
        let PollResult {
            pipeline,
            workflows,
        } = &report.poll;
        if workflows.is_empty() {
            let (state, reason) = (DeployState::NothingRan, EndReason::NoWorkflow);
            return RunOutcome::Waits(WaitReason::AnyWorkflow, state, reason);
        }
        let setups: Vec<_> = workflows.iter().filter(|run| run.is_setup).collect();
        if setups.iter().any(|run| !run.status.is_final()) {
            return RunOutcome::Open;
        }
        // The pipeline's errors may say why nothing follows its setup.
        if !setups.is_empty() && pipeline.is_none() {
            return RunOutcome::NeedsDetails;
        }
        let is_alone = setups.len() == workflows.len();
        let newest = setups.into_iter().reduce(newer).filter(|_| is_alone);
        let state = newest.and_then(|setup| match setup.status {
            WorkflowStatus::Failed | WorkflowStatus::Error | WorkflowStatus::Unauthorized => {
                Some(DeployState::Failed)
            }
            WorkflowStatus::Canceled => Some(DeployState::Canceled),
            _ => None,
        });
        if let (Some(state), Some(setup)) = (state, newest) {
            let reason = EndReason::Workflows {
                decided_by: statuses(&[setup]),
                beside: vec![],
                jobs: vec![],
            };
            return RunOutcome::Waits(WaitReason::AfterSetup, state, reason);
        }
        let reason = self.missing_reason(workflows);
        RunOutcome::Waits(WaitReason::JobWorkflow, DeployState::NothingRan, reason)
    }

    fn missing_reason(&self, workflows: &[CiWorkflow]) -> EndReason {
        let all: Vec<&CiWorkflow> = workflows.iter().collect();
        EndReason::WorkflowMissing {
            wanted: self.workflow.names().to_vec(),
            listed: first_named(statuses(&newest_by_name(&all))),
        }
    }

    /// The workflow that CircleCI may still rerun by itself.
    pub(super) fn may_be_rerun<'r>(&self, report: &'r RunReport) -> Option<&'r str> {
        let selected: Vec<_> = self.selected(report).collect();
        let newest = newest_by_name(&selected);
        let mut waited_for = newest.iter().filter(|run| may_rerun(run, &selected));
        waited_for.next().map(|run| run.name.as_str())
    }

    /// The end that the newest run of each workflow decides. A workflow that is missing counts as not
    /// run, and so does one that is called successful although none of its jobs ran, unless the jobs
    /// that must run decide that.
    fn combine(&self, newest: &[&CiWorkflow], report: &RunReport) -> (DeployState, EndReason) {
        use WorkflowStatus::{Canceled, Error, Failed, NotRun, Success, Unauthorized};
        let status = |run: &CiWorkflow| match run.status {
            Success if self.must_run.is_empty() && ran_nothing(run, report) => NotRun,
            status => status,
        };
        let listed = newest
            .iter()
            .map(|run| (run.name.as_str(), status(run), run.status.as_str()));
        let names = self.workflow.names().iter();
        let missing = names.filter(|name| newest.iter().all(|run| run.name != **name));
        let missing = missing.map(|name| (name.as_str(), NotRun, NOT_THERE));
        // What is missing keeps the lock, so it is never cut off.
        let all: Vec<_> = missing.chain(listed).collect();
        let has = |wanted: &[WorkflowStatus]| all.iter().any(|(_, one, _)| wanted.contains(one));
        let (failed, did_run) = ([Failed, Error, Unauthorized], has(&[Success]));
        let (mut state, deciding): (_, &[WorkflowStatus]) = if has(&failed) {
            (DeployState::Failed, &failed)
        } else if has(&[Canceled]) {
            (DeployState::Canceled, &[Canceled])
        } else if did_run && has(&[NotRun]) {
            (DeployState::Failed, &[Success, NotRun])
        } else if did_run {
            (DeployState::Succeeded, &[Success])
        } else {
            (DeployState::NothingRan, &[NotRun])
        };
        let jobs = self.jobs_to_name(newest, report, state);
        if state == DeployState::Succeeded && self.unmet(report).next().is_some() {
            state = DeployState::Failed;
        }
        let decided = all.iter().filter(|(_, one, _)| deciding.contains(one));
        let decided_by = decided.map(|(name, _, shown)| ((*name).to_owned(), (*shown).to_owned()));
        let others: Vec<_> = report
            .poll
            .workflows
            .iter()
            .filter(|run| !run.is_setup && !self.workflow.selects(&run.name))
            .collect();
        let reason = EndReason::Workflows {
            decided_by: first_named(decided_by.collect()),
            beside: first_named(statuses(&newest_by_name(&others))),
            jobs: first_named(jobs),
        };
        (state, reason)
    }

    /// The jobs that must have succeeded, and did not as far as jobs were read.
    fn unmet<'s>(&'s self, report: &'s RunReport) -> impl Iterator<Item = &'s String> {
        self.must_run.iter().filter(|wanted| {
            let mut jobs = self
                .selected(report)
                .filter_map(|run| report.jobs.get(&run.id))
                .flatten();
            !jobs.any(|job| job.name == **wanted && job.status == JobStatus::Success)
        })
    }

    /// The jobs that did not succeed, and those that must have run and are not there. Of what was
    /// canceled, those that succeeded as well: they say how far it came.
    fn jobs_to_name(
        &self,
        newest: &[&CiWorkflow],
        report: &RunReport,
        state: DeployState,
    ) -> NamedStatuses {
        let is_canceled = state == DeployState::Canceled;
        let mut unmet: Vec<&String> = vec![];
        if !report.jobs.is_empty() && !is_canceled {
            unmet.extend(self.unmet(report));
        }
        let shown = |job: &CiJob| match job.status {
            JobStatus::Open if job.is_build => Some(NOT_FINISHED),
            JobStatus::Success => (is_canceled && job.is_build).then(|| job.status.into()),
            JobStatus::Open | JobStatus::Other => {
                unmet.contains(&&job.name).then_some(NOT_FINISHED)
            }
            status => Some(status.into()),
        };
        let mut named: Vec<(&str, &str)> = jobs_of(newest, report)
            .filter_map(|job| Some((job.name.as_str(), shown(job)?)))
            .collect();
        for name in &unmet {
            if named.iter().all(|(known, _)| known != name) {
                named.push((name, NOT_THERE));
            }
        }
        // What keeps the lock or decides is never cut off.
        named.sort_by_key(|(name, shown)| {
            let is_unmet = unmet.iter().any(|one| one == name);
            (*shown != NOT_FINISHED, !is_unmet)
        });
        let owned = |(name, shown): (&str, &str)| (name.to_owned(), shown.to_owned());
        named.into_iter().map(owned).collect()
    }

    /// The workflows whose jobs are still to be read before this end is said. A rerun of failed jobs may
    /// not list those that succeeded before, so older runs are read where a job is still missing.
    fn unread_jobs(
        &self,
        newest: &[&CiWorkflow],
        selected: &[&CiWorkflow],
        state: DeployState,
        report: &RunReport,
    ) -> Vec<String> {
        let says_nothing_ran = state == DeployState::NothingRan;
        if self.is_build || says_nothing_ran {
            return vec![];
        }
        let most = if self.must_run.is_empty() && self.workflow.names().is_empty() {
            MAX_JOB_LISTS
        } else {
            usize::MAX
        };
        let unread = |run: &&&CiWorkflow| !report.jobs.contains_key(&run.id);
        let ids = |runs: &[&CiWorkflow]| -> Vec<String> {
            let runs = runs.iter().take(most).filter(unread);
            runs.map(|run| run.id.clone()).collect()
        };
        let first = ids(newest);
        let all_green = newest
            .iter()
            .all(|run| run.status == WorkflowStatus::Success);
        if first.is_empty() && all_green && self.unmet(report).next().is_some() {
            return ids(selected);
        }
        first
    }
}

/// The jobs of runs that were read.
fn jobs_of<'r>(
    runs: &[&CiWorkflow],
    report: &'r RunReport,
) -> impl Iterator<Item = &'r CiJob> + use<'r> {
    let lists: Vec<_> = runs
        .iter()
        .filter_map(|run| report.jobs.get(&run.id))
        .collect();
    lists.into_iter().flatten()
}

/// Whether a run's jobs were read, and no job of it ran: CircleCI calls a workflow successful even if
/// a newer pipeline took its job's turn in a serial group.
fn ran_nothing(run: &CiWorkflow, report: &RunReport) -> bool {
    let builds = jobs_of(&[run], report).filter(|job| job.is_build);
    let statuses: Vec<JobStatus> = builds.map(|job| job.status).collect();
    !statuses.is_empty() && statuses.iter().all(|one| *one == JobStatus::NotRun)
}

/// The newest run of each name; of two that were created in the same second, CircleCI's list decides,
/// the newest first.
pub(super) fn newest_by_name<'r>(runs: &[&'r CiWorkflow]) -> Vec<&'r CiWorkflow> {
    let mut newest: BTreeMap<&str, &CiWorkflow> = BTreeMap::new();
    for run in runs {
        let known = newest.entry(&run.name).or_insert(run);
        *known = newer(known, run);
    }
    newest.into_values().collect()
}

/// The newer of two runs of which the second is listed later.
fn newer<'r>(first: &'r CiWorkflow, second: &'r CiWorkflow) -> &'r CiWorkflow {
    if second.created_at > first.created_at {
        second
    } else {
        first
    }
}

/// As many as a record keeps.
pub(super) fn first_named(mut named: NamedStatuses) -> NamedStatuses {
    named.truncate(MAX_NAMED);
    named
}

/// Whether CircleCI may still rerun a run by itself: it reruns what failed, and never what a person has
/// rerun.
fn may_rerun(run: &CiWorkflow, all: &[&CiWorkflow]) -> bool {
    let number = run.auto_rerun_number.unwrap_or(0);
    let is_older_original = |other: &&CiWorkflow| {
        other.name == run.name && other.id != run.id && other.auto_rerun_number.is_none()
    };
    let by_a_person = number == 0 && all.iter().any(is_older_original);
    run.status == WorkflowStatus::Failed
        && number < run.max_auto_reruns.unwrap_or(0)
        && !by_a_person
}

fn statuses(runs: &[&CiWorkflow]) -> NamedStatuses {
    let named = |run: &&CiWorkflow| (run.name.clone(), run.status.as_str().to_owned());
    runs.iter().map(named).collect()
}

#[cfg(test)]
mod tests;
