//! The steps of one run of the worker, as `chatops_worker` takes them: each ends at a port call.

use chatops_core::deploy::DeployState as Stands;

use super::decision_cache::{LockFact, WorkerPlan};
use super::evidence::{CiEvidence, PipelineProgress};
use super::interner::PLACES;
use super::worker_space::{PostEffect, WorkerPhase, WorkerRun, WorkerSteps};
use crate::invariants::Invariant::{CancelObeyed, IntentFirst, OnePipeline, ValidPost};
use crate::invariants::Violation;

impl WorkerSteps<'_, '_, '_> {
    /// A message comes, or comes again: a command, a ticket, or a wake-up.
    pub(super) fn begin_runs(&mut self) {
        let idle = |run: &WorkerRun| run.at == WorkerPhase::Idle;
        let Some(slot) = self.from.runs[..self.space.scope.workers]
            .iter()
            .position(idle)
        else {
            return;
        };
        self.who = slot + 1;
        for deploy in 0..PLACES {
            let number = self.from.deploys[deploy];
            if number == 0 {
                continue;
            }
            let facts = self.cache.facts(number);
            let mut run = WorkerRun {
                deploy: u8::try_from(deploy).unwrap_or(0),
                ..WorkerRun::default()
            };
            if facts.state.is_none() {
                match self.cache.plan_open(number, deploy) {
                    WorkerPlan::Write(commit) => {
                        (run.at, run.commit) = (WorkerPhase::Opening, commit);
                    }
                    WorkerPlan::Broken(why) => {
                        self.push_violation(deploy, "reads the command", why);
                    }
                    _ => {}
                }
            } else if facts.due {
                // On what is not due a run only rests.
                run.at = WorkerPhase::Reading;
            }
            if run.at != WorkerPhase::Idle {
                let mut to = self.from;
                to.runs[slot] = run;
                self.push(to, deploy, "begins", true);
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
        if run.at == WorkerPhase::Idle {
            return;
        }
        self.who = slot + 1;
        let deploy = usize::from(run.deploy);
        match run.at {
            WorkerPhase::Idle => {}
            WorkerPhase::Reading => self.step_read(slot, run, deploy),
            WorkerPhase::WritingTicket => self.step_write_ticket(slot, run, deploy),
            WorkerPhase::Sending => self.step_send(slot, run, deploy),
            WorkerPhase::Waiting => self.step_wait(slot, run, deploy),
            WorkerPhase::Recording => self.step_record(slot, run, deploy),
            WorkerPhase::Opening
            | WorkerPhase::Writing
            | WorkerPhase::Rejecting
            | WorkerPhase::WritingAnswer
            | WorkerPhase::TicketWritten => self.step_commit(slot, run, deploy),
        }
        let dead = self.end_run(self.from, slot);
        self.push(dead, deploy, "crashes", false);
    }

    fn push_run(&mut self, slot: usize, run: WorkerRun, what: &'static str, clean: bool) {
        let mut to = self.from;
        to.runs[slot] = run;
        self.push(to, usize::from(run.deploy), what, clean);
    }

    /// Reads the deploy and does what is next; a read-only call is made along with it, since its
    /// answer is applied to a record that is read again anyway.
    fn step_read(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let number = self.from.deploys[deploy];
        let me = u8::try_from(slot).unwrap_or(0);
        match self.cache.plan_next(number, me, run.posted) {
            WorkerPlan::Wait => {
                let to = self.end_run(self.from, slot);
                self.push(to, deploy, "finds nothing to do", true);
            }
            WorkerPlan::Write(commit) => {
                let run = run.next(WorkerPhase::Writing, number, commit);
                self.push_run(slot, run, "decides what to write", true);
            }
            WorkerPlan::Post => {
                let run = run.next(WorkerPhase::Sending, number, 0);
                self.push_run(slot, run, "decides to send the POST", true);
            }
            WorkerPlan::LookUp => self.step_look_up(slot, run, deploy),
            WorkerPlan::Poll { cancel } if cancel == self.cache.facts(number).cancel => {
                self.step_poll(slot, run, deploy, cancel);
            }
            WorkerPlan::Poll { .. } => {
                let why = "a cancel request is not sent to CircleCI, or one that nobody made is";
                self.push_violation(deploy, "polls", Violation::new(CancelObeyed, why));
            }
            WorkerPlan::WriteTicket(commit) => {
                let run = run.next(WorkerPhase::WritingTicket, 0, commit);
                if self.space.scope.retry_links == 0 {
                    // Nobody can come in between.
                    self.step_write_ticket(slot, run, deploy);
                } else {
                    self.push_run(slot, run, "decides to send the ticket", true);
                }
            }
            WorkerPlan::Broken(why) => self.push_violation(deploy, "decides", why),
        }
    }

    fn step_write_ticket(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let mut to = self.from;
        to.tickets[deploy].in_dlq = true;
        let at = WorkerPhase::TicketWritten;
        to.runs[slot] = WorkerRun { at, ..run };
        let what = "puts the ticket into the dead-letter queue";
        self.push(to, deploy, what, true);
    }

    fn step_look_up(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let effect = self.from.post_effect[deploy];
        if effect != PostEffect::Nothing {
            let mut to = self.from;
            to.post_effect[deploy] = PostEffect::Created;
            to.runs[slot] = run.hears(CiEvidence::Found);
            let what = "looks up and finds the pipeline";
            self.push(to, deploy, what, effect == PostEffect::Created);
        }
        // A pipeline that exists may be listed at any later time.
        let absent = run.hears(CiEvidence::Absent);
        let what = "looks up and finds nothing";
        self.push_run(slot, absent, what, effect != PostEffect::Created);
        if !self.space.scope.plain {
            let failed = run.hears(CiEvidence::LookupFailed);
            self.push_run(slot, failed, "looks up in vain", false);
        }
    }

    fn step_poll(&mut self, slot: usize, run: WorkerRun, deploy: usize, cancel: bool) {
        if run.polled != CiEvidence::None {
            let polled = CiEvidence::None;
            let run = WorkerRun { polled, ..run }.hears(run.polled);
            self.push_run(slot, run, "takes the poll it remembers", true);
            return;
        }
        let now = self.from.progress[deploy];
        let all = now.successors(cancel);
        let seen = if self.space.scope.plain { 1 } else { all.len() };
        for (n, progress) in all.iter().take(seen).enumerate() {
            let mut to = self.from;
            to.progress[deploy] = *progress;
            to.runs[slot] = run.hears(progress.poll_evidence());
            self.push(to, deploy, poll_label(*progress), n == 0);
        }
        if !self.space.scope.plain {
            let run = run.hears(CiEvidence::PollFailed);
            self.push_run(slot, run, "polls in vain", false);
        }
    }

    /// Reads the clock and sends: between these two no time passes, or no rule about time could hold.
    fn step_send(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let me = u8::try_from(slot).unwrap_or(0);
        match self.cache.plan_next(run.record, me, run.posted) {
            WorkerPlan::Post => {
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
                to.runs[slot] = run.next(WorkerPhase::Waiting, 0, 0);
                to.runs[slot].posted = 1;
                self.push_with(to, deploy + 1, "sends the POST", true, violation);
            }
            WorkerPlan::Write(commit) => {
                let mut to = run.next(WorkerPhase::Writing, run.record, commit);
                if run.stale {
                    (to.stale, to.record, to.commit) = (true, 0, 0);
                }
                self.push_run(slot, to, "finds it is too late to send", true);
            }
            WorkerPlan::Broken(why) => self.push_violation(deploy, "decides", why),
            _ => {
                let run = run.next(WorkerPhase::Reading, 0, 0);
                self.push_run(slot, run, "does not send", true);
            }
        }
    }

    fn step_wait(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        use CiEvidence::{Created, NotNow, NotNowForLong, Rejected, Unauthorized, Unknown};
        let mut to = self.from;
        to.post_effect[deploy] = PostEffect::Created;
        to.runs[slot] = run.hears(Created);
        self.push(to, deploy, "hears that the pipeline was created", true);
        let what = "hears nothing, or an error";
        self.push_run(slot, run.hears(Unknown), what, false);
        if self.from.post_effect[deploy] == PostEffect::Pending {
            let answers = [
                (Rejected, "hears a definite no"),
                (NotNow, "hears 'not now', or could not send"),
                (NotNowForLong, "hears 'not for an hour'"),
                (Unauthorized, "hears that the token is rejected"),
            ];
            let all = answers.len();
            let heard = if self.space.scope.plain { 1 } else { all };
            for (evidence, what) in answers.into_iter().take(heard) {
                let mut to = self.from;
                to.post_effect[deploy] = PostEffect::Nothing;
                to.runs[slot] = run.hears(evidence);
                self.push(to, deploy, what, false);
            }
        }
    }

    /// Reads the deploy afresh and decides what the answer means.
    fn step_record(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let number = self.from.deploys[deploy];
        let me = u8::try_from(slot).unwrap_or(0);
        match self.cache.plan_after(number, run.evidence, me, run.posted) {
            WorkerPlan::Write(commit) => {
                let run = run.next(WorkerPhase::WritingAnswer, 0, commit);
                self.push_run(slot, run, "decides what the answer means", true);
            }
            WorkerPlan::Broken(why) => {
                self.push_violation(deploy, "decides what the answer means", why);
            }
            _ => self.push_run(slot, after_record(run), "has nothing to record", true),
        }
    }

    /// Writes, by the conditions of the store.
    fn step_commit(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let again = run.next(WorkerPhase::Recording, 0, 0);
        let reads = run.next(WorkerPhase::Reading, 0, 0);
        let recording = run.at == WorkerPhase::WritingAnswer;
        if run.stale && run.at == WorkerPhase::Opening {
            // The message is still there, and is handled again.
            let to = self.end_run(self.from, slot);
            self.push(to, deploy, "finds that others were first", true);
            return;
        }
        if run.stale {
            let run = if recording { again } else { reads };
            self.push_run(slot, run, "finds that others were first", true);
            return;
        }
        let facts = self.cache.facts(run.commit);
        if let Some(holder) = self.blocked_by(deploy, facts.lock) {
            let holder = self.from.deploys[holder];
            let me = u8::try_from(slot).unwrap_or(0);
            let what = "finds the target taken";
            match self.cache.plan_reject_busy(run.record, holder, me) {
                WorkerPlan::Write(commit) => {
                    let run = run.next(WorkerPhase::Rejecting, 0, commit);
                    self.push_run(slot, run, what, true);
                }
                WorkerPlan::Broken(why) => self.push_violation(deploy, what, why),
                _ => {
                    let why = Violation::new(None, "a rejection of nothing");
                    self.push_violation(deploy, what, why);
                }
            }
            return;
        }
        if let LockFact::Free | LockFact::Expire(_) = facts.lock
            && usize::from(self.from.holder) != deploy + 1
        {
            let why = Violation::new(ValidPost, "a deploy frees a lock that is not its own");
            self.push_violation(deploy, "writes", why);
            return;
        }
        let mut to = self.apply_commit(self.from, deploy, run.commit, Some(slot));
        // A new intent makes an earlier POST of this run the one of an earlier attempt.
        let posted = to.runs[slot].posted;
        let done = if recording { after_record(run) } else { reads };
        to.runs[slot] = WorkerRun { posted, ..done };
        self.push(to, deploy, "writes", true);
        if recording {
            // The store's answer got lost: what came from outside is decided anew. Any other write
            // whose answer is lost ends the run, like a crash after it.
            to.runs[slot] = WorkerRun { posted, ..again };
            self.push(to, deploy, "writes, and does not learn that it did", false);
        }
    }
}

/// A run whose answer is on record, or was overtaken.
fn after_record(run: WorkerRun) -> WorkerRun {
    let seen = run.evidence >= CiEvidence::SawPending;
    let poll = if seen { run.evidence } else { run.polled };
    WorkerRun {
        evidence: CiEvidence::None,
        polled: poll,
        ..run.next(WorkerPhase::Reading, 0, 0)
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
