//! `chatops history` and `chatops failed`: lists of deploys, read page by page.

mod table;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use chatops_core::command::{HistoryFilter, StatusFilter};
use chatops_core::deploy::DeployOutcome;
use chatops_core::id::DeployRef;
use chatops_core::ports::{DeployFilter, LedgerPosition, PageEnd};
use clap::Args;

pub(super) use self::table::outcome_style;
use self::table::{table_row, write_table};
use super::filters::{self, TypedFilters};
use super::row::{self, DeployRow};
use super::store::OperatorStore;
use super::{DataFile, Installation, OptionalConfig, UsageError, now, text};
use crate::output::{CommandOutput, iso_time, print_remark};

/// The default number of deploys.
const DEFAULT_LIMIT: usize = 20;

/// How many are read at a time; few in tests, to have several pages.
const READ_BATCH: usize = if cfg!(test) { 7 } else { 500 };

#[derive(Debug, Args)]
pub(crate) struct HistoryOptions {
    /// Filters, as in Slack: user:@ana branch:main job:deploy project:web status:failed since:7d
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    #[command(flatten)]
    format: ListOptions,
    #[command(flatten)]
    data: DataFile,
    #[command(flatten)]
    config: OptionalConfig,
}

#[derive(Debug, Args)]
pub(crate) struct FailedOptions {
    /// Only deploys older than this one: the next page
    #[arg(long, value_name = "ID", value_parser = super::parse_deploy_ref)]
    before: Option<DeployRef>,
    #[command(flatten)]
    format: ListOptions,
    #[command(flatten)]
    data: DataFile,
}

#[derive(Debug, Args)]
pub(super) struct ListOptions {
    /// The most deploys to list [default: 20]
    #[arg(long, value_name = "N", conflicts_with = "all")]
    limit: Option<usize>,
    /// List all of them
    #[arg(long)]
    all: bool,
    /// Write one JSON object per line
    #[arg(long)]
    pub(super) json: bool,
    /// Write comma-separated values with a header; cells that look like formulas get a ' in front
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl ListOptions {
    fn effective_limit(&self, typed: Option<usize>) -> Result<usize, UsageError> {
        match (self.limit, typed) {
            _ if self.all => Ok(usize::MAX),
            (Some(0), _) => Err(UsageError(text::not_a_number("0"))),
            (Some(_), Some(_)) => Err(UsageError(text::filter_twice("limit"))),
            (one, other) => Ok(one.or(other).unwrap_or(DEFAULT_LIMIT)),
        }
    }
}

pub(super) fn list_history(
    options: &HistoryOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let typed = filters::parse(&options.filters)?;
    let (format, data, config) = (&options.format, &options.data, &options.config);
    list_typed(
        typed,
        text::NO_DEPLOYS,
        format,
        data,
        config,
        installation,
        out,
    )
}

/// Lists what is in progress.
pub(super) fn list_in_progress(
    format: &ListOptions,
    data: &DataFile,
    config: &OptionalConfig,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let filter = HistoryFilter {
        status: Some(StatusFilter::Outcome(DeployOutcome::InProgress)),
        ..HistoryFilter::default()
    };
    let typed = TypedFilters {
        filter,
        limit: None,
    };
    let none = text::NOTHING_IN_PROGRESS;
    list_typed(typed, none, format, data, config, installation, out)
}

fn list_typed(
    typed: TypedFilters,
    empty_text: &str,
    format: &ListOptions,
    data: &DataFile,
    config: &OptionalConfig,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let TypedFilters { filter, limit } = typed;
    let limit = format.effective_limit(limit)?;
    let config = config.load()?;
    let store = installation.open(&data.path)?;
    let list = DeployList {
        filter: DeployFilter::from_typed(&filter, None, now(), &config),
        before: find_position(&store, filter.before.as_ref(), installation)?,
        limit,
        shows_reason: false,
        empty_text,
        next_command: &|more| {
            let before = Some(DeployRef::Short(more.before.clone()));
            let filter = HistoryFilter {
                before,
                ..filter.clone()
            };
            format!("{} history {filter}", installation.command_prefix())
        },
        installation,
    };
    list.write_list(&store, format, out)
}

pub(super) fn list_failed(
    options: &FailedOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let limit = options.format.effective_limit(None)?;
    let store = installation.open(&options.data.path)?;
    let filter = DeployFilter {
        awaits_retry: true,
        ..DeployFilter::default()
    };
    let list = DeployList {
        filter,
        before: find_position(&store, options.before.as_ref(), installation)?,
        limit,
        shows_reason: true,
        empty_text: text::NO_FAILED,
        next_command: &|more| {
            let prefix = installation.command_prefix();
            format!("{prefix} failed --before {}", more.before)
        },
        installation,
    };
    list.write_list(&store, &options.format, out)?;
    if options.before.is_none() {
        write_untold(&store, &options.format, installation, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What Slack could not be told, below what waits for a retry. A program that reads the list gets no
/// other rows; the remark says where they are.
fn write_untold(
    store: &OperatorStore,
    shape: &ListOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<()> {
    let untold = store.list_undelivered(now())?;
    if untold.is_empty() {
        return Ok(());
    }
    if shape.json || shape.csv {
        print_remark(&text::untold_count(
            untold.len(),
            &installation.command_prefix(),
        ));
        return Ok(());
    }
    writeln!(out, "\n{}", text::UNTOLD)?;
    for one in untold.iter().rev() {
        writeln!(out, "  {}  {}", one.deploy, text::undelivered(one))?;
    }
    Ok(())
}

fn find_position(
    store: &OperatorStore,
    before: Option<&DeployRef>,
    installation: &Installation,
) -> Result<Option<LedgerPosition>> {
    let found = before.map(|deploy| super::find_deploy(store, deploy, installation));
    Ok(found.transpose()?.map(|record| LedgerPosition::of(&record)))
}

struct DeployList<'a> {
    filter: DeployFilter,
    before: Option<LedgerPosition>,
    limit: usize,
    /// Whether the table shows reasons, and below it how to retry.
    shows_reason: bool,
    /// The text of an empty list.
    empty_text: &'a str,
    /// The command that continues this list.
    next_command: &'a dyn Fn(&PageEnd) -> String,
    installation: &'a Installation,
}

impl DeployList<'_> {
    fn write_list(
        &self,
        store: &OperatorStore,
        shape: &ListOptions,
        out: &mut CommandOutput,
    ) -> Result<ExitCode> {
        let (mut shown, mut before) = (0, self.before);
        if shape.csv {
            row::write_csv_header(out)?;
        }
        let mut table = Vec::new();
        let more = loop {
            let wanted = (self.limit - shown).min(READ_BATCH);
            let page = store.list_deploys(&self.filter, before, wanted)?;
            shown += page.deploys.len();
            let last = page.deploys.last().map(LedgerPosition::of);
            for record in &page.deploys {
                if shape.json {
                    out.write_json(&DeployRow::from_record(record))?;
                } else if shape.csv {
                    row::write_csv_row(out, &DeployRow::from_record(record))?;
                } else {
                    table.push(table_row(record, self.shows_reason));
                }
            }
            let Some(more) = page.more else { break None };
            // A page that is not full ends after a deploy that was read and not listed.
            let end = DeployRef::Short(more.before.clone());
            before = match last {
                Some(last) if more.full => Some(last),
                _ => find_position(store, Some(&end), self.installation)?,
            };
            // Such a page has read the most deploys that one page may: only --all continues.
            let enough = shown >= self.limit || (!more.full && self.limit != usize::MAX);
            if enough || out.is_closed() {
                break Some(more);
            }
        };
        let again = more.filter(|_| !out.is_closed()).map(|more| {
            let again = (self.next_command)(&more);
            if more.full {
                text::more_deploys(shown, &again)
            } else {
                text::searched_back_to(&iso_time(more.read_back_to), &again)
            }
        });
        if shape.json || shape.csv {
            if let Some(again) = again {
                print_remark(&again);
            }
            return Ok(ExitCode::SUCCESS);
        }
        if table.is_empty() {
            writeln!(out, "{}", self.empty_text)?;
        } else {
            write_table(&table, out.width(), out)?;
        }
        if let Some(again) = again {
            writeln!(out, "{again}")?;
        }
        if self.shows_reason && !table.is_empty() {
            let prefix = self.installation.command_prefix();
            writeln!(out, "{}", text::how_to_retry(&prefix))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests;
