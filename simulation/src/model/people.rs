//! What people wish of a deploy on record, and the orders in the dead-letter queue: what the worker
//! decides about either.

use std::time::Duration;

use chatops_core::command::{Deploy, Wish};
use chatops_core::decide::{Cancel, Cause, Retryable};
use chatops_core::id::{ChannelId, DeployRef, RequestId, TeamId, UserId};
use chatops_core::message::{Asker, DeployMessage, WishMessage, Wisher};
use chatops_core::name::{BranchName, JobName};

use super::book::{DEPLOYS, Item, PARSED, Press, now, run_name};
use super::desk::{Desk, Plan, here};
use super::sound::repeats;

/// Who can press.
const PEOPLE: [&str; 2] = ["U0001", "U0002"];

impl Press {
    /// A press of this very moment.
    pub(super) fn fresh(who: usize, named: usize, confirm: bool) -> Self {
        Self {
            who,
            named,
            confirm,
            left: PARSED.times.stale_after,
        }
    }

    /// Of a press whose deploy is on record nothing matters but whose it was.
    pub(super) fn done(self) -> Self {
        Self {
            left: Duration::ZERO,
            ..Self::fresh(self.who, 0, false)
        }
    }

    fn message(self) -> WishMessage {
        let deploy = DeployRef::Full(DEPLOYS[self.named]);
        let wish = Wish::Retry {
            deploy,
            confirm: self.confirm,
            force: false,
        };
        wish_of(self.who, wish, self.left)
    }
}

/// The retry of a deploy is made by an order, or by the press of that number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Maker {
    Order,
    Press(u16),
}

impl Desk<'_> {
    /// A wish that was just typed.
    pub(super) fn pressed(&mut self, press: Press) -> u16 {
        self.book.number(Item::Pressed(press))
    }

    pub(super) fn press(&mut self, number: u16) -> Press {
        match self.entry(number).0.as_ref() {
            Item::Pressed(press) => *press,
            _ => unreachable!("number {number} is not a wish"),
        }
    }

    /// The first transaction of the retry of a deploy, if it may be retried.
    pub(super) fn open_retry(&mut self, old: u16, first: u16, maker: Maker) -> Plan {
        let made = match maker {
            Maker::Order => 0,
            Maker::Press(number) => number,
        };
        self.plan([4, old, first, made], |desk| {
            let wish = match maker {
                Maker::Order => None,
                Maker::Press(number) => Some(desk.press(number).message()),
            };
            let cause = wish.as_ref().map_or(Cause::Order, Cause::Wish);
            let (old, first) = (desk.head(old), desk.head(first).ask);
            let me = run_name(None);
            if desk.rules.retryable(&old, cause, here(&me, 0)) != Retryable::Yes {
                return Plan::Rest;
            }
            match desk.rules.open_retry(&old, &first, cause, here(&me, 0)) {
                Ok(commit) => match repeats(&old, cause, &commit) {
                    Ok(()) => desk.commit(None, Some(commit)),
                    Err(why) => Plan::Broken(why),
                },
                Err(_) => Plan::Broken("a decision the state machine does not allow"),
            }
        })
    }

    /// Whether the sweeper has no use for the order of a deploy.
    pub(super) fn needless(&mut self, number: u16) -> bool {
        let rules = self.rules;
        match self.entry(number).0.as_ref() {
            Item::Head(head) => rules.needless(head),
            _ => false,
        }
    }

    /// The asker wants the deploy canceled.
    pub(super) fn cancel(&mut self, number: u16) -> Plan {
        self.plan([5, number, 0, 0], |desk| {
            let head = desk.head(number);
            let deploy = DeployRef::Full(head.id);
            let wish = wish_of(0, Wish::Cancel { deploy }, PARSED.times.stale_after);
            let me = run_name(None);
            match desk.rules.cancel(&head, &wish, here(&me, 0)) {
                Ok(Cancel::Write(commit)) => desk.commit(Some(&head), Some(*commit)),
                Ok(Cancel::Ended | Cancel::Wished(_) | Cancel::Denied(_)) => Plan::Rest,
                Err(_) => Plan::Broken("a decision the state machine does not allow"),
            }
        })
    }
}

fn request(who: usize) -> RequestId {
    RequestId::of_request("T0001", "A0001", PEOPLE[who])
}

/// One more than the person whose request that is.
pub(super) fn presser(wish: RequestId) -> u8 {
    let who = (0..PEOPLE.len()).find(|who| request(*who) == wish);
    who.map_or(0, |who| u8::try_from(who + 1).unwrap_or(0))
}

/// The names of the model are sound.
fn sure<T>(name: Option<T>) -> T {
    name.unwrap_or_else(|| unreachable!("a name that cannot be read"))
}

fn asker(who: usize) -> Asker {
    Asker {
        team: sure(TeamId::parse("T0001")),
        channel: sure(ChannelId::parse("C0001")),
        user: sure(UserId::parse(PEOPLE[who])),
        user_name: None,
        reply_to: None,
    }
}

/// The wish of somebody who has so much of its time left.
fn wish_of(who: usize, wish: Wish, left: Duration) -> WishMessage {
    WishMessage {
        id: request(who),
        from: Wisher::Person(asker(who)),
        wish,
        asked_at: now() + left - PARSED.times.stale_after,
    }
}

/// The command that asks for a deploy.
pub(super) fn message(deploy: usize, left: Duration) -> DeployMessage {
    DeployMessage {
        id: DEPLOYS[deploy],
        asker: asker(0),
        deploy: Deploy {
            project: None,
            branch: sure(BranchName::parse("main").ok()),
            job: sure(JobName::parse("deploy").ok()),
        },
        asked_at: now() + left - PARSED.times.stale_after,
    }
}
