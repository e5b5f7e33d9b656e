//! The guarantees of the threads, over a database in memory.

use tempfile::TempDir;
use tokio::sync::oneshot::Receiver;

use super::*;
use crate::sqlite::data_file::DataFile;

type WriteResult = Result<(), SqliteFailure>;

fn db() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("CREATE TABLE t (n INTEGER) STRICT")
        .unwrap();
    db
}

fn numbers(db: &Connection) -> Vec<i64> {
    let mut query = db.prepare("SELECT n FROM t ORDER BY n").unwrap();
    query
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// A job that runs `sql`, and where its answer arrives.
fn sql_job(sql: &'static str) -> (WriteJob, Receiver<WriteResult>) {
    write_job(move |tx| Ok(tx.db.execute_batch(sql)?))
}

#[test]
fn a_failed_job_undoes_only_itself() {
    let db = db();
    let (jobs, answers): (Vec<_>, Vec<_>) = [
        sql_job("INSERT INTO t VALUES (1)"),
        sql_job("INSERT INTO t VALUES (2); INSERT INTO nowhere VALUES (2)"),
        sql_job("INSERT INTO t VALUES (3)"),
    ]
    .into_iter()
    .unzip();
    let signals = WriterSignals::default();
    run_batch(&db, || Ok(()), &mut VecDeque::from(jobs), &signals);
    let ended: Vec<_> = answers
        .into_iter()
        .map(|mut answer| answer.try_recv().unwrap().is_ok())
        .collect();
    assert_eq!(ended, [true, false, true]);
    assert_eq!(numbers(&db), [1, 3]);
    assert_eq!(signals.commits.load(Ordering::Relaxed), 1);
}

#[test]
fn a_lost_transaction_fails_its_jobs_and_the_rest_goes_on() {
    let db = db();
    let (one, mut first) = sql_job("INSERT INTO t VALUES (1)");
    // What SQLite does by itself on some errors.
    let (two, mut second) = sql_job("ROLLBACK; INSERT INTO nowhere VALUES (2)");
    let (three, mut third) = sql_job("INSERT INTO t VALUES (3)");
    let mut batch = VecDeque::from([one, two, three]);
    let signals = WriterSignals::default();
    run_batch(&db, || Ok(()), &mut batch, &signals);
    assert_eq!(batch.len(), 1);
    assert!(matches!(
        first.try_recv().unwrap(),
        Err(SqliteFailure::NotWritten(_))
    ));
    let Err(SqliteFailure::NotWritten(words)) = second.try_recv().unwrap() else {
        panic!()
    };
    assert!(words.contains("nowhere"), "its own error: {words}");
    run_batch(&db, || Ok(()), &mut batch, &signals);
    assert_eq!(third.try_recv().unwrap(), Ok(()));
    assert_eq!(numbers(&db), [3]);
}

#[test]
fn a_commit_that_fails_fails_its_jobs() {
    let db = db();
    db.execute_batch(
        "PRAGMA foreign_keys = on; CREATE TABLE child (n INTEGER \
             REFERENCES parent (n) DEFERRABLE INITIALLY DEFERRED); \
             CREATE TABLE parent (n INTEGER PRIMARY KEY)",
    )
    .unwrap();
    let (one, mut first) = sql_job("INSERT INTO t VALUES (1)");
    let (two, mut second) = sql_job("INSERT INTO child VALUES (2)");
    let signals = WriterSignals::default();
    run_batch(&db, || Ok(()), &mut VecDeque::from([one, two]), &signals);
    assert!(first.try_recv().unwrap().is_err());
    assert!(second.try_recv().unwrap().is_err());
    assert!(db.is_autocommit());
    assert_eq!(numbers(&db), [0; 0]);
    assert_eq!(signals.commits.load(Ordering::Relaxed), 0);
}

/// Threads over a file of a directory.
fn start(dir: &TempDir, signals: Arc<WriterSignals>) -> SqliteThreads {
    let path = dir.path().join("t.db");
    let file = DataFile::open(&path).unwrap();
    let open = || Connection::open(&path).unwrap();
    let (db, reader) = (open(), open());
    db.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (n INTEGER)")
        .unwrap();
    let writer = WriterFile {
        db,
        watch: file.watch().unwrap(),
        busy_timeout: Duration::ZERO,
    };
    SqliteThreads::start(writer, reader, signals).unwrap()
}

#[tokio::test]
async fn a_panicking_job_leaves_no_trace_and_its_thread_alive() {
    let dir = tempfile::tempdir().unwrap();
    let threads = start(&dir, Arc::default());
    let write: WriteResult = threads
        .write(|tx| {
            tx.db.execute_batch("INSERT INTO t VALUES (1)")?;
            panic!("on purpose")
        })
        .await;
    assert!(matches!(write, Err(SqliteFailure::NotWritten(_))));
    let read: WriteResult = threads.read(|_| panic!("on purpose")).await;
    assert!(read.is_err());
    let write = threads.write(|tx| Ok(tx.db.execute_batch("INSERT INTO t VALUES (2)")?));
    assert_eq!(write.await, WriteResult::Ok(()));
    let read = threads.read(|db| Ok::<_, SqliteFailure>(numbers(db)));
    assert_eq!(read.await, Ok(vec![2]));
}

#[tokio::test]
async fn a_failed_job_wakes_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let signals = Arc::new(WriterSignals::default());
    let threads = start(&dir, Arc::clone(&signals));
    let failed: WriteResult = threads
        .write(|tx| {
            tx.wake_queue(QueueName::Work);
            Err(SqliteFailure::NotWritten("no".to_owned()))
        })
        .await;
    assert!(failed.is_err());
    let wait = signals.queue(QueueName::Work).notified();
    assert!(
        tokio::time::timeout(Duration::from_millis(1), wait)
            .await
            .is_err()
    );
}
