//! A webhook leads to a poll: at most one a second, and the last one to a poll that begins after it.

use super::PipelineState as P;
use super::*;

fn woken(record: &DeployRecord, now: Time) -> Option<DeployRecord> {
    let config = config();
    let commit = poll_now(record, ctx(&config, &other(), 0, now))?;
    assert_eq!(
        (commit.events, commit.lock, commit.claim),
        (vec![], None, None)
    );
    assert!(commit.notifications.is_empty());
    Some(commit.record)
}

fn millis(millis: i64) -> Time {
    start() + chrono::TimeDelta::milliseconds(millis)
}

#[test]
fn a_webhook_makes_it_due_and_changes_nothing_else() {
    for state in DeployState::ALL {
        let mut record = record_in(state);
        let has_run = record.run.is_some();
        record.due_at = (!state.is_terminal()).then(|| at(70));
        record.reads.count = 7;
        let expected = DeployRecord {
            version: record.version + 1,
            due_at: Some(at(10)),
            ..record.clone()
        };
        let woken = woken(&record, at(10));
        assert_eq!(woken, has_run.then_some(expected), "{state}");
        if let Some(woken) = woken {
            let step = step(&woken, &me(), 0, at(10));
            assert!(matches!(step, Read(CiRead::Poll(_))), "{step:?}");
        }
    }
}

#[test]
fn a_storm_is_one_poll_a_second_and_its_last_webhook_leads_to_a_poll_after_it() {
    // F5: sixty webhooks a second, for three seconds.
    let (mut record, mut polls) = (record_in(Running), vec![]);
    record.due_at = Some(at(50));
    let mut last = start();
    for i in 0..180 {
        let now = millis(i * 16);
        if record.is_due(now) {
            record = reserved(&record, now);
            polls.push(now);
        }
        record = woken(&record, now).unwrap_or(record);
        last = now;
    }
    let due = record.due_at.unwrap();
    assert!(last <= due && due <= last + chrono::TimeDelta::seconds(1));
    polls.push(due);
    assert!(polls.len() <= 5, "{polls:?}");
    let second = chrono::TimeDelta::seconds(1);
    assert!(polls.windows(2).all(|two| two[1] - two[0] >= second));
}

#[test]
fn a_webhook_before_a_poll_that_is_due_is_not_written() {
    let read = reserved(&record_in(Running), at(10));
    let first = woken(&read, at(10)).unwrap();
    assert_eq!(woken(&first, at(10)), None);
    // What is overdue was forgotten: it is woken.
    let mut overdue = record_in(Running);
    overdue.due_at = Some(at(5));
    assert_eq!(woken(&overdue, at(10)).unwrap().due_at, Some(at(10)));
}

#[test]
fn a_second_process_does_not_read_what_the_first_has_reserved() {
    let record = record_in(Running);
    let mine = reserved(&record, at(10));
    let theirs = reserved(&record, at(10));
    assert_eq!(mine.version, theirs.version, "one of the writes fails");
    assert!(matches!(step(&mine, &other(), 0, at(10)), Wait));
    // What it read is recorded over the reservation, whatever was written in between.
    let woken = woken(&mine, at(10)).unwrap();
    assert_eq!(woken.due_at, Some(at(11)));
    let (after, _) = settled(&woken, &empty(P::Pending), at(10));
    assert_eq!(after.due_at, Some(at(11)));
}

#[test]
fn a_clock_that_went_back_puts_no_webhook_off() {
    let ahead = reserved(&record_in(Running), at(3_000));
    let woken = woken(&ahead, at(5)).unwrap();
    assert_eq!(woken.due_at, Some(at(6)));
}
