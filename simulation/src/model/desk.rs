//! One thread's view of the decisions: the real functions, called once per case and remembered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chatops_core::decide::{self, Here, Step};
use chatops_core::deploy::{Head, Pipeline, RunKind, State};
use chatops_core::id::ShortId;
use chatops_core::machine::Illegal;
use chatops_core::ports::{Commit, Lock, LockChange};

use super::book::{
    Book, Decided, Item, PARSED, TICK, canonical, later, now, pipeline_of, place_of, renamed,
    run_name, timer,
};
use super::evidence::Evidence;
use super::people::{message, presser};
use super::rules::Rules;
use super::shard::FastMap;
use super::sound::sound;

/// What a decision comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing.
    Rest,
    /// Write this commit.
    Write(u16),
    /// Send the POST.
    Post,
    /// Search for the proof.
    Search,
    /// Look at the run.
    Look { cancel: bool },
    /// Send the order, then write this commit.
    Order(u16),
    /// The decision itself is wrong.
    Broken(&'static str),
}

/// What a commit does to the lock; moments in ticks from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LockFact {
    Keep,
    Take(i8),
    Free,
    Expire(i8),
}

/// What the steps need to know of an item.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// `None` for a command that is not on record.
    pub state: Option<State>,
    pub due: bool,
    pub timer: bool,
    pub holds: bool,
    pub has_run: bool,
    pub stale: bool,
    pub cancel: bool,
    /// Another one repeats it.
    pub retried: bool,
    /// One more than the person whose wish made it.
    pub wished: u8,
    /// Of a commit: the number of its head.
    pub head: u16,
    /// Of a commit: the number of the head of the deploy that it repeats.
    pub old: u16,
    pub lock: LockFact,
}

/// The changes of an item that depend on nothing else.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn {
    /// A tick passes.
    Later,
    /// The run in that slot is gone.
    Gone(usize),
    /// The runs change places.
    Swap,
}

/// One thread's memory.
pub(super) struct Desk<'a> {
    pub(super) book: &'a Book,
    pub(super) rules: &'a dyn Rules,
    items: Vec<Option<(Arc<Item>, Facts)>>,
    turns: [Vec<u16>; 4],
    plans: FastMap<u64, Plan>,
}

fn ticks(at: chatops_core::Time) -> i8 {
    let ticks = (at - now()).num_seconds() / TICK.as_secs().cast_signed();
    i8::try_from(ticks).unwrap_or(i8::MAX)
}

fn head_facts(head: &Head) -> Facts {
    Facts {
        state: Some(head.state),
        due: head.is_due(now()),
        timer: head.due_at.is_some() || head.owes_order,
        holds: head.holds.is_some(),
        has_run: head.run.is_some(),
        stale: head.valid_until <= now(),
        cancel: head.cancel.is_some(),
        retried: head.retried_by.is_some(),
        wished: head.wished_by.map_or(0, presser),
        head: 0,
        old: 0,
        lock: LockFact::Keep,
    }
}

fn facts(book: &Book, item: &Item) -> Facts {
    let number = |head: &Head| book.number(Item::Head(Box::new(head.clone())));
    match item {
        Item::Asked(_) | Item::Pressed(_) => Facts {
            state: None,
            due: true,
            timer: true,
            holds: false,
            has_run: false,
            stale: false,
            cancel: false,
            retried: false,
            wished: 0,
            head: 0,
            old: 0,
            lock: LockFact::Keep,
        },
        Item::Head(head) => head_facts(head),
        Item::Commit(commit) => Facts {
            head: number(&commit.head),
            old: commit.old.as_ref().map_or(0, number),
            lock: match &commit.lock {
                None => LockFact::Keep,
                Some(LockChange::Take { now, .. }) => LockFact::Take(ticks(*now)),
                Some(LockChange::Free { .. }) => LockFact::Free,
                Some(LockChange::Expire { until, .. }) => LockFact::Expire(ticks(*until)),
            },
            ..head_facts(&commit.head)
        },
    }
}

impl<'a> Desk<'a> {
    pub(super) fn new(book: &'a Book, rules: &'a dyn Rules) -> Self {
        Self {
            book,
            rules,
            items: vec![],
            turns: Default::default(),
            plans: FastMap::default(),
        }
    }

    pub(super) fn entry(&mut self, number: u16) -> &(Arc<Item>, Facts) {
        let at = usize::from(number);
        if self.items.len() <= at {
            self.items.resize(at + 64, None);
        }
        self.items[at].get_or_insert_with(|| {
            let item = self.book.item(number);
            let facts = facts(self.book, &item);
            (item, facts)
        })
    }

    pub(super) fn facts(&mut self, number: u16) -> Facts {
        self.entry(number).1
    }

    pub(super) fn head(&mut self, number: u16) -> Head {
        match self.entry(number).0.as_ref() {
            Item::Head(head) => head.as_ref().clone(),
            _ => unreachable!("number {number} is not a deploy on record"),
        }
    }

    /// A command that was just typed.
    pub(super) fn asked(&mut self) -> u16 {
        self.book.number(Item::Asked(PARSED.times.stale_after))
    }

    /// The item after `turn`; no item stays none.
    pub(super) fn turned(&mut self, number: u16, turn: Turn) -> u16 {
        let (row, at) = (
            match turn {
                Turn::Later => 0,
                Turn::Gone(slot) => 1 + slot,
                Turn::Swap => 3,
            },
            usize::from(number),
        );
        if number == 0 {
            return 0;
        }
        if self.turns[row].len() <= at {
            self.turns[row].resize(at + 64, 0);
        }
        if self.turns[row][at] == 0 {
            let item = Arc::clone(&self.entry(number).0);
            let (one, two) = (run_name(Some(0)), run_name(Some(1)));
            let item = match turn {
                Turn::Later => later(&item),
                Turn::Gone(slot) => renamed(&item, |by| {
                    (*by == run_name(Some(slot))).then(|| run_name(None))
                }),
                Turn::Swap => renamed(&item, |by| {
                    let others = [(&one, &two), (&two, &one)];
                    others
                        .into_iter()
                        .find(|(a, _)| *a == by)
                        .map(|(_, b)| b.clone())
                }),
            };
            self.turns[row][at] = self.book.number(item);
        }
        self.turns[row][at]
    }

    pub(super) fn plan(&mut self, key: [u16; 4], make: impl FnOnce(&mut Self) -> Plan) -> Plan {
        let key = key
            .into_iter()
            .fold(0, |all, part| all << 16 | u64::from(part));
        if let Some(plan) = self.plans.get(&key) {
            return *plan;
        }
        // "No panic" is one of the promises.
        let plan = catch_unwind(AssertUnwindSafe(|| make(self)));
        let plan = plan.unwrap_or(Plan::Broken("a decision panicked"));
        self.plans.insert(key, plan);
        plan
    }

    /// Checks a commit against the head it was decided from, and numbers it.
    pub(super) fn commit(&mut self, before: Option<&Head>, commit: Option<Commit>) -> Plan {
        let Some(mut commit) = commit else {
            return Plan::Rest;
        };
        if let Err(why) = sound(before, &commit) {
            return Plan::Broken(why);
        }
        if let Some(LockChange::Expire { until, .. }) = &mut commit.lock {
            *until = timer(*until);
        }
        let decided = Decided {
            head: canonical(commit.head),
            lock: commit.lock,
            old: commit.repeats.map(|repeated| canonical(repeated.head)),
        };
        Plan::Write(self.book.number(Item::Commit(Box::new(decided))))
    }

    fn written(&mut self, before: &Head, commit: Result<Option<Commit>, Illegal>) -> Plan {
        match commit {
            Ok(commit) => self.commit(Some(before), commit),
            Err(_) => Plan::Broken("a decision the state machine does not allow"),
        }
    }

    /// What the run in `slot` does next about a deploy.
    pub(super) fn next(&mut self, number: u16, slot: u8, posted: u8) -> Plan {
        self.plan([0, number, u16::from(slot), u16::from(posted)], |desk| {
            let head = desk.head(number);
            let me = run_name(Some(usize::from(slot)));
            let here = here(&me, posted);
            match desk.rules.next(&head, here) {
                Err(_) => Plan::Broken("a decision the state machine does not allow"),
                // Nobody cuts the runs of the model off.
                Ok(Step::Rest | Step::Later) => Plan::Rest,
                Ok(Step::Write(commit)) => desk.commit(Some(&head), Some(*commit)),
                Ok(Step::Post(order)) => {
                    let id = head.id.to_string();
                    if order
                        .parameters
                        .values()
                        .any(|value| value.as_str() == Some(&id))
                    {
                        Plan::Post
                    } else {
                        Plan::Broken("I7: a POST without the deploy id")
                    }
                }
                Ok(Step::Search(_)) => Plan::Search,
                Ok(Step::Look { cancel, .. }) => Plan::Look { cancel },
                Ok(Step::Order) => {
                    let placed = decide::order_placed(&head);
                    match desk.commit(Some(&head), Some(placed)) {
                        Plan::Write(commit) => Plan::Order(commit),
                        other => other,
                    }
                }
            }
        })
    }

    /// What the run in `slot` writes about what the outside world answered.
    pub(super) fn after(&mut self, number: u16, seen: Evidence, slot: u8, posted: u8) -> Plan {
        let key = u16::from(slot) << 8 | u16::from(posted);
        self.plan([1, number, seen as u16, key], |desk| {
            let head = desk.head(number);
            let me = run_name(Some(usize::from(slot)));
            let pipeline = proof_pipeline(place_of(head.id));
            let here = here(&me, posted);
            let commit = seen.decide(desk.rules, &head, pipeline, here);
            desk.written(&head, commit)
        })
    }

    /// The refusal of a deploy whose target another one has.
    pub(super) fn refuse_busy(&mut self, number: u16, holder: u16, slot: u8) -> Plan {
        self.plan([2, number, holder, u16::from(slot)], |desk| {
            let (head, holder) = (desk.head(number), desk.head(holder));
            let lock = Lock {
                deploy: holder.id,
                since: now(),
                until: None,
            };
            let me = run_name(Some(usize::from(slot)));
            let commit = decide::refuse_busy(&head, &lock, &holder, here(&me, 0));
            desk.written(&head, commit.map(Some))
        })
    }

    /// The first transaction of a command.
    pub(super) fn open(&mut self, number: u16, deploy: usize) -> Plan {
        self.plan([3, number, u16::try_from(deploy).unwrap_or(0), 0], |desk| {
            let Item::Asked(left) = *desk.entry(number).0.as_ref() else {
                return Plan::Rest;
            };
            let message = message(deploy, left);
            let me = run_name(None);
            let commit = decide::open(&message, ShortId::USUAL, here(&me, 0));
            desk.commit(None, Some(commit))
        })
    }
}

pub(super) fn here(me: &chatops_core::id::Invocation, posted: u8) -> Here<'_> {
    Here {
        now: now(),
        me,
        posted: u32::from(posted),
        ends: None,
        config: &PARSED,
    }
}

fn proof_pipeline(deploy: usize) -> Pipeline {
    let url = "https://app.circleci.com/pipelines/github/acme/web/1";
    let url = url::Url::parse(url).unwrap_or_else(|error| unreachable!("{error}"));
    Pipeline {
        kind: RunKind::Pipeline,
        id: pipeline_of(deploy),
        number: deploy as u64 + 1,
        url,
    }
}
