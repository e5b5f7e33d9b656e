//! The order of a list, where a page ends, and where the next one begins. Which deploys belong to it is in
//! `filters`, and what may be read in `readable`.

use chatops_core::command::StatusFilter;
use chatops_core::deploy::{DeployOutcome, DeployRecord};
use chatops_core::id::DeployId;
use chatops_core::ports::{
    DeployFilter, DeployPage, DeployReader, LedgerPosition, PAGE_READ_LIMIT, RequesterFilter,
};

use super::deploys::{branch, job, ledger, put_commits, qualified, requested};
use super::{by, fitting, ids};
use crate::suites::support::{PortFixture, at, first_page, id};

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
pub(super) async fn pages<R: DeployReader>(
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
pub(super) async fn listed_ids<R: DeployReader>(
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

pub async fn every_limit_turns_the_pages<F: PortFixture>(it: F) {
    let (store, reader) = (it.store(), it.reader());
    let records = ledger(&store).await;
    let two = [1, 2].map(|n| qualified("T01", n)).to_vec();
    let few = DeployFilter {
        git_ref: Some(branch("main")),
        status: Some(StatusFilter::Outcome(DeployOutcome::Failed)),
        ..by(RequesterFilter::Name("ana".to_owned()))
    };
    // One by one, in pairs, with a rest at the end, and as many as there can be.
    for (filter, limits) in [
        (DeployFilter::default(), &[7, 20][..]),
        (by(RequesterFilter::Users(two)), &[7]),
        (few, &[1, 2, 7, 20]),
    ] {
        let fitting = fitting(&records, &filter);
        assert!(fitting.len() > 1, "{filter:?}");
        for limit in limits {
            let listed = listed_ids(&*reader, &filter, *limit).await;
            assert_eq!(listed, fitting, "{filter:?} by {limit}");
        }
    }
}

pub async fn a_page_begins_behind_any_deploy<F: PortFixture>(it: F) {
    let (store, reader) = (it.store(), it.reader());
    let records = ledger(&store).await;
    let filter = DeployFilter {
        git_ref: Some(branch("main")),
        ..DeployFilter::default()
    };
    for (n, record) in records.iter().enumerate() {
        let before = Some(LedgerPosition::of(record));
        let page = reader.list_deploys(&filter, before, 300).await.unwrap();
        assert_eq!(ids(&page.deploys), fitting(&records[n + 1..], &filter));
        assert_eq!(page.more, None);
    }
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
