//! The connections of `chatops serve`: how many there may be, how long each may take, and which one goes when
//! there is no room.
//!
//! A connection carries one request and ends with its answer, and all of it has one time limit. Slack's
//! request comes as a whole, so where there are too many connections, the one goes whose request has been
//! awaited for the longest: idle ones keep nobody out. What a request means is not known here.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use chatops_core::Time;
use chatops_core::log_tally::LogTally;
use chatops_core::ports::Clock;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::shutdown::StopReceiver;
use crate::clock::WallClock;

/// How long the head of a request may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may take in all. Slack waits for three seconds.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);

/// How long requests in flight may take after the stop: later Slack no longer waits.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// How long nothing is accepted after a connection could not be.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The most connections.
const MAX_CONNECTIONS: u64 = 256;

/// The share of the process's descriptors that connections may take: the data file and the calls of CircleCI
/// and Slack need the rest.
const DESCRIPTOR_SHARE: u64 = 4;

/// How a connection ended early, or a request was refused before it had a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refusal {
    NotAccepted,
    MadeRoom,
    NoRequest,
    TookTooLong,
    BodyTooLarge,
    BodyTooSlow,
    BodyBroken,
    NothingThere,
}

impl Refusal {
    fn log(self, count: u64, error: Option<&Error>) {
        let error = error.map(tracing::field::display);
        match self {
            Self::NotAccepted => warn!(count, error, "connections could not be accepted"),
            Self::MadeRoom => warn!(
                count,
                "there were too many connections: those that had sent no whole request for the longest \
                 were closed"
            ),
            Self::NoRequest => warn!(count, "connections were closed: no request came in time"),
            Self::TookTooLong => warn!(count, "connections were closed: they took too long"),
            Self::BodyTooLarge => warn!(count, "requests were refused: the body is too large"),
            Self::BodyTooSlow => warn!(
                count,
                "requests were refused: the body did not come in time"
            ),
            Self::BodyBroken => info!(count, "requests were refused: the body broke off"),
            Self::NothingThere => info!(count, "requests were refused: no such address or method"),
        }
    }
}

/// What was refused; one line a minute of each kind.
#[derive(Debug, Default)]
pub(super) struct ConnectionLog(LogTally<Refusal>);

impl ConnectionLog {
    pub(super) fn count(&self, refusal: Refusal) {
        self.count_with(refusal, None);
    }

    fn count_with(&self, refusal: Refusal, error: Option<&Error>) {
        if let Some(count) = self.0.count(refusal, WallClock.now()) {
            refusal.log(count, error);
        }
    }

    /// Says what was counted and not said yet, if a minute has passed.
    pub(super) fn report(&self, now: Time) {
        for (refusal, count) in self.0.take_due(now) {
            refusal.log(count, None);
        }
    }
}

/// The connections whose request has not arrived yet, oldest first.
#[derive(Debug, Clone, Default)]
struct Waiting(Arc<Mutex<WaitingConnections>>);

#[derive(Debug, Default)]
struct WaitingConnections {
    next: u64,
    close: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, WaitingConnections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection, and what tells it to close.
    fn add(&self) -> (Arrival, oneshot::Receiver<()>) {
        let (close, closed) = oneshot::channel();
        let mut waiting = self.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.close.insert(number, close);
        let waiting = self.clone();
        (Arrival { waiting, number }, closed)
    }

    /// Closes the oldest; whether there was one.
    fn close_oldest(&self) -> bool {
        let oldest = self.lock().close.pop_first();
        oldest.is_some_and(|(_, close)| close.send(()).is_ok())
    }
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Arrival {
    waiting: Waiting,
    number: u64,
}

impl Arrival {
    /// It is here as a whole: its connection makes no room for others any more.
    pub(super) fn is_whole(&self) {
        self.waiting.lock().close.remove(&self.number);
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.is_whole();
    }
}

/// Answers a request.
pub(super) trait Answer: Send + Sync + 'static {
    fn answer(
        &self,
        request: Request<Incoming>,
        arrival: &Arrival,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// Serves at most `room` connections at a time until the stop, and answers the requests in flight.
pub(super) async fn serve_connections(
    listener: TcpListener,
    room: usize,
    answer: Arc<impl Answer>,
    log: Arc<ConnectionLog>,
    mut stop: StopReceiver,
) -> Result<()> {
    let (slots, waiting) = (Arc::new(Semaphore::new(room)), Waiting::default());
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.requested() => break,
        };
        while connections.try_join_next().is_some() {}
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) if is_of_the_connection(&error) => continue,
            Err(error) => {
                log.count_with(Refusal::NotAccepted, Some(&error));
                waiting.close_oldest();
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let slot = tokio::select! {
            slot = take_slot(&slots, &waiting) => slot,
            () = stop.requested() => break,
        };
        let Some(slot) = slot else { break };
        let (arrival, closed) = waiting.add();
        let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
        connections.spawn(serve_connection(stream, answer, log, arrival, closed, slot));
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    // Without a limit, one that connects and sends nothing would keep the process alive.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, drained).await;
    Ok(())
}

/// A slot for one more connection: the oldest that waits for its request gives its own up.
async fn take_slot(slots: &Arc<Semaphore>, waiting: &Waiting) -> Option<OwnedSemaphorePermit> {
    if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
        return Some(slot);
    }
    waiting.close_oldest();
    Arc::clone(slots).acquire_owned().await.ok()
}

async fn serve_connection(
    stream: TcpStream,
    answer: Arc<impl Answer>,
    log: Arc<ConnectionLog>,
    arrival: Arrival,
    mut closed: oneshot::Receiver<()>,
    _slot: OwnedSemaphorePermit,
) {
    let service = service_fn(|request| {
        let (answer, arrival) = (&answer, &arrival);
        async move { Ok::<_, Infallible>(answer.answer(request, arrival).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        served = tokio::time::timeout(CONNECTION_TIMEOUT, connection) => match served {
            Ok(Err(error)) if error.is_timeout() => log.count(Refusal::NoRequest),
            // What its peer did wrong or did not wait for is no matter of ours.
            Ok(_) => {}
            Err(_) => log.count(Refusal::TookTooLong),
        },
        Ok(()) = &mut closed => log.count(Refusal::MadeRoom),
    }
}

/// Whether it was the connection that failed, and not the accepting.
fn is_of_the_connection(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}

/// How many connections there may be: what the process's limit of descriptors has room for.
pub(super) fn most_connections() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let room = (descriptors / DESCRIPTOR_SHARE).clamp(1, MAX_CONNECTIONS);
    usize::try_from(room).unwrap_or(1)
}
