//! The ledgers that lists are read from: a few hundred deploys of all kinds, or as many as are asked for.
//! Nothing is listed here.

use std::cmp::Reverse;
use std::sync::Arc;

use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::{QualifiedUser, TeamId, UserId};
use chatops_core::name::{GitRef, JobName, ProjectName};
use chatops_core::ports::{Commit, Ledger, LedgerPosition};
use tokio::task::JoinSet;

use crate::suites::support::{at, first_commit, id, noted_commit};

const BRANCHES: [&str; 4] = ["main", "release/1", "fix/a", "fix/b"];
const JOBS: [&str; 3] = ["deploy", "test", "rollback"];
pub(super) const PROJECTS: [&str; 2] = ["web", "api"];
pub(super) const ENVIRONMENTS: [&str; 2] = ["production", "staging"];
const NAMES: [&str; 4] = ["ana", "Ana", "Bo.B", "\u{c4}nne"];

/// The same numbers every time (splitmix64).
struct ListingRng(u64);

impl ListingRng {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }

    /// One of these, or none.
    fn maybe_one<'a>(&mut self, from: &[&'a str]) -> Option<&'a str> {
        from.get(self.below(from.len() + 1)).copied()
    }

    /// The commits of deploy `n`, whose state comes at once or with a second version.
    fn deploy(&mut self, n: u32) -> Vec<Commit> {
        let mut commit = first_commit(n);
        let request = &mut commit.record.request;
        request.user = user(self.below(5));
        request.user_name = self.maybe_one(&NAMES).map(str::to_owned);
        request.git_ref = branch(BRANCHES[self.below(4)]);
        request.job = job(JOBS[self.below(3)]);
        request.project = self.maybe_one(&PROJECTS).map(project);
        request.team = TeamId::parse(["T01", "T02"][self.below(2)]).unwrap();
        request.environment = self.maybe_one(&ENVIRONMENTS).map(str::to_owned);
        // Few moments, so that many deploys share one.
        request.requested_at = at(i64::try_from(self.below(60)).unwrap());
        let mut next = noted_commit(&commit.record, at(100));
        let last = if self.below(2) == 0 {
            &mut commit
        } else {
            &mut next
        };
        last.record.state = DeployState::ALL[self.below(DeployState::ALL.len())];
        last.record.retried_by = (self.below(3) == 0).then(|| id(n + 1_000_000));
        if next.record.state == DeployState::Requested && next.record.retried_by.is_none() {
            return vec![commit];
        }
        vec![commit, next]
    }
}

/// The user `n` of a workspace.
pub fn qualified(team: &str, n: usize) -> QualifiedUser {
    let team = TeamId::parse(team).unwrap();
    QualifiedUser { team, id: user(n) }
}

pub(super) fn user(n: usize) -> UserId {
    UserId::parse(&format!("U0{n}")).unwrap()
}

pub(super) fn branch(name: &str) -> GitRef {
    GitRef::parse(name).unwrap()
}

pub fn job(name: &str) -> JobName {
    JobName::parse(name).unwrap()
}

pub(super) fn project(name: &str) -> ProjectName {
    ProjectName::parse(name).unwrap()
}

/// Deploy `n`, requested at its second.
pub fn requested(n: u32, who: usize, what: &str) -> Vec<Commit> {
    let mut commit = first_commit(n);
    commit.open_notifications = None;
    commit.record.request.user = user(who);
    commit.record.request.job = job(what);
    commit.record.request.requested_at = at(i64::from(n));
    vec![commit]
}

/// How many writers there are at a time.
const WRITERS: usize = 100;

/// Commits all of these, each after the one before of its own list; many at a time.
pub async fn put_commits<S: Ledger + 'static>(
    store: &Arc<S>,
    deploys: Vec<Vec<Commit>>,
) -> Vec<DeployRecord> {
    let (mut writers, mut records) = (JoinSet::new(), Vec::with_capacity(deploys.len()));
    for commits in deploys {
        if writers.len() == WRITERS {
            records.extend(writers.join_next().await.map(Result::unwrap));
        }
        let store = Arc::clone(store);
        writers.spawn(async move {
            let last = commits.last().unwrap().record.clone();
            for commit in commits {
                store.commit(commit).await.unwrap();
            }
            last
        });
    }
    records.extend(writers.join_all().await);
    records.sort_by_key(|record| Reverse(LedgerPosition::of(record)));
    records
}

/// A few hundred deploys of all kinds, newest first.
pub(super) async fn ledger<S: Ledger + 'static>(store: &Arc<S>) -> Vec<DeployRecord> {
    let mut rng = ListingRng(7);
    put_commits(store, (0..300).map(|n| rng.deploy(n)).collect()).await
}
