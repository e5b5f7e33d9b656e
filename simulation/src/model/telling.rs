//! The notifier's side: one reply item, Slack, and runs of the notifier that stop at every port
//! call. Of the worker only what it does to the item is here: the first transaction, then perhaps
//! the progress notice owed, then the final word owed.
//!
//! As with the worker, a run may begin and die at any time, any number of times.

use chatops_core::reply::{Kind, Posted, Telling};

use super::items::Items;
use super::notify::{Plan, Steps};
use super::rules::Rules;
use super::search::{Calm, Move, Space};
use super::shard::FastMap;

/// Where a run of the notifier stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum At {
    /// There is no run.
    #[default]
    Idle,
    /// About to read the item.
    Reading,
    /// About to write that something is settled.
    Settling,
    /// About to write the reservation.
    Reserving,
    /// About to post.
    Posting,
    /// About to write what became of the post.
    Recording,
    /// Others have written; about to read the item again for the same end.
    Rereading,
}

/// What became of a post; the longest pause Slack may ask for is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum Heard {
    #[default]
    Nothing,
    Shown,
    NotSent,
    Later,
    MuchLater,
    Refused,
    Unknown,
}

impl Heard {
    pub(super) fn posted(self) -> Posted {
        let why = || "met".to_owned();
        match self {
            Heard::Shown => Posted::Shown,
            Heard::NotSent => Posted::NotSent { why: why() },
            Heard::Later => Posted::Later { after: None },
            Heard::MuchLater => Posted::Later {
                after: Some(std::time::Duration::from_hours(1)),
            },
            Heard::Refused => Posted::Refused { why: why() },
            Heard::Nothing | Heard::Unknown => Posted::Unknown,
        }
    }
}

/// One run of the notifier.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Run {
    pub at: At,
    /// Whether the post is the final word.
    pub last: bool,
    /// Whether it is marked as a repetition.
    pub marked: bool,
    /// Others have written since it read.
    pub stale: bool,
    /// Its reservation has been concluded by another.
    pub gone: bool,
    pub heard: Heard,
    /// The item it is about to write, or has reserved.
    pub item: u16,
}

/// How far the worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub(super) enum Worker {
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
pub(super) struct State {
    pub item: u16,
    pub worker: Worker,
    /// Uses of the address, as Slack counts them.
    pub used: u8,
    /// Progress notices shown.
    pub progress: u8,
    /// Final words shown.
    pub finals: u8,
    /// Those without a mark.
    pub plain: u8,
    pub runs: [Run; 2],
}

/// What is searched.
pub(super) struct Tell<'a> {
    pub items: &'a Items,
    pub rules: &'a dyn Rules,
    /// Runs at the same time.
    pub notifiers: usize,
}

/// One thread's memory of the decisions.
pub(super) struct Desk {
    pub nexts: FastMap<u16, Plan>,
    pub afters: FastMap<u64, u16>,
    pub laters: FastMap<u16, u16>,
}

pub(super) fn kind(last: bool) -> Kind {
    if last { Kind::Final } else { Kind::Progress }
}

impl Space for Tell<'_> {
    type State = State;
    type Desk = Desk;

    fn desk(&self) -> Desk {
        let (nexts, afters) = (FastMap::default(), FastMap::default());
        Desk {
            nexts,
            afters,
            laters: FastMap::default(),
        }
    }

    fn start(&self) -> State {
        State {
            item: self.items.start(),
            ..State::default()
        }
    }

    fn steps(&self, desk: &mut Desk, at: &State, out: &mut Vec<Move<State>>) {
        let mut steps = Steps {
            space: self,
            desk,
            from: *at,
            who: 0,
            out,
        };
        steps.world();
        steps.begin();
        for slot in 0..self.notifiers {
            steps.run(slot);
        }
    }

    fn calm(&self, desk: &mut Desk, at: &State) -> Calm<State> {
        let mut out = vec![];
        let mut steps = Steps {
            space: self,
            desk,
            from: *at,
            who: 0,
            out: &mut out,
        };
        let item = self.items.item(at.item);
        if let Some(slot) = at.runs.iter().position(|run| run.at != At::Idle) {
            steps.run(slot);
        } else if at.worker == Worker::Ended && item.due_at().is_none() {
            return Calm::Settled;
        } else {
            steps.begin();
            if steps.out.is_empty() {
                steps.world();
            }
        }
        Calm::On(
            out.iter()
                .find(|step| step.calm)
                .map_or(*at, |step| step.to),
        )
    }

    fn broken(&self, _: &mut Desk, at: &State) -> Option<&'static str> {
        let item = self.items.item(at.item);
        if at.plain > 1 {
            return Some("I9: a repetition of the final word is not marked");
        }
        if at.progress > 1 {
            return Some("I9: the progress notice is shown twice");
        }
        // A copy more needs a try whose outcome is on record as unknown: a fault.
        if at.finals > 1 + item.unsure {
            return Some("I9: the final word is shown more often than there were faults");
        }
        for (telling, shown) in [(&item.progress, at.progress), (&item.last, at.finals)] {
            let is_true = match telling {
                Telling::Told { .. } => shown > 0,
                Telling::Undeliverable { .. } | Telling::Dropped | Telling::NotOwed => shown == 0,
                Telling::Owed { .. } | Telling::Sending { .. } | Telling::Unknown => true,
            };
            if !is_true {
                return Some("I10: what is on record about the telling is not true");
            }
        }
        let over = at.worker == Worker::Ended && item.due_at().is_none();
        if over && !(item.last.is_settled() && item.progress != Telling::NotOwed) {
            // A notice that was never owed stays so only where nothing was seen to run.
            let unowed = item.progress == Telling::NotOwed || item.progress == Telling::Dropped;
            if !(item.last.is_settled() && unowed) {
                return Some("I15: it ended and is not told");
            }
        }
        (over && item.address.is_some()).then_some("I13: the reply address is kept")
    }

    fn show(&self, _: &mut Desk, at: &State) -> String {
        let item = self.items.item(at.item);
        let runs = at.runs.iter().filter(|run| run.at != At::Idle);
        let runs: Vec<_> = runs
            .map(|run| {
                let kind = kind(run.last);
                let stale = if run.stale { ", overtaken" } else { "" };
                format!("[{:?} {kind:?}{stale}]", run.at)
            })
            .collect();
        let word = |telling: &Telling| match telling {
            Telling::NotOwed => "not owed",
            Telling::Owed { .. } => "owed",
            Telling::Sending { .. } => "sending",
            Telling::Told { .. } => "told",
            Telling::Dropped => "dropped",
            Telling::Unknown => "unknown",
            Telling::Undeliverable { .. } => "undeliverable",
        };
        format!(
            "progress {}, final word {}; shown {}+{}, used {} {}",
            word(&item.progress),
            word(&item.last),
            at.progress,
            at.finals,
            at.used,
            runs.join(" ")
        )
    }
}
