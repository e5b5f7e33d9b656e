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
use super::record::Record;
use super::row::{self, Row};
use super::{ConfigFile, DataFile, Place, Usage, now, words};

/// How many deploys are listed unless told otherwise.
const USUAL: usize = 20;

/// How many are read at a time; few in tests, which have few.
const BATCH: usize = if cfg!(test) { 7 } else { 500 };

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
pub(super) fn history(options: &History, place: &Place, out: &mut Out) -> Result<ExitCode> {
    let Typed { filter, limit } = filters::parse(&options.filters)?;
    let limit = options.shape.limit(limit)?;
    let config = options.config.read()?;
    let meant = Filter::meant(&filter, None, now(), &config);
    let record = place.open(&options.data.data)?;
    let list = List {
        filter: meant,
        before: position(&record, filter.before.as_ref(), place)?,
        limit,
        tells_why: false,
        none: words::NOTHING,
        again: &|more| {
            let before = Some(DeployRef::Short(more.before.clone()));
            let filter = HistoryFilter {
                before,
                ..filter.clone()
            };
            format!("{} history {filter}", place.call())
        },
        place,
    };
    list.write(&record, &options.shape, out)
}

/// What was not started, or nobody knows whether it was, and nobody has tried again.
pub(super) fn failed(options: &Failed, place: &Place, out: &mut Out) -> Result<ExitCode> {
    let limit = options.shape.limit(None)?;
    let record = place.open(&options.data.data)?;
    let list = List {
        filter: Filter {
            awaits_retry: true,
            ..Filter::default()
        },
        before: position(&record, options.before.as_ref(), place)?,
        limit,
        tells_why: true,
        none: words::NOTHING_FAILED,
        again: &|more| format!("{} failed --before {}", place.call(), more.before),
        place,
    };
    list.write(&record, &options.shape, out)
}

fn position(
    record: &Record,
    before: Option<&DeployRef>,
    place: &Place,
) -> Result<Option<Position>> {
    let found = before.map(|deploy| super::find(record, deploy, place));
    Ok(found.transpose()?.map(|head| Position::of(&head)))
}

struct List<'a> {
    filter: Filter,
    before: Option<Position>,
    limit: usize,
    /// Whether the table has the reason of each end, and says below how to try again.
    tells_why: bool,
    /// What is said of an empty list.
    none: &'a str,
    /// The command that goes on behind this list.
    again: &'a dyn Fn(&More) -> String,
    place: &'a Place,
}

impl List<'_> {
    fn write(&self, record: &Record, shape: &Shape, out: &mut Out) -> Result<ExitCode> {
        let (mut shown, mut before) = (0, self.before);
        if shape.csv {
            row::csv_header(out)?;
        }
        let mut table = Vec::new();
        let more = loop {
            let wanted = (self.limit - shown).min(BATCH);
            let page = record.list(&self.filter, before, wanted)?;
            shown += page.deploys.len();
            let last = page.deploys.last().map(Position::of);
            for head in page.deploys {
                if shape.json {
                    out.json(&Row::of(&head))?;
                } else if shape.csv {
                    row::csv_row(out, &Row::of(&head))?;
                } else {
                    table.push(line(&head, self.tells_why));
                }
            }
            let Some(more) = page.more else { break None };
            // A page that is not full ends behind a deploy that was read and not listed.
            before = match last {
                Some(last) if more.full => Some(last),
                _ => position(
                    record,
                    Some(&DeployRef::Short(more.before.clone())),
                    self.place,
                )?,
            };
            // Such a page has read as many deploys as one may: only --all goes on.
            let enough = shown >= self.limit || (!more.full && self.limit != usize::MAX);
            if enough || out.is_closed() {
                break Some(more);
            }
        };
        // Whoever has gone away wants no more.
        let more = more.filter(|_| !out.is_closed());
        let again = more.map(|more| {
            let again = (self.again)(&more);
            if more.full {
                words::more(shown, &again)
            } else {
                words::looked_back_to(&iso(more.looked_back_to), &again)
            }
        });
        if shape.json || shape.csv {
            if let Some(again) = again {
                remark(&again);
            }
            return Ok(ExitCode::SUCCESS);
        }
        if table.is_empty() {
            writeln!(out, "{}", self.none)?;
        } else {
            write_table(&table, self.tells_why, out)?;
        }
        if let Some(again) = again {
            writeln!(out, "{again}")?;
        }
        if self.tells_why && !table.is_empty() {
            writeln!(out, "{}", words::how_to_retry(&self.place.call()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// How many columns there are.
const COLUMNS: usize = 8;

/// What the table holds of a deploy: its cells are far smaller than its record.
struct Line {
    standing: Standing,
    cells: [String; COLUMNS],
}

/// What stands above the columns. What waits for a retry took no time, and needs a reason.
fn names(tells_why: bool) -> [&'static str; COLUMNS] {
    if tells_why {
        [
            "ID",
            "STATE",
            "ASKED (UTC)",
            "BY",
            "PROJECT",
            "JOB",
            "BRANCH",
            "WHY",
        ]
    } else {
        [
            "ID",
            "STATE",
            "ASKED (UTC)",
            "TOOK",
            "BY",
            "PROJECT",
            "JOB",
            "BRANCH",
        ]
    }
}

fn line(head: &Head, tells_why: bool) -> Line {
    let ask = &head.ask;
    let project = ask.project.as_ref().map(ToString::to_string);
    let end = head.end.as_ref();
    let (id, state) = (head.short.to_string(), head.state.to_string());
    let (asked, by, project) = (
        iso(ask.asked_at),
        row::who(head),
        project.unwrap_or_default(),
    );
    let (job, branch) = (ask.job.to_string(), ask.branch.to_string());
    let cells = if tells_why {
        let why = end.map(|end| words::reason(&end.reason));
        [
            id,
            state,
            asked,
            by,
            project,
            job,
            branch,
            why.unwrap_or_default(),
        ]
    } else {
        let took = end.map(|end| super::took(ask.asked_at, end.at));
        [
            id,
            state,
            asked,
            took.unwrap_or_default(),
            by,
            project,
            job,
            branch,
        ]
    };
    Line {
        standing: head.state.standing(),
        cells,
    }
}

/// Columns as wide as what stands in them.
fn write_table(lines: &[Line], tells_why: bool, out: &mut impl Write) -> Result<()> {
    let names = names(tells_why);
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line.cells[column].chars().count());
        cells.chain([names[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    let padded = |cell: &str, column: usize| {
        if column + 1 == COLUMNS {
            cell.to_owned()
        } else if names[column] == "TOOK" {
            format!("{cell:>width$}", width = widths[column])
        } else {
            format!("{cell:<width$}", width = widths[column])
        }
    };
    let header = names.iter().enumerate().map(|(i, name)| padded(name, i));
    writeln!(out, "{}", header.collect::<Vec<_>>().join("  ").bold())?;
    for Line { standing, cells } in lines {
        let cells = cells.iter().enumerate().map(|(i, cell)| match i {
            1 => padded(cell, i).style(colour(*standing)).to_string(),
            _ => padded(cell, i),
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  "))?;
    }
    Ok(())
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
mod tests;
