//! Tables and pages.

use chatops_core::audit::stored::Chain;
use std::io;
use std::sync::{Arc, Mutex};

use anstream::adapter::strip_str;

use super::super::example;
use super::*;

fn table(heads: &[Head], tells_why: bool) -> String {
    let mut text = Vec::new();
    let lines: Vec<Line> = heads.iter().map(|head| line(head, tells_why)).collect();
    write_table(&lines, tells_why, &mut text).unwrap();
    strip_str(&String::from_utf8(text).unwrap()).to_string()
}

#[test]
fn the_tables_are_aligned() {
    let heads = [example::head(), example::open()];
    insta::assert_snapshot!(table(&heads, false), @"
    ID        STATE      ASKED (UTC)             TOOK  BY    PROJECT  JOB     BRANCH
    1aee4c77  CANCELED   2027-01-15T08:00:00Z  2m 10s  @ana  web      deploy  feature/login
    50176d64  REQUESTED  2027-01-15T08:00:00Z          @ana  web      deploy  main
    ");
    let heads = [example::not_started(), example::unresolved()];
    insta::assert_snapshot!(table(&heads, true), @"
    ID        STATE           ASKED (UTC)           BY    PROJECT  JOB     BRANCH  WHY
    136fea10  TRIGGER_FAILED  2027-01-15T08:00:00Z  @ana  web      deploy  main    CircleCI said no (400): Branch not found
    136fea10  UNRESOLVED      2027-01-15T08:00:00Z  @ana  web      deploy  main    whether CircleCI started it could not be learned: timed out
    ");
}

/// What is written, kept for the test.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn listed(record: &Record, limit: usize) -> Vec<String> {
    let list = List {
        filter: Filter::default(),
        before: None,
        limit,
        tells_why: false,
        none: words::NOTHING,
        again: &|_| String::new(),
        place: &Place::default(),
    };
    let shape = Shape {
        limit: None,
        all: false,
        json: true,
        csv: false,
    };
    let kept = Kept::default();
    let mut out = Out::to(Box::new(kept.clone()));
    list.write(record, &shape, &mut out).unwrap();
    out.flush().unwrap();
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let row = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let id = |line| row(line)["id"].as_str().unwrap().to_owned();
    text.lines().map(id).collect()
}

#[tokio::test]
async fn page_after_page_nothing_is_left_out_and_nothing_comes_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chatops.db");
    example::write_file(&path, 40).await;
    let record = Record::file(&path).unwrap();
    let all = listed(&record, usize::MAX);
    let mut ids = Vec::new();
    let see = |chain: &Chain, _| ids.push(chain.deploy.clone());
    record.each_chain(|_| Ok::<_, ()>(()), see).unwrap();
    // They were all asked for at the same moment, so they stand in the order of their ids.
    ids.reverse();
    assert_eq!(all, ids);
    for limit in [1, 7, 8, 39, 40, 41] {
        assert_eq!(listed(&record, limit), ids[..limit.min(40)], "{limit}");
    }
}
