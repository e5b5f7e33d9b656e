//! Tables and pages.

use anstream::adapter::strip_str;
use chatops_core::deploy::DeployRecord;

use super::super::example;
use super::*;
use crate::output::tests::KeptOutput;

fn render_table(records: &[DeployRecord], shows_reason: bool) -> String {
    render_for(None, records, shows_reason)
}

fn render_for(terminal: Option<usize>, records: &[DeployRecord], shows_reason: bool) -> String {
    let mut text = Vec::new();
    let rows = records.iter().map(|record| table_row(record, shows_reason));
    write_table(&rows.collect::<Vec<_>>(), terminal, &mut text).unwrap();
    strip_str(&String::from_utf8(text).unwrap()).to_string()
}

#[test]
fn the_tables_are_aligned() {
    let mut canceled = example::canceled();
    canceled.operator = Some("ada".to_owned());
    if let Some(run) = &mut canceled.run {
        run.revision = Some("0123456789abcdef".to_owned());
    }
    let records = [canceled, example::requested()];
    insta::assert_snapshot!(render_table(&records, false), @"
    ID        STATE      REQUESTED (UTC)       DURATION  USER  PROJECT  ENVIRONMENT  JOB     BRANCH         COMMIT   OPERATOR
    1aee4c77  CANCELED   2027-01-15T08:00:00Z    2m 10s  @ana  web      production   deploy  feature/login  0123456  ada
    50176d64  REQUESTED  2027-01-15T08:00:00Z            @ana  web      production   deploy  main
    ");
    let records = [example::not_started(), example::unresolved()];
    insta::assert_snapshot!(render_table(&records, true), @"
    ID        STATE           REQUESTED (UTC)       USER  PROJECT  ENVIRONMENT  JOB     BRANCH  OPERATOR  REASON
    136fea10  TRIGGER_FAILED  2027-01-15T08:00:00Z  @ana  web      production   deploy  main              CircleCI said no (400): Branch not found
    136fea10  UNRESOLVED      2027-01-15T08:00:00Z  @ana  web      production   deploy  main              could not find out whether CircleCI started it: timed out
    ");
}

#[test]
fn a_table_that_is_too_wide_is_stacked() {
    let records = [example::canceled(), example::requested()];
    insta::assert_snapshot!(render_for(Some(60), &records, false), @"
    1aee4c77  CANCELED
      requested (utc) 2027-01-15T08:00:00Z  duration 2m 10s
      user @ana  project web  environment production  job deploy
      branch feature/login
    50176d64  REQUESTED
      requested (utc) 2027-01-15T08:00:00Z  user @ana
      project web  environment production  job deploy
      branch main
    ");
    for terminal in [40, 60, 80, 200] {
        let shown = render_for(Some(terminal), &records, false);
        assert!(
            shown.lines().all(|line| line.chars().count() <= terminal),
            "{shown}"
        );
        for word in [
            "1aee4c77",
            "50176d64",
            "2027-01-15T08:00:00Z",
            "feature/login",
        ] {
            assert!(shown.contains(word), "{shown}");
        }
    }
    assert_eq!(
        render_for(Some(200), &records, false),
        render_table(&records, false)
    );
    let reasons = [example::unresolved()];
    insta::assert_snapshot!(render_for(Some(40), &reasons, true), @"
    136fea10  UNRESOLVED
      requested (utc) 2027-01-15T08:00:00Z
      user @ana  project web
      environment production  job deploy
      branch main
      reason could not find out whether CircleCI started it: timed out
    ");
}

fn listed_ids(store: &OperatorStore, limit: usize) -> Vec<String> {
    let list = DeployList {
        filter: DeployFilter::default(),
        before: None,
        limit,
        shows_reason: false,
        empty_text: text::NO_DEPLOYS,
        next_command: &|_| String::new(),
        installation: &Installation::default(),
    };
    let shape = ListOptions {
        limit: None,
        all: false,
        json: true,
        csv: false,
    };
    let kept = KeptOutput::default();
    let mut out = CommandOutput::to_writer(Box::new(kept.clone()));
    list.write_list(store, &shape, &mut out).unwrap();
    out.flush().unwrap();
    let text = kept.text();
    let row = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let id = |line| row(line)["id"].as_str().unwrap().to_owned();
    text.lines().map(id).collect()
}

#[tokio::test]
async fn pages_leave_nothing_out_and_repeat_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chatops.db");
    example::write_file(&path, 40).await;
    let store = OperatorStore::open_file(&path).unwrap();
    let all = listed_ids(&store, usize::MAX);
    let (chains, _) = store.read_chains(None).unwrap();
    let mut ids: Vec<String> = chains.into_iter().map(|chain| chain.deploy).collect();
    // All were requested at the same time, so the list is in the order of their ids.
    ids.reverse();
    assert_eq!(all, ids);
    for limit in [1, 7, 8, 39, 40, 41] {
        assert_eq!(listed_ids(&store, limit), ids[..limit.min(40)], "{limit}");
    }
}

#[test]
fn a_failure_does_not_look_like_a_success() {
    use chatops_core::deploy::DeployOutcome::{Canceled, Failed, InProgress, Succeeded};
    let shown = [InProgress, Succeeded, Failed, Canceled].map(|outcome| {
        let style = super::table::outcome_style(outcome);
        style.style("x").to_string()
    });
    for (n, one) in shown.iter().enumerate() {
        assert!(!shown[..n].contains(one) && one != "x", "{shown:?}");
    }
}
