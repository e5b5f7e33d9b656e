//! What is a filter, what is not, and that a filter that is written is read back.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<HistoryFilter, FilterError> {
    parse(&text.split_whitespace().collect::<Vec<_>>())
}

#[test]
fn every_filter_in_any_order() {
    let all = "limit:5 since:7d status:failed project:web job:deploy branch:main user:me \
               before:1a2b3c4d";
    let filter = read(all).unwrap();
    insta::assert_snapshot!(filter, @"user:me branch:main job:deploy project:web status:failed since:1w limit:5 before:1a2b3c4d");
    assert_eq!(read(""), Ok(HistoryFilter::default()));
}

#[test]
fn users_are_named_in_several_ways() {
    let user = |text| read(text).unwrap().user.unwrap();
    let id = UserId::parse("U012ABCDEF").unwrap();
    assert_eq!(user("user:me"), UserFilter::Me);
    assert_eq!(user("user:U012ABCDEF"), UserFilter::Id(id.clone()));
    assert_eq!(user("user:<@U012ABCDEF>"), UserFilter::Id(id.clone()));
    assert_eq!(user("user:<@U012ABCDEF|ana>"), UserFilter::Id(id));
    assert_eq!(user("user:@Ana.B"), UserFilter::Name("ana.b".into()));
}

#[test]
fn a_status_is_an_outcome_or_a_state() {
    let status = |text: &str| read(text).unwrap().status.unwrap();
    let state = StatusFilter::State;
    let outcome = StatusFilter::Outcome;
    assert_eq!(status("status:failed"), outcome(DeployOutcome::Failed));
    assert_eq!(status("status:FAILED"), state(DeployState::Failed));
    let trigger_failed = state(DeployState::TriggerFailed);
    for word in ["in-progress", "in_progress", "In-Progress", "IN_PROGRESS"] {
        let read = status(&format!("status:{word}"));
        assert_eq!(read, outcome(DeployOutcome::InProgress), "{word}");
    }
    for word in ["trigger-failed", "trigger_failed", "TRIGGER_FAILED"] {
        assert_eq!(status(&format!("status:{word}")), trigger_failed, "{word}");
    }
    assert_eq!(status("status:rejected"), outcome(DeployOutcome::Rejected));
    // As others spell it.
    for (word, meant) in [
        ("success", DeployOutcome::Succeeded),
        ("successful", DeployOutcome::Succeeded),
        ("failure", DeployOutcome::Failed),
        ("cancelled", DeployOutcome::Canceled),
    ] {
        assert_eq!(status(&format!("status:{word}")), outcome(meant), "{word}");
    }
    for state in DeployState::ALL {
        let outcome = outcome(state.outcome());
        assert!(StatusFilter::State(state).matches(state) && outcome.matches(state));
        let others = DeployState::ALL.into_iter().filter(|other| *other != state);
        let mut others = others.filter(|s| StatusFilter::State(state).matches(*s));
        assert_eq!(others.next(), None);
    }
}

#[test]
fn a_time_is_a_span_or_a_day() {
    let now = crate::fixtures::start();
    let since = |text| read(text).unwrap().since.unwrap().cutoff(now);
    assert_eq!(since("since:1h"), now - chrono::TimeDelta::hours(1));
    assert_eq!(since("since:2w"), now - chrono::TimeDelta::days(14));
    let day = since("since:2026-11-30").to_rfc3339();
    assert_eq!(day, "2026-11-30T00:00:00+00:00");
}

#[test]
fn what_is_no_filter_says_why() {
    let why = |text| read(text).unwrap_err();
    let word = "deploy".into();
    assert_eq!(why("deploy"), FilterError::MissingColon { word });
    let (key, suggestion) = ("brnach".into(), Some("branch"));
    assert_eq!(why("brnach:x"), FilterError::UnknownKey { key, suggestion });
    assert_eq!(why("job:a job:b"), FilterError::DuplicateKey { key: "job" });
    assert_eq!(
        why("branch:a tag:b"),
        FilterError::DuplicateKey { key: "tag" }
    );
    for (text, key) in [
        ("user:ana", "user"),
        ("user:", "user"),
        ("user:<@U012>x", "user"),
        ("branch:a..b", "branch"),
        ("tag:a..b", "tag"),
        ("job:<b>", "job"),
        ("status:done", "status"),
        ("since:tomorrow", "since"),
        ("since:0s", "since"),
        ("since:99999d", "since"),
        ("since:1999-12-31", "since"),
        ("since:+10000-01-01", "since"),
        ("limit:0", "limit"),
        ("limit:21", "limit"),
        ("before:main", "before"),
    ] {
        let invalid = |why| matches!(why, FilterError::InvalidValue { key: k, .. } if k == key);
        assert!(invalid(why(text)), "{text}");
    }
}

proptest! {
    #[test]
    fn what_it_writes_it_reads(text in "(user:(me|@[a-z]{1,9}|U[A-Z0-9]{4,9}) )?((branch|tag):[a-z]{1,9} )?(job:[a-z]{1,9} )?(status:(in-progress|failed|FAILED|LOST_TRACK) )?(since:([1-9][0-9]?(h|d|m)|2026-1[0-2]-[0-2][1-9]) )?(limit:1?[1-9] )?(before:[0-9a-f]{8})?") {
        let filter = read(&text).unwrap();
        prop_assert_eq!(read(&filter.to_string()), Ok(filter));
    }
}
