//! Notices: each new one is delivered, and none costs the final status its delivery.

use super::*;

/// The record after `kind` was delivered.
fn delivered(item: &NotificationRecord, kind: NotificationKind, bot: bool) -> NotificationRecord {
    let (reserved, which, route, _) = posts(item, start(), bot);
    assert_eq!(which, kind);
    after_post(
        &reserved,
        kind,
        route,
        &PostResult::Delivered(None),
        start(),
    )
}

#[test]
fn every_new_notice_is_delivered() {
    let mut item = item(true);
    for _ in 0..2 {
        item.request_delivery(Notice, start());
        item = delivered(&item, Notice, false);
    }
    assert_eq!(item.response_url_uses, 2);
    // The other three uses are kept for the final status.
    item.request_delivery(Notice, start());
    let settled = settles(&item, start(), false);
    assert_eq!(settled.notice, DeliveryStatus::Skipped);
    assert_eq!(posts(&item, start(), true).2, DeliveryRoute::Bot);
}

#[test]
fn a_notice_that_is_requested_while_one_is_in_flight_is_next() {
    let reason = "no".to_owned();
    let results = [
        PostResult::Delivered(None),
        PostResult::Unknown,
        PostResult::Refused { reason },
        PostResult::Later { after: None },
    ];
    for result in results {
        let mut item = item(true);
        item.request_delivery(Notice, start());
        let (mut reserved, kind, route, _) = posts(&item, start(), true);
        let before = reserved.version;
        reserved.request_delivery(Notice, at(1));
        assert_eq!(
            (reserved.version, reserved.notice_again),
            (before + 1, true)
        );
        let item = after_post(&reserved, kind, route, &result, at(2));
        assert!(matches!(item.notice, DeliveryStatus::Pending { .. }));
        assert!(!item.notice_again);
    }
}

#[test]
fn every_hold_is_delivered() {
    let mut item = item(true);
    for _ in 0..2 {
        item.request_delivery(Hold, start());
        item = delivered(&item, Hold, false);
    }
    // The other three uses are kept for the final status.
    item.request_delivery(Hold, start());
    let settled = settles(&item, start(), false);
    assert_eq!(settled.hold, DeliveryStatus::Skipped);
    // One that is requested while another is in flight is next.
    for result in [PostResult::Delivered(None), PostResult::Unknown] {
        let (mut reserved, kind, route, _) = posts(&item, start(), true);
        assert_eq!((kind, route), (Hold, DeliveryRoute::Bot));
        reserved.request_delivery(Hold, at(1));
        let next = after_post(&reserved, kind, route, &result, at(2));
        assert_eq!(next.hold, DeliveryStatus::Pending { from: at(2) });
        assert!(!next.hold_again);
        // It takes the place of one that Slack wants later.
        let asked = PostResult::Later { after: None };
        let waits = after_post(&reserved, kind, route, &asked, at(2));
        assert!(matches!(waits.hold, DeliveryStatus::Pending { .. }) && !waits.hold_again);
        // The lease of a sender that died has run out.
        let later = at(1) + Timeouts::default().delivery_lease;
        let next = settles(&reserved, later, true);
        assert_eq!(next.hold, DeliveryStatus::Pending { from: later });
    }
}

#[test]
fn the_end_takes_the_place_of_a_notice_and_a_later_one_comes_after_it() {
    let mut item = item(false);
    item.request_delivery(Notice, start());
    item.request_delivery(Final, start());
    assert_eq!(item.notice, DeliveryStatus::Skipped);
    let mut item = delivered(&item, Final, true);
    item.request_delivery(Notice, start());
    let item = delivered(&item, Notice, true);
    assert_eq!((item.bot_attempts, item.due_at()), (2, None));
}

#[test]
fn however_many_notices_there_are_the_end_is_delivered() {
    let mut item = item(false);
    for _ in 0..50 {
        item.request_delivery(Notice, start());
        item = match next_delivery(&item, start(), &Timeouts::default(), true) {
            DeliveryStep::Send { reserved, sending } => {
                after_sending(&reserved, &sending, &PostResult::Delivered(None), start())
            }
            DeliveryStep::Save(item) => item,
            DeliveryStep::Rest => panic!("{item:?}"),
        };
    }
    let limit = BOT_ATTEMPTS - BOT_ATTEMPTS_KEPT_FOR_FINAL;
    assert_eq!(item.bot_attempts, limit);
    item.request_delivery(Final, start());
    let item = delivered(&item, Final, true);
    assert!(matches!(
        item.final_status,
        DeliveryStatus::Delivered { .. }
    ));
}
