//! The two threads that own the connections: one writes, one reads.
//!
//! The writer takes all waiting jobs, runs each in a savepoint of one transaction, and answers them
//! after the COMMIT: many writes share one flush to disk, and no job is acknowledged before it is on
//! disk, in the file that its name leads to. A job that fails or panics undoes only itself. The reader sees
//! committed data.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chatops_core::ports::QueueName;
use rusqlite::Connection;
use tokio::sync::{Notify, oneshot};

use super::data_file::FileWatch;
use super::failure::{FileResult, SqliteFailure, THREAD_STOPPED};

/// The most jobs that share a transaction.
const MAX_BATCH: usize = 128;

/// How many prepared statements a connection keeps: all of them.
const STATEMENT_CACHE: usize = 64;

/// How often the write-ahead log is emptied, so that it does not keep what is gone from the file.
const EMPTY_LOG_EVERY: Duration = Duration::from_mins(1);

/// The connection that writes, and what watches its file.
pub(super) struct WriterFile {
    // Dropped in this order: a descriptor that is closed before SQLite's would cost it its locks.
    pub(super) db: Connection,
    pub(super) watch: FileWatch,
    pub(super) busy_timeout: Duration,
}

/// What the writer signals.
#[derive(Debug, Default)]
pub(super) struct WriterSignals {
    /// One per queue: its schedule changed.
    queues: [Notify; QueueName::ALL.len()],
    /// Transactions that wrote something and were committed.
    pub(super) commits: AtomicU64,
}

impl WriterSignals {
    pub(super) fn queue(&self, queue: QueueName) -> &Notify {
        &self.queues[queue_index(queue)]
    }
}

fn queue_index(queue: QueueName) -> usize {
    match queue {
        QueueName::Work => 0,
        QueueName::Polls => 1,
        QueueName::Operators => 2,
        QueueName::Notify => 3,
        QueueName::WorkDlq => 4,
        QueueName::NotifyDlq => 5,
    }
}

/// The transaction as a job sees it.
pub(super) struct WriteTx<'c> {
    pub(super) db: &'c Connection,
    woken: Cell<[bool; QueueName::ALL.len()]>,
}

impl WriteTx<'_> {
    /// Wakes the receiver of a queue after the commit.
    pub(super) fn wake_queue(&self, queue: QueueName) {
        let mut woken = self.woken.get();
        woken[queue_index(queue)] = true;
        self.woken.set(woken);
    }
}

/// Answers the caller, given the result of the transaction.
type WriteReply = Box<dyn FnOnce(Result<(), SqliteFailure>) + Send>;

/// A write, given the transaction or why there is none: whether to keep it, and how to answer.
type WriteJob = Box<dyn FnOnce(Result<&WriteTx<'_>, SqliteFailure>) -> (bool, WriteReply) + Send>;

/// A read, which answers itself.
type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

/// The threads. Dropping this ends them after the jobs they have.
///
/// The reader ends first: the writer's connection is then the last one and cleans the file up.
pub(super) struct SqliteThreads {
    reader: JobThread<ReadJob>,
    writer: JobThread<WriteJob>,
}

impl SqliteThreads {
    pub(super) fn start(
        mut writer_file: WriterFile,
        read_only: Connection,
        signals: Arc<WriterSignals>,
    ) -> io::Result<Self> {
        let db = &writer_file.db;
        db.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        read_only.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        let write = move |jobs| run_writer(&mut writer_file, &jobs, &signals);
        let writer = JobThread::start("sqlite-write", write)?;
        let reader = JobThread::start("sqlite-read", move |jobs: Receiver<ReadJob>| {
            for job in jobs {
                job(&read_only);
            }
        })?;
        Ok(Self { reader, writer })
    }

    /// Writes: `work` runs in a savepoint, its error undoes it, and the result arrives after the
    /// COMMIT. Dropping the future does not stop the write.
    pub(super) async fn write<T, E, W>(&self, work: W) -> Result<T, E>
    where
        W: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<SqliteFailure> + Send + 'static,
    {
        let (job, answered) = write_job(work);
        self.writer.hand_over(job)?;
        answered
            .await
            .unwrap_or_else(|_| Err(SqliteFailure::thread_died().into()))
    }

    /// Reads what is committed.
    pub(super) async fn read<T, E, R>(&self, work: R) -> Result<T, E>
    where
        R: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<SqliteFailure> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: ReadJob = Box::new(move |db| {
            let _ = answer.send(catch_panic(|| work(db)));
        });
        self.reader.hand_over(job)?;
        answered
            .await
            .unwrap_or_else(|_| Err(SqliteFailure::thread_died().into()))
    }
}

/// A thread that runs jobs until it is dropped, which waits for its end.
struct JobThread<J> {
    jobs: Option<Sender<J>>,
    thread: Option<JoinHandle<()>>,
}

impl<J: Send + 'static> JobThread<J> {
    fn start(name: &str, run: impl FnOnce(Receiver<J>) + Send + 'static) -> io::Result<Self> {
        let (sender, jobs) = mpsc::channel();
        let builder = thread::Builder::new().name(name.to_owned());
        let thread = builder.spawn(move || run(jobs))?;
        Ok(Self {
            jobs: Some(sender),
            thread: Some(thread),
        })
    }

    fn hand_over(&self, job: J) -> FileResult<()> {
        let sent = self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok());
        // A job that was not handed over has written nothing.
        sent.ok_or_else(|| SqliteFailure::NotWritten(THREAD_STOPPED.to_owned()))
    }
}

impl<J> Drop for JobThread<J> {
    fn drop(&mut self) {
        drop(self.jobs.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// The job that runs `work`, and where its answer arrives.
fn write_job<T, E, W>(work: W) -> (WriteJob, oneshot::Receiver<Result<T, E>>)
where
    W: FnOnce(&WriteTx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<SqliteFailure> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    let job: WriteJob = Box::new(move |tx| {
        let result = catch_panic(|| work(tx?));
        let keep = result.is_ok();
        let answer: WriteReply = Box::new(move |fate| {
            // The caller may be gone; the write stays.
            let _ = answer.send(fate.map_err(E::from).and(result));
        });
        (keep, answer)
    });
    (job, answered)
}

/// Runs a job and turns a panic into an error.
fn catch_panic<T, E: From<SqliteFailure>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let message = "a defect: the job on the data file panicked, and nothing was written";
        Err(SqliteFailure::NotWritten(message.to_owned()).into())
    })
}

fn run_writer(file: &mut WriterFile, jobs: &Receiver<WriteJob>, signals: &WriterSignals) {
    let mut emptied = Instant::now();
    while let Ok(first) = jobs.recv() {
        let mut batch = VecDeque::from([first]);
        batch.extend(jobs.try_iter().take(MAX_BATCH - 1));
        while !batch.is_empty() {
            run_batch(&file.db, || file.watch.check(), &mut batch, signals);
        }
        if emptied.elapsed() >= EMPTY_LOG_EVERY {
            empty_log(file);
            emptied = Instant::now();
        }
    }
}

/// Writes the write-ahead log to the file and empties it. While somebody reads an older state this does
/// nothing: the next time does.
fn empty_log(file: &mut WriterFile) {
    if file.watch.log_len() == 0 || file.watch.check().is_err() {
        return;
    }
    let db = &file.db;
    // Otherwise every write would wait for that reader, too.
    if db.busy_timeout(Duration::ZERO).is_ok() {
        let _ = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
    let _ = db.busy_timeout(file.busy_timeout);
}

/// Runs the batch in one transaction; `check` is whether the file is still there. If SQLite rolls the
/// transaction back, the jobs that have not run stay in the batch.
fn run_batch(
    db: &Connection,
    mut check: impl FnMut() -> Result<(), &'static str>,
    batch: &mut VecDeque<WriteJob>,
    signals: &WriterSignals,
) {
    roll_back(db);
    let begun = match check() {
        Ok(()) => execute(db, "BEGIN IMMEDIATE").map_err(|e| SqliteFailure::before_commit(&e)),
        Err(lost) => Err(SqliteFailure::NotWritten(lost.to_owned())),
    };
    if let Err(failure) = begun {
        // Each of them has waited for the file.
        for job in batch.drain(..) {
            let (_, answer) = job(Err(failure.clone()));
            answer(Err(failure.clone()));
        }
        return;
    }
    let tx = WriteTx {
        db,
        woken: Cell::default(),
    };
    let mut answers = Vec::with_capacity(batch.len());
    let mut kept = false;
    let mut lost = None;
    while let Some(job) = batch.pop_front() {
        let (keep, answer) = match run_job(&tx, job) {
            Ok(ended) => ended,
            Err((own, failure)) => {
                lost = Some(failure);
                own();
                break;
            }
        };
        kept |= keep;
        answers.push(answer);
    }
    let fate = match lost {
        Some(failure) => Err(failure),
        None => execute(db, "COMMIT")
            .map_err(|error| SqliteFailure::at_commit(&error))
            // What was written to a file that is gone is on no disk.
            .and_then(|()| check().map_err(|lost| SqliteFailure::Unknown(lost.to_owned()))),
    };
    if fate.is_err() {
        roll_back(db);
    }
    if fate.is_ok() {
        let commits = &signals.commits;
        commits.fetch_add(u64::from(kept), Ordering::Relaxed);
        let woken = tx.woken.get();
        let woken = signals.queues.iter().zip(woken).filter(|(_, woken)| *woken);
        woken.for_each(|(queue, _)| queue.notify_one());
    }
    for answer in answers {
        answer(fate.clone());
    }
}

/// Runs one job in its savepoint. An error means that the whole transaction is lost: how to answer
/// this job, and the failure of the jobs before it.
fn run_job(
    tx: &WriteTx<'_>,
    job: WriteJob,
) -> Result<(bool, WriteReply), (impl FnOnce() + use<>, SqliteFailure)> {
    let woken = tx.woken.get();
    let opened =
        execute(tx.db, "SAVEPOINT job").map_err(|error| SqliteFailure::before_commit(&error));
    let (keep, answer) = job(opened.clone().map(|()| tx));
    let ended = opened.and_then(|()| {
        if tx.db.is_autocommit() {
            let message = "another write failed and SQLite rolled this one back; try again";
            return Err(SqliteFailure::NotWritten(message.to_owned()));
        }
        if !keep {
            tx.woken.set(woken);
            execute(tx.db, "ROLLBACK TO job")?;
        }
        Ok(execute(tx.db, "RELEASE job")?)
    });
    match ended {
        Ok(()) => Ok((keep, answer)),
        Err(failure) => {
            // A job that failed has its own error.
            let fate = if keep { Err(failure.clone()) } else { Ok(()) };
            Err((move || answer(fate), failure))
        }
    }
}

/// Ends a transaction that is still open. If that fails, the next BEGIN reports it.
fn roll_back(db: &Connection) {
    if !db.is_autocommit() {
        let _ = execute(db, "ROLLBACK");
    }
}

fn execute(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests;
