//! The ports with crash points and faults.

use chatops_core::notification::PostResult;
use chatops_core::ports::{
    ChatClient, CiClient, Ledger, MessageQueue, NotificationStore, PostTarget, SecretReader,
    TriggerOutcome, TriggerRequest,
};
use chatops_core::text::SlackMessage;

use super::CrashPort;
use crate::fault_injector::FaultKind;
use crate::outside::{ChatFault, MemoryCircleCi, MemorySlack, ReadFault, TriggerFault};
use crate::port_methods::prelude::*;

/// A method of the ledger that fails without effect, or whose answer is lost after the effect.
macro_rules! ledger_call {
    ($before:expr, $after:expr, $name:ident($($arg:ident: $ty:ty),*) -> $out:ty) => {
        async fn $name(&self, $($arg: $ty),*) -> $out {
            let call = self.port.$name($($arg),*);
            self.points.call_ledger(stringify!($name), $before, $after, call).await
        }
    };
}

macro_rules! ledger_read {
    ($($method:tt)*) => { ledger_call!(FaultKind::ReadFails, None, $($method)*); };
}

macro_rules! ledger_write {
    ($($method:tt)*) => {
        ledger_call!(FaultKind::WriteFails, Some(FaultKind::WriteAnswerLost), $($method)*);
    };
}

/// A method that fails in no way of its own.
macro_rules! plain_call {
    ($name:ident($($arg:ident: $ty:ty),*) -> $out:ty) => {
        async fn $name(&self, $($arg: $ty),*) -> $out {
            self.points.call_through(stringify!($name), self.port.$name($($arg),*)).await
        }
    };
}

/// A method that reads from CircleCI.
macro_rules! ci_read {
    ($name:ident($($arg:ident: $ty:ty),*) -> $out:ty) => {
        async fn $name(&self, $($arg: $ty),*) -> $out {
            self.points.pass("before", stringify!($name)).await;
            self.fail_read();
            let answer = self.port.$name($($arg),*).await;
            self.points.pass("after", stringify!($name)).await;
            answer
        }
    };
}

impl<P: Ledger> Ledger for CrashPort<P> {
    port_methods!(ledger_read: read_deploy, read_events, read_lock, pipeline_owner);
    port_methods!(ledger_read: find_by_short_id, list_deploys, list_due);
    port_methods!(ledger_write: commit);
}

impl<P: NotificationStore> NotificationStore for CrashPort<P> {
    port_methods!(ledger_read: read_notified_deploy, read_notification);
    port_methods!(ledger_write: save_notification);
}

impl<P: MessageQueue> MessageQueue for CrashPort<P> {
    async fn send(
        &self,
        queue: QueueName,
        body: &MessageBody,
        delay: Duration,
    ) -> Result<(), SendError> {
        self.points.pass("before", "send").await;
        if self.points.should_fail(FaultKind::SendFails) {
            return Err(SendError::not_sent("throttled"));
        }
        let sent = self.port.send(queue, body, delay).await;
        let lost = sent.is_ok() && self.points.should_fail(FaultKind::SendAnswerLost);
        self.points.pass("after", "send").await;
        if lost {
            Err(SendError::unknown("the answer was lost"))
        } else {
            sent
        }
    }

    port_methods!(forward: receive, delete, release);
}

impl CiClient for CrashPort<MemoryCircleCi> {
    async fn trigger(&self, trigger: &TriggerRequest) -> TriggerOutcome {
        self.points.pass("before", "trigger").await;
        if let Some(fault) = self.first_fault(TRIGGER_FAULTS) {
            self.port.fail_trigger(fault);
        }
        let outcome = self.port.trigger(trigger).await;
        self.points.pass("after", "trigger").await;
        outcome
    }

    port_methods!(ci_read: look_up, poll);
    port_methods!(plain_call: cancel);
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
        TriggerFault::Rejected(404, "<!channel> not found"),
    ),
    (FaultKind::TriggerErrorBefore, TriggerFault::ErrorBefore),
    (FaultKind::TriggerErrorAfter, TriggerFault::ErrorAfter),
    (FaultKind::TriggerAnswerLost, TriggerFault::AnswerLost),
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

impl<P> CrashPort<P> {
    fn first_fault<F, const N: usize>(&self, faults: [(FaultKind, F); N]) -> Option<F> {
        let mut faults = faults.into_iter();
        let strikes = |(kind, _): &(FaultKind, F)| self.points.should_fail(*kind);
        faults.find(strikes).map(|(_, fault)| fault)
    }
}

impl CrashPort<MemoryCircleCi> {
    fn fail_read(&self) {
        if self.points.should_fail(FaultKind::PollFails) {
            self.port.fail_read(ReadFault::Error);
        } else if self.points.should_fail(FaultKind::PollLimited) {
            let wait = Duration::from_secs(30);
            self.port.fail_read(ReadFault::Limited(wait));
        }
    }
}

impl ChatClient for CrashPort<MemorySlack> {
    async fn post(&self, to: &PostTarget, message: &SlackMessage) -> PostResult {
        self.points.pass("before", "post").await;
        if let Some(fault) = self.first_fault(POST_FAULTS) {
            self.port.fail_post(fault);
        }
        let posted = self.port.post(to, message).await;
        self.points.pass("after", "post").await;
        posted
    }

    port_methods!(plain_call: renew_token);
}

impl<P: SecretReader> SecretReader for CrashPort<P> {
    port_methods!(plain_call: get, refresh);
}
