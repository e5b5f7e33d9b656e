//! Crash points: each port call is two of them, before it takes effect and after.
//!
//! The world answers at once, so a future that is pending is at a point at which it crashes, and is
//! dropped.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use chatops_core::ports::{LedgerError, PortErrorKind};

use crate::fault_injector::{FaultInjector, FaultKind};
use chatops_testkit::memory::lock_mutex;

/// The point before a call takes effect.
pub(crate) const BEFORE: &str = "before";

/// The point after it has.
pub(crate) const AFTER: &str = "after";

/// The points a run passes, and what happens at them.
#[derive(Debug, Clone)]
pub struct CrashPoints(Arc<Mutex<PassedPoints>>);

#[derive(Debug)]
struct PassedPoints {
    plan: CrashPlan,
    names: Vec<(&'static str, &'static str)>,
    /// The points that are the first of their handler's run.
    first_of_run: BTreeSet<usize>,
    crash_count: usize,
    /// The faults that could have struck, in order, where they are placed.
    possible: Vec<(FaultKind, usize)>,
}

#[derive(Debug)]
enum CrashPlan {
    /// A handler runs in one go and crashes at the points with these numbers; of the faults of the
    /// ports that could strike, those with the other numbers do.
    At(BTreeSet<usize>, Option<BTreeSet<usize>>),
    /// A handler gives way at each point; the injector says which calls fail.
    Yield(FaultInjector),
}

impl CrashPoints {
    /// Points of which those with these numbers (from 0, in the order they are passed) crash.
    #[must_use]
    pub fn crash_at(points: &[usize]) -> Self {
        Self::with_plan(CrashPlan::At(points.iter().copied().collect(), None))
    }

    /// Points on AWS of which some crash, and where some of the faults strike that could (by their
    /// numbers, from 0, in the order in which they could).
    #[must_use]
    pub fn crash_and_fail_at(points: &[usize], faults: &[usize]) -> Self {
        let [points, faults] = [points, faults].map(|at| at.iter().copied().collect());
        Self::with_plan(CrashPlan::At(points, Some(faults)))
    }

    /// Points at which a scheduler decides who continues, and calls that fail as the injector says.
    #[must_use]
    pub fn yielding(injector: &FaultInjector) -> Self {
        Self::with_plan(CrashPlan::Yield(injector.clone()))
    }

    fn with_plan(plan: CrashPlan) -> Self {
        Self(Arc::new(Mutex::new(PassedPoints {
            plan,
            names: vec![],
            first_of_run: BTreeSet::new(),
            crash_count: 0,
            possible: vec![],
        })))
    }

    /// How many points have been passed.
    #[must_use]
    pub fn passed_count(&self) -> usize {
        lock_mutex(&self.0).names.len()
    }

    /// The points from this one on at which a crash has an effect of its own, in order. Nothing
    /// happens between a call and the next one of the same run, so a crash before the next one is the
    /// crash after the last.
    #[must_use]
    pub fn distinct_points(&self, from: usize) -> Vec<usize> {
        let passed = lock_mutex(&self.0);
        let repeats = |at: usize| {
            let side = |at: usize| passed.names.get(at).map(|(side, _)| *side);
            !passed.first_of_run.contains(&at)
                && side(at) == Some(BEFORE)
                && at.checked_sub(1).and_then(side) == Some(AFTER)
        };
        let points = from..passed.names.len();
        points.filter(|at| !repeats(*at)).collect()
    }

    /// Another run of a handler begins.
    pub(crate) fn begin_run(&self) {
        let mut passed = lock_mutex(&self.0);
        let next = passed.names.len();
        passed.first_of_run.insert(next);
    }

    /// How many crashes have happened, and how many placed faults have struck.
    #[must_use]
    pub fn crash_count(&self) -> usize {
        lock_mutex(&self.0).crash_count
    }

    /// Whether a fault has struck.
    #[must_use]
    pub fn has_struck(&self, fault: FaultKind) -> bool {
        let passed = lock_mutex(&self.0);
        match &passed.plan {
            CrashPlan::At(_, Some(faults)) => {
                let placed = faults.iter().filter_map(|at| passed.possible.get(*at));
                placed.into_iter().any(|(kind, _)| *kind == fault)
            }
            CrashPlan::At(_, None) => false,
            CrashPlan::Yield(injector) => injector.injected().contains(&fault),
        }
    }

    /// Counts a crash: the scheduler has dropped a handler.
    pub fn count_crash(&self) {
        lock_mutex(&self.0).crash_count += 1;
    }

    /// What the points were.
    #[must_use]
    pub fn point_names(&self) -> Vec<String> {
        let passed = lock_mutex(&self.0);
        let names = passed.names.iter();
        names.map(|(side, name)| format!("{side} {name}")).collect()
    }

    /// Whether a call fails in this way, now.
    #[must_use]
    pub fn should_fail(&self, fault: FaultKind) -> bool {
        let passed = &mut *lock_mutex(&self.0);
        match &passed.plan {
            CrashPlan::At(_, Some(faults)) if fault.is_port_fault() => {
                let strikes = faults.contains(&passed.possible.len());
                passed.possible.push((fault, passed.names.len()));
                passed.crash_count += usize::from(strikes);
                strikes
            }
            CrashPlan::At(..) => false,
            CrashPlan::Yield(injector) => injector.should_inject(fault),
        }
    }

    /// The faults that could have struck, in order, each with the number of the point that comes
    /// after it.
    #[must_use]
    pub fn possible_faults(&self) -> Vec<(FaultKind, usize)> {
        lock_mutex(&self.0).possible.clone()
    }

    /// The placed faults that have struck, and after which point.
    #[must_use]
    pub fn struck_faults(&self) -> Vec<(FaultKind, usize)> {
        let passed = lock_mutex(&self.0);
        let CrashPlan::At(_, Some(faults)) = &passed.plan else {
            return vec![];
        };
        let struck = faults.iter().filter_map(|at| passed.possible.get(*at));
        struck.copied().collect()
    }

    /// Whether it runs on AWS.
    #[must_use]
    pub fn is_on_aws(&self) -> bool {
        match &lock_mutex(&self.0).plan {
            CrashPlan::At(_, faults) => faults.is_some(),
            CrashPlan::Yield(injector) => injector.is_on_aws(),
        }
    }

    /// Whether faults are placed rather than random.
    #[must_use]
    pub fn has_placed_faults(&self) -> bool {
        matches!(&lock_mutex(&self.0).plan, CrashPlan::At(..))
    }

    /// A number below `limit`: the injector's, or 0.
    #[must_use]
    pub fn below(&self, limit: usize) -> usize {
        match &lock_mutex(&self.0).plan {
            CrashPlan::At(..) => 0,
            CrashPlan::Yield(injector) => injector.below(limit),
        }
    }

    pub(crate) async fn pass(&self, side: &'static str, name: &'static str) {
        let (gives_way, crashes) = {
            let mut passed = lock_mutex(&self.0);
            let number = passed.names.len();
            passed.names.push((side, name));
            match &passed.plan {
                CrashPlan::Yield(_) => (true, false),
                CrashPlan::At(points, _) => {
                    let crashes = points.contains(&number);
                    passed.crash_count += usize::from(crashes);
                    (false, crashes)
                }
            }
        };
        if gives_way {
            YieldOnce(false).await;
        } else if crashes {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) async fn call_through<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = T>,
    ) -> T {
        self.pass(BEFORE, name).await;
        let answer = call.await;
        self.pass(AFTER, name).await;
        answer
    }

    /// A call that may fail without effect, or lose its answer after the effect.
    pub(crate) async fn call_ledger<T, E: From<LedgerError>>(
        &self,
        name: &'static str,
        before: FaultKind,
        after: Option<FaultKind>,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.pass(BEFORE, name).await;
        if self.should_fail(before) {
            return Err(unavailable("throttled").into());
        }
        let answer = call.await;
        let lost = after.is_some_and(|fault| answer.is_ok() && self.should_fail(fault));
        self.pass(AFTER, name).await;
        if lost {
            Err(unavailable("the answer was lost").into())
        } else {
            answer
        }
    }
}

/// The ledger does not work now.
pub(crate) fn unavailable(why: &str) -> LedgerError {
    LedgerError::new(PortErrorKind::Unavailable, why)
}

/// Pending once: the moment at which another handler may continue.
struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
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
