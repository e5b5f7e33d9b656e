//! A deploy as lists export it: the same names and values in JSON and CSV.

use std::io::{self, Write};

use chatops_core::config::value_text;
use chatops_core::deploy::DeployRecord;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::text;
use crate::output::{micros_time, sanitize};

/// The columns of the CSV and the keys of the JSON. Names are added, never changed.
const COLUMNS: [&str; 28] = [
    "id",
    "short_id",
    "state",
    "outcome",
    "requested_at",
    "ended_at",
    "duration_seconds",
    "user",
    "user_name",
    "team",
    "channel",
    "project",
    "environment",
    "job",
    "branch",
    "reason",
    "attempts",
    "number",
    "url",
    "commit",
    "retry_of",
    "retried_by",
    "cancel_requested_by",
    "operator",
    "tag",
    "subject",
    "previous_commit",
    "parameters",
];

/// The values of a deploy, in the order of the columns.
pub(super) struct DeployRow([Value; COLUMNS.len()]);

impl DeployRow {
    pub(super) fn from_record(record: &DeployRecord) -> Self {
        let request = &record.request;
        let (end, cancel) = (record.end.as_ref(), record.cancel.as_ref());
        let run = record.run.as_ref();
        let pipeline = run.map(|run| &run.pipeline);
        let replaced = record.replaced();
        let duration = record.duration().map(|took| took.as_secs());
        Self([
            json!(record.id),
            json!(record.short_id),
            json!(record.state),
            json!(record.state.outcome()),
            json!(micros_time(request.requested_at)),
            json!(end.map(|end| micros_time(end.at))),
            json!(duration),
            json!(request.user),
            json!(request.user_name),
            json!(request.team),
            json!(request.channel),
            json!(request.project),
            json!(request.environment),
            json!(request.job),
            json!(request.git_ref.branch()),
            json!(end.map(|end| text::end_reason(&end.reason))),
            json!(record.attempts),
            json!(pipeline.map(|pipeline| pipeline.number)),
            json!(pipeline.map(|pipeline| &pipeline.url)),
            json!(record.revision()),
            json!(record.retry_of),
            json!(record.retried_by),
            json!(cancel.map(|cancel| text::requester_label(&cancel.by))),
            json!(record.operator),
            json!(request.git_ref.tag()),
            json!(run.and_then(|run| run.subject.as_ref())),
            json!(replaced.and_then(|replaced| replaced.revision.as_ref())),
            json!(request.parameters),
        ])
    }
}

impl Serialize for DeployRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(COLUMNS.iter().zip(&self.0))
    }
}

pub(super) fn write_csv_header(out: &mut impl Write) -> io::Result<()> {
    write_csv_line(out, COLUMNS.map(str::to_owned))
}

pub(super) fn write_csv_row(out: &mut impl Write, row: &DeployRow) -> io::Result<()> {
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        // The parameters, as they are typed.
        Value::Object(all) => {
            let pairs = all.iter();
            let pairs = pairs.map(|(name, value)| format!("{name}={}", value_text(value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        value => value.to_string(),
    };
    write_csv_line(out, row.0.each_ref().map(cell))
}

/// One line by RFC 4180.
fn write_csv_line(out: &mut impl Write, cells: [String; COLUMNS.len()]) -> io::Result<()> {
    let cells = cells.map(|cell| quote_cell(&cell));
    write!(out, "{}\r\n", cells.join(","))
}

/// A cell, quoted where necessary. Spreadsheets run what begins like a formula, and some values are
/// foreign text: such a cell gets an apostrophe in front.
fn quote_cell(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let guard = if formula { "'" } else { "" };
    if formula || cell.contains(['"', ',', '\r', '\n', ';', '\t']) || cell != cell.trim() {
        format!("\"{guard}{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// The requester in the table.
pub(super) fn user_label(record: &DeployRecord) -> String {
    let name = record.request.user_name.as_deref();
    let name = name.map(|name| format!("@{}", sanitize(name)));
    name.unwrap_or_else(|| record.request.user.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_necessary() {
        for (cell, expected) in [
            ("", ""),
            ("feature/a-b", "feature/a-b"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("one\ntwo", "\"one\ntwo\""),
            (" padded", "\" padded\""),
            ("a;b", "\"a;b\""),
        ] {
            assert_eq!(quote_cell(cell), expected);
        }
    }

    #[test]
    fn no_cell_is_a_formula() {
        let formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "＝1"];
        for cell in formulas.into_iter().chain(["=HYPERLINK(\"x\")"]) {
            let quoted = quote_cell(cell);
            assert!(quoted.starts_with("\"'"), "{quoted}");
            let inner = quoted.trim_matches('"').replace("\"\"", "\"");
            let expected = format!("'{cell}");
            assert_eq!(inner.trim_end_matches('"'), expected.trim_end_matches('"'));
        }
    }

    #[test]
    fn json_and_csv_have_the_same_names_and_values() {
        let row = DeployRow::from_record(&super::super::example::canceled());
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json.as_object().unwrap().len(), COLUMNS.len());
        assert_eq!(json["requested_at"], "2027-01-15T08:00:00.000000Z");
        assert_eq!(json["attempts"], 1);
        assert_eq!(json["commit"], Value::Null);
        let mut text = Vec::new();
        write_csv_header(&mut text).unwrap();
        write_csv_row(&mut text, &row).unwrap();
        insta::assert_snapshot!(String::from_utf8(text).unwrap().replace('\r', ""), @r"
        id,short_id,state,outcome,requested_at,ended_at,duration_seconds,user,user_name,team,channel,project,environment,job,branch,reason,attempts,number,url,commit,retry_of,retried_by,cancel_requested_by,operator,tag,subject,previous_commit,parameters
        1aee4c77-3d90-52be-bfca-143d40fa52ab,1aee4c77,CANCELED,canceled,2027-01-15T08:00:00.000000Z,2027-01-15T08:02:10.000000Z,130,U012ABCDEF,ana,T012ABCDEF,C012ABCDEF,web,production,deploy,feature/login,ship\u{1b}[2J canceled,1,7,https://app.circleci.com/pipelines/github/acme/web/7,,,,operator ada,,,,,
        ");
    }
}
