//! The invariants by number, and what violates them.
//!
//! Only what they say is here. How a run or a state of the model is checked against them belongs to
//! whoever knows it.

use std::fmt;

use strum::{EnumMessage, VariantArray};

/// What must hold after any run. The documentation of each is its sentence in `ARCHITECTURE.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumMessage, VariantArray)]
pub enum Invariant {
    /// At most one pipeline per deploy.
    OnePipeline = 1,
    /// No pipeline without an earlier TRIGGERING in the audit.
    IntentFirst,
    /// No POST after the command expired, and none without the target's lock.
    ValidPost,
    /// Exactly one end per deploy, and after it only notes, notices, that its lock is free and that
    /// it was retried.
    OneEnd,
    /// The audit is complete and chained, and the deploy record is at any moment what its events make of it.
    SoundAudit,
    /// The audit only grows.
    GrowingAudit,
    /// A claimed pipeline exists and carries that deploy's id.
    OwnPipeline,
    /// The end on record is what happened, by CircleCI's own knowledge of which job ran, and not
    /// before it is decided.
    TrueEnd,
    /// A response URL is used at most 5 times and never after its time; the final status is shown
    /// at most 1 + faults times, and repetitions are marked.
    BoundedPosts,
    /// A notification is recorded as delivered, skipped or failed only if that is what Slack saw.
    TrueDelivery,
    /// Nothing is left over: no message, lock, pending notification or unwritten retry ticket.
    NothingLeft,
    /// What was acknowledged is on record, whatever was out meanwhile and for how long.
    NothingLost,
    /// No response URL is stored outside the queues and the notification record, and none is left
    /// there at the end.
    ResponseUrlPrivate,
    /// Nothing from outside is shown unescaped.
    NothingUnescaped,
    /// Every deploy ends, and no notification of it stays pending or in flight.
    Termination,
    /// The dead-letter queue of work holds exactly the retry tickets that were neither carried out
    /// nor redriven too late.
    ExactTickets,
    /// One request makes at most one deploy, and a deploy is retried at most once; both records of
    /// a retry agree. In a chain of retries, each retry given triggers at most one deploy.
    OneRetry,
    /// Only what may be retried is, and for the person who retried it. While a deploy of the chain is
    /// UNRESOLVED and nothing after it was triggered, only after the "confirm" of the one who
    /// retries, given after its end.
    AllowedRetry,
    /// A deploy that was canceled before it was sent has no pipeline; a cancel request that was
    /// noted is sent to CircleCI.
    CancelObeyed,
    /// Every query and action is answered, and no answer is posted more than 4 times.
    BoundedReplies,
    /// A target's lock is held as long as anything of its deploy can still run.
    HonestLock,
    /// A deploy ends within 15 quiet minutes of CircleCI being finished with it; where the pipeline
    /// lists no workflow, two hours later.
    BoundedWait,
    /// An open deploy is never due more than five minutes ahead, or an hour once its run is older
    /// than a day.
    NearTimer,
    /// A workflow that appears after its deploy was canceled, while the lock still lives, is
    /// canceled.
    LateCanceled,
    /// No action has an effect that an independent policy denies the one who acts: no pipeline, no
    /// cancel, no freed lock, no change of a deploy of others.
    DeniedEffect,
    /// A retry ticket leaves the dead-letter queue only if its deploy's retry was triggered, if it
    /// can no longer be carried out, or if it is too old.
    TicketKept,
    /// A retry that is refused, or whose target is busy, leaves the chain, the list of what failed
    /// and the need of a confirmation as they were.
    UntouchedChain,
    /// What a deploy says it replaces had succeeded there before it ended, and nothing newer had when its trigger began;
    /// the release history of a target has its latest successes, each once.
    TrueBase,
    /// The end of a deploy that was at CircleCI, or may have been, is announced in each further channel
    /// of `announce`: as it is, mentioning nobody, at least once unless Slack refuses it, and at most
    /// 1 + faults times. Nothing else is.
    TrueAnnouncement,
    /// A deploy has at most one card, and one more only after a post whose outcome is unknown; that one
    /// says that an earlier one may stand.
    OneCard,
    /// At rest the card that counts shows the deploy as it is on record, and no other card was touched.
    TrueCard,
    /// Where there is no card, the final status was delivered, or it is on record that it may not have
    /// been.
    ToldWithoutCard,
}

impl Invariant {
    /// The sentence that states it.
    #[must_use]
    pub fn sentence(self) -> String {
        let lines = self.get_documentation().unwrap_or_default().lines();
        lines.collect::<Vec<_>>().join(" ")
    }

    /// All of them as a numbered list in Markdown.
    #[must_use]
    pub fn render_list() -> String {
        let line = |one: &Self| format!("{}. {}\n", *one as u8, one.sentence());
        Self::VARIANTS.iter().map(line).collect()
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I{}", *self as u8)
    }
}

/// What is not as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation<D = String> {
    /// The invariant that does not hold; `None` for an expectation of one scenario or model.
    pub invariant: Option<Invariant>,
    /// What happened.
    pub detail: D,
}

impl<D> Violation<D> {
    /// What happened, and which invariant does not hold.
    pub fn new(invariant: impl Into<Option<Invariant>>, detail: D) -> Self {
        Self {
            invariant: invariant.into(),
            detail,
        }
    }
}

impl<D: fmt::Display> fmt::Display for Violation<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.invariant {
            Some(invariant) => write!(f, "{invariant}: {}", self.detail),
            None => self.detail.fmt(f),
        }
    }
}

/// Violations, one a line.
#[must_use]
pub fn join_lines(violations: &[Violation]) -> String {
    let lines: Vec<_> = violations.iter().map(Violation::to_string).collect();
    lines.join("\n")
}
