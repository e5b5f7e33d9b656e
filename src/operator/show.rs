//! `chatops show`: one deploy and its audit.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use chatops_core::audit::{self, AuditEntry};
use chatops_core::deploy::DeployRecord;
use chatops_core::id::DeployRef;
use chatops_core::notification::Undelivered;
use clap::Args;
use owo_colors::OwoColorize;
use serde::Serialize;
use serde_json::{Value, json};

use super::list::outcome_style;
use super::row::DeployRow;
use super::{DataFile, Installation, text};
use crate::output::{CommandOutput, iso_time, micros_time, sanitize};

#[derive(Debug, Args)]
pub(crate) struct ShowOptions {
    /// The deploy, by its short or full id
    #[arg(value_name = "ID", value_parser = super::parse_deploy_ref)]
    deploy: DeployRef,
    /// Write one JSON object: the deploy as `history` lists it, `chain`, `undelivered` and its `events`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataFile,
}

#[derive(Serialize)]
struct ShowOutput<'a> {
    #[serde(flatten)]
    row: DeployRow,
    chain: &'a str,
    /// What Slack could not be told last, if anything.
    undelivered: Option<Value>,
    events: Value,
}

pub(super) fn show_deploy(
    options: &ShowOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let (deploy, data, json) = (&options.deploy, &options.data, options.json);
    show_one(deploy, data, json, Detail::Audit, installation, out)
}

/// How much of a deploy is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// How it stands.
    State,
    /// That and its events.
    Audit,
}

/// Shows a deploy; as JSON always with its events.
pub(super) fn show_one(
    deploy: &DeployRef,
    data: &DataFile,
    json: bool,
    detail: Detail,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let store = installation.open(&data.path)?;
    let id = super::find_deploy(&store, deploy, installation)?.id;
    let (record, events) = store
        .read_with_audit(id)?
        .with_context(|| text::unknown_deploy(deploy, &installation.command_prefix()))?;
    let entries = events.iter().map(|event| {
        let unreadable = || text::unreadable_event(event.n);
        event.entry().with_context(unreadable)
    });
    let entries: Vec<AuditEntry> = entries.collect::<Result<_>>()?;
    let chain = match audit::verify_chain(record.id, &events, record.last_hash) {
        Ok(()) => "verified".to_owned(),
        Err(broken) => format!("BROKEN: {broken}"),
    };
    let undelivered = store.read_undelivered(id)?;
    if json {
        let mut events = serde_json::to_value(&entries)?;
        unify_times(&mut events);
        let undelivered = undelivered.map(|one| {
            let told_later = one.told_later;
            let (kind, reason, at) = (one.kind, one.reason, iso_time(one.at));
            let channels = one.channels;
            json!({ "kind": kind, "reason": reason, "at": at, "told_later": told_later, "channels": channels })
        });
        out.write_json(&ShowOutput {
            row: DeployRow::from_record(&record),
            chain: &chain,
            undelivered,
            events,
        })?;
    } else {
        write_deploy(&record, undelivered.as_ref(), &entries, &chain, out)?;
        if detail == Detail::Audit {
            writeln!(out)?;
            write_events(&entries, out.width(), out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_deploy(
    record: &DeployRecord,
    undelivered: Option<&Undelivered>,
    entries: &[AuditEntry],
    chain: &str,
    out: &mut impl Write,
) -> Result<()> {
    let request = &record.request;
    writeln!(out, "{} {}", "Deploy".bold(), record.id)?;
    let mut line = |name: &str, value: String| writeln!(out, "  {name:<11} {value}");
    let style = outcome_style(record.state.outcome());
    line("state", record.state.style(style).to_string())?;
    let project = request
        .project
        .as_ref()
        .map_or("(no project)", |p| p.as_str());
    let what = format!("{} on {} of {project}", request.job, request.git_ref);
    line("what", what)?;
    for (name, value) in request.parameters.iter() {
        line("parameter", sanitize(&format!("{name}={value}")))?;
    }
    if let Some(environment) = &request.environment {
        line("environment", environment.clone())?;
    }
    let name = request.user_name.as_deref();
    let name = name.map_or_else(String::new, |name| format!(" (@{})", sanitize(name)));
    let requested = iso_time(request.requested_at);
    let (user, channel, team) = (&request.user, &request.channel, &request.team);
    let requested = format!("{requested} by {user}{name} in {channel} of {team}");
    line("requested", requested)?;
    if request.unsigned {
        line("", text::UNSIGNED_REQUEST.to_owned())?;
    }
    if let Some(operator) = &record.operator {
        line("operator", sanitize(operator))?;
    }
    if let Some(end) = &record.end {
        let took = record.duration().map(super::took);
        let took = took.map_or_else(String::new, |took| format!(", {took} after the trigger"));
        line("ended", format!("{}{took}", iso_time(end.at)))?;
        line("reason", text::end_reason(&end.reason))?;
        for candidate in text::candidate_lines(&end.reason) {
            line("", candidate)?;
        }
    }
    if let Some(run) = &record.run {
        line("at CircleCI", text::run_label(&run.pipeline))?;
        line("", sanitize(run.pipeline.url.as_str()))?;
        if let Some(commit) = &run.revision {
            line("commit", sanitize(commit))?;
        }
        if let Some(subject) = &run.subject {
            line("", sanitize(subject))?;
        }
        if let Some(replaced) = record.replaced() {
            line("replaces", text::replaced_release(replaced))?;
        }
    }
    if let Some(action) = &record.cancel {
        let (at, by) = (iso_time(action.at), text::requester_label(&action.by));
        line("cancel", format!("requested at {at} by {by}"))?;
    }
    if let Some(old) = record.retry_of {
        line("retry of", old.to_string())?;
    }
    if let Some(new) = record.retried_by {
        line("retried", format!("as {new}"))?;
    }
    if let Some(undelivered) = undelivered {
        line("not told", text::undelivered(undelivered))?;
    }
    let events = format!("{} events, the chain is {chain}", entries.len());
    line("audit", events).map_err(Into::into)
}

/// From this width of a terminal on an event's time and state stand in front of what happened.
const WIDE: usize = 100;

/// The events in order. Those in a row that differ by number and time alone are one.
fn write_events(
    entries: &[AuditEntry],
    terminal: Option<usize>,
    out: &mut impl Write,
) -> Result<()> {
    let is_narrow = terminal.is_some_and(|width| width < WIDE);
    let indent = if is_narrow { 5 } else { 49 };
    let said: Vec<_> = entries
        .iter()
        .map(|entry| (entry, text::actor_label(&entry.by), text::event_text(entry)))
        .collect();
    let same = said.chunk_by(|(one, by, what), (next, next_by, next_what)| {
        (one.state, by, what) == (next.state, next_by, next_what)
    });
    for run in same {
        let [(entry, who, (what, below)), rest @ ..] = run else {
            continue;
        };
        let at = (entry.at).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let state = entry.state.to_string();
        let number = entry.n;
        let more = rest
            .last()
            .map(|(last, ..)| text::repeated(run.len(), last));
        let more = more.unwrap_or_default();
        if is_narrow {
            writeln!(out, "{number:>3}  {at}  {state}")?;
            writeln!(out, "{:indent$}{who}: {what}{more}", "")?;
        } else {
            writeln!(out, "{number:>3}  {at}  {state:<14}  {who}: {what}{more}")?;
        }
        for more in below {
            writeln!(out, "{:indent$}{more}", "")?;
        }
    }
    Ok(())
}

/// The keys of times in an audit entry.
const TIME_KEYS: [&str; 8] = [
    "at",
    "again_at",
    "send_by",
    "since",
    "until",
    "requested_at",
    "due_at",
    "delivered_at",
];

/// Gives every time of an audit entry's JSON six digits of microseconds.
fn unify_times(json: &mut Value) {
    match json {
        Value::Array(values) => values.iter_mut().for_each(unify_times),
        Value::Object(fields) => {
            for (key, value) in fields {
                let text = value.as_str().filter(|_| TIME_KEYS.contains(&key.as_str()));
                let time = text.and_then(|text| text.parse().ok()).map(micros_time);
                match time {
                    Some(time) => *value = Value::String(time),
                    None => unify_times(value),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn events_that_say_the_same_are_one_line() {
        let (_, entries) = super::super::example::canceled_with_audit();
        let mut shown = entries[7].clone();
        let mut run: Vec<AuditEntry> = vec![entries[6].clone()];
        for n in 8..34 {
            shown.n = n;
            shown.at += chrono::TimeDelta::seconds(30);
            run.push(shown.clone());
        }
        run.push(entries[8].clone());
        let mut text = Vec::new();
        write_events(&run, None, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        insta::assert_snapshot!(text, @"
        7  2027-01-15T08:01:05.000Z  RUNNING         worker: running: ship, notify
        8  2027-01-15T08:02:00.000Z  RUNNING         worker: waits for an approval at CircleCI: ship, notify, job approve (26 times, up to event 33 at 2027-01-15T08:14:30Z)
        9  2027-01-15T08:01:40.000Z  RUNNING         operator ada: cancel requested
        ");
    }

    #[test]
    fn the_deploy_and_its_events_are_shown() {
        let (record, entries) = super::super::example::canceled_with_audit();
        let mut text = Vec::new();
        write_deploy(&record, None, &entries, "verified", &mut text).unwrap();
        writeln!(text).unwrap();
        write_events(&entries, None, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        insta::assert_snapshot!(strip_str(&text).to_string(), @r"
        Deploy 1aee4c77-3d90-52be-bfca-143d40fa52ab
          state       CANCELED
          what        deploy on feature/login of web
          environment production
          requested   2027-01-15T08:00:00Z by U012ABCDEF (@ana) in C012ABCDEF of T012ABCDEF
          ended       2027-01-15T08:02:10Z, 2m 10s after the trigger
          reason      ship\u{1b}[2J canceled
          at CircleCI pipeline 7
                      https://app.circleci.com/pipelines/github/acme/web/7
          cancel      requested at 2027-01-15T08:01:40Z by operator ada
          audit       10 events, the chain is verified

          1  2027-01-15T08:00:00.000Z  REQUESTED       T012ABCDEF/U012ABCDEF: requested deploy on feature/login of web, in C012ABCDEF
          2  2027-01-15T08:00:00.000Z  TRIGGERING      worker: allowed by configuration 0123456789ab, lock on gh/acme/web/production; attempt 1 may send until 2027-01-15T08:00:15Z
                                                         by a new pipeline (API v2)
          3  2027-01-15T08:00:01.000Z  REQUESTED       worker: not sent: HTTP 503: come back later
                                                         next try at 2027-01-15T08:00:06Z
          4  2027-01-15T08:00:06.000Z  TRIGGERING      worker: allowed by configuration 0123456789ab, lock on gh/acme/web/production; attempt 1 may send until 2027-01-15T08:00:15Z
                                                         by a new pipeline (API v2)
          5  2027-01-15T08:00:08.000Z  TRIGGERING      worker: sent, but the answer was lost: timed out
          6  2027-01-15T08:01:00.000Z  TRIGGERED       worker: triggered pipeline 7: it carries this deploy's id
                                                         https://app.circleci.com/pipelines/github/acme/web/7
          7  2027-01-15T08:01:05.000Z  RUNNING         worker: running: ship, notify
          8  2027-01-15T08:01:30.000Z  RUNNING         worker: waits for an approval at CircleCI: ship, notify, job approve
          9  2027-01-15T08:01:40.000Z  RUNNING         operator ada: cancel requested
         10  2027-01-15T08:02:10.000Z  CANCELED        worker: ended CANCELED: ship\u{1b}[2J canceled
        ");
    }

    #[test]
    fn in_a_narrow_terminal_an_event_has_two_lines() {
        let (_, entries) = super::super::example::canceled_with_audit();
        let mut text = Vec::new();
        write_events(&entries[..2], Some(60), &mut text).unwrap();
        insta::assert_snapshot!(String::from_utf8(text).unwrap(), @"
        1  2027-01-15T08:00:00.000Z  REQUESTED
           T012ABCDEF/U012ABCDEF: requested deploy on feature/login of web, in C012ABCDEF
        2  2027-01-15T08:00:00.000Z  TRIGGERING
           worker: allowed by configuration 0123456789ab, lock on gh/acme/web/production; attempt 1 may send until 2027-01-15T08:00:15Z
           by a new pipeline (API v2)
        ");
    }

    #[test]
    fn times_in_exports_have_six_digits() {
        let (_, entries) = crate::operator::example::canceled_with_audit();
        let mut json = serde_json::to_value(&entries[2]).unwrap();
        json["note"] = "2027-01-15T08:00:00Z".into();
        unify_times(&mut json);
        assert_eq!(json["at"], "2027-01-15T08:00:01.000000Z");
        let again_at = &json["change"]["again_at"];
        assert_eq!(again_at, "2027-01-15T08:00:06.000000Z", "{json}");
        assert_eq!(json["note"], "2027-01-15T08:00:00Z");
    }
}
