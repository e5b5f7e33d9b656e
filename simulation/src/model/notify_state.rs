//! A state of the notifier's side.
//!
//! Millions are kept and compared, so what is large is only numbered here. Nothing may be in it that
//! grows with the way that led to it, or the search has no end.

/// One run of the notifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct NotifySlot {
    /// The run as the product has it; 0 for none.
    pub run: u32,
    /// Others have written since it wrote its reservation.
    pub stale: bool,
}

/// How far the worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum WorkerProgress {
    /// The deploy is on record.
    #[default]
    Opened,
    /// A workflow was seen.
    Started,
    /// It has ended.
    Ended,
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct NotifyState {
    /// The notification record.
    pub record: u32,
    pub worker: WorkerProgress,
    /// Uses of the response URL, as Slack counts them.
    pub used: u8,
    /// Progress messages shown.
    pub progress: u8,
    /// Final statuses shown.
    pub finals: u8,
    /// Those without a mark.
    pub unmarked: u8,
    pub runs: [NotifySlot; 2],
}
