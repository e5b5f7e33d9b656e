//! What a bug changes of a single request or answer.

use std::time::Duration;

use chatops_core::command::DeployAction;
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::message::WorkMessage;
use chatops_core::notification::{DeliveryStatus, NotificationRecord, PostResult};
use chatops_core::ports::{
    Commit, LookupRequest, LookupResult, OutgoingMessage, PipelineState, PollResult, TriggerOutcome,
};

use super::SeededBug::{
    self, BoundWithoutDeployId, BrokenChain, CancelForgotten, CancelIgnored, ConfirmIgnored,
    EndRewritten, LockLater, LookupBelievedEarly, LostPostBelieved, RepetitionUnmarked,
    RetriedNotWritten, RolledBackByStranger, RolledBackOnServerError, SecondPostWhenUnsure,
    SendThenRecord, SentLate, SetupIsFinal, TicketForgotten, TimerForgotten, UsesNotCounted,
};

/// What the handler sees of a deploy. `began` says whether it has begun a trigger itself.
pub(crate) fn record(bug: Option<SeededBug>, record: &mut DeployRecord, began: bool) {
    let triggering = record.state == DeployState::Triggering;
    let by_another = triggering && !began;
    match bug {
        Some(RolledBackByStranger) if by_another => record.state = DeployState::Requested,
        Some(LookupBelievedEarly) => {
            if let Some(intent) = &mut record.trigger_intent
                && (by_another || intent.unknown_because.is_some())
            {
                // As if the lookup timeout, two minutes, were none.
                intent.send_by -= Duration::from_mins(2);
            }
        }
        Some(EndRewritten) if record.state == DeployState::Unresolved => {
            record.state = DeployState::Triggering;
            record.due_at = record.trigger_intent.as_ref().map(|intent| intent.at);
        }
        Some(SentLate) if triggering && began => {
            if let Some(intent) = &mut record.trigger_intent {
                intent.send_by += Duration::from_mins(10);
            }
        }
        Some(CancelIgnored) => record.cancel = None,
        _ => {}
    }
}

/// What the handler writes.
pub(crate) fn commit(bug: Option<SeededBug>, commit: &mut Commit) {
    let record = &mut commit.record;
    match bug {
        Some(RetriedNotWritten) => {
            if let Some(retried) = &mut commit.retried {
                retried.record.retried_by = None;
            }
        }
        Some(CancelForgotten) => record.cancel = None,
        Some(TicketForgotten) if record.owes_ticket => {
            record.owes_ticket = false;
            record.due_at = None;
        }
        Some(TimerForgotten)
            if record.state == DeployState::Triggering && commit.event.is_none() =>
        {
            record.due_at = None;
        }
        Some(BrokenChain) if record.events == 3 => {
            if let Some(event) = &mut commit.event {
                event.body = event.body.replace("\"n\":3", "\"n\": 3");
            }
        }
        Some(BoundWithoutDeployId) => commit.claim = None,
        Some(LockLater) => commit.lock = None,
        _ => {}
    }
}

/// What the handler makes of the outcome of its POST.
pub(crate) fn outcome(bug: Option<SeededBug>, outcome: TriggerOutcome) -> TriggerOutcome {
    let TriggerOutcome::Unknown { because } = outcome else {
        return outcome;
    };
    let server_error = because.contains("503");
    let mistaken = (bug == Some(SecondPostWhenUnsure) && !server_error)
        || (bug == Some(RolledBackOnServerError) && server_error);
    if mistaken {
        TriggerOutcome::NotNow {
            error: because,
            retry_after: None,
        }
    } else {
        TriggerOutcome::Unknown { because }
    }
}

/// What the handler looks up.
pub(crate) fn lookup(bug: Option<SeededBug>, lookup: &mut LookupRequest) {
    if bug == Some(BoundWithoutDeployId) {
        lookup.deploy_id = None;
    }
}

/// What the handler finds.
pub(crate) fn found(bug: Option<SeededBug>, result: LookupResult) -> LookupResult {
    match result {
        LookupResult::Absent { mut candidates }
            if bug == Some(BoundWithoutDeployId) && !candidates.is_empty() =>
        {
            LookupResult::Found(candidates.remove(0))
        }
        result => result,
    }
}

/// What the handler sees of a run.
pub(crate) fn poll(bug: Option<SeededBug>, poll: &mut PollResult) {
    let setup = matches!(poll.state, PipelineState::Setup | PipelineState::Pending);
    if bug == Some(SetupIsFinal) && setup {
        poll.state = PipelineState::Created;
    }
}

/// What the handler sees of a notification record.
pub(crate) fn notification(bug: Option<SeededBug>, record: &mut NotificationRecord) {
    match bug {
        Some(UsesNotCounted) => record.response_url_uses = 0,
        Some(RepetitionUnmarked) => record.unknown_count = 0,
        _ => {}
    }
}

/// Whether the handler keeps a reservation to itself.
pub(crate) fn keeps_reservation(bug: Option<SeededBug>, record: &NotificationRecord) -> bool {
    let reserved = |status: &DeliveryStatus| matches!(status, DeliveryStatus::InFlight { .. });
    bug == Some(SendThenRecord) && (reserved(&record.progress) || reserved(&record.final_status))
}

/// What the handler makes of the result of its post.
pub(crate) fn posted(bug: Option<SeededBug>, result: PostResult) -> PostResult {
    match result {
        PostResult::Unknown if bug == Some(LostPostBelieved) => PostResult::Delivered,
        result => result,
    }
}

/// What the handler sends: a retry as if it were confirmed.
pub(crate) fn message(bug: Option<SeededBug>, message: &mut OutgoingMessage) {
    if let OutgoingMessage::Work(WorkMessage::Action(action)) = message
        && let DeployAction::Retry { confirm, .. } = &mut action.action
        && bug == Some(ConfirmIgnored)
    {
        *confirm = true;
    }
}
