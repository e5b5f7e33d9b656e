//! `chatops history` and `chatops failed`: lists of deploys, page by page.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use chatops_core::command::HistoryFilter;
use chatops_core::deploy::{Head, Standing};
use chatops_core::id::DeployRef;
use chatops_core::ports::{Filter, More, Position};
use clap::Args;
use owo_colors::{OwoColorize, Style};

use super::filters::{self, Typed};
use super::out::{Out, iso, remark};
use super::row::{self, Row};
use super::{ConfigFile, DataFile, Usage, now, words};
use crate::sqlite::guest::Guest;

/// How many deploys are listed unless told otherwise.
const USUAL: usize = 20;

/// How many are read at a time.
const BATCH: usize = 500;

/// The options of `chatops history`.
#[derive(Debug, Args)]
pub struct History {
    /// Filters, as in Slack: user:@ana branch:main job:deploy project:web status:failed since:7d
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    data: DataFile,
    #[command(flatten)]
    config: ConfigFile,
}

/// The options of `chatops failed`.
#[derive(Debug, Args)]
pub struct Failed {
    /// Only what is older than this deploy: the next page
    #[arg(long, value_name = "ID", value_parser = super::deploy_ref)]
    before: Option<DeployRef>,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    data: DataFile,
}

#[derive(Debug, Args)]
struct Shape {
    /// How many deploys at most [default: 20]
    #[arg(long, value_name = "N", conflicts_with = "all")]
    limit: Option<usize>,
    /// All of them
    #[arg(long)]
    all: bool,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
    /// Comma-separated values with a line of names; cells that look like formulas get a ' in front
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl Shape {
    fn limit(&self, typed: Option<usize>) -> Result<usize, Usage> {
        match (self.limit, typed) {
            _ if self.all => Ok(usize::MAX),
            (Some(0), _) => Err(Usage(words::not_a_number("0"))),
            (Some(_), Some(_)) => Err(Usage(words::twice("limit"))),
            (one, other) => Ok(one.or(other).unwrap_or(USUAL)),
        }
    }
}

/// What was deployed.
pub(super) fn history(options: &History, out: &mut Out) -> Result<ExitCode> {
    let Typed { filter, limit } = filters::parse(&options.filters)?;
    let limit = options.shape.limit(limit)?;
    let config = options.config.read_if_there()?;
    let meant = filters::meant(&filter, now(), config.as_ref());
    let guest = options.data.open()?;
    let list = List {
        filter: meant,
        before: position(&guest, filter.before.as_ref())?,
        limit,
        none: words::NOTHING,
        again: &|more| {
            let before = Some(DeployRef::Short(more.before.clone()));
            let filter = HistoryFilter {
                before,
                ..filter.clone()
            };
            format!("chatops history {filter}")
        },
    };
    list.write(&guest, &options.shape, out)
}

/// What was not started, or nobody knows whether it was, and nobody has tried again.
pub(super) fn failed(options: &Failed, out: &mut Out) -> Result<ExitCode> {
    let limit = options.shape.limit(None)?;
    let guest = options.data.open()?;
    let list = List {
        filter: Filter {
            awaits_retry: true,
            ..Filter::default()
        },
        before: position(&guest, options.before.as_ref())?,
        limit,
        none: words::NOTHING_FAILED,
        again: &|more| format!("chatops failed --before {}", more.before),
    };
    list.write(&guest, &options.shape, out)
}

fn position(guest: &Guest, before: Option<&DeployRef>) -> Result<Option<Position>> {
    let found = before.map(|deploy| super::find(guest, deploy));
    Ok(found.transpose()?.map(|head| Position::of(&head)))
}

struct List<'a> {
    filter: Filter,
    before: Option<Position>,
    limit: usize,
    /// What is said of an empty list.
    none: &'a str,
    /// The command that goes on behind this list.
    again: &'a dyn Fn(&More) -> String,
}

impl List<'_> {
    fn write(&self, guest: &Guest, shape: &Shape, out: &mut Out) -> Result<ExitCode> {
        let (mut shown, mut before) = (0, self.before);
        if shape.csv {
            row::csv_header(out)?;
        }
        let mut table = Vec::new();
        let more = loop {
            let wanted = (self.limit - shown).min(BATCH);
            let page = guest.list(&self.filter, before, wanted)?;
            shown += page.deploys.len();
            for head in page.deploys {
                if shape.json {
                    out.json(&Row::of(&head))?;
                } else if shape.csv {
                    row::csv_row(out, &Row::of(&head))?;
                } else {
                    table.push(head);
                }
            }
            let Some(more) = page.more else { break None };
            let last = guest.by_short(&more.before)?;
            let last = last.map(|id| guest.head(id)).transpose()?.flatten();
            before = last.as_ref().map(Position::of);
            // A page that is not full has read as many deploys as one may: only --all goes on.
            let enough = shown >= self.limit || (!more.full && self.limit != usize::MAX);
            if enough || before.is_none() || out.is_closed() {
                break Some(more);
            }
        };
        let again = more.map(|more| match more.full {
            true => words::more(shown, &(self.again)(&more)),
            false => words::looked_back_to(&iso(more.looked_back_to), &(self.again)(&more)),
        });
        if shape.json || shape.csv {
            again.iter().for_each(|line| remark(line));
            return Ok(ExitCode::SUCCESS);
        }
        if table.is_empty() {
            writeln!(out, "{}", self.none)?;
        } else {
            write_table(&table, out)?;
        }
        if let Some(again) = again {
            writeln!(out, "{again}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Columns as wide as what stands in them.
fn write_table(heads: &[Head], out: &mut impl Write) -> Result<()> {
    const NAMES: [&str; 8] = [
        "ID", "STATE", "ASKED (UTC)", "TOOK", "BY", "PROJECT", "JOB", "BRANCH",
    ];
    let rows: Vec<[String; 8]> = heads.iter().map(cells).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([NAMES[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..NAMES.len()).map(width).collect();
    let padded = |cell: &str, column: usize| match column {
        // Nothing stands behind the last one.
        7 => cell.to_owned(),
        3 => format!("{cell:>width$}", width = widths[column]),
        _ => format!("{cell:<width$}", width = widths[column]),
    };
    let header = NAMES.iter().enumerate().map(|(i, name)| padded(name, i));
    writeln!(out, "{}", header.collect::<Vec<_>>().join("  ").bold())?;
    for (head, row) in heads.iter().zip(&rows) {
        let cells = row.iter().enumerate().map(|(i, cell)| match i {
            1 => padded(cell, i).style(colour(head.state.standing())).to_string(),
            _ => padded(cell, i),
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  "))?;
    }
    Ok(())
}

fn cells(head: &Head) -> [String; 8] {
    let ask = &head.ask;
    let took = head.end.as_ref().map(|end| super::took(ask.asked_at, end.at));
    [
        head.short.to_string(),
        head.state.to_string(),
        iso(ask.asked_at),
        took.unwrap_or_default(),
        row::who(head),
        ask.project.as_ref().map(ToString::to_string).unwrap_or_default(),
        ask.job.to_string(),
        ask.branch.to_string(),
    ]
}

/// The colour of a state; the word says the same.
pub(super) fn colour(standing: Standing) -> Style {
    match standing {
        Standing::Open => Style::new().cyan(),
        Standing::Succeeded => Style::new().green(),
        Standing::Failed => Style::new().red(),
        Standing::Canceled | Standing::Refused => Style::new().yellow(),
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn the_table_is_aligned() {
        let mut text = Vec::new();
        let heads = [super::super::example::head(), super::super::example::open()];
        write_table(&heads, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        insta::assert_snapshot!(strip_str(&text).to_string(), @"");
    }
}
