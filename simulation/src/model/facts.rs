//! What the steps need to know of an item, worked out once from the product's own values.
//!
//! Nothing is decided here: a fact is read off a record, a commit or a run.

use chatops_core::Time;
use chatops_core::deploy::decide::CiRead;
use chatops_core::deploy::handler::DeployRun;
use chatops_core::deploy::{DeployRecord, DeployState, EndReason};
use chatops_core::ports::LockChange;

use super::clock::{TICK, now};
use super::ids::{known_place, retrier_of};
use super::interner::{ItemInterner, ModelItem};
use super::run_value::{action_of, commit_of};

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

fn ticks_from_now(at: Time) -> i8 {
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

/// The facts of an item; the records that it carries are numbered, too.
pub(super) fn item_facts(interner: &ItemInterner, item: &ModelItem) -> ItemFacts {
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
