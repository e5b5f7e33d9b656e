//! `chatops show`: one deploy, and its audit from the first event to the last.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use chatops_core::audit::{self, Entry};
use chatops_core::deploy::Head;
use chatops_core::id::DeployRef;
use clap::Args;
use owo_colors::OwoColorize;
use serde::Serialize;

use super::list::colour;
use super::out::{Out, iso, plain};
use super::row::Row;
use super::{DataFile, Place, words};

/// The options of `chatops show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The deploy, by its short or its whole id
    #[arg(value_name = "ID", value_parser = super::deploy_ref)]
    deploy: DeployRef,
    /// One JSON object: the deploy as `history` lists it, and its `events`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataFile,
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    row: Row,
    chain: &'a str,
    events: &'a [Entry],
}

/// Shows it.
pub(super) fn run(options: &Show, place: &Place, out: &mut Out) -> Result<ExitCode> {
    let record = place.open(&options.data.data)?;
    let id = super::find(&record, &options.deploy, place)?.id;
    let (head, events) = record
        .deploy(id)?
        .with_context(|| words::unknown_deploy(&options.deploy, &place.call()))?;
    let entries = events.iter().map(|event| {
        let unreadable = || words::unreadable(event.n);
        event.entry().with_context(unreadable)
    });
    let entries: Vec<Entry> = entries.collect::<Result<_>>()?;
    let chain = match audit::verify(head.id, &events, head.last_hash) {
        Ok(()) => "whole".to_owned(),
        Err(broken) => format!("BROKEN: {broken}"),
    };
    if options.json {
        out.json(&Whole {
            row: Row::of(&head),
            chain: &chain,
            events: &entries,
        })?;
    } else {
        write(&head, &entries, &chain, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(head: &Head, entries: &[Entry], chain: &str, out: &mut impl Write) -> Result<()> {
    let (ask, row) = (&head.ask, Row::of(head));
    writeln!(out, "{} {}", "Deploy".bold(), head.id)?;
    let mut line = |name: &str, value: String| writeln!(out, "  {name:<11} {value}");
    line(
        "state",
        head.state.style(colour(head.state.standing())).to_string(),
    )?;
    let project = row.project.as_deref().unwrap_or("(no project)");
    line(
        "what",
        format!("{} on {} of {project}", ask.job, ask.branch),
    )?;
    let name = ask.user_name.as_deref();
    let name = name.map_or_else(String::new, |name| format!(" (@{})", plain(name)));
    let asked = iso(ask.asked_at);
    line(
        "asked",
        format!(
            "{asked} by {}{name} in {} of {}",
            ask.user, ask.channel, ask.team
        ),
    )?;
    if let Some(end) = &head.end {
        let took = super::took(ask.asked_at, end.at);
        line("ended", format!("{} after {took}", iso(end.at)))?;
        line("why", words::reason(&end.reason))?;
        for candidate in words::candidates(&end.reason) {
            line("", candidate)?;
        }
    }
    if let Some(run) = &head.run {
        line("at CircleCI", words::run(&run.pipeline))?;
        line("", plain(run.pipeline.url.as_str()))?;
        if let Some(commit) = &run.revision {
            line("commit", plain(commit))?;
        }
    }
    if let Some(wish) = &head.cancel {
        let by = words::by(&wish.by);
        line("cancel", format!("wished at {} by {by}", iso(wish.at)))?;
    }
    if let Some(old) = head.retry_of {
        line("repeats", old.to_string())?;
    }
    if let Some(new) = head.retried_by {
        line("tried again", format!("as {new}"))?;
    }
    let events = format!("{} events, the chain is {chain}", entries.len());
    line("audit", events)?;
    writeln!(out)?;
    for entry in entries {
        let (what, below) = words::event(entry);
        let who = words::actor(&entry.by);
        let at = entry
            .at
            .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let state = entry.state.to_string();
        writeln!(out, "{:>3}  {at}  {state:<14}  {who}: {what}", entry.n)?;
        for more in below {
            writeln!(out, "{:49}{more}", "")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn everything_that_happened_is_told() {
        let (head, entries) = super::super::example::told();
        let mut text = Vec::new();
        write(&head, &entries, "whole", &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        insta::assert_snapshot!(strip_str(&text).to_string(), @r"
        Deploy 1aee4c77-3d90-52be-bfca-143d40fa52ab
          state       CANCELED
          what        deploy on feature/login of web
          asked       2027-01-15T08:00:00Z by U012ABCDEF (@ana) in C012ABCDEF of T012ABCDEF
          ended       2027-01-15T08:02:10Z after 2m 10s
          why         ship\u{1b}[2J canceled
          at CircleCI pipeline 7
                      https://app.circleci.com/pipelines/github/acme/web/7
          cancel      wished at 2027-01-15T08:01:40Z by operator ada
          audit       10 events, the chain is whole

          1  2027-01-15T08:00:00.000Z  REQUESTED       U012ABCDEF: asked for deploy on feature/login of web, in C012ABCDEF
          2  2027-01-15T08:00:00.000Z  ARMED           worker: allowed by configuration 0123456789ab, lock on web/production; attempt 1 may send until 2027-01-15T08:00:15Z
                                                         by a new pipeline (API v2)
          3  2027-01-15T08:00:01.000Z  REQUESTED       worker: not sent: HTTP 503: come back later
                                                         to be tried again at 2027-01-15T08:00:06Z
          4  2027-01-15T08:00:06.000Z  ARMED           worker: allowed by configuration 0123456789ab, lock on web/production; attempt 1 may send until 2027-01-15T08:00:15Z
                                                         by a new pipeline (API v2)
          5  2027-01-15T08:00:08.000Z  ARMED           worker: sent, but the answer was lost: timed out
          6  2027-01-15T08:01:00.000Z  TRIGGERED       worker: pipeline 7 is ours: it carries this deploy's id
                                                         https://app.circleci.com/pipelines/github/acme/web/7
          7  2027-01-15T08:01:05.000Z  RUNNING         worker: running: ship, notify
          8  2027-01-15T08:01:30.000Z  RUNNING         worker: waits for an approval at CircleCI: ship, notify
          9  2027-01-15T08:01:40.000Z  RUNNING         operator ada: wishes it canceled
         10  2027-01-15T08:02:10.000Z  CANCELED        worker: ended CANCELED: ship\u{1b}[2J canceled
        ");
    }
}
