//! Waiting for an approval: each hold is told once, with its job.
//!
//! A workflow can go on hold again without being seen running in between, so the jobs say what waits.

use std::collections::BTreeSet;

use crate::audit::AuditChange;
use crate::deploy::{DeployRecord, Hold};
use crate::ports::{CiJob, CiWorkflow, JobStatus, WorkflowStatus};

use super::outcome::RunReport;

/// How many holds a record keeps; later ones are not told.
const MAX_HOLDS: usize = 20;

impl RunReport {
    /// A workflow on hold whose jobs were not read.
    pub(crate) fn unread_hold(&self) -> Option<&str> {
        let mut unread = self.held().filter(|run| !self.jobs.contains_key(&run.id));
        unread.next().map(|run| run.id.as_str())
    }

    /// Whether this run of a workflow is on hold.
    pub(crate) fn is_held(&self, workflow: &str) -> bool {
        self.held().any(|run| run.id == workflow)
    }

    fn held(&self) -> impl Iterator<Item = &CiWorkflow> {
        let workflows = self.poll.workflows.iter();
        workflows.filter(|run| run.status == WorkflowStatus::OnHold)
    }

    /// The approvals that a workflow on hold waits for; none if its jobs could not be read.
    fn approvals(&self, run: &CiWorkflow) -> Vec<String> {
        let jobs = self.jobs.get(&run.id).into_iter().flatten();
        let waits = |job: &&CiJob| !job.is_build && job.status == JobStatus::Open;
        jobs.filter(waits).map(|job| job.name.clone()).collect()
    }
}

/// Notes what waits, and returns what nobody was told of yet.
pub(super) fn note_holds(record: &mut DeployRecord, report: &RunReport) -> Option<AuditChange> {
    let (mut workflows, mut jobs) = (BTreeSet::new(), vec![]);
    for hold in &mut record.holds {
        hold.waits &= report.is_held(&hold.workflow);
    }
    for run in report.held() {
        let approvals = report.approvals(run);
        let known = record.holds.iter_mut();
        let mut known: Vec<&mut Hold> = known.filter(|hold| hold.workflow == run.id).collect();
        if approvals.is_empty() {
            // What waits is unknown; it is told once without a name.
            if known.is_empty() && record.holds.len() < MAX_HOLDS {
                record.holds.push(waiting(run, None));
                workflows.insert(run.name.clone());
            }
            continue;
        }
        for hold in &mut known {
            hold.waits = hold.job.as_ref().is_none_or(|job| approvals.contains(job));
        }
        let mut new: Vec<String> = approvals;
        new.retain(|job| known.iter().all(|hold| hold.job.as_ref() != Some(job)));
        // What was told without its name has one now.
        if let Some(unnamed) = known.into_iter().find(|hold| hold.job.is_none())
            && !new.is_empty()
        {
            unnamed.job = Some(new.remove(0));
        }
        for job in new {
            if record.holds.len() < MAX_HOLDS {
                record.holds.push(waiting(run, Some(job.clone())));
                workflows.insert(run.name.clone());
                jobs.push(job);
            }
        }
    }
    let workflows: Vec<String> = workflows.into_iter().collect();
    (!workflows.is_empty()).then_some(AuditChange::Held { workflows, jobs })
}

fn waiting(run: &CiWorkflow, job: Option<String>) -> Hold {
    Hold {
        workflow: run.id.clone(),
        job,
        waits: true,
    }
}
