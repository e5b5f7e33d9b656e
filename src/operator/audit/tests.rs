//! The commands on real files: what was changed is named, and what was removed is found by the log.

mod pruning;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use chatops_core::audit::{AuditEvent, EventHash};
use chatops_core::deploy::DeployRecord;
use chatops_core::id::DeployId;
use clap::Parser;
use rusqlite::Connection;

use super::*;
use crate::operator::example;
use crate::operator::store::OperatorStore;
use crate::output::tests::KeptOutput;

/// A directory with a data file of so many deploys.
struct Place {
    dir: tempfile::TempDir,
    data: PathBuf,
}

#[derive(Parser)]
struct Typed {
    #[command(subcommand)]
    command: AuditCommand,
}

impl Place {
    async fn with(deploys: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("chatops.db");
        example::write_file(&data, deploys).await;
        Self { dir, data }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Whether it went well, and what was written; an error is its text.
    fn run(&self, words: &[&str]) -> (bool, String) {
        let data = self.data.display().to_string();
        let words = [&["audit"], words, &["--data", &data]].concat();
        let typed = Typed::try_parse_from(words).unwrap();
        let kept = KeptOutput::default();
        let mut out = CommandOutput::to_writer(Box::new(kept.clone()));
        let done = run_audit(&typed.command, &Installation::default(), &mut out);
        out.flush().unwrap();
        let text = anstream::adapter::strip_str(&kept.text()).to_string();
        match done {
            Ok(code) => (
                format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS),
                text,
            ),
            Err(error) => (false, format!("{text}{error:#}")),
        }
    }

    fn json(&self, words: &[&str]) -> serde_json::Value {
        let (_, text) = self.run(&[words, &["--json"]].concat());
        serde_json::from_str(&text).unwrap()
    }

    fn edit(&self, sql: &str) {
        let db = Connection::open(&self.data).unwrap();
        db.execute_batch("PRAGMA foreign_keys = off").unwrap();
        db.execute_batch(sql).unwrap();
    }

    fn db(&self) -> Connection {
        Connection::open(&self.data).unwrap()
    }

    /// The log of everything that is on record, as the server writes it.
    fn write_log(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        let mut log = fs::File::create(&path).unwrap();
        writeln!(log, "2027-01-15T08:00:00.000Z  INFO chatops: listening").unwrap();
        let db = self.db();
        let mut query = db.prepare("SELECT deploy, n, hash FROM event").unwrap();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let (deploy, n, hash): (String, i64, String) = (
                row.get(0).unwrap(),
                row.get(1).unwrap(),
                row.get(2).unwrap(),
            );
            let line = format!(
                "2027-01-15T08:00:00.000Z  INFO handle{{}}: chatops_worker: recorded deploy.id={deploy} \
                 event.n={n} event.hash={hash} event.kind=\"x\" state=\"RUNNING\""
            );
            writeln!(log, "{line}").unwrap();
        }
        path
    }
}

#[tokio::test]
async fn what_was_changed_is_named_with_both_values() {
    let place = Place::with(30).await;
    let (sound, text) = place.run(&["verify"]);
    assert!(sound, "{text}");
    insta::assert_snapshot!(text, @"30 deploys, 150 events read: everything agrees.");
    let ids = "CREATE TEMP TABLE one AS SELECT id FROM deploy WHERE state = 'CANCELED' ORDER BY id";
    place.edit(&format!(
        "{ids};
         UPDATE deploy SET body = replace(body, '\"number\":7', '\"number\":8') \
         WHERE id = (SELECT id FROM one LIMIT 1);
         UPDATE deploy SET user = 'T012ABCDEF/U0FORGED01' WHERE id = (SELECT id FROM one LIMIT 1);
         DELETE FROM short_id WHERE deploy = (SELECT id FROM one LIMIT 1);
         DROP TRIGGER event_is_not_removed;
         DROP INDEX deploy_user;"
    ));
    let (sound, text) = place.run(&["verify"]);
    assert!(!sound);
    insta::assert_snapshot!(text, @"
    DIFFERS the index deploy_user: it is missing
    DIFFERS the trigger event_is_not_removed: it is missing
    DIFFERS 2576f009-43b2-5e46-85a5-d5e32a39c9c1: it differs from its events: run.pipeline.number is '8', by the events '7'
    DIFFERS 2576f009-43b2-5e46-85a5-d5e32a39c9c1: it differs from its events: column user is 'T012ABCDEF/U0FORGED01', by the events 'T012ABCDEF/U012ABCDEF'
    DIFFERS 2576f009-43b2-5e46-85a5-d5e32a39c9c1: it differs from its events: the deploy of its short id is nothing, by the events '2576f009-43b2-5e46-85a5-d5e32a39c9c1'
    30 deploys, 150 events read: 3 deploys or rows differ. Compare them with a backup.
    ");
    let json = place.json(&["verify"]);
    assert_eq!((&json["found"], &json["deploys"]), (&5.into(), &30.into()));
    let number = json["first"].as_array().unwrap().iter();
    let mut number = number.filter(|one| one["field"] == "run.pipeline.number");
    let number = number.next().unwrap();
    assert_eq!(
        (&number["stored"], &number["by_events"]),
        (&"8".into(), &"7".into())
    );
}

#[tokio::test]
async fn only_the_first_differences_are_listed_unless_all_are_asked_for() {
    let place = Place::with(60).await;
    place.edit("UPDATE deploy SET job = 'other'");
    let (_, text) = place.run(&["verify"]);
    assert_eq!(text.matches("DIFFERS").count(), 20, "{text}");
    assert!(
        text.contains("\n… and 40 more: --all lists them\n"),
        "{text}"
    );
    let (_, text) = place.run(&["verify", "--all"]);
    assert_eq!(text.matches("DIFFERS").count(), 60, "{text}");
}

#[tokio::test]
async fn a_verification_that_was_stopped_goes_on_where_it_was() {
    let place = Place::with(450).await;
    let whole = place.json(&["verify"]);
    let store = OperatorStore::open_file(&place.data).unwrap();
    let file = place.path("place.json");
    let options = |file: &str| match Typed::try_parse_from(["audit", "verify", "--resume", file]) {
        Ok(Typed {
            command: AuditCommand::Verify(options),
        }) => options,
        _ => panic!("it is not parsed"),
    };
    // As if it was stopped after each of its steps.
    let mut steps = 0;
    let (mut cursor, mut report) = (None, report::AuditReport::default());
    loop {
        let saved = serde_json::json!({
            "record": store.name(), "cursor": cursor, "report": report,
        });
        fs::write(&file, saved.to_string()).unwrap();
        let resumed = verify::verify_all(&store, &options(&file)).unwrap();
        assert_eq!(serde_json::to_value(&resumed).unwrap(), whole, "{cursor:?}");
        assert!(!Path::new(&file).exists());
        let part = store.examine(cursor.as_deref()).unwrap();
        report.deploys += part.deploys;
        report.events += part.events;
        report.add(part.findings, false);
        cursor = part.next;
        steps += 1;
        if cursor.is_none() {
            break;
        }
    }
    assert!(steps > 10, "{steps}");
    fs::write(&file, r#"{"record":"another","cursor":null,"report":{}}"#).unwrap();
    let (sound, text) = place.run(&["verify", "--resume", &file]);
    assert!(
        !sound && text.contains("no place of audit verify"),
        "{text}"
    );
}

#[tokio::test]
async fn the_log_finds_what_was_removed_and_what_was_written_anew() {
    let place = Place::with(30).await;
    let log = place.write_log("chatops.log").display().to_string();
    let (sound, text) = place.run(&["verify", "--anchor", &log]);
    assert!(sound, "{text}");
    // One deploy is removed with everything that names it.
    let db = place.db();
    let ids: Vec<String> = db
        .prepare("SELECT id FROM deploy WHERE state = 'TRIGGERING' ORDER BY id LIMIT 3")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let triggers = "DROP TRIGGER event_is_not_removed; DROP TRIGGER event_is_not_changed;";
    let again = "CREATE TRIGGER event_is_not_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END;
CREATE TRIGGER event_is_not_removed BEFORE DELETE ON event
WHEN NOT EXISTS (SELECT 1 FROM pruned WHERE deploy = OLD.deploy)
BEGIN SELECT RAISE(ABORT, 'audit events are never removed'); END;";
    let gone = &ids[0];
    place.edit(&format!(
        "{triggers} DELETE FROM event WHERE deploy = '{gone}'; DELETE FROM deploy WHERE id = '{gone}'; \
         DELETE FROM short_id WHERE deploy = '{gone}'; DELETE FROM notification WHERE deploy = '{gone}'; \
         {again}"
    ));
    // Of another all events are sealed again, for somebody else, and its record fits.
    let forged = &ids[1];
    reseal(&db, forged, triggers, again);
    // Of the third the last event is cut off, and its record is what it was before that.
    cut_off(&db, &ids[2], triggers, again);
    let (sound, text) = place.run(&["verify"]);
    assert!(sound, "nothing inside shows it: {text}");
    let json = place.json(&["verify", "--anchor", &log, "--all"]);
    let first = json["first"].as_array().unwrap();
    let of = |id: &str| {
        first
            .iter()
            .filter(|one| one["deploy"] == id)
            .collect::<Vec<_>>()
    };
    assert!(
        of(gone)
            .iter()
            .all(|one| one["reason"] == "is in the log and not on record")
    );
    assert!(!of(gone).is_empty());
    assert!(
        of(forged)
            .iter()
            .all(|one| one["reason"] == "was written anew: the log has another hash")
    );
    assert!(!of(forged).is_empty());
    assert_eq!(of(&ids[2]).len(), 1, "{json}");
    assert_eq!(first.len(), of(gone).len() + of(forged).len() + 1);
}

fn events_of(db: &Connection, id: &str) -> Vec<AuditEvent> {
    let mut query = db
        .prepare("SELECT n, body FROM event WHERE deploy = ?1 ORDER BY n")
        .unwrap();
    let rows = query.query_map([id], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    });
    let event = |(n, body): (i64, String)| AuditEvent {
        deploy: DeployId::parse(id).unwrap(),
        n: n.cast_unsigned(),
        hash: EventHash::of(&body),
        body,
    };
    rows.unwrap().map(|row| event(row.unwrap())).collect()
}

fn record_of(db: &Connection, id: &str) -> DeployRecord {
    let sql = "SELECT body FROM deploy WHERE id = ?1";
    let body: String = db.query_row(sql, [id], |row| row.get(0)).unwrap();
    serde_json::from_str(&body).unwrap()
}

fn write_record(db: &Connection, record: &DeployRecord) {
    let sql = "UPDATE deploy SET body = ?2, state = ?3, user_name = ?4 WHERE id = ?1";
    let body = serde_json::to_string(record).unwrap();
    let name = record.request.user_name.clone();
    let (id, state) = (record.id.to_string(), record.state.as_str());
    db.execute(sql, rusqlite::params![id, body, state, name])
        .unwrap();
}

fn reseal(db: &Connection, id: &str, triggers: &str, again: &str) {
    db.execute_batch(triggers).unwrap();
    let mut prev = EventHash::START;
    let mut forged = vec![];
    for event in events_of(db, id) {
        let mut entry = event.entry().unwrap();
        if let chatops_core::audit::AuditChange::Requested { request, .. } = &mut entry.change {
            request.user_name = Some("bob".to_owned());
        }
        entry.prev = prev;
        let event = AuditEvent::seal(&entry);
        prev = event.hash;
        let sql = "UPDATE event SET body = ?3, hash = ?4 WHERE deploy = ?1 AND n = ?2";
        let n = i64::try_from(event.n).unwrap();
        let values = rusqlite::params![id, n, event.body, event.hash.to_string()];
        db.execute(sql, values).unwrap();
        forged.push(event);
    }
    let stored = record_of(db, id);
    let replayed = chatops_core::audit::replay(&forged).unwrap();
    write_record(db, &replayed.record.with_working_part(&stored));
    db.execute_batch(again).unwrap();
}

fn cut_off(db: &Connection, id: &str, triggers: &str, again: &str) {
    db.execute_batch(triggers).unwrap();
    let mut events = events_of(db, id);
    let last = events.pop().unwrap();
    let sql = "DELETE FROM event WHERE deploy = ?1 AND n = ?2";
    db.execute(sql, rusqlite::params![id, i64::try_from(last.n).unwrap()])
        .unwrap();
    let stored = record_of(db, id);
    let replayed = chatops_core::audit::replay(&events).unwrap();
    write_record(db, &replayed.record.with_working_part(&stored));
    db.execute_batch(again).unwrap();
}

#[tokio::test]
async fn a_log_without_a_line_of_ours_is_an_error() {
    let place = Place::with(1).await;
    let log = place.path("other.log");
    fs::write(&log, b"GET / 200\n\xff\xfe\n").unwrap();
    let (sound, text) = place.run(&["verify", "--anchor", &log]);
    assert!(
        !sound && text.contains("has no line of a recorded event: give the log"),
        "{text}"
    );
    let (sound, text) = place.run(&["verify", "--anchor", &place.path("none")]);
    assert!(!sound && text.contains("cannot be opened"), "{text}");
}

#[tokio::test]
async fn an_export_verifies_itself_and_is_never_replaced() {
    let place = Place::with(60).await;
    let file = place.path("all.jsonl");
    let (done, text) = place.run(&["export", "--output", &file]);
    assert!(done, "{text}");
    assert!(text.starts_with("60 deploys and "), "{text}");
    let whole = fs::read(&file).unwrap();
    let (done, text) = place.run(&["export", "--output", &file]);
    assert!(
        !done && text.contains("exists and is not replaced"),
        "{text}"
    );
    assert_eq!(fs::read(&file).unwrap(), whole);
    let (sound, text) = place.run(&["verify", "--export", &file]);
    assert!(sound, "{text}");
    let log = place.write_log("chatops.log").display().to_string();
    let (sound, text) = place.run(&["verify", "--export", &file, "--anchor", &log]);
    assert!(sound, "{text}");
    // Any byte that is changed, any line that is left out.
    let forged = place.path("forged.jsonl");
    for n in 0..200 {
        let mut bytes = whole.clone();
        let at = n * whole.len() / 200;
        if n % 2 == 0 {
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
        } else {
            let end = bytes[at..].iter().position(|byte| *byte == b'\n');
            let end = at + end.unwrap_or_default();
            bytes.drain(at..=end.min(whole.len() - 1));
        }
        fs::write(&forged, &bytes).unwrap();
        let (sound, text) = place.run(&["verify", "--export", &forged]);
        assert!(!sound, "{n}: {text}");
    }
    let (done, text) = place.run(&[
        "export",
        "--output",
        &place.path("none.jsonl"),
        "--before",
        "2020-01-01",
    ]);
    assert!(done && text.starts_with("0 deploys"), "{text}");
}

#[test]
fn the_documents_say_what_is_not_attested() {
    let page = include_str!("../../../docs/operations.md");
    for one in chatops_core::audit::unattested::UNATTESTED {
        let row = format!("| {} | {} |", one.what, one.why);
        assert!(page.contains(&row), "{row}");
    }
}
