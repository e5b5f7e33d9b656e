//! What is written for a change: the record and the event, with the lock, the claim and the notifications
//! that belong to it.

use super::{Context, Decision};
use crate::Time;
use crate::audit::{AuditActor, AuditChange};
use crate::deploy::machine;
use crate::deploy::{DeployRecord, DeployState, EndReason};
use crate::id::PipelineId;
use crate::notification::NotificationKind;
use crate::ports::{Commit, LockChange};
use crate::rejection::Rejection;
use crate::release::TargetEnd;

/// The commit after the ticket was put into the dead-letter queue.
#[must_use]
pub fn ticket_written(record: &DeployRecord) -> Commit {
    let mut record = record.clone();
    record.version += 1;
    record.owes_ticket = false;
    record.due_at = None;
    Commit::of(record)
}

pub(super) fn reject(
    record: &DeployRecord,
    rejection: Rejection,
    ctx: Context<'_>,
) -> Decision<Commit> {
    end_deploy(
        record,
        DeployState::Rejected,
        EndReason::Rejected(rejection),
        ctx,
    )
}

pub(super) fn end_deploy(
    record: &DeployRecord,
    state: DeployState,
    reason: EndReason,
    ctx: Context<'_>,
) -> Decision<Commit> {
    let due = match state {
        // The retry ticket has to be written at once, if there is one.
        DeployState::TriggerFailed => reason.is_mendable().then_some(ctx.now),
        _ if reason.watch().is_some() => record.due_at,
        _ => None,
    };
    commit_change(record, AuditChange::Ended { state, reason }, due, ctx)
}

/// The commit for `change`, with its lock, claim and notifications.
pub(super) fn commit_change(
    record: &DeployRecord,
    change: AuditChange,
    due_at: Option<Time>,
    ctx: Context<'_>,
) -> Decision<Commit> {
    commit_change_by(ctx.worker(), record, change, due_at, ctx)
}

/// The commit for a `change` that `by` caused.
pub(super) fn commit_change_by(
    by: AuditActor,
    record: &DeployRecord,
    change: AuditChange,
    due_at: Option<Time>,
    ctx: Context<'_>,
) -> Decision<Commit> {
    let (lock, claim, notifications) = side_effects(record, &change, ctx);
    let ends = matches!(change, AuditChange::Ended { .. });
    let (mut record, event) = machine::apply_change(record, change, by, ctx.now)?;
    record.due_at = due_at;
    let release = ends.then(|| TargetEnd::of(&record)).flatten().map(Box::new);
    Ok(Commit {
        events: vec![event],
        release,
        lock,
        claim,
        notifications,
        redraw: has_card(&record, ctx).then_some(ctx.now),
        ..Commit::of(record)
    })
}

fn side_effects(
    record: &DeployRecord,
    change: &AuditChange,
    ctx: Context<'_>,
) -> (
    Option<LockChange>,
    Option<PipelineId>,
    Vec<NotificationKind>,
) {
    let target = || record.locked_target.clone();
    let free = || target().map(|target| LockChange::Free { target });
    match change {
        AuditChange::TriggerBegun { target, .. } => {
            let take = |target| LockChange::Take {
                target,
                now: ctx.now,
                inherits: record.retry_of,
            };
            (target.clone().map(take), None, vec![])
        }
        AuditChange::Triggered { pipeline, .. } => (None, Some(pipeline.id), vec![]),
        AuditChange::Started { .. } => (None, None, vec![NotificationKind::Progress]),
        AuditChange::Held { .. } => (None, None, vec![NotificationKind::Hold]),
        AuditChange::Ended {
            state: DeployState::Unresolved | DeployState::LostTrack,
            ..
        } => {
            let until = ctx.now + ctx.config.timeouts.lock_ttl;
            let expire = |target| LockChange::Expire { target, until };
            (target().map(expire), None, vec![NotificationKind::Final])
        }
        AuditChange::Ended { reason, .. } if reason.watch().is_some() => {
            (None, None, vec![NotificationKind::Final])
        }
        AuditChange::Ended { .. } => (free(), None, vec![NotificationKind::Final]),
        AuditChange::Unlocked { by } => {
            let told = by.iter().map(|_| NotificationKind::Notice);
            (free(), None, told.collect())
        }
        AuditChange::Noticed { .. } | AuditChange::TriggerRolledBack { told: true, .. } => {
            (None, None, vec![NotificationKind::Notice])
        }
        _ => (None, None, vec![]),
    }
}

/// Whether the deploy is to have a card. There is one from the first trigger.
pub(super) fn has_card(record: &DeployRecord, ctx: Context<'_>) -> bool {
    ctx.config.slack.live && record.trigger_intent.is_some()
}

/// Whether the card shows something else after a change without an event.
pub(super) fn is_drawn_differently(before: &DeployRecord, after: &DeployRecord) -> bool {
    fn commit(record: &DeployRecord) -> Option<[&Option<String>; 3]> {
        let run = record.run.as_ref()?;
        Some([&run.revision, &run.subject, &run.author])
    }
    fn jobs(record: &DeployRecord) -> Option<(usize, usize, [&Vec<String>; 2])> {
        let jobs = record.jobs.as_ref()?;
        Some((jobs.done, jobs.total, [&jobs.running, &jobs.failed]))
    }
    commit(before) != commit(after)
        || before.before != after.before
        || before.holds != after.holds
        || jobs(before) != jobs(after)
        || before.present_notice() != after.present_notice()
}
