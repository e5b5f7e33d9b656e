//! The final status in further channels: to which, how often, and what becomes of it when Slack does not
//! take it.

use super::*;
use crate::config::Config;
use crate::deploy::{DeployRecord, DeployState};
use crate::fixtures::{CONFIG, record_in};
use crate::id::ChannelId;

fn channel(id: &str) -> ChannelId {
    ChannelId::parse(id).unwrap()
}

/// The final status is delivered, and is to be announced in these channels.
fn announced_in(channels: &[&str]) -> NotificationRecord {
    let pending = |id: &&str| Announcement::pending(channel(id), start());
    NotificationRecord {
        final_status: DeliveryStatus::Delivered { at: start() },
        announcements: channels.iter().map(pending).collect(),
        ..item(false)
    }
}

/// The record after one post to the feed that is next.
fn told(item: &NotificationRecord, now: Time, result: &PostResult) -> NotificationRecord {
    let (reserved, feed, repeat) = announces(item, now);
    let sending = Sending::Announcement { feed, repeat };
    after_sending(&reserved, &sending, result, now)
}

/// The feed that is told now, and whether it is marked.
fn announces(item: &NotificationRecord, now: Time) -> (NotificationRecord, usize, bool) {
    match sends(item, now, true) {
        (reserved, Sending::Announcement { feed, repeat }) => (reserved, feed, repeat),
        other => panic!("{other:?}"),
    }
}

fn refused(reason: &str) -> PostResult {
    let reason = reason.to_owned();
    PostResult::Refused { reason }
}

fn failed(reason: &str) -> DeliveryStatus {
    let reason = reason.to_owned();
    DeliveryStatus::Failed { reason }
}

#[test]
fn every_walk_with_a_feed_keeps_the_guarantees() {
    let feed = Announcement {
        attempts: BOT_ATTEMPTS - 2,
        ..Announcement::pending(channel("C0FEED"), start())
    };
    let item = NotificationRecord {
        announcements: vec![feed],
        bot_attempts: BOT_ATTEMPTS - 1,
        ..item(false)
    };
    for bot in [false, true] {
        let worlds = explore(World::new(item.clone(), bot, FEW));
        assert!(worlds > 100, "only {worlds} worlds were seen");
    }
}

#[test]
fn each_feed_is_told_once_after_the_conversation() {
    let mut item = announced_in(&["C0ONE", "C0TWO"]);
    item.final_status = DeliveryStatus::NotRequested;
    item.request_delivery(Final, start());
    let (reserved, kind, route, repeat) = posts(&item, start(), true);
    assert_eq!((kind, route, repeat), (Final, DeliveryRoute::Bot, false));
    item = after_post(
        &reserved,
        kind,
        route,
        &PostResult::Delivered(None),
        start(),
    );
    for n in 0..2 {
        let (reserved, feed, repeat) = announces(&item, start());
        assert_eq!((feed, repeat), (n, false));
        item = told(&item, start(), &PostResult::Delivered(None));
        let sending = Sending::Announcement { feed, repeat };
        assert!(reserved.reserves(&sending, &reserved) && !item.reserves(&sending, &reserved));
    }
    assert_eq!((item.due_at(), &item.undelivered), (None, &None));
}

#[test]
fn what_slack_refuses_in_a_feed_is_given_up_at_once_and_on_record() {
    for word in [
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "restricted_action",
        "missing_scope",
        "invalid_blocks",
        "no_permission",
        "cannot_reply_to_message",
    ] {
        let before = announced_in(&["C0FEED"]);
        let (reserved, ..) = announces(&before, at(1));
        let after = told(&before, at(1), &refused(word));
        assert_eq!(after.announcements[0].status, failed(word));
        assert_eq!(after.due_at(), None);
        let lost = after.untold().unwrap();
        assert_eq!((lost.kind, &*lost.reason, lost.at), (Final, word, at(1)));
        assert_eq!(lost.channels, [channel("C0FEED")]);
        assert_eq!(after.given_up_since(&reserved, at(1)).as_ref(), Some(lost));
        assert_eq!(after.given_up_since(&after, at(1)), None);
    }
}

#[test]
fn what_passes_is_tried_again_and_a_pause_holds_for_every_feed() {
    let after = Some(Duration::from_mins(1));
    let item = announced_in(&["C0ONE", "C0TWO"]);
    let item = told(&item, start(), &PostResult::Later { after });
    assert_eq!(
        item.announcements[0].status,
        DeliveryStatus::Pending { from: at(60) }
    );
    let item = settles(&item, start(), true);
    assert_eq!(
        item.announcements[1].status,
        DeliveryStatus::Pending { from: at(60) }
    );
    assert_eq!(announces(&item, at(60)).1, 0);
    // Without a word about how long, the other one need not wait.
    let item = announced_in(&["C0ONE", "C0TWO"]);
    let item = told(&item, start(), &PostResult::Later { after: None });
    assert_eq!(announces(&item, start()).1, 1);
    // What was not sent is no attempt.
    let reason = "no".to_owned();
    let item = told(
        &item,
        start(),
        &PostResult::NotSent {
            reason,
            after: None,
        },
    );
    let feed = &item.announcements[1];
    assert_eq!((feed.attempts, feed.unsent_count), (0, 1));
    assert_eq!(feed.status, DeliveryStatus::Pending { from: at(2) });
}

#[test]
fn a_repetition_is_marked_and_what_may_have_been_shown_never_fails() {
    let mut item = announced_in(&["C0FEED"]);
    let mut now = start();
    for tries in 1..=BOT_ATTEMPTS {
        assert_eq!(announces(&item, now).2, tries > 1);
        item = told(&item, now, &PostResult::Unknown);
        now = item.due_at().unwrap();
    }
    let item = settles(&item, now, true);
    assert_eq!(item.announcements[0].status, DeliveryStatus::Unknown);
    assert_eq!((item.due_at(), item.undelivered), (None, None));
    // A crash while it posts is such an outcome, too.
    let (reserved, ..) = announces(&announced_in(&["C0FEED"]), start());
    let due = reserved.due_at().unwrap();
    let item = settles(&reserved, due, true);
    assert!(announces(&item, due).2);
    // Slack took it in no attempt, and said so each time.
    let mut item = announced_in(&["C0FEED"]);
    let mut now = start();
    for _ in 0..BOT_ATTEMPTS {
        item = told(&item, now, &PostResult::Later { after: None });
        now = item.due_at().unwrap();
    }
    let item = settles(&item, now, true);
    let why = "Slack took it in none of 12 attempts";
    assert_eq!(item.announcements[0].status, failed(why));
}

#[test]
fn a_refused_token_is_given_one_more_try() {
    let reason = "token_revoked".to_owned();
    let rejected = PostResult::Unauthorized { reason };
    let item = told(&announced_in(&["C0FEED"]), start(), &rejected);
    assert_eq!(
        item.announcements[0].status,
        DeliveryStatus::Pending { from: at(30) }
    );
    let (reserved, _, repeat) = announces(&item, at(30));
    assert!(reserved.token_refused && !repeat, "it has to be refreshed");
    let item = told(&item, at(30), &rejected);
    assert_eq!(item.announcements[0].status, failed("token_revoked"));
}

#[test]
fn without_a_bot_each_feed_is_on_record() {
    let mut item = announced_in(&["C0ONE", "C0TWO"]);
    for n in 0..2 {
        let before = item.clone();
        item = settles(&item, start(), false);
        assert_eq!(
            item.announcements[n].status,
            failed("there is no bot token")
        );
        let lost = item.given_up_since(&before, start()).unwrap();
        assert_eq!(lost.channels, [before.announcements[n].channel.clone()]);
    }
    let lost = item.undelivered.unwrap();
    assert_eq!(lost.reason, "there is no bot token");
    assert_eq!(lost.channels, [channel("C0ONE"), channel("C0TWO")]);
}

#[test]
fn feeds_and_the_conversation_do_not_hide_each_other() {
    // The conversation was not told: that counts more, and the feed is given up aloud all the same.
    let mut item = announced_in(&["C0FEED"]);
    item.final_status = DeliveryStatus::NotRequested;
    item.request_delivery(Final, start());
    let item = settles(&item, start(), false);
    let own = item.undelivered.clone();
    let after = settles(&item, start(), false);
    assert_eq!(after.undelivered, own);
    assert!(after.given_up_since(&item, start()).is_some());
    // The feed was not told, and then the conversation was.
    let mut item = announced_in(&["C0FEED"]);
    item.final_status = DeliveryStatus::Pending { from: at(60) };
    let item = told(&item, start(), &refused("is_archived"));
    let (reserved, kind, route, _) = posts(&item, at(60), true);
    let item = after_post(&reserved, kind, route, &PostResult::Delivered(None), at(60));
    assert_eq!(item.untold().unwrap().channels, [channel("C0FEED")]);
}

#[test]
fn a_record_without_announcements_is_read_and_written_as_before() {
    let stored = serde_json::to_value(item(true)).unwrap();
    assert!(!stored.as_object().unwrap().contains_key("announcements"));
    let read: NotificationRecord = serde_json::from_value(stored).unwrap();
    assert!(read.announcements.is_empty());
}

#[test]
fn what_was_at_circleci_is_announced_elsewhere() {
    let with = |line: &str| {
        let text = CONFIG.replace(
            "aliases = [\"ship\"]",
            &format!("aliases = [\"ship\"]\n{line}"),
        );
        Config::parse(&text, "chatops.toml").unwrap()
    };
    let config = with("announce = [\"C0FEED\", \"C012ABCDEF\", \"T099ZZZZZZ/C0FEED\"]");
    let feeds = |record: &DeployRecord| feeds_of(record, &config);
    for state in DeployState::ALL.into_iter().filter(|s| s.is_terminal()) {
        let record = record_in(state);
        let without_run = DeployRecord {
            run: None,
            ..record.clone()
        };
        if record.run.is_some() {
            // The channel where it was requested has it already.
            assert_eq!(feeds(&record), [channel("C0FEED")], "{state:?}");
        }
        let may_run = state == DeployState::Unresolved;
        assert_eq!(feeds(&without_run).len(), usize::from(may_run), "{state:?}");
    }
    let record = record_in(DeployState::Succeeded);
    assert_eq!(feeds_of(&record, &with("")), []);
    let mut unknown = record;
    unknown.request.project = None;
    assert_eq!(feeds(&unknown), []);
}
