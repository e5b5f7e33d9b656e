//! What only the file has: that it lasts, that it is guarded, and its errors.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chatops_core::ports::{
    CommitError, DeployReader as _, Ledger, MessageQueue, QueueName, ReceivedMessage, SendError,
};
use chatops_local::sqlite::read_only::ReadOnlyDatabase;
use chatops_local::sqlite::{OpenError, Sqlite, SqliteSettings};
use chatops_testkit::memory::ManualClock;
use chrono::TimeDelta;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::fixtures::settings;
use chatops_testkit::suites::support::{
    StoreExt, at, block_on, body, first_commit, id, noted_commit, pipeline, take_lock, target,
};

const HIDDEN: Duration = Duration::from_mins(1);

/// A directory with room for a data file.
pub(crate) struct TempDataFile(TempDir);

impl TempDataFile {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("chatops.db")
    }

    pub(crate) fn open(&self) -> Sqlite {
        Sqlite::open(&self.path(), quick_settings()).unwrap()
    }

    /// With a change of its settings.
    pub(crate) fn open_with(&self, change: impl FnOnce(&mut SqliteSettings)) -> Sqlite {
        let mut settings = quick_settings();
        change(&mut settings);
        Sqlite::open(&self.path(), settings).unwrap()
    }

    /// A connection of another program.
    pub(crate) fn other_connection(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn set_version(&self, version: u32) {
        let connection = self.other_connection();
        connection
            .pragma_update(None, "user_version", version)
            .unwrap();
    }
}

/// Settings that wait no longer than a test likes to.
pub(crate) fn quick_settings() -> SqliteSettings {
    let settings = settings(&ManualClock::new(at(0)));
    SqliteSettings {
        busy_timeout: Duration::from_millis(50),
        ..settings
    }
}

fn open_error(path: &Path) -> (OpenError, String) {
    let error = Sqlite::open(path, quick_settings()).unwrap_err();
    let text = error.to_string();
    (error, text)
}

pub(crate) async fn send(queue: &Sqlite, text: &str) -> Result<(), SendError> {
    queue
        .send(QueueName::Work, &body(text), Duration::ZERO)
        .await
}

pub(crate) async fn take(queue: &Sqlite, max: usize) -> Vec<ReceivedMessage> {
    queue.receive(QueueName::Work, max, HIDDEN).await.unwrap()
}

#[test]
fn reopening_keeps_everything() {
    let data = TempDataFile::new();
    let record = block_on(async {
        let sqlite = data.open();
        let record = sqlite.begin(1).await;
        let mut commit = noted_commit(&record, at(5));
        commit.lock = Some(take_lock(at(5)));
        commit.claim = Some(pipeline(7));
        let record = sqlite.put(commit).await;
        send(&sqlite, "one").await.unwrap();
        assert_eq!(take(&sqlite, 1).await.len(), 1);
        send(&sqlite, "two\0").await.unwrap();
        record
    });
    block_on(async {
        let sqlite = data.open();
        sqlite.assert_stored(&record).await;
        assert_eq!(sqlite.lock().await.map(|lock| lock.since), Some(at(5)));
        assert_eq!(sqlite.owner(7).await, Some(id(1)));
        assert_eq!(sqlite.by_short_id(&id(1).short_id(8)).await, Some(id(1)));
        assert_eq!(sqlite.notification(1).await.unwrap().version, 1);
        let received = take(&sqlite, 9).await.into_iter();
        let received: Vec<_> = received.map(|one| (one.body, one.receive_count)).collect();
        // The receiver of the first one is gone, and its receipt is still counted.
        assert_eq!(received, [(body("one"), 2), (body("two\0"), 1)]);
    });
}

#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let (data, after) = (TempDataFile::new(), TempDataFile::new());
    let sqlite = data.open();
    block_on(async {
        let record = sqlite.begin(1).await;
        sqlite.note(&record, 1).await;
        send(&sqlite, "one").await.unwrap();
    });
    // What lies on disk while the file is open is what a killed process leaves behind.
    for suffix in ["", "-wal"] {
        let name = format!("chatops.db{suffix}");
        std::fs::copy(data.0.path().join(&name), after.0.path().join(&name)).unwrap();
    }
    let restarted = after.open();
    block_on(async {
        assert_eq!(restarted.events(1).await.len(), 2);
        assert_eq!(take(&restarted, 9).await.len(), 1);
    });
}

#[test]
fn closing_leaves_one_file() {
    let data = TempDataFile::new();
    block_on(send(&data.open(), "one")).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(data.0.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["chatops.db"]);
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let data = TempDataFile::new();
    let _open = data.open();
    let mode = std::fs::metadata(data.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_second_process_is_kept_off() {
    let data = TempDataFile::new();
    let sqlite = data.open();
    let (error, text) = open_error(&data.path());
    assert!(matches!(error, OpenError::InUse { .. }));
    assert!(
        text.contains("chatops.db is in use by another `chatops serve`"),
        "{text}"
    );
    #[cfg(unix)]
    {
        let alias = data.0.path().join("alias.db");
        std::os::unix::fs::symlink(data.path(), &alias).unwrap();
        assert!(matches!(open_error(&alias).0, OpenError::InUse { .. }));
        let link = data.0.path().join("link.db");
        std::fs::hard_link(data.path(), &link).unwrap();
        assert!(matches!(open_error(&link).0, OpenError::InUse { .. }));
        std::fs::remove_file(link).unwrap();
    }
    let clone = sqlite.clone();
    drop(sqlite);
    let (error, _) = open_error(&data.path());
    assert!(matches!(error, OpenError::InUse { .. }), "a clone has it");
    drop(clone);
    data.open();
}

#[test]
fn audit_events_cannot_be_changed_by_any_program() {
    let data = TempDataFile::new();
    let sqlite = data.open();
    let record = block_on(async {
        let record = sqlite.begin(1).await;
        sqlite.note(&record, 1).await
    });
    let stranger = data.other_connection();
    for sql in [
        "UPDATE event SET body = '{}' WHERE n = 1",
        "UPDATE event SET n = 9 WHERE n = 2",
        "DELETE FROM event WHERE n = 2",
        "DELETE FROM event",
        "REPLACE INTO event SELECT deploy, n, '{}', hash FROM event WHERE n = 1",
    ] {
        let error = stranger.execute(sql, []).unwrap_err().to_string();
        let refused = error.starts_with("audit events are never ");
        assert!(refused, "{sql}: {error}");
    }
    block_on(sqlite.assert_stored(&record));
}

#[test]
fn while_another_program_has_it_locked_nothing_is_written() {
    let data = TempDataFile::new();
    let sqlite = data.open();
    let stranger = data.other_connection();
    block_on(async {
        let record = sqlite.begin(1).await;
        stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
        let error = send(&sqlite, "one").await.unwrap_err();
        assert!(matches!(error, SendError::NotSent(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains("locked by another program; close"), "{text}");
        let ended = sqlite.commit(noted_commit(&record, at(1))).await;
        assert!(matches!(ended, Err(CommitError::Ledger(_))), "{ended:?}");
        assert!(sqlite.receive(QueueName::Work, 1, HIDDEN).await.is_err());
        // Reading goes on.
        sqlite.assert_stored(&record).await;
        stranger.execute_batch("COMMIT").unwrap();
        assert!(take(&sqlite, 1).await.is_empty());
        sqlite.assert_stored(&record).await;
        send(&sqlite, "two").await.unwrap();
        sqlite.note(&record, 1).await;
    });
}

#[test]
fn a_full_file_takes_nothing_by_halves_and_works_again_with_room() {
    let data = TempDataFile::new();
    drop(data.open());
    let pages = data.other_connection();
    let pages = pages.query_row("PRAGMA page_count", [], |row| row.get::<_, u32>(0));
    let limit = pages.unwrap() + 8;
    let mut sent = 0;
    let mut record = first_commit(1).record;
    block_on(async {
        let sqlite = data.open_with(|settings| settings.max_page_count = Some(limit));
        sqlite.commit(first_commit(1)).await.unwrap();
        let error = loop {
            match send(&sqlite, &"x".repeat(1_000)).await {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, SendError::NotSent(_)), "{error}");
        assert!(error.to_string().contains("full; make room"), "{error}");
        // A commit fails as a whole, at whichever of its tables the room ends.
        loop {
            let commit = noted_commit(&record, at(1));
            let next = commit.record.clone();
            match sqlite.commit(commit).await {
                Ok(()) => record = next,
                Err(CommitError::Ledger(_)) => break,
                Err(error) => panic!("{error}"),
            }
        }
        sqlite.assert_stored(&record).await;
    });
    block_on(async {
        let sqlite = data.open();
        sqlite.assert_stored(&record).await;
        send(&sqlite, "one more").await.unwrap();
        sqlite.note(&record, 2).await;
        assert_eq!(take(&sqlite, 10_000).await.len(), sent + 1);
    });
}

#[test]
fn a_file_of_another_version_is_refused_and_left_alone() {
    let data = TempDataFile::new();
    drop(data.open());
    data.set_version(8);
    let (error, text) = open_error(&data.path());
    assert!(matches!(
        error,
        OpenError::Newer {
            found: 8,
            known: 7,
            ..
        }
    ));
    assert!(
        text.ends_with("has format 8 and this chatops knows 7; use a newer chatops"),
        "{text}"
    );
    for old in [1, 2, 3] {
        data.set_version(old);
        let (_, text) = open_error(&data.path());
        let expected = format!(
            "was made by an unreleased version of chatops (format {old}, this one needs 7): keep it \
             for its history and start with a new file"
        );
        assert!(text.ends_with(&expected), "{text}");
    }
    // Readers change nothing, and say who does.
    data.set_version(6);
    let text = ReadOnlyDatabase::open(&data.path())
        .unwrap_err()
        .to_string();
    let expected = "has format 6, and this chatops reads 7: start `chatops serve` on it once, which \
                    brings it up to date";
    assert!(text.ends_with(expected), "{text}");
    data.set_version(7);
    data.open();
}

#[test]
fn files_of_the_versions_before_are_brought_up_to_date() {
    let without_releases = "DROP TABLE release_history;";
    let without_untold =
        "DROP INDEX notification_untold; ALTER TABLE notification DROP COLUMN untold_at;";
    let without_pruned = "
        DROP TABLE pruned; DROP TRIGGER event_is_not_removed;
        CREATE TRIGGER event_is_not_removed BEFORE DELETE ON event
        BEGIN SELECT RAISE(ABORT, 'audit events are never removed'); END;";
    for (version, older) in [(6, ""), (5, without_releases), (4, without_untold)] {
        let data = TempDataFile::new();
        let record = block_on(async { data.open().begin(1).await });
        let other = data.other_connection();
        other.execute_batch(without_pruned).unwrap();
        if version == 4 {
            other.execute_batch(without_releases).unwrap();
        }
        other.execute_batch(older).unwrap();
        data.set_version(version);
        block_on(async {
            let sqlite = data.open();
            sqlite.assert_stored(&record).await;
            assert_eq!(sqlite.list_undelivered(at(0), 1).await.unwrap(), []);
            assert!(sqlite.notification(1).await.is_some());
            let releases = sqlite.read_releases(&target()).await.unwrap();
            assert_eq!(releases.current(), None);
        });
        let version = "PRAGMA user_version";
        let version = other.query_row(version, [], |row| row.get::<_, i64>(0));
        assert_eq!(version.unwrap(), 7);
        // It has the tables, triggers and indexes of a new one.
        let file = ReadOnlyDatabase::open(&data.path()).unwrap();
        assert_eq!(file.examine_file().unwrap(), []);
    }
}

#[test]
fn files_of_other_programs_are_refused_and_left_alone() {
    let data = TempDataFile::new();
    let other = data.other_connection();
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    let (error, text) = open_error(&data.path());
    assert!(matches!(error, OpenError::Foreign { .. }), "{text}");
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables = other.query_row(tables, [], |row| row.get::<_, i64>(0));
    assert_eq!(tables.unwrap(), 1);

    let data = TempDataFile::new();
    let contents = "This is not a database. ".repeat(100);
    std::fs::write(data.path(), &contents).unwrap();
    let (_, text) = open_error(&data.path());
    assert!(
        text.ends_with("is not a data file of chatops; name another one"),
        "{text}"
    );
    assert_eq!(std::fs::read_to_string(data.path()).unwrap(), contents);
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let data = TempDataFile::new();
    let missing = data.0.path().join("missing/chatops.db");
    let (_, text) = open_error(&missing);
    assert!(
        text.contains("missing/chatops.db cannot be opened for writing"),
        "{text}"
    );
    assert!(
        text.contains("check that its directory exists and is writable"),
        "{text}"
    );
    let (_, text) = open_error(data.0.path());
    assert!(text.contains("cannot be opened for writing"), "{text}");
    assert!(text.contains("is a directory"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_read_only_file_is_named() {
    use std::fs::{File, OpenOptions, Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let data = TempDataFile::new();
    drop(data.open());
    set_permissions(data.path(), Permissions::from_mode(0o400)).unwrap();
    if OpenOptions::new().write(true).open(data.path()).is_ok() {
        return; // root may write everything
    }
    let (_, text) = open_error(&data.path());
    assert!(
        text.contains("is read-only; make it and its directory writable"),
        "{text}"
    );
    set_permissions(data.path(), Permissions::from_mode(0o600)).unwrap();
    set_permissions(data.0.path(), Permissions::from_mode(0o500)).unwrap();
    assert!(File::create(data.0.path().join("probe")).is_err());
    let (_, text) = open_error(&data.0.path().join("other.db"));
    assert!(text.contains("cannot be opened for writing"), "{text}");
    set_permissions(data.0.path(), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn moments_are_kept_to_the_microsecond() {
    let data = TempDataFile::new();
    let sqlite = data.open();
    let now = at(5) + TimeDelta::microseconds(123_456);
    block_on(async {
        let mut commit = noted_commit(&sqlite.begin(1).await, now);
        commit.lock = Some(take_lock(now));
        commit.record.due_at = Some(now);
        sqlite.put(commit).await;
        assert_eq!(sqlite.lock().await.map(|lock| lock.since), Some(now));
        let just_before = now - TimeDelta::microseconds(1);
        assert!(sqlite.list_due(just_before, 9).await.unwrap().is_empty());
        assert_eq!(sqlite.list_due(now, 9).await.unwrap().len(), 1);
    });
}
