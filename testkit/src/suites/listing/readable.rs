//! What the reader may not read is not listed, and shortens no page.

use std::collections::BTreeSet;

use chatops_core::deploy::DeployRecord;
use chatops_core::name::ProjectName;
use chatops_core::ports::{Commit, DeployFilter, DeployReader, PAGE_READ_LIMIT};

use super::deploys::{PROJECTS, job, ledger, project, put_commits, requested};
use super::filters::filters;
use super::pages::{listed_ids, pages};
use super::{fitting, ids};
use crate::suites::support::{PortFixture, id};

/// The reader of these projects.
fn readable(names: &[&str]) -> BTreeSet<ProjectName> {
    names.iter().map(|name| project(name)).collect()
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
            let listed = listed_ids(&*reader, &filter, 17).await;
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
