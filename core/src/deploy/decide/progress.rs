//! The jobs' progress, which a card shows: read with polls that are made anyway, at most once in a `progress_interval`.

use super::outcome::{RunReport, RunRule, newest_by_name};
use super::{Context, has_card};
use crate::deploy::{DeployRecord, JobProgress};
use crate::ports::{CiJob, CiWorkflow, JobStatus};

/// The most workflows whose jobs are read, where several decide.
const MAX_LISTS: usize = 3;

/// The most jobs of a kind that are named.
const MAX_NAMED: usize = 3;

/// Whether the jobs are read with the next poll. A moment in the future was set by a clock that was wrong.
pub(super) fn is_due(record: &DeployRecord, ctx: Context<'_>) -> bool {
    let pause = ctx.config.timeouts.progress_interval;
    let read_at = record.jobs.as_ref().map(|jobs| jobs.read_at);
    let is_old = read_at.is_none_or(|at| ctx.now >= at + pause || at > ctx.now);
    has_card(record, ctx) && !record.state.is_terminal() && is_old
}

impl RunRule {
    /// A workflow that decides and runs, and whose jobs were not read.
    pub(crate) fn unread_progress<'r>(&self, report: &'r RunReport) -> Option<&'r str> {
        let mut unread = self
            .newest(report)
            .take(MAX_LISTS)
            .filter(|run| !run.status.is_final() && !report.jobs.contains_key(&run.id));
        unread.next().map(|run| run.id.as_str())
    }

    fn newest<'r>(&self, report: &'r RunReport) -> impl Iterator<Item = &'r CiWorkflow> {
        let selected: Vec<_> = self.selected(report).collect();
        newest_by_name(&selected).into_iter()
    }

    /// Notes how far the jobs are, if any were read.
    pub(super) fn note_progress(
        &self,
        record: &mut DeployRecord,
        report: &RunReport,
        ctx: Context<'_>,
    ) {
        let read: Vec<_> = self
            .newest(report)
            .filter_map(|run| report.jobs.get(&run.id))
            .collect();
        // What was read of one workflow alone, for a hold, says nothing of the others.
        if read.is_empty() || self.unread_progress(report).is_some() || !has_card(record, ctx) {
            return;
        }
        // Of one report it stays the same, however often that is looked at.
        let read_at = record.reads.at.unwrap_or(ctx.now);
        let jobs: Vec<&CiJob> = read
            .into_iter()
            .flatten()
            .filter(|job| job.is_build)
            .collect();
        if jobs.is_empty() {
            // They could not be read; they are asked for again after the usual pause.
            let known = record
                .jobs
                .get_or_insert_with(|| JobProgress::none(read_at));
            known.read_at = read_at;
            return;
        }
        let with = |status| jobs.iter().filter(move |job| job.status == status);
        let named = |status| {
            with(status)
                .take(MAX_NAMED)
                .map(|job| job.name.clone())
                .collect()
        };
        let is_done = |job: &&&CiJob| match job.status {
            JobStatus::Success
            | JobStatus::Failed
            | JobStatus::Canceled
            | JobStatus::Unauthorized => true,
            JobStatus::NotRun | JobStatus::Open | JobStatus::Other => false,
        };
        record.jobs = Some(JobProgress {
            done: jobs.iter().filter(is_done).count(),
            total: jobs.len(),
            running: named(JobStatus::Open),
            failed: named(JobStatus::Failed),
            read_at,
        });
    }
}
