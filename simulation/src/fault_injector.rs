//! Chance, from a seed: which fault happens where, and who goes on.
//!
//! The same seed throws the same dice, so a run can be repeated exactly.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What can go wrong, apart from what people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// A hint is lost.
    WakeUpLost,
    /// A storm of hints about one deploy.
    WakeUpFlood,
    /// CircleCI cannot be reached for the trigger.
    TriggerNotSent,
    /// CircleCI answers the trigger 429.
    TriggerLimited,
    /// CircleCI refuses the trigger.
    TriggerRejected,
    /// The trigger meets a 5xx and creates nothing.
    TriggerErrorBefore,
    /// The trigger meets a 5xx and creates a pipeline.
    TriggerErrorAfter,
    /// The trigger's answer is lost, or breaks off.
    TriggerAnswerLost,
    /// A look meets a 5xx.
    PollFails,
    /// A look meets a 429.
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
    /// An order is sent back from the dead-letter queue.
    Redrive,
    /// A handler's clock is off.
    ClockSkew,
    /// A transaction is in another's way, or throttled, and is sent again.
    WriteWaits,
    /// The ledger took the write, and the adapter met its own write as a conflict.
    WriteSelfConflict,
    /// The write fails for all its writer knows, and reaches the ledger later.
    WriteArrivesLate,
    /// The index of what is due does not show something yet.
    DueMissing,
    /// The index of what is due still shows what is not due any more.
    DueStale,
    /// The index of a list does not show a deploy yet.
    ListMissing,
    /// The queue took no message, and nobody knows.
    SendThrottled,
    /// The SDK sends a message again that the queue had taken.
    SendTwice,
    /// The queue has a message and does not find it.
    ReceiveOverlooks,
    /// The queue cannot be asked for messages.
    ReceiveFails,
    /// A message is visible again while it is in hand.
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
    /// A function dies after it has dealt with some of a batch.
    BatchDies,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [FaultKind; 43] = [
        FaultKind::Crash,
        FaultKind::Pause,
        FaultKind::ReadFails,
        FaultKind::WriteFails,
        FaultKind::WriteAnswerLost,
        FaultKind::SendFails,
        FaultKind::SendAnswerLost,
        FaultKind::Duplicate,
        FaultKind::Delay,
        FaultKind::WakeUpLost,
        FaultKind::WakeUpFlood,
        FaultKind::TriggerNotSent,
        FaultKind::TriggerLimited,
        FaultKind::TriggerRejected,
        FaultKind::TriggerErrorBefore,
        FaultKind::TriggerErrorAfter,
        FaultKind::TriggerAnswerLost,
        FaultKind::PollFails,
        FaultKind::PollLimited,
        FaultKind::PostNotSent,
        FaultKind::PostLimited,
        FaultKind::PostErrorBefore,
        FaultKind::PostAnswerLost,
        FaultKind::TokenRotated,
        FaultKind::Redrive,
        FaultKind::ClockSkew,
        FaultKind::WriteWaits,
        FaultKind::WriteSelfConflict,
        FaultKind::WriteArrivesLate,
        FaultKind::DueMissing,
        FaultKind::DueStale,
        FaultKind::ListMissing,
        FaultKind::SendThrottled,
        FaultKind::SendTwice,
        FaultKind::ReceiveOverlooks,
        FaultKind::ReceiveFails,
        FaultKind::VisibleTooEarly,
        FaultKind::OldReceiptCounts,
        FaultKind::DeleteFails,
        FaultKind::DeleteAnswerLost,
        FaultKind::ReleaseFails,
        FaultKind::CutShort,
        FaultKind::BatchDies,
    ];

    /// What happens only where `DynamoDB` and SQS are the ports.
    #[must_use]
    pub fn is_aws_only(self) -> bool {
        self as usize > FaultKind::ClockSkew as usize
    }

    /// Whether it could happen but once in several runs.
    fn is_rare(self) -> bool {
        use FaultKind::{BatchDies, DueMissing, DueStale, ListMissing, OldReceiptCounts};
        let seldom = [
            BatchDies,
            DueMissing,
            DueStale,
            ListMissing,
            OldReceiptCounts,
        ];
        seldom.contains(&self)
    }

    /// Whether the ledger or a queue fails in this way, or Lambda does.
    #[must_use]
    pub fn is_port_fault(self) -> bool {
        use FaultKind::{ReadFails, SendAnswerLost, SendFails, WriteAnswerLost, WriteFails};
        let anywhere = [
            ReadFails,
            WriteFails,
            WriteAnswerLost,
            SendFails,
            SendAnswerLost,
        ];
        self.is_aws_only() || anywhere.contains(&self)
    }
}

/// How rough a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultProfile {
    /// A few faults early on: everything must end soon after.
    Light,
    /// Some kinds of faults, often.
    Swarm,
    /// All kinds.
    Heavy,
}

/// Dice shared by everything in one run.
#[derive(Clone)]
pub struct FaultInjector(Arc<Mutex<InjectorState>>);

struct InjectorState {
    random: u64,
    profile: FaultProfile,
    on_aws: bool,
    /// Chances out of 1,000, by fault.
    chances: [u16; FaultKind::ALL.len()],
    /// For so many throws nothing happens, so that late states are hit as well as early ones.
    quiet_draws: usize,
    faults_left: usize,
    crashes_left: usize,
    injected: Vec<FaultKind>,
}

impl std::fmt::Debug for FaultInjector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dice").finish_non_exhaustive()
    }
}

impl FaultInjector {
    /// The dice of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut state = InjectorState {
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d,
            ..InjectorState::without_faults()
        };
        state.profile = [
            FaultProfile::Light,
            FaultProfile::Swarm,
            FaultProfile::Heavy,
        ][state.below(3)];
        let (most, chance) = match state.profile {
            FaultProfile::Light => (3, 40),
            FaultProfile::Swarm => (12, 90),
            FaultProfile::Heavy => (16, 60),
        };
        state.faults_left = 2 + state.below(most);
        state.crashes_left = state.below(7);
        if state.below(3) == 0 {
            state.quiet_draws = state.below(700);
        }
        let (anywhere, clouds): (Vec<_>, Vec<_>) = FaultKind::ALL
            .into_iter()
            .partition(|fault| !fault.is_aws_only());
        for fault in anywhere {
            // A swarm takes some kinds only, and some of those so often that it is an outage.
            let swarm = [0, 0, 0, chance, 250, 700][state.below(6)];
            state.chances[fault as usize] = match fault {
                // Crashes are what this is about: never without.
                FaultKind::Crash => 45,
                _ if state.profile == FaultProfile::Swarm => swarm,
                _ => chance,
            };
        }
        // Where it runs is thrown with dice of its own, so that the others fall as they always did.
        let mut other = InjectorState {
            random: seed ^ 0x2545_f491_4f6c_dd1d,
            ..InjectorState::without_faults()
        };
        state.on_aws = other.below(3) == 0;
        for fault in clouds {
            let swarm = [0, 0, chance, chance, 250, 700][other.below(6)];
            state.chances[fault as usize] = match state.profile {
                _ if !state.on_aws => 0,
                // What has few occasions takes them.
                FaultProfile::Light | FaultProfile::Heavy if fault.is_rare() => 500,
                FaultProfile::Swarm => swarm,
                _ => chance,
            };
        }
        Self(Arc::new(Mutex::new(state)))
    }

    /// The same dice off AWS.
    #[must_use]
    pub fn off_aws(self) -> Self {
        self.lock_state().on_aws = false;
        self
    }

    /// Whether it runs on AWS.
    #[must_use]
    pub fn is_on_aws(&self) -> bool {
        self.lock_state().on_aws
    }

    fn lock_state(&self) -> MutexGuard<'_, InjectorState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How rough it is.
    #[must_use]
    pub fn profile(&self) -> FaultProfile {
        self.lock_state().profile
    }

    /// A number below `limit` (which is not 0).
    #[must_use]
    pub fn below(&self, limit: usize) -> usize {
        self.lock_state().below(limit)
    }

    /// A number below `limit` (which is not 0), of 32 bits.
    #[must_use]
    pub fn below_32(&self, limit: u32) -> u32 {
        u32::try_from(self.below(limit as usize)).unwrap_or_default()
    }

    /// Whether this fault happens now. Each run has only so many of them; then it is fair weather,
    /// and everything has to come to its end.
    #[must_use]
    pub fn should_inject(&self, fault: FaultKind) -> bool {
        let mut state = self.lock_state();
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

    /// What has happened so far, in order.
    #[must_use]
    pub fn injected(&self) -> Vec<FaultKind> {
        self.lock_state().injected.clone()
    }

    /// How much has happened so far.
    #[must_use]
    pub fn injected_count(&self) -> usize {
        self.lock_state().injected.len()
    }
}

impl InjectorState {
    /// Nothing happens.
    fn without_faults() -> Self {
        Self {
            random: 0,
            profile: FaultProfile::Light,
            on_aws: false,
            chances: [0; FaultKind::ALL.len()],
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
