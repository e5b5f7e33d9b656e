//! What a bug changes of a single request or answer.

use std::collections::BTreeSet;
use std::time::Duration;

use chatops_core::command::DeployAction;
use chatops_core::deploy::{DeployRecord, DeployState, WaitReason};
use chatops_core::id::TeamId;
use chatops_core::message::WorkMessage;
use chatops_core::notification::{
    Card, CardStatus, DeliveryStatus, NotificationRecord, PostResult,
};
use chatops_core::ports::{
    CiJob, CiWorkflow, Commit, JobStatus, LockChange, LookupRequest, LookupResult, OutgoingMessage,
    PipelineState, PollResult, PostMessage, PostTarget, TriggerOutcome, WorkflowStatus,
};
use chatops_core::text::MessageKind;

use super::SeededBug::{
    self, AnnouncementDropped, BoundWithoutDeployId, BrokenChain, CancelForgotten, CancelIgnored,
    ConfirmIgnored, EndRewritten, ErrorsUnread, FollowAges, LateEditForgotten, LateWorkflowUnseen,
    LockLater, LookupAges, LookupBelievedEarly, LostEditBelieved, LostPostBelieved,
    LostTrackFreesLock, MustRunIgnored, NothingRanFreesLock, OlderRunDecides, OlderRunIgnored,
    OpenJobsIgnored, RepetitionUnmarked, RerunAwaitedForever, RetriedNotWritten,
    RolledBackByStranger, RolledBackOnServerError, SecondCardUnmarked, SecondPostWhenUnsure,
    SendThenRecord, SentLate, SetupCounts, SetupIsFinal, StrayAdopted, SuccessHidesNotRun,
    ThirdCard, TicketForgotten, TimerForgotten, UnresolvedForgotten, UsesNotCounted,
    WorkspaceIgnored,
};

/// What the handler sees of a deploy. `began` says whether it has begun a trigger itself.
pub(crate) fn record(bug: Option<SeededBug>, record: &mut DeployRecord, began: bool) {
    let triggering = record.state == DeployState::Triggering;
    let by_another = triggering && !began;
    match bug {
        Some(RolledBackByStranger) if by_another => record.state = DeployState::Requested,
        Some(LookupBelievedEarly) => {
            if let Some(intent) = &record.trigger_intent
                && (by_another || intent.unknown_because.is_some())
            {
                // As if the lookup timeout, two minutes, were over.
                record.reads.waited = Duration::from_mins(2);
            }
        }
        Some(LookupAges) if triggering => age_failures(record),
        Some(FollowAges) if !triggering && !record.state.is_terminal() => age_failures(record),
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
        Some(WorkspaceIgnored) => {
            record.request.team = TeamId::parse("T0001").unwrap_or(record.request.team.clone());
        }
        _ => {}
    }
}

/// As if what has failed once had failed for as long as anything is tried.
fn age_failures(record: &mut DeployRecord) {
    if let Some(failed) = &mut record.reads.failed {
        failed.count = failed.count.max(FEW);
        failed.waited = Duration::from_hours(24);
    }
}

/// So many failures in a row are enough to give up.
const FEW: u32 = 5;

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
        Some(UnresolvedForgotten) => record.unresolved_before = None,
        Some(TicketForgotten) if record.owes_ticket => {
            record.owes_ticket = false;
            record.due_at = None;
        }
        Some(TimerForgotten)
            if record.state == DeployState::Triggering && commit.events.is_empty() =>
        {
            record.due_at = None;
        }
        Some(BrokenChain) if record.events == 3 => {
            if let Some(event) = commit.events.last_mut() {
                event.body = event.body.replace("\"n\":3", "\"n\": 3");
            }
        }
        Some(BoundWithoutDeployId) => commit.claim = None,
        Some(LockLater) => commit.lock = None,
        Some(LostTrackFreesLock) if record.state == DeployState::LostTrack => {
            if let Some(LockChange::Expire { target, .. }) = &commit.lock {
                let target = target.clone();
                commit.lock = Some(LockChange::Free { target });
            }
        }
        Some(NothingRanFreesLock) if record.state == DeployState::NothingRan => {
            if let Some(target) = record.locked_target.take() {
                (record.watch, record.due_at) = (None, None);
                commit.lock = Some(LockChange::Free { target });
            }
        }
        Some(RerunAwaitedForever) => {
            if let Some(wait) = &mut record.reads.wait
                && wait.reason == WaitReason::Rerun
            {
                wait.waited = Duration::ZERO;
            }
        }
        Some(LateWorkflowUnseen) if record.state == DeployState::NothingRan => {
            record.due_at = None;
        }
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
    let runs = &mut poll.workflows;
    if let Some(pipeline) = &mut poll.pipeline {
        let setup = matches!(
            pipeline.state,
            PipelineState::Setup | PipelineState::Pending
        );
        match bug {
            Some(SetupIsFinal) if setup => pipeline.state = PipelineState::Created,
            Some(ErrorsUnread) => {
                pipeline.errors.clear();
                if pipeline.state == PipelineState::Errored {
                    pipeline.state = PipelineState::Created;
                }
            }
            _ => {}
        }
    }
    match bug {
        Some(SetupIsFinal | SetupCounts) => {
            for workflow in runs.iter_mut().filter(|workflow| workflow.is_setup) {
                workflow.is_setup = false;
                "deploy".clone_into(&mut workflow.name);
            }
        }
        Some(SuccessHidesNotRun) if runs.iter().any(|w| w.status == WorkflowStatus::Success) => {
            for workflow in runs.iter_mut().filter(|workflow| !workflow.is_setup) {
                "deploy".clone_into(&mut workflow.name);
            }
            let skipped = runs
                .iter_mut()
                .filter(|w| w.status == WorkflowStatus::NotRun);
            skipped.for_each(|workflow| workflow.status = WorkflowStatus::Success);
        }
        Some(OlderRunIgnored) => {
            let mut seen = BTreeSet::new();
            runs.retain(|workflow| seen.insert(workflow.name.clone()));
        }
        Some(OlderRunDecides) => {
            let same = |a: &CiWorkflow, b: &CiWorkflow| a.created_at == b.created_at;
            runs.chunk_by_mut(same).for_each(<[CiWorkflow]>::reverse);
        }
        _ => {}
    }
}

/// What the handler sees of a workflow's jobs.
pub(crate) fn jobs(bug: Option<SeededBug>, jobs: &mut [CiJob]) {
    for job in jobs {
        match bug {
            Some(MustRunIgnored) => job.status = JobStatus::Success,
            Some(OpenJobsIgnored) if job.status == JobStatus::Open => {
                job.status = JobStatus::Canceled;
            }
            _ => {}
        }
    }
}

/// What the handler sees of a notification record.
pub(crate) fn notification(bug: Option<SeededBug>, record: &mut NotificationRecord) {
    match bug {
        Some(UsesNotCounted) => record.response_url_uses = 0,
        Some(RepetitionUnmarked) => {
            record.unknown_count = 0;
            for feed in &mut record.announcements {
                feed.unknown_count = 0;
            }
        }
        _ => {}
    }
}

/// What the handler writes of a notification record.
pub(crate) fn saved_notification(bug: Option<SeededBug>, record: &mut NotificationRecord) {
    if bug == Some(AnnouncementDropped) && record.final_status.is_settled() {
        record.announcements.clear();
    }
    if let Some(card) = &mut record.card {
        saved_card(bug, card);
    }
}

/// What the handler writes of a card.
fn saved_card(bug: Option<SeededBug>, card: &mut Card) {
    match bug {
        Some(ThirdCard) if card.lost_posts > 1 => {
            card.lost_posts = 1;
            let from = card.others_wait;
            card.status = CardStatus::Idle { from };
        }
        Some(LateEditForgotten) => card.again = None,
        Some(StrayAdopted) => {
            // Before the first attempt to delete it: this is what a press writes.
            let pressed = card.strays.iter().position(|stray| stray.attempts == 0);
            if let Some(nth) = pressed {
                card.at = Some(card.strays.remove(nth).at);
            }
        }
        _ => {}
    }
}

/// What the handler posts.
pub(crate) fn outgoing(bug: Option<SeededBug>, mut post: PostMessage) -> PostMessage {
    let message = &mut post.message;
    if bug == Some(SecondCardUnmarked) && message.mark.kind == MessageKind::Card {
        message.mark.repeat = false;
        message.rows.clear();
    }
    post
}

/// Whether the handler keeps a reservation to itself.
pub(crate) fn keeps_reservation(bug: Option<SeededBug>, record: &NotificationRecord) -> bool {
    let reserved = |status: &DeliveryStatus| matches!(status, DeliveryStatus::InFlight { .. });
    bug == Some(SendThenRecord) && (reserved(&record.progress) || reserved(&record.final_status))
}

/// What the handler makes of the result of its post.
pub(crate) fn posted(bug: Option<SeededBug>, to: &PostTarget, result: PostResult) -> PostResult {
    let is_edit = matches!(to, PostTarget::Edit(_));
    match result {
        PostResult::Unknown if bug == Some(LostPostBelieved) => PostResult::Delivered(None),
        PostResult::Unknown if bug == Some(LostEditBelieved) && is_edit => {
            PostResult::Delivered(None)
        }
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
