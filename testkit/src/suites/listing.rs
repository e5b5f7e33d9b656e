//! Lists of deploys: the order, every filter, every page.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use chatops_core::command::StatusFilter;
use chatops_core::deploy::{DeployOutcome, DeployRecord, DeployState};
use chatops_core::id::{DeployId, QualifiedUser, TeamId, UserId};
use chatops_core::name::{BranchName, JobName, ProjectName};
use chatops_core::ports::{
    Commit, DeployFilter, DeployPage, DeployReader, Ledger, LedgerPosition, PAGE_READ_LIMIT,
    RequesterFilter,
};
use tokio::task::JoinSet;

use super::support::{PortFixture, StoreExt, at, first_commit, first_page, id, noted_commit};
use crate::suites::suite;

suite! { $ listing_checks:
    nothing_is_listed_at_first,
    the_newest_comes_first_and_ties_go_by_id,
    every_filter_finds_what_fits,
    every_limit_turns_the_pages,
    a_page_begins_behind_any_deploy,
    names_are_found_in_any_case,
    a_user_is_told_apart_by_workspace,
    an_environment_lists_its_own_deploys,
    since_is_that_moment_or_later,
    a_list_follows_every_write,
    what_takes_too_many_reads_is_continued,
    what_may_not_be_read_is_not_listed,
    every_page_ends_at_a_deploy_that_may_be_read,
}

const BRANCHES: [&str; 4] = ["main", "release/1", "fix/a", "fix/b"];
const JOBS: [&str; 3] = ["deploy", "test", "rollback"];
const PROJECTS: [&str; 2] = ["web", "api"];
const ENVIRONMENTS: [&str; 2] = ["production", "staging"];
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
        request.branch = branch(BRANCHES[self.below(4)]);
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

fn by(requesters: RequesterFilter) -> DeployFilter {
    DeployFilter {
        requesters: Some(requesters),
        ..DeployFilter::default()
    }
}

/// The user `n` of a workspace.
pub fn qualified(team: &str, n: usize) -> QualifiedUser {
    let team = TeamId::parse(team).unwrap();
    QualifiedUser { team, id: user(n) }
}

pub fn user(n: usize) -> UserId {
    UserId::parse(&format!("U0{n}")).unwrap()
}

fn branch(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

pub fn job(name: &str) -> JobName {
    JobName::parse(name).unwrap()
}

fn project(name: &str) -> ProjectName {
    ProjectName::parse(name).unwrap()
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
async fn ledger<S: Ledger + 'static>(store: &Arc<S>) -> Vec<DeployRecord> {
    let mut rng = ListingRng(7);
    put_commits(store, (0..300).map(|n| rng.deploy(n)).collect()).await
}

pub fn fitting(records: &[DeployRecord], filter: &DeployFilter) -> Vec<DeployId> {
    let fitting = records.iter().filter(|record| filter.matches(record));
    fitting.map(|record| record.id).collect()
}

pub fn ids(deploys: &[DeployRecord]) -> Vec<DeployId> {
    deploys.iter().map(|record| record.id).collect()
}

/// Where the next page begins, as `before:` names it.
async fn next_position<R: DeployReader>(reader: &R, page: &DeployPage) -> Option<LedgerPosition> {
    let more = page.more.as_ref()?;
    let id = reader
        .find_by_short_id(&more.before)
        .await
        .unwrap()
        .unwrap();
    let record = reader.read_deploy(id).await.unwrap().unwrap();
    assert_eq!(more.read_back_to, record.request.requested_at);
    Some(LedgerPosition::of(&record))
}

/// Every page from the newest on.
async fn pages<R: DeployReader>(
    reader: &R,
    filter: &DeployFilter,
    limit: usize,
) -> Vec<DeployPage> {
    let (mut pages, mut before) = (Vec::<DeployPage>::new(), None);
    loop {
        let page = reader.list_deploys(filter, before, limit).await.unwrap();
        let next = next_position(reader, &page).await;
        assert!(page.deploys.len() <= limit);
        if page.more.as_ref().is_some_and(|more| more.full) {
            assert_eq!(page.deploys.len(), limit);
        }
        let older = before.is_none_or(|before| next.is_none_or(|next| next < before));
        assert!(older, "a page goes on");
        pages.push(page);
        before = next;
        if before.is_none() {
            return pages;
        }
    }
}

/// What all the pages show, in a ledger in which no page is cut short.
async fn listed_ids<R: DeployReader>(
    reader: &R,
    filter: &DeployFilter,
    limit: usize,
) -> Vec<DeployId> {
    let pages = pages(reader, filter, limit).await;
    let mut full = pages.iter().filter_map(|page| page.more.as_ref());
    assert!(full.all(|more| more.full), "{filter:?}");
    let last = pages.last().unwrap();
    assert!(pages.len() == 1 || !last.deploys.is_empty(), "{filter:?}");
    pages.iter().flat_map(|page| ids(&page.deploys)).collect()
}

/// The reader of these projects.
fn readable(names: &[&str]) -> BTreeSet<ProjectName> {
    names.iter().map(|name| project(name)).collect()
}

/// The filter lists the records that fit, and there are some.
async fn assert_lists<R: DeployReader>(
    reader: &R,
    filter: &DeployFilter,
    records: &[DeployRecord],
    fits: impl Fn(&DeployRecord) -> bool,
) {
    let expected: Vec<_> = records.iter().filter(|one| fits(one)).cloned().collect();
    assert!(!expected.is_empty(), "{filter:?}");
    let page = first_page(reader, filter, 300).await;
    assert_eq!(page.deploys, expected, "{filter:?}");
}

pub async fn nothing_is_listed_at_first<F: PortFixture>(it: F) {
    let page = first_page(&*it.reader(), &DeployFilter::default(), 20).await;
    assert_eq!(page, DeployPage::default());
}

pub async fn the_newest_comes_first_and_ties_go_by_id<F: PortFixture>(it: F) {
    let (store, reader) = (it.store(), it.reader());
    let records = ledger(&store).await;
    let requested_at = |record: &DeployRecord| record.request.requested_at;
    let tie = |two: &&[DeployRecord]| requested_at(&two[0]) == requested_at(&two[1]);
    assert!(records.windows(2).filter(tie).count() > 200);
    let all = DeployFilter::default();
    let page = first_page(&*reader, &all, 300).await;
    assert_eq!(page.deploys, records, "each as it stands");
    assert_eq!(page.more, None);
    let page = first_page(&*reader, &all, 299).await;
    assert_eq!(page.deploys, records[..299]);
    let next = next_position(&*reader, &page).await;
    assert_eq!(next, Some(LedgerPosition::of(&records[298])));
}

/// Each filter with each of these values.
fn each<T: Clone>(
    filters: &[DeployFilter],
    values: &[T],
    set: impl Fn(&mut DeployFilter, T),
) -> Vec<DeployFilter> {
    let with = |filter: &DeployFilter, value: &T| {
        let mut filter = filter.clone();
        set(&mut filter, value.clone());
        filter
    };
    let with = &with;
    let each = |filter| values.iter().map(move |value| with(filter, value));
    filters.iter().flat_map(each).collect()
}

/// Every combination of some values of every part.
fn filters() -> Vec<DeployFilter> {
    let (one, three) = (qualified("T01", 1), qualified("T02", 3));
    let anywhere = [3, 1, 3, 9].map(user).to_vec();
    let requesters = [
        None,
        Some(RequesterFilter::Users(vec![])),
        Some(RequesterFilter::Users(vec![three.clone(), one, three])),
        Some(RequesterFilter::AnyWorkspace(anywhere)),
        Some(RequesterFilter::Name("ana".to_owned())),
    ];
    let statuses = [
        None,
        Some(StatusFilter::Outcome(DeployOutcome::Failed)),
        Some(StatusFilter::Outcome(DeployOutcome::InProgress)),
        Some(StatusFilter::State(DeployState::TriggerFailed)),
        Some(StatusFilter::State(DeployState::Succeeded)),
    ];
    let environments = [None, Some("production")];
    let branches = [None, Some("main"), Some("gone")];
    let all = [DeployFilter::default()];
    let all = each(&all, &requesters, |f, r| f.requesters = r);
    let all = each(&all, &environments, |f, e| {
        f.environment = e.map(str::to_owned);
    });
    let all = each(&all, &branches, |f, b| f.branch = b.map(branch));
    let all = each(&all, &[None, Some("test")], |f, j| f.job = j.map(job));
    let all = each(&all, &[None, Some("api")], |f, p| {
        f.project = p.map(project);
    });
    let all = each(&all, &statuses, |f, s| f.status = s);
    let all = each(&all, &[false, true], |f, a| f.awaits_retry = a);
    each(&all, &[None, Some(at(30))], |f, s| f.since = s)
}

pub async fn every_filter_finds_what_fits<F: PortFixture>(it: F) {
    let (store, reader) = (it.store(), it.reader());
    let records = ledger(&store).await;
    let filters = filters();
    assert_eq!(filters.len(), 5 * 2 * 3 * 2 * 2 * 5 * 2 * 2);
    let mut found = 0;
    for filter in filters.iter().step_by(F::FILTER_STEP) {
        let expected = fitting(&records, filter);
        found += usize::from(!expected.is_empty());
        let listed = listed_ids(&*reader, filter, 20).await;
        assert_eq!(listed, expected, "{filter:?}");
    }
    let least = 200 / F::FILTER_STEP;
    assert!(found > least, "{found} filters found anything");
}

pub async fn every_limit_turns_the_pages<F: PortFixture>(it: F) {
    let (store, reader) = (it.store(), it.reader());
    let records = ledger(&store).await;
    let two = [1, 2].map(|n| qualified("T01", n)).to_vec();
    let filters = [
        DeployFilter::default(),
        by(RequesterFilter::Users(two)),
        DeployFilter {
            branch: Some(branch("main")),
            status: Some(StatusFilter::Outcome(DeployOutcome::Failed)),
            ..by(RequesterFilter::Name("ana".to_owned()))
        },
    ];
    for filter in filters {
        // One by one, in pairs, with a rest at the end, and as many as there can be.
        for limit in [1, 2, 7, 20] {
            let listed = listed_ids(&*reader, &filter, limit).await;
            assert_eq!(listed, fitting(&records, &filter), "{filter:?} by {limit}");
        }
    }
}

pub async fn a_page_begins_behind_any_deploy<F: PortFixture>(it: F) {
    let (store, reader) = (it.store(), it.reader());
    let records = ledger(&store).await;
    let filter = DeployFilter {
        branch: Some(branch("main")),
        ..DeployFilter::default()
    };
    for (n, record) in records.iter().enumerate() {
        let before = Some(LedgerPosition::of(record));
        let page = reader.list_deploys(&filter, before, 300).await.unwrap();
        assert_eq!(ids(&page.deploys), fitting(&records[n + 1..], &filter));
        assert_eq!(page.more, None);
    }
}

pub async fn names_are_found_in_any_case<F: PortFixture>(it: F) {
    let (store, reader) = (it.store(), it.reader());
    let records = ledger(&store).await;
    for (wanted, known) in [
        ("ana", &["ana", "Ana"][..]),
        ("bo.b", &["Bo.B"]),
        ("\u{e4}nne", &["\u{c4}nne"]),
    ] {
        let filter = by(RequesterFilter::Name(wanted.to_owned()));
        let named = |record: &DeployRecord| {
            let name = record.request.user_name.as_deref();
            name.is_some_and(|name| known.contains(&name))
        };
        assert_lists(&*reader, &filter, &records, named).await;
    }
}

/// Slack's user ids are unique within a workspace only.
pub async fn a_user_is_told_apart_by_workspace<F: PortFixture>(it: F) {
    let (store, reader) = (it.store(), it.reader());
    let records = ledger(&store).await;
    let is = |record: &DeployRecord, who: &QualifiedUser| record.request.qualified_user() == *who;
    let (here, there) = (qualified("T01", 1), qualified("T02", 1));
    for (users, one, other) in [
        (vec![here.clone()], &here, &here),
        (vec![there.clone()], &there, &there),
        (vec![there.clone(), here.clone()], &here, &there),
    ] {
        let filter = by(RequesterFilter::Users(users));
        let fits = |record: &DeployRecord| is(record, one) || is(record, other);
        assert_lists(&*reader, &filter, &records, fits).await;
    }
    let nobody = by(RequesterFilter::Users(vec![qualified("T03", 1)]));
    assert_eq!(
        first_page(&*reader, &nobody, 300).await,
        DeployPage::default()
    );
    let filter = by(RequesterFilter::AnyWorkspace(vec![user(1)]));
    let fits = |record: &DeployRecord| is(record, &here) || is(record, &there);
    assert_lists(&*reader, &filter, &records, fits).await;
}

pub async fn an_environment_lists_its_own_deploys<F: PortFixture>(it: F) {
    let (store, reader) = (it.store(), it.reader());
    let records = ledger(&store).await;
    for name in ENVIRONMENTS {
        let filter = DeployFilter {
            environment: Some(name.to_owned()),
            ..DeployFilter::default()
        };
        let fits = |record: &DeployRecord| record.request.environment.as_deref() == Some(name);
        assert_lists(&*reader, &filter, &records, fits).await;
    }
}

pub async fn since_is_that_moment_or_later<F: PortFixture>(it: F) {
    let (store, reader) = (it.store(), it.reader());
    let records = ledger(&store).await;
    for second in [-1, 0, 30, 59, 60] {
        let filter = DeployFilter {
            since: Some(at(second)),
            ..DeployFilter::default()
        };
        let later = |record: &&DeployRecord| record.request.requested_at >= at(second);
        let page = first_page(&*reader, &filter, 300).await;
        let later = records.iter().filter(later).count();
        assert_eq!(page.deploys.len(), later, "{second}");
    }
}

pub async fn a_list_follows_every_write<F: PortFixture>(it: F) {
    let (store, reader) = (it.store(), it.reader());
    let mut record = store.begin(1).await;
    for state in DeployState::ALL.into_iter().chain([DeployState::Requested]) {
        let mut commit = noted_commit(&record, at(1));
        commit.record.state = state;
        record = store.put(commit).await;
        for wanted in DeployState::ALL {
            let filter = DeployFilter {
                status: Some(StatusFilter::State(wanted)),
                ..DeployFilter::default()
            };
            let page = first_page(&*reader, &filter, 9).await;
            assert_eq!(page.deploys.contains(&record), wanted == state);
        }
    }
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

/// Both parts of the filter fit more deploys than a page reads, and together they fit two.
pub async fn what_takes_too_many_reads_is_continued<F: PortFixture>(it: F) {
    let (store, reader) = (it.store(), it.reader());
    let many = u32::try_from(PAGE_READ_LIMIT).unwrap() * 2 + 200;
    let fits = [1, many - 1];
    let deploy = |n: u32| match n {
        _ if fits.contains(&n) => requested(n, 1, "rollback"),
        _ if n.is_multiple_of(2) => requested(n, 1, "deploy"),
        _ => requested(n, 2, "rollback"),
    };
    put_commits(&store, (0..many).map(deploy).collect()).await;
    let filter = DeployFilter {
        job: Some(job("rollback")),
        ..by(RequesterFilter::Users(vec![qualified("T01", 1)]))
    };
    for limit in [1, 20] {
        let pages = pages(&*reader, &filter, limit).await;
        let shown: Vec<_> = pages.iter().flat_map(|page| ids(&page.deploys)).collect();
        assert_eq!(shown, [id(many - 1), id(1)], "by {limit}");
        let more = pages[0].more.as_ref().unwrap();
        assert!(!more.full, "nobody can know at a bounded price");
        let read_back = usize::try_from((at(i64::from(many)) - more.read_back_to).num_seconds());
        assert!(
            read_back.unwrap() >= PAGE_READ_LIMIT,
            "it reads as far as it may"
        );
        assert!(pages.len() <= 3, "{}", pages.len());
    }
}

pub async fn what_may_not_be_read_is_not_listed<F: PortFixture>(it: F) {
    let (store, reader) = (it.store(), it.reader());
    let records = ledger(&store).await;
    let many: Vec<String> = (0..40).map(|n| format!("other-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).chain(["api"]).collect();
    for names in [&[][..], &["web"], &["api", "web"], &["gone"], &many] {
        let mut listed_any = false;
        for filter in filters().into_iter().step_by(F::FILTER_STEP) {
            let filter = DeployFilter {
                readable: Some(readable(names)),
                ..filter
            };
            // Every project but these is hidden, and so is what names none.
            let visible = |record: &&DeployRecord| {
                let name = record.request.project.as_ref();
                name.is_some_and(|name| names.contains(&name.as_str()))
            };
            let open = DeployFilter {
                readable: None,
                ..filter.clone()
            };
            let records: Vec<_> = records.iter().filter(visible).cloned().collect();
            let expected = fitting(&records, &open);
            listed_any |= !expected.is_empty();
            // Pages are full whatever lies between.
            let listed = listed_ids(&*reader, &filter, 7).await;
            assert_eq!(listed, expected, "{filter:?}");
        }
        let known = names.iter().any(|name| PROJECTS.contains(name));
        assert_eq!(listed_any, known, "{names:?}");
    }
}

/// Deploy `n` of a project, requested at its second.
fn of_project(n: u32, name: &str, what: &str) -> Vec<Commit> {
    let mut commits = requested(n, 1, what);
    commits[0].record.request.project = Some(project(name));
    commits
}

/// More deploys of a project that the reader may not read than a page reads, in front of what may be
/// read, and behind it.
pub async fn every_page_ends_at_a_deploy_that_may_be_read<F: PortFixture>(it: F) {
    let (store, reader) = (it.store(), it.reader());
    let hidden = u32::try_from(PAGE_READ_LIMIT).unwrap() + 50;
    let last = 2 * hidden + 3;
    let deploy = |n: u32| match n {
        0 => of_project(n, "web", "rollback"),
        _ if n == hidden + 1 => of_project(n, "web", "rollback"),
        _ if n == hidden + 2 => of_project(n, "web", "deploy"),
        _ if n == last => of_project(n, "web", "rollback"),
        _ => of_project(n, "api", "rollback"),
    };
    put_commits(&store, (0..=last).map(deploy).collect()).await;
    let shown = [last, hidden + 1, 0].map(id);
    let names: Vec<String> = (0..40).map(|n| format!("other-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).chain(["web"]).collect();
    // Few projects are walked themselves; of many, everything is.
    for names in [&["web"][..], &names] {
        let filter = DeployFilter {
            readable: Some(readable(names)),
            job: Some(job("rollback")),
            ..DeployFilter::default()
        };
        for limit in [1, 2, 20] {
            let pages = pages(&*reader, &filter, limit).await;
            let listed: Vec<_> = pages.iter().flat_map(|page| ids(&page.deploys)).collect();
            assert_eq!(listed, shown, "by {limit}");
            for more in pages.iter().filter_map(|page| page.more.as_ref()) {
                let id = reader.find_by_short_id(&more.before).await.unwrap();
                let ended = reader.read_deploy(id.unwrap()).await.unwrap().unwrap();
                assert_eq!(ended.request.project, Some(project("web")));
            }
        }
    }
}
