//! From the pipeline to its end, and beyond: what a poll of a run means for its deploy.
//!
//! [`outcome`](super::outcome) says what CircleCI shows. Here stand how long something missing is
//! waited for, and when a run that cannot be read is given up: by efforts, not by the clock.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::audit::AuditChange;
use crate::deploy::{
    DeployRecord, DeployState, EndReason, FailedReads, NOT_THERE, Notice, RunFacts, RunWait,
    RunWatch, WaitReason,
};
use crate::ports::{Commit, PipelineState};

use super::hold::note_holds;
use super::outcome::{RunOutcome, RunReport, RunRule, first_named};
use super::reads::{after_failure, set_timer, shorten_pause, take_step};
use super::{
    Context, Decision, commit_change, end_deploy, has_card, is_drawn_differently, needs_releases,
};

/// People are told after many failed polls in a row, or after as long.
const FAILING_TOLD: Duration = Duration::from_mins(5);

/// What to write after a poll; `None` for nothing. One report can mean several writes, one after the
/// other: that it runs, and how it has ended.
pub fn after_poll(
    record: &DeployRecord,
    report: &RunReport,
    ctx: Context<'_>,
) -> Decision<Option<Commit>> {
    let Some(rule) = run_rule(record) else {
        return Ok(None);
    };
    let mut seen = record.clone();
    note_details(&mut seen, report, ctx);
    rule.note_progress(&mut seen, report, ctx);
    seen.reads.failed = None;
    if record.state.is_terminal() {
        set_timer(&mut seen);
        return after_end(record, seen, &rule, report, ctx);
    }
    if !is_followed(record) {
        return Ok(None);
    }
    let workflows = &report.poll.workflows;
    if record.state == DeployState::Triggered && !workflows.is_empty() {
        let names: BTreeSet<&str> = workflows.iter().map(|run| run.name.as_str()).collect();
        let workflows = names.into_iter().map(str::to_owned).collect();
        let change = AuditChange::Started { workflows };
        return commit_change(&seen, change, record.due_at, ctx).map(Some);
    }
    if record.state == DeployState::Running
        && let Some(change) = note_holds(&mut seen, report)
    {
        return commit_change(&seen, change, record.due_at, ctx).map(Some);
    }
    // Nothing of the report is left to write but what follows.
    set_timer(&mut seen);
    let outcome = rule.outcome(report);
    // An end that CircleCI shows comes before one that a person wants.
    if let Some(cancel) = &record.cancel
        && workflows.iter().all(|run| run.is_setup)
        && !matches!(outcome, RunOutcome::Ended(..))
    {
        let by = cancel.by.clone();
        let reason = EndReason::CanceledBeforeWorkflow { by };
        return end_deploy(&seen, DeployState::Canceled, reason, ctx).map(Some);
    }
    match outcome {
        RunOutcome::Ended(state, reason) => end_deploy(&seen, state, reason, ctx).map(Some),
        RunOutcome::Waits(why, state, reason) => {
            let rerun = rule.may_be_rerun(report);
            wait_for(seen, why, (state, reason), rerun, record, ctx)
        }
        // The handler reads what is needed before it asks.
        RunOutcome::Open | RunOutcome::NeedsDetails | RunOutcome::NeedsJobs(_) => {
            seen.reads.wait = None;
            changed(record, seen, ctx)
        }
    }
}

/// What to write after a failed poll.
pub fn after_failed_poll(
    record: &DeployRecord,
    error: &str,
    after: Option<Duration>,
    ctx: Context<'_>,
) -> Decision<Option<Commit>> {
    if record.run.is_none() || record.due_at.is_none() {
        return Ok(None);
    }
    let mut seen = record.clone();
    let failed = after_failure(&mut seen, error, after, ctx);
    let timeouts = &ctx.config.timeouts;
    if record.state.is_terminal() {
        if record.watch.is_none() && failed.are_many() {
            seen.due_at = None;
        } else if failed.gives_up(timeouts.follow_timeout.max(timeouts.lock_ttl)) {
            return end_watch(seen, ctx).map(Some);
        }
        return changed(record, seen, ctx);
    }
    if !is_followed(record) {
        return Ok(None);
    }
    let error = failed.error.clone();
    if failed.gives_up(timeouts.follow_timeout) {
        let reason = EndReason::Unreadable { error };
        return end_deploy(&seen, DeployState::LostTrack, reason, ctx).map(Some);
    }
    let told = failed.told;
    if !told && (failed.are_many() || failed.waited >= FAILING_TOLD) {
        seen.reads.failed = Some(FailedReads {
            told: true,
            ..failed
        });
        return notice(&seen, Notice::Unreadable { error }, ctx).map(Some);
    }
    changed(record, seen, ctx)
}

/// What to write after a webhook: a poll, now or a second after the one before, and no other if one is
/// due by then. So a storm of them is one poll a second, and the last one leads to a poll that begins
/// after it.
#[must_use]
pub fn poll_now(record: &DeployRecord, ctx: Context<'_>) -> Option<Commit> {
    record.run.as_ref()?;
    if !is_followed(record) && !record.state.is_terminal() {
        return None;
    }
    let pause = MIN_POLL_PAUSE.min(ctx.config.timeouts.poll_interval_min);
    let soonest = record
        .reads
        .at
        .map_or(ctx.now, |at| (at + pause).max(ctx.now));
    // A time that a wrong clock has set does not put it off.
    let soonest = soonest.min(ctx.now + pause);
    if soonest > ctx.now && record.due_at.is_some_and(|due| due <= soonest) {
        return None;
    }
    let mut record = record.clone();
    record.version += 1;
    record.due_at = Some(soonest);
    Some(Commit::of(record))
}

/// The shortest pause between two polls of a pipeline, whatever comes in.
const MIN_POLL_PAUSE: Duration = Duration::from_secs(1);

/// What decides how the deploy's run has ended; `None` without a run.
pub(super) fn run_rule(record: &DeployRecord) -> Option<RunRule> {
    let (intent, run) = (record.trigger_intent.as_ref()?, record.run.as_ref()?);
    Some(RunRule {
        workflow: intent.workflow.clone(),
        must_run: intent.must_run.clone(),
        is_created: run.created_at.is_some(),
        is_build: run.pipeline.kind == crate::deploy::CiRunKind::Build,
    })
}

pub(super) fn is_followed(record: &DeployRecord) -> bool {
    matches!(record.state, DeployState::Triggered | DeployState::Running)
}

/// The event has the revision, so the record is changed first.
fn note_details(record: &mut DeployRecord, report: &RunReport, ctx: Context<'_>) {
    if let Some(releases) = &report.releases
        && needs_releases(record)
    {
        record.before = Some(releases.before(&record.request.job));
    }
    let (Some(run), Some(details)) = (&mut record.run, &report.poll.pipeline) else {
        return;
    };
    if details.revision.is_some() {
        run.revision.clone_from(&details.revision);
    }
    if details.subject.is_some() {
        run.subject.clone_from(&details.subject);
        run.author.clone_from(&details.author);
    }
    // Where there are errors, the pipeline is read until the run is over.
    if details.state == PipelineState::Created && details.errors.is_empty() {
        run.created_at.get_or_insert(ctx.now);
    }
}

/// Waits for what is missing, until it was waited for long enough: then the deploy ends like `end`.
fn wait_for(
    mut seen: DeployRecord,
    reason: WaitReason,
    end: (DeployState, EndReason),
    may_be_rerun: Option<&str>,
    record: &DeployRecord,
    ctx: Context<'_>,
) -> Decision<Option<Commit>> {
    let timeouts = &ctx.config.timeouts;
    let limit = match reason {
        WaitReason::AnyWorkflow => timeouts.empty_pipeline_timeout,
        WaitReason::JobWorkflow => timeouts.workflow_start_timeout,
        WaitReason::AfterSetup | WaitReason::Jobs => timeouts.settle_time,
        WaitReason::Rerun => timeouts.rerun_timeout,
    };
    let step = take_step(&mut seen);
    let known = seen.reads.wait.take().filter(|wait| wait.reason == reason);
    let mut wait = known.map_or(
        RunWait {
            reason,
            waited: Duration::ZERO,
            told: false,
        },
        |wait| RunWait {
            waited: wait.waited.saturating_add(step),
            ..wait
        },
    );
    if wait.waited >= limit {
        return end_deploy(&seen, end.0, end.1, ctx).map(Some);
    }
    shorten_pause(&mut seen, limit.saturating_sub(wait.waited));
    let news = match reason {
        WaitReason::AnyWorkflow if wait.waited >= timeouts.workflow_start_timeout => {
            Some(Notice::NothingStarted)
        }
        WaitReason::Rerun => may_be_rerun.map(|workflow| Notice::MayRerun {
            workflow: workflow.to_owned(),
        }),
        _ => None,
    };
    let news = news.filter(|_| !wait.told);
    wait.told |= news.is_some();
    seen.reads.wait = Some(wait);
    match news {
        Some(news) => notice(&seen, news, ctx).map(Some),
        None => changed(record, seen, ctx),
    }
}

/// A poll after the end: what is new is told, and a lock that was kept is freed once nothing of the
/// deploy can run any more.
fn after_end(
    record: &DeployRecord,
    mut seen: DeployRecord,
    rule: &RunRule,
    report: &RunReport,
    ctx: Context<'_>,
) -> Decision<Option<Commit>> {
    if seen.due_at.is_none() {
        return Ok(None);
    }
    // What a person has canceled is told whatever its name: it is canceled at CircleCI, too.
    let cancels = record.watch.as_ref().is_some_and(|watch| watch.cancels);
    let now_shown = if cancels {
        rule.of_all_workflows().newest_statuses(report)
    } else {
        rule.newest_statuses(report)
    };
    let workflows = first_named(now_shown.clone());
    let told = match &record.notice {
        Some(Notice::AfterEnd { workflows: told }) => *told == workflows,
        _ => false,
    };
    if !now_shown.is_empty() && !told && !agrees(record, rule, report, &now_shown) {
        return notice(&seen, Notice::AfterEnd { workflows }, ctx).map(Some);
    }
    let Some(RunWatch { waited, cancels }) = seen.watch else {
        seen.due_at = None;
        return changed(record, seen, ctx);
    };
    let step = take_step(&mut seen);
    let waited = waited.saturating_add(step);
    let ttl = ctx.config.timeouts.lock_ttl;
    let all_final = |run: &crate::ports::CiWorkflow| run.status.is_final();
    if waited >= ttl && report.poll.workflows.iter().all(all_final) {
        return end_watch(seen, ctx).map(Some);
    }
    seen.watch = Some(RunWatch { waited, cancels });
    if waited < ttl {
        shorten_pause(&mut seen, ttl.saturating_sub(waited));
    }
    changed(record, seen, ctx)
}

/// Whether what is shown is the end on record.
fn agrees(
    record: &DeployRecord,
    rule: &RunRule,
    report: &RunReport,
    now_shown: &[(String, String)],
) -> bool {
    let Some(EndReason::Workflows { decided_by, .. }) = record.end.as_ref().map(|end| &end.reason)
    else {
        return false;
    };
    let is_shown = |name: &String| now_shown.iter().any(|(shown, _)| shown == name);
    let same = decided_by
        .iter()
        .all(|one| now_shown.contains(one) || (one.1 == NOT_THERE && !is_shown(&one.0)));
    let open = rule.selected(report).any(|run| !run.status.is_final());
    same && !open
}

/// Nothing of an ended deploy is read any more; the lock that it has kept is freed, unless somebody has
/// done that.
fn end_watch(mut record: DeployRecord, ctx: Context<'_>) -> Decision<Commit> {
    if record.locked_target.is_some() {
        return commit_change(&record, AuditChange::Unlocked { by: None }, None, ctx);
    }
    record.watch = None;
    record.due_at = None;
    record.version += 1;
    Ok(Commit::of(record))
}

fn notice(record: &DeployRecord, notice: Notice, ctx: Context<'_>) -> Decision<Commit> {
    commit_change(record, AuditChange::Noticed { notice }, record.due_at, ctx)
}

/// The commit of a record to which nothing happened; `None` if nothing has changed. What was learned is an
/// event, since people are shown it.
fn changed(
    before: &DeployRecord,
    mut record: DeployRecord,
    ctx: Context<'_>,
) -> Decision<Option<Commit>> {
    if *before == record {
        return Ok(None);
    }
    let redraws = has_card(&record, ctx) && is_drawn_differently(before, &record);
    let known = |record: &DeployRecord| {
        let revision = record.revision().map(str::to_owned);
        (revision, RunFacts::of(record))
    };
    let commit = if known(before) == known(&record) {
        record.version += 1;
        Commit::of(record)
    } else {
        commit_change(&record, AuditChange::Learned, record.due_at, ctx)?
    };
    Ok(Some(Commit {
        redraw: redraws.then_some(ctx.now),
        ..commit
    }))
}
