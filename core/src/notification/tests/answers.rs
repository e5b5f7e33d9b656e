//! The answer to the press that asks for a deploy: once, and counted with the other uses of the response URL.

use super::*;

/// A record of a deploy that a button has asked for.
fn pressed() -> NotificationRecord {
    NotificationRecord {
        answer: DeliveryStatus::Pending { from: start() },
        ..item(true)
    }
}

fn answers(item: &NotificationRecord, now: Time, result: &PostResult) -> NotificationRecord {
    let (reserved, sending) = sends(item, now, false);
    assert_eq!(sending, Sending::Answer);
    assert!(matches!(reserved.answer, DeliveryStatus::InFlight { .. }));
    after_sending(&reserved, &sending, result, now)
}

fn rests(item: &NotificationRecord, now: Time) -> bool {
    let step = next_delivery(item, now, &Timeouts::default(), false);
    matches!(step, DeliveryStep::Rest)
}

#[test]
fn it_is_due_at_once_and_sent_once() {
    let item = pressed();
    assert_eq!(item.due_at(), Some(start()));
    for (result, uses) in [
        (PostResult::Delivered(None), 1),
        (PostResult::Unknown, 1),
        (PostResult::Later { after: None }, 1),
        (
            PostResult::Refused {
                reason: "used_url".to_owned(),
            },
            1,
        ),
    ] {
        let item = answers(&item, start(), &result);
        assert!(item.answer.is_settled(), "{result:?}");
        assert_eq!((item.response_url_uses, item.due_at()), (uses, None));
        // The deploy's own messages still have it.
        assert!(item.response_url.is_some());
    }
}

#[test]
fn one_that_was_not_sent_is_sent_later() {
    let not_sent = PostResult::NotSent {
        reason: "no connection".to_owned(),
        after: None,
    };
    let item = answers(&pressed(), start(), &not_sent);
    assert_eq!((item.response_url_uses, item.unsent_count), (0, 1));
    assert!(rests(&item, start()));
    let due = item.due_at().unwrap();
    assert!(due > start());
    let item = answers(&item, due, &PostResult::Delivered(None));
    assert_eq!(item.response_url_uses, 1);
}

#[test]
fn a_run_that_died_over_it_leaves_it_unknown() {
    let (reserved, _) = sends(&pressed(), start(), false);
    assert!(rests(&reserved, start()));
    let DeliveryStatus::InFlight { until } = reserved.answer else {
        panic!("{reserved:?}");
    };
    assert_eq!(reserved.due_at(), Some(until));
    let settled = settles(&reserved, until, false);
    assert_eq!(settled.answer, DeliveryStatus::Unknown);
    assert_eq!(settled.response_url_uses, 1);
}

#[test]
fn where_nothing_else_is_told_the_address_goes_with_it() {
    let mut item = pressed();
    item.final_status = DeliveryStatus::Skipped;
    let item = answers(&item, start(), &PostResult::Delivered(None));
    assert!(item.response_url.is_none());
    // An address that has expired is not called.
    let item = settles(&pressed(), at(1_740), false);
    assert_eq!(
        (item.answer, item.response_url_uses),
        (DeliveryStatus::Skipped, 0)
    );
}

#[test]
fn only_what_was_asked_for_is_written() {
    let stored = written(&item(true));
    assert!(!stored.as_object().unwrap().contains_key("answer"));
    assert_eq!(read(written(&pressed())).answer, pressed().answer);
}
