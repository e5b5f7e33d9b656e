//! Chance, from a seed: which fault happens where, and who goes on.
//!
//! The same seed throws the same dice, so a run can be repeated exactly.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What can go wrong, apart from what people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
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
    HintLost,
    /// A storm of hints about one deploy.
    HintStorm,
    /// CircleCI cannot be reached for the trigger.
    TriggerNotSent,
    /// CircleCI answers the trigger 429.
    TriggerLimited,
    /// CircleCI refuses the trigger.
    TriggerRefused,
    /// The trigger meets a 5xx and creates nothing.
    TriggerErrorBefore,
    /// The trigger meets a 5xx and creates a pipeline.
    TriggerErrorAfter,
    /// The trigger's answer is lost, or breaks off.
    TriggerAnswerLost,
    /// A look meets a 5xx.
    LookFails,
    /// A look meets a 429.
    LookLimited,
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
    WriteMeetsItself,
    /// The write fails for all its writer knows, and reaches the ledger later.
    WriteComesLate,
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
    ShownInHand,
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

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 43] = [
        Fault::Crash,
        Fault::Pause,
        Fault::ReadFails,
        Fault::WriteFails,
        Fault::WriteAnswerLost,
        Fault::SendFails,
        Fault::SendAnswerLost,
        Fault::Duplicate,
        Fault::Delay,
        Fault::HintLost,
        Fault::HintStorm,
        Fault::TriggerNotSent,
        Fault::TriggerLimited,
        Fault::TriggerRefused,
        Fault::TriggerErrorBefore,
        Fault::TriggerErrorAfter,
        Fault::TriggerAnswerLost,
        Fault::LookFails,
        Fault::LookLimited,
        Fault::PostNotSent,
        Fault::PostLimited,
        Fault::PostErrorBefore,
        Fault::PostAnswerLost,
        Fault::TokenRotated,
        Fault::Redrive,
        Fault::ClockSkew,
        Fault::WriteWaits,
        Fault::WriteMeetsItself,
        Fault::WriteComesLate,
        Fault::DueMissing,
        Fault::DueStale,
        Fault::ListMissing,
        Fault::SendThrottled,
        Fault::SendTwice,
        Fault::ReceiveOverlooks,
        Fault::ReceiveFails,
        Fault::ShownInHand,
        Fault::OldReceiptCounts,
        Fault::DeleteFails,
        Fault::DeleteAnswerLost,
        Fault::ReleaseFails,
        Fault::CutShort,
        Fault::BatchDies,
    ];

    /// What happens only where `DynamoDB` and SQS are the ports.
    #[must_use]
    pub fn is_of_the_cloud(self) -> bool {
        self as usize > Fault::ClockSkew as usize
    }

    /// Whether it could happen but once in several runs.
    fn is_seldom(self) -> bool {
        use Fault::{BatchDies, DueMissing, DueStale, ListMissing, OldReceiptCounts};
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
    pub fn is_of_the_ports(self) -> bool {
        use Fault::{ReadFails, SendAnswerLost, SendFails, WriteAnswerLost, WriteFails};
        let anywhere = [
            ReadFails,
            WriteFails,
            WriteAnswerLost,
            SendFails,
            SendAnswerLost,
        ];
        self.is_of_the_cloud() || anywhere.contains(&self)
    }
}

/// How rough a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// A few faults early on: everything must end soon after.
    Calm,
    /// Some kinds of faults, often.
    Swarm,
    /// All kinds.
    Storm,
}

/// Dice shared by everything in one run.
#[derive(Clone)]
pub struct Dice(Arc<Mutex<State>>);

struct State {
    random: u64,
    weather: Weather,
    cloud: bool,
    /// Chances out of 1,000, by fault.
    chances: [u16; Fault::ALL.len()],
    /// For so many throws nothing happens, so that late states are hit as well as early ones.
    quiet: usize,
    left: usize,
    crashes_left: usize,
    fired: Vec<Fault>,
}

impl std::fmt::Debug for Dice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dice").finish_non_exhaustive()
    }
}

impl Dice {
    /// The dice of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut state = State {
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d,
            ..State::fair()
        };
        state.weather = [Weather::Calm, Weather::Swarm, Weather::Storm][state.below(3)];
        let (most, chance) = match state.weather {
            Weather::Calm => (3, 40),
            Weather::Swarm => (12, 90),
            Weather::Storm => (16, 60),
        };
        state.left = 2 + state.below(most);
        state.crashes_left = state.below(7);
        if state.below(3) == 0 {
            state.quiet = state.below(700);
        }
        let (anywhere, clouds): (Vec<_>, Vec<_>) = Fault::ALL
            .into_iter()
            .partition(|fault| !fault.is_of_the_cloud());
        for fault in anywhere {
            // A swarm takes some kinds only, and some of those so often that it is an outage.
            let swarm = [0, 0, 0, chance, 250, 700][state.below(6)];
            state.chances[fault as usize] = match fault {
                // Crashes are what this is about: never without.
                Fault::Crash => 45,
                _ if state.weather == Weather::Swarm => swarm,
                _ => chance,
            };
        }
        // Where it runs is thrown with dice of its own, so that the others fall as they always did.
        let mut other = State {
            random: seed ^ 0x2545_f491_4f6c_dd1d,
            ..State::fair()
        };
        state.cloud = other.below(3) == 0;
        for fault in clouds {
            let swarm = [0, 0, chance, chance, 250, 700][other.below(6)];
            state.chances[fault as usize] = match state.weather {
                _ if !state.cloud => 0,
                // What has few occasions takes them.
                Weather::Calm | Weather::Storm if fault.is_seldom() => 500,
                Weather::Swarm => swarm,
                _ => chance,
            };
        }
        Self(Arc::new(Mutex::new(state)))
    }

    /// The same dice off AWS.
    #[must_use]
    pub fn at_home(self) -> Self {
        self.lock().cloud = false;
        self
    }

    /// Whether it runs on AWS.
    #[must_use]
    pub fn cloud(&self) -> bool {
        self.lock().cloud
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How rough it is.
    #[must_use]
    pub fn weather(&self) -> Weather {
        self.lock().weather
    }

    /// A number below `limit` (which is not 0).
    #[must_use]
    pub fn below(&self, limit: usize) -> usize {
        self.lock().below(limit)
    }

    /// A number below `limit` (which is not 0), of 32 bits.
    #[must_use]
    pub fn below_32(&self, limit: u32) -> u32 {
        u32::try_from(self.below(limit as usize)).unwrap_or_default()
    }

    /// Whether this fault happens now. Each run has only so many of them; then it is fair weather,
    /// and everything has to come to its end.
    #[must_use]
    pub fn fires(&self, fault: Fault) -> bool {
        let mut state = self.lock();
        if fault.is_of_the_cloud() && !state.cloud {
            return false;
        }
        let chance = usize::from(state.chances[fault as usize]);
        if state.quiet > 0 {
            state.quiet -= 1;
            return false;
        }
        let crash = fault == Fault::Crash;
        let left = if crash {
            state.crashes_left
        } else {
            state.left
        };
        if chance == 0 || left == 0 || state.below(1_000) >= chance {
            return false;
        }
        if crash {
            state.crashes_left -= 1;
        } else {
            state.left -= 1;
        }
        state.fired.push(fault);
        true
    }

    /// What has happened so far, in order.
    #[must_use]
    pub fn fired(&self) -> Vec<Fault> {
        self.lock().fired.clone()
    }

    /// How much has happened so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().fired.len()
    }
}

impl State {
    /// Nothing happens.
    fn fair() -> Self {
        Self {
            random: 0,
            weather: Weather::Calm,
            cloud: false,
            chances: [0; Fault::ALL.len()],
            quiet: 0,
            left: 0,
            crashes_left: 0,
            fired: vec![],
        }
    }

    /// `SplitMix64`: small, quick and good enough to choose with.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or_default()
    }
}
