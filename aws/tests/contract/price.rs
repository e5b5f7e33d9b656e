//! What a list costs in requests: it walks along the rarest part of a filter, whichever that is.

use std::sync::Arc;

use chatops_core::command::StatusFilter;
use chatops_core::deploy::DeployOutcome;
use chatops_core::ports::{DeployFilter, DeployReader, Ledger, RequesterFilter};
use chatops_testkit::account::make_table;
use chatops_testkit::emulator::{self, endpoint, unique};
use chatops_testkit::proxy::Proxy;

use chatops_testkit::suites::listing::{fitting, ids, job, put_commits, qualified, requested};
use chatops_testkit::suites::support::{at, block_on};

#[test]
fn a_rare_part_makes_a_page_cheap() {
    block_on(async {
        let (proxy, name) = (Proxy::start().await, unique());
        let direct = emulator::aws_clients(&endpoint().url);
        let store = Arc::new(make_table(&proxy.aws(), &name).await);
        let deploy = |n: u32| match n % 100 {
            0 => requested(n, 2, "deploy"),
            1 => requested(n, 1, "rollback"),
            _ => requested(n, 1, "deploy"),
        };
        let read_records = put_commits(&store, (0..400).map(deploy).collect()).await;
        // One key each for who and what, and four states that are open.
        for (who, what, queries, shown) in [
            (2, "deploy", 6, 4),
            (1, "rollback", 6, 4),
            (2, "rollback", 6, 0),
        ] {
            let filter = DeployFilter {
                requesters: Some(RequesterFilter::Users(vec![qualified("T01", who)])),
                job: Some(job(what)),
                status: Some(StatusFilter::Outcome(DeployOutcome::InProgress)),
                ..DeployFilter::default()
            };
            for (action, requests) in [("Query", queries), ("BatchGetItem", shown.min(1))] {
                proxy.inject(action, vec![]);
                let page = store.list_deploys(&filter, None, 20).await.unwrap();
                assert_eq!(ids(&page.deploys), fitting(&read_records, &filter));
                assert_eq!((page.deploys.len(), page.more), (shown, None));
                assert_eq!(proxy.passed().len(), requests, "{action} for {who} {what}");
            }
        }
        // A page of everything is one request for each shard, and one for what it shows.
        let filter = DeployFilter::default();
        for (action, requests) in [("Query", 16), ("BatchGetItem", 1)] {
            proxy.inject(action, vec![]);
            let page = store.list_deploys(&filter, None, 20).await.unwrap();
            let counts = (page.deploys.len(), proxy.passed().len());
            assert_eq!(counts, (20, requests), "{action}");
        }
        // The sweep asks each shard once for what is due, and once more for timers that are too far
        // ahead unless its page is full: 400 deploys are due.
        for (limit, queries) in [(20, 16), (1_000, 32)] {
            proxy.inject("Query", vec![]);
            let due = store.list_due(at(0), limit).await.unwrap();
            assert_eq!((due.len(), proxy.passed().len()), (limit.min(400), queries));
        }
        let table = direct.dynamodb().delete_table().table_name(name);
        table.send().await.unwrap();
    });
}
