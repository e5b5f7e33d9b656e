//! The bot's messages: threads, edits, deletions, and their faults.

use chatops_core::id::UserId;
use chatops_core::text::{Mrkdwn, not_accepted};
use chrono::DateTime;

use super::*;
use crate::crash_points::drive;

fn slack() -> (ManualClock, MemorySlack) {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let slack = MemorySlack::new(&clock, &Arc::new(Outages::new(&clock)));
    slack.install_bot("C0001");
    (clock, slack)
}

fn saying(text: &'static str) -> SlackMessage {
    SlackMessage {
        audience: Audience::Channel,
        headline: Mrkdwn::new(text),
        ..not_accepted()
    }
}

fn conversation() -> PostTarget {
    PostTarget::Conversation {
        channel: ChannelId::parse("C0001").unwrap(),
        user: UserId::parse("U0001").unwrap(),
    }
}

fn post(slack: &MemorySlack, to: &PostTarget, text: &'static str) -> PostResult {
    drive(slack.post(to, &saying(text))).unwrap()
}

fn delete(slack: &MemorySlack, message: &PostedMessage) -> PostResult {
    drive(slack.delete(message)).unwrap()
}

/// A card that the bot posts.
fn posted(slack: &MemorySlack) -> PostedMessage {
    match post(slack, &conversation(), "one") {
        PostResult::Delivered(Some(posted)) => posted,
        result => panic!("{result:?}"),
    }
}

fn ever_shown(slack: &MemorySlack) -> Vec<String> {
    slack.shown_messages()[0].ever_shown()
}

#[test]
fn a_card_is_edited_answered_and_deleted() {
    let (_, slack) = slack();
    let card = posted(&slack);
    let edit = PostTarget::Edit(card.clone());
    let edited = PostResult::Delivered(Some(card.clone()));
    assert_eq!(post(&slack, &edit, "two"), edited);
    assert_eq!(ever_shown(&slack), ["one", "two"]);
    let thread = PostTarget::Thread {
        parent: card.clone(),
        broadcast: true,
    };
    let PostResult::Delivered(Some(reply)) = post(&slack, &thread, "end") else {
        panic!("a reply has a place");
    };
    let shown = slack.shown_messages();
    assert_eq!(shown[1].ts, reply.ts.as_str());
    assert_eq!(shown[1].thread_ts.as_deref(), Some(card.ts.as_str()));
    assert!(shown[1].is_broadcast);
    assert_eq!(delete(&slack, &card), edited);
    assert_eq!(delete(&slack, &card), PostResult::Delivered(None));
    assert_eq!(post(&slack, &edit, "three"), refused("message_not_found"));
}

#[test]
fn what_people_do_to_it_refuses_an_edit() {
    let (_, slack) = slack();
    let card = posted(&slack);
    let edit = PostTarget::Edit(card.clone());
    slack.remove_bot("C0001");
    assert_eq!(post(&slack, &edit, "two"), refused("not_in_channel"));
    assert_eq!(delete(&slack, &card), refused("not_in_channel"));
    let other = post(&slack, &conversation(), "two");
    assert_eq!(other, refused("not_in_channel"));
    slack.invite_bot("C0001");
    assert!(slack.delete_message(&card));
    assert!(!slack.delete_message(&card));
    assert_eq!(post(&slack, &edit, "two"), refused("message_not_found"));
    assert_eq!(ever_shown(&slack), ["one"]);
}

#[test]
fn a_lost_answer_hides_an_edit_and_a_late_one_wins() {
    let (clock, slack) = slack();
    let card = posted(&slack);
    let edit = PostTarget::Edit(card.clone());
    slack.fail_post(ChatFault::AnswerLost);
    assert_eq!(post(&slack, &edit, "two"), PostResult::Unknown);
    slack.fail_post(ChatFault::Late(Duration::from_mins(1)));
    assert_eq!(post(&slack, &edit, "late"), PostResult::Unknown);
    slack.fail_post(ChatFault::ErrorBefore);
    assert_eq!(post(&slack, &edit, "never"), PostResult::Unknown);
    post(&slack, &edit, "three");
    assert_eq!(ever_shown(&slack), ["one", "two", "three"]);
    assert_eq!((slack.late_count(), slack.lost_responses()), (1, 3));
    clock.advance(Duration::from_secs(59));
    assert_eq!(slack.late_count(), 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(ever_shown(&slack), ["one", "two", "three", "late"]);
    slack.fail_post(ChatFault::AnswerLost);
    assert_eq!(delete(&slack, &card), PostResult::Unknown);
    assert!(!slack.shown_messages()[0].stands());
}

#[test]
fn a_post_can_come_late_and_its_place_is_not_told() {
    let (clock, slack) = slack();
    slack.fail_post(ChatFault::Late(Duration::from_secs(10)));
    assert_eq!(post(&slack, &conversation(), "stray"), PostResult::Unknown);
    assert_eq!(slack.shown_messages(), []);
    let card = posted(&slack);
    clock.advance(Duration::from_secs(10));
    let shown = slack.shown_messages();
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0].ts, card.ts.as_str());
    assert_eq!(shown[1].shown_text(), "stray");
}
