//! The table of deploys: in columns, or one deploy below the other where the terminal is narrow.

use std::io::Write;

use anyhow::Result;
use chatops_core::deploy::{DeployOutcome, DeployRecord};
use owo_colors::{OwoColorize, Style};

use crate::operator::{row, text, took};
use crate::output::{iso_time, sanitize};

/// How many characters of a commit the table shows.
const SHORT_COMMIT: usize = 7;

const STATE: &str = "STATE";
const DURATION: &str = "DURATION";

/// A row of the table, far smaller than its record: the outcome, and the cells by column.
pub(super) type TableRow = (DeployOutcome, Vec<(&'static str, String)>);

/// The row of a deploy. A list of deploys that wait for a retry has reasons, and neither durations nor
/// commits.
pub(super) fn table_row(record: &DeployRecord, shows_reason: bool) -> TableRow {
    let request = &record.request;
    let project = request.project.as_ref().map(ToString::to_string);
    let commit = record
        .revision()
        .map(|commit| sanitize(commit).chars().take(SHORT_COMMIT).collect());
    let (environment, end) = (request.environment.clone(), record.end.as_ref());
    let duration = record.duration().map(took);
    let reason = end.map(|end| text::end_reason(&end.reason));
    let operator = record.operator.as_deref().map(sanitize);
    let mut cells = vec![
        ("ID", record.short_id.to_string()),
        (STATE, record.state.to_string()),
        ("REQUESTED (UTC)", iso_time(request.requested_at)),
        (DURATION, duration.unwrap_or_default()),
        ("USER", row::user_label(record)),
        ("PROJECT", project.unwrap_or_default()),
        ("ENVIRONMENT", environment.unwrap_or_default()),
        (
            "JOB",
            sanitize(&format!("{}{}", request.job, request.parameters)),
        ),
        ("BRANCH", request.git_ref.to_string()),
        ("COMMIT", commit.unwrap_or_default()),
        ("OPERATOR", operator.unwrap_or_default()),
        ("REASON", reason.unwrap_or_default()),
    ];
    cells.retain(|(name, _)| match *name {
        DURATION | "COMMIT" => !shows_reason,
        "REASON" => shows_reason,
        _ => true,
    });
    (record.state.outcome(), cells)
}

/// Writes the rows in columns as wide as their widest cell, or where that is wider than the terminal, one below
/// the other.
pub(super) fn write_table(
    rows: &[TableRow],
    terminal: Option<usize>,
    out: &mut impl Write,
) -> Result<()> {
    let Some((_, first)) = rows.first() else {
        return Ok(());
    };
    let names: Vec<&str> = first.iter().map(|(name, _)| *name).collect();
    let width = |n: usize| {
        let cells = rows.iter().map(|(_, cells)| cells[n].1.chars().count());
        cells.chain([names[n].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let table: usize = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
    if let Some(terminal) = terminal.filter(|terminal| table > *terminal) {
        return rows
            .iter()
            .try_for_each(|row| write_stacked(row, terminal, out));
    }
    let padded = |n: usize, cell: &str| match (names[n], widths[n]) {
        (DURATION, width) => format!("{cell:>width$}"),
        (_, width) => format!("{cell:<width$}"),
    };
    let header: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(n, name)| padded(n, name))
        .collect();
    writeln!(out, "{}", header.join("  ").trim_end().bold())?;
    for (outcome, cells) in rows {
        let cell = |(n, (name, cell)): (usize, &(&str, String))| match *name {
            STATE => padded(n, cell).style(outcome_style(*outcome)).to_string(),
            _ => padded(n, cell),
        };
        let cells: Vec<String> = cells.iter().enumerate().map(cell).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// How far the lines below a deploy's first are indented.
const STACKED_INDENT: usize = 2;

/// Writes a row in several lines: id and state, and below them the rest, each with its name and never cut.
fn write_stacked((outcome, cells): &TableRow, terminal: usize, out: &mut impl Write) -> Result<()> {
    let [(_, id), (_, state), rest @ ..] = cells.as_slice() else {
        return Ok(());
    };
    writeln!(
        out,
        "{}  {}",
        id.bold(),
        state.style(outcome_style(*outcome))
    )?;
    let mut line = String::new();
    for (name, cell) in rest.iter().filter(|(_, cell)| !cell.is_empty()) {
        let cell = format!("{} {cell}", name.to_lowercase());
        let width = STACKED_INDENT + line.chars().count() + 2 + cell.chars().count();
        if !line.is_empty() && width > terminal {
            writeln!(out, "{:STACKED_INDENT$}{line}", "")?;
            line.clear();
        }
        let gap = if line.is_empty() { "" } else { "  " };
        line = format!("{line}{gap}{cell}");
    }
    writeln!(out, "{:STACKED_INDENT$}{line}", "")?;
    Ok(())
}

/// The colour of a state.
pub(in crate::operator) fn outcome_style(outcome: DeployOutcome) -> Style {
    match outcome {
        DeployOutcome::InProgress => Style::new().cyan(),
        DeployOutcome::Succeeded => Style::new().green(),
        DeployOutcome::Failed => Style::new().red(),
        DeployOutcome::Canceled | DeployOutcome::Rejected => Style::new().yellow(),
    }
}
