//! Lists of deploys: the order, every filter, every page.

use std::cmp::Reverse;
use std::sync::Arc;

use chatops_core::command::Status;
use chatops_core::deploy::{Head, Standing, State};
use chatops_core::id::{DeployId, UserId};
use chatops_core::name::{BranchName, JobName, ProjectName};
use chatops_core::ports::{Commit, Filter, Page, People, Position, READS, Store};
use tokio::task::JoinSet;

use super::support::{Fixture, at, first, id, noted};
use crate::fixtures::suite;

suite![
    nothing_is_listed_at_first,
    the_newest_comes_first_and_ties_go_by_id,
    every_filter_finds_what_fits,
    every_limit_turns_the_pages,
    a_page_begins_behind_any_deploy,
    names_are_found_in_any_case,
    since_is_that_moment_or_later,
    a_list_follows_every_write,
    what_takes_too_many_reads_is_continued,
];

const BRANCHES: [&str; 4] = ["main", "release/1", "fix/a", "fix/b"];
const JOBS: [&str; 3] = ["deploy", "test", "rollback"];
const PROJECTS: [&str; 2] = ["web", "api"];
const NAMES: [&str; 4] = ["ana", "Ana", "Bo.B", "\u{c4}nne"];

/// The same numbers every time (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }

    /// One of these, or none.
    fn perhaps<'a>(&mut self, from: &[&'a str]) -> Option<&'a str> {
        from.get(self.below(from.len() + 1)).copied()
    }

    /// The commits of deploy `n`, whose state comes at once or with a second version.
    fn deploy(&mut self, n: u32) -> Vec<Commit> {
        let mut commit = first(n);
        let ask = &mut commit.head.ask;
        ask.user = user(self.below(5));
        ask.user_name = self.perhaps(&NAMES).map(str::to_owned);
        ask.branch = branch(BRANCHES[self.below(4)]);
        ask.job = job(JOBS[self.below(3)]);
        ask.project = self.perhaps(&PROJECTS).map(project);
        // Few moments, so that many deploys share one.
        ask.asked_at = at(i64::try_from(self.below(60)).unwrap());
        let mut next = noted(&commit.head, at(100));
        let last = if self.below(2) == 0 {
            &mut commit
        } else {
            &mut next
        };
        last.head.state = State::ALL[self.below(State::ALL.len())];
        last.head.retried_by = (self.below(3) == 0).then(|| id(n + 1_000_000));
        if next.head.state == State::Requested && next.head.retried_by.is_none() {
            return vec![commit];
        }
        vec![commit, next]
    }
}

pub(crate) fn user(n: usize) -> UserId {
    UserId::parse(&format!("U0{n}")).unwrap()
}

fn branch(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

pub(crate) fn job(name: &str) -> JobName {
    JobName::parse(name).unwrap()
}

fn project(name: &str) -> ProjectName {
    ProjectName::parse(name).unwrap()
}

/// How many writers there are at a time.
const WRITERS: usize = 100;

/// Commits all of these, each after the one before of its own list; many at a time.
pub(crate) async fn put<S: Store + 'static>(
    store: &Arc<S>,
    deploys: Vec<Vec<Commit>>,
) -> Vec<Head> {
    let (mut writers, mut heads) = (JoinSet::new(), Vec::with_capacity(deploys.len()));
    for commits in deploys {
        if writers.len() == WRITERS {
            heads.extend(writers.join_next().await.map(Result::unwrap));
        }
        let store = Arc::clone(store);
        writers.spawn(async move {
            let last = commits.last().unwrap().head.clone();
            for commit in commits {
                store.commit(commit).await.unwrap();
            }
            last
        });
    }
    heads.extend(writers.join_all().await);
    heads.sort_by_key(|head| Reverse(Position::of(head)));
    heads
}

/// A few hundred deploys of all kinds, newest first.
async fn ledger<S: Store + 'static>(store: &Arc<S>) -> Vec<Head> {
    let mut dice = Dice(7);
    put(store, (0..300).map(|n| dice.deploy(n)).collect()).await
}

pub(crate) fn fitting(heads: &[Head], filter: &Filter) -> Vec<DeployId> {
    let fitting = heads.iter().filter(|head| filter.fits(head));
    fitting.map(|head| head.id).collect()
}

pub(crate) fn ids(deploys: &[Head]) -> Vec<DeployId> {
    deploys.iter().map(|head| head.id).collect()
}

/// Where the next page begins, as whoever types `before:` names it.
async fn next<S: Store>(store: &S, page: &Page) -> Option<Position> {
    let more = page.more.as_ref()?;
    let id = store.by_short(&more.before).await.unwrap().unwrap();
    let head = store.head(id).await.unwrap().unwrap();
    assert_eq!(more.looked_back_to, head.ask.asked_at);
    Some(Position::of(&head))
}

/// Every page from the newest on.
async fn pages<S: Store>(store: &S, filter: &Filter, limit: usize) -> Vec<Page> {
    let (mut pages, mut before) = (Vec::<Page>::new(), None);
    loop {
        let page = store.list(filter, before, limit).await.unwrap();
        let place = next(store, &page).await;
        assert!(page.deploys.len() <= limit);
        if page.more.as_ref().is_some_and(|more| more.full) {
            assert_eq!(page.deploys.len(), limit);
        }
        if let (Some(place), Some(before)) = (place, before) {
            assert!(place < before, "a page gets on");
        }
        pages.push(page);
        before = place;
        if before.is_none() {
            return pages;
        }
    }
}

/// What all the pages show, in a ledger in which no page is cut short.
async fn shown<S: Store>(store: &S, filter: &Filter, limit: usize) -> Vec<DeployId> {
    let pages = pages(store, filter, limit).await;
    let mut full = pages.iter().filter_map(|page| page.more.as_ref());
    assert!(full.all(|more| more.full), "{filter:?}");
    let last = pages.last().unwrap();
    assert!(pages.len() == 1 || !last.deploys.is_empty(), "{filter:?}");
    pages.iter().flat_map(|page| ids(&page.deploys)).collect()
}

async fn nothing_is_listed_at_first<F: Fixture>(it: F) {
    let page = it.store().list(&Filter::default(), None, 20).await.unwrap();
    assert_eq!(page, Page::default());
}

async fn the_newest_comes_first_and_ties_go_by_id<F: Fixture>(it: F) {
    let store = it.store();
    let heads = ledger(&store).await;
    let ties = heads
        .windows(2)
        .filter(|two| two[0].ask.asked_at == two[1].ask.asked_at);
    assert!(ties.count() > 200);
    let page = store.list(&Filter::default(), None, 300).await.unwrap();
    assert_eq!(page.deploys, heads, "each as it stands");
    assert_eq!(page.more, None);
    let page = store.list(&Filter::default(), None, 299).await.unwrap();
    assert_eq!(page.deploys, heads[..299]);
    assert_eq!(next(&*store, &page).await, Some(Position::of(&heads[298])));
}

/// Sets one part of a filter.
type Part = Box<dyn Fn(&mut Filter)>;

/// Every combination of some values of every part.
fn filters() -> Vec<Filter> {
    let people = [
        None,
        Some(People::Ids(vec![])),
        Some(People::Ids(vec![user(1)])),
        Some(People::Ids(vec![user(3), user(1), user(3), user(9)])),
        Some(People::Name("ana".to_owned())),
    ];
    let statuses = [
        None,
        Some(Status::Standing(Standing::Failed)),
        Some(Status::Standing(Standing::Open)),
        Some(Status::State(State::TriggerFailed)),
        Some(Status::State(State::Succeeded)),
    ];
    let mut filters = vec![Filter::default()];
    let mut each = |parts: Vec<Part>| {
        filters = filters
            .iter()
            .flat_map(|filter| {
                parts.iter().map(|part| {
                    let mut filter = filter.clone();
                    part(&mut filter);
                    filter
                })
            })
            .collect();
    };
    let boxed = |part: Part| part;
    each(
        people
            .into_iter()
            .map(|p| boxed(Box::new(move |f| f.people.clone_from(&p))))
            .collect(),
    );
    each(
        [None, Some("main"), Some("gone")]
            .map(|b| boxed(Box::new(move |f| f.branch = b.map(branch))))
            .into(),
    );
    each(
        [None, Some("test")]
            .map(|j| boxed(Box::new(move |f| f.job = j.map(job))))
            .into(),
    );
    each(
        [None, Some("api")]
            .map(|p| boxed(Box::new(move |f| f.project = p.map(project))))
            .into(),
    );
    each(
        statuses
            .map(|s| boxed(Box::new(move |f| f.status = s)))
            .into(),
    );
    each(
        [false, true]
            .map(|a| boxed(Box::new(move |f| f.awaits_retry = a)))
            .into(),
    );
    each(
        [None, Some(at(30))]
            .map(|s| boxed(Box::new(move |f| f.since = s)))
            .into(),
    );
    filters
}

async fn every_filter_finds_what_fits<F: Fixture>(it: F) {
    let store = it.store();
    let heads = ledger(&store).await;
    let filters = filters();
    assert_eq!(filters.len(), 5 * 3 * 2 * 2 * 5 * 2 * 2);
    let mut found = 0;
    for filter in &filters {
        let expected = fitting(&heads, filter);
        found += usize::from(!expected.is_empty());
        assert_eq!(shown(&*store, filter, 20).await, expected, "{filter:?}");
    }
    assert!(found > 200, "{found} filters found anything");
}

async fn every_limit_turns_the_pages<F: Fixture>(it: F) {
    let store = it.store();
    let heads = ledger(&store).await;
    let by = |people| Filter {
        people: Some(people),
        ..Filter::default()
    };
    let filters = [
        Filter::default(),
        by(People::Ids(vec![user(1), user(2)])),
        Filter {
            branch: Some(branch("main")),
            status: Some(Status::Standing(Standing::Failed)),
            ..by(People::Name("ana".to_owned()))
        },
    ];
    for filter in filters {
        // One by one, in pairs, with a rest at the end, and as many as there can be.
        for limit in [1, 2, 7, 20] {
            assert_eq!(
                shown(&*store, &filter, limit).await,
                fitting(&heads, &filter),
                "{filter:?} by {limit}"
            );
        }
    }
}

async fn a_page_begins_behind_any_deploy<F: Fixture>(it: F) {
    let store = it.store();
    let heads = ledger(&store).await;
    let filter = Filter {
        branch: Some(branch("main")),
        ..Filter::default()
    };
    for (n, head) in heads.iter().enumerate() {
        let before = Some(Position::of(head));
        let page = store.list(&filter, before, 300).await.unwrap();
        assert_eq!(ids(&page.deploys), fitting(&heads[n + 1..], &filter));
        assert_eq!(page.more, None);
    }
}

async fn names_are_found_in_any_case<F: Fixture>(it: F) {
    let store = it.store();
    let heads = ledger(&store).await;
    for (wanted, known) in [
        ("ana", &["ana", "Ana"][..]),
        ("bo.b", &["Bo.B"]),
        ("\u{e4}nne", &["\u{c4}nne"]),
    ] {
        let filter = Filter {
            people: Some(People::Name(wanted.to_owned())),
            ..Filter::default()
        };
        let named = |head: &&Head| {
            known
                .iter()
                .any(|k| head.ask.user_name.as_deref() == Some(k))
        };
        let expected: Vec<_> = heads.iter().filter(named).cloned().collect();
        assert!(!expected.is_empty());
        let page = store.list(&filter, None, 300).await.unwrap();
        assert_eq!(page.deploys, expected, "{wanted}");
    }
}

async fn since_is_that_moment_or_later<F: Fixture>(it: F) {
    let store = it.store();
    let heads = ledger(&store).await;
    for second in [-1, 0, 30, 59, 60] {
        let filter = Filter {
            since: Some(at(second)),
            ..Filter::default()
        };
        let later = heads.iter().filter(|head| head.ask.asked_at >= at(second));
        let page = store.list(&filter, None, 300).await.unwrap();
        assert_eq!(page.deploys.len(), later.count(), "{second}");
    }
}

async fn a_list_follows_every_write<F: Fixture>(it: F) {
    let store = it.store();
    let mut head = put(&store, vec![vec![first(1)]]).await.remove(0);
    for state in State::ALL.into_iter().chain([State::Requested]) {
        let mut commit = noted(&head, at(1));
        commit.head.state = state;
        head = commit.head.clone();
        store.commit(commit).await.unwrap();
        for wanted in State::ALL {
            let filter = Filter {
                status: Some(Status::State(wanted)),
                ..Filter::default()
            };
            let page = store.list(&filter, None, 9).await.unwrap();
            assert_eq!(page.deploys.contains(&head), wanted == state);
        }
    }
}

/// Deploy `n`, asked for at its second.
pub(crate) fn asked(n: u32, who: usize, what: &str) -> Vec<Commit> {
    let mut commit = first(n);
    commit.open = None;
    commit.head.ask.user = user(who);
    commit.head.ask.job = job(what);
    commit.head.ask.asked_at = at(i64::from(n));
    vec![commit]
}

/// Both parts of the filter fit more deploys than a page reads, and together they fit two.
async fn what_takes_too_many_reads_is_continued<F: Fixture>(it: F) {
    let store = it.store();
    let many = u32::try_from(READS).unwrap() * 2 + 200;
    let fits = [1, many - 1];
    let deploy = |n: u32| match n {
        _ if fits.contains(&n) => asked(n, 1, "rollback"),
        _ if n.is_multiple_of(2) => asked(n, 1, "deploy"),
        _ => asked(n, 2, "rollback"),
    };
    put(&store, (0..many).map(deploy).collect()).await;
    let filter = Filter {
        people: Some(People::Ids(vec![user(1)])),
        job: Some(job("rollback")),
        ..Filter::default()
    };
    for limit in [1, 20] {
        let pages = pages(&*store, &filter, limit).await;
        let shown: Vec<_> = pages.iter().flat_map(|page| ids(&page.deploys)).collect();
        assert_eq!(shown, [id(many - 1), id(1)], "by {limit}");
        let more = pages[0].more.as_ref().unwrap();
        assert!(!more.full, "nobody can know at a bounded price");
        let looked = usize::try_from((at(i64::from(many)) - more.looked_back_to).num_seconds());
        assert!(looked.unwrap() >= READS, "it reads as far as it may");
        assert!(pages.len() <= 3, "{}", pages.len());
    }
}
