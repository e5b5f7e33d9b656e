//! One thread's view of the decisions: the real functions, called once per case and remembered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chatops_core::decide::{self, Context, NextStep};
use chatops_core::deploy::{CiPipeline, CiRunKind, DeployRecord, DeployState};
use chatops_core::id::ShortId;
use chatops_core::machine::IllegalTransition;
use chatops_core::ports::{Commit, LockChange, TargetLock};

use super::ModelViolation;
use super::actions::{deploy_message, retrier_of};
use super::commit_invariants::{check, check_commit};
use super::evidence::CiEvidence;
use super::interner::{
    DecidedCommit, ItemInterner, MODEL_CONFIG, ModelItem, TICK, canonical, next_tick, now,
    pipeline_of, place_of, rename_runs, run_name, tick_item,
};
use super::rules::DecisionRules;
use super::shard::FastMap;
use crate::invariants::{Invariant::OwnPipeline, Violation};

/// What a decision comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkerPlan {
    /// Nothing.
    Wait,
    /// Write this commit.
    Write(u16),
    /// Send the POST.
    Post,
    /// Look up the pipeline.
    LookUp,
    /// Poll the pipeline.
    Poll { cancel: bool },
    /// Send the ticket, then write this commit.
    WriteTicket(u16),
    /// The decision itself is wrong.
    Broken(ModelViolation),
}

impl WorkerPlan {
    pub(super) fn illegal() -> Self {
        let why = "a decision the state machine does not allow";
        Self::Broken(Violation::new(None, why))
    }
}

/// What a commit does to the lock; moments in ticks from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum LockFact {
    #[default]
    Keep,
    Take(i8),
    Free,
    Expire(i8),
}

/// What the steps need to know of an item.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ItemFacts {
    /// `None` for a command that is not on record.
    pub state: Option<DeployState>,
    pub due: bool,
    pub has_timer: bool,
    pub holds: bool,
    pub has_run: bool,
    pub expired: bool,
    pub cancel: bool,
    /// Another one retries it.
    pub retried: bool,
    /// One more than the person whose request made it.
    pub retrier: u8,
    /// Of a commit: the number of its record.
    pub record: u16,
    /// Of a commit: the number of the record of the deploy that it retries.
    pub retried_record: u16,
    pub lock: LockFact,
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
    shifted: [Vec<u16>; 4],
    plans: FastMap<u64, WorkerPlan>,
}

fn ticks_from_now(at: chatops_core::Time) -> i8 {
    let ticks = (at - now()).num_seconds() / TICK.as_secs().cast_signed();
    i8::try_from(ticks).unwrap_or(i8::MAX)
}

fn record_facts(record: &DeployRecord) -> ItemFacts {
    ItemFacts {
        state: Some(record.state),
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
            retried_record: commit.retried.as_ref().map_or(0, number),
            lock: match &commit.lock {
                None => LockFact::Keep,
                Some(LockChange::Take { now, .. }) => LockFact::Take(ticks_from_now(*now)),
                Some(LockChange::Free { .. }) => LockFact::Free,
                Some(LockChange::Expire { until, .. }) => LockFact::Expire(ticks_from_now(*until)),
            },
            ..record_facts(&commit.record)
        },
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
        }
    }

    pub(super) fn entry(&mut self, number: u16) -> &(Arc<ModelItem>, ItemFacts) {
        let at = usize::from(number);
        if self.items.len() <= at {
            self.items.resize(at + 64, None);
        }
        self.items[at].get_or_insert_with(|| {
            let item = self.interner.get(number);
            let facts = item_facts(self.interner, &item);
            (item, facts)
        })
    }

    pub(super) fn facts(&mut self, number: u16) -> ItemFacts {
        self.entry(number).1
    }

    pub(super) fn record(&mut self, number: u16) -> DeployRecord {
        match self.entry(number).0.as_ref() {
            ModelItem::Record(record) => record.as_ref().clone(),
            _ => unreachable!("number {number} is not a deploy on record"),
        }
    }

    /// A command that was just typed.
    pub(super) fn queued_request(&mut self) -> u16 {
        self.interner
            .intern(ModelItem::Request(MODEL_CONFIG.timeouts.request_ttl))
    }

    /// The item after `shift`; no item stays none.
    pub(super) fn shift_item(&mut self, number: u16, shift: ItemShift) -> u16 {
        let at = usize::from(number);
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
        key: [u16; 4],
        make: impl FnOnce(&mut Self) -> WorkerPlan,
    ) -> WorkerPlan {
        let parts = key.into_iter();
        let key = parts.fold(0, |all, part| all << 16 | u64::from(part));
        if let Some(plan) = self.plans.get(&key) {
            return *plan;
        }
        // "No panic" is one of the promises.
        let plan = catch_unwind(AssertUnwindSafe(|| make(self)));
        let panicked = Violation::new(None, "a decision panicked");
        let plan = plan.unwrap_or(WorkerPlan::Broken(panicked));
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
        if let Err(why) = check_commit(before, &commit) {
            return WorkerPlan::Broken(why);
        }
        if let Some(LockChange::Expire { until, .. }) = &mut commit.lock {
            *until = next_tick(*until);
        }
        let decided = DecidedCommit {
            record: canonical(commit.record),
            lock: commit.lock,
            retried: commit.retried.map(|retried| canonical(retried.record)),
        };
        WorkerPlan::Write(self.interner.intern(ModelItem::Commit(Box::new(decided))))
    }

    fn plan_result(
        &mut self,
        before: &DeployRecord,
        commit: Result<Option<Commit>, IllegalTransition>,
    ) -> WorkerPlan {
        match commit {
            Ok(commit) => self.plan_commit(Some(before), commit),
            Err(_) => WorkerPlan::illegal(),
        }
    }

    /// What the run in `slot` does next about a deploy.
    pub(super) fn plan_next(&mut self, number: u16, slot: u8, posted: u8) -> WorkerPlan {
        self.cached_plan([0, number, u16::from(slot), u16::from(posted)], |cache| {
            let record = cache.record(number);
            let me = run_name(Some(usize::from(slot)));
            let ctx = context(&me, posted);
            match (cache.rules.next_step)(&record, ctx) {
                Err(_) => WorkerPlan::illegal(),
                // Nobody cuts the runs of the model off.
                Ok(NextStep::Wait | NextStep::OutOfTime) => WorkerPlan::Wait,
                Ok(NextStep::Write(commit)) => cache.plan_commit(Some(&record), Some(*commit)),
                Ok(NextStep::Post(request)) => {
                    let id = record.id.to_string();
                    let mut values = request.parameters.values();
                    let carried = values.any(|value| value.as_str() == Some(&id));
                    match check(carried, OwnPipeline, "a POST without the deploy id") {
                        Ok(()) => WorkerPlan::Post,
                        Err(why) => WorkerPlan::Broken(why),
                    }
                }
                Ok(NextStep::LookUp(_)) => WorkerPlan::LookUp,
                Ok(NextStep::Poll { cancel, .. }) => WorkerPlan::Poll { cancel },
                Ok(NextStep::WriteTicket) => {
                    let placed = decide::ticket_written(&record);
                    match cache.plan_commit(Some(&record), Some(placed)) {
                        WorkerPlan::Write(commit) => WorkerPlan::WriteTicket(commit),
                        other => other,
                    }
                }
            }
        })
    }

    /// What the run in `slot` writes about what the outside world answered.
    pub(super) fn plan_after(
        &mut self,
        number: u16,
        seen: CiEvidence,
        slot: u8,
        posted: u8,
    ) -> WorkerPlan {
        let key = u16::from(slot) << 8 | u16::from(posted);
        self.cached_plan([1, number, seen as u16, key], |cache| {
            let record = cache.record(number);
            let me = run_name(Some(usize::from(slot)));
            let pipeline = deploy_pipeline(place_of(record.id));
            let ctx = context(&me, posted);
            let commit = seen.decide_commit(cache.rules, &record, pipeline, ctx);
            cache.plan_result(&record, commit)
        })
    }

    /// The rejection of a deploy whose target another one has.
    pub(super) fn plan_reject_busy(&mut self, number: u16, holder: u16, slot: u8) -> WorkerPlan {
        self.cached_plan([2, number, holder, u16::from(slot)], |cache| {
            let (record, holder) = (cache.record(number), cache.record(holder));
            let lock = TargetLock {
                deploy: holder.id,
                since: now(),
                until: None,
            };
            let me = run_name(Some(usize::from(slot)));
            let commit = decide::reject_busy(&record, &lock, &holder, context(&me, 0));
            cache.plan_result(&record, commit.map(Some))
        })
    }

    /// The first transaction of a command.
    pub(super) fn plan_open(&mut self, number: u16, deploy: usize) -> WorkerPlan {
        let place = u16::try_from(deploy).unwrap_or(0);
        self.cached_plan([3, number, place, 0], |cache| {
            let ModelItem::Request(left) = *cache.entry(number).0.as_ref() else {
                return WorkerPlan::Wait;
            };
            let message = deploy_message(deploy, left);
            let me = run_name(None);
            let commit = decide::open_deploy(&message, ShortId::USUAL, context(&me, 0));
            cache.plan_commit(None, Some(commit))
        })
    }
}

pub(super) fn context(me: &chatops_core::id::InvocationId, posted: u8) -> Context<'_> {
    Context {
        now: now(),
        invocation: me,
        posted_attempt: u32::from(posted),
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
