//! The steps of the worker's runs. Each run is the product's own value: it is resumed with what the
//! world of the model answers to its request, with every answer that the world could give.

use chatops_core::deploy::DeployState as Stands;

use super::ci_answer::{CiAnswer, PipelineProgress};
use super::decision_cache::{NextRun, RunAnswer};
use super::facts::{LockFact, RunPhase};
use super::ids::PLACES;
use super::worker_state::{PostEffect, WorkerRun, WorkerState};
use super::world_steps::WorkerSteps;
use crate::violation::Invariant::{CancelObeyed, IntentFirst, OnePipeline, ValidPost};
use crate::violation::Violation;

impl WorkerSteps<'_, '_> {
    /// A message comes, or comes again: a command, a ticket, or a wake-up.
    pub(super) fn begin_runs(&mut self) {
        let runs = &self.from.runs[..self.scope.workers];
        let Some(slot) = runs.iter().position(WorkerRun::is_idle) else {
            return;
        };
        self.who = slot + 1;
        for place in 0..PLACES {
            let number = self.from.deploys[place];
            if number == 0 {
                continue;
            }
            let facts = self.cache.facts(number);
            let deploy = u8::try_from(place).unwrap_or(0);
            let run = WorkerRun {
                deploy,
                ..WorkerRun::default()
            };
            if facts.state.is_none() {
                let place = deploy;
                let command = RunAnswer::Command { number, place };
                let next = self.cache.next_run(0, command, slot);
                self.push_next(self.from, slot, run, next, "begins");
            } else if facts.due {
                // On what is not due a run only rests.
                let run = run.at(self.cache.wake_up(number));
                self.push_run(slot, run, "begins", true);
            }
        }
        self.begin_tickets(slot);
        self.begin_retries(slot);
    }

    /// Whether nothing is left to do, with no run under way.
    pub(super) fn is_at_rest(&mut self) -> bool {
        let from = self.from;
        let over = from.deploys.iter().all(|number| {
            *number == 0 || {
                let facts = self.cache.facts(*number);
                facts.state.is_some_and(Stands::is_terminal) && !facts.has_timer
            }
        });
        over && from.holder == 0 && self.has_no_lost_ticket()
    }

    /// Every step of the run in `slot`.
    pub(super) fn run_steps(&mut self, slot: usize) {
        let run = self.from.runs[slot];
        if run.is_idle() {
            return;
        }
        self.who = slot + 1;
        let deploy = usize::from(run.deploy);
        match self.cache.facts(run.run).phase {
            RunPhase::LookingUp => self.step_look_up(slot, run, deploy),
            RunPhase::Polling => self.step_poll(slot, run, deploy),
            RunPhase::Reading if run.answer != 0 => self.step_after_read(slot, run, deploy),
            RunPhase::Reading => self.step_read(slot, run, deploy),
            RunPhase::Triggering => self.step_wait(slot, run, deploy),
            RunPhase::SendingTicket => self.step_send_ticket(slot, run, deploy),
            RunPhase::Recording => self.step_record(slot, run, deploy),
            RunPhase::ReadingRetried => self.step_read_retried(slot, run),
            // The last two are made at once.
            RunPhase::Idle | RunPhase::RecordingRefusal | RunPhase::ReturningTicket => {}
            RunPhase::Opening
            | RunPhase::BeginningRetry
            | RunPhase::Writing
            | RunPhase::WritingEvidence
            | RunPhase::Reserving => {
                self.step_commit(slot, run, deploy);
            }
        }
        let dead = self.end_run(self.from, slot);
        self.push(dead, deploy, "crashes", false);
    }

    fn push_run(&mut self, slot: usize, run: WorkerRun, what: &'static str, clean: bool) {
        let mut to = self.from;
        to.runs[slot] = run;
        self.push(to, usize::from(run.deploy), what, clean);
    }

    /// Goes on to what becomes of the run. The world is as in `to`.
    pub(super) fn push_next(
        &mut self,
        to: WorkerState,
        slot: usize,
        run: WorkerRun,
        next: NextRun,
        what: &'static str,
    ) {
        self.push_next_with(to, (slot, run), next, what, true);
    }

    fn push_next_with(
        &mut self,
        mut to: WorkerState,
        (slot, run): (usize, WorkerRun),
        next: NextRun,
        what: &'static str,
        clean: bool,
    ) {
        let deploy = usize::from(run.deploy);
        match next {
            NextRun::Run(next) => {
                let facts = self.cache.facts(next);
                match facts.phase {
                    RunPhase::RecordingRefusal => self.complete_retry(&mut to, facts.retrier),
                    RunPhase::ReturningTicket => {
                        let ticket = usize::from(facts.place.unwrap_or(run.deploy));
                        to.tickets[ticket].in_dlq = true;
                        to.tickets[ticket].redriven = false;
                    }
                    _ => {
                        to.runs[slot] = run.about(next, facts.place);
                        self.push(to, deploy, what, clean);
                        return;
                    }
                }
                let to = self.end_run(to, slot);
                self.push(to, deploy, "does not retry it", clean);
            }
            NextRun::Ended => {
                let to = self.end_run(to, slot);
                self.push(to, deploy, what, clean);
            }
            NextRun::Broken(why) => self.push_violation(deploy, what, why),
        }
    }

    /// Reads the deploy and decides what is next.
    fn step_read(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let number = self.from.deploys[deploy];
        let next = self
            .cache
            .next_run(run.run, RunAnswer::Record(number), slot);
        let NextRun::Run(after) = next else {
            self.push_next(self.from, slot, run, next, "finds nothing to do");
            return;
        };
        let planned = self.cache.facts(after);
        let stored = self.cache.facts(number);
        // A lookup is no poll: there is nothing yet that could be canceled.
        let open = stored
            .state
            .is_some_and(|state| !state.is_terminal() && state != Stands::Triggering);
        if planned.phase == RunPhase::Reserving && open && planned.cancels != stored.cancel {
            let why = "a cancel request is not sent to CircleCI, or one that nobody made is";
            self.push_violation(deploy, "polls", Violation::new(CancelObeyed, why));
            return;
        }
        match planned.phase {
            RunPhase::Triggering => {
                // Time may pass before it looks at what it has read.
                let read = WorkerRun {
                    answer: number,
                    ..run
                };
                self.push_run(slot, read, "reads, and may send", true);
            }
            // Nobody can come in between.
            RunPhase::SendingTicket if self.scope.retry_links == 0 => {
                self.step_send_ticket(slot, run.at(after), deploy);
            }
            _ => self.push_run(slot, run.at(after), "decides", true),
        }
    }

    /// Looks at what it has read, and sends: between these two no time passes, or no rule about time
    /// could hold.
    fn step_after_read(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let read = RunAnswer::Record(run.answer);
        let next = self.cache.next_run(run.run, read, slot);
        let NextRun::Run(after) = next else {
            self.push_next(self.from, slot, run, next, "does not send");
            return;
        };
        match self.cache.facts(after).phase {
            RunPhase::Triggering => self.step_send(slot, run, after, deploy),
            RunPhase::Reserving | RunPhase::SendingTicket => {
                // What it has read is older than any of these; it is as if it read again.
                let run = WorkerRun {
                    answer: 0,
                    stale: false,
                    ..run
                };
                self.push_run(slot, run, "does not send", true);
            }
            _ => {
                let to = run.at(after);
                let to = if run.stale {
                    self.overtake(to, slot)
                } else {
                    to
                };
                self.push_run(slot, to, "finds it is too late to send", true);
            }
        }
    }

    fn step_send(&mut self, slot: usize, run: WorkerRun, after: u32, deploy: usize) {
        let stored = self.cache.facts(self.from.deploys[deploy]);
        let in_turn = usize::from(self.from.holder) == deploy + 1;
        let is_first = self.from.post_effect[deploy] == PostEffect::Nothing;
        let (state, canceled) = (stored.state, stored.cancel && !run.stale);
        let intent = state == Some(Stands::Triggering);
        let checks = [
            (is_first, OnePipeline, "a second POST"),
            (
                !stored.expired,
                ValidPost,
                "a POST after the request expired",
            ),
            (in_turn, ValidPost, "a POST without the lock"),
            (intent, IntentFirst, "a POST without an intent"),
            (!canceled, CancelObeyed, "a POST of a canceled deploy"),
        ];
        let broken = checks.into_iter().find(|(holds, ..)| !holds);
        let violation = broken.map(|(_, of, why)| Violation::new(of, why));
        let mut to = self.from;
        to.post_effect[deploy] = PostEffect::Pending;
        to.runs[slot] = WorkerRun {
            sent: true,
            ..run.at(after)
        };
        self.push_with(to, deploy + 1, "sends the POST", true, violation);
    }

    fn step_send_ticket(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let mut to = self.from;
        to.tickets[deploy].in_dlq = true;
        let what = "puts the ticket into the dead-letter queue";
        let next = self.cache.next_run(run.run, RunAnswer::Sent, slot);
        if let NextRun::Run(after) = next
            && run.stale
        {
            to.runs[slot] = self.overtake(run.at(after), slot);
            self.push(to, deploy, what, true);
        } else {
            self.push_next(to, slot, run, next, what);
        }
    }

    /// CircleCI answers, and the world is as in `to`.
    fn push_answer(
        &mut self,
        to: WorkerState,
        (slot, run): (usize, WorkerRun),
        answer: CiAnswer,
        what: &'static str,
        clean: bool,
    ) {
        let next = self.cache.next_run(run.run, RunAnswer::Ci(answer), slot);
        self.push_next_with(to, (slot, run), next, what, clean);
    }

    fn step_look_up(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let effect = self.from.post_effect[deploy];
        if effect != PostEffect::Nothing {
            let mut to = self.from;
            to.post_effect[deploy] = PostEffect::Created;
            let what = "looks up and finds the pipeline";
            let clean = effect == PostEffect::Created;
            self.push_answer(to, (slot, run), CiAnswer::Found, what, clean);
        }
        // A pipeline that exists may be listed at any later time.
        let (what, clean) = ("looks up and finds nothing", effect != PostEffect::Created);
        self.push_answer(self.from, (slot, run), CiAnswer::Absent, what, clean);
        if self.scope.reads_fail() {
            let what = "looks up in vain";
            self.push_answer(self.from, (slot, run), CiAnswer::LookupFailed, what, false);
        }
    }

    fn step_poll(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let cancel = self.cache.facts(run.run).cancels;
        let now = self.from.progress[deploy];
        let all = now.successors(cancel);
        let seen = if self.scope.plain { 1 } else { all.len() };
        for (n, progress) in all.iter().take(seen).enumerate() {
            let mut to = self.from;
            to.progress[deploy] = *progress;
            let answer = progress.poll_answer();
            self.push_answer(to, (slot, run), answer, poll_label(*progress), n == 0);
        }
        if self.scope.reads_fail() {
            let what = "polls in vain";
            self.push_answer(self.from, (slot, run), CiAnswer::PollFailed, what, false);
        }
    }

    fn step_wait(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        use CiAnswer::{Created, NotNow, NotNowForLong, Refused, Unauthorized, Unknown};
        let mut to = self.from;
        to.post_effect[deploy] = PostEffect::Created;
        let what = "hears that the pipeline was created";
        self.push_answer(to, (slot, run), Created, what, true);
        let what = "hears nothing, or an error";
        self.push_answer(self.from, (slot, run), Unknown, what, false);
        if self.from.post_effect[deploy] == PostEffect::Pending {
            let answers = [
                (Refused, "hears a definite no"),
                (NotNow, "hears 'not now', or could not send"),
                (NotNowForLong, "hears 'not for an hour'"),
                (Unauthorized, "hears that the token is rejected"),
            ];
            let all = answers.len();
            let heard = if self.scope.plain { 1 } else { all };
            for (answer, what) in answers.into_iter().take(heard) {
                let mut to = self.from;
                to.post_effect[deploy] = PostEffect::Nothing;
                self.push_answer(to, (slot, run), answer, what, false);
            }
        }
    }

    /// Reads the deploy afresh and decides what the answer means.
    fn step_record(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let read = RunAnswer::Record(self.from.deploys[deploy]);
        let next = self.cache.next_run(run.run, read, slot);
        self.push_next(self.from, slot, run, next, "decides what the answer means");
    }

    /// Writes, by the conditions of the store.
    fn step_commit(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let facts = self.cache.facts(run.run);
        if facts.phase == RunPhase::BeginningRetry && self.was_handled(facts.retrier) {
            // However often it tries: its driver ends that.
            let to = self.end_run(self.from, slot);
            self.push(to, deploy, "finds that its action was handled", true);
            return;
        }
        if let Some(holder) = self.blocked_by(deploy, facts.lock) {
            let holder = RunAnswer::Holder(self.from.deploys[holder]);
            let next = self.cache.next_run(run.run, holder, slot);
            self.push_next(self.from, slot, run, next, "finds the target taken");
            return;
        }
        if let LockFact::Free | LockFact::Expire(_) = facts.lock
            && usize::from(self.from.holder) != deploy + 1
        {
            let why = Violation::new(ValidPost, "a deploy frees a lock that is not its own");
            self.push_violation(deploy, "writes", why);
            return;
        }
        let written = self.apply_commit(self.from, deploy, run.run, Some(slot));
        // A new intent makes an earlier POST of this run the one of an earlier attempt.
        let run = written.runs[slot];
        let next = self.cache.next_run(run.run, RunAnswer::Written, slot);
        self.push_next(written, slot, run, next, "writes");
        let lost = self.cache.next_run(run.run, RunAnswer::Lost, slot);
        // A run that ends by it is like one that crashes.
        if let NextRun::Run(_) = lost {
            let what = "writes, and does not learn that it did";
            self.push_next_with(written, (slot, run), lost, what, false);
            let what = "does not write, and does not learn that it did not";
            let run = self.from.runs[slot];
            let lost = self.cache.next_run(run.run, RunAnswer::Lost, slot);
            self.push_next_with(self.from, (slot, run), lost, what, false);
        }
    }
}

fn poll_label(progress: PipelineProgress) -> &'static str {
    use PipelineProgress::{Canceled, Errored, Failure, Nothing, Pending, Running, Success};
    match progress {
        Pending => "polls: pending",
        Nothing => "polls: created, no workflow",
        Running => "polls: it runs",
        Success => "polls: success",
        Failure => "polls: failed",
        Canceled => "polls: canceled",
        Errored => "polls: errored",
    }
}
