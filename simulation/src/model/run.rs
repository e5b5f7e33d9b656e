//! The steps of one run of the worker, as `chatops_worker` takes them: each ends at a port call.

use chatops_core::deploy::State as Stands;

use super::book::PLACES;
use super::desk::Plan;
use super::evidence::Evidence;
use super::work::{At, Run, Steps, Wire};

impl Steps<'_, '_, '_> {
    /// A message comes, or comes again: a command, an order, or a hint from whomever.
    pub(super) fn begin(&mut self) {
        let idle = |run: &Run| run.at == At::Idle;
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
            let facts = self.desk.facts(number);
            let mut run = Run {
                deploy: u8::try_from(deploy).unwrap_or(0),
                ..Run::default()
            };
            if facts.state.is_none() {
                match self.desk.open(number, deploy) {
                    Plan::Write(commit) => (run.at, run.commit) = (At::Opening, commit),
                    Plan::Broken(why) => self.breaks(deploy, "reads the command", why),
                    _ => {}
                }
            } else if facts.due {
                // On what is not due a run only rests.
                run.at = At::Reading;
            }
            if run.at != At::Idle {
                let mut to = self.from;
                to.runs[slot] = run;
                self.push(to, deploy, "begins", true);
            }
        }
        self.orders(slot);
        self.presses(slot);
    }

    /// Whether nothing is left to do, with no run under way.
    pub(super) fn at_rest(&mut self) -> bool {
        let from = self.from;
        let over = from.deploys.iter().all(|number| {
            *number == 0 || {
                let facts = self.desk.facts(*number);
                facts.state.is_some_and(Stands::is_terminal) && !facts.timer
            }
        });
        over && from.holder == 0 && self.no_order_lost()
    }

    /// Every step of the run in `slot`.
    pub(super) fn run(&mut self, slot: usize) {
        let run = self.from.runs[slot];
        if run.at == At::Idle {
            return;
        }
        self.who = slot + 1;
        let deploy = usize::from(run.deploy);
        match run.at {
            At::Idle => {}
            At::Reading => self.reading(slot, run, deploy),
            At::Ordering => self.ordering(slot, run, deploy),
            At::Sending => self.sending(slot, run, deploy),
            At::Waiting => self.waiting(slot, run, deploy),
            At::Recording => self.recording(slot, run, deploy),
            At::Opening | At::Writing | At::Refusing | At::WritingDown | At::Placing => {
                self.committing(slot, run, deploy);
            }
        }
        let dead = self.gone(self.from, slot);
        self.push(dead, deploy, "crashes", false);
    }

    fn goes(&mut self, slot: usize, run: Run, what: &'static str, calm: bool) {
        let mut to = self.from;
        to.runs[slot] = run;
        self.push(to, usize::from(run.deploy), what, calm);
    }

    /// Reads the deploy and does what is next; a read-only call is made along with it, since its
    /// answer is held against a fresh head anyway.
    fn reading(&mut self, slot: usize, run: Run, deploy: usize) {
        let number = self.from.deploys[deploy];
        let me = u8::try_from(slot).unwrap_or(0);
        match self.desk.next(number, me, run.posted) {
            Plan::Rest => {
                let to = self.gone(self.from, slot);
                self.push(to, deploy, "finds nothing to do", true);
            }
            Plan::Write(commit) => {
                let run = Run {
                    at: At::Writing,
                    seen: number,
                    commit,
                    stale: false,
                    ..run
                };
                self.goes(slot, run, "decides what to write", true);
            }
            Plan::Post => {
                let run = Run {
                    at: At::Sending,
                    seen: number,
                    stale: false,
                    ..run
                };
                self.goes(slot, run, "decides to send the POST", true);
            }
            Plan::Search => self.searching(slot, run, deploy),
            Plan::Look { cancel } if cancel == self.desk.facts(number).cancel => {
                self.looking(slot, run, deploy, cancel);
            }
            Plan::Look { .. } => {
                let why = "I8: a wish to cancel is not put to CircleCI, or one that nobody has";
                self.breaks(deploy, "looks", why);
            }
            Plan::Order(commit) => {
                let run = Run {
                    at: At::Ordering,
                    commit,
                    stale: false,
                    ..run
                };
                if self.space.scope.links == 0 {
                    // Nobody can come in between.
                    self.ordering(slot, run, deploy);
                } else {
                    self.goes(slot, run, "decides to send the order", true);
                }
            }
            Plan::Broken(why) => self.breaks(deploy, "decides", why),
        }
    }

    fn ordering(&mut self, slot: usize, run: Run, deploy: usize) {
        let mut to = self.from;
        to.orders[deploy].dead = true;
        let at = At::Placing;
        to.runs[slot] = Run { at, ..run };
        let what = "puts the order into the dead-letter queue";
        self.push(to, deploy, what, true);
    }

    fn searching(&mut self, slot: usize, run: Run, deploy: usize) {
        let learns = |evidence| Run {
            at: At::Recording,
            evidence,
            ..run
        };
        let wire = self.from.wire[deploy];
        if wire != Wire::Nothing {
            let mut to = self.from;
            to.wire[deploy] = Wire::Real;
            to.runs[slot] = learns(Evidence::Found);
            self.push(
                to,
                deploy,
                "searches and finds the pipeline",
                wire == Wire::Real,
            );
        }
        // A pipeline that exists may be listed as late as it likes.
        let absent = learns(Evidence::Absent);
        self.goes(
            slot,
            absent,
            "searches and finds nothing",
            wire != Wire::Real,
        );
        if !self.space.scope.plain {
            let failed = learns(Evidence::SearchFailed);
            self.goes(slot, failed, "searches in vain", false);
        }
    }

    fn looking(&mut self, slot: usize, run: Run, deploy: usize, cancel: bool) {
        if run.look != Evidence::None {
            let run = Run {
                at: At::Recording,
                evidence: run.look,
                look: Evidence::None,
                ..run
            };
            self.goes(slot, run, "takes the look it remembers", true);
            return;
        }
        let now = self.from.progress[deploy];
        let all = now.to(cancel);
        let seen = if self.space.scope.plain {
            &all[..1]
        } else {
            all
        };
        for (n, progress) in seen.iter().enumerate() {
            let mut to = self.from;
            to.progress[deploy] = *progress;
            to.runs[slot] = Run {
                at: At::Recording,
                evidence: progress.seen(),
                ..run
            };
            self.push(to, deploy, looked(*progress), n == 0);
        }
        if !self.space.scope.plain {
            let run = Run {
                at: At::Recording,
                evidence: Evidence::LookFailed,
                ..run
            };
            self.goes(slot, run, "looks in vain", false);
        }
    }

    /// Asks the clock and sends: between these two no time passes, or no rule about time could hold.
    fn sending(&mut self, slot: usize, run: Run, deploy: usize) {
        let me = u8::try_from(slot).unwrap_or(0);
        match self.desk.next(run.seen, me, run.posted) {
            Plan::Post => {
                let stored = self.desk.facts(self.from.deploys[deploy]);
                let breaks = if self.from.wire[deploy] != Wire::Nothing {
                    Some("I1: a second POST while the first may still create a pipeline")
                } else if stored.stale {
                    Some("I3: a POST after the command went stale")
                } else if usize::from(self.from.holder) != deploy + 1 {
                    Some("I3: a POST without the lock")
                } else if stored.state != Some(Stands::Armed) {
                    Some("I2: a POST for a deploy that is not ARMED")
                } else if stored.cancel && !run.stale {
                    Some("I8: a POST for a deploy that is known to be canceled")
                } else {
                    None
                };
                let mut to = self.from;
                to.wire[deploy] = Wire::Out;
                to.runs[slot] = Run {
                    at: At::Waiting,
                    posted: 1,
                    seen: 0,
                    stale: false,
                    ..run
                };
                self.add(to, deploy + 1, "sends the POST", true, breaks);
            }
            Plan::Write(commit) => {
                let (seen, commit) = if run.stale {
                    (0, 0)
                } else {
                    (run.seen, commit)
                };
                let run = Run {
                    at: At::Writing,
                    seen,
                    commit,
                    ..run
                };
                self.goes(slot, run, "finds it is too late to send", true);
            }
            Plan::Broken(why) => self.breaks(deploy, "decides", why),
            _ => {
                let run = Run {
                    at: At::Reading,
                    seen: 0,
                    stale: false,
                    ..run
                };
                self.goes(slot, run, "does not send", true);
            }
        }
    }

    fn waiting(&mut self, slot: usize, run: Run, deploy: usize) {
        use Evidence::{Created, NotNow, NotNowForLong, Refused, Unauthorized, Unknown};
        let learns = |evidence| Run {
            at: At::Recording,
            evidence,
            ..run
        };
        let mut to = self.from;
        to.wire[deploy] = Wire::Real;
        to.runs[slot] = learns(Created);
        self.push(to, deploy, "hears that the pipeline was created", true);
        self.goes(slot, learns(Unknown), "hears nothing, or an error", false);
        if self.from.wire[deploy] == Wire::Out {
            let answers = [
                (Refused, "hears a definite no"),
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
                to.wire[deploy] = Wire::Nothing;
                to.runs[slot] = learns(evidence);
                self.push(to, deploy, what, false);
            }
        }
    }

    /// Reads the deploy afresh and decides what the answer means.
    fn recording(&mut self, slot: usize, run: Run, deploy: usize) {
        let number = self.from.deploys[deploy];
        let me = u8::try_from(slot).unwrap_or(0);
        match self.desk.after(number, run.evidence, me, run.posted) {
            Plan::Write(commit) => {
                let run = Run {
                    at: At::WritingDown,
                    commit,
                    stale: false,
                    ..run
                };
                self.goes(slot, run, "decides what the answer means", true);
            }
            Plan::Broken(why) => self.breaks(deploy, "decides what the answer means", why),
            _ => self.goes(slot, recorded(run), "has nothing to record", true),
        }
    }

    /// Writes, by the conditions of the store.
    fn committing(&mut self, slot: usize, run: Run, deploy: usize) {
        let again = Run {
            at: At::Recording,
            commit: 0,
            stale: false,
            ..run
        };
        let reads = Run {
            at: At::Reading,
            seen: 0,
            commit: 0,
            stale: false,
            ..run
        };
        let recording = run.at == At::WritingDown;
        if run.stale && run.at == At::Opening {
            // The message is still there, and is dealt with anew.
            let to = self.gone(self.from, slot);
            self.push(to, deploy, "finds that others were first", true);
            return;
        }
        if run.stale {
            let run = if recording { again } else { reads };
            self.goes(slot, run, "finds that others were first", true);
            return;
        }
        let facts = self.desk.facts(run.commit);
        if let Some(holder) = self.barred(deploy, facts.lock) {
            let holder = self.from.deploys[holder];
            let me = u8::try_from(slot).unwrap_or(0);
            match self.desk.refuse_busy(run.seen, holder, me) {
                Plan::Write(commit) => {
                    let run = Run {
                        at: At::Refusing,
                        seen: 0,
                        commit,
                        ..run
                    };
                    self.goes(slot, run, "finds the target taken", true);
                }
                Plan::Broken(why) => self.breaks(deploy, "finds the target taken", why),
                _ => self.breaks(deploy, "finds the target taken", "a refusal of nothing"),
            }
            return;
        }
        if let super::desk::LockFact::Free | super::desk::LockFact::Expire(_) = facts.lock
            && usize::from(self.from.holder) != deploy + 1
        {
            self.breaks(
                deploy,
                "writes",
                "I3: a deploy frees a lock that is not its own",
            );
            return;
        }
        let mut to = self.applied(self.from, deploy, run.commit, Some(slot));
        // Arming makes an earlier POST of this very run the one of an earlier attempt.
        let posted = to.runs[slot].posted;
        let done = if recording { recorded(run) } else { reads };
        to.runs[slot] = Run { posted, ..done };
        self.push(to, deploy, "writes", true);
        if recording {
            // The store's answer got lost: what came from outside is decided anew. Any other write
            // whose answer is lost ends the run, like a crash after it.
            to.runs[slot] = Run { posted, ..again };
            self.push(to, deploy, "writes, and does not learn that it did", false);
        }
    }
}

/// A run whose answer is on record, or was overtaken.
fn recorded(run: Run) -> Run {
    let seen = run.evidence >= Evidence::SawPending;
    let look = if seen { run.evidence } else { run.look };
    Run {
        at: At::Reading,
        evidence: Evidence::None,
        look,
        commit: 0,
        stale: false,
        ..run
    }
}

fn looked(progress: super::evidence::Progress) -> &'static str {
    use super::evidence::Progress::{
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
