//! Every way the telling of one deploy can go, within bounds: two runs of the notifier, a worker
//! that makes things owed, up to four faults, and a Slack that answers as it likes.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::*;
use crate::fixtures::{address, at, id, start};

/// How many faults a way may hold: crashes, lost answers, answers recorded too late.
const FAULTS: u8 = 4;
/// How many posts a way may hold that never left the machine (they could go on until expiry).
const UNSENT: u8 = 2;

/// One run of the notifier.
#[derive(Clone, Debug)]
enum Run {
    Idle,
    /// It has reserved, and posts.
    Posting {
        reserved: Reply,
        kind: Kind,
        repeat: bool,
    },
    /// It knows what became of the post, and has not recorded it.
    Knows {
        reserved: Reply,
        kind: Kind,
        posted: Posted,
    },
}

#[derive(Clone, Debug)]
struct World {
    item: Reply,
    now: Time,
    runs: [Run; 2],
    faults: u8,
    unsent: u8,
    /// How often Slack really showed each.
    progress_shown: u8,
    final_shown: u8,
    /// How often the address was really called.
    calls: u8,
}

impl World {
    fn new(with_address: bool) -> Self {
        let address = with_address.then(address);
        Self {
            item: Reply::open(id(), address, at(1_740)),
            now: start(),
            runs: [Run::Idle, Run::Idle],
            faults: 0,
            unsent: 0,
            progress_shown: 0,
            final_shown: 0,
            calls: 0,
        }
    }

    /// What tells one world from another. Times count by their distance from now, and versions by
    /// whether they are the item's.
    fn key(&self) -> u64 {
        let rel = |t: Time| (t - self.now).num_seconds().max(-1);
        let telling = |t: &Telling| match t {
            Telling::NotOwed => (0, 0),
            Telling::Owed { from } => (1, rel(*from)),
            Telling::Sending { until } => (2, rel(*until)),
            Telling::Told { .. } => (3, 0),
            Telling::Dropped => (4, 0),
            Telling::Unknown => (5, 0),
            Telling::Undeliverable { .. } => (6, 0),
        };
        let item = |item: &Reply| {
            let (uses, unsent, unsure) = (item.uses, item.unsent, item.unsure);
            let last = telling(&item.last);
            let gone = item.address.is_none();
            (uses, unsent, unsure, telling(&item.progress), last, gone)
        };
        let run = |run: &Run| match run {
            Run::Idle => None,
            Run::Posting {
                reserved,
                kind,
                repeat,
            } => {
                let current = reserved.version == self.item.version;
                Some((item(reserved), *kind, *repeat, String::new(), current))
            }
            Run::Knows {
                reserved,
                kind,
                posted,
            } => {
                let current = reserved.version == self.item.version;
                Some((item(reserved), *kind, false, format!("{posted:?}"), current))
            }
        };
        // Two runs that have changed places make the same world.
        let mut runs = self.runs.each_ref().map(|r| {
            let mut hasher = DefaultHasher::new();
            run(r).hash(&mut hasher);
            hasher.finish()
        });
        runs.sort_unstable();
        let mut hasher = DefaultHasher::new();
        (item(&self.item), rel(self.item.expires_at), runs).hash(&mut hasher);
        (
            self.faults,
            self.unsent,
            self.progress_shown,
            self.final_shown,
            self.calls,
        )
            .hash(&mut hasher);
        hasher.finish()
    }

    /// A write over the version before; nothing happens if others were first.
    fn save(&mut self, item: Reply) -> bool {
        let fits = item.version == self.item.version + 1;
        if fits {
            self.item = item;
        }
        fits
    }

    fn fault(mut self) -> Option<Self> {
        self.faults += 1;
        (self.faults <= FAULTS).then_some(self)
    }

    /// Everything that can happen now.
    fn successors(&self) -> Vec<World> {
        let mut all = self.ticks();
        if self.item.progress == Telling::NotOwed && self.item.last == Telling::NotOwed {
            let mut world = self.clone();
            world.item.owe(Kind::Progress, self.now);
            all.push(world);
        }
        if self.item.last == Telling::NotOwed {
            let mut world = self.clone();
            world.item.owe(Kind::Final, self.now);
            all.push(world);
        }
        for i in 0..2 {
            let mut crashed = self.clone();
            crashed.runs[i] = Run::Idle;
            match &self.runs[i] {
                Run::Idle => all.extend(self.look(i)),
                Run::Posting { .. } => {
                    all.extend(self.post(i));
                    all.extend(crashed.fault());
                }
                Run::Knows {
                    reserved,
                    kind,
                    posted,
                } => {
                    let mut world = crashed.clone();
                    let item = after(reserved, *kind, posted, self.now);
                    world.save(item);
                    all.push(world);
                    all.extend(crashed.fault());
                }
            }
        }
        all
    }

    /// Time goes by: to the next thing that is due, or until the address expires.
    fn ticks(&self) -> Vec<World> {
        let due = [self.item.progress.due_at(), self.item.last.due_at()];
        let expiry = Some(self.item.expires_at);
        let next = due.into_iter().flatten().filter(|t| *t > self.now).min();
        let expiry = expiry.filter(|t| *t > self.now);
        let mut worlds = vec![];
        for to in [next, expiry].into_iter().flatten() {
            // A post takes less than its lease: it has an end of its own.
            let posting = self.runs.iter().any(|r| matches!(r, Run::Posting { .. }));
            if posting {
                continue;
            }
            let mut world = self.clone();
            world.now = to;
            // An answer that is recorded after its lease is as good as lost.
            let late = world.runs.iter().any(|run| match run {
                Run::Knows { reserved, .. } => {
                    let sending = [&reserved.progress, &reserved.last];
                    sending
                        .iter()
                        .any(|t| matches!(t, Telling::Sending { until } if *until <= to))
                }
                _ => false,
            });
            worlds.extend(if late { world.fault() } else { Some(world) });
        }
        worlds
    }

    /// An idle run takes up the item.
    fn look(&self, i: usize) -> Option<World> {
        let mut world = self.clone();
        match next(&self.item, self.now, &Times::default()) {
            Next::Rest => return None,
            Next::Settle(item) => assert!(world.save(item)),
            Next::Post {
                reserved,
                kind,
                repeat,
            } => {
                assert!(self.now < self.item.expires_at, "a post after the expiry");
                assert!(reserved.address.is_some());
                if kind == Kind::Progress {
                    assert_eq!(
                        self.item.last,
                        Telling::NotOwed,
                        "progress when the end is owed"
                    );
                }
                assert!(world.save(reserved.clone()));
                world.runs[i] = Run::Posting {
                    reserved,
                    kind,
                    repeat,
                };
            }
        }
        Some(world)
    }

    /// Slack answers, or does not.
    fn post(&self, i: usize) -> Vec<World> {
        let Run::Posting {
            reserved,
            kind,
            repeat,
        } = &self.runs[i]
        else {
            return vec![];
        };
        let later = |after| Posted::Later { after };
        let why = || "no".to_owned();
        let outcomes = [
            (Posted::Shown, true),
            (Posted::NotSent { why: why() }, false),
            (later(None), false),
            (later(Some(Duration::from_secs(3_600))), false),
            (Posted::Refused { why: why() }, false),
            (Posted::Unknown, true),
            (Posted::Unknown, false),
        ];
        let mut worlds = vec![];
        for (posted, shown) in outcomes {
            let mut world = self.clone();
            match posted {
                Posted::NotSent { .. } if world.unsent == UNSENT => continue,
                Posted::NotSent { .. } => world.unsent += 1,
                _ => world.calls += 1,
            }
            if shown && *kind == Kind::Final {
                assert!(
                    *repeat || world.final_shown == 0,
                    "an unmarked copy: {self:?}"
                );
                world.final_shown += 1;
            } else if shown {
                assert_eq!(world.final_shown, 0, "progress after the end: {self:?}");
                world.progress_shown += 1;
            }
            let lost = posted == Posted::Unknown;
            let (reserved, kind) = (reserved.clone(), *kind);
            world.runs[i] = Run::Knows {
                reserved,
                kind,
                posted,
            };
            worlds.extend(if lost { world.fault() } else { Some(world) });
        }
        worlds
    }

    fn check(&self) {
        let item = &self.item;
        assert!(
            self.calls <= USES && item.uses <= USES,
            "too many uses: {self:?}"
        );
        assert!(self.progress_shown <= 1, "progress twice: {self:?}");
        assert!(
            self.final_shown <= 1 + self.faults,
            "too many copies: {self:?}"
        );
        for (telling, shown) in [
            (&item.progress, self.progress_shown),
            (&item.last, self.final_shown),
        ] {
            match telling {
                Telling::Undeliverable { .. } | Telling::NotOwed => {
                    assert_eq!(shown, 0, "{self:?}");
                }
                Telling::Told { .. } => assert!(shown > 0, "{self:?}"),
                _ => {}
            }
        }
        if item.last.is_settled() {
            assert!(
                item.address.is_none() && item.progress.is_settled(),
                "{self:?}"
            );
            assert_eq!(item.due_at(), None);
        }
    }

    /// From here on nothing goes wrong any more: is it settled soon?
    fn check_that_it_ends(&self) {
        let mut world = self.clone();
        world.runs = [Run::Idle, Run::Idle];
        world.item.owe(Kind::Final, world.now);
        let may_be_shown = world.now < world.item.expires_at && world.item.uses < USES;
        let hopeful = may_be_shown && world.item.address.is_some();
        for _ in 0..12 {
            let Some(due) = world.item.due_at() else {
                break;
            };
            world.now = world.now.max(due);
            let Some(looked) = world.look(0) else {
                continue;
            };
            world = looked;
            if let Run::Posting { reserved, kind, .. } = world.runs[0].clone() {
                let item = after(&reserved, kind, &Posted::Shown, world.now);
                assert!(world.save(item));
                world.runs[0] = Run::Idle;
            }
        }
        assert!(world.item.last.is_settled(), "it never ends: {self:?}");
        assert!(world.item.address.is_none() && world.item.progress.is_settled());
        let told = matches!(world.item.last, Telling::Told { .. });
        let waits_too_long = matches!(self.item.last, Telling::Owed { from } if from >= self.item.expires_at)
            || matches!(self.item.last, Telling::Sending { .. })
            || matches!(self.item.progress, Telling::Sending { .. });
        assert!(
            told || !hopeful || waits_too_long,
            "it could have been told: {self:?}"
        );
    }
}

fn explore(first: World) -> usize {
    let mut seen = HashSet::from([first.key()]);
    let mut queue = VecDeque::from([first]);
    while let Some(world) = queue.pop_front() {
        world.check();
        world.check_that_it_ends();
        for next in world.successors() {
            if seen.insert(next.key()) {
                queue.push_back(next);
            }
        }
    }

    seen.len()
}

#[test]
fn every_way_of_telling_keeps_the_promises() {
    let worlds = explore(World::new(true));
    assert!(worlds > 10_000, "only {worlds} worlds were seen");
}

#[test]
fn without_an_address_nothing_is_sent_and_the_record_says_so() {
    explore(World::new(false));
    let mut world = World::new(false);
    world.item.owe(Kind::Final, start());
    let world = world.look(0).unwrap();
    insta::assert_debug_snapshot!(world.item.last, @r#"
    Undeliverable {
        why: "there is no reply address",
    }
    "#);
}

#[test]
fn without_faults_both_things_are_told_once() {
    let mut item = World::new(true).item;
    for kind in [Kind::Progress, Kind::Final] {
        item.owe(kind, start());
        let Next::Post {
            reserved,
            kind: which,
            repeat,
        } = next(&item, start(), &Times::default())
        else {
            panic!("nothing is posted");
        };
        assert_eq!((which, repeat), (kind, false));
        item = after(&reserved, kind, &Posted::Shown, at(1));
    }
    let told = Telling::Told { at: at(1) };
    assert_eq!(
        (item.progress, item.last, item.uses),
        (told.clone(), told, 2)
    );
    assert!(item.address.is_none());
}

#[test]
fn owing_twice_is_owing_once_and_the_end_is_not_owed_again() {
    let mut item = World::new(true).item;
    item.owe(Kind::Final, start());
    let once = item.version;
    item.owe(Kind::Final, at(9));
    assert_eq!((item.version, item.due_at()), (once, Some(start())));
    item.last = Telling::Told { at: at(1) };
    item.owe(Kind::Final, at(9));
    assert_eq!(item.due_at(), None);
}

#[test]
fn the_pauses_spread_over_most_of_the_half_hour() {
    let pauses: Vec<_> = (0..7).map(|tries| pause(tries).as_secs()).collect();
    assert_eq!(pauses, [2, 2, 8, 32, 120, 120, 120]);
}

#[test]
fn the_address_is_never_printed() {
    let item = World::new(true).item;
    assert!(!format!("{item:?}").contains("canary"));
    let text = serde_json::to_string(&item).unwrap();
    let back: Reply = serde_json::from_str(&text).unwrap();
    assert_eq!(back.address.unwrap().expose(), address().expose());
}
