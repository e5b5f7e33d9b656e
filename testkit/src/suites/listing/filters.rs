//! Every filter, and every combination of them, finds what fits. How a list goes on is in `pages`.

use chatops_core::command::StatusFilter;
use chatops_core::deploy::{DeployOutcome, DeployRecord, DeployState};
use chatops_core::id::QualifiedUser;
use chatops_core::ports::{DeployFilter, DeployPage, DeployReader, RequesterFilter};

use super::deploys::{ENVIRONMENTS, branch, job, ledger, project, qualified, user};
use super::pages::listed_ids;
use super::{by, fitting};
use crate::suites::support::{PortFixture, StoreExt, at, first_page, noted_commit};

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
pub(super) fn filters() -> Vec<DeployFilter> {
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
    let all = each(&all, &branches, |f, b| f.git_ref = b.map(branch));
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
