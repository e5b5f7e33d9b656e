//! The adapters of this machine, fresh for each check: memory and the file.

use std::sync::Arc;
use std::time::Duration;

use chatops_core::ports::Clock;
use chatops_local::sqlite::read_only::ReadOnlyDatabase;
use chatops_local::sqlite::{Sqlite, SqliteSettings};
use chatops_testkit::memory::{ManualClock, MemoryLedger, MemoryQueue};
use tempfile::TempDir;

use chatops_testkit::suites::support::{MAX_RECEIVES, OwnClockFixture, PortFixture, at, block_on};

pub(crate) struct MemoryFixture {
    clock: ManualClock,
    store: Arc<MemoryLedger>,
    queue: Arc<MemoryQueue>,
}

impl PortFixture for MemoryFixture {
    type Store = MemoryLedger;
    type Reader = MemoryLedger;
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

    fn store(&self) -> Arc<MemoryLedger> {
        Arc::clone(&self.store)
    }

    fn reader(&self) -> Arc<MemoryLedger> {
        self.store()
    }

    fn queue(&self) -> Arc<MemoryQueue> {
        Arc::clone(&self.queue)
    }
}

impl OwnClockFixture for MemoryFixture {
    async fn turn_back(&self, by: Duration) {
        self.clock.set(self.clock.now() - by);
    }
}

pub(crate) struct SqliteFixture {
    clock: ManualClock,
    sqlite: Arc<Sqlite>,
    dir: TempDir,
}

impl PortFixture for SqliteFixture {
    type Store = Sqlite;
    type Reader = ReadOnlyDatabase;
    type Queue = Sqlite;

    async fn fresh() -> Self {
        let clock = ManualClock::new(at(0));
        let dir = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open(&dir.path().join("chatops.db"), settings(&clock)).unwrap();
        Self {
            clock,
            sqlite: Arc::new(sqlite),
            dir,
        }
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn store(&self) -> Arc<Sqlite> {
        Arc::clone(&self.sqlite)
    }

    fn reader(&self) -> Arc<ReadOnlyDatabase> {
        let path = self.dir.path().join("chatops.db");
        Arc::new(ReadOnlyDatabase::open(&path).unwrap())
    }

    fn queue(&self) -> Arc<Sqlite> {
        Arc::clone(&self.sqlite)
    }
}

impl OwnClockFixture for SqliteFixture {
    async fn turn_back(&self, by: Duration) {
        self.clock.set(self.clock.now() - by);
    }
}

pub(crate) fn settings(clock: &ManualClock) -> SqliteSettings {
    SqliteSettings {
        max_receives: MAX_RECEIVES,
        ..SqliteSettings::new(Arc::new(clock.clone()))
    }
}

/// Runs a check of a suite with a fresh adapter.
pub(crate) fn run<F: PortFixture, C: AsyncFnOnce(F)>(check: C) {
    block_on(async { check(F::fresh().await).await });
}

/// Makes each check a test of its own for each adapter.
macro_rules! suite {
    ($($check:ident),* $(,)?) => {
        mod memory {
            $(#[test]
            fn $check() {
                crate::fixtures::run::<crate::fixtures::MemoryFixture, _>(super::$check);
            })*
        }
        mod sqlite {
            $(#[test]
            fn $check() {
                crate::fixtures::run::<crate::fixtures::SqliteFixture, _>(super::$check);
            })*
        }
    };
}
pub(crate) use suite;
