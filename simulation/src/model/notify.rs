//! The steps of one run of the notifier, as `chatops_notifier` takes them: each ends at a port call.

use chatops_core::reply::{Kind, Next, Reply, USES};

use super::book::now;
use super::items::TIMES;
use super::search::Move;
use super::telling::{At, Desk, Heard, Run, State, Tell, Worker, kind};

/// What `Rules::reply_next` comes to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Plan {
    Rest,
    Settle(u16),
    Post { item: u16, last: bool, marked: bool },
}

/// The steps from one state, as they are found.
pub(super) struct Steps<'s, 'd> {
    pub space: &'s Tell<'s>,
    pub desk: &'d mut Desk,
    pub from: State,
    pub who: usize,
    pub out: &'d mut Vec<Move<State>>,
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
            match rules.reply_next(&items.item(number), now(), &TIMES) {
                Next::Rest => Plan::Rest,
                Next::Settle(item) => Plan::Settle(items.number(item)),
                Next::Post {
                    reserved,
                    kind,
                    via: _,
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
            items.number(rules.reply_after(&item, kind(last), &heard.posted(), now()))
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

    pub(super) fn world(&mut self) {
        self.who = 0;
        let item = self.space.items.item(self.from.item);
        let owe = |kind| {
            let mut item: Reply = item.as_ref().clone();
            item.owe(kind, now());
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

    pub(super) fn begin(&mut self) {
        let idle = |run: &Run| run.at == At::Idle;
        let slots = &self.from.runs[..self.space.notifiers];
        let Some(slot) = slots.iter().position(idle) else {
            return;
        };
        self.who = slot + 1;
        let item = self.space.items.item(self.from.item);
        if item.due_at().is_some_and(|due| due <= now()) {
            let run = Run {
                at: At::Reading,
                ..Run::default()
            };
            self.goes(slot, run, "begins", true);
        }
    }

    pub(super) fn run(&mut self, slot: usize) {
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
                        last,
                        marked,
                        item,
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
        let alive = now() < item.expires_at;
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
