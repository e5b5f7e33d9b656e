//! The ports in memory: the ledger, the queues and a clock that is set by hand.
//!
//! They are exact and deterministic, and they never fail; faults are wrappers around them, not
//! settings in them. The contract suites hold them to the same rules as the adapters that are
//! shipped.

mod clock;
mod ledger;
mod queue;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::clock::ManualClock;
pub use self::ledger::{LedgerWrite, MemoryLedger};
pub use self::queue::{MemoryMessage, MemoryQueue};

/// Locks a mutex even after a panic: the ports write only after all checks, so what they hold is
/// consistent.
pub fn lock_mutex<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
