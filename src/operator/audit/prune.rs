//! `chatops audit prune`.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr, stdin};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use chatops_core::Time;
use chatops_core::id::DeployId;
use chatops_local::sqlite::prune::{Kept, PrunableFile};

use super::export_file::{self, ExportIndex};
use super::{PruneOptions, text};
use crate::operator::{UsageError, now};
use crate::output::{CommandOutput, progress_bar};

/// What is younger is never removed: a message that is sent again could make it a second time.
const MIN_AGE: Duration = Duration::from_hours(30 * 24);

/// What was done, or would be.
#[derive(Debug, Default)]
pub(super) struct PruneResult {
    pub(super) removed: u64,
    pub(super) kept: BTreeMap<Kept, u64>,
}

pub(super) fn prune_deploys(options: &PruneOptions, out: &mut CommandOutput) -> Result<ExitCode> {
    if options.before > now() - MIN_AGE {
        return Err(UsageError(text::TOO_YOUNG.to_owned()).into());
    }
    let asks = !options.dry_run && !options.yes;
    if asks && !stdin().is_terminal() {
        return Err(UsageError(text::NOBODY_TO_ASK.to_owned()).into());
    }
    let index = export_file::index_sound(&options.exported)?;
    let mut file = PrunableFile::open(&options.data.path)?;
    let times = (options.before, now());
    if asks {
        let found = prune_all(&mut file, &index, times, true)?;
        if found.removed > 0 && !is_confirmed(found.removed, options)? {
            return Ok(ExitCode::SUCCESS);
        }
    }
    let done = prune_all(&mut file, &index, times, options.dry_run)?;
    writeln!(out, "{}", text::pruned(done.removed, options.dry_run))?;
    for (why, deploys) in &done.kept {
        writeln!(out, "{}", text::kept(*why, *deploys))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn is_confirmed(deploys: u64, options: &PruneOptions) -> Result<bool> {
    let export = options.exported.display().to_string();
    write!(stderr(), "{}", text::ask_to_prune(deploys, &export))?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Removes what ended before the first of the times; the second is now. A dry run only says what it would do.
pub(super) fn prune_all(
    file: &mut PrunableFile,
    index: &ExportIndex,
    times: (Time, Time),
    dry: bool,
) -> Result<PruneResult> {
    let mut result = PruneResult::default();
    let mut after = String::new();
    // What cannot be read from the index is not in it.
    let tip = |deploy: DeployId| index.tip(deploy).ok().flatten();
    let bar = progress_bar(None).with_prefix("deploys");
    while let Some(deploy) = index.next_deploy(&after)? {
        bar.inc(1);
        let id = DeployId::parse(&deploy).ok();
        after = deploy;
        let Some(id) = id else { continue };
        match file.prune(id, times, &tip, &index.sha256, dry)? {
            // Its chain stays, and is met again for each other deploy of it.
            Ok(_) if dry => result.removed += 1,
            Ok(pruned) => result.removed += pruned.len() as u64,
            // With the rest of its chain, a moment ago or in an earlier run.
            Err(Kept::Gone) => {}
            Err(kept) => *result.kept.entry(kept).or_default() += 1,
        }
    }
    bar.finish_and_clear();
    Ok(result)
}
