//! The two threads that own the connections: one writes, one reads.
//!
//! The writer takes every job that waits, runs each in a savepoint of one transaction, and
//! answers all of them after the COMMIT: many writes share one flush to disk, and nobody hears
//! "written" before it is. A job that fails, or panics, undoes only itself. The reader sees what
//! is committed.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use chatops_core::ports::Lane;
use rusqlite::Connection;
use tokio::sync::{Notify, oneshot};

use super::failure::{Failure, STOPPED};

/// The most jobs that share a transaction.
const BATCH: usize = 128;

/// How many prepared statements a connection keeps: all there are.
const STATEMENTS: usize = 64;

/// What the writer tells the outside.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// One per lane: its schedule changed.
    lanes: [Notify; Lane::ALL.len()],
    /// Transactions that wrote something and were committed.
    pub(super) commits: AtomicU64,
}

impl Signals {
    pub(super) fn of(&self, lane: Lane) -> &Notify {
        &self.lanes[place(lane)]
    }
}

fn place(lane: Lane) -> usize {
    match lane {
        Lane::Work => 0,
        Lane::Notice => 1,
        Lane::WorkDead => 2,
        Lane::NoticeDead => 3,
    }
}

/// The transaction as a job sees it.
pub(super) struct Tx<'c> {
    pub(super) connection: &'c Connection,
    woken: Cell<[bool; Lane::ALL.len()]>,
}

impl Tx<'_> {
    /// Wakes the receivers of a lane once this is committed.
    pub(super) fn wake(&self, lane: Lane) {
        let mut woken = self.woken.get();
        woken[place(lane)] = true;
        self.woken.set(woken);
    }
}

/// Tells the caller how it ended, given how the transaction ended.
type Answer = Box<dyn FnOnce(Result<(), Failure>) + Send>;

/// A write, or why it cannot begin: whether to keep what it did, and how to answer.
type Write = Box<dyn FnOnce(Result<&Tx<'_>, Failure>) -> (bool, Answer) + Send>;

/// A read, which answers by itself.
type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The threads. Dropping this ends them, after what was asked of them.
///
/// The reader ends first, so that the writer's connection is the last and tidies the file up.
pub(super) struct Threads {
    reader: Worker<Read>,
    writer: Worker<Write>,
}

impl Threads {
    pub(super) fn start(
        read_write: Connection,
        read_only: Connection,
        signals: Arc<Signals>,
    ) -> io::Result<Self> {
        read_write.set_prepared_statement_cache_capacity(STATEMENTS);
        read_only.set_prepared_statement_cache_capacity(STATEMENTS);
        let write = move |jobs| run_writer(&read_write, &jobs, &signals);
        let writer = Worker::start("sqlite-write", write)?;
        let reader = Worker::start("sqlite-read", move |jobs: Receiver<Read>| {
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
        W: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        let (job, answered) = writing(work);
        self.writer.hand_over(job)?;
        answered
            .await
            .unwrap_or_else(|_| Err(Failure::no_answer().into()))
    }

    /// Reads what is committed.
    pub(super) async fn read<T, E, R>(&self, work: R) -> Result<T, E>
    where
        R: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Read = Box::new(move |connection| {
            let _ = answer.send(guarded(|| work(connection)));
        });
        self.reader.hand_over(job)?;
        answered
            .await
            .unwrap_or_else(|_| Err(Failure::no_answer().into()))
    }
}

/// A thread that does jobs until nobody can hand it any, and is waited for when dropped.
struct Worker<J> {
    jobs: Option<Sender<J>>,
    thread: Option<JoinHandle<()>>,
}

impl<J: Send + 'static> Worker<J> {
    fn start(name: &str, run: impl FnOnce(Receiver<J>) + Send + 'static) -> io::Result<Self> {
        let (sender, jobs) = mpsc::channel();
        let builder = thread::Builder::new().name(name.to_owned());
        let thread = builder.spawn(move || run(jobs))?;
        Ok(Self {
            jobs: Some(sender),
            thread: Some(thread),
        })
    }

    fn hand_over(&self, job: J) -> Result<(), Failure> {
        let sent = self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok());
        // What was never handed over was never written.
        sent.ok_or_else(|| Failure::Definite(STOPPED.to_owned()))
    }
}

impl<J> Drop for Worker<J> {
    fn drop(&mut self) {
        drop(self.jobs.take());
        // Its end is waited for, however it ends.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// The job that does `work`, and where its answer arrives.
fn writing<T, E, W>(work: W) -> (Write, oneshot::Receiver<Result<T, E>>)
where
    W: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<Failure> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    let job: Write = Box::new(move |tx| {
        let result = guarded(|| work(tx?));
        let keep = result.is_ok();
        let answer: Answer = Box::new(move |fate| {
            // Nobody listening is no reason to undo.
            let _ = answer.send(fate.map_err(E::from).and(result));
        });
        (keep, answer)
    });
    (job, answered)
}

/// Runs a job so that its panic stays its own.
fn guarded<T, E: From<Failure>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let words = "a defect: the job on the data file panicked, and nothing was written";
        Err(Failure::Definite(words.to_owned()).into())
    })
}

fn run_writer(connection: &Connection, jobs: &Receiver<Write>, signals: &Signals) {
    while let Ok(first) = jobs.recv() {
        let mut batch = VecDeque::from([first]);
        batch.extend(jobs.try_iter().take(BATCH - 1));
        while !batch.is_empty() {
            run_batch(connection, &mut batch, signals);
        }
    }
}

/// Runs what it can of the batch in one transaction. If SQLite gives the transaction up, the jobs
/// that have not run stay in the batch.
fn run_batch(connection: &Connection, batch: &mut VecDeque<Write>, signals: &Signals) {
    undo(connection);
    if let Err(error) = run(connection, "BEGIN IMMEDIATE") {
        // Each of them has waited for the file; the next batch may be luckier.
        let failure = Failure::of(&error);
        for job in batch.drain(..) {
            let (_, answer) = job(Err(failure.clone()));
            answer(Err(failure.clone()));
        }
        return;
    }
    let tx = Tx {
        connection,
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
        None => run(connection, "COMMIT").map_err(|error| Failure::of_commit(&error)),
    };
    if fate.is_err() {
        undo(connection);
    }
    if fate.is_ok() {
        signals
            .commits
            .fetch_add(u64::from(kept), Ordering::Relaxed);
        let woken = tx.woken.get();
        signals
            .lanes
            .iter()
            .zip(woken)
            .filter(|(_, w)| *w)
            .for_each(|(lane, _)| lane.notify_one());
    }
    for answer in answers {
        answer(fate.clone());
    }
}

/// Runs one job in its savepoint. An error means that the whole transaction is lost: how to
/// answer this job, and what to tell those before it.
fn run_job(tx: &Tx<'_>, job: Write) -> Result<(bool, Answer), (impl FnOnce() + use<>, Failure)> {
    let woken = tx.woken.get();
    let opened = run(tx.connection, "SAVEPOINT job").map_err(|error| Failure::of(&error));
    let (keep, answer) = job(opened.clone().map(|()| tx));
    let ended = opened.and_then(|()| {
        if tx.connection.is_autocommit() {
            let words = "a write beside this one failed and SQLite took this one back; try again";
            return Err(Failure::Definite(words.to_owned()));
        }
        if !keep {
            tx.woken.set(woken);
            run(tx.connection, "ROLLBACK TO job")?;
        }
        Ok(run(tx.connection, "RELEASE job")?)
    });
    match ended {
        Ok(()) => Ok((keep, answer)),
        Err(failure) => {
            // A job that failed knows better what it met.
            let fate = if keep { Err(failure.clone()) } else { Ok(()) };
            Err((move || answer(fate), failure))
        }
    }
}

/// Ends a transaction that is still open. Where even that fails, the next BEGIN says why.
fn undo(connection: &Connection) {
    if !connection.is_autocommit() {
        let _ = run(connection, "ROLLBACK");
    }
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests;
