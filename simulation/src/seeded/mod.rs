//! Seeded bugs: handlers that are wrong in one known way each. The schedules or the model must find
//! every one of them, or they would not find a real one either.
//!
//! A bug is between a handler and the world: it changes a request, an answer, or what happens in
//! between. What it changes of a single value is in `alter`, for the schedules and the model alike;
//! what needs a memory or further requests is in `with_bug`.

pub(crate) mod alter;
pub(crate) mod with_bug;

use std::collections::BTreeMap;
use std::time::Duration;

use chatops_core::deploy::DeployRecord;
use chatops_core::id::DeployId;
use chatops_core::notification::NotificationRecord;
use strum::{EnumMessage, VariantArray};

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumMessage, VariantArray)]
pub enum SeededBug {
    /// The intent to POST is kept in memory only.
    NoIntent,
    /// The client resends a POST of unknown outcome.
    ClientResends,
    /// A lookup is believed before its timeout.
    LookupBelievedEarly,
    /// A timeout counts as "nothing was created".
    SecondPostWhenUnsure,
    /// An old intent of another is rolled back.
    RolledBackByStranger,
    /// A 5xx counts as "nothing was created".
    RolledBackOnServerError,
    /// A pipeline is claimed whatever id it carries.
    BoundWithoutDeployId,
    /// A notification becomes pending in a second write.
    PendingLater,
    /// The retry ticket is forgotten.
    TicketForgotten,
    /// Late evidence rewrites an end.
    EndRewritten,
    /// A pipeline in setup counts as created.
    SetupIsFinal,
    /// The notifier records only after it has posted.
    SendThenRecord,
    /// Uses of the response URL are not counted.
    UsesNotCounted,
    /// The hash chain does not chain.
    BrokenChain,
    /// The intent's transaction does not take the lock.
    LockLater,
    /// The id of a retry is random, not derived.
    RetryIdRandom,
    /// A ticket starts again what was retried already.
    TicketStartsAgain,
    /// A repeated retry request is not recognised.
    ActionForgotten,
    /// An UNRESOLVED deploy is retried without "confirm".
    ConfirmIgnored,
    /// A deploy does not name its retry.
    RetriedNotWritten,
    /// The sweeper removes tickets not carried out.
    LiveTicketRemoved,
    /// A cancel request is noted in the audit only.
    CancelForgotten,
    /// An intent that may be written is written again.
    IntentRewritten,
    /// A message of unknown outcome counts as sent.
    UnknownIsSent,
    /// The sweeper believes a lagging index.
    IndexBelieved,
    /// A partly handled batch counts as handled.
    FailuresNotNamed,
    /// The POST is sent although there is no time left for it.
    SentLate,
    /// A cancel on record is not seen.
    CancelIgnored,
    /// After a lookup nothing is due any more.
    TimerForgotten,
    /// A repeated final status does not say that it is one.
    RepetitionUnmarked,
    /// A post whose answer was lost counts as shown.
    LostPostBelieved,
    /// A green workflow hides what did not run.
    SuccessHidesNotRun,
    /// The errors of a pipeline are not read.
    ErrorsUnread,
    /// An older run of a workflow that still runs is ignored.
    OlderRunIgnored,
    /// Of two runs of one second the older decides.
    OlderRunDecides,
    /// A run that cannot be read any more frees the lock.
    LostTrackFreesLock,
    /// A pause that somebody outside asks for is made in full.
    RetryAfterBelieved,
    /// A workflow that comes after "nothing ran" is not looked for.
    LateWorkflowUnseen,
    /// "Nothing ran" frees the lock at once.
    NothingRanFreesLock,
    /// A setup workflow counts as the job's.
    SetupCounts,
    /// A job that must run counts as run.
    MustRunIgnored,
    /// A job that outlasts its workflow does not count.
    OpenJobsIgnored,
    /// An automatic rerun is waited for without end.
    RerunAwaitedForever,
    /// A lookup is given up by its age.
    LookupAges,
    /// A run is given up by its age.
    FollowAges,
    /// A user id counts whatever its workspace is.
    WorkspaceIgnored,
    /// A retry that is refused makes a deploy.
    RefusedRetryDerives,
    /// A retry that finds its target busy makes a deploy.
    BusyRetryDerives,
    /// A confirmed retry that was not triggered discharges the confirmation.
    UnresolvedForgotten,
    /// Another person's confirmation counts.
    OthersConfirmCounts,
    /// A redriven ticket that finds its target busy is dropped.
    BusyTicketDropped,
    /// A deploy that has succeeded meanwhile is replaced by an older one.
    NewerSuccessUnseen,
    /// A dependency that fails counts as poison.
    DependencyIsPoison,
    /// An end is not in the release history.
    ReleaseForgotten,
    /// An operator's action counts wherever it is.
    OperatorAnywhere,
    /// Once the conversation was told the end, it is announced nowhere.
    AnnouncementDropped,
    /// A second card does not say that an earlier one may stand.
    SecondCardUnmarked,
    /// After two posts of a card without an answer there is a third.
    ThirdCard,
    /// After an edit without an answer the card is not drawn again.
    LateEditForgotten,
    /// An edit without an answer counts as shown.
    LostEditBelieved,
    /// Whichever card somebody presses counts.
    StrayAdopted,
    /// What is learned of a run is in no event.
    LearnedUnsaid,
}

impl SeededBug {
    /// Those that only the faults of AWS find.
    pub const AWS_ONLY: [SeededBug; 3] = [
        SeededBug::UnknownIsSent,
        SeededBug::IndexBelieved,
        SeededBug::FailuresNotNamed,
    ];

    /// Whether a record is compared with its events. Most bugs change a record alone: that would be found first,
    /// and not what they violate.
    pub(crate) fn compares_records(bug: Option<Self>) -> bool {
        bug.is_none_or(|bug| bug == Self::LearnedUnsaid)
    }

    /// The bug in words.
    #[must_use]
    pub fn label(self) -> &'static str {
        let sentence = self.get_documentation().unwrap_or_default();
        sentence.trim_end_matches('.')
    }
}

/// What a buggy handler keeps to itself.
#[derive(Debug, Default)]
pub(crate) struct BugMemory {
    record: Option<DeployRecord>,
    notification: Option<NotificationRecord>,
    began_trigger: bool,
    /// How long the last read was asked to wait.
    asked_to_wait: Option<Duration>,
    /// What is on record and was not shown: the retry of a deploy.
    hidden: BTreeMap<DeployId, Option<DeployId>>,
}
