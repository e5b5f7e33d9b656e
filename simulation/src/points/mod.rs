//! Crash points: each port call is two of them, before it takes effect and after.
//!
//! [`Pointed`] wraps a port; the inner ports answer at once, so a future that is pending has met a
//! point at which it crashes, and is dropped.

mod ports;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use chatops_core::ports::StoreError;

use crate::dice::{Dice, Fault};

/// The points a run passes, and what happens at them.
#[derive(Clone)]
pub struct Points(Arc<Mutex<Passed>>);

struct Passed {
    plan: Plan,
    names: Vec<(&'static str, &'static str)>,
    crashes: usize,
    /// The faults that could have struck, in order, where it runs on AWS and they are placed.
    asked: Vec<(Fault, usize)>,
}

enum Plan {
    /// A handler runs in one go, and crashes at the points with these numbers; the questions with
    /// the other numbers, whether a fault of the ports strikes, are answered with yes.
    At(BTreeSet<usize>, Option<BTreeSet<usize>>),
    /// A handler gives way at each point; the dice say which calls fail.
    GiveWay(Dice),
}

impl Points {
    /// Points of which those with these numbers (from 0, in the order they are passed) crash.
    #[must_use]
    pub fn crashing_at(points: impl IntoIterator<Item = usize>) -> Self {
        Self::planned(Plan::At(points.into_iter().collect(), None))
    }

    /// Points on AWS of which some crash, and where some of the faults strike that could (by their
    /// numbers, from 0, in the order in which they could).
    #[must_use]
    pub fn struck_at(
        points: impl IntoIterator<Item = usize>,
        faults: impl IntoIterator<Item = usize>,
    ) -> Self {
        let faults = faults.into_iter().collect();
        Self::planned(Plan::At(points.into_iter().collect(), Some(faults)))
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
            asked: vec![],
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

    /// How many crashes have happened, and how many placed faults have struck.
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
        let passed = &mut *self.lock();
        match &passed.plan {
            Plan::At(_, Some(faults)) if fault.is_of_the_ports() => {
                let strikes = faults.contains(&passed.asked.len());
                passed.asked.push((fault, passed.names.len()));
                passed.crashes += usize::from(strikes);
                strikes
            }
            Plan::At(..) => false,
            Plan::GiveWay(dice) => dice.fires(fault),
        }
    }

    /// The faults that could have struck, in order, each with the number of the point that comes
    /// after it.
    #[must_use]
    pub fn asked(&self) -> Vec<(Fault, usize)> {
        self.lock().asked.clone()
    }

    /// The placed faults that have struck, and after which point.
    #[must_use]
    pub fn struck(&self) -> Vec<(Fault, usize)> {
        let passed = self.lock();
        let Plan::At(_, Some(faults)) = &passed.plan else {
            return vec![];
        };
        let asked = faults.iter().filter_map(|at| passed.asked.get(*at));
        asked.copied().collect()
    }

    /// Whether it runs on AWS.
    #[must_use]
    pub fn cloud(&self) -> bool {
        match &self.lock().plan {
            Plan::At(_, faults) => faults.is_some(),
            Plan::GiveWay(dice) => dice.cloud(),
        }
    }

    /// Whether faults are placed rather than thrown.
    #[must_use]
    pub fn placed(&self) -> bool {
        matches!(&self.lock().plan, Plan::At(..))
    }

    /// A number below `limit`: the dice's, or 0.
    #[must_use]
    pub fn below(&self, limit: usize) -> usize {
        match &self.lock().plan {
            Plan::At(..) => 0,
            Plan::GiveWay(dice) => dice.below(limit),
        }
    }

    pub(crate) async fn pass(&self, side: &'static str, name: &'static str) {
        let (gives_way, crashes) = {
            let mut passed = self.lock();
            let number = passed.names.len();
            passed.names.push((side, name));
            match &passed.plan {
                Plan::GiveWay(_) => (true, false),
                Plan::At(points, _) => {
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
