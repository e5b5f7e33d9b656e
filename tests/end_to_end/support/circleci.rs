//! CircleCI's side: how its builds go, how it fails, and what it was asked for.

use std::time::Duration;

use chatops_sandbox::circleci::{CiCall, FakePipeline, RunScript};
use chatops_sandbox::{HttpFault, JournalEntry, JournalEvent};

use super::now;
use super::world::ServeWorld;

/// How long a build takes.
pub(crate) const BUILD_TIME: Duration = Duration::from_millis(200);

impl ServeWorld {
    /// How every run of a job goes from now on.
    pub(crate) fn script(&self, job: &str, script: RunScript) {
        self.sandbox.circleci().lock().script_job(job, script);
    }

    /// How the next run goes.
    pub(crate) fn script_next(&self, script: RunScript) {
        self.sandbox.circleci().lock().script_next(script);
    }

    /// CircleCI rejects the next trigger for good.
    pub(crate) fn reject_next_trigger(&self) {
        self.fail_next_trigger(reject(403, "Permission denied"));
    }

    pub(crate) fn fail_next_trigger(&self, fault: HttpFault) {
        self.sandbox.circleci().fail_next(CiCall::Run, fault);
    }

    /// Waits for `count` calls of CircleCI's trigger.
    pub(crate) async fn wait_triggers(&self, count: usize) {
        let called = |entries: &[JournalEntry]| (count_triggers(entries) >= count).then_some(());
        self.wait_journal("the trigger", called).await;
    }

    /// How often CircleCI's trigger was called so far.
    pub(crate) fn trigger_count(&self) -> usize {
        count_triggers(&self.sandbox.journal().entries())
    }

    /// Whether CircleCI was called at all.
    pub(crate) fn circleci_was_called(&self) -> bool {
        let entries = self.sandbox.journal().entries();
        let is_call =
            |entry: &JournalEntry| matches!(entry.event, JournalEvent::CircleCiCall { .. });
        entries.iter().any(is_call)
    }

    pub(crate) fn pipelines(&self) -> Vec<FakePipeline> {
        self.sandbox.circleci().lock().all_pipelines().to_vec()
    }

    /// Somebody cancels every workflow that runs, in CircleCI's own interface.
    pub(crate) fn cancel_all(&self) {
        let mut model = self.sandbox.circleci().lock();
        let pipelines = model.all_pipelines().to_vec();
        for FakePipeline { id, .. } in pipelines {
            for workflow in model.list_workflows(now(), id).unwrap().items {
                model.cancel_workflow(now(), workflow.id).unwrap();
            }
        }
    }
}

fn count_triggers(entries: &[JournalEntry]) -> usize {
    let is_trigger = |entry: &&JournalEntry| match &entry.event {
        JournalEvent::CircleCiCall { method, path, .. } => {
            method == "POST" && (path.ends_with("/pipeline/run") || path.ends_with("/pipeline"))
        }
        _ => false,
    };
    entries.iter().filter(is_trigger).count()
}

/// The other side answers with that status.
pub(crate) fn reject(status: u16, message: &str) -> HttpFault {
    HttpFault::Reject {
        status,
        retry_after_s: None,
        message: message.to_owned(),
    }
}

/// Too many requests: the next one is allowed after so many seconds.
pub(crate) fn rate_limit(seconds: u64) -> HttpFault {
    HttpFault::Reject {
        status: 429,
        retry_after_s: Some(seconds),
        message: "Rate limit exceeded".to_owned(),
    }
}

/// The answer is lost, and nothing comes of the request.
pub(crate) const HANG: HttpFault = HttpFault::Hang {
    duration: Duration::from_mins(1),
};
