//! The steps of the notifier's runs. Each run is the product's own value: it is resumed with what the
//! world of the model answers to its request.

use chatops_core::notification::handler::{NotifyRun, ReservedPost};
use chatops_core::notification::{
    DeliveryStatus, NotificationKind, NotificationRecord, RESPONSE_URL_USES, Sending,
};
use chatops_core::phase::Phase;
use chatops_core::ports::{CommitError, Conflict};

use super::ModelViolation;
use super::clock::now;
use super::notifications::{NotificationInterner, notified_deploy, notify_context, post_of};
use super::notify_state::{NotifySlot, NotifyState, WorkerProgress};
use super::search::ModelStep;
use super::shard::FastMap;
use super::slack_answer::SlackAnswer;
use crate::seeded::{SeededBug, alter};
use crate::violation::Invariant::BoundedPosts;
use crate::violation::Violation;

/// What a run is answered, or what happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum NotifyAnswer {
    /// The record that it reads.
    Record(u32),
    /// Its write is done.
    Saved,
    /// Others have written first.
    Overtaken,
    /// Slack answers.
    Posted(SlackAnswer),
    /// Another run has concluded its reservation.
    Superseded,
}

/// What becomes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextNotifyRun {
    /// This one.
    Run(u32),
    /// It is over.
    Ended,
}

/// Where a run stands, for people.
pub(super) fn phase_name(run: &NotifyRun) -> String {
    let mut run = run.clone();
    let kind = post_of(&mut run).map(|post| match &post.sending {
        Sending::Notification { kind, .. } => format!(" {kind:?}"),
        Sending::Answer => " Answer".to_owned(),
        Sending::Announcement { .. } => " Announcement".to_owned(),
        Sending::Card { .. } => " Card".to_owned(),
        Sending::Deletion(_) => " Deletion".to_owned(),
    });
    let phase = format!("{run:?}");
    let phase = phase.split(['(', ' ']).next().unwrap_or_default();
    format!("{phase}{}", kind.unwrap_or_default())
}

/// One thread's memory of the decisions.
#[derive(Default)]
pub(super) struct NotifyCache {
    runs: FastMap<(u32, NotifyAnswer), NextNotifyRun>,
    after_ticks: FastMap<u32, u32>,
}

/// The steps from one state, as they are found.
pub(super) struct NotifySteps<'s> {
    pub items: &'s NotificationInterner,
    pub bug: Option<SeededBug>,
    /// Runs at the same time.
    pub notifiers: usize,
    pub cache: &'s mut NotifyCache,
    pub from: NotifyState,
    pub who: usize,
    pub steps: &'s mut Vec<ModelStep<NotifyState>>,
}

impl NotifySteps<'_> {
    fn push(&mut self, to: NotifyState, what: &'static str, clean: bool) {
        self.push_with(to, what, clean, None);
    }

    fn push_with(
        &mut self,
        to: NotifyState,
        what: &'static str,
        clean: bool,
        violation: Option<ModelViolation>,
    ) {
        let mut other = to;
        other.runs.swap(0, 1);
        let swapped = self.notifiers > 1 && other > to;
        let to = if swapped { other } else { to };
        let who = u8::try_from(self.who).unwrap_or(0);
        self.steps.push(ModelStep {
            to,
            who,
            about: 0,
            what,
            clean,
            swapped,
            violation,
        });
    }

    fn push_run(&mut self, slot: usize, run: NotifySlot, what: &'static str, clean: bool) {
        let mut to = self.from;
        to.runs[slot] = run;
        self.push(to, what, clean);
    }

    /// What becomes of a run.
    fn next_run(&mut self, run: u32, answer: NotifyAnswer) -> NextNotifyRun {
        if let Some(next) = self.cache.runs.get(&(run, answer)) {
            return *next;
        }
        let next = self.resume(self.items.run(run), answer);
        self.cache.runs.insert((run, answer), next);
        next
    }

    fn resume(&self, run: NotifyRun, answer: NotifyAnswer) -> NextNotifyRun {
        let (bug, ctx) = (self.bug, notify_context());
        let read = |number| {
            let mut record = self.items.record(number);
            alter::notification(bug, &mut record);
            Ok(Some(record))
        };
        let saved = || match answer {
            NotifyAnswer::Overtaken => Err(CommitError::Conflict(Conflict::StaleVersion)),
            _ => Ok(()),
        };
        let mut next = match (run, answer) {
            (NotifyRun::Read(phase), NotifyAnswer::Record(n)) => phase.resume(read(n), ctx),
            (NotifyRun::Reread(phase), NotifyAnswer::Record(n)) => phase.resume(read(n), ctx),
            (NotifyRun::Post(phase), NotifyAnswer::Posted(answer)) => {
                let result = alter::posted(bug, &phase.request.to, answer.post_result());
                phase.resume(result, ctx)
            }
            (mut run, NotifyAnswer::Superseded) => {
                if let Some(post) = post_of(&mut run) {
                    // No record has this any more.
                    let kind = kind_of(post);
                    set_delivery(&mut post.reserved, kind, DeliveryStatus::NotRequested);
                }
                run
            }
            (NotifyRun::Settle(phase), _) => phase.resume(saved(), ctx),
            (NotifyRun::Reserve(phase), _) => phase.resume(saved(), ctx),
            (NotifyRun::Record(phase), _) => phase.resume(saved(), ctx),
            (run, _) => run,
        };
        loop {
            next = match next {
                // What it reads does not change.
                NotifyRun::ReadDeploy(phase) => {
                    let record = notified_deploy(kind_of(&phase.post));
                    phase.resume(Ok(Some(record)), ctx)
                }
                NotifyRun::FindBot(phase) => phase.resume(Ok(false), ctx),
                NotifyRun::RenewToken(phase) => phase.resume((), ctx),
                NotifyRun::ScheduleWakeUp(_) | NotifyRun::Done(_) => return NextNotifyRun::Ended,
                run => return NextNotifyRun::Run(self.items.intern_run(run)),
            };
        }
    }

    /// Goes on to what becomes of a run. The world is as in `to`.
    fn push_next(
        &mut self,
        mut to: NotifyState,
        slot: usize,
        answer: NotifyAnswer,
        (what, clean): (&'static str, bool),
    ) {
        let run = self.from.runs[slot];
        to.runs[slot] = match self.next_run(run.run, answer) {
            NextNotifyRun::Run(next) => self.caught_up(NotifySlot { run: next, ..run }),
            NextNotifyRun::Ended => NotifySlot::default(),
        };
        self.push(to, what, clean);
    }

    /// A run that others have overtaken during its post finds out when it records the result.
    fn caught_up(&mut self, slot: NotifySlot) -> NotifySlot {
        let run = self.items.run(slot.run);
        let stale = slot.stale && matches!(run, NotifyRun::Post(_) | NotifyRun::Record(_));
        let run = match run {
            NotifyRun::Record(_) if stale => self.changed(slot.run, NotifyAnswer::Overtaken),
            _ => slot.run,
        };
        let stale = stale && run == slot.run;
        NotifySlot { run, stale }
    }

    fn changed(&mut self, run: u32, what: NotifyAnswer) -> u32 {
        match self.next_run(run, what) {
            NextNotifyRun::Run(run) => run,
            NextNotifyRun::Ended => 0,
        }
    }

    /// The state after a record is written; whoever has read the one before is overtaken.
    fn write_record(
        &mut self,
        mut to: NotifyState,
        record: u32,
        own: Option<usize>,
    ) -> NotifyState {
        let items = self.items;
        let (old, new) = (items.record(to.record), items.record(record));
        to.record = record;
        for slot in 0..to.runs.len() {
            let mut run = to.runs[slot];
            if own == Some(slot) || run.run == 0 {
                continue;
            }
            let mut value = items.run(run.run);
            // A reservation is known by its own end of lease, which no other one has.
            let reserved = !matches!(value, NotifyRun::Reserve(_));
            if let Some(post) = post_of(&mut value).filter(|_| reserved)
                && old.delivery(kind_of(post)) != new.delivery(kind_of(post))
            {
                run.run = self.changed(run.run, NotifyAnswer::Superseded);
            }
            to.runs[slot] = match value {
                NotifyRun::Settle(_) | NotifyRun::Reserve(_) | NotifyRun::Record(_) => NotifySlot {
                    run: self.changed(run.run, NotifyAnswer::Overtaken),
                    stale: false,
                },
                NotifyRun::Post(_) => NotifySlot { stale: true, ..run },
                _ => run,
            };
        }
        to
    }

    pub(super) fn world_steps(&mut self) {
        self.who = 0;
        let items = self.items;
        let record = items.record(self.from.record);
        let pending = |kind| {
            let mut record: NotificationRecord = record.clone();
            record.request_delivery(kind, now());
            items.intern_record(record)
        };
        if self.from.worker == WorkerProgress::Opened {
            let pending = pending(NotificationKind::Progress);
            let mut to = self.write_record(self.from, pending, None);
            to.worker = WorkerProgress::Started;
            self.push(to, "the worker sees it run", false);
        }
        if self.from.worker != WorkerProgress::Ended {
            let mut to = self.write_record(self.from, pending(NotificationKind::Final), None);
            to.worker = WorkerProgress::Ended;
            self.push(to, "the worker sees the end", true);
        }
        let mut to = self.from;
        let mut later = |number: &mut u32| {
            if *number != 0 {
                let later = self.cache.after_ticks.entry(*number);
                *number = *later.or_insert_with(|| items.tick_item(*number));
            }
        };
        later(&mut to.record);
        to.runs.iter_mut().for_each(|run| later(&mut run.run));
        let clean = self.from.runs.iter().all(|run| run.run == 0);
        self.push(to, "time passes", clean);
    }

    pub(super) fn begin_runs(&mut self) {
        let slots = &self.from.runs[..self.notifiers];
        let Some(slot) = slots.iter().position(|run| run.run == 0) else {
            return;
        };
        self.who = slot + 1;
        let record = self.items.record(self.from.record);
        if record.due_at().is_some_and(|due| due <= now()) {
            let run = NotifyRun::wake_up(record.deploy);
            let run = NotifySlot {
                run: self.items.intern_run(run),
                stale: false,
            };
            self.push_run(slot, run, "begins", true);
        }
    }

    pub(super) fn run_steps(&mut self, slot: usize) {
        let run = self.from.runs[slot];
        if run.run == 0 {
            return;
        }
        self.who = slot + 1;
        let from = self.from;
        match self.items.run(run.run) {
            NotifyRun::Read(_) => {
                let read = NotifyAnswer::Record(from.record);
                self.push_next(from, slot, read, ("reads the record and decides", true));
            }
            NotifyRun::Reread(_) => {
                let read = NotifyAnswer::Record(from.record);
                self.push_next(from, slot, read, ("reads the record again", true));
            }
            NotifyRun::Settle(phase) => {
                self.step_save(slot, phase.record, "writes what is settled");
            }
            NotifyRun::Reserve(phase) => {
                let reserved = phase.post.reserved;
                self.step_save(slot, reserved, "writes the reservation");
            }
            NotifyRun::Record(phase) => {
                self.step_save(slot, *phase.record, "records what became of it");
            }
            NotifyRun::Post(phase) => {
                let is_final = kind_of(&phase.post) == NotificationKind::Final;
                let marked = phase.request.message.mark.repeat;
                self.step_post(slot, is_final, marked);
            }
            other => unreachable!("no state of the model: {other:?}"),
        }
        self.push_run(slot, NotifySlot::default(), "crashes", false);
    }

    fn step_save(&mut self, slot: usize, record: NotificationRecord, what: &'static str) {
        let to = if alter::keeps_reservation(self.bug, &record) {
            self.from
        } else {
            let record = self.items.intern_record(record);
            self.write_record(self.from, record, Some(slot))
        };
        self.push_next(to, slot, NotifyAnswer::Saved, (what, true));
    }

    /// One post, and what becomes of it.
    fn step_post(&mut self, slot: usize, is_final: bool, marked: bool) {
        let record = self.items.record(self.from.record);
        let alive = now() < record.expires_at;
        let mut used = self.from;
        used.used += 1;
        let why = Violation::new(BoundedPosts, "the response URL is used too often");
        if used.used > RESPONSE_URL_USES {
            self.push_with(used, "posts", false, Some(why));
            return;
        }
        let answer = NotifyAnswer::Posted;
        if alive {
            let mut to = used;
            if is_final {
                to.finals += 1;
                to.unmarked += u8::from(!marked);
            } else {
                to.progress += 1;
            }
            let what = ("posts, and it is shown", true);
            self.push_next(to, slot, answer(SlackAnswer::Delivered), what);
            let what = ("posts, it is shown, the answer is lost", false);
            self.push_next(to, slot, answer(SlackAnswer::Unknown), what);
        }
        let unseen = "posts, it is not shown, the answer is lost";
        for (heard, what) in [
            (SlackAnswer::Unknown, unseen),
            (SlackAnswer::Later, "posts: 'later'"),
            (SlackAnswer::MuchLater, "posts: 'in an hour'"),
            (SlackAnswer::Refused, "posts, and Slack refuses"),
        ] {
            let clean = !alive && heard == SlackAnswer::Refused;
            self.push_next(used, slot, answer(heard), (what, clean));
        }
        let unsent = ("cannot reach Slack", false);
        self.push_next(self.from, slot, answer(SlackAnswer::NotSent), unsent);
    }
}

/// What is posted: in this model neither a card nor an announcement.
fn kind_of(post: &ReservedPost) -> NotificationKind {
    match post.sending {
        Sending::Notification { kind, .. } => kind,
        Sending::Answer
        | Sending::Announcement { .. }
        | Sending::Card { .. }
        | Sending::Deletion(_) => NotificationKind::Final,
    }
}

fn set_delivery(record: &mut NotificationRecord, kind: NotificationKind, status: DeliveryStatus) {
    match kind {
        NotificationKind::Progress => record.progress = status,
        NotificationKind::Hold => record.hold = status,
        NotificationKind::Final => record.final_status = status,
        NotificationKind::Notice => record.notice = status,
    }
}
