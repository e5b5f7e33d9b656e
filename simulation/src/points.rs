//! Crash points: each port call is two of them, before it takes effect and after.
//!
//! [`Pointed`] wraps a port; the inner ports answer at once, so a future that is pending has met a
//! point at which it crashes, and is dropped.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use chatops_core::Time;
use chatops_core::audit::Event;
use chatops_core::config::Slug;
use chatops_core::deploy::{Head, Pipeline, Target};
use chatops_core::id::{DeployId, PipelineId, ShortId};
use chatops_core::message::Body;
use chatops_core::ports::{
    Chat, Ci, CiError, Commit, CommitError, Delivery, Due, Filter, Finding, Lane, Lock, Look,
    Outcome, Page, Position, Queue, QueueError, Receipt, Replies, Search, SecretName, Secrets,
    SecretsError, SendError, Store, StoreError, To, Trigger, Versions,
};
use chatops_core::reply::{Posted, Reply};
use chatops_core::words::Post;

use crate::dice::{Dice, Fault};
use crate::outside::{ChatFault, CircleCi, ReadFault, Slack, TriggerFault};

/// The points a run passes, and what happens at them.
#[derive(Clone)]
pub struct Points(Arc<Mutex<Passed>>);

struct Passed {
    plan: Plan,
    names: Vec<(&'static str, &'static str)>,
    crashes: usize,
}

enum Plan {
    /// A handler runs in one go, and crashes at the points with these numbers.
    CrashAt(BTreeSet<usize>),
    /// A handler gives way at each point; the dice say which calls fail.
    GiveWay(Dice),
}

impl Points {
    /// Points of which those with these numbers (from 0, in the order they are passed) crash.
    #[must_use]
    pub fn crashing_at(points: impl IntoIterator<Item = usize>) -> Self {
        Self::planned(Plan::CrashAt(points.into_iter().collect()))
    }

    /// Points at which a scheduler decides who goes on, and calls that fail as the dice say.
    #[must_use]
    pub fn giving_way(dice: &Dice) -> Self {
        Self::planned(Plan::GiveWay(dice.clone()))
    }

    fn planned(plan: Plan) -> Self {
        Self(Arc::new(Mutex::new(Passed {
            plan,
            names: vec![],
            crashes: 0,
        })))
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

    /// Counts a crash: the scheduler has dropped a handler.
    pub fn crashed(&self) {
        self.lock().crashes += 1;
    }

    /// What the points were.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock()
            .names
            .iter()
            .map(|(side, name)| format!("{side} {name}"))
            .collect()
    }

    /// Whether a call fails in this way, now.
    #[must_use]
    pub fn fails(&self, fault: Fault) -> bool {
        match &self.lock().plan {
            Plan::CrashAt(_) => false,
            Plan::GiveWay(dice) => dice.fires(fault),
        }
    }

    async fn pass(&self, side: &'static str, name: &'static str) {
        let (gives_way, crashes) = {
            let mut passed = self.lock();
            let number = passed.names.len();
            passed.names.push((side, name));
            match &passed.plan {
                Plan::GiveWay(_) => (true, false),
                Plan::CrashAt(points) => {
                    let crashes = points.contains(&number);
                    passed.crashes += usize::from(crashes);
                    (false, crashes)
                }
            }
        };
        if gives_way {
            GiveWay(false).await;
        } else if crashes {
            std::future::pending::<()>().await;
        }
    }

    async fn through<T>(&self, name: &'static str, call: impl Future<Output = T>) -> T {
        self.pass("before", name).await;
        let answer = call.await;
        self.pass("after", name).await;
        answer
    }

    /// A call that may fail without effect, or lose its answer after the effect.
    async fn store<T, E: From<StoreError>>(
        &self,
        name: &'static str,
        before: Fault,
        after: Option<Fault>,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.pass("before", name).await;
        if self.fails(before) {
            return Err(StoreError("throttled".to_owned()).into());
        }
        let answer = call.await;
        let lost = after.is_some_and(|fault| answer.is_ok() && self.fails(fault));
        self.pass("after", name).await;
        if lost {
            Err(StoreError("the answer was lost".to_owned()).into())
        } else {
            answer
        }
    }
}

/// Pending once: the moment at which somebody else may go on.
struct GiveWay(bool);

impl Future for GiveWay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
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
        Self {
            port: Arc::clone(port),
            points: points.clone(),
        }
    }
}

impl<P: Store> Store for Pointed<P> {
    async fn head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        self.points
            .store("store.head", Fault::ReadFails, None, self.port.head(id))
            .await
    }

    async fn events(&self, id: DeployId) -> Result<Vec<Event>, StoreError> {
        self.points
            .store("store.events", Fault::ReadFails, None, self.port.events(id))
            .await
    }

    async fn lock(&self, target: &Target) -> Result<Option<Lock>, StoreError> {
        self.points
            .store("store.lock", Fault::ReadFails, None, self.port.lock(target))
            .await
    }

    async fn owner(&self, pipeline: PipelineId) -> Result<Option<DeployId>, StoreError> {
        self.points
            .store(
                "store.owner",
                Fault::ReadFails,
                None,
                self.port.owner(pipeline),
            )
            .await
    }

    async fn by_short(&self, short: &ShortId) -> Result<Option<DeployId>, StoreError> {
        self.points
            .store(
                "store.by_short",
                Fault::ReadFails,
                None,
                self.port.by_short(short),
            )
            .await
    }

    async fn list(
        &self,
        filter: &Filter,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.points
            .store(
                "store.list",
                Fault::ReadFails,
                None,
                self.port.list(filter, before, limit),
            )
            .await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let (before, after) = (Fault::WriteFails, Some(Fault::WriteAnswerLost));
        self.points
            .store("store.commit", before, after, self.port.commit(commit))
            .await
    }

    async fn due(&self, now: Time, limit: usize) -> Result<Vec<Due>, StoreError> {
        self.points
            .store(
                "store.due",
                Fault::ReadFails,
                None,
                self.port.due(now, limit),
            )
            .await
    }
}

impl<P: Replies> Replies for Pointed<P> {
    async fn told_head(&self, id: DeployId) -> Result<Option<Head>, StoreError> {
        self.points
            .store(
                "replies.head",
                Fault::ReadFails,
                None,
                self.port.told_head(id),
            )
            .await
    }

    async fn reply(&self, id: DeployId) -> Result<Option<Reply>, StoreError> {
        self.points
            .store("replies.reply", Fault::ReadFails, None, self.port.reply(id))
            .await
    }

    async fn save(&self, reply: Reply) -> Result<(), CommitError> {
        let (before, after) = (Fault::WriteFails, Some(Fault::WriteAnswerLost));
        self.points
            .store("replies.save", before, after, self.port.save(reply))
            .await
    }
}

impl<P: Queue> Queue for Pointed<P> {
    async fn send(&self, lane: Lane, body: &Body, delay: Duration) -> Result<(), SendError> {
        self.points.pass("before", "queue.send").await;
        if self.points.fails(Fault::SendFails) {
            return Err(SendError::NotSent("throttled".to_owned()));
        }
        let sent = self.port.send(lane, body, delay).await;
        let lost = sent.is_ok() && self.points.fails(Fault::SendAnswerLost);
        self.points.pass("after", "queue.send").await;
        if lost {
            Err(SendError::Unknown("the answer was lost".to_owned()))
        } else {
            sent
        }
    }

    async fn receive(
        &self,
        lane: Lane,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        self.port.receive(lane, max, visibility).await
    }

    async fn delete(&self, lane: Lane, receipt: &Receipt) -> Result<(), QueueError> {
        self.port.delete(lane, receipt).await
    }

    async fn release(
        &self,
        lane: Lane,
        receipt: &Receipt,
        delay: Duration,
    ) -> Result<(), QueueError> {
        self.port.release(lane, receipt, delay).await
    }
}

impl Ci for Pointed<CircleCi> {
    async fn trigger(&self, trigger: &Trigger) -> Outcome {
        self.points.pass("before", "ci.trigger").await;
        let fault = TRIGGER_FAULTS
            .into_iter()
            .find(|(fault, _)| self.points.fails(*fault));
        if let Some((_, fault)) = fault {
            self.port.fail_trigger(fault);
        }
        let outcome = self.port.trigger(trigger).await;
        self.points.pass("after", "ci.trigger").await;
        outcome
    }

    async fn search(&self, search: &Search) -> Result<Finding, CiError> {
        self.points.pass("before", "ci.search").await;
        self.fail_read();
        let found = self.port.search(search).await;
        self.points.pass("after", "ci.search").await;
        found
    }

    async fn look(&self, slug: &Slug, pipeline: &Pipeline) -> Result<Look, CiError> {
        self.points.pass("before", "ci.look").await;
        self.fail_read();
        let look = self.port.look(slug, pipeline).await;
        self.points.pass("after", "ci.look").await;
        look
    }

    async fn cancel(
        &self,
        slug: &Slug,
        pipeline: &Pipeline,
        workflow: &str,
    ) -> Result<(), CiError> {
        self.points
            .through("ci.cancel", self.port.cancel(slug, pipeline, workflow))
            .await
    }
}

/// The ways a POST fails; the answer that breaks off in the middle is as lost as one that never
/// came.
const TRIGGER_FAULTS: [(Fault, TriggerFault); 6] = [
    (Fault::TriggerNotSent, TriggerFault::NotSent),
    (
        Fault::TriggerLimited,
        TriggerFault::Limited(Some(Duration::from_secs(7))),
    ),
    (
        Fault::TriggerRefused,
        TriggerFault::Refused(404, "<!channel> not found"),
    ),
    (Fault::TriggerErrorBefore, TriggerFault::ErrorBefore),
    (Fault::TriggerErrorAfter, TriggerFault::ErrorAfter),
    (Fault::TriggerAnswerLost, TriggerFault::AnswerLost),
];

const POST_FAULTS: [(Fault, ChatFault); 4] = [
    (Fault::PostNotSent, ChatFault::NotSent),
    (
        Fault::PostLimited,
        ChatFault::Limited(Duration::from_secs(20)),
    ),
    (Fault::PostErrorBefore, ChatFault::ErrorBefore),
    (Fault::PostAnswerLost, ChatFault::AnswerLost),
];

impl Pointed<CircleCi> {
    fn fail_read(&self) {
        if self.points.fails(Fault::LookFails) {
            self.port.fail_read(ReadFault::Error);
        } else if self.points.fails(Fault::LookLimited) {
            self.port
                .fail_read(ReadFault::Limited(Duration::from_secs(30)));
        }
    }
}

impl Chat for Pointed<Slack> {
    async fn post(&self, to: &To, post: &Post) -> Posted {
        self.points.pass("before", "chat.post").await;
        let fault = POST_FAULTS
            .into_iter()
            .find(|(fault, _)| self.points.fails(*fault));
        if let Some((_, fault)) = fault {
            self.port.fail_post(fault);
        }
        let posted = self.port.post(to, post).await;
        self.points.pass("after", "chat.post").await;
        posted
    }
}

impl<P: Secrets> Secrets for Pointed<P> {
    async fn get(&self, name: SecretName) -> Result<Versions, SecretsError> {
        self.points
            .through("secrets.get", self.port.get(name))
            .await
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretsError> {
        self.points
            .through("secrets.refresh", self.port.refresh(name))
            .await
    }
}
