//! What the threads promise, held against a database in memory.

use std::time::Duration;

use tokio::sync::oneshot::Receiver;

use super::*;

type Ended = Result<(), Failure>;

fn connection() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch("CREATE TABLE t (n INTEGER) STRICT")
        .unwrap();
    connection
}

fn numbers(connection: &Connection) -> Vec<i64> {
    let mut query = connection.prepare("SELECT n FROM t ORDER BY n").unwrap();
    query
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// A job that runs `sql`, and where its answer arrives.
fn job(sql: &'static str) -> (Write, Receiver<Ended>) {
    writing(move |tx| Ok(tx.connection.execute_batch(sql)?))
}

#[test]
fn a_failed_job_undoes_only_itself() {
    let connection = connection();
    let (jobs, answers): (Vec<_>, Vec<_>) = [
        job("INSERT INTO t VALUES (1)"),
        job("INSERT INTO t VALUES (2); INSERT INTO nowhere VALUES (2)"),
        job("INSERT INTO t VALUES (3)"),
    ]
    .into_iter()
    .unzip();
    let signals = Signals::default();
    run_batch(&connection, &mut VecDeque::from(jobs), &signals);
    let ended: Vec<_> = answers
        .into_iter()
        .map(|mut answer| answer.try_recv().unwrap().is_ok())
        .collect();
    assert_eq!(ended, [true, false, true]);
    assert_eq!(numbers(&connection), [1, 3]);
    assert_eq!(signals.commits.load(Ordering::Relaxed), 1);
}

#[test]
fn a_lost_transaction_is_no_success_for_anybody_and_the_rest_goes_on() {
    let connection = connection();
    let (one, mut first) = job("INSERT INTO t VALUES (1)");
    // What SQLite does by itself on some errors.
    let (two, mut second) = job("ROLLBACK; INSERT INTO nowhere VALUES (2)");
    let (three, mut third) = job("INSERT INTO t VALUES (3)");
    let mut batch = VecDeque::from([one, two, three]);
    let signals = Signals::default();
    run_batch(&connection, &mut batch, &signals);
    assert_eq!(batch.len(), 1);
    assert!(matches!(
        first.try_recv().unwrap(),
        Err(Failure::Definite(_))
    ));
    let Err(Failure::Definite(words)) = second.try_recv().unwrap() else {
        panic!()
    };
    assert!(words.contains("nowhere"), "its own error: {words}");
    run_batch(&connection, &mut batch, &signals);
    assert_eq!(third.try_recv().unwrap(), Ok(()));
    assert_eq!(numbers(&connection), [3]);
}

#[test]
fn a_commit_that_fails_is_no_success_for_anybody() {
    let connection = connection();
    connection
        .execute_batch(
            "PRAGMA foreign_keys = on; CREATE TABLE child (n INTEGER \
             REFERENCES parent (n) DEFERRABLE INITIALLY DEFERRED); \
             CREATE TABLE parent (n INTEGER PRIMARY KEY)",
        )
        .unwrap();
    let (one, mut first) = job("INSERT INTO t VALUES (1)");
    let (two, mut second) = job("INSERT INTO child VALUES (2)");
    let signals = Signals::default();
    run_batch(&connection, &mut VecDeque::from([one, two]), &signals);
    assert!(first.try_recv().unwrap().is_err());
    assert!(second.try_recv().unwrap().is_err());
    assert!(connection.is_autocommit());
    assert_eq!(numbers(&connection), [0; 0]);
    assert_eq!(signals.commits.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_panicking_job_leaves_nothing_and_its_thread_alive() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Connection::open(dir.path().join("t.db")).unwrap();
    let (writer, reader) = (open(), open());
    writer
        .execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (n INTEGER)")
        .unwrap();
    let threads = Threads::start(writer, reader, Arc::default()).unwrap();
    let write: Ended = threads
        .write(|tx| {
            tx.connection.execute_batch("INSERT INTO t VALUES (1)")?;
            panic!("on purpose")
        })
        .await;
    assert!(matches!(write, Err(Failure::Definite(_))));
    let read: Ended = threads.read(|_| panic!("on purpose")).await;
    assert!(read.is_err());
    let write = threads.write(|tx| Ok(tx.connection.execute_batch("INSERT INTO t VALUES (2)")?));
    assert_eq!(write.await, Ended::Ok(()));
    let read = threads.read(|connection| Ok::<_, Failure>(numbers(connection)));
    assert_eq!(read.await, Ok(vec![2]));
}

#[tokio::test]
async fn a_failed_job_wakes_nobody() {
    let threads = |signals| Threads::start(connection(), connection(), signals).unwrap();
    let signals = Arc::new(Signals::default());
    let threads = threads(Arc::clone(&signals));
    let failed: Ended = threads
        .write(|tx| {
            tx.wake(Lane::Work);
            Err(Failure::Definite("no".to_owned()))
        })
        .await;
    assert!(failed.is_err());
    let wait = signals.of(Lane::Work).notified();
    assert!(
        tokio::time::timeout(Duration::from_millis(1), wait)
            .await
            .is_err()
    );
}
