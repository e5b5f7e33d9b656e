//! Chance, from a seed: which fault happens where, and which handler continues.
//!
//! The same seed gives the same choices, so a run can be repeated exactly.

use std::sync::{Arc, Mutex};

use strum::VariantArray;

use chatops_testkit::memory::lock_mutex;

/// What can go wrong, apart from what people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, VariantArray)]
pub enum FaultKind {
    /// A handler dies at a port call.
    Crash,
    /// A handler stands still while time passes.
    Pause,
    /// The ledger cannot be read.
    ReadFails,
    /// The ledger takes no write.
    WriteFails,
    /// The ledger took the write, and its answer is lost.
    WriteAnswerLost,
    /// The queue takes no message.
    SendFails,
    /// The queue took the message, and its answer is lost.
    SendAnswerLost,
    /// A message is delivered twice at once.
    Duplicate,
    /// A message comes late.
    Delay,
    /// A wake-up is lost.
    WakeUpLost,
    /// A flood of wake-ups about one deploy.
    WakeUpFlood,
    /// CircleCI cannot be reached for the trigger.
    TriggerNotSent,
    /// CircleCI answers the trigger 429.
    TriggerLimited,
    /// CircleCI rejects the trigger.
    TriggerRejected,
    /// The trigger is answered 5xx and creates nothing.
    TriggerErrorBefore,
    /// The trigger is answered 5xx and creates a pipeline.
    TriggerErrorAfter,
    /// The trigger's answer is lost, or breaks off.
    TriggerAnswerLost,
    /// A poll or lookup is answered 5xx.
    PollFails,
    /// A poll or lookup is answered 429.
    PollLimited,
    /// Slack cannot be reached.
    PostNotSent,
    /// Slack answers 429.
    PostLimited,
    /// Slack answers 5xx and shows nothing.
    PostErrorBefore,
    /// Slack shows the message, and its answer is lost.
    PostAnswerLost,
    /// CircleCI's token was rotated.
    TokenRotated,
    /// CircleCI refuses every read for minutes.
    ReadsRefused,
    /// The ledger is out, for up to hours.
    LedgerOutage,
    /// The queues are out, for up to hours.
    QueueOutage,
    /// The secret store is out, for up to hours.
    SecretsOutage,
    /// CircleCI cannot be reached, for up to hours.
    CircleCiOutage,
    /// Nothing runs for longer than lookups are tried, and then a read fails.
    LongStop,
    /// The clock of a process that polls is wrong by hours.
    ClockStep,
    /// A dead letter is redriven.
    Redrive,
    /// A handler's clock is off.
    ClockSkew,
    /// A transaction conflicts with another, or is throttled, and is sent again.
    WriteWaits,
    /// The ledger took the write, and the adapter found its own write as a conflict.
    WriteSelfConflict,
    /// The write seems to fail, and reaches the ledger later.
    WriteArrivesLate,
    /// The index of what is due does not show something yet.
    DueMissing,
    /// The index of what is due still shows what is not due any more.
    DueStale,
    /// The index of a list does not show a deploy yet.
    ListMissing,
    /// The queue took no message, and that is unknown.
    SendThrottled,
    /// The SDK sends a message again that the queue had taken.
    SendTwice,
    /// The queue has a message and does not find it.
    ReceiveOverlooks,
    /// The queue does not answer a receive.
    ReceiveFails,
    /// A message is visible again while it is handled.
    VisibleTooEarly,
    /// A receipt still counts although the message was received again.
    OldReceiptCounts,
    /// The queue did not delete a message.
    DeleteFails,
    /// The queue deleted a message, and its answer is lost.
    DeleteAnswerLost,
    /// The queue did not make a message visible.
    ReleaseFails,
    /// A function is cut off soon.
    CutShort,
    /// A function dies after it has handled some of a batch.
    BatchDies,
}

impl FaultKind {
    /// What happens only where `DynamoDB` and SQS are the ports.
    #[must_use]
    pub fn is_aws_only(self) -> bool {
        self as usize > FaultKind::ClockSkew as usize
    }

    /// Whether it could happen but once in several runs.
    fn is_rare(self) -> bool {
        use FaultKind as F;
        let seldom = [F::BatchDies, F::DueMissing, F::DueStale, F::ListMissing];
        self == F::OldReceiptCounts || seldom.contains(&self)
    }

    /// Whether the ledger or a queue fails in this way, or Lambda does.
    #[must_use]
    pub fn is_port_fault(self) -> bool {
        let of_port = FaultKind::ReadFails..=FaultKind::SendAnswerLost;
        self.is_aws_only() || of_port.contains(&self)
    }
}

/// How rough a run is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FaultProfile {
    /// A few faults early on: everything must end soon after.
    Light,
    /// Some kinds of faults, often.
    Swarm,
    /// All kinds.
    Heavy,
}

/// How many choices a quiet time lasts, at most.
const MOST_QUIET_DRAWS: usize = 700;

/// The choices of one run, shared by everything in it.
#[derive(Debug, Clone)]
pub struct FaultInjector(Arc<Mutex<InjectorState>>);

#[derive(Debug)]
struct InjectorState {
    random: u64,
    on_aws: bool,
    /// Chances out of 1,000, by fault.
    chances: [u16; FaultKind::VARIANTS.len()],
    /// For so many choices nothing happens, so that late states are hit as well as early ones.
    quiet_draws: usize,
    faults_left: usize,
    crashes_left: usize,
    injected: Vec<FaultKind>,
}

impl FaultInjector {
    /// The choices of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut state = InjectorState {
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d,
            ..InjectorState::without_faults()
        };
        let (profile, most, chance) = [
            (FaultProfile::Light, 3, 40),
            (FaultProfile::Swarm, 12, 90),
            (FaultProfile::Heavy, 16, 60),
        ][state.below(3)];
        state.faults_left = 2 + state.below(most);
        state.crashes_left = state.below(7);
        if state.below(3) == 0 {
            state.quiet_draws = state.below(MOST_QUIET_DRAWS);
        }
        let (anywhere, clouds): (Vec<_>, Vec<_>) = FaultKind::VARIANTS
            .iter()
            .partition(|fault| !fault.is_aws_only());
        for fault in anywhere {
            // A swarm has some kinds only, and some of those so often that it is an outage.
            let swarm = [0, 0, 0, chance, 250, 700][state.below(6)];
            state.chances[fault as usize] = match fault {
                // Crashes are what this is about: never without.
                FaultKind::Crash => 45,
                _ if profile == FaultProfile::Swarm => swarm,
                _ => chance,
            };
        }
        // Where it runs is chosen apart, so that the other choices of a seed do not depend on it.
        let mut other = InjectorState {
            random: seed ^ 0x2545_f491_4f6c_dd1d,
            ..InjectorState::without_faults()
        };
        state.on_aws = other.below(3) == 0;
        for fault in clouds {
            let swarm = [0, 0, chance, chance, 250, 700][other.below(6)];
            state.chances[fault as usize] = match profile {
                _ if !state.on_aws => 0,
                FaultProfile::Light | FaultProfile::Heavy if fault.is_rare() => 500,
                FaultProfile::Swarm => swarm,
                _ => chance,
            };
        }
        Self(Arc::new(Mutex::new(state)))
    }

    /// The same choices off AWS.
    #[must_use]
    pub fn off_aws(self) -> Self {
        lock_mutex(&self.0).on_aws = false;
        self
    }

    /// Whether it runs on AWS.
    #[must_use]
    pub fn is_on_aws(&self) -> bool {
        lock_mutex(&self.0).on_aws
    }

    /// A number below `limit` (which is not 0).
    #[must_use]
    pub fn below(&self, limit: usize) -> usize {
        lock_mutex(&self.0).below(limit)
    }

    /// A number below `limit` (which is not 0), of 32 bits.
    #[must_use]
    pub fn below_32(&self, limit: u32) -> u32 {
        u32::try_from(self.below(limit as usize)).unwrap_or_default()
    }

    /// Whether this fault happens now. Each run has only so many of them; then nothing fails any
    /// more, and every deploy has to end.
    #[must_use]
    pub fn should_inject(&self, fault: FaultKind) -> bool {
        let mut state = lock_mutex(&self.0);
        if fault.is_aws_only() && !state.on_aws {
            return false;
        }
        let chance = usize::from(state.chances[fault as usize]);
        if state.quiet_draws > 0 {
            state.quiet_draws -= 1;
            return false;
        }
        let crash = fault == FaultKind::Crash;
        let left = if crash {
            state.crashes_left
        } else {
            state.faults_left
        };
        if chance == 0 || left == 0 || state.below(1_000) >= chance {
            return false;
        }
        if crash {
            state.crashes_left -= 1;
        } else {
            state.faults_left -= 1;
        }
        state.injected.push(fault);
        true
    }

    /// Nothing else happens for a while.
    pub fn rest(&self) {
        let mut state = lock_mutex(&self.0);
        state.quiet_draws = state.below(MOST_QUIET_DRAWS);
    }

    /// What has happened so far, in order.
    #[must_use]
    pub fn injected(&self) -> Vec<FaultKind> {
        lock_mutex(&self.0).injected.clone()
    }
}

impl InjectorState {
    /// Nothing happens.
    fn without_faults() -> Self {
        Self {
            random: 0,
            on_aws: false,
            chances: [0; FaultKind::VARIANTS.len()],
            quiet_draws: 0,
            faults_left: 0,
            crashes_left: 0,
            injected: vec![],
        }
    }

    /// `SplitMix64`: small, quick and good enough to choose with.
    fn next_u64(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next_u64() % limit.max(1) as u64).unwrap_or_default()
    }
}
