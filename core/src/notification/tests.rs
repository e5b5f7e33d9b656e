//! What is delivered about a deploy, by which route, and how often.

mod announcements;
mod answers;
mod cards;
mod notices;
mod refusals;
mod runs;
mod world;

use self::world::{Bounds, World, explore};
use super::NotificationKind::{Final, Hold, Notice, Progress};
use super::decide::{BOT_ATTEMPTS_KEPT_FOR_FINAL, USES_KEPT_FOR_FINAL, pause};
use super::*;
use crate::Time;
use crate::config::Timeouts;
use crate::fixtures::{at, id, response_url, start};

/// A new record, with or without a response URL.
fn item(with_url: bool) -> NotificationRecord {
    NotificationRecord::open(id(), with_url.then(response_url), at(1_740))
}

/// The record as it is stored.
fn written(item: &NotificationRecord) -> serde_json::Value {
    serde_json::to_value(item).unwrap()
}

fn read(stored: serde_json::Value) -> NotificationRecord {
    serde_json::from_value(stored).unwrap()
}

const FEW: Bounds = Bounds {
    faults: 1,
    unsent: 1,
    notice: false,
};

#[test]
fn every_walk_keeps_the_guarantees() {
    let bounds = Bounds {
        faults: 3,
        unsent: 1,
        notice: false,
    };
    let worlds = explore(World::new(item(true), false, bounds));
    assert!(worlds > 10_000, "only {worlds} worlds were seen");
}

#[test]
fn every_walk_with_a_notice_keeps_the_guarantees() {
    let bounds = Bounds {
        faults: 1,
        unsent: 0,
        notice: true,
    };
    let worlds = explore(World::new(item(true), false, bounds));
    assert!(worlds > 1_000, "only {worlds} worlds were seen");
    let bot_attempts = BOT_ATTEMPTS - 1;
    let item = NotificationRecord {
        bot_attempts,
        ..item(false)
    };
    let worlds = explore(World::new(item, true, bounds));
    assert!(worlds > 100, "only {worlds} worlds were seen");
}

/// The bot has two attempts left, so that walks end soon.
fn with_two_bot_attempts(with_url: bool) -> World {
    let bot_uses = BOT_ATTEMPTS - 2;
    let item = NotificationRecord {
        bot_attempts: bot_uses,
        ..item(with_url)
    };
    World::new(item, true, FEW)
}

#[test]
fn every_walk_with_a_bot_keeps_the_guarantees() {
    let worlds = explore(with_two_bot_attempts(true));
    assert!(worlds > 10_000, "only {worlds} worlds were seen");
}

#[test]
fn a_bot_alone_keeps_the_guarantees() {
    let worlds = explore(with_two_bot_attempts(false));
    assert!(worlds > 1_000, "only {worlds} worlds were seen");
}

#[test]
fn without_a_response_url_nothing_is_sent_and_the_record_says_so() {
    explore(World::new(item(false), false, FEW));
    let mut item = item(false);
    item.request_delivery(Final, start());
    let world = World::new(item, false, FEW).step_at(start()).unwrap();
    insta::assert_debug_snapshot!(world.item.final_status, @r#"
    Failed {
        reason: "there is no response URL",
    }
    "#);
}

/// What is sent now.
fn sends(item: &NotificationRecord, now: Time, bot: bool) -> (NotificationRecord, Sending) {
    match next_delivery(item, now, &Timeouts::default(), bot) {
        DeliveryStep::Send { reserved, sending } => (reserved, sending),
        other => panic!("{other:?}"),
    }
}

/// What is posted now.
fn posts(
    item: &NotificationRecord,
    now: Time,
    bot: bool,
) -> (NotificationRecord, NotificationKind, DeliveryRoute, bool) {
    match sends(item, now, bot) {
        (
            reserved,
            Sending::Notification {
                kind,
                route,
                repeat,
            },
        ) => (reserved, kind, route, repeat),
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_but_response_urls_need_the_bot() {
    let told = |route| Sending::Notification {
        kind: Final,
        route,
        repeat: false,
    };
    assert!(!told(DeliveryRoute::ResponseUrl).needs_bot());
    assert!(told(DeliveryRoute::Bot).needs_bot() && told(DeliveryRoute::Thread).needs_bot());
    assert!(!Sending::Answer.needs_bot());
}

#[test]
fn what_was_reserved_is_known_until_its_result_is_on_record() {
    let mut asked = item(true);
    asked.answer = DeliveryStatus::Pending { from: start() };
    let mut card = item(false);
    card.request_redraw(start());
    let mut told = item(true);
    told.request_delivery(Final, start());
    for item in [asked, card, told] {
        let (reserved, sending) = sends(&item, start(), true);
        // A delivery that the worker has asked for meanwhile changes nothing of it.
        let mut fresh = reserved.clone();
        fresh.request_delivery(Progress, at(1));
        assert!(fresh.reserves(&sending, &reserved), "{sending:?}");
        let after = after_sending(&fresh, &sending, &PostResult::Delivered(None), at(2));
        assert!(!after.reserves(&sending, &reserved), "{sending:?}");
    }
}

#[test]
fn a_result_has_a_word_for_the_log_and_its_reason() {
    let reason = || "no_service".to_owned();
    let after = None;
    for (result, word, why) in [
        (PostResult::Delivered(None), "shown", None),
        (PostResult::Later { after }, "later", None),
        (PostResult::Unknown, "unknown", None),
        (
            PostResult::NotSent {
                reason: reason(),
                after,
            },
            "not sent",
            Some("no_service"),
        ),
        (
            PostResult::Refused { reason: reason() },
            "refused",
            Some("no_service"),
        ),
        (
            PostResult::Unauthorized { reason: reason() },
            "unauthorized",
            Some("no_service"),
        ),
    ] {
        assert_eq!((result.as_str(), result.reason()), (word, why));
    }
}

fn after_post(
    reserved: &NotificationRecord,
    kind: NotificationKind,
    route: DeliveryRoute,
    result: &PostResult,
    now: Time,
) -> NotificationRecord {
    let sending = Sending::Notification {
        kind,
        route,
        repeat: false,
    };
    after_sending(reserved, &sending, result, now)
}

fn settles(item: &NotificationRecord, now: Time, bot: bool) -> NotificationRecord {
    match next_delivery(item, now, &Timeouts::default(), bot) {
        DeliveryStep::Save(item) => item,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_faults_all_are_delivered_once() {
    for bot in [false, true] {
        let mut item = item(true);
        for kind in [Progress, Hold, Final] {
            item.request_delivery(kind, start());
            let (reserved, which, route, repeat) = posts(&item, start(), bot);
            assert_eq!(
                (which, route, repeat),
                (kind, DeliveryRoute::ResponseUrl, false)
            );
            item = after_post(&reserved, kind, route, &PostResult::Delivered(None), at(1));
        }
        let delivered = DeliveryStatus::Delivered { at: at(1) };
        for kind in [Progress, Hold, Final] {
            assert_eq!(item.delivery(kind), &delivered);
        }
        assert_eq!((item.response_url_uses, item.bot_attempts), (3, 0));
        assert!(item.response_url.is_none());
    }
}

#[test]
fn three_uses_are_reserved_for_the_final_status() {
    let mut item = item(true);
    item.response_url_uses = RESPONSE_URL_USES - USES_KEPT_FOR_FINAL;
    for kind in [Progress, Hold] {
        let mut item = item.clone();
        item.request_delivery(kind, start());
        let settled = settles(&item, start(), false);
        assert_eq!(settled.delivery(kind), &DeliveryStatus::Skipped);
        assert_eq!(settled.undelivered, None, "the end says more");
        assert_eq!(posts(&item, start(), true).2, DeliveryRoute::Bot);
    }
    item.request_delivery(Final, start());
    let mut now = start();
    for uses in 3..=5 {
        let (reserved, kind, route, repeat) = posts(&item, now, true);
        assert_eq!(
            (kind, route, repeat),
            (Final, DeliveryRoute::ResponseUrl, uses > 3)
        );
        assert_eq!(reserved.response_url_uses, uses);
        item = after_post(&reserved, kind, route, &PostResult::Unknown, now);
        now = item.due_at().unwrap();
    }
    // Then the bot posts, if there is one; a delivery that may have succeeded is never `Failed`.
    let (reserved, kind, route, repeat) = posts(&item, now, true);
    assert_eq!((kind, route, repeat), (Final, DeliveryRoute::Bot, true));
    assert_eq!((reserved.response_url_uses, reserved.bot_attempts), (5, 1));
    assert_eq!(
        settles(&item, now, false).final_status,
        DeliveryStatus::Unknown
    );
}

#[test]
fn after_the_response_url_has_expired_only_the_bot_posts() {
    for kind in NotificationKind::ALL {
        let mut item = item(true);
        item.request_delivery(kind, at(1));
        assert_eq!(posts(&item, at(1_739), true).2, DeliveryRoute::ResponseUrl);
        let (reserved, which, route, _) = posts(&item, at(1_740), true);
        assert_eq!((which, route), (kind, DeliveryRoute::Bot));
        assert_eq!((reserved.response_url_uses, reserved.bot_attempts), (0, 1));
        let why = "the response URL has expired".to_owned();
        let settled = settles(&item, at(1_740), false);
        assert_eq!(
            settled.delivery(kind),
            &DeliveryStatus::Failed { reason: why }
        );
    }
}

#[test]
fn the_bot_tries_twelve_times_and_no_more() {
    let mut item = item(false);
    item.request_delivery(Final, start());
    let mut now = start();
    for tries in 1..=BOT_ATTEMPTS {
        let (reserved, kind, route, _) = posts(&item, now, true);
        assert_eq!((route, reserved.bot_attempts), (DeliveryRoute::Bot, tries));
        item = after_post(
            &reserved,
            kind,
            route,
            &PostResult::Later { after: None },
            now,
        );
        now = item.due_at().unwrap();
    }
    let why = "there is no response URL".to_owned();
    assert_eq!(
        settles(&item, now, true).final_status,
        DeliveryStatus::Failed { reason: why }
    );
    // A post that was not sent is no attempt.
    let mut item = self::item(false);
    item.request_delivery(Final, start());
    let (reserved, kind, route, _) = posts(&item, start(), true);
    let why = "no".to_owned();
    let item = after_post(
        &reserved,
        kind,
        route,
        &PostResult::NotSent {
            reason: why,
            after: None,
        },
        start(),
    );
    assert_eq!((item.bot_attempts, item.unsent_count), (0, 1));
    assert_eq!(item.final_status, DeliveryStatus::Pending { from: at(2) });
}

#[test]
fn a_refused_token_is_given_one_more_try_thirty_seconds_later() {
    let refused = PostResult::Unauthorized {
        reason: "token_revoked".to_owned(),
    };
    for kind in NotificationKind::ALL {
        let mut item = item(false);
        item.request_delivery(kind, start());
        let (reserved, _, route, _) = posts(&item, start(), true);
        assert!(!reserved.token_refused);
        let item = after_post(&reserved, kind, route, &refused, at(1));
        assert_eq!(
            item.delivery(kind),
            &DeliveryStatus::Pending { from: at(31) }
        );
        let (reserved, _, route, repeat) = posts(&item, at(31), true);
        assert!(reserved.token_refused, "the token has to be refreshed");
        assert!(!repeat, "it was certainly not shown");
        let item = after_post(&reserved, kind, route, &refused, at(32));
        let why = "token_revoked".to_owned();
        assert_eq!(item.delivery(kind), &DeliveryStatus::Failed { reason: why });
    }
}

#[test]
fn early_kinds_are_skipped_when_the_final_status_is_pending() {
    for kind in [Progress, Hold] {
        let mut item = item(true);
        item.request_delivery(kind, start());
        let (reserved, _, route, _) = posts(&item, start(), true);
        let item_after = after_post(&reserved, kind, route, &PostResult::Unknown, start());
        let unknown = &DeliveryStatus::Unknown;
        assert_eq!(
            (item_after.delivery(kind), item_after.due_at()),
            (unknown, None)
        );
        assert!(item_after.response_url.is_some(), "the end will need it");
        item.request_delivery(Final, start());
        let settled = settles(&item, start(), true);
        assert_eq!(settled.delivery(kind), &DeliveryStatus::Skipped);
        assert_eq!(posts(&settled, start(), true).1, Final);
    }
}

#[test]
fn a_record_without_the_newer_fields_is_read() {
    let mut stored = serde_json::to_value(item(true)).unwrap();
    let fields = stored.as_object_mut().unwrap();
    fields.remove("hold").unwrap();
    fields.remove("bot_attempts").unwrap();
    fields.remove("token_refused").unwrap();
    let read: NotificationRecord = serde_json::from_value(stored).unwrap();
    assert_eq!(
        (read.hold, read.bot_attempts),
        (DeliveryStatus::NotRequested, 0)
    );
    assert!(!read.token_refused);
}

#[test]
fn requesting_twice_is_requesting_once_and_never_after_the_end() {
    let mut item = item(true);
    item.request_delivery(Final, start());
    let once = item.version;
    item.request_delivery(Final, at(9));
    assert_eq!((item.version, item.due_at()), (once, Some(start())));
    item.final_status = DeliveryStatus::Delivered { at: at(1) };
    item.request_delivery(Final, at(9));
    assert_eq!(item.due_at(), None);
}

#[test]
fn the_pauses_spread_over_most_of_the_half_hour() {
    let pauses: Vec<_> = (0..7)
        .map(|tries| pause(DeliveryRoute::ResponseUrl, tries).as_secs())
        .collect();
    assert_eq!(pauses, [2, 2, 8, 32, 120, 120, 120]);
}

#[test]
fn the_attempts_of_the_bot_spread_over_three_hours() {
    let attempts = 1..u32::from(BOT_ATTEMPTS);
    let pauses = attempts.map(|tries| pause(DeliveryRoute::Bot, tries));
    assert!(pauses.sum::<Duration>() > Duration::from_hours(3));
}

#[test]
fn the_response_url_is_never_printed() {
    let item = item(true);
    assert!(!format!("{item:?}").contains("canary"));
    let text = serde_json::to_string(&item).unwrap();
    let back: NotificationRecord = serde_json::from_str(&text).unwrap();
    assert_eq!(back.response_url.unwrap().expose(), response_url().expose());
}
