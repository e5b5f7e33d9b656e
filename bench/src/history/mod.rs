//! Lists out of two ledgers of the same kind and different size, through the port that the worker
//! uses.

mod generate;
mod ledger;
mod queries;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use chatops::sqlite::Sqlite;
use chatops_core::ports::{Page, Store};

use self::queries::{Query, queries};

/// How many deploys a page shows.
const LIMIT: usize = 20;

/// What one query took.
struct Measured {
    median: Duration,
    p99: Duration,
    page: Page,
}

/// Measures every query on both ledgers and prints the table.
///
/// Reading a record costs more than finding it, and a small ledger often has fewer that fit. So
/// that the ratio is about finding, both are asked for as many as both have.
pub(crate) async fn run(dir: &Path, sizes: [u32; 2], runs: u32) -> anyhow::Result<()> {
    let [small, large] = sizes;
    let stores = [
        ledger::open(dir, small).await?,
        ledger::open(dir, large).await?,
    ];
    anstream::println!(
        "median and 99th percentile of {runs} runs, warm, in microseconds, for a page of `n` \
         deploys;\n`full` is the large ledger's median for a page of {LIMIT}, `cut` if it ended at \
         the limit of its reads\n"
    );
    anstream::println!(
        "{:<34} {:>3} {:>17} {:>17} {:>6} {:>6}",
        "",
        "n",
        format!("{small} deploys"),
        format!("{large} deploys"),
        "ratio",
        "full"
    );
    for (one, other) in queries(small).into_iter().zip(queries(large)) {
        let shown = measure(&stores[0], &one, LIMIT, 1)
            .await?
            .page
            .deploys
            .len();
        let full = measure(&stores[1], &other, LIMIT, runs).await?;
        let n = match shown.min(full.page.deploys.len()) {
            0 => LIMIT,
            n => n,
        };
        let a = measure(&stores[0], &one, n, runs).await?;
        let b = measure(&stores[1], &other, n, runs).await?;
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

async fn measure(
    store: &Sqlite,
    query: &Query,
    limit: usize,
    runs: u32,
) -> anyhow::Result<Measured> {
    let ask = || store.list(&query.filter, query.before, limit);
    let mut page = Page::default();
    for _ in 0..runs.div_ceil(10) {
        page = ask().await?;
    }
    let mut took = Vec::new();
    for _ in 0..runs {
        let start = Instant::now();
        black_box(ask().await?);
        took.push(start.elapsed());
    }
    took.sort_unstable();
    let last = took.len() - 1;
    Ok(Measured {
        median: took[last / 2],
        p99: took[last * 99 / 100],
        page,
    })
}
