//! What is decided about a deploy without a run: whether its ticket is of no use, and a cancel.
//!
//! The runs decide everything else.

use chatops_core::command::DeployAction;
use chatops_core::deploy::DeployRecord;
use chatops_core::deploy::decide::{CancelDecision, decide_cancel};
use chatops_core::id::DeployRef;
use chatops_core::ports::{Commit, LockChange};

use super::canonical::canonical;
use super::clock::next_tick;
use super::commit_invariants::{check_commit, check_fold};
use super::config::{context, timeouts};
use super::decision_cache::{DecisionCache, ILLEGAL, WorkerPlan};
use super::ids::run_name;
use super::interner::{DecidedCommit, ModelItem};
use super::messages::action_message;
use crate::seeded::alter;

impl DecisionCache<'_> {
    /// Whether the sweeper has no use for the ticket of a deploy.
    pub(super) fn is_ticket_obsolete(&mut self, number: u32) -> bool {
        let rules = self.rules;
        match self.entry(number).0.as_ref() {
            ModelItem::Record(record) => (rules.is_ticket_obsolete)(record),
            _ => false,
        }
    }

    /// The requester cancels the deploy.
    pub(super) fn plan_cancel(&mut self, number: u32) -> WorkerPlan {
        self.cached_plan(number, |cache| {
            let record = cache.record(number);
            let deploy = DeployRef::Full(record.id);
            let action = action_message(0, DeployAction::Cancel { deploy }, timeouts().request_ttl);
            let me = run_name(None);
            match decide_cancel(&record, &action, context(&me)) {
                Ok(CancelDecision::Write(commit)) => cache.plan_commit(&record, *commit),
                Ok(
                    CancelDecision::Ended
                    | CancelDecision::AlreadyRequested(_)
                    | CancelDecision::Denied(_),
                ) => WorkerPlan::Wait,
                Err(_) => WorkerPlan::Broken(ILLEGAL),
            }
        })
    }

    /// Checks a commit against the record it was decided from, and numbers it.
    fn plan_commit(&mut self, before: &DeployRecord, mut commit: Commit) -> WorkerPlan {
        alter::commit(self.rules.bug, &mut commit);
        let mut checked = check_commit(Some(before), &commit);
        if self.rules.bug.is_none() {
            checked = checked.and_then(|()| check_fold(Some(before), &commit));
        }
        if let Err(why) = checked {
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
}
