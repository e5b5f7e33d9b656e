//! The queries.

use chatops_core::command::StatusFilter;
use chatops_core::deploy::{DeployOutcome, DeployState};
use chatops_core::name::{GitRef, JobName, ProjectName};
use chatops_core::ports::{DeployFilter, LedgerPosition, RequesterFilter};
use chrono::TimeDelta;

use super::generate::{
    NEVER_TOGETHER, branch_name, deploy_commit, deploy_id, job_name, requested_at, user_id,
};

/// One query.
pub(crate) struct BenchQuery {
    pub(crate) name: &'static str,
    pub(crate) filter: DeployFilter,
    pub(crate) before: Option<LedgerPosition>,
}

/// The queries for a ledger of `size` deploys.
pub(crate) fn bench_queries(size: u32) -> Vec<BenchQuery> {
    let middle = size / 2;
    let query = |name, set: &dyn Fn(&mut DeployFilter)| {
        let (mut filter, before) = (DeployFilter::default(), None);
        set(&mut filter);
        BenchQuery {
            name,
            filter,
            before,
        }
    };
    let status = |name, status| query(name, &move |f| f.status = Some(status));
    let before = Some(LedgerPosition {
        requested_at: requested_at(middle, size),
        id: deploy_id(middle),
    });
    let person = |n| user_id(n).map(|id| RequesterFilter::AnyWorkspace(vec![id]));
    let named = |n| Some(RequesterFilter::Name(format!("person.{n}")));
    let main = || GitRef::parse("main").ok();
    let named_job = |name| JobName::parse(name).ok();
    let project = |name| ProjectName::parse(name).ok();
    // A branch that the ledger has.
    let rare = (0..size)
        .filter_map(|n| deploy_commit(middle.saturating_sub(n) % size, size))
        .map(|commit| commit.record.request.git_ref)
        .find(|branch| branch.name() != "main");
    let mut queries = vec![
        query("everything", &|_| {}),
        query("user", &|f| f.requesters = person(3)),
        query("user with few deploys", &|f| f.requesters = person(150)),
        query("two users", &|f| {
            f.requesters = Some(RequesterFilter::AnyWorkspace(
                user_id(3).into_iter().chain(user_id(7)).collect(),
            ));
        }),
        query("user by name", &|f| f.requesters = named(3)),
        query("branch, rare", &|f| f.git_ref.clone_from(&rare)),
        query("branch, common", &|f| f.git_ref = main()),
        query("job", &|f| f.job = named_job("rollback")),
        query("project", &|f| f.project = project("billing")),
        status(
            "status failed",
            StatusFilter::Outcome(DeployOutcome::Failed),
        ),
        status(
            "status in progress",
            StatusFilter::Outcome(DeployOutcome::InProgress),
        ),
        status(
            "status LOST_TRACK",
            StatusFilter::State(DeployState::LostTrack),
        ),
        query("awaits retry", &|f| f.awaits_retry = true),
        query("user, branch, job, project, status", &|f| {
            f.requesters = person(0);
            f.git_ref = main();
            f.job = named_job("deploy");
            f.project = project("web");
            f.status = Some(StatusFilter::Outcome(DeployOutcome::Succeeded));
        }),
        query("user, branch, job", &|f| {
            f.requesters = person(3);
            f.git_ref = main();
            f.job = named_job("test");
        }),
        query("never: an unknown branch", &|f| {
            f.requesters = person(0);
            f.git_ref = branch_name(9_999);
        }),
        query("never: two common parts", &|f| {
            f.requesters = person(NEVER_TOGETHER.0);
            f.job = job_name(NEVER_TOGETHER.1);
        }),
        query("since 30 days", &|f| {
            f.since = Some(requested_at(size, size) - TimeDelta::days(30));
        }),
    ];
    for query in [
        query("a page in the middle", &|_| {}),
        query("user, a page in the middle", &|f| f.requesters = person(3)),
    ] {
        queries.push(BenchQuery { before, ..query });
    }
    queries
}
