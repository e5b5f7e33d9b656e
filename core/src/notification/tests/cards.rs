//! The card of one deploy: posted once, edited to the end, and given up where Slack does not take it.

mod late;

use super::*;
use crate::id::ChannelId;
use crate::posted::{MessageTs, PostedMessage};

pub(super) fn place(n: u8) -> PostedMessage {
    PostedMessage {
        channel: ChannelId::parse("C012ABCDEF").unwrap(),
        ts: MessageTs::parse(&format!("1503435956.00000{n}")).unwrap(),
    }
}

pub(super) fn shown(n: u8) -> PostResult {
    PostResult::Delivered(Some(place(n)))
}

fn refused(reason: &str) -> PostResult {
    let reason = reason.to_owned();
    PostResult::Refused { reason }
}

/// A record whose card was never drawn.
fn wanted() -> NotificationRecord {
    let mut item = item(true);
    item.request_redraw(start());
    item
}

/// A record whose card stands.
pub(super) fn standing() -> NotificationRecord {
    draws(&wanted(), start(), &shown(1))
}

fn card(item: &NotificationRecord) -> &Card {
    item.card.as_ref().unwrap()
}

fn is_given_up(item: &NotificationRecord) -> bool {
    matches!(card(item).status, CardStatus::GivenUp { .. })
}

/// The record after the call that is next, which draws the card.
fn draws(item: &NotificationRecord, now: Time, result: &PostResult) -> NotificationRecord {
    let (reserved, sending) = sends(item, now, true);
    assert!(matches!(sending, Sending::Card { .. }), "{sending:?}");
    after_sending(&reserved, &sending, result, now)
}

/// A draw of which nothing is known that would make it needless.
fn posted_anew(repeat: bool) -> Sending {
    Sending::Card {
        repeat,
        drawn: None,
    }
}

fn route(item: &NotificationRecord, now: Time) -> (NotificationKind, DeliveryRoute) {
    let (_, kind, route, _) = posts(item, now, true);
    (kind, route)
}

#[test]
fn it_is_posted_once_and_then_edited() {
    let item = standing();
    assert_eq!(
        (card(&item).at.as_ref(), item.due_at()),
        (Some(&place(1)), None)
    );
    let mut item = item;
    for n in 2..5 {
        item.request_redraw(at(n));
        let (_, sending) = sends(&item, at(n), true);
        assert_eq!(sending, posted_anew(false));
        // An edit says where it was, and that changes nothing.
        item = draws(&item, at(n), &shown(1));
        assert_eq!(
            (card(&item).shown, item.due_at()),
            (card(&item).wanted, None)
        );
    }
    // Edits that are requested while one is under way are one more.
    item.request_redraw(at(9));
    let (mut reserved, sending) = sends(&item, at(9), true);
    reserved.request_redraw(at(9));
    reserved.request_redraw(at(9));
    let item = after_sending(&reserved, &sending, &shown(1), at(10));
    assert_eq!(item.due_at(), Some(at(10)));
    assert_eq!(draws(&item, at(10), &shown(1)).due_at(), None);
}

#[test]
fn after_a_lost_answer_one_more_is_posted_which_says_so_and_then_none() {
    let item = draws(&wanted(), start(), &PostResult::Unknown);
    let due = item.due_at().unwrap();
    let (reserved, sending) = sends(&item, due, true);
    assert_eq!(sending, posted_anew(true));
    // It counts.
    let counts = after_sending(&reserved, &sending, &shown(2), due);
    assert_eq!(card(&counts).at, Some(place(2)));
    let mut edited = counts;
    edited.request_redraw(due);
    assert_eq!(sends(&edited, due, true).1, posted_anew(true));
    // A second lost answer, a crash, and an answer that does not say where it is.
    let lost = after_sending(&reserved, &sending, &PostResult::Unknown, due);
    let crashed = settles(&reserved, reserved.due_at().unwrap(), true);
    let nowhere = after_sending(&reserved, &sending, &PostResult::Delivered(None), due);
    for item in [lost, crashed, nowhere] {
        assert!(is_given_up(&item) && item.due_at().is_none(), "{item:?}");
        let mut item = item;
        item.request_delivery(Progress, due);
        assert_eq!(route(&item, due), (Progress, DeliveryRoute::ResponseUrl));
    }
}

#[test]
fn what_slack_refuses_is_not_tried_again() {
    for word in [
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "restricted_action_read_only_channel",
        "invalid_blocks",
        "missing_scope",
        "message_not_found",
        "cant_update_message",
        "edit_window_closed",
        "is_inactive",
    ] {
        let mut changed = standing();
        changed.request_redraw(at(5));
        for item in [wanted(), changed] {
            let mut item = draws(&item, at(5), &refused(word));
            let reason = word.to_owned();
            assert_eq!(card(&item).status, CardStatus::GivenUp { reason });
            item.request_redraw(at(6));
            assert_eq!(item.due_at(), None, "{word}");
            item.request_delivery(Final, at(7));
            assert_eq!(route(&item, at(7)), (Final, DeliveryRoute::ResponseUrl));
        }
    }
}

#[test]
fn what_passes_is_tried_again_twelve_times() {
    let reason = "no".to_owned();
    let passing = [
        PostResult::Later { after: None },
        PostResult::NotSent {
            reason,
            after: None,
        },
    ];
    for result in passing {
        let mut item = wanted();
        let mut now = start();
        for _ in 0..12 {
            item = draws(&item, now, &result);
            assert!(!is_given_up(&item));
            now = item.due_at().unwrap();
        }
        assert!(is_given_up(&settles(&item, now, true)));
    }
    let after = Some(Duration::from_mins(1));
    let mut item = draws(&standing_and_old(), at(5), &PostResult::Later { after });
    assert_eq!((item.bot_from, item.due_at()), (Some(at(65)), Some(at(65))));
    // The pause holds for the card whatever happens meanwhile.
    item.request_redraw(at(6));
    assert_eq!(item.due_at(), Some(at(65)));
    assert_eq!(card(&draws(&item, at(65), &shown(1))).failures, 0);
}

fn standing_and_old() -> NotificationRecord {
    let mut item = standing();
    item.request_redraw(at(5));
    item
}

#[test]
fn after_an_edit_without_an_answer_it_is_drawn_again_a_minute_later() {
    let item = draws(&standing_and_old(), at(5), &PostResult::Unknown);
    let due = item.due_at().unwrap();
    assert!(due < at(60), "it is tried soon");
    let item = draws(&item, due, &shown(1));
    // Slack may carry the first one out now.
    assert_eq!(item.due_at(), Some(at(65)));
    let item = draws(&item, at(65), &shown(1));
    assert_eq!(item.due_at(), None);
    // One that is not sent then is not forgotten.
    let reason = "no".to_owned();
    let unsent = PostResult::NotSent {
        reason,
        after: None,
    };
    let item = draws(
        &draws(&standing_and_old(), at(5), &PostResult::Unknown),
        at(9),
        &shown(1),
    );
    let item = draws(&item, at(65), &unsent);
    let item = draws(&item, item.due_at().unwrap(), &shown(1));
    assert_eq!(item.due_at(), None);
}

#[test]
fn a_refused_token_is_given_one_more_try() {
    let reason = "token_revoked".to_owned();
    let refused = PostResult::Unauthorized { reason };
    let item = draws(&wanted(), start(), &refused);
    assert!(item.token_refused);
    assert_eq!(item.due_at(), Some(at(30)));
    assert!(is_given_up(&draws(&item, at(30), &refused)));
}

#[test]
fn without_a_bot_there_is_no_card_and_nothing_waits_for_it() {
    let mut item = wanted();
    item.request_delivery(Progress, start());
    let item = settles(&item, start(), false);
    assert!(is_given_up(&item));
    let (_, kind, route, _) = posts(&item, start(), false);
    assert_eq!((kind, route), (Progress, DeliveryRoute::ResponseUrl));
}

#[test]
fn what_the_card_says_is_not_said_beside_it() {
    for kind in [Progress, Notice] {
        let mut item = standing();
        item.request_delivery(kind, at(1));
        let item = draws(&item, at(1), &shown(1));
        let item = settles(&item, at(1), true);
        assert_eq!(item.delivery(kind), &DeliveryStatus::Skipped);
        assert_eq!(item.due_at(), None);
    }
}

#[test]
fn holds_and_the_end_go_to_its_thread_once_it_shows_them() {
    let mut item = standing();
    for kind in [Hold, Final, Notice] {
        item.request_delivery(kind, at(2));
        item = draws(&item, at(2), &shown(1));
        let (reserved, which, route, _) = posts(&item, at(2), true);
        assert_eq!((which, route), (kind, DeliveryRoute::Thread));
        item = after_post(&reserved, kind, route, &shown(9), at(3));
        assert_eq!(
            item.delivery(kind),
            &DeliveryStatus::Delivered { at: at(3) }
        );
    }
    assert_eq!((item.due_at(), item.response_url_uses), (None, 0));
}

#[test]
fn the_end_waits_for_the_card_at_most_two_minutes() {
    // Slack does not take the edit.
    let mut item = standing();
    item.request_delivery(Final, at(10));
    let later = PostResult::Later {
        after: Some(Duration::from_mins(10)),
    };
    let item = draws(&item, at(10), &later);
    assert_eq!(item.due_at(), Some(at(130)));
    // The pause holds for the thread, too, and not for the response URL.
    assert_eq!(route(&item, at(130)), (Final, DeliveryRoute::ResponseUrl));
    // It was never posted.
    let mut item = wanted();
    item.request_delivery(Final, at(10));
    let reason = "no".to_owned();
    let unsent = PostResult::NotSent {
        reason,
        after: Some(Duration::from_mins(10)),
    };
    let item = draws(&item, at(10), &unsent);
    assert_eq!(item.due_at(), Some(at(130)));
    assert_eq!(route(&item, at(130)), (Final, DeliveryRoute::ResponseUrl));
}

#[test]
fn where_the_thread_is_refused_the_conversation_is_told() {
    for result in [refused("message_not_found"), refused("not_in_channel")] {
        let mut item = standing();
        item.request_delivery(Final, at(2));
        let item = draws(&item, at(2), &shown(1));
        let (reserved, kind, route, _) = posts(&item, at(2), true);
        let item = after_post(&reserved, kind, route, &result, at(2));
        assert!(is_given_up(&item));
        assert_eq!(
            self::route(&item, at(2)),
            (Final, DeliveryRoute::ResponseUrl)
        );
    }
}

#[test]
fn after_the_end_no_first_card_is_posted() {
    let mut item = item(true);
    item.request_delivery(Final, start());
    let version = item.version;
    item.request_redraw(at(1));
    assert_eq!((&item.card, item.version), (&None, version));
}

#[test]
fn while_it_is_drawn_nobody_else_draws_it() {
    let (reserved, _) = sends(&wanted(), start(), true);
    let lease = Timeouts::default().delivery_lease;
    assert_eq!(reserved.due_at(), Some(start() + lease));
}

#[test]
fn what_asks_for_it_is_the_next_version() {
    let mut item = standing();
    let version = item.version;
    item.request_redraw(at(1));
    assert_eq!(item.version, version + 1);
}

#[test]
fn what_is_zero_is_not_written_and_what_is_not_is_read_again() {
    let stored = written(&standing());
    let card = stored["card"].as_object().unwrap();
    assert!(!card.contains_key("lost_posts") && !card.contains_key("failures"));
    let lost = draws(&wanted(), start(), &PostResult::Unknown);
    let counts = (self::card(&lost).lost_posts, self::card(&lost).failures);
    assert_eq!(counts, (1, 1));
    assert_eq!(read(written(&lost)).card, lost.card);
}

#[test]
fn a_record_without_a_card_is_written_as_before() {
    let stored = written(&item(true));
    assert!(!stored.as_object().unwrap().contains_key("card"));
}

#[test]
fn what_it_shows_is_known_only_from_an_answer() {
    let digest = Some("0123456789abcdef".to_owned());
    let drawn = |item: &NotificationRecord, now, result: &PostResult| {
        let (reserved, _) = sends(item, now, true);
        assert_eq!(card(&reserved).drawn, None, "until there is an answer");
        let sending = Sending::Card {
            repeat: false,
            drawn: digest.clone(),
        };
        after_sending(&reserved, &sending, result, now)
    };
    let mut item = drawn(&wanted(), start(), &shown(1));
    assert_eq!(card(&item).drawn, digest);
    item.request_redraw(at(5));
    let known = sends(&item, at(5), true).1;
    assert!(matches!(known, Sending::Card { drawn, .. } if drawn == digest));
    for lost in [PostResult::Unknown, PostResult::Later { after: None }] {
        let mut lost = drawn(&item, at(5), &lost);
        assert_eq!(card(&lost).drawn, None);
        lost.request_redraw(at(9));
    }
    // Where it may show something old, it is drawn whatever was known.
    let mut pressed = drawn(&item, at(5), &shown(1));
    assert!(draw::after_press(&mut pressed, &place(1), at(6)));
    assert_eq!(sends(&pressed, at(6), true).1, posted_anew(false));
}
