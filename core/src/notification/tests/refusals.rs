//! What becomes of each kind of message when Slack does not take it: every result, each way, with and
//! without a bot.

use super::*;

/// The record after one post of `kind` had this result.
fn after_first(kind: NotificationKind, bot: bool, result: &PostResult) -> NotificationRecord {
    let mut item = item(true);
    item.request_delivery(kind, start());
    let (reserved, which, route, _) = posts(&item, start(), bot);
    assert_eq!((which, route), (kind, DeliveryRoute::ResponseUrl));
    after_post(&reserved, kind, route, result, at(1))
}

fn refused(reason: &str) -> PostResult {
    let reason = reason.to_owned();
    PostResult::Refused { reason }
}

#[test]
fn what_the_response_url_refuses_goes_to_the_bot_at_once() {
    for kind in NotificationKind::ALL {
        let item = after_first(kind, true, &refused("expired_url"));
        assert_eq!(item.due_at(), Some(at(1)), "{kind:?}");
        let (reserved, which, route, repeat) = posts(&item, at(1), true);
        assert_eq!((which, route, repeat), (kind, DeliveryRoute::Bot, false));
        let item = after_post(&reserved, kind, route, &PostResult::Delivered(None), at(2));
        let delivered = &DeliveryStatus::Delivered { at: at(2) };
        assert_eq!((item.delivery(kind), &item.undelivered), (delivered, &None));
    }
}

#[test]
fn after_a_refusal_everything_goes_to_the_bot() {
    let mut item = after_first(Progress, true, &refused("no_service"));
    for kind in [Progress, Hold, Notice, Final] {
        item.request_delivery(kind, at(1));
        let (reserved, which, route, _) = posts(&item, at(1), true);
        assert_eq!((which, route), (kind, DeliveryRoute::Bot));
        item = after_post(&reserved, kind, route, &PostResult::Delivered(None), at(1));
    }
    assert_eq!((item.response_url_uses, item.bot_attempts), (1, 4));
}

#[test]
fn without_a_bot_a_refusal_is_on_record_with_slacks_word() {
    for kind in NotificationKind::ALL {
        let item = after_first(kind, false, &refused("channel_is_archived"));
        let item = settles(&item, at(1), false);
        let reason = "channel_is_archived".to_owned();
        let undelivered = item.undelivered.clone().unwrap();
        assert_eq!(
            (undelivered.kind, undelivered.reason),
            (kind, reason.clone())
        );
        assert_eq!((undelivered.at, undelivered.told_later), (at(1), false));
        assert_eq!(item.delivery(kind), &DeliveryStatus::Failed { reason });
    }
}

#[test]
fn without_a_bot_the_final_status_tries_an_address_that_refused_something_else() {
    for kind in [Progress, Hold, Notice] {
        let item = after_first(kind, false, &refused("invalid_blocks"));
        let mut item = settles(&item, at(1), false);
        item.request_delivery(Final, at(2));
        let (reserved, which, route, _) = posts(&item, at(2), false);
        assert_eq!((which, route), (Final, DeliveryRoute::ResponseUrl));
        let told = after_post(&reserved, Final, route, &PostResult::Delivered(None), at(3));
        assert!(told.undelivered.unwrap().told_later, "{kind:?}");
        let refused_too = after_post(&reserved, Final, route, &refused("used_url"), at(3));
        let refused_too = settles(&refused_too, at(3), false);
        let undelivered = refused_too.undelivered.unwrap();
        assert_eq!(
            (undelivered.kind, &*undelivered.reason),
            (Final, "used_url")
        );
    }
}

#[test]
fn what_both_refuse_is_on_record_with_both_words() {
    for kind in NotificationKind::ALL {
        let item = after_first(kind, true, &refused("expired_url"));
        let (reserved, _, route, _) = posts(&item, at(1), true);
        let item = after_post(&reserved, kind, route, &refused("not_in_channel"), at(2));
        let reason = item.undelivered.unwrap().reason;
        assert_eq!(reason, "expired_url; the bot: not_in_channel");
    }
}

#[test]
fn a_pause_holds_for_everything_that_goes_the_same_way() {
    let after = Some(Duration::from_mins(1));
    // The bot, after the response URL has refused something.
    let item = after_first(Progress, true, &refused("expired_url"));
    let (reserved, _, route, _) = posts(&item, at(1), true);
    let mut item = after_post(
        &reserved,
        Progress,
        route,
        &PostResult::Later { after },
        at(1),
    );
    item.request_delivery(Final, at(2));
    // The progress is superseded; the final status waits for the pause's end.
    let item = settles(&item, at(2), true);
    assert_eq!(item.progress, DeliveryStatus::Skipped);
    let item = settles(&item, at(2), true);
    assert_eq!(item.final_status, DeliveryStatus::Pending { from: at(61) });
    assert_eq!(posts(&item, at(61), true).1, Final);

    // The response URL.
    let mut item = after_first(Progress, true, &PostResult::Later { after });
    assert_eq!(item.progress, DeliveryStatus::Skipped);
    item.request_delivery(Hold, at(2));
    let item = settles(&item, at(2), true);
    assert_eq!(item.hold, DeliveryStatus::Pending { from: at(61) });
    let (_, kind, route, _) = posts(&item, at(61), true);
    assert_eq!((kind, route), (Hold, DeliveryRoute::ResponseUrl));
}

#[test]
fn what_passes_is_tried_again_by_the_bot() {
    let later = PostResult::Later { after: None };
    for kind in NotificationKind::ALL {
        let item = after_first(kind, true, &refused("no_service"));
        let (reserved, _, route, _) = posts(&item, at(1), true);
        let item = after_post(&reserved, kind, route, &later, at(1));
        let due = item.due_at().unwrap();
        assert!(due > at(1));
        assert_eq!(posts(&item, due, true).1, kind);
    }
}

#[test]
fn a_hold_that_slack_puts_off_is_tried_again_and_skipped_where_nothing_is_left_for_it() {
    let later = PostResult::Later { after: None };
    let item = after_first(Hold, false, &later);
    let due = item.due_at().unwrap();
    let (reserved, _, route, _) = posts(&item, due, false);
    let item = after_post(&reserved, Hold, route, &later, due);
    let due = item.due_at().unwrap();
    let item = settles(&item, due, false);
    let item = match item.hold {
        DeliveryStatus::Skipped => item,
        _ => settles(&item, item.due_at().unwrap(), false),
    };
    assert_eq!(
        (&item.hold, item.response_url_uses),
        (&DeliveryStatus::Skipped, 2)
    );
}

#[test]
fn the_end_is_told_again_after_a_pause_that_grows() {
    for result in [PostResult::Unknown, PostResult::Later { after: None }] {
        let mut item = item(true);
        item.request_delivery(Final, start());
        let mut now = start();
        for pause in [2, 8, 32] {
            let (reserved, kind, route, _) = posts(&item, now, false);
            item = after_post(&reserved, kind, route, &result, now);
            now += Duration::from_secs(pause);
            assert_eq!(item.due_at(), Some(now), "{result:?}");
        }
    }
}

#[test]
fn only_what_covers_the_undelivered_makes_up_for_it() {
    let item = after_first(Notice, true, &refused("no_service"));
    let (reserved, kind, route, _) = posts(&item, at(1), true);
    assert_eq!(route, DeliveryRoute::Bot);
    let item = after_post(&reserved, kind, route, &refused("is_archived"), at(1));
    let after = |kind| {
        let mut item = item.clone();
        item.request_delivery(kind, at(2));
        let (reserved, which, route, _) = posts(&item, at(2), true);
        assert_eq!(which, kind);
        let told = after_post(&reserved, kind, route, &PostResult::Delivered(None), at(2));
        told.undelivered.unwrap().told_later
    };
    let told = [Progress, Hold, Notice, Final].map(after);
    assert_eq!(told, [false, false, true, true]);
}
