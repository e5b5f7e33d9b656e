//! The shell of a function on AWS, as in `chatops_aws::lambda::batch`: batches of messages, and a
//! deadline.

use std::time::Duration;

use chatops_core::Time;
use chatops_core::deploy::DeployState;
use chatops_core::ports::{Clock, MessageQueue, QueueName, ReceivedMessage};

use super::{HandlerTask, ScheduleRun};
use crate::coverage::CoveragePoint;
use crate::crash_points::drive;
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

/// A received message, and whether it was handled.
pub(super) type TaskMessage = ((QueueName, ReceivedMessage), bool);

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
            self.tasks.retain(|task| task.function.batch != Some(batch));
            self.batches.remove(&batch);
        }
    }

    /// A run is dropped.
    pub(super) fn cut_off_task(&mut self, task: HandlerTask, state: Option<DeployState>) {
        self.reached.insert(CoveragePoint::CutOff);
        self.world.faults += 1;
        self.note_event(state, &format!("{} is cut off", task.name));
        let message = task.message.map(|message| (message, false));
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
        let some = message.iter().any(|(_, done)| *done);
        let all = message.iter().all(|(_, done)| *done);
        if some && self.injector.should_inject(FaultKind::BatchDies) {
            self.note_event(None, "a batch was handled, and its function dies");
            return;
        }
        if some && !all {
            self.reached.insert(CoveragePoint::BatchPartlyFailed);
        }
        let as_done = some && self.world.bug == Some(SeededBug::FailuresNotNamed);
        for ((queue, delivery), done) in message {
            if done || as_done {
                let _ = drive(self.world.cloud_queue.delete(queue, &delivery.receipt));
            } else {
                self.release_message(queue, &delivery);
            }
        }
    }

    /// What failed comes again, the later the more often it was received.
    pub(super) fn release_message(&self, queue: QueueName, delivery: &ReceivedMessage) {
        let delay = Duration::from_secs(2 << delivery.receive_count.min(5));
        let queues = &self.world.cloud_queue;
        let _ = drive(queues.release(queue, &delivery.receipt, delay));
    }
}
