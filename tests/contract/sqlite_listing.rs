//! What only the file promises about lists: that a part which few deploys have makes a page cheap.

use chatops_core::command::StatusFilter;
use chatops_core::deploy::DeployOutcome;
use chatops_core::ports::{DeployFilter, DeployReader, PAGE_READ_LIMIT, RequesterFilter};

use crate::fixtures::SqliteFixture;
use chatops_testkit::suites::listing::{fitting, ids, job, put_commits, qualified, requested};
use chatops_testkit::suites::support::{PortFixture, block_on};

/// What is rare is walked along, whichever part of the filter it is.
#[test]
fn in_the_file_a_rare_part_makes_a_page_cheap() {
    let file = block_on(SqliteFixture::fresh());
    let store = file.store();
    block_on(async {
        let many = u32::try_from(PAGE_READ_LIMIT).unwrap() + 100;
        let deploy = |n: u32| match n % 1_000 {
            0 => requested(n, 2, "deploy"),
            1 => requested(n, 1, "rollback"),
            _ => requested(n, 1, "deploy"),
        };
        let records = put_commits(&store, (0..many).map(deploy).collect()).await;
        for (who, what) in [(2, "deploy"), (1, "rollback"), (2, "rollback")] {
            let filter = DeployFilter {
                requesters: Some(RequesterFilter::Users(vec![qualified("T01", who)])),
                job: Some(job(what)),
                status: Some(StatusFilter::Outcome(DeployOutcome::InProgress)),
                ..DeployFilter::default()
            };
            let page = store.list_deploys(&filter, None, 20).await.unwrap();
            assert_eq!(ids(&page.deploys), fitting(&records, &filter));
            assert_eq!(page.more, None);
        }
    });
}
