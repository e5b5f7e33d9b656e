//! What is asked for. Everything fits into the two ledgers alike.

use chatops_core::command::Status;
use chatops_core::deploy::{Standing, State};
use chatops_core::name::{BranchName, JobName, ProjectName};
use chatops_core::ports::{Filter, People, Position};
use chrono::TimeDelta;

use super::generate::{NEVER, asked_at, branch, deploy, id, job, user};

/// One list.
pub(crate) struct Query {
    pub(crate) name: &'static str,
    pub(crate) filter: Filter,
    pub(crate) before: Option<Position>,
}

/// The lists that are asked of a ledger of `size` deploys.
pub(crate) fn queries(size: u32) -> Vec<Query> {
    let middle = size / 2;
    let query = |name, filter: &dyn Fn(&mut Filter)| {
        let mut query = Query {
            name,
            filter: Filter::default(),
            before: None,
        };
        filter(&mut query.filter);
        query
    };
    let person = |n| user(n).map(|id| People::Ids(vec![id]));
    let named = |n| Some(People::Name(format!("person.{n}")));
    let main = || BranchName::parse("main").ok();
    let named_job = |name| JobName::parse(name).ok();
    let project = |name| ProjectName::parse(name).ok();
    // One that this ledger has, be it ever so small.
    let rare = (0..size)
        .filter_map(|n| deploy(middle.saturating_sub(n) % size, size))
        .map(|commit| commit.head.ask.branch)
        .find(|branch| branch.as_str() != "main");
    let mut queries = vec![
        query("everything", &|_| {}),
        query("user", &|f| f.people = person(3)),
        query("user who deploys seldom", &|f| f.people = person(150)),
        query("two users", &|f| {
            f.people = Some(People::Ids(user(3).into_iter().chain(user(7)).collect()));
        }),
        query("user by name", &|f| f.people = named(3)),
        query("branch, rare", &|f| f.branch.clone_from(&rare)),
        query("branch, common", &|f| f.branch = main()),
        query("job", &|f| f.job = named_job("rollback")),
        query("project", &|f| f.project = project("billing")),
        query("status failed", &|f| {
            f.status = Some(Status::Standing(Standing::Failed));
        }),
        query("status open", &|f| {
            f.status = Some(Status::Standing(Standing::Open));
        }),
        query("status LOST_TRACK", &|f| {
            f.status = Some(Status::State(State::LostTrack));
        }),
        query("awaits retry", &|f| f.awaits_retry = true),
        query("user, branch, job, project, status", &|f| {
            f.people = person(0);
            f.branch = main();
            f.job = named_job("deploy");
            f.project = project("web");
            f.status = Some(Status::Standing(Standing::Succeeded));
        }),
        query("user, branch, job", &|f| {
            f.people = person(3);
            f.branch = main();
            f.job = named_job("test");
        }),
        query("never: a branch that is not there", &|f| {
            f.people = person(0);
            f.branch = branch(9_999);
        }),
        query("never: two common parts", &|f| {
            f.people = person(NEVER.0);
            f.job = job(NEVER.1);
        }),
        query("since 30 days", &|f| {
            f.since = Some(asked_at(size, size) - TimeDelta::days(30));
        }),
    ];
    queries.push(Query {
        before: Some(Position {
            asked_at: asked_at(middle, size),
            id: id(middle),
        }),
        ..query("a page in the middle", &|_| {})
    });
    queries.push(Query {
        before: Some(Position {
            asked_at: asked_at(middle, size),
            id: id(middle),
        }),
        ..query("user, a page in the middle", &|f| f.people = person(3))
    });
    queries
}
