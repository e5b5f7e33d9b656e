//! Crash points: each port call is two of them, before it takes effect and after.
//!
//! [`Pointed`] wraps a port; the inner ports answer at once, so a future that is pending has met a
//! point at which it crashes, and is dropped.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::Event;
use chatops_core::config::Slug;
use chatops_core::deploy::{Head, Target};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::message::Body;
use chatops_core::ports::{
    Chat, Ci, CiError, Commit, CommitError, Delivery, Due, Finding, Lane, Lock, Look, Outcome,
    Queue, QueueError, Receipt, Replies, Search, SecretName, Secrets, SecretsError, SendError,
    Store, StoreError, Trigger, Versions,
};
use chatops_core::reply::{Posted, Reply};
use chatops_core::secret::ResponseUrl;
use chatops_core::words::Post;

/// The points a run passes, and those at which it crashes.
#[derive(Clone, Default)]
pub struct Points(Arc<Mutex<Passed>>);

#[derive(Default)]
struct Passed {
    names: Vec<(&'static str, &'static str)>,
    crash_at: BTreeSet<usize>,
    crashes: usize,
}

impl Points {
    /// Points of which those with these numbers (from 0, in the order they are passed) crash.
    #[must_use]
    pub fn crashing_at(points: impl IntoIterator<Item = usize>) -> Self {
        let crash_at = points.into_iter().collect();
        Self(Arc::new(Mutex::new(Passed { crash_at, ..Passed::default() })))
    }

    fn lock(&self) -> MutexGuard<'_, Passed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many points have been passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.lock().names.len()
    }

    /// How many crashes have happened.
    #[must_use]
    pub fn crashes(&self) -> usize {
        self.lock().crashes
    }

    /// What the points were.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().names.iter().map(|(side, name)| format!("{side} {name}")).collect()
    }

    async fn pass(&self, side: &'static str, name: &'static str) {
        let crashes = {
            let mut passed = self.lock();
            let number = passed.names.len();
            passed.names.push((side, name));
            let crashes = passed.crash_at.contains(&number);
            passed.crashes += usize::from(crashes);
            crashes
        };
        if crashes {
            std::future::pending::<()>().await;
        }
    }

    async fn through<T>(&self, name: &'static str, call: impl Future<Output = T>) -> T {
        self.pass("before", name).await;
        let answer = call.await;
        self.pass("after", name).await;
        answer
    }
}

impl fmt::Debug for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Points({} passed)", self.passed())
    }
}

/// Runs a handler to its end, or to the point at which it crashes (`None`).
pub fn drive<T>(handler: impl Future<Output = T>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(handler).poll(&mut context) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// A port whose calls are crash points.
#[derive(Debug)]
pub struct Pointed<P> {
    /// The port.
    pub port: Arc<P>,
    /// The points.
    pub points: Points,
}

impl<P> Pointed<P> {
    /// Wraps a port.
    pub fn new(port: &Arc<P>, points: &Points) -> Self {
        Self { port: Arc::clone(port), points: points.clone() }
    }
}

impl<P: Store> Store for Pointed<P> {
    async fn head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        self.points.through("store.head", self.port.head(id)).await
    }

    async fn events(&self, id: DeployId) -> Result<Vec<Event>, StoreError> {
        self.points.through("store.events", self.port.events(id)).await
    }

    async fn lock(&self, target: &Target) -> Result<Option<Lock>, StoreError> {
        self.points.through("store.lock", self.port.lock(target)).await
    }

    async fn owner(&self, pipeline: PipelineId) -> Result<Option<DeployId>, StoreError> {
        self.points.through("store.owner", self.port.owner(pipeline)).await
    }

    async fn by_short(&self, short: &ShortId) -> Result<Option<DeployId>, StoreError> {
        self.points.through("store.by_short", self.port.by_short(short)).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.points.through("store.commit", self.port.commit(commit)).await
    }

    async fn due(&self, now: Time, limit: usize) -> Result<Vec<Due>, StoreError> {
        self.points.through("store.due", self.port.due(now, limit)).await
    }
}

impl<P: Replies> Replies for Pointed<P> {
    async fn told_head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        self.points.through("replies.told_head", self.port.told_head(id)).await
    }

    async fn reply(&self, id: DeployId) -> Result<Option<Reply>, StoreError> {
        self.points.through("replies.reply", self.port.reply(id)).await
    }

    async fn save(&self, reply: Reply) -> Result<(), CommitError> {
        self.points.through("replies.save", self.port.save(reply)).await
    }
}

impl<P: Queue> Queue for Pointed<P> {
    async fn send(&self, lane: Lane, body: &Body, delay: Duration) -> Result<(), SendError> {
        self.points.through("queue.send", self.port.send(lane, body, delay)).await
    }

    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        self.points.through("queue.receive", self.port.receive(lane, max, visibility)).await
    }

    async fn delete(&self, lane: Lane, receipt: &Receipt) -> Result<(), QueueError> {
        self.points.through("queue.delete", self.port.delete(lane, receipt)).await
    }

    async fn release(
        &self,
        lane: Lane,
        receipt: &Receipt,
        delay: Duration,
    ) -> Result<(), QueueError> {
        self.points.through("queue.release", self.port.release(lane, receipt, delay)).await
    }
}

impl<P: Ci> Ci for Pointed<P> {
    async fn trigger(&self, trigger: &Trigger) -> Outcome {
        self.points.through("ci.trigger", self.port.trigger(trigger)).await
    }

    async fn search(&self, search: &Search) -> Result<Finding, CiError> {
        self.points.through("ci.search", self.port.search(search)).await
    }

    async fn look(&self, slug: &Slug, pipeline: PipelineId) -> Result<Look, CiError> {
        self.points.through("ci.look", self.port.look(slug, pipeline)).await
    }

    async fn cancel(&self, workflow: &str) -> Result<(), CiError> {
        self.points.through("ci.cancel", self.port.cancel(workflow)).await
    }
}

impl<P: Chat> Chat for Pointed<P> {
    async fn post(&self, to: &ResponseUrl, post: &Post) -> Posted {
        self.points.through("chat.post", self.port.post(to, post)).await
    }
}

impl<P: Secrets> Secrets for Pointed<P> {
    async fn get(&self, name: SecretName) -> Result<Versions, SecretsError> {
        self.points.through("secrets.get", self.port.get(name)).await
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretsError> {
        self.points.through("secrets.refresh", self.port.refresh(name)).await
    }
}
