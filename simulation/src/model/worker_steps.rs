//! The steps of one run of the worker, as `chatops_worker` takes them: each ends at a port call.

use chatops_core::deploy::DeployState as Stands;

use super::decision_cache::WorkerPlan;
use super::evidence::CiEvidence;
use super::interner::PLACES;
use super::worker_space::{PostEffect, WorkerPhase, WorkerRun, WorkerSteps};

impl WorkerSteps<'_, '_, '_> {
    /// A message comes, or comes again: a command, an order, or a hint from whomever.
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
            | WorkerPhase::TicketWritten => {
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

    /// Reads the deploy and does what is next; a read-only call is made along with it, since its
    /// answer is held against a fresh head anyway.
    fn step_read(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let number = self.from.deploys[deploy];
        let me = u8::try_from(slot).unwrap_or(0);
        match self.cache.plan_next(number, me, run.posted) {
            WorkerPlan::Wait => {
                let to = self.end_run(self.from, slot);
                self.push(to, deploy, "finds nothing to do", true);
            }
            WorkerPlan::Write(commit) => {
                let run = WorkerRun {
                    at: WorkerPhase::Writing,
                    record: number,
                    commit,
                    stale: false,
                    ..run
                };
                self.push_run(slot, run, "decides what to write", true);
            }
            WorkerPlan::Post => {
                let run = WorkerRun {
                    at: WorkerPhase::Sending,
                    record: number,
                    stale: false,
                    ..run
                };
                self.push_run(slot, run, "decides to send the POST", true);
            }
            WorkerPlan::LookUp => self.step_look_up(slot, run, deploy),
            WorkerPlan::Poll { cancel } if cancel == self.cache.facts(number).cancel => {
                self.step_poll(slot, run, deploy, cancel);
            }
            WorkerPlan::Poll { .. } => {
                let why = "I8: a wish to cancel is not put to CircleCI, or one that nobody has";
                self.push_violation(deploy, "looks", why);
            }
            WorkerPlan::WriteTicket(commit) => {
                let run = WorkerRun {
                    at: WorkerPhase::WritingTicket,
                    commit,
                    stale: false,
                    ..run
                };
                if self.space.scope.retry_links == 0 {
                    // Nobody can come in between.
                    self.step_write_ticket(slot, run, deploy);
                } else {
                    self.push_run(slot, run, "decides to send the order", true);
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
        let what = "puts the order into the dead-letter queue";
        self.push(to, deploy, what, true);
    }

    fn step_look_up(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let learns = |evidence| WorkerRun {
            at: WorkerPhase::Recording,
            evidence,
            ..run
        };
        let effect = self.from.post_effect[deploy];
        if effect != PostEffect::Nothing {
            let mut to = self.from;
            to.post_effect[deploy] = PostEffect::Created;
            to.runs[slot] = learns(CiEvidence::Found);
            self.push(
                to,
                deploy,
                "searches and finds the pipeline",
                effect == PostEffect::Created,
            );
        }
        // A pipeline that exists may be listed as late as it likes.
        let absent = learns(CiEvidence::Absent);
        self.push_run(
            slot,
            absent,
            "searches and finds nothing",
            effect != PostEffect::Created,
        );
        if !self.space.scope.plain {
            let failed = learns(CiEvidence::LookupFailed);
            self.push_run(slot, failed, "searches in vain", false);
        }
    }

    fn step_poll(&mut self, slot: usize, run: WorkerRun, deploy: usize, cancel: bool) {
        if run.polled != CiEvidence::None {
            let run = WorkerRun {
                at: WorkerPhase::Recording,
                evidence: run.polled,
                polled: CiEvidence::None,
                ..run
            };
            self.push_run(slot, run, "takes the look it remembers", true);
            return;
        }
        let now = self.from.progress[deploy];
        let all = now.successors(cancel);
        let seen = if self.space.scope.plain {
            &all[..1]
        } else {
            all
        };
        for (n, progress) in seen.iter().enumerate() {
            let mut to = self.from;
            to.progress[deploy] = *progress;
            to.runs[slot] = WorkerRun {
                at: WorkerPhase::Recording,
                evidence: progress.poll_evidence(),
                ..run
            };
            self.push(to, deploy, poll_label(*progress), n == 0);
        }
        if !self.space.scope.plain {
            let run = WorkerRun {
                at: WorkerPhase::Recording,
                evidence: CiEvidence::PollFailed,
                ..run
            };
            self.push_run(slot, run, "looks in vain", false);
        }
    }

    /// Asks the clock and sends: between these two no time passes, or no rule about time could hold.
    fn step_send(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        let me = u8::try_from(slot).unwrap_or(0);
        match self.cache.plan_next(run.record, me, run.posted) {
            WorkerPlan::Post => {
                let stored = self.cache.facts(self.from.deploys[deploy]);
                let violation = if self.from.post_effect[deploy] != PostEffect::Nothing {
                    Some("I1: a second POST while the first may still create a pipeline")
                } else if stored.expired {
                    Some("I3: a POST after the command went stale")
                } else if usize::from(self.from.holder) != deploy + 1 {
                    Some("I3: a POST without the lock")
                } else if stored.state != Some(Stands::Triggering) {
                    Some("I2: a POST for a deploy that is not TRIGGERING")
                } else if stored.cancel && !run.stale {
                    Some("I8: a POST for a deploy that is known to be canceled")
                } else {
                    None
                };
                let mut to = self.from;
                to.post_effect[deploy] = PostEffect::Pending;
                to.runs[slot] = WorkerRun {
                    at: WorkerPhase::Waiting,
                    posted: 1,
                    record: 0,
                    stale: false,
                    ..run
                };
                self.push_with(to, deploy + 1, "sends the POST", true, violation);
            }
            WorkerPlan::Write(commit) => {
                let (seen, commit) = if run.stale {
                    (0, 0)
                } else {
                    (run.record, commit)
                };
                let run = WorkerRun {
                    at: WorkerPhase::Writing,
                    record: seen,
                    commit,
                    ..run
                };
                self.push_run(slot, run, "finds it is too late to send", true);
            }
            WorkerPlan::Broken(why) => self.push_violation(deploy, "decides", why),
            _ => {
                let run = WorkerRun {
                    at: WorkerPhase::Reading,
                    record: 0,
                    stale: false,
                    ..run
                };
                self.push_run(slot, run, "does not send", true);
            }
        }
    }

    fn step_wait(&mut self, slot: usize, run: WorkerRun, deploy: usize) {
        use CiEvidence::{Created, NotNow, NotNowForLong, Rejected, Unauthorized, Unknown};
        let learns = |evidence| WorkerRun {
            at: WorkerPhase::Recording,
            evidence,
            ..run
        };
        let mut to = self.from;
        to.post_effect[deploy] = PostEffect::Created;
        to.runs[slot] = learns(Created);
        self.push(to, deploy, "hears that the pipeline was created", true);
        self.push_run(slot, learns(Unknown), "hears nothing, or an error", false);
        if self.from.post_effect[deploy] == PostEffect::Pending {
            let answers = [
                (Rejected, "hears a definite no"),
                (NotNow, "hears 'not now', or could not send"),
                (NotNowForLong, "hears 'not for an hour'"),
                (Unauthorized, "hears that the token is refused"),
            ];
            let heard = if self.space.scope.plain {
                1
            } else {
                answers.len()
            };
            for (evidence, what) in answers.into_iter().take(heard) {
                let mut to = self.from;
                to.post_effect[deploy] = PostEffect::Nothing;
                to.runs[slot] = learns(evidence);
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
                let run = WorkerRun {
                    at: WorkerPhase::WritingAnswer,
                    commit,
                    stale: false,
                    ..run
                };
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
        let again = WorkerRun {
            at: WorkerPhase::Recording,
            commit: 0,
            stale: false,
            ..run
        };
        let reads = WorkerRun {
            at: WorkerPhase::Reading,
            record: 0,
            commit: 0,
            stale: false,
            ..run
        };
        let recording = run.at == WorkerPhase::WritingAnswer;
        if run.stale && run.at == WorkerPhase::Opening {
            // The message is still there, and is dealt with anew.
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
            match self.cache.plan_reject_busy(run.record, holder, me) {
                WorkerPlan::Write(commit) => {
                    let run = WorkerRun {
                        at: WorkerPhase::Rejecting,
                        record: 0,
                        commit,
                        ..run
                    };
                    self.push_run(slot, run, "finds the target taken", true);
                }
                WorkerPlan::Broken(why) => {
                    self.push_violation(deploy, "finds the target taken", why);
                }
                _ => self.push_violation(deploy, "finds the target taken", "a refusal of nothing"),
            }
            return;
        }
        if let super::decision_cache::LockFact::Free | super::decision_cache::LockFact::Expire(_) =
            facts.lock
            && usize::from(self.from.holder) != deploy + 1
        {
            self.push_violation(
                deploy,
                "writes",
                "I3: a deploy frees a lock that is not its own",
            );
            return;
        }
        let mut to = self.apply_commit(self.from, deploy, run.commit, Some(slot));
        // Arming makes an earlier POST of this very run the one of an earlier attempt.
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
        at: WorkerPhase::Reading,
        evidence: CiEvidence::None,
        polled: poll,
        commit: 0,
        stale: false,
        ..run
    }
}

fn poll_label(progress: super::evidence::PipelineProgress) -> &'static str {
    use super::evidence::PipelineProgress::{
        Canceled, Errored, Failure, Nothing, Pending, Running, Success,
    };
    match progress {
        Pending => "looks: pending",
        Nothing => "looks: created, no workflow",
        Running => "looks: it runs",
        Success => "looks: success",
        Failure => "looks: failed",
        Canceled => "looks: canceled",
        Errored => "looks: errored",
    }
}
