//! Lists deploys of a small and a large ledger through the worker's port.

mod generate;
mod ledger;
mod queries;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use chatops_core::ports::{DeployPage, DeployReader};
use chatops_local::sqlite::Sqlite;

use self::queries::{BenchQuery, bench_queries};

/// Deploys on one page.
const PAGE_SIZE: usize = 20;

/// The measurements of one query.
struct QueryTimes {
    median: Duration,
    p99: Duration,
    page: DeployPage,
}

/// Measures every query on both ledgers and prints the table.
///
/// Reading a record costs more than finding it, and a small ledger often has fewer matches. The
/// ratio compares finding, so both pages have as many deploys as both ledgers have.
pub(crate) async fn run(dir: &Path, sizes: [u32; 2], runs: u32) -> anyhow::Result<()> {
    let [small, large] = sizes;
    let stores = [
        ledger::open_ledger(dir, small).await?,
        ledger::open_ledger(dir, large).await?,
    ];
    anstream::println!(
        "median and 99th percentile of {runs} runs, warm, in microseconds, for a page of `n` \
         deploys;\n`full` is the large ledger's median for a page of {PAGE_SIZE}, `cut` if it ended at \
         the limit of its reads\n"
    );
    let columns = [small, large].map(|size| format!("{size} deploys"));
    let [a, b] = &columns;
    anstream::println!("{:<34}   n {a:>17} {b:>17}  ratio   full", "");
    for (one, other) in bench_queries(small).into_iter().zip(bench_queries(large)) {
        let shown = measure_query(&stores[0], &one, PAGE_SIZE, 1).await?.page;
        let full = measure_query(&stores[1], &other, PAGE_SIZE, runs).await?;
        let n = match shown.deploys.len().min(full.page.deploys.len()) {
            0 => PAGE_SIZE,
            n => n,
        };
        let a = measure_query(&stores[0], &one, n, runs).await?;
        let b = measure_query(&stores[1], &other, n, runs).await?;
        let cut = full.page.more.as_ref().is_some_and(|more| !more.full);
        anstream::println!(
            "{:<34} {n:>3} {:>8} {:>8} {:>8} {:>8} {:>6.2} {:>6}{}",
            one.name,
            a.median.as_micros(),
            a.p99.as_micros(),
            b.median.as_micros(),
            b.p99.as_micros(),
            b.median.as_secs_f64() / a.median.as_secs_f64(),
            full.median.as_micros(),
            if cut { " cut" } else { "" }
        );
    }
    Ok(())
}

async fn measure_query(
    store: &Sqlite,
    query: &BenchQuery,
    limit: usize,
    runs: u32,
) -> anyhow::Result<QueryTimes> {
    let fetch = || store.list_deploys(&query.filter, query.before, limit);
    let mut page = DeployPage::default();
    for _ in 0..runs.div_ceil(10) {
        page = fetch().await?;
    }
    let mut took = Vec::new();
    for _ in 0..runs {
        let start = Instant::now();
        black_box(fetch().await?);
        took.push(start.elapsed());
    }
    took.sort_unstable();
    let last = took.len() - 1;
    Ok(QueryTimes {
        median: took[last / 2],
        p99: took[last * 99 / 100],
        page,
    })
}
