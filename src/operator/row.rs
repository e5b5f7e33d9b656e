//! A deploy as a list shows it: one shape for JSON, for CSV and for the table.

use std::io::{self, Write};

use chatops_core::Time;
use chatops_core::deploy::{Head, Standing, State};
use chatops_core::id::DeployId;
use serde::Serialize;
use url::Url;

use super::out::{iso, plain};
use super::words;

/// The columns, in the order of the CSV; the JSON has the same names.
const COLUMNS: [&str; 22] = [
    "id",
    "short",
    "state",
    "standing",
    "asked_at",
    "ended_at",
    "seconds",
    "user",
    "user_name",
    "team",
    "channel",
    "project",
    "job",
    "branch",
    "why",
    "attempts",
    "number",
    "url",
    "commit",
    "retry_of",
    "retried_by",
    "cancel_wished_by",
];

/// What is listed of a deploy. Fields are added, never renamed.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) id: DeployId,
    pub(super) short: String,
    pub(super) state: State,
    pub(super) standing: Standing,
    pub(super) asked_at: Time,
    pub(super) ended_at: Option<Time>,
    /// From the command to the end.
    pub(super) seconds: Option<i64>,
    pub(super) user: String,
    pub(super) user_name: Option<String>,
    pub(super) team: String,
    pub(super) channel: String,
    pub(super) project: Option<String>,
    pub(super) job: String,
    pub(super) branch: String,
    pub(super) why: Option<String>,
    pub(super) attempts: u32,
    /// Of the pipeline or build at CircleCI.
    pub(super) number: Option<u64>,
    pub(super) url: Option<Url>,
    pub(super) commit: Option<String>,
    pub(super) retry_of: Option<DeployId>,
    pub(super) retried_by: Option<DeployId>,
    pub(super) cancel_wished_by: Option<String>,
}

impl Row {
    pub(super) fn of(head: &Head) -> Self {
        let ask = &head.ask;
        let ended_at = head.end.as_ref().map(|end| end.at);
        let run = head.run.as_ref();
        Self {
            id: head.id,
            short: head.short.to_string(),
            state: head.state,
            standing: head.state.standing(),
            asked_at: ask.asked_at,
            ended_at,
            seconds: ended_at.map(|at| (at - ask.asked_at).num_seconds().max(0)),
            user: ask.user.to_string(),
            user_name: ask.user_name.clone(),
            team: ask.team.to_string(),
            channel: ask.channel.to_string(),
            project: ask.project.as_ref().map(ToString::to_string),
            job: ask.job.to_string(),
            branch: ask.branch.to_string(),
            why: head.end.as_ref().map(|end| words::reason(&end.reason)),
            attempts: head.attempts,
            number: run.map(|run| run.pipeline.number),
            url: run.map(|run| run.pipeline.url.clone()),
            commit: run.and_then(|run| run.revision.clone()),
            retry_of: head.retry_of,
            retried_by: head.retried_by,
            cancel_wished_by: head.cancel.as_ref().map(|wish| words::by(&wish.by)),
        }
    }

    /// The line of the CSV.
    fn cells(&self) -> [String; COLUMNS.len()] {
        let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
        let id = |id: Option<DeployId>| id.map(|id| id.to_string()).unwrap_or_default();
        [
            self.id.to_string(),
            self.short.clone(),
            self.state.to_string(),
            self.standing.word().to_owned(),
            iso(self.asked_at),
            self.ended_at.map(iso).unwrap_or_default(),
            self.seconds.map(|n| n.to_string()).unwrap_or_default(),
            self.user.clone(),
            text(&self.user_name),
            self.team.clone(),
            self.channel.clone(),
            text(&self.project),
            self.job.clone(),
            self.branch.clone(),
            text(&self.why),
            self.attempts.to_string(),
            self.number.map(|n| n.to_string()).unwrap_or_default(),
            self.url
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            text(&self.commit),
            id(self.retry_of),
            id(self.retried_by),
            text(&self.cancel_wished_by),
        ]
    }
}

/// The first line of the CSV.
pub(super) fn csv_header(out: &mut impl Write) -> io::Result<()> {
    csv(out, &COLUMNS)
}

/// A deploy's line of the CSV.
pub(super) fn csv_row(out: &mut impl Write, row: &Row) -> io::Result<()> {
    csv(out, &row.cells())
}

/// One line by RFC 4180.
fn csv(out: &mut impl Write, cells: &[impl AsRef<str>]) -> io::Result<()> {
    let line: Vec<String> = cells.iter().map(|cell| quoted(cell.as_ref())).collect();
    write!(out, "{}\r\n", line.join(","))
}

/// A cell, quoted where it has to be. A spreadsheet runs what begins like a formula, and some of
/// these words are other people's: such a cell gets an apostrophe in front.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let guard = if formula { "'" } else { "" };
    if formula || cell.contains(['"', ',', '\r', '\n', ';', '\t']) || cell != cell.trim() {
        format!("\"{guard}{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// What the table calls the one who asked.
pub(super) fn who(head: &Head) -> String {
    let name = head.ask.user_name.as_deref().map(plain);
    name.map_or_else(|| head.ask.user.to_string(), |name| format!("@{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_have_to_be() {
        for (cell, expected) in [
            ("", ""),
            ("feature/a-b", "feature/a-b"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("one\ntwo", "\"one\ntwo\""),
            (" padded", "\" padded\""),
            ("a;b", "\"a;b\""),
        ] {
            assert_eq!(quoted(cell), expected);
        }
    }

    #[test]
    fn no_cell_is_a_formula() {
        for cell in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\tx",
            "\r=1",
            "=HYPERLINK(\"x\")",
            "＝1",
        ] {
            let quoted = quoted(cell);
            assert!(quoted.starts_with("\"'"), "{quoted}");
            let inner = quoted.trim_matches('"').replace("\"\"", "\"");
            assert_eq!(
                inner.trim_end_matches('"'),
                format!("'{cell}").trim_end_matches('"')
            );
        }
    }

    #[test]
    fn the_columns_are_the_fields_of_the_json() {
        let head = super::super::example::head();
        let json = serde_json::to_value(Row::of(&head)).unwrap();
        let mut fields: Vec<&str> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut columns = COLUMNS.to_vec();
        fields.sort_unstable();
        columns.sort_unstable();
        assert_eq!(fields, columns);
        let mut text = Vec::new();
        csv_header(&mut text).unwrap();
        csv_row(&mut text, &Row::of(&head)).unwrap();
        insta::assert_snapshot!(String::from_utf8(text).unwrap().replace('\r', ""), @r"
        id,short,state,standing,asked_at,ended_at,seconds,user,user_name,team,channel,project,job,branch,why,attempts,number,url,commit,retry_of,retried_by,cancel_wished_by
        1aee4c77-3d90-52be-bfca-143d40fa52ab,1aee4c77,CANCELED,canceled,2027-01-15T08:00:00Z,2027-01-15T08:02:10Z,130,U012ABCDEF,ana,T012ABCDEF,C012ABCDEF,web,deploy,feature/login,ship\u{1b}[2J canceled,1,7,https://app.circleci.com/pipelines/github/acme/web/7,,,,operator ada
        ");
    }
}
