//! What only the file promises about lists: that a part which few deploys have makes a page cheap.

use chatops_core::command::Status;
use chatops_core::deploy::Standing;
use chatops_core::ports::{Filter, People, READS, Store};

use crate::fixtures::File;
use crate::suites::listing::{asked, fitting, ids, job, put, user};
use crate::suites::support::{Fixture, block_on};

/// What is rare is walked along, whichever part of the filter it is.
#[test]
fn in_the_file_a_rare_part_makes_a_page_cheap() {
    let file = block_on(File::fresh());
    let store = file.store();
    block_on(async {
        let many = u32::try_from(READS).unwrap() + 100;
        let deploy = |n: u32| match n % 1_000 {
            0 => asked(n, 2, "deploy"),
            1 => asked(n, 1, "rollback"),
            _ => asked(n, 1, "deploy"),
        };
        let heads = put(&store, (0..many).map(deploy).collect()).await;
        for (who, what) in [(2, "deploy"), (1, "rollback"), (2, "rollback")] {
            let filter = Filter {
                people: Some(People::Ids(vec![user(who)])),
                job: Some(job(what)),
                status: Some(Status::Standing(Standing::Open)),
                ..Filter::default()
            };
            let page = store.list(&filter, None, 20).await.unwrap();
            assert_eq!(ids(&page.deploys), fitting(&heads, &filter));
            assert_eq!(page.more, None);
        }
    });
}
