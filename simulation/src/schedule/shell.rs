//! The shell of a function on AWS, as `chatops_aws::lambda::batch` is it: batches of messages, and an
//! end that is known beforehand.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::deploy::State;
use chatops_core::ports::{Clock, Delivery, Lane, Queue};

use super::{Schedule, Task};
use crate::coverage::Reached;
use crate::dice::Fault;
use crate::planted::Bug;
use crate::points::drive;

/// A batch has at most so many messages.
pub(super) const BATCH: usize = 3;

/// How long a function may take.
const WHOLE: Duration = Duration::from_mins(1);

/// What a function that is cut off soon has at least, and how much more at most, in seconds.
const SHORT: (usize, usize) = (3, 16);

/// How long before the end the shell gives up; twice as long before it nothing long is begun.
const GUARD: Duration = Duration::from_secs(2);

/// What surrounds a run of a handler: nothing, or a function.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shell {
    /// The batch that the message came in.
    pub(super) batch: Option<usize>,
    /// Until when the handler may expect to finish what it begins.
    pub(super) ends: Option<Time>,
    /// When it is dropped where it waits.
    gives_up: Option<Time>,
}

/// A message that was handed over, and whether it was dealt with.
pub(super) type Shown = ((Lane, Delivery), bool);

impl Shell {
    pub(super) fn is_over(&self, now: Time) -> bool {
        self.gives_up.is_some_and(|at| now >= at)
    }
}

impl Schedule {
    /// The function that something runs in, if it runs on AWS.
    pub(super) fn shell(&mut self, batch: bool) -> Shell {
        if !self.dice.cloud() {
            return Shell::default();
        }
        let mut left = WHOLE;
        if self.dice.fires(Fault::CutShort) {
            left = Duration::from_secs((SHORT.0 + self.dice.below(SHORT.1)) as u64);
            self.note(None, "a function ends soon");
        }
        let now = self.world.clock.now();
        self.functions += 1;
        Shell {
            batch: batch.then_some(self.functions),
            ends: Some(now + left.saturating_sub(2 * GUARD)),
            gives_up: Some(now + left.saturating_sub(GUARD)),
        }
    }

    /// A function dies: what else it had in hand dies with it, and all of it comes back when its
    /// visibility runs out.
    pub(super) fn function_dies(&mut self, shell: &Shell) {
        if let Some(batch) = shell.batch {
            self.tasks.retain(|task| task.shell.batch != Some(batch));
            self.batches.remove(&batch);
        }
    }

    /// A run is dropped where it waits.
    pub(super) fn is_cut_off(&mut self, task: Task, state: Option<State>) {
        self.reached.insert(Reached::CutOff);
        self.world.faults += 1;
        self.note(state, &format!("{} is cut off", task.what));
        let shown = task.delivery.map(|shown| (shown, false));
        self.dealt_with(&task.shell, shown);
    }

    /// One message of a batch is dealt with, or not; after the last one the function answers.
    pub(super) fn dealt_with(&mut self, shell: &Shell, shown: Option<Shown>) {
        let Some(batch) = shell.batch else { return };
        self.batches.entry(batch).or_default().extend(shown);
        if self
            .tasks
            .iter()
            .any(|task| task.shell.batch == Some(batch))
        {
            return;
        }
        let shown = self.batches.remove(&batch).unwrap_or_default();
        let some = shown.iter().any(|(_, done)| *done);
        let all = shown.iter().all(|(_, done)| *done);
        if some && self.dice.fires(Fault::BatchDies) {
            self.note(None, "a batch was dealt with, and its function dies");
            return;
        }
        if some && !all {
            self.reached.insert(Reached::PartlyFailed);
        }
        let as_done = some && self.world.bug == Some(Bug::FailuresNotNamed);
        for ((lane, delivery), done) in shown {
            if done || as_done {
                let _ = drive(self.world.cloud_queue.delete(lane, &delivery.receipt));
            } else {
                self.release(lane, &delivery);
            }
        }
    }

    /// What failed comes again, the later the more often it has been tried.
    pub(super) fn release(&self, lane: Lane, delivery: &Delivery) {
        let delay = Duration::from_secs(2 << delivery.receives.min(5));
        let released = self
            .world
            .cloud_queue
            .release(lane, &delivery.receipt, delay);
        let _ = drive(released);
    }
}
