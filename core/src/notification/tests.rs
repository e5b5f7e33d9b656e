//! What is told about a deploy, by which way, and how often.

mod world;

use self::world::{Bounds, World, explore};
use super::*;
use crate::fixtures::{address, at, id, start};

/// A new item, and when its address closes.
fn item(with_address: bool) -> NotificationRecord {
    NotificationRecord::open(id(), with_address.then(address), at(1_740))
}

const FEW: Bounds = Bounds {
    faults: 2,
    unsent: 1,
};

#[test]
fn every_way_of_telling_keeps_the_promises() {
    let bounds = Bounds {
        faults: 3,
        unsent: 1,
    };
    let worlds = explore(World::new(item(true), false, bounds));
    assert!(worlds > 10_000, "only {worlds} worlds were seen");
}

/// The bot has two tries left, so that its end is reached soon.
fn with_a_tired_bot(with_address: bool) -> World {
    let bot_uses = BOT_ATTEMPTS - 2;
    let item = NotificationRecord {
        bot_attempts: bot_uses,
        ..item(with_address)
    };
    World::new(item, true, FEW)
}

#[test]
fn every_way_with_a_bot_keeps_the_promises() {
    let worlds = explore(with_a_tired_bot(true));
    assert!(worlds > 10_000, "only {worlds} worlds were seen");
}

#[test]
fn a_bot_alone_keeps_the_promises() {
    let worlds = explore(with_a_tired_bot(false));
    assert!(worlds > 1_000, "only {worlds} worlds were seen");
}

#[test]
fn without_an_address_nothing_is_sent_and_the_record_says_so() {
    explore(World::new(item(false), false, FEW));
    let mut item = item(false);
    item.request_delivery(NotificationKind::Final, start());
    let world = World::new(item, false, FEW).looked_at(start()).unwrap();
    insta::assert_debug_snapshot!(world.item.final_status, @r#"
    Failed {
        reason: "there is no response URL",
    }
    "#);
}

/// What is posted now; the rest of it is checked by the caller.
fn posts(
    item: &NotificationRecord,
    now: Time,
    bot: bool,
) -> (NotificationRecord, NotificationKind, DeliveryRoute, bool) {
    match next_delivery(item, now, &Timeouts::default(), bot) {
        DeliveryStep::Post {
            reserved,
            kind,
            route: via,
            repeat,
        } => (reserved, kind, via, repeat),
        other => panic!("{other:?}"),
    }
}

fn settles(item: &NotificationRecord, now: Time, bot: bool) -> NotificationRecord {
    match next_delivery(item, now, &Timeouts::default(), bot) {
        DeliveryStep::Save(item) => item,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_faults_all_three_are_told_once() {
    for bot in [false, true] {
        let mut item = item(true);
        for kind in NotificationKind::ALL {
            item.request_delivery(kind, start());
            let (reserved, which, via, repeat) = posts(&item, start(), bot);
            assert_eq!(
                (which, via, repeat),
                (kind, DeliveryRoute::ResponseUrl, false)
            );
            item = after_post(&reserved, kind, via, &PostResult::Delivered, at(1));
        }
        let told = DeliveryStatus::Delivered { at: at(1) };
        for kind in NotificationKind::ALL {
            assert_eq!(item.delivery(kind), &told);
        }
        assert_eq!((item.response_url_uses, item.bot_attempts), (3, 0));
        assert!(item.response_url.is_none());
    }
}

#[test]
fn three_uses_are_the_final_words_own() {
    let mut item = item(true);
    item.response_url_uses = RESPONSE_URL_USES - USES_KEPT_FOR_FINAL;
    for kind in [NotificationKind::Progress, NotificationKind::Hold] {
        let mut item = item.clone();
        item.request_delivery(kind, start());
        let why = "the response URL is used up".to_owned();
        let settled = settles(&item, start(), false);
        assert_eq!(
            settled.delivery(kind),
            &DeliveryStatus::Failed { reason: why }
        );
        assert_eq!(posts(&item, start(), true).2, DeliveryRoute::Bot);
    }
    item.request_delivery(NotificationKind::Final, start());
    let mut now = start();
    for uses in 3..=5 {
        let (reserved, kind, via, repeat) = posts(&item, now, true);
        assert_eq!(
            (kind, via, repeat),
            (
                NotificationKind::Final,
                DeliveryRoute::ResponseUrl,
                uses > 3
            )
        );
        assert_eq!(reserved.response_url_uses, uses);
        item = after_post(&reserved, kind, via, &PostResult::Unknown, now);
        now = item.due_at().unwrap();
    }
    // Then it is the bot's, where there is one; what may have been shown is never denied.
    let (reserved, kind, via, repeat) = posts(&item, now, true);
    assert_eq!(
        (kind, via, repeat),
        (NotificationKind::Final, DeliveryRoute::Bot, true)
    );
    assert_eq!((reserved.response_url_uses, reserved.bot_attempts), (5, 1));
    assert_eq!(
        settles(&item, now, false).final_status,
        DeliveryStatus::Unknown
    );
}

#[test]
fn after_the_address_has_expired_it_is_the_bots_or_nobodys() {
    for kind in NotificationKind::ALL {
        let mut item = item(true);
        item.request_delivery(kind, at(1));
        assert_eq!(posts(&item, at(1_739), true).2, DeliveryRoute::ResponseUrl);
        let (reserved, which, via, _) = posts(&item, at(1_740), true);
        assert_eq!((which, via), (kind, DeliveryRoute::Bot));
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
    item.request_delivery(NotificationKind::Final, start());
    let mut now = start();
    for tries in 1..=BOT_ATTEMPTS {
        let (reserved, kind, via, _) = posts(&item, now, true);
        assert_eq!((via, reserved.bot_attempts), (DeliveryRoute::Bot, tries));
        item = after_post(
            &reserved,
            kind,
            via,
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
    // What never left the machine was no try.
    let mut item = self::item(false);
    item.request_delivery(NotificationKind::Final, start());
    let (reserved, kind, via, _) = posts(&item, start(), true);
    let why = "no".to_owned();
    let item = after_post(
        &reserved,
        kind,
        via,
        &PostResult::NotSent { reason: why },
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
        let (reserved, _, via, _) = posts(&item, start(), true);
        assert!(!reserved.token_refused);
        let item = after_post(&reserved, kind, via, &refused, at(1));
        assert_eq!(
            item.delivery(kind),
            &DeliveryStatus::Pending { from: at(31) }
        );
        let (reserved, _, via, repeat) = posts(&item, at(31), true);
        assert!(reserved.token_refused, "the token is to be read afresh");
        assert!(!repeat, "it was certainly not shown");
        let item = after_post(&reserved, kind, via, &refused, at(32));
        let why = "token_revoked".to_owned();
        assert_eq!(item.delivery(kind), &DeliveryStatus::Failed { reason: why });
    }
}

#[test]
fn what_is_early_is_tried_once_and_dropped_when_the_end_is_owed() {
    for kind in [NotificationKind::Progress, NotificationKind::Hold] {
        let mut item = item(true);
        item.request_delivery(kind, start());
        let (reserved, _, via, _) = posts(&item, start(), true);
        let ends = [
            (PostResult::Later { after: None }, DeliveryStatus::Skipped),
            (PostResult::Unknown, DeliveryStatus::Unknown),
        ];
        for (posted, end) in ends {
            let item = after_post(&reserved, kind, via, &posted, start());
            assert_eq!((item.delivery(kind), item.due_at()), (&end, None));
            assert!(item.response_url.is_some(), "the end will need it");
        }
        item.request_delivery(NotificationKind::Final, start());
        let settled = settles(&item, start(), true);
        assert_eq!(settled.delivery(kind), &DeliveryStatus::Skipped);
        assert_eq!(posts(&settled, start(), true).1, NotificationKind::Final);
    }
}

#[test]
fn an_item_that_was_written_before_there_were_holds_is_read() {
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
fn owing_twice_is_owing_once_and_the_end_is_not_owed_again() {
    let mut item = item(true);
    item.request_delivery(NotificationKind::Final, start());
    let once = item.version;
    item.request_delivery(NotificationKind::Final, at(9));
    assert_eq!((item.version, item.due_at()), (once, Some(start())));
    item.final_status = DeliveryStatus::Delivered { at: at(1) };
    item.request_delivery(NotificationKind::Final, at(9));
    assert_eq!(item.due_at(), None);
}

#[test]
fn the_pauses_spread_over_most_of_the_half_hour() {
    let pauses: Vec<_> = (0..7).map(|tries| pause(tries).as_secs()).collect();
    assert_eq!(pauses, [2, 2, 8, 32, 120, 120, 120]);
}

#[test]
fn the_address_is_never_printed() {
    let item = item(true);
    assert!(!format!("{item:?}").contains("canary"));
    let text = serde_json::to_string(&item).unwrap();
    let back: NotificationRecord = serde_json::from_str(&text).unwrap();
    assert_eq!(back.response_url.unwrap().expose(), address().expose());
}
