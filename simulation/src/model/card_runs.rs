//! What becomes of a run of the notifier in the card's model: the product's own value, resumed with what
//! the world answers, up to the next port call that others can come before.

use chatops_core::notification::handler::NotifyRun;
use chatops_core::notification::{Card, NotificationRecord, Sending, StrayCard};
use chatops_core::phase::Phase;
use chatops_core::ports::{CommitError, Conflict};

use super::card_records::{CardItems, card_context, card_place, drawn_deploy};
use super::clock::now;
use super::notifications::post_of;
use super::shard::FastMap;
use super::slack_answer::SlackAnswer;
use crate::seeded::{SeededBug, alter};

/// What a run is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum CardAnswer {
    /// It begins, reads this record and finds a bot's token or none. A button of this card was pressed.
    Begin {
        record: u32,
        token: bool,
        pressed: Option<usize>,
    },
    /// Its write is done, and the deploy that it reads has ended or not.
    Saved { ended: bool },
    /// Others have written first: this.
    Overtaken(u32),
    /// Slack answers.
    Posted(SlackAnswer),
}

/// One thread's memory of the decisions. 0 is a run that is over.
#[derive(Default)]
pub(super) struct CardCache {
    runs: FastMap<(u32, CardAnswer), u32>,
    pub after_ticks: FastMap<u32, u32>,
}

/// The decisions of the runs.
#[derive(Clone, Copy)]
pub(super) struct CardRuns<'a> {
    pub items: &'a CardItems,
    pub bug: Option<SeededBug>,
}

impl CardRuns<'_> {
    /// The run that follows on a run; 0 if there is none.
    pub(super) fn next(self, cache: &mut CardCache, run: u32, answer: CardAnswer) -> u32 {
        if let Some(next) = cache.runs.get(&(run, answer)) {
            return *next;
        }
        let next = match answer {
            CardAnswer::Begin {
                record, pressed, ..
            } => {
                let deploy = self.items.record(record).deploy;
                let run = match pressed {
                    Some(nth) => NotifyRun::press(deploy, card_place(nth)),
                    None => NotifyRun::wake_up(deploy),
                };
                self.resume(run, answer)
            }
            _ => self.resume(self.items.run(run), answer),
        };
        let next = self.to_next_call(next, answer);
        cache.runs.insert((run, answer), next);
        next
    }

    fn read(self, number: u32) -> NotificationRecord {
        let mut record = self.items.record(number);
        alter::notification(self.bug, &mut record);
        record
    }

    fn resume(self, run: NotifyRun, answer: CardAnswer) -> NotifyRun {
        let ctx = card_context();
        let saved = || match answer {
            CardAnswer::Overtaken(_) => Err(CommitError::Conflict(Conflict::StaleVersion)),
            _ => Ok(()),
        };
        match (run, answer) {
            (NotifyRun::Read(phase), CardAnswer::Begin { record, .. }) => {
                phase.resume(Ok(Some(self.read(record))), ctx)
            }
            (NotifyRun::Post(phase), CardAnswer::Posted(answer)) => {
                let result = alter::posted(self.bug, &phase.request.to, answer.post_result());
                phase.resume(result, ctx)
            }
            (NotifyRun::Delete(phase), CardAnswer::Posted(answer)) => {
                phase.resume(answer.post_result(), ctx)
            }
            (NotifyRun::Settle(phase), _) => phase.resume(saved(), ctx),
            (NotifyRun::Reserve(phase), _) => phase.resume(saved(), ctx),
            (NotifyRun::NotePress(phase), _) => phase.resume(saved(), ctx),
            (NotifyRun::Record(phase), _) => phase.resume(saved(), ctx),
            (run, _) => run,
        }
    }

    /// Answers what no other run can come before. A run that reads the record from the start is over: it
    /// knows nothing that one which begins later does not.
    fn to_next_call(self, mut next: NotifyRun, answer: CardAnswer) -> u32 {
        let ctx = card_context();
        let ended = matches!(answer, CardAnswer::Saved { ended: true });
        let token = !matches!(answer, CardAnswer::Begin { token: false, .. });
        loop {
            next = match (next, answer) {
                (NotifyRun::ReadDeploy(phase), _) => {
                    phase.resume(Ok(Some(drawn_deploy(ended))), ctx)
                }
                (NotifyRun::FindBot(phase), _) => phase.resume(Ok(token), ctx),
                (NotifyRun::RenewToken(phase), _) => phase.resume((), ctx),
                (NotifyRun::Reread(phase), CardAnswer::Overtaken(record)) => {
                    phase.resume(Ok(Some(self.read(record))), ctx)
                }
                (NotifyRun::Read(_) | NotifyRun::ScheduleWakeUp(_) | NotifyRun::Done(_), _) => {
                    return 0;
                }
                (run, _) => return self.items.intern_run(run),
            };
        }
    }

    /// The run whose post or deletion is under way, after others have written `new` over `old`, and whether
    /// its reservation is gone. The result will be added to `new`, unless it is.
    pub(super) fn over(
        self,
        run: u32,
        (old, new): (&NotificationRecord, &NotificationRecord),
    ) -> (u32, bool) {
        let mut run = self.items.run(run);
        let Some(post) = post_of(&mut run) else {
            return (0, true);
        };
        let before = reservation(old, &post.sending);
        let is_gone = reservation(&post.reserved, &post.sending) != before
            || reservation(new, &post.sending) != before;
        post.reserved = if is_gone {
            without_reservation(old, &post.sending)
        } else {
            new.clone()
        };
        (self.items.intern_run(run), is_gone)
    }
}

/// The part of a record that reserves it. As long as it is the same, so is the reservation: the next one
/// begins after this has run out.
fn reservation(record: &NotificationRecord, sending: &Sending) -> String {
    let card = record.card.as_ref();
    match sending {
        Sending::Notification { kind, .. } => format!("{:?}", record.delivery(*kind)),
        Sending::Answer | Sending::Announcement { .. } => String::new(),
        // Whether more was requested since does not matter.
        Sending::Card { .. } => format!("{:?}", card.map(|card| &card.status)),
        Sending::Deletion(at) => {
            let mut strays = card.into_iter().flat_map(|card| &card.strays);
            format!("{:?}", strays.find(|one| one.at == *at))
        }
    }
}

/// A record that no other one shares the reservation of.
fn without_reservation(record: &NotificationRecord, sending: &Sending) -> NotificationRecord {
    let mut none = NotificationRecord::open(record.deploy, None, now());
    match sending {
        Sending::Deletion(at) => {
            let mut card = Card::new(now());
            card.strays.push(StrayCard {
                at: at.clone(),
                attempts: u8::MAX,
                next: now(),
                in_flight: true,
            });
            none.card = Some(card);
        }
        Sending::Notification { .. }
        | Sending::Answer
        | Sending::Announcement { .. }
        | Sending::Card { .. } => {}
    }
    none
}
