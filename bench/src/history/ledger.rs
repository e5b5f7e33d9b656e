//! The data files: created once, through the product's commits, and kept.

use std::fs;
use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use chatops_core::ports::Ledger;
use chatops_local::clock::WallClock;
use chatops_local::sqlite::{Sqlite, SqliteSettings};
use tokio::task::JoinSet;

use super::generate::deploy_commit;

/// Part of the files' names. A change of the tables or of the generator increments it.
const LAYOUT_VERSION: u32 = 1;

/// How many commits wait for the writer: more than one transaction takes.
const MAX_WRITERS: u32 = 512;

/// Opens the ledger of `size` deploys and creates it if it is missing.
pub(crate) async fn open_ledger(dir: &Path, size: u32) -> anyhow::Result<Sqlite> {
    let path = dir.join(format!("history-{LAYOUT_VERSION}-{size}.db"));
    if !path.exists() {
        fs::create_dir_all(dir).with_context(|| format!("{} cannot be created", dir.display()))?;
        // An unfinished file is created again.
        let part = path.with_extension("part");
        for suffix in ["part", "part-wal", "part-shm"] {
            let _ = fs::remove_file(path.with_extension(suffix));
        }
        make_ledger(&part, size).await?;
        fs::rename(&part, &path)?;
        let _ = fs::remove_file(path.with_extension("part.lock"));
    }
    Ok(Sqlite::open(&path, sqlite_settings())?)
}

fn sqlite_settings() -> SqliteSettings {
    SqliteSettings::new(Arc::new(WallClock))
}

async fn make_ledger(path: &Path, size: u32) -> anyhow::Result<()> {
    let store = Sqlite::open(path, sqlite_settings())?;
    let mut writers = JoinSet::new();
    for n in 0..size {
        let commit = deploy_commit(n, size).context("the generator made an invalid name")?;
        let store = store.clone();
        writers.spawn(async move { store.commit(commit).await });
        if writers.len() >= MAX_WRITERS as usize
            && let Some(written) = writers.join_next().await
        {
            written??;
        }
        if n % 1_000 == 0 {
            show_progress(&format!("{}: {n} of {size}", path.display()));
        }
    }
    let written = writers.join_all().await;
    show_progress("");
    Ok(written.into_iter().collect::<Result<(), _>>()?)
}

/// Overwrites one line on a terminal; prints nothing in a pipe.
fn show_progress(text: &str) {
    let mut out = stderr();
    if out.is_terminal() {
        let _ = write!(out, "\r{text}\x1b[K");
    }
}
