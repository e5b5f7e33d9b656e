//! The faults that can strike each request.

use std::future::Future;
use std::time::Duration;

use chatops_core::notification::PostResult;
use chatops_core::ports::{
    CancelWorkflow, Commit, CountAction, DeleteMessage, DeletePosted, FindBot, FindByShortId,
    FindLastRetry, GetSecret, LedgerError, ListDeploys, ListDue, ListJobs, ListUndelivered,
    LookupRequest, NoteProject, Perform, PollRequest, PostMessage, PostTarget, ReadAction,
    ReadDeploy, ReadLock, ReadNotification, ReadPipelineOwner, ReadProject, ReadReleases,
    ReadUndelivered, ReceiveMessages, RecordAction, RefreshSecret, ReleaseMessage, RenewToken,
    Request, SaveNotification, SendError, SendMessage, TriggerOutcome, TriggerRequest,
};

use super::{HandlerPorts, WorldPorts};
use crate::crash_points::{AFTER, BEFORE, unavailable};
use crate::fault_injector::FaultKind;
use crate::outside::{ChatFault, Dependency, ReadFault, TriggerFault};
use crate::scenario::EPOCH_RETRY_AFTER;
use crate::seeded::with_bug;

/// A request as a handler of the simulation makes it.
pub(crate) trait SimulatedRequest: Request {
    /// Performs it in the world, with its crash points and the faults that can strike it.
    fn in_world(self, world: &WorldPorts) -> impl Future<Output = Self::Answer> + Send;

    /// Performs it as the handler's bug does.
    fn with_bug(self, ports: &HandlerPorts) -> impl Future<Output = Self::Answer> + Send {
        self.in_world(&ports.world)
    }
}

/// Requests that a part of the world answers, and how they fail: `in_world` by the macro's rule, and
/// `with_bug` by the function that is named, if some bug makes them wrongly.
macro_rules! simulated {
    ($($rule:ident: $($request:ident $(as $bug:path)?),*;)*) => { $($(
        impl SimulatedRequest for $request {
            async fn in_world(self, world: &WorldPorts) -> <Self as Request>::Answer {
                simulated!(@$rule self world)
            }

            $(
                async fn with_bug(self, ports: &HandlerPorts) -> <Self as Request>::Answer {
                    $bug(self, ports).await
                }
            )?
        }
    )*)* };
    // A read of the ledger that fails.
    (@read $it:ident $world:ident) => {{
        $world.fail_in_outage(Self::NAME).await?;
        let call = $world.ledger.read($it);
        $world.points.call_ledger(Self::NAME, FaultKind::ReadFails, None, call).await
    }};
    (@list $it:ident $world:ident) => {{
        $world.fail_in_outage(Self::NAME).await?;
        let call = $world.ledger.list($it);
        $world.points.call_ledger(Self::NAME, FaultKind::ReadFails, None, call).await
    }};
    // A write that fails without effect, or whose answer is lost after the effect.
    (@write $it:ident $world:ident) => {{
        let (before, after) = (FaultKind::WriteFails, FaultKind::WriteAnswerLost);
        $world.fail_in_outage(Self::NAME).await?;
        let call = $world.ledger.write($it);
        $world.points.call_ledger(Self::NAME, before, Some(after), call).await
    }};
    // A write that no transaction is for.
    (@note $it:ident $world:ident) => {{
        let (before, after) = (FaultKind::WriteFails, FaultKind::WriteAnswerLost);
        $world.fail_in_outage(Self::NAME).await?;
        let call = $world.ledger.read($it);
        $world.points.call_ledger(Self::NAME, before, Some(after), call).await
    }};
    // A read from CircleCI.
    (@ci_read $it:ident $world:ident) => {{
        $world.points.pass(BEFORE, Self::NAME).await;
        $world.fail_ci_read();
        let answer = $world.circleci.perform($it).await;
        $world.points.pass(AFTER, Self::NAME).await;
        answer
    }};
    // What fails in no way of its own.
    (@circleci $it:ident $world:ident) => {
        $world.points.call_through(Self::NAME, $world.circleci.perform($it)).await
    };
    (@slack $it:ident $world:ident) => {
        $world.points.call_through(Self::NAME, $world.slack.perform($it)).await
    };
    (@bot $it:ident $world:ident) => {{
        let FindBot {} = $it;
        $world.points.call_through(Self::NAME, std::future::ready(Ok($world.has_bot))).await
    }};
    (@secrets $it:ident $world:ident) => {
        $world.points.call_through(Self::NAME, $world.secrets.perform($it)).await
    };
    // What has its faults behind it.
    (@queue $it:ident $world:ident) => { $world.queue.perform($it).await };
    (@send $it:ident $world:ident) => { $world.send($it).await };
    (@trigger $it:ident $world:ident) => { $world.trigger($it).await };
    (@post $it:ident $world:ident) => { $world.post($it).await };
    (@delete $it:ident $world:ident) => { $world.delete($it).await };
}

simulated! {
    // A note of a project only sets a pace; that it fails is all that can happen to it.
    read: ReadProject, NoteProject, ReadDeploy as with_bug::read_deploy, ReadLock, ReadReleases, ReadPipelineOwner, FindByShortId,
        FindLastRetry, ReadUndelivered, ListUndelivered, ReadAction as with_bug::read_action, ReadNotification as with_bug::read_notification;
    list: ListDeploys as with_bug::list_deploys, ListDue;
    note: CountAction, RecordAction as with_bug::record_action;
    write: Commit as with_bug::commit, SaveNotification as with_bug::save_notification;
    send: SendMessage as with_bug::send;
    queue: ReceiveMessages, DeleteMessage, ReleaseMessage;
    trigger: TriggerRequest as with_bug::trigger;
    ci_read: LookupRequest as with_bug::look_up, PollRequest as with_bug::poll,
        ListJobs as with_bug::list_jobs;
    circleci: CancelWorkflow;
    post: PostMessage as with_bug::post;
    bot: FindBot;
    delete: DeletePosted;
    slack: RenewToken;
    secrets: GetSecret, RefreshSecret;
}

/// The ways a POST fails; an answer that breaks off in the middle is as lost as one that never
/// came.
const TRIGGER_FAULTS: [(FaultKind, TriggerFault); 6] = [
    (FaultKind::TriggerNotSent, TriggerFault::NotSent),
    (
        FaultKind::TriggerLimited,
        TriggerFault::Limited(Some(Duration::from_secs(7))),
    ),
    (
        FaultKind::TriggerRejected,
        TriggerFault::Rejected(403, "<!channel> is forbidden"),
    ),
    (FaultKind::TriggerErrorBefore, TriggerFault::ErrorBefore),
    (FaultKind::TriggerErrorAfter, TriggerFault::ErrorAfter),
    (FaultKind::TriggerAnswerLost, TriggerFault::AnswerLost),
];

/// A refusal that no repetition changes; the other one somebody can mend.
const HOPELESS: TriggerFault = TriggerFault::Rejected(404, "<!channel> not found");

/// What a read that is limited is asked to wait.
const RETRY_AFTER: [Duration; 4] = [
    Duration::from_secs(30),
    Duration::from_secs(30),
    Duration::from_hours(1),
    EPOCH_RETRY_AFTER,
];

const POST_FAULTS: [(FaultKind, ChatFault); 4] = [
    (FaultKind::PostNotSent, ChatFault::NotSent),
    (
        FaultKind::PostLimited,
        ChatFault::Limited(Duration::from_secs(20)),
    ),
    (FaultKind::PostErrorBefore, ChatFault::ErrorBefore),
    (FaultKind::PostAnswerLost, ChatFault::AnswerLost),
];

/// After how long an edit without an answer may still take effect.
const LATE_EDIT: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_secs(30),
    // A minute, as a clock sees it that is some seconds off.
    Duration::from_secs(50),
];

impl WorldPorts {
    fn first_fault<F, const N: usize>(&self, faults: [(FaultKind, F); N]) -> Option<F> {
        let mut faults = faults.into_iter();
        let strikes = |(kind, _): &(FaultKind, F)| self.points.should_fail(*kind);
        faults.find(strikes).map(|(_, fault)| fault)
    }

    /// Passes a call's point and fails it, if the ledger is out.
    async fn fail_in_outage(&self, name: &'static str) -> Result<(), LedgerError> {
        if self.outages.is_out(Dependency::Ledger) {
            self.points.pass(BEFORE, name).await;
            return Err(unavailable("an outage"));
        }
        Ok(())
    }

    fn fail_ci_read(&self) {
        if self.points.should_fail(FaultKind::PollFails) {
            self.circleci.fail_read(ReadFault::Error);
        } else if self.points.should_fail(FaultKind::PollLimited) {
            let wait = RETRY_AFTER[self.points.below(RETRY_AFTER.len())];
            self.circleci.fail_read(ReadFault::Limited(wait));
        }
    }

    async fn send(&self, send: SendMessage) -> Result<(), SendError> {
        self.points.pass(BEFORE, SendMessage::NAME).await;
        if self.points.should_fail(FaultKind::SendFails) {
            return Err(SendError::not_sent("throttled"));
        }
        let answer = self.queue.perform(send).await;
        let lost = answer.is_ok() && self.points.should_fail(FaultKind::SendAnswerLost);
        self.points.pass(AFTER, SendMessage::NAME).await;
        if lost {
            Err(SendError::unknown("the answer was lost"))
        } else {
            answer
        }
    }

    async fn trigger(&self, request: TriggerRequest) -> TriggerOutcome {
        self.points.pass(BEFORE, TriggerRequest::NAME).await;
        if let Some(fault) = self.first_fault(TRIGGER_FAULTS) {
            let hopeless = matches!(fault, TriggerFault::Rejected(..)) && self.points.below(4) == 3;
            self.circleci
                .fail_trigger(if hopeless { HOPELESS } else { fault });
        }
        let outcome = self.circleci.perform(request).await;
        self.points.pass(AFTER, TriggerRequest::NAME).await;
        outcome
    }

    async fn post(&self, post: PostMessage) -> PostResult {
        self.points.pass(BEFORE, PostMessage::NAME).await;
        let is_edit = matches!(post.to, PostTarget::Edit(_));
        if let Some(fault) = self.first_fault(POST_FAULTS) {
            let is_late =
                is_edit && matches!(fault, ChatFault::AnswerLost) && self.points.below(2) == 1;
            self.slack.fail_post(if is_late {
                ChatFault::Late(LATE_EDIT[self.points.below(LATE_EDIT.len())])
            } else {
                fault
            });
        }
        let posted = self.slack.perform(post).await;
        self.points.pass(AFTER, PostMessage::NAME).await;
        posted
    }

    async fn delete(&self, delete: DeletePosted) -> PostResult {
        self.points.pass(BEFORE, DeletePosted::NAME).await;
        if let Some(fault) = self.first_fault(POST_FAULTS) {
            self.slack.fail_post(fault);
        }
        let deleted = self.slack.perform(delete).await;
        self.points.pass(AFTER, DeletePosted::NAME).await;
        deleted
    }
}
