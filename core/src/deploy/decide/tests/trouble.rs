//! CircleCI cannot be read or reached: told once, and given up by efforts.

use super::PipelineState as P;
use super::WorkflowStatus as W;
use super::*;

fn unreadable(error: &str) -> Notice {
    Notice::Unreadable {
        error: error.into(),
    }
}

#[test]
fn five_failures_in_a_row_are_told_once_in_circlecis_words() {
    // B4
    let mut follower = Follower::new(record_in(Running));
    for _ in 0..4 {
        follower.fail("401 Invalid token");
    }
    assert_eq!(follower.told, []);
    for _ in 0..40 {
        follower.fail("401 Invalid token");
    }
    let [(_, notice)] = &follower.told[..] else {
        panic!("{:?}", follower.told);
    };
    assert_eq!(notice, &unreadable("401 Invalid token"));
    assert_eq!(follower.record.present_notice(), Some(notice));
    // A poll that works ends the series, and the next one is told again.
    follower.poll(&created(vec![deploy_run(W::Running)]));
    assert_eq!(follower.record.reads.failed, None);
    assert_eq!(follower.record.present_notice(), None);
    follower.fail("503");
    assert_eq!(follower.record.present_notice(), None);
    for _ in 0..8 {
        follower.fail("503");
    }
    assert_eq!(follower.told.len(), 2);
    assert_eq!(follower.told[1].1, unreadable("503"));
}

#[test]
fn a_read_counts_once_however_often_its_failure_is_recorded() {
    let mut follower = Follower::new(record_in(Running));
    follower.fail("503");
    follower.fail("502");
    let (config, me) = (config(), me());
    let context = ctx(&config, &me, 0, follower.now);
    if let Some(commit) = after_failed_poll(&follower.record, "502", None, context).unwrap() {
        follower.take(commit);
    }
    let failed = follower.record.reads.failed.unwrap();
    assert_eq!((failed.count, &*failed.error), (2, "502"));
}

#[test]
fn five_minutes_of_failures_are_told_before_the_fifth() {
    let config = config();
    let mut follower = Follower::new(record_in(Running));
    for failures in 1..=2 {
        follower.reserve();
        let me = me();
        let context = ctx(&config, &me, 0, follower.now);
        let commit = after_failed_poll(&follower.record, "429", Some(secs(300)), context);
        follower.take(commit.unwrap().unwrap());
        assert_eq!(follower.told.len(), failures - 1);
    }
}

#[test]
fn a_failed_poll_waits_as_asked_but_never_longer_than_five_minutes() {
    // F1
    let config = config();
    let record = reserved(&record_in(Running), at(9));
    let due = |after: Option<u64>| {
        let other = other();
        let ctx = ctx(&config, &other, 0, at(10));
        let commit = after_failed_poll(&record, "429", after.map(secs), ctx).unwrap();
        let due = commit.unwrap().record.due_at.unwrap();
        (due - at(9)).num_seconds()
    };
    assert_eq!((due(None), due(Some(0)), due(Some(1))), (7, 7, 7));
    assert_eq!(due(Some(90)), 90);
    for absurd in [301, 3_600, 86_400, 1_764_284_400, u64::MAX] {
        assert_eq!(due(Some(absurd)), 300, "{absurd}");
    }
}

#[test]
fn a_run_that_cannot_be_read_for_a_day_is_lost_and_keeps_its_lock_for_a_while() {
    for state in [Triggered, Running] {
        let mut follower = Follower::new(record_in(state));
        while !follower.record.state.is_terminal() {
            follower.fail("404 Not found");
        }
        assert_eq!(follower.record.state, LostTrack);
        let error = "404 Not found".to_owned();
        assert_eq!(follower.reason(), &EndReason::Unreadable { error });
        let took = (follower.now - start()).num_seconds();
        assert!((86_400..90_100).contains(&took), "{took}");
        let until = follower.now + secs(900);
        let target = target();
        assert_eq!(follower.locks, [LockChange::Expire { target, until }]);
        assert_eq!(follower.told.len(), 1);
    }
}

#[test]
fn a_clock_that_jumps_by_days_loses_no_run() {
    let (config, me) = (config(), me());
    let mut record = record_in(Running);
    // By that clock the run is old, and was last read a day ago.
    for day in 1..=60 {
        let now = at(day * 86_400);
        record = reserved(&record, now);
        let context = ctx(&config, &me, 0, now);
        let failed = after_failed_poll(&record, "401", None, context);
        record = failed.unwrap().unwrap().record;
        assert_eq!(record.state, Running, "after {day} polls");
        let pause = (record.due_at.unwrap() - now).num_seconds();
        assert!((1..=300).contains(&pause), "{pause}");
    }
}

#[test]
fn one_success_a_day_is_enough_to_be_followed() {
    let mut follower = Follower::new(record_in(Running));
    for _ in 0..5 {
        let begun = follower.now;
        while follower.now < begun + Duration::from_hours(22) {
            follower.fail("503");
        }
        follower.poll(&created(vec![deploy_run(W::OnHold)]));
    }
    assert_eq!(follower.record.state, Running);
}

#[test]
fn no_step_of_the_clock_ends_a_series() {
    let hours = |hours: i64| chrono::TimeDelta::hours(hours);
    for jump in [hours(-49), hours(-1), hours(1), hours(2), hours(49)] {
        for there_and_back in [false, true] {
            let mut follower = Follower::new(record_in(Running));
            for failures in 0..12 {
                if failures == 3 || (failures == 6 && there_and_back) {
                    follower.now += jump * if failures == 3 { 1 } else { -1 };
                }
                follower.fail("503");
                assert_eq!(follower.record.state, Running, "{jump}");
                let ahead = follower.record.due_at.unwrap() - follower.now;
                assert!(ahead <= chrono::TimeDelta::hours(1), "{jump}");
            }
            assert_eq!(follower.told.len(), 1);
        }
    }
}

#[test]
fn a_timer_that_a_wrong_clock_has_set_is_due() {
    // G1
    let ahead = reserved(&record_in(Running), at(7_200));
    assert!(ahead.due_at > Some(at(7_200)) && ahead.is_due(at(1)));
    assert!(matches!(step(&ahead, &me(), 0, at(1)), Read(_)));
    // What came earlier than planned counts for nothing.
    let again = reserved(&ahead, at(1));
    assert_eq!(again.reads.step, Duration::ZERO);
}

#[test]
fn a_process_that_slept_for_days_gives_nothing_up_after_one_failure() {
    // G3, and the same of polls
    for state in [Triggering, Triggered, Running] {
        let mut follower = Follower::new(record_in(state));
        follower.fail("503");
        for days in 1..5 {
            follower.now = at(days * 86_400);
            follower.fail("503");
            assert_eq!(follower.record.state, state, "{days}");
        }
    }
}

#[test]
fn a_trigger_that_cannot_be_sent_is_told_once_thirty_seconds_after_the_request() {
    let config = config();
    let (mut record, mut now) = (requested(), start());
    let mut told = vec![];
    while now < at(300) {
        let begun = written(&record, now).record;
        let attempt = begun.attempts;
        let me = me();
        let commit = after_post(
            &begun,
            attempt,
            &not_now(None),
            ctx(&config, &me, attempt, now),
        );
        let commit = commit.unwrap().unwrap();
        if commit.notifications == [Notice] {
            told.push((now - start()).num_seconds());
            let error = "429 Too Many Requests".to_owned();
            assert_eq!(commit.record.notice, Some(Notice::TriggerDelayed { error }));
        }
        record = commit.record;
        now = record.due_at.unwrap();
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert!((15..=30).contains(&told[0]), "{told:?}");
}

#[test]
fn a_trigger_that_has_to_wait_for_minutes_is_told_at_once() {
    let commit = posted(&triggering(), &not_now(Some(300)), at(1)).unwrap();
    assert_eq!(commit.notifications, [Notice]);
    let commit = posted(&triggering(), &not_now(Some(5)), at(1)).unwrap();
    assert_eq!(commit.notifications, []);
    // Whoever cancels it is not told that it is tried again.
    let mut canceled = triggering();
    let by = ActedBy::Operator {
        name: "root".into(),
    };
    canceled.cancel = Some(CancelRequest { by, at: at(1) });
    let commit = posted(&canceled, &not_now(Some(300)), at(200)).unwrap();
    assert_eq!(commit.notifications, []);
}

#[test]
fn what_nobody_lists_is_not_lost() {
    // A pipeline that answers and lists nothing is waited for, not lost.
    let mut follower = Follower::new(record_in(Triggered));
    follower.poll_to_the_end(&empty(P::Pending));
    assert_eq!(follower.record.state, NothingRan);
}
