//! What only the file has: that it lasts, that it is guarded, and what is said when it fails.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chatops::sqlite::{OpenError, Settings, Sqlite};
use chatops_core::audit;
use chatops_core::ports::{CommitError, Lane, Queue, Replies, SendError, Store};
use chatops_simulation::memory::ManualClock;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::fixtures::settings;
use crate::suites::support::{
    at, begun, block_on, body, done, first, id, noted, pipeline, take, target,
};

const NOW: Duration = Duration::ZERO;
const HIDDEN: Duration = Duration::from_mins(1);

/// A directory with room for a data file.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("chatops.db")
    }

    pub(crate) fn open(&self) -> Sqlite {
        Sqlite::open(&self.path(), quick()).unwrap()
    }

    /// A connection of another program.
    pub(crate) fn stranger(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

/// Settings that wait no longer than a test likes to.
pub(crate) fn quick() -> Settings {
    let settings = settings(&ManualClock::new(at(0)));
    Settings {
        busy_timeout: Duration::from_millis(50),
        ..settings
    }
}

fn refusal(path: &Path, settings: Settings) -> (OpenError, String) {
    let error = Sqlite::open(path, settings).unwrap_err();
    let text = error.to_string();
    (error, text)
}

pub(crate) async fn send(queue: &Sqlite, text: &str) -> Result<(), SendError> {
    queue.send(Lane::Work, &body(text), NOW).await
}

#[test]
fn reopening_keeps_everything() {
    let place = Place::new();
    let head = block_on(async {
        let sqlite = place.open();
        let head = begun(&sqlite, 1).await;
        let mut commit = noted(&head, at(5));
        commit.lock = Some(take(at(5)));
        commit.claim = Some(pipeline(7));
        let head = done(&sqlite, commit).await.unwrap();
        send(&sqlite, "one").await.unwrap();
        let deliveries = sqlite.receive(Lane::Work, 1, HIDDEN).await.unwrap();
        assert_eq!(deliveries.len(), 1);
        send(&sqlite, "two\0").await.unwrap();
        head
    });
    block_on(async {
        let sqlite = place.open();
        assert_eq!(sqlite.head(id(1)).await.unwrap().as_ref(), Some(&head));
        let events = sqlite.events(id(1)).await.unwrap();
        assert_eq!(audit::verify(id(1), &events, head.last_hash), Ok(()));
        assert_eq!(
            sqlite.lock(&target()).await.unwrap().map(|lock| lock.since),
            Some(at(5))
        );
        assert_eq!(sqlite.owner(pipeline(7)).await.unwrap(), Some(id(1)));
        assert_eq!(sqlite.by_short(&id(1).short(8)).await.unwrap(), Some(id(1)));
        assert_eq!(
            sqlite
                .reply(id(1))
                .await
                .unwrap()
                .map(|reply| reply.version),
            Some(1)
        );
        let deliveries = sqlite.receive(Lane::Work, 9, HIDDEN).await.unwrap();
        // Whoever had the first one in hand is gone, and its receipt is still counted.
        let received: Vec<_> = deliveries.iter().map(|d| (&d.body, d.receives)).collect();
        let (one, two) = (body("one"), body("two\0"));
        assert_eq!(received, [(&one, 2), (&two, 1)]);
    });
}

#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let (place, after) = (Place::new(), Place::new());
    let sqlite = place.open();
    block_on(async {
        let head = begun(&sqlite, 1).await;
        done(&sqlite, noted(&head, at(1))).await.unwrap();
        send(&sqlite, "one").await.unwrap();
    });
    // What lies on disk while the file is open is what a killed process leaves behind.
    for suffix in ["", "-wal"] {
        let name = format!("chatops.db{suffix}");
        std::fs::copy(place.0.path().join(&name), after.0.path().join(&name)).unwrap();
    }
    let restarted = after.open();
    block_on(async {
        assert_eq!(restarted.events(id(1)).await.unwrap().len(), 2);
        assert_eq!(
            restarted
                .receive(Lane::Work, 9, HIDDEN)
                .await
                .unwrap()
                .len(),
            1
        );
    });
}

#[test]
fn closing_leaves_one_file_and_its_lock() {
    let place = Place::new();
    block_on(send(&place.open(), "one")).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(place.0.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["chatops.db", "chatops.db.lock"]);
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let _open = place.open();
    let mode = std::fs::metadata(place.path())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_second_process_is_kept_off() {
    let place = Place::new();
    let sqlite = place.open();
    let (error, text) = refusal(&place.path(), quick());
    assert!(matches!(error, OpenError::InUse { .. }));
    assert!(
        text.contains("chatops.db is in use: another `chatops serve` holds"),
        "{text}"
    );
    assert!(text.contains("chatops.db.lock"), "{text}");
    #[cfg(unix)]
    {
        let alias = place.0.path().join("alias.db");
        std::os::unix::fs::symlink(place.path(), &alias).unwrap();
        assert!(matches!(
            refusal(&alias, quick()).0,
            OpenError::InUse { .. }
        ));
    }
    let clone = sqlite.clone();
    drop(sqlite);
    assert!(
        Sqlite::open(&place.path(), quick()).is_err(),
        "a clone still has it"
    );
    drop(clone);
    place.open();
}

#[test]
fn audit_events_cannot_be_changed_by_any_program() {
    let place = Place::new();
    let sqlite = place.open();
    let head = block_on(async {
        let head = begun(&sqlite, 1).await;
        done(&sqlite, noted(&head, at(1))).await.unwrap()
    });
    let stranger = place.stranger();
    for sql in [
        "UPDATE event SET body = '{}' WHERE n = 1",
        "UPDATE event SET n = 9 WHERE n = 2",
        "DELETE FROM event WHERE n = 2",
        "DELETE FROM event",
        "REPLACE INTO event SELECT deploy, n, '{}', hash FROM event WHERE n = 1",
    ] {
        let error = stranger.execute(sql, []).unwrap_err().to_string();
        assert!(
            error.starts_with("audit events are never "),
            "{sql}: {error}"
        );
    }
    let events = block_on(sqlite.events(id(1))).unwrap();
    assert_eq!(audit::verify(id(1), &events, head.last_hash), Ok(()));
}

#[test]
fn while_another_program_has_it_locked_nothing_is_written() {
    let place = Place::new();
    let sqlite = place.open();
    let stranger = place.stranger();
    block_on(async {
        let head = begun(&sqlite, 1).await;
        stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
        let error = send(&sqlite, "one").await.unwrap_err();
        assert!(matches!(error, SendError::NotSent(_)), "{error}");
        assert!(
            error
                .to_string()
                .contains("locked by another program; close"),
            "{error}"
        );
        let error = sqlite.commit(noted(&head, at(1))).await.unwrap_err();
        assert!(matches!(error, CommitError::Store(_)), "{error}");
        assert!(sqlite.receive(Lane::Work, 1, HIDDEN).await.is_err());
        assert_eq!(
            sqlite.head(id(1)).await.unwrap().as_ref(),
            Some(&head),
            "reading goes on"
        );
        stranger.execute_batch("COMMIT").unwrap();
        assert!(
            sqlite
                .receive(Lane::Work, 1, HIDDEN)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(sqlite.head(id(1)).await.unwrap().as_ref(), Some(&head));
        send(&sqlite, "two").await.unwrap();
        done(&sqlite, noted(&head, at(1))).await.unwrap();
    });
}

#[test]
fn a_full_file_takes_nothing_by_halves_and_works_again_with_room() {
    let place = Place::new();
    drop(place.open());
    let pages = |connection: &Connection| {
        connection
            .query_row("PRAGMA page_count", [], |row| row.get::<_, u32>(0))
            .unwrap()
    };
    let limit = pages(&place.stranger()) + 8;
    let mut sent = 0;
    let mut head = first(1).head;
    block_on(async {
        let settings = Settings {
            max_page_count: Some(limit),
            ..quick()
        };
        let sqlite = Sqlite::open(&place.path(), settings).unwrap();
        sqlite.commit(first(1)).await.unwrap();
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
            let commit = noted(&head, at(1));
            let next = commit.head.clone();
            match sqlite.commit(commit).await {
                Ok(()) => head = next,
                Err(CommitError::Store(_)) => break,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(sqlite.head(id(1)).await.unwrap().as_ref(), Some(&head));
    });
    block_on(async {
        let sqlite = place.open();
        assert_eq!(sqlite.head(id(1)).await.unwrap().as_ref(), Some(&head));
        let events = sqlite.events(id(1)).await.unwrap();
        assert_eq!(audit::verify(id(1), &events, head.last_hash), Ok(()));
        send(&sqlite, "one more").await.unwrap();
        done(&sqlite, noted(&head, at(2))).await.unwrap();
        let deliveries = sqlite.receive(Lane::Work, 10_000, HIDDEN).await.unwrap();
        assert_eq!(deliveries.len(), sent + 1);
    });
}

#[test]
fn a_file_of_another_version_is_refused_and_left_alone() {
    let place = Place::new();
    drop(place.open());
    place
        .stranger()
        .pragma_update(None, "user_version", 7)
        .unwrap();
    let (error, text) = refusal(&place.path(), quick());
    assert!(matches!(
        error,
        OpenError::Newer {
            found: 7,
            known: 2,
            ..
        }
    ));
    assert!(
        text.ends_with("has version 7 and this chatops knows 2; use a newer chatops"),
        "{text}"
    );
    place
        .stranger()
        .pragma_update(None, "user_version", 1)
        .unwrap();
    let (_, text) = refusal(&place.path(), quick());
    assert!(
        text.ends_with(
            "has version 1 and this chatops needs 2: keep it for its history and start with a new \
             file"
        ),
        "{text}"
    );
    place
        .stranger()
        .pragma_update(None, "user_version", 2)
        .unwrap();
    place.open();
}

#[test]
fn files_of_other_programs_are_refused_and_left_alone() {
    let place = Place::new();
    place
        .stranger()
        .execute_batch("CREATE TABLE theirs (x)")
        .unwrap();
    let (error, text) = refusal(&place.path(), quick());
    assert!(matches!(error, OpenError::Foreign { .. }), "{text}");
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = place
        .stranger()
        .query_row(tables, [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);

    let place = Place::new();
    let letter = "Dear all, this is not a database. ".repeat(100);
    std::fs::write(place.path(), &letter).unwrap();
    let (_, text) = refusal(&place.path(), quick());
    assert!(
        text.ends_with("is not a data file of chatops; name another one"),
        "{text}"
    );
    assert_eq!(std::fs::read_to_string(place.path()).unwrap(), letter);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let place = Place::new();
    let missing = place.0.path().join("missing/chatops.db");
    let (_, text) = refusal(&missing, quick());
    assert!(
        text.contains("missing/chatops.db cannot be opened for writing"),
        "{text}"
    );
    assert!(
        text.contains("check that its directory exists and is writable"),
        "{text}"
    );
    let (_, text) = refusal(place.0.path(), quick());
    assert!(text.contains("cannot be opened for writing"), "{text}");
    assert!(text.contains("is a directory"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_read_only_file_is_named() {
    use std::fs::{File, OpenOptions, Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    drop(place.open());
    set_permissions(place.path(), Permissions::from_mode(0o400)).unwrap();
    if OpenOptions::new().write(true).open(place.path()).is_ok() {
        return; // root may write everything
    }
    let (_, text) = refusal(&place.path(), quick());
    assert!(
        text.contains("is read-only; make it and its directory writable"),
        "{text}"
    );
    set_permissions(place.path(), Permissions::from_mode(0o600)).unwrap();
    set_permissions(place.0.path(), Permissions::from_mode(0o500)).unwrap();
    assert!(File::create(place.0.path().join("probe")).is_err());
    let (_, text) = refusal(&place.0.path().join("other.db"), quick());
    assert!(text.contains("cannot be opened for writing"), "{text}");
    set_permissions(place.0.path(), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn moments_are_kept_to_the_microsecond() {
    let place = Place::new();
    let sqlite = place.open();
    let now = at(5) + chrono::TimeDelta::microseconds(123_456);
    block_on(async {
        let mut commit = noted(&begun(&sqlite, 1).await, now);
        commit.lock = Some(take(now));
        commit.head.due_at = Some(now);
        done(&sqlite, commit).await.unwrap();
        assert_eq!(
            sqlite.lock(&target()).await.unwrap().map(|lock| lock.since),
            Some(now)
        );
        let just_before = now - chrono::TimeDelta::microseconds(1);
        assert!(sqlite.due(just_before, 9).await.unwrap().is_empty());
        assert_eq!(sqlite.due(now, 9).await.unwrap().len(), 1);
    });
}
