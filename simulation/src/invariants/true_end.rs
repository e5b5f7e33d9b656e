//! What CircleCI's own knowledge allows as the end of a deploy.
//!
//! Where the design leaves several ends open, each is allowed.

use std::fmt::Write as _;
use std::time::Duration;

use chatops_core::Time;
use chatops_core::deploy::{DeployRecord, DeployState};
use chrono::TimeDelta;

use super::{Findings, FinishedRun};
use crate::outside::{PipelineTruth, ReadTry, RunTruth};
use crate::violation::Invariant::TrueEnd;

/// How long an automatic rerun is waited for after the run that failed.
pub(super) const RERUN_WAIT: Duration = Duration::from_mins(5);

/// How long after a setup that did not succeed something may still be continued.
const SETTLE_TIME: Duration = Duration::from_mins(2);

/// How long a pipeline without any workflow is waited for.
pub(super) const EMPTY_WAIT: Duration = Duration::from_hours(2);

/// How many reads must have failed in a row before anything is given up.
const LEAST_TRIES: usize = 5;

impl FinishedRun<'_> {
    pub(super) fn check_true_end(&self, record: &DeployRecord, found: &mut Findings) {
        let (world, id, state) = (self.world, record.id, record.state);
        let nothing_made = self.pipelines_of(id).next().is_none();
        let Some(ended_at) = world.history.ended_at(id) else {
            return;
        };
        let claimed = record.run.as_ref().map(|run| run.pipeline.id);
        let truth = claimed.and_then(|id| self.truths.iter().find(|one| one.id == id));
        let is_true = match (state, truth) {
            (DeployState::TriggerFailed | DeployState::Rejected, _)
            | (DeployState::Canceled, None) => nothing_made,
            (DeployState::Unresolved, None) => self.was_looked_up(record, ended_at),
            (DeployState::LostTrack, Some(_)) => self.was_unreadable(record, ended_at),
            (_, Some(truth)) => {
                // Decided by a poll, and written later by a handler that stood still meanwhile: the record
                // says when it was decided.
                let decided_at = record.end.as_ref().map_or(ended_at, |end| end.at);
                let since = decided_at.min(ended_at) - world.tolerance;
                let polls = world.circleci.answered_polls().into_iter();
                let polls = polls.filter(|poll| {
                    poll.pipeline == truth.id
                        && poll.answered_at <= ended_at
                        && poll.answered_at >= since
                });
                let mut moments = polls.map(|poll| poll.answered_at).chain([ended_at]);
                let claim = EndClaim {
                    state,
                    cancel_requested: record.cancel.is_some(),
                    must_run: record
                        .trigger_intent
                        .as_ref()
                        .is_some_and(|intent| !intent.must_run.is_empty()),
                    start_timeout: world.config().timeouts.workflow_start_timeout,
                    tolerance: world.tolerance,
                };
                moments.any(|at| claim.is_true_at(truth, at))
            }
            _ => false,
        };
        let happened = truth.map(|truth| describe(truth, ended_at));
        let mut happened = happened.unwrap_or_else(|| "no pipeline claimed".to_owned());
        if matches!(state, DeployState::Unresolved | DeployState::LostTrack) {
            let tries = self.tries_of(record, ended_at);
            let (failed, all) = (failed_at_the_end(&tries), tries.len());
            let _ = write!(happened, ", the last {failed} of {all} reads failed");
        }
        let detail =
            format_args!("{id} ended {state} at {ended_at} and that is not true: {happened}");
        found.require(is_true, TrueEnd, detail);
    }

    /// Whether a lookup was answered after the time in which the listing may lack the pipeline, or
    /// enough of them failed.
    fn was_looked_up(&self, record: &DeployRecord, ended_at: Time) -> bool {
        let world = self.world;
        let posts = world.circleci.received_posts();
        let posts = posts.iter().filter(|post| post.deploy == Some(record.id));
        let last_post = posts.map(|post| post.received_at).max();
        let begun = record.trigger_intent.as_ref().map(|intent| intent.at);
        let Some(since) = last_post.or(begun) else {
            return false;
        };
        let listed_by = since + world.config().timeouts.lookup_timeout - world.tolerance;
        let tries = self.tries_of(record, ended_at);
        let answered = tries.iter().any(|(at, ok)| *ok && *at >= listed_by);
        answered || failed_at_the_end(&tries) >= LEAST_TRIES
    }

    /// Whether CircleCI could not be read for as long as an open deploy is followed.
    pub(super) fn was_unreadable(&self, record: &DeployRecord, ended_at: Time) -> bool {
        let limit = self.world.config().timeouts.follow_timeout;
        self.was_unreadable_for(record, ended_at, limit)
    }

    /// Whether at that moment CircleCI could not be read for so long.
    pub(super) fn was_unreadable_for(
        &self,
        record: &DeployRecord,
        ended_at: Time,
        limit: Duration,
    ) -> bool {
        let tries = self.reads_of(record, ended_at);
        let tries: Vec<_> = tries
            .map(|one| (one.tried_at, one.answered && !one.is_lost))
            .collect();
        // Who gives up after a failed read does not know what another is answered at that moment.
        let at_once = ended_at - self.world.tolerance;
        let last_failed = tries.iter().rposition(|(at, ok)| !ok && *at >= at_once);
        let tries = &tries[..last_failed.map_or(tries.len(), |last| last + 1)];
        let failed = failed_at_the_end(tries);
        let first = tries.get(tries.len() - failed).map(|(at, _)| *at);
        let long = first.is_some_and(|first| {
            let slack = self.world.tolerance + TimeDelta::seconds(90);
            ended_at + slack >= first + limit
        });
        // What a handler saw that crashed then is on no record.
        failed + self.world.points.crash_count() >= LEAST_TRIES && long
    }

    pub(super) fn tries_of(&self, record: &DeployRecord, until: Time) -> Vec<(Time, bool)> {
        let tries = self.reads_of(record, until);
        tries.map(|one| (one.tried_at, one.answered)).collect()
    }

    fn reads_of(&self, record: &DeployRecord, until: Time) -> impl Iterator<Item = ReadTry> {
        let (id, tries) = (record.id, self.world.circleci.read_tries().into_iter());
        tries.filter(move |one| one.deploy == Some(id) && one.tried_at <= until)
    }
}

/// An end that a record claims of a pipeline.
struct EndClaim {
    state: DeployState,
    cancel_requested: bool,
    /// Whether jobs are named that must run.
    must_run: bool,
    /// How long the workflow that was asked for is waited for beside others.
    start_timeout: Duration,
    tolerance: TimeDelta,
}

impl EndClaim {
    /// Whether an end is true of a pipeline at a moment.
    fn is_true_at(&self, truth: &PipelineTruth, at: Time) -> bool {
        let canceled = self.cancel_requested;
        if truth.errors_at.is_some_and(|shown| shown <= at) {
            return self.state == DeployState::CiError
                || (canceled && self.state == DeployState::Canceled);
        }
        if truth.asked_by(at).any(|run| run.is_open(at)) {
            return false;
        }
        if let Some(newest) = truth.asked_by(at).next_back() {
            return self.is_true_of(truth, newest, at);
        }
        if canceled && self.state == DeployState::Canceled {
            return true;
        }
        // It has not appeared: either it never will, or it was waited for long enough.
        let next = truth.next_asked(at);
        let waited = |since: Option<Time>, limit: Duration| {
            next.is_none() || since.is_some_and(|since| at + self.tolerance >= since + limit)
        };
        let setup = truth.runs_by(at).rfind(|run| run.is_setup);
        let setup_end = setup.and_then(|setup| setup.end_by(at));
        let setup_status = setup_end.map(|end| end.status.as_str());
        let settled = waited(setup_end.map(|end| end.at), SETTLE_TIME);
        let since = truth.processed_at.or(setup_end.map(|end| end.at));
        let limit = match truth.runs_by(at).next() {
            Some(_) => self.start_timeout,
            None => EMPTY_WAIT,
        };
        match self.state {
            DeployState::Failed => {
                matches!(setup_status, Some("failed" | "error" | "unauthorized")) && settled
            }
            DeployState::Canceled => setup_status == Some("canceled") && settled,
            DeployState::NothingRan => {
                let setup_done = setup.is_none() || setup_status == Some("success");
                setup_done && waited(since, limit)
            }
            _ => false,
        }
    }

    /// Whether an end is true of the newest run of the workflow that was asked for, when none of
    /// its runs is open.
    fn is_true_of(&self, truth: &PipelineTruth, newest: &RunTruth, at: Time) -> bool {
        let state = self.state;
        let Some(end) = newest.end_by(at) else {
            return false;
        };
        let waited_until = end.at + RERUN_WAIT - self.tolerance;
        let rerun_comes = truth.next_asked(at).is_some_and(|next| next < waited_until);
        match end.status.as_str() {
            "success" if end.deployed => state == DeployState::Succeeded,
            // Its deploy job did not run.
            "success" if self.must_run => state == DeployState::Failed,
            "failed" | "error" | "unauthorized" => state == DeployState::Failed && !rerun_comes,
            "canceled" => state == DeployState::Canceled,
            "success" | "not_run" => state == DeployState::NothingRan,
            _ => false,
        }
    }
}

/// How many of the last tries failed in a row.
fn failed_at_the_end(tries: &[(Time, bool)]) -> usize {
    tries.iter().rev().take_while(|(_, ok)| !ok).count()
}

/// What had become of a pipeline at a moment, for people.
fn describe(truth: &PipelineTruth, at: Time) -> String {
    let runs = truth.runs_by(at).map(|run| {
        let status = run.end_by(at).map_or("open", |end| end.status.as_str());
        let skipped = run
            .end_by(at)
            .is_some_and(|end| run.is_asked && end.status == "success" && !end.deployed);
        let skipped = if skipped { " without its job" } else { "" };
        format!("{} {status}{skipped}", run.name)
    });
    let mut parts: Vec<String> = runs.collect();
    if parts.is_empty() {
        parts.push("no workflow yet".to_owned());
    }
    parts.extend(
        truth
            .errors_at
            .filter(|shown| *shown <= at)
            .map(|_| "errors".to_owned()),
    );
    let next = truth.next_asked(at);
    parts.extend(next.map(|next| format!("one more at {next}")));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use chatops_core::id::PipelineId;
    use chrono::DateTime;
    use uuid::Uuid;

    use super::DeployState::{Canceled, CiError, Failed, NothingRan, Succeeded};
    use super::*;
    use crate::outside::RunEnd;

    fn at(seconds: i64) -> Time {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    /// A run from a second on, with its end.
    fn run(name: &str, from: i64, end: Option<(i64, &str)>) -> RunTruth {
        RunTruth {
            name: name.to_owned(),
            is_setup: name == "setup",
            is_asked: name == "deploy",
            starts_at: at(from),
            end: end.map(|(seconds, status)| RunEnd {
                at: at(seconds),
                job_until: at(seconds),
                status: status.to_owned(),
                deployed: status == "success" && name == "deploy",
            }),
        }
    }

    fn pipeline(runs: &[RunTruth]) -> PipelineTruth {
        PipelineTruth {
            id: PipelineId(Uuid::from_u128(1)),
            deploy: None,
            created_at: at(0),
            processed_at: Some(at(0)),
            listed_at: at(0),
            errors_at: None,
            runs: runs.to_vec(),
        }
    }

    /// The ends that are true at a second.
    fn true_ends(truth: &PipelineTruth, seconds: i64, cancel_requested: bool) -> Vec<DeployState> {
        let all = [Succeeded, Failed, Canceled, NothingRan, CiError];
        let is_true = |state: &DeployState| {
            let claim = EndClaim {
                state: *state,
                cancel_requested,
                must_run: true,
                start_timeout: Duration::from_mins(3),
                tolerance: TimeDelta::zero(),
            };
            claim.is_true_at(truth, at(seconds))
        };
        all.into_iter().filter(is_true).collect()
    }

    #[track_caller]
    fn check(runs: &[RunTruth], seconds: i64, expected: &[DeployState]) {
        assert_eq!(true_ends(&pipeline(runs), seconds, false), expected);
    }

    #[test]
    fn the_newest_run_decides_once_all_are_over() {
        let words = [
            ("success", Succeeded),
            ("failed", Failed),
            ("error", Failed),
            ("unauthorized", Failed),
            ("canceled", Canceled),
            ("not_run", NothingRan),
        ];
        for (word, end) in words {
            let older = run("deploy", 1, Some((50, "success")));
            let runs = [older, run("deploy", 2, Some((9, word)))];
            check(&runs, 49, &[]);
            check(&runs, 50, &[end]);
            let lint = run("lint", 1, Some((2, "failed")));
            check(&[lint, run("deploy", 2, Some((9, word)))], 9, &[end]);
        }
    }

    #[test]
    fn a_green_workflow_without_its_job_has_failed() {
        let mut green = run("deploy", 1, Some((9, "success")));
        green.end.as_mut().unwrap().deployed = false;
        check(&[green], 9, &[Failed]);
    }

    #[test]
    fn a_rerun_that_comes_within_five_minutes_is_waited_for() {
        let failed = || run("deploy", 1, Some((9, "failed")));
        let soon = run("deploy", 300, Some((400, "success")));
        check(&[failed(), soon], 20, &[]);
        let later = run("deploy", 400, Some((500, "success")));
        check(&[failed(), later], 20, &[Failed]);
        check(&[failed()], 20, &[Failed]);
    }

    #[test]
    fn no_workflow_yet_is_no_end() {
        let late = || run("deploy", 90_000, None);
        check(&[], 20, &[NothingRan]);
        check(&[late()], 7_199, &[]);
        check(&[late()], 7_200, &[NothingRan]);
        let lint = || run("lint", 1, Some((9, "success")));
        check(&[lint(), late()], 179, &[]);
        check(&[lint(), late()], 180, &[NothingRan]);
    }

    #[test]
    fn a_setup_never_decides_success() {
        let ends = [
            ("success", NothingRan),
            ("failed", Failed),
            ("canceled", Canceled),
        ];
        for (word, end) in ends {
            check(&[run("setup", 1, Some((9, word)))], 8, &[]);
            check(&[run("setup", 1, Some((9, word)))], 9, &[end]);
        }
        let continued = run("deploy", 100, None);
        let setup = run("setup", 1, Some((9, "failed")));
        check(&[setup, continued], 20, &[]);
    }

    #[test]
    fn errors_are_an_end_whatever_else_there_is() {
        let mut truth = pipeline(&[run("deploy", 1, Some((9, "success")))]);
        truth.errors_at = Some(at(10));
        assert_eq!(true_ends(&truth, 9, false), [Succeeded]);
        assert_eq!(true_ends(&truth, 10, false), [CiError]);
        assert_eq!(true_ends(&truth, 10, true), [Canceled, CiError]);
    }

    #[test]
    fn a_cancel_ends_only_what_does_not_run() {
        let open = pipeline(&[run("deploy", 1, None)]);
        assert_eq!(true_ends(&open, 9, true), []);
        let late = pipeline(&[run("deploy", 90_000, None)]);
        assert_eq!(true_ends(&late, 9, true), [Canceled]);
        assert_eq!(true_ends(&late, 9, false), []);
    }
}
