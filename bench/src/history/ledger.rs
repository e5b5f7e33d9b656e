//! The data files: made once, through the same commits that the product makes, and kept.

use std::fs;
use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use chatops::clock::SystemClock;
use chatops::sqlite::{Settings, Sqlite};
use chatops_core::ports::Store;
use tokio::task::JoinSet;

use super::generate::deploy;

/// Part of the files' names; a change of the tables or of the generator needs the next one.
const LAYOUT: u32 = 1;

/// How many commits wait for the writer at a time: more than it takes into one transaction.
const AT_ONCE: u32 = 512;

/// The ledger of `size` deploys, made if it is not there.
pub(crate) async fn open(dir: &Path, size: u32) -> anyhow::Result<Sqlite> {
    let path = dir.join(format!("history-{LAYOUT}-{size}.db"));
    if !path.exists() {
        fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        // What was not finished is made afresh.
        let part = path.with_extension("part");
        for suffix in ["part", "part-wal", "part-shm"] {
            let _ = fs::remove_file(path.with_extension(suffix));
        }
        make(&part, size).await?;
        fs::rename(&part, &path)?;
        let _ = fs::remove_file(path.with_extension("part.lock"));
    }
    Ok(Sqlite::open(&path, settings())?)
}

fn settings() -> Settings {
    Settings::new(Arc::new(SystemClock))
}

async fn make(path: &Path, size: u32) -> anyhow::Result<()> {
    let store = Sqlite::open(path, settings())?;
    let mut writers = JoinSet::new();
    for n in 0..size {
        let commit = deploy(n, size).context("the generator made a name that is none")?;
        let store = store.clone();
        writers.spawn(async move { store.commit(commit).await });
        if writers.len() >= AT_ONCE as usize
            && let Some(written) = writers.join_next().await
        {
            written??;
        }
        if n % 1_000 == 0 {
            progress(&format!("{}: {n} of {size}", path.display()));
        }
    }
    let written = writers.join_all().await;
    progress("");
    Ok(written.into_iter().collect::<Result<(), _>>()?)
}

/// Overwrites one line on a terminal; quiet in a pipe.
fn progress(text: &str) {
    let mut out = stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r{text}\x1b[K");
        let _ = out.flush();
    }
}
