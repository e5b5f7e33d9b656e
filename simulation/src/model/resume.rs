//! What becomes of a run that is answered: the product's own value goes on to its next request.
//!
//! Every answer that the world could give is given by the steps; here each is only passed on. What
//! must hold of what a run is about to do is checked before the run is numbered, so no state holds a
//! run that does what it must not.

use chatops_core::deploy::decide::{Context, RetryCause};
use chatops_core::deploy::handler::{BeginningRetry, DeployRun, RunError, Writing};
use chatops_core::deploy::{CiPipeline, CiRunKind, DeployRecord, DeployState};
use chatops_core::message::ActionMessage;
use chatops_core::phase::Phase;
use chatops_core::ports::{CommitError, Conflict, DeployPage, ProjectFacts, TargetLock};
use chatops_core::release::ReleaseHistory;

use super::ModelViolation;
use super::clock::{TICK, now};
use super::commit_invariants::{check, check_commit, check_fold, check_retried_fold, check_retry};
use super::config::context;
use super::decision_cache::{DecisionCache, ILLEGAL, NextRun, RunAnswer};
use super::ids::{PLACES, known_place, pipeline_of, place_of, run_name};
use super::interner::ModelItem;
use super::messages::deploy_message;
use super::run_value::{canonical_run, commit_of, memory_of};
use crate::crash_points::unavailable;
use crate::seeded::alter;
use crate::violation::{Invariant::OwnPipeline, Violation};

impl DecisionCache<'_> {
    /// The run over a wake-up of the deploy on record.
    pub(super) fn wake_up(&mut self, number: u32) -> u32 {
        let deploy = self.record(number).id;
        self.intern_run(DeployRun::wake_up(deploy))
    }

    /// What becomes of the run in `slot`.
    pub(super) fn next_run(&mut self, run: u32, answer: RunAnswer, slot: usize) -> NextRun {
        let key = (run, answer, u8::try_from(slot).unwrap_or(0));
        self.cached_run(key, |cache| cache.resume(run, answer, slot))
    }

    fn resume(&mut self, run: u32, answer: RunAnswer, slot: usize) -> NextRun {
        let me = run_name(Some(slot));
        let (bug, ctx) = (self.rules.bug, context(&me));
        let mut before = None;
        let mut read = |cache: &mut Self, number, began| {
            let mut seen = cache.record(number);
            before = Some(seen.clone());
            alter::record(bug, &mut seen, began);
            Ok(Some(seen))
        };
        let lost = || Err(unavailable("the answer was lost").into());
        let overtaken = || Err(Conflict::StaleVersion.into());
        let value = (run != 0).then(|| self.run(run));
        let next = match (value, answer) {
            (None, RunAnswer::Command { number, place }) => {
                match self.command_run(number, usize::from(place)) {
                    DeployRun::ReadCommand(phase) => phase.resume(Ok(None), ctx),
                    other => other,
                }
            }
            (None, RunAnswer::Action(number, deploys)) => {
                let retry = self.get_retry(number);
                let run = DeployRun::retry(retry.named, retry.to_action());
                return self.resume_retry(run, &deploys, ctx);
            }
            (None, RunAnswer::Ticket(place, deploys)) => {
                let run = DeployRun::ticket(self.record(deploys[usize::from(place)]).id);
                return self.resume_retry(run, &deploys, ctx);
            }
            (Some(run), RunAnswer::Chain(deploys)) => {
                return self.resume_retry(run, &deploys, ctx);
            }
            (Some(DeployRun::BeginRetry(phase)), RunAnswer::Holder(number)) => {
                let holder = self.record(number);
                refuse_busy(phase, holder, ctx)
            }
            (Some(DeployRun::Read(phase)), RunAnswer::Record(number)) => {
                let answer = read(self, number, phase.memory.began_trigger);
                phase.resume(answer, ctx)
            }
            (Some(DeployRun::Record(phase)), RunAnswer::Record(number)) => {
                let answer = read(self, number, phase.memory.began_trigger);
                phase.resume(answer, ctx)
            }
            (Some(DeployRun::Write(phase)), RunAnswer::Holder(number)) => {
                let holder = self.record(number);
                before = Some(phase.record.as_ref().clone());
                reject_busy(phase, holder, ctx)
            }
            (Some(DeployRun::SendTicket(phase)), RunAnswer::Sent) => {
                before = Some(phase.record.as_ref().clone());
                phase.resume(Ok(()), ctx)
            }
            (Some(run), RunAnswer::Written) => written(run, Ok(()), ctx),
            (Some(run), RunAnswer::Overtaken) => written(run, overtaken(), ctx),
            (Some(run), RunAnswer::Lost) => written(run, lost(), ctx),
            (Some(run), RunAnswer::Ci(answer)) => {
                let deploy = run.deploy().map_or(0, place_of);
                match answer.resume(run, deploy_pipeline(deploy), bug, ctx) {
                    Some(run) => run,
                    None => return NextRun::Broken(MISANSWERED),
                }
            }
            (Some(mut run), RunAnswer::NewAttempt) => {
                match memory_of(&mut run) {
                    Some(memory) if memory.posted_attempt == 1 => memory.posted_attempt = 2,
                    _ => {}
                }
                run
            }
            _ => return NextRun::Broken(MISANSWERED),
        };
        let is_decision = !matches!(answer, RunAnswer::NewAttempt);
        self.settle(before.as_ref(), next, is_decision, ctx)
    }

    /// Goes on with a retry: everything that it reads it reads at once. What others write meanwhile makes
    /// its transaction fail, or is found by it.
    fn resume_retry(
        &mut self,
        mut run: DeployRun,
        deploys: &[u32; PLACES],
        ctx: Context<'_>,
    ) -> NextRun {
        let on_record = |cache: &mut Self, id| {
            let number = deploys[known_place(id)?];
            let known = number != 0 && cache.facts(number).state.is_some();
            known
                .then(|| cache.record(number))
                .filter(|found| found.id == id)
        };
        let rules = self.rules;
        loop {
            run = match run {
                DeployRun::ReadRetried(phase) => {
                    let mut old = on_record(self, phase.memory.deploy);
                    if let Some(old) = &mut old {
                        (rules.alter_retried)(old, cause_of(phase.memory.action.as_deref()));
                    }
                    phase.resume(Ok(old), ctx)
                }
                DeployRun::FindLastRetry(phase) => {
                    let retries = [deploys[3], deploys[2]].into_iter();
                    let last = retries
                        .filter(|number| *number != 0)
                        .map(|number| self.record(number).id)
                        .next();
                    phase.resume(Ok(last), ctx)
                }
                DeployRun::ReadRoot(phase) => {
                    let root = on_record(self, phase.old.chain_root());
                    phase.resume(Ok(root), ctx)
                }
                DeployRun::FindNewerSuccess(phase) => {
                    let newest = self.newer_success(place_of(phase.retry.old.id), deploys[1]);
                    let page = DeployPage {
                        deploys: newest.into_iter().collect(),
                        ..DeployPage::default()
                    };
                    phase.resume(Ok(page), ctx)
                }
                DeployRun::BeginRetry(mut phase) => {
                    let cause = cause_of(phase.retry.memory.action.as_deref());
                    let old = on_record(self, phase.retry.old.id);
                    let old = old.unwrap_or_else(|| phase.retry.old.as_ref().clone());
                    let commit = &mut phase.commit;
                    alter::commit(rules.bug, commit);
                    (rules.alter_retry)(&old, cause, commit);
                    let mut checked =
                        check_retry(&old, cause, commit).and_then(|()| check_commit(None, commit));
                    if rules.bug.is_none() {
                        checked = checked
                            .and_then(|()| check_fold(None, commit))
                            .and_then(|()| check_retried_fold(&old, commit));
                    }
                    return match checked {
                        Ok(()) => NextRun::Run(self.intern_run(DeployRun::BeginRetry(phase))),
                        Err(why) => NextRun::Broken(why),
                    };
                }
                run => return self.settle(None, run, false, ctx),
            };
        }
    }

    /// The second deploy, if it has succeeded and is newer than the one in that place: retries may be
    /// newer than that.
    fn newer_success(&mut self, place: usize, second: u32) -> Option<DeployRecord> {
        let succeeded = second != 0 && self.facts(second).state == Some(DeployState::Succeeded);
        (place == 0 && succeeded).then(|| {
            let mut newer = self.record(second);
            newer.request.requested_at = now() + TICK;
            newer
        })
    }

    /// Goes on to the next phase at which something else can happen meanwhile: the answers before it
    /// are the ones that do not matter, for which the sweeper makes up.
    fn settle(
        &mut self,
        before: Option<&DeployRecord>,
        mut run: DeployRun,
        is_decision: bool,
        ctx: Context<'_>,
    ) -> NextRun {
        loop {
            run = match run {
                DeployRun::Again(interrupted) => *interrupted.next,
                DeployRun::WakeNotifier(phase) => phase.resume(Ok(()), ctx),
                DeployRun::RefreshToken(phase) => phase.resume(Ok(()), ctx),
                DeployRun::ReadProject(phase) => phase.resume(Ok(ProjectFacts::default()), ctx),
                DeployRun::ReadReleases(phase) => phase.resume(Ok(ReleaseHistory::default()), ctx),
                DeployRun::NoteProject(phase) => phase.resume(Ok(()), ctx),
                DeployRun::ListJobs(phase) => phase.resume(Ok(vec![]), ctx),
                DeployRun::Cancel(phase) => phase.resume(Ok(()), ctx),
                DeployRun::ReadOwners(phase) => phase.resume(Ok(None), ctx),
                DeployRun::Done(Err(RunError::IllegalTransition(_))) => {
                    return NextRun::Broken(ILLEGAL);
                }
                DeployRun::ScheduleWakeUp(_) | DeployRun::Done(_) => return NextRun::Ended,
                run => match self.check_run(before, run, is_decision) {
                    Ok(run) => return NextRun::Run(self.intern_run(run)),
                    Err(why) => return NextRun::Broken(why),
                },
            };
        }
    }

    /// What must hold of what a run is about to do.
    fn check_run(
        &self,
        before: Option<&DeployRecord>,
        mut run: DeployRun,
        is_decision: bool,
    ) -> Result<DeployRun, ModelViolation> {
        if let Some(commit) = commit_of(&mut run).filter(|_| is_decision) {
            alter::commit(self.rules.bug, commit);
            check_commit(before, commit)?;
            if self.rules.bug.is_none() {
                check_fold(before, commit)?;
            }
        }
        if let DeployRun::Trigger(phase) = &run {
            let id = phase.memory.deploy.to_string();
            let mut values = phase.request.parameters.values();
            let carried = values.any(|value| value.as_str() == Some(&id));
            check(carried, OwnPipeline, "a POST without the deploy id")?;
        }
        Ok(run)
    }

    fn intern_run(&self, run: DeployRun) -> u32 {
        let run = Box::new(canonical_run(run));
        self.interner.intern(ModelItem::Run(run))
    }

    /// The run over a command that was queued.
    fn command_run(&mut self, number: u32, place: usize) -> DeployRun {
        match self.entry(number).0.as_ref() {
            ModelItem::Request(left) => DeployRun::open(deploy_message(place, *left)),
            _ => unreachable!("number {number} is not a command"),
        }
    }
}

fn cause_of(action: Option<&ActionMessage>) -> RetryCause<'_> {
    action.map_or(RetryCause::Ticket, RetryCause::Action)
}

const MISANSWERED: ModelViolation = Violation {
    invariant: None,
    detail: "a run was answered what it did not ask",
};

/// A write and its answer.
fn written(run: DeployRun, answer: Result<(), CommitError>, ctx: Context<'_>) -> DeployRun {
    match run {
        DeployRun::Open(phase) => phase.resume(answer, ctx),
        DeployRun::BeginRetry(phase) => phase.resume(answer, ctx),
        DeployRun::Write(phase) => phase.resume(answer, ctx),
        DeployRun::WriteEvidence(phase) => phase.resume(answer, ctx),
        DeployRun::ReserveRead(phase) => phase.resume(answer, ctx),
        run => run,
    }
}

/// A write that finds the target taken, and who has it.
fn reject_busy(phase: Writing, holder: DeployRecord, ctx: Context<'_>) -> DeployRun {
    match phase.resume(Err(taken_by(&holder)), ctx) {
        DeployRun::ReadHolder(phase) => phase.resume(Ok(Some(holder)), ctx),
        run => run,
    }
}

/// A retry that finds the target taken, and who has it.
fn refuse_busy(phase: BeginningRetry, holder: DeployRecord, ctx: Context<'_>) -> DeployRun {
    match phase.resume(Err(taken_by(&holder)), ctx) {
        DeployRun::ReadRetryHolder(phase) => phase.resume(Ok(Some(holder)), ctx),
        run => run,
    }
}

fn taken_by(holder: &DeployRecord) -> CommitError {
    let lock = TargetLock {
        deploy: holder.id,
        since: now(),
        until: None,
    };
    Conflict::Lock(lock).into()
}

fn deploy_pipeline(deploy: usize) -> CiPipeline {
    let url = "https://app.circleci.com/pipelines/github/acme/web/1";
    let url = url::Url::parse(url).unwrap_or_else(|error| unreachable!("{error}"));
    CiPipeline {
        kind: CiRunKind::Pipeline,
        id: pipeline_of(deploy),
        number: deploy as u64 + 1,
        url,
    }
}
