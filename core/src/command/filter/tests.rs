//! What is a filter, what is not, and that what is written is read.

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
    insta::assert_snapshot!(filter, @"user:me branch:main job:deploy project:web status:failed since:7days limit:5 before:1a2b3c4d");
    assert_eq!(read(""), Ok(HistoryFilter::default()));
}

#[test]
fn people_are_named_in_several_ways() {
    let user = |text| read(text).unwrap().user.unwrap();
    let id = UserId::parse("U012ABCDEF").unwrap();
    assert_eq!(user("user:me"), Who::Me);
    assert_eq!(user("user:U012ABCDEF"), Who::Id(id.clone()));
    assert_eq!(user("user:<@U012ABCDEF>"), Who::Id(id.clone()));
    assert_eq!(user("user:<@U012ABCDEF|ana>"), Who::Id(id));
    assert_eq!(user("user:@Ana.B"), Who::Name("ana.b".into()));
}

#[test]
fn a_status_is_a_standing_or_a_state() {
    let status = |text| read(text).unwrap().status.unwrap();
    assert_eq!(status("status:failed"), Status::Standing(Standing::Failed));
    assert_eq!(status("status:FAILED"), Status::State(State::Failed));
    assert_eq!(
        status("status:trigger-failed"),
        Status::State(State::TriggerFailed)
    );
    for state in State::ALL {
        let standing = Status::Standing(state.standing());
        assert!(Status::State(state).fits(state) && standing.fits(state));
        let others = State::ALL.into_iter().filter(|other| *other != state);
        assert_eq!(others.filter(|s| Status::State(state).fits(*s)).count(), 0);
    }
}

#[test]
fn a_time_is_a_span_or_a_day() {
    let now = crate::fixtures::start();
    let since = |text| read(text).unwrap().since.unwrap().at(now);
    assert_eq!(since("since:1h"), now - chrono::TimeDelta::hours(1));
    assert_eq!(since("since:2w"), now - chrono::TimeDelta::days(14));
    assert_eq!(
        since("since:2026-11-30").to_rfc3339(),
        "2026-11-30T00:00:00+00:00"
    );
}

#[test]
fn what_is_no_filter_says_why() {
    let why = |text| read(text).unwrap_err();
    assert_eq!(
        why("deploy"),
        FilterError::Bare {
            word: "deploy".into()
        }
    );
    assert_eq!(
        why("brnach:x"),
        FilterError::Unknown {
            key: "brnach".into(),
            near: Some("branch")
        }
    );
    assert_eq!(why("job:a job:b"), FilterError::Twice { key: "job" });
    for (text, key) in [
        ("user:ana", "user"),
        ("user:", "user"),
        ("user:<@U012>x", "user"),
        ("branch:a..b", "branch"),
        ("job:<b>", "job"),
        ("status:done", "status"),
        ("since:yesterday", "since"),
        ("since:0s", "since"),
        ("since:99999d", "since"),
        ("since:1999-12-31", "since"),
        ("since:+10000-01-01", "since"),
        ("limit:0", "limit"),
        ("limit:21", "limit"),
        ("before:main", "before"),
    ] {
        assert!(
            matches!(why(text), FilterError::Value { key: k, .. } if k == key),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn what_it_writes_it_reads(text in "(user:(me|@[a-z]{1,9}|U[A-Z0-9]{4,9}) )?(branch:[a-z]{1,9} )?(job:[a-z]{1,9} )?(status:(open|failed|FAILED|LOST_TRACK) )?(since:([1-9][0-9]?(h|d|m)|2026-1[0-2]-[0-2][1-9]) )?(limit:1?[1-9] )?(before:[0-9a-f]{8})?") {
        let filter = read(&text).unwrap();
        prop_assert_eq!(read(&filter.to_string()), Ok(filter));
    }
}
