//! One thread's view of the product's runs: each is resumed once for each answer, and remembered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chatops_core::deploy::decide::{CiRead, Context, RetryCause};
use chatops_core::deploy::handler::{BeginningRetry, DeployRun, RunError, Writing};
use chatops_core::deploy::{CiPipeline, CiRunKind, DeployRecord, DeployState, EndReason};
use chatops_core::id::InvocationId;
use chatops_core::message::ActionMessage;
use chatops_core::phase::Phase;
use chatops_core::ports::{
    Commit, CommitError, Conflict, DeployPage, LockChange, ProjectFacts, TargetLock,
};

use super::ModelViolation;
use super::actions::{deploy_message, retrier_of};
use super::ci_answer::CiAnswer;
use super::commit_invariants::{check, check_commit, check_retry};
use super::interner::{
    DecidedCommit, ItemInterner, MODEL_CONFIG, ModelItem, PLACES, TICK, canonical, known_place,
    next_tick, now, pipeline_of, place_of, rename_runs, run_name, tick_item,
};
use super::rules::DecisionRules;
use super::run_value::{action_of, canonical_run, commit_of, memory_of};
use super::shard::FastMap;
use crate::crash_points::unavailable;
use crate::invariants::{Invariant::OwnPipeline, Violation};
use crate::seeded::alter;

/// What a decision comes to that no run makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkerPlan {
    /// Nothing.
    Wait,
    /// Write this commit.
    Write(u32),
    /// The decision itself is wrong.
    Broken(ModelViolation),
}

impl WorkerPlan {
    pub(super) fn illegal() -> Self {
        Self::Broken(ILLEGAL)
    }
}

const ILLEGAL: ModelViolation = Violation {
    invariant: None,
    detail: "a decision the state machine does not allow",
};

/// What a run is answered, or what happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum RunAnswer {
    /// Its message is a command that is not on record.
    Command {
        /// The command.
        number: u32,
        /// The deploy's place.
        place: u8,
    },
    /// Its message is a retry request, and these are the deploys.
    Action(u32, [u32; PLACES]),
    /// Its message is the ticket of the deploy in that place, and these are the deploys.
    Ticket(u8, [u32; PLACES]),
    /// What a retry reads: these are the deploys.
    Chain([u32; PLACES]),
    /// The record that it reads.
    Record(u32),
    /// The record of the deploy that has the target.
    Holder(u32),
    /// Its write is done.
    Written,
    /// Others have written first.
    Overtaken,
    /// Whether its write was done is unknown.
    Lost,
    /// Its ticket is sent.
    Sent,
    /// CircleCI answers.
    Ci(CiAnswer),
    /// The attempt that it posted is not the latest one any more.
    NewAttempt,
}

/// What becomes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextRun {
    /// This one.
    Run(u32),
    /// It is over.
    Ended,
    /// It does what it must not.
    Broken(ModelViolation),
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum RunPhase {
    /// There is no run.
    #[default]
    Idle,
    /// About to read the deploy to retry.
    ReadingRetried,
    /// About to write the first transaction of a retry.
    BeginningRetry,
    /// About to record that a retry was refused.
    RecordingRefusal,
    /// About to put a ticket back.
    ReturningTicket,
    /// About to write the first transaction of a command.
    Opening,
    /// About to read the deploy.
    Reading,
    /// About to send the POST, or waiting for its answer.
    Triggering,
    /// About to write that it reads CircleCI.
    Reserving,
    /// About to look up the pipeline.
    LookingUp,
    /// About to poll.
    Polling,
    /// About to write a decision.
    Writing,
    /// Knows what CircleCI has shown, about to read the deploy.
    Recording,
    /// About to write what CircleCI has shown.
    WritingEvidence,
    /// About to send the ticket.
    SendingTicket,
}

/// What a commit does to the lock; moments in ticks from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum LockFact {
    #[default]
    Keep,
    /// One more than the place of the deploy whose lock does not block.
    Take(i8, u8),
    Free,
    Expire(i8),
}

/// What the steps need to know of an item.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ItemFacts {
    /// `None` for a command that is not on record.
    pub state: Option<DeployState>,
    /// Whether it was canceled before any workflow was seen.
    pub canceled_early: bool,
    pub due: bool,
    pub has_timer: bool,
    pub holds: bool,
    pub has_run: bool,
    pub expired: bool,
    pub cancel: bool,
    /// Another one retries it.
    pub retried: bool,
    /// One more than the person whose request made it, or whose request a run is over.
    pub retrier: u8,
    /// Of a commit: the number of its record.
    pub record: u32,
    /// Of a commit: the number of the record of the deploy that it retries.
    pub retried_record: u32,
    pub lock: LockFact,
    /// Of a run: where it stands.
    pub phase: RunPhase,
    /// Of a run: the place of its deploy, if there is room for it.
    pub place: Option<u8>,
    /// Of a poll, or of what reserves it: whether it cancels.
    pub cancels: bool,
}

/// The changes of an item that depend on nothing else.
#[derive(Debug, Clone, Copy)]
pub(super) enum ItemShift {
    /// A tick passes.
    Later,
    /// The run in that slot is gone.
    Gone(usize),
    /// The runs change places.
    Swap,
}

/// One thread's memory.
pub(super) struct DecisionCache<'a> {
    pub(super) interner: &'a ItemInterner,
    pub(super) rules: &'a DecisionRules,
    items: Vec<Option<(Arc<ModelItem>, ItemFacts)>>,
    shifted: [Vec<u32>; 4],
    plans: FastMap<[u32; 3], WorkerPlan>,
    runs: FastMap<(u32, RunAnswer, u8), NextRun>,
}

fn ticks_from_now(at: chatops_core::Time) -> i8 {
    let ticks = (at - now()).num_seconds() / TICK.as_secs().cast_signed();
    i8::try_from(ticks).unwrap_or(i8::MAX)
}

fn record_facts(record: &DeployRecord) -> ItemFacts {
    let reason = record.end.as_ref().map(|end| &end.reason);
    let early = matches!(reason, Some(EndReason::CanceledBeforeWorkflow { .. }));
    ItemFacts {
        state: Some(record.state),
        canceled_early: early,
        due: record.is_due(now()),
        has_timer: record.due_at.is_some() || record.owes_ticket,
        holds: record.locked_target.is_some(),
        has_run: record.run.is_some(),
        expired: record.valid_until <= now(),
        cancel: record.cancel.is_some(),
        retried: record.retried_by.is_some(),
        retrier: record.retry_request.map_or(0, retrier_of),
        ..ItemFacts::default()
    }
}

fn lock_fact(lock: Option<&LockChange>) -> LockFact {
    match lock {
        None => LockFact::Keep,
        Some(LockChange::Take { now, inherits, .. }) => {
            let inherits = inherits.and_then(known_place).map_or(0, |place| place + 1);
            LockFact::Take(ticks_from_now(*now), u8::try_from(inherits).unwrap_or(0))
        }
        Some(LockChange::Free { .. }) => LockFact::Free,
        Some(LockChange::Expire { until, .. }) => LockFact::Expire(ticks_from_now(*until)),
    }
}

fn run_phase(run: &DeployRun) -> RunPhase {
    match run {
        DeployRun::Open(_) => RunPhase::Opening,
        DeployRun::ReadRetried(_) => RunPhase::ReadingRetried,
        DeployRun::BeginRetry(_) => RunPhase::BeginningRetry,
        DeployRun::RecordRefusal(_) => RunPhase::RecordingRefusal,
        DeployRun::ReturnTicket(_) => RunPhase::ReturningTicket,
        DeployRun::Read(_) => RunPhase::Reading,
        DeployRun::Trigger(_) => RunPhase::Triggering,
        DeployRun::ReserveRead(_) => RunPhase::Reserving,
        DeployRun::LookUp(_) => RunPhase::LookingUp,
        DeployRun::Poll(_) => RunPhase::Polling,
        DeployRun::Write(_) => RunPhase::Writing,
        DeployRun::Record(_) => RunPhase::Recording,
        DeployRun::WriteEvidence(_) => RunPhase::WritingEvidence,
        DeployRun::SendTicket(_) => RunPhase::SendingTicket,
        other => unreachable!("no state of the model: {other:?}"),
    }
}

fn item_facts(interner: &ItemInterner, item: &ModelItem) -> ItemFacts {
    let number =
        |record: &DeployRecord| interner.intern(ModelItem::Record(Box::new(record.clone())));
    match item {
        ModelItem::Request(_) | ModelItem::Retry(_) => ItemFacts {
            due: true,
            has_timer: true,
            ..ItemFacts::default()
        },
        ModelItem::Record(record) => record_facts(record),
        ModelItem::Commit(commit) => ItemFacts {
            record: number(&commit.record),
            lock: lock_fact(commit.lock.as_ref()),
            ..record_facts(&commit.record)
        },
        ModelItem::Run(run) => {
            let mut run = run.clone();
            let phase = run_phase(&run);
            let cancels = match run.as_ref() {
                DeployRun::Poll(phase) => phase.poll.cancel,
                DeployRun::ReserveRead(phase) => {
                    matches!(&phase.read, CiRead::Poll(poll) if poll.cancel)
                }
                _ => false,
            };
            let facts = commit_of(&mut run).map(|commit| ItemFacts {
                record: number(&commit.record),
                retried_record: commit.retried.as_ref().map_or(0, |old| number(&old.record)),
                lock: lock_fact(commit.lock.as_ref()),
                ..record_facts(&commit.record)
            });
            let retrier = match run.as_ref() {
                DeployRun::RecordRefusal(phase) => retrier_of(phase.action.id),
                _ => action_of(&mut run).map_or(0, |action| retrier_of(action.id)),
            };
            let place = run.deploy().and_then(known_place);
            ItemFacts {
                phase,
                cancels,
                retrier,
                place: place.and_then(|place| u8::try_from(place).ok()),
                ..facts.unwrap_or_default()
            }
        }
    }
}

impl<'a> DecisionCache<'a> {
    pub(super) fn new(interner: &'a ItemInterner, rules: &'a DecisionRules) -> Self {
        Self {
            interner,
            rules,
            items: vec![],
            shifted: Default::default(),
            plans: FastMap::default(),
            runs: FastMap::default(),
        }
    }

    pub(super) fn entry(&mut self, number: u32) -> &(Arc<ModelItem>, ItemFacts) {
        let at = number as usize;
        if self.items.len() <= at {
            self.items.resize(at + 64, None);
        }
        self.items[at].get_or_insert_with(|| {
            let item = self.interner.get(number);
            let facts = item_facts(self.interner, &item);
            (item, facts)
        })
    }

    /// The facts of an item; those of nothing for number 0.
    pub(super) fn facts(&mut self, number: u32) -> ItemFacts {
        if number == 0 {
            return ItemFacts::default();
        }
        self.entry(number).1
    }

    pub(super) fn record(&mut self, number: u32) -> DeployRecord {
        match self.entry(number).0.as_ref() {
            ModelItem::Record(record) => record.as_ref().clone(),
            _ => unreachable!("number {number} is not a deploy on record"),
        }
    }

    /// A command that was just typed.
    pub(super) fn queued_request(&mut self) -> u32 {
        self.interner
            .intern(ModelItem::Request(MODEL_CONFIG.timeouts.request_ttl))
    }

    /// The item after `shift`; no item stays none.
    pub(super) fn shift_item(&mut self, number: u32, shift: ItemShift) -> u32 {
        let at = number as usize;
        let row = match shift {
            ItemShift::Later => 0,
            ItemShift::Gone(slot) => 1 + slot,
            ItemShift::Swap => 3,
        };
        if number == 0 {
            return 0;
        }
        if self.shifted[row].len() <= at {
            self.shifted[row].resize(at + 64, 0);
        }
        if self.shifted[row][at] == 0 {
            let item = Arc::clone(&self.entry(number).0);
            let (one, two) = (run_name(Some(0)), run_name(Some(1)));
            let item = match shift {
                ItemShift::Later => tick_item(&item),
                ItemShift::Gone(slot) => rename_runs(&item, |by| {
                    (*by == run_name(Some(slot))).then(|| run_name(None))
                }),
                ItemShift::Swap => rename_runs(&item, |by| {
                    let mut others = [(&one, &two), (&two, &one)].into_iter();
                    others.find(|(a, _)| *a == by).map(|(_, b)| b.clone())
                }),
            };
            self.shifted[row][at] = self.interner.intern(item);
        }
        self.shifted[row][at]
    }

    pub(super) fn cached_plan(
        &mut self,
        key: [u32; 3],
        make: impl FnOnce(&mut Self) -> WorkerPlan,
    ) -> WorkerPlan {
        if let Some(plan) = self.plans.get(&key) {
            return *plan;
        }
        let plan = caught(|| make(self)).unwrap_or(WorkerPlan::Broken(PANICKED));
        self.plans.insert(key, plan);
        plan
    }

    /// Checks a commit against the record it was decided from, and numbers it.
    pub(super) fn plan_commit(
        &mut self,
        before: Option<&DeployRecord>,
        commit: Option<Commit>,
    ) -> WorkerPlan {
        let Some(mut commit) = commit else {
            return WorkerPlan::Wait;
        };
        alter::commit(self.rules.bug, &mut commit);
        if let Err(why) = check_commit(before, &commit) {
            return WorkerPlan::Broken(why);
        }
        if let Some(LockChange::Expire { until, .. }) = &mut commit.lock {
            *until = next_tick(*until);
        }
        let decided = DecidedCommit {
            record: canonical(commit.record),
            lock: commit.lock,
        };
        WorkerPlan::Write(self.interner.intern(ModelItem::Commit(Box::new(decided))))
    }

    /// The run over a wake-up of the deploy on record.
    pub(super) fn wake_up(&mut self, number: u32) -> u32 {
        let run = canonical_run(DeployRun::wake_up(self.record(number).id));
        self.interner.intern(ModelItem::Run(Box::new(run)))
    }

    /// What becomes of the run in `slot`.
    pub(super) fn next_run(&mut self, run: u32, answer: RunAnswer, slot: usize) -> NextRun {
        let key = (run, answer, u8::try_from(slot).unwrap_or(0));
        if let Some(next) = self.runs.get(&key) {
            return *next;
        }
        let next = caught(|| self.resume(run, answer, slot));
        let next = next.unwrap_or(NextRun::Broken(PANICKED));
        self.runs.insert(key, next);
        next
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
                    let checked =
                        check_retry(&old, cause, commit).and_then(|()| check_commit(None, commit));
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

    fn run(&mut self, number: u32) -> DeployRun {
        match self.entry(number).0.as_ref() {
            ModelItem::Run(run) => run.as_ref().clone(),
            _ => unreachable!("number {number} is not a run"),
        }
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

/// "No panic" is one of the promises.
fn caught<T>(make: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(make)).ok()
}

const PANICKED: ModelViolation = Violation {
    invariant: None,
    detail: "a decision panicked",
};

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
    let lock = TargetLock {
        deploy: holder.id,
        since: now(),
        until: None,
    };
    match phase.resume(Err(Conflict::Lock(lock).into()), ctx) {
        DeployRun::ReadHolder(phase) => phase.resume(Ok(Some(holder)), ctx),
        run => run,
    }
}

/// A retry that finds the target taken, and who has it.
fn refuse_busy(phase: BeginningRetry, holder: DeployRecord, ctx: Context<'_>) -> DeployRun {
    let lock = TargetLock {
        deploy: holder.id,
        since: now(),
        until: None,
    };
    match phase.resume(Err(Conflict::Lock(lock).into()), ctx) {
        DeployRun::ReadRetryHolder(phase) => phase.resume(Ok(Some(holder)), ctx),
        run => run,
    }
}

pub(super) fn context(me: &InvocationId) -> Context<'_> {
    Context {
        now: now(),
        invocation: me,
        posted_attempt: 0,
        deadline: None,
        config: &MODEL_CONFIG,
    }
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
