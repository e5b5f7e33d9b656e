//! The adapters of this machine, fresh for each check: memory and the file.

use std::sync::Arc;
use std::time::Duration;

use chatops::sqlite::{Settings, Sqlite};
use chatops_simulation::memory::{ManualClock, MemoryQueue, MemoryStore};
use tempfile::TempDir;

use crate::suites::support::{Fixture, MAX_RECEIVES, at, block_on};

pub(crate) struct Memory {
    clock: ManualClock,
    store: Arc<MemoryStore>,
    queue: Arc<MemoryQueue>,
}

impl Fixture for Memory {
    type Store = MemoryStore;
    type Queue = MemoryQueue;

    async fn fresh() -> Self {
        let clock = ManualClock::new(at(0));
        let queue = Arc::new(MemoryQueue::new(clock.clone(), MAX_RECEIVES));
        Self {
            clock,
            store: Arc::default(),
            queue,
        }
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn store(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.store)
    }

    fn queue(&self) -> Arc<MemoryQueue> {
        Arc::clone(&self.queue)
    }
}

pub(crate) struct File {
    clock: ManualClock,
    sqlite: Arc<Sqlite>,
    _dir: TempDir,
}

impl Fixture for File {
    type Store = Sqlite;
    type Queue = Sqlite;

    async fn fresh() -> Self {
        let clock = ManualClock::new(at(0));
        let dir = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open(&dir.path().join("chatops.db"), settings(&clock)).unwrap();
        Self {
            clock,
            sqlite: Arc::new(sqlite),
            _dir: dir,
        }
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn store(&self) -> Arc<Sqlite> {
        Arc::clone(&self.sqlite)
    }

    fn queue(&self) -> Arc<Sqlite> {
        Arc::clone(&self.sqlite)
    }
}

pub(crate) fn settings(clock: &ManualClock) -> Settings {
    Settings {
        max_receives: MAX_RECEIVES,
        ..Settings::new(Arc::new(clock.clone()))
    }
}

/// Runs a check of a suite with a fresh adapter.
pub(crate) fn run<F: Fixture, C: AsyncFnOnce(F)>(check: C) {
    block_on(async { check(F::fresh().await).await });
}

/// Makes each check a test of its own for each adapter.
macro_rules! suite {
    ($($check:ident),* $(,)?) => {
        mod memory {
            $(#[test]
            fn $check() {
                crate::fixtures::run::<crate::fixtures::Memory, _>(super::$check);
            })*
        }
        mod sqlite {
            $(#[test]
            fn $check() {
                crate::fixtures::run::<crate::fixtures::File, _>(super::$check);
            })*
        }
    };
}
pub(crate) use suite;
