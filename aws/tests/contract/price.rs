//! What a list costs in requests: the rarest part of a filter is walked along, whichever it is.

use std::sync::Arc;

use chatops_core::command::Status;
use chatops_core::deploy::Standing;
use chatops_core::ports::{Filter, People, Store};
use chatops_testbed::account::make_table;
use chatops_testbed::emulator::{self, endpoint, unique};
use chatops_testbed::proxy::Proxy;

use crate::suites::listing::{asked, fitting, ids, job, put, user};
use crate::suites::support::block_on;

#[test]
fn a_rare_part_makes_a_page_cheap() {
    block_on(async {
        let (proxy, name) = (Proxy::start().await, unique());
        let direct = emulator::aws(&endpoint().url);
        let store = Arc::new(make_table(&proxy.aws(), &name).await);
        let deploy = |n: u32| match n % 100 {
            0 => asked(n, 2, "deploy"),
            1 => asked(n, 1, "rollback"),
            _ => asked(n, 1, "deploy"),
        };
        let heads = put(&store, (0..400).map(deploy).collect()).await;
        // One key each for who and what, and four states that are open.
        for (who, what, queries, shown) in [
            (2, "deploy", 6, 4),
            (1, "rollback", 6, 4),
            (2, "rollback", 6, 0),
        ] {
            let filter = Filter {
                people: Some(People::Ids(vec![user(who)])),
                job: Some(job(what)),
                status: Some(Status::Standing(Standing::Open)),
                ..Filter::default()
            };
            for (action, requests) in [("Query", queries), ("BatchGetItem", shown.min(1))] {
                proxy.fail(action, vec![]);
                let page = store.list(&filter, None, 20).await.unwrap();
                assert_eq!(ids(&page.deploys), fitting(&heads, &filter));
                assert_eq!((page.deploys.len(), page.more), (shown, None));
                assert_eq!(proxy.passed().len(), requests, "{action} for {who} {what}");
            }
        }
        // A page of everything is one request, and one for what it shows.
        for action in ["Query", "BatchGetItem"] {
            proxy.fail(action, vec![]);
            let page = store.list(&Filter::default(), None, 20).await.unwrap();
            assert_eq!(
                (page.deploys.len(), proxy.passed().len()),
                (20, 1),
                "{action}"
            );
        }
        let table = direct.dynamodb().delete_table().table_name(name);
        table.send().await.unwrap();
    });
}
