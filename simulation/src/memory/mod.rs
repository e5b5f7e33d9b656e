//! The ports in memory: the ledger, the queues and a clock that is set by hand.
//!
//! They are exact and deterministic, and they fail never; faults are wrappers around them, never
//! settings in them. The contract suites hold them to the same rules as the adapters that are
//! shipped.

mod clock;
mod ledger;
mod queue;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::clock::ManualClock;
pub use self::ledger::MemoryLedger;
pub use self::queue::{MemoryMessage, MemoryQueue};

/// Locks a mutex whoever panicked with it: every write below is done after its checks, so what a
/// panic leaves behind is whole.
fn lock_mutex<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
