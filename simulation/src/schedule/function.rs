//! The shell of a function on AWS, as in `chatops_aws::lambda::batch`: batches of messages, and a
//! deadline.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::delivery::HandlerFailure;
use chatops_core::deploy::DeployState;
use chatops_core::ports::{Clock, QueueName, ReceivedMessage};

use super::{HandlerTask, ScheduleRun};
use crate::coverage::CoveragePoint;
use crate::fault_injector::FaultKind;
use crate::seeded::SeededBug;

/// A batch has at most so many messages.
pub(super) const MAX_BATCH: usize = 3;

/// How long a function may take.
const FUNCTION_TIMEOUT: Duration = Duration::from_mins(1);

/// What a function with little time has at least, and how much more at most, in seconds.
const SHORT_TIMEOUT: (usize, usize) = (3, 16);

/// How long before the timeout the shell gives up; twice as long before it nothing long begins.
const GUARD_TIME: Duration = Duration::from_secs(2);

/// What surrounds a run of a handler: nothing, or a function.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FunctionRun {
    /// The batch that the message came in.
    pub(super) batch: Option<usize>,
    /// The handler's deadline.
    pub(super) deadline: Option<Time>,
    /// When it is dropped.
    cut_off_at: Option<Time>,
}

/// A received message, and what its handler came to.
pub(super) type TaskMessage = ((QueueName, ReceivedMessage), Result<(), HandlerFailure>);

impl FunctionRun {
    pub(super) fn has_ended(&self, now: Time) -> bool {
        self.cut_off_at.is_some_and(|at| now >= at)
    }
}

impl ScheduleRun {
    /// The function that something runs in, if it runs on AWS.
    pub(super) fn start_function(&mut self, batch: bool) -> FunctionRun {
        if !self.injector.is_on_aws() {
            return FunctionRun::default();
        }
        let mut left = FUNCTION_TIMEOUT;
        if self.injector.should_inject(FaultKind::CutShort) {
            let (least, more) = SHORT_TIMEOUT;
            left = Duration::from_secs((least + self.injector.below(more)) as u64);
            self.note_event(None, "a function ends soon");
        }
        let now = self.world.clock.now();
        self.function_count += 1;
        FunctionRun {
            batch: batch.then_some(self.function_count),
            deadline: Some(now + left.saturating_sub(2 * GUARD_TIME)),
            cut_off_at: Some(now + left.saturating_sub(GUARD_TIME)),
        }
    }

    /// A function dies, and its whole batch with it: the messages come back when their visibility
    /// runs out.
    pub(super) fn kill_function(&mut self, function: &FunctionRun) {
        if let Some(batch) = function.batch {
            let dead = |task: &mut HandlerTask| task.function.batch == Some(batch);
            for task in self.tasks.extract_if(.., dead) {
                self.world.circleci.lose_reads(task.id);
            }
            self.batches.remove(&batch);
        }
    }

    /// A run is dropped.
    pub(super) fn cut_off_task(&mut self, task: HandlerTask, state: Option<DeployState>) {
        self.reached.insert(CoveragePoint::CutOff);
        self.world.faults += 1;
        self.world.circleci.lose_reads(task.id);
        self.note_event(state, &format!("{} is cut off", task.name));
        let error = "there was no time left".to_owned();
        let failure = HandlerFailure::Later { error };
        let message = task.message.map(|message| (message, Err(failure)));
        self.finish_message(&task.function, message);
    }

    /// One message of a batch is handled, or not; after the last one the function answers.
    pub(super) fn finish_message(&mut self, function: &FunctionRun, message: Option<TaskMessage>) {
        let Some(batch) = function.batch else { return };
        self.batches.entry(batch).or_default().extend(message);
        if self
            .tasks
            .iter()
            .any(|task| task.function.batch == Some(batch))
        {
            return;
        }
        let message = self.batches.remove(&batch).unwrap_or_default();
        let some = message.iter().any(|(_, handled)| handled.is_ok());
        let all = message.iter().all(|(_, handled)| handled.is_ok());
        if some && self.injector.should_inject(FaultKind::BatchDies) {
            self.note_event(None, "a batch was handled, and its function dies");
            return;
        }
        if some && !all {
            self.reached.insert(CoveragePoint::BatchPartlyFailed);
        }
        let as_done = some && self.world.bug == Some(SeededBug::FailuresNotNamed);
        for ((queue, delivery), handled) in message {
            let handled = if as_done { Ok(()) } else { handled };
            self.world.settle_message(queue, &delivery, handled);
        }
    }
}
