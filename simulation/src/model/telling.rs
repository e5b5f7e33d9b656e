//! The notifier's side: one reply item, Slack, and runs of the notifier that stop at every port
//! call. Of the worker only what it does to the item is here: the first transaction, then perhaps
//! the progress notice owed, then the final word owed.
//!
//! As with the worker, a run may begin and die at any time, any number of times.

use chatops_core::Time;
use chatops_core::reply::{Kind, Next, Posted, Reply, Telling, USES};

use super::items::{Items, TIMES};
use super::rules::Rules;
use super::search::{Calm, FastMap, Move, Space};

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
                after: Some(std::time::Duration::from_secs(3_600)),
            },
            Heard::Refused => Posted::Refused { why: why() },
            Heard::Nothing | Heard::Unknown => Posted::Unknown,
        }
    }
}

/// One run of the notifier.
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
    nexts: FastMap<u16, Plan>,
    afters: FastMap<u64, u16>,
    laters: FastMap<u16, u16>,
}

/// What [`Rules::reply_next`] comes to.
#[derive(Debug, Clone, Copy)]
enum Plan {
    Rest,
    Settle(u16),
    Post { item: u16, last: bool, marked: bool },
}

fn kind(last: bool) -> Kind {
    if last { Kind::Final } else { Kind::Progress }
}

fn present() -> Time {
    super::book::now()
}

struct Steps<'s, 'd> {
    space: &'s Tell<'s>,
    desk: &'d mut Desk,
    from: State,
    who: usize,
    out: &'d mut Vec<Move<State>>,
}

impl Steps<'_, '_> {
    fn push(&mut self, to: State, what: &'static str, calm: bool) {
        self.add(to, what, calm, None);
    }

    fn add(&mut self, to: State, what: &'static str, calm: bool, breaks: Option<&'static str>) {
        let mut other = to;
        other.runs.swap(0, 1);
        let swapped = self.space.notifiers > 1 && other > to;
        let to = if swapped { other } else { to };
        let who = u8::try_from(self.who).unwrap_or(0);
        self.out.push(Move {
            to,
            who,
            about: 0,
            what,
            calm,
            swapped,
            breaks,
        });
    }

    fn goes(&mut self, slot: usize, run: Run, what: &'static str, calm: bool) {
        let mut to = self.from;
        to.runs[slot] = run;
        self.push(to, what, calm);
    }

    fn plan(&mut self, number: u16) -> Plan {
        let (items, rules) = (self.space.items, self.space.rules);
        *self.desk.nexts.entry(number).or_insert_with(|| {
            match rules.reply_next(&items.item(number), present(), &TIMES) {
                Next::Rest => Plan::Rest,
                Next::Settle(item) => Plan::Settle(items.number(item)),
                Next::Post {
                    reserved,
                    kind,
                    repeat,
                } => Plan::Post {
                    item: items.number(reserved),
                    last: kind == Kind::Final,
                    marked: repeat,
                },
            }
        })
    }

    /// The item after what was heard about the post.
    fn after(&mut self, number: u16, last: bool, heard: Heard) -> u16 {
        let (items, rules) = (self.space.items, self.space.rules);
        let key = u64::from(number) << 16 | u64::from(last) << 8 | heard as u64;
        *self.desk.afters.entry(key).or_insert_with(|| {
            let item = items.item(number);
            items.number(rules.reply_after(&item, kind(last), &heard.posted(), present()))
        })
    }

    /// The state after an item is written; whoever has read the one before is overtaken.
    fn written(&self, mut state: State, item: u16, slot: Option<usize>) -> State {
        let (old, new) = (
            self.space.items.item(state.item),
            self.space.items.item(item),
        );
        state.item = item;
        for (n, run) in state.runs.iter_mut().enumerate() {
            if slot == Some(n) || run.at == At::Idle {
                continue;
            }
            // A reservation is known by its own end of lease, which no other one has.
            let telling = kind(run.last);
            let holds = matches!(run.at, At::Posting | At::Recording | At::Rereading);
            run.gone |= holds && old.telling(telling) != new.telling(telling);
            match run.at {
                At::Settling | At::Reserving => (run.stale, run.item) = (true, 0),
                At::Posting | At::Recording => run.stale = true,
                At::Idle | At::Reading | At::Rereading => {}
            }
        }
        state
    }

    fn world(&mut self) {
        self.who = 0;
        let item = self.space.items.item(self.from.item);
        let owe = |kind| {
            let mut item: Reply = item.as_ref().clone();
            item.owe(kind, present());
            self.space.items.number(item)
        };
        if self.from.worker == Worker::Opened {
            let mut to = self.written(self.from, owe(Kind::Progress), None);
            to.worker = Worker::Started;
            self.push(to, "the worker sees it run", false);
        }
        if self.from.worker != Worker::Ended {
            let owed = owe(Kind::Final);
            let mut to = self.written(self.from, owed, None);
            to.worker = Worker::Ended;
            self.push(to, "the worker sees the end", true);
        }
        let mut to = self.from;
        let mut later = |number: &mut u16| {
            if *number != 0 {
                let items = self.space.items;
                let later = self.desk.laters.entry(*number);
                *number = *later.or_insert_with(|| items.later(*number));
            }
        };
        later(&mut to.item);
        to.runs.iter_mut().for_each(|run| later(&mut run.item));
        let calm = self.from.runs.iter().all(|run| run.at == At::Idle);
        self.push(to, "time passes", calm);
    }

    fn begin(&mut self) {
        let idle = |run: &Run| run.at == At::Idle;
        let slots = &self.from.runs[..self.space.notifiers];
        let Some(slot) = slots.iter().position(idle) else {
            return;
        };
        self.who = slot + 1;
        let item = self.space.items.item(self.from.item);
        if item.due_at().is_some_and(|due| due <= present()) {
            let run = Run {
                at: At::Reading,
                ..Run::default()
            };
            self.goes(slot, run, "begins", true);
        }
    }

    fn run(&mut self, slot: usize) {
        let run = self.from.runs[slot];
        if run.at == At::Idle {
            return;
        }
        self.who = slot + 1;
        let reads = Run {
            at: At::Reading,
            ..Run::default()
        };
        match run.at {
            At::Idle => {}
            At::Reading => match self.plan(self.from.item) {
                Plan::Rest => self.goes(slot, Run::default(), "finds nothing to do", true),
                Plan::Settle(item) => {
                    let run = Run {
                        at: At::Settling,
                        item,
                        ..reads
                    };
                    self.goes(slot, run, "decides what is settled", true);
                }
                Plan::Post { item, last, marked } => {
                    let at = if self.space.rules.reserves() {
                        At::Reserving
                    } else {
                        At::Posting
                    };
                    let run = Run {
                        at,
                        item,
                        last,
                        marked,
                        ..reads
                    };
                    self.goes(slot, run, "decides to post", true);
                }
            },
            At::Settling | At::Reserving if run.stale => {
                self.goes(slot, reads, "finds that others were first", true);
            }
            At::Settling => {
                let mut to = self.written(self.from, run.item, Some(slot));
                to.runs[slot] = reads;
                self.push(to, "writes what is settled", true);
            }
            At::Reserving => {
                let mut to = self.written(self.from, run.item, Some(slot));
                to.runs[slot] = Run {
                    at: At::Posting,
                    ..run
                };
                self.push(to, "writes the reservation", true);
            }
            At::Posting => self.posting(slot, run),
            At::Recording => self.recording(slot, run),
            At::Rereading => {
                if run.gone {
                    self.goes(slot, reads, "finds its reservation gone", true);
                } else {
                    let run = Run {
                        at: At::Recording,
                        item: self.from.item,
                        stale: false,
                        ..run
                    };
                    self.goes(slot, run, "reads the item again", true);
                }
            }
        }
        self.goes(slot, Run::default(), "crashes", false);
    }

    /// One post, and whatever Slack and the way to it make of it.
    fn posting(&mut self, slot: usize, run: Run) {
        let item = self.space.items.item(self.from.item);
        let alive = present() < item.expires_at;
        let hears = |heard| Run {
            at: At::Recording,
            heard,
            ..run
        };
        let mut used = self.from;
        used.used += 1;
        let breaks = (used.used > USES).then_some("I9: the reply address is used too often");
        if alive {
            let mut to = used;
            if run.last {
                to.finals += 1;
                to.plain += u8::from(!run.marked);
            } else {
                to.progress += 1;
            }
            to.runs[slot] = hears(Heard::Shown);
            self.add(to, "posts, and it is shown", true, breaks);
            to.runs[slot] = hears(Heard::Unknown);
            self.add(to, "posts, it is shown, the answer is lost", false, breaks);
        }
        for (heard, what) in [
            (Heard::Unknown, "posts, it is not shown, the answer is lost"),
            (Heard::Later, "posts, and Slack says 'later'"),
            (Heard::MuchLater, "posts, and Slack says 'in an hour'"),
            (Heard::Refused, "posts, and Slack refuses"),
        ] {
            let mut to = used;
            to.runs[slot] = hears(heard);
            self.add(to, what, !alive && heard == Heard::Refused, breaks);
        }
        self.goes(slot, hears(Heard::NotSent), "cannot reach Slack", false);
    }

    fn recording(&mut self, slot: usize, run: Run) {
        let again = Run {
            at: At::Rereading,
            item: 0,
            stale: false,
            ..run
        };
        if run.stale {
            self.goes(slot, again, "finds that others were first", true);
            return;
        }
        let item = self.after(run.item, run.last, run.heard);
        let mut to = self.written(self.from, item, Some(slot));
        to.runs[slot] = Run {
            at: At::Reading,
            ..Run::default()
        };
        self.push(to, "records what became of it", true);
    }
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
