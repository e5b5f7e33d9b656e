//! What comes beside the card or after its time: presses, late answers of Slack, and cards that do not count.

use super::*;

/// The record after `change`, if that says it has changed it: then it is its next version.
fn changed(
    item: &NotificationRecord,
    change: impl FnOnce(&mut NotificationRecord) -> bool,
) -> Option<NotificationRecord> {
    let mut after = item.clone();
    if change(&mut after) {
        assert_eq!(after.version, item.version + 1);
        return Some(after);
    }
    assert_eq!(written(&after), written(item));
    None
}

fn pressed(item: &NotificationRecord, n: u8, now: Time) -> Option<NotificationRecord> {
    changed(item, |item| draw::after_press(item, &place(n), now))
}

fn late(item: &NotificationRecord, result: &PostResult, now: Time) -> Option<NotificationRecord> {
    changed(item, |item| draw::after_late_call(item, result, now))
}

/// Where the cards are that do not count.
fn strays(item: &NotificationRecord) -> Vec<PostedMessage> {
    card(item)
        .strays
        .iter()
        .map(|stray| stray.at.clone())
        .collect()
}

/// A card that Slack does not take any more.
fn given_up() -> NotificationRecord {
    let item = draws(&standing_and_old(), at(5), &refused("is_archived"));
    assert!(is_given_up(&item));
    item
}

/// The record after the next call, which deletes the card at that place.
fn deletes(item: &NotificationRecord, n: u8, now: Time, result: &PostResult) -> NotificationRecord {
    let (reserved, sending) = sends(item, now, true);
    assert_eq!(sending, Sending::Deletion(place(n)));
    after_sending(&reserved, &sending, result, now)
}

#[test]
fn a_press_draws_the_card_that_counts() {
    let item = pressed(&standing(), 1, at(3)).unwrap();
    assert_eq!((item.due_at(), strays(&item)), (Some(at(3)), vec![]));
    // A hundred presses are one edit.
    assert!(pressed(&item, 1, at(3)).is_none());
    assert_eq!(draws(&item, at(3), &shown(1)).due_at(), None);
}

#[test]
fn a_press_of_another_card_deletes_it() {
    let item = pressed(&standing(), 7, at(4)).unwrap();
    assert_eq!(strays(&item), [place(7)]);
    assert!(pressed(&item, 7, at(4)).is_none());
    let (reserved, _) = sends(&item, at(4), true);
    let lease = Timeouts::default().delivery_lease;
    assert_eq!(reserved.due_at(), Some(at(4) + lease));
    let deletion = Sending::Deletion(place(7));
    assert!(reserved.reserves(&deletion, &reserved) && !item.reserves(&deletion, &reserved));
    for over in [PostResult::Delivered(None), refused("cant_delete_message")] {
        assert_eq!(deletes(&item, 7, at(4), &over).due_at(), None);
    }
    // Only the bot can delete it.
    let without = settles(&item, at(4), false);
    assert_eq!((strays(&without), without.due_at()), (vec![], None));
    // Not more than three wait for it.
    let item = [8, 9]
        .iter()
        .fold(item, |item, n| pressed(&item, *n, at(4)).unwrap());
    assert!(pressed(&item, 6, at(4)).is_none());
}

#[test]
fn a_deletion_is_tried_three_times() {
    let mut item = pressed(&standing(), 7, at(4)).unwrap();
    let mut now = at(4);
    for pause in [2, 8] {
        item = deletes(&item, 7, now, &PostResult::Unknown);
        now += Duration::from_secs(pause);
        assert_eq!(item.due_at(), Some(now));
    }
    assert_eq!(deletes(&item, 7, now, &PostResult::Unknown).due_at(), None);
}

#[test]
fn a_deletion_waits_as_long_as_slack_asks() {
    let item = pressed(&standing(), 7, at(4)).unwrap();
    let after = Some(Duration::from_mins(10));
    let asked = PostResult::Later { after };
    let later = deletes(&item, 7, at(4), &asked);
    assert_eq!(later.due_at(), Some(at(604)));
    // The pause is the bot's, so it holds for the card, too.
    assert_eq!(later.bot_from, Some(at(604)));
    let reason = "no".to_owned();
    let unsent = deletes(&item, 7, at(4), &PostResult::NotSent { reason, after });
    assert_eq!((unsent.due_at(), unsent.bot_from), (Some(at(604)), None));
}

/// Otherwise it would be drawn before Slack carries that edit out, and never after.
#[test]
fn a_press_does_not_hurry_what_is_drawn_over_a_late_edit() {
    let lost = draws(&standing_and_old(), at(5), &PostResult::Unknown);
    let item = draws(&lost, lost.due_at().unwrap(), &shown(1));
    assert!(pressed(&item, 1, at(10)).is_none());
    assert_eq!(item.due_at(), Some(at(65)));
}

#[test]
fn a_press_says_nothing_while_a_post_may_be_under_way() {
    let (reserved, _) = sends(&wanted(), start(), true);
    assert!(pressed(&reserved, 1, at(1)).is_none());
    let lost = draws(&wanted(), start(), &PostResult::Unknown);
    assert!(pressed(&lost, 1, at(1)).is_none());
    // Both answers were lost: whichever it is, it is not kept up to date.
    let none = draws(&lost, lost.due_at().unwrap(), &PostResult::Unknown);
    let none = pressed(&none, 1, at(20)).unwrap();
    assert_eq!(sends(&none, at(20), true).1, Sending::Deletion(place(1)));
    // There never was one.
    assert!(pressed(&item(true), 1, at(1)).is_none());
}

#[test]
fn a_post_that_was_answered_too_late_counts_unless_another_one_does() {
    let lost = draws(&wanted(), start(), &PostResult::Unknown);
    let counts = late(&lost, &shown(1), at(1)).unwrap();
    assert_eq!(card(&counts).at, Some(place(1)));
    // What it shows is as old as the call.
    assert_eq!(card(&counts).wanted, card(&lost).wanted + 1);
    let due = counts.due_at().unwrap();
    assert_eq!(draws(&counts, due, &shown(1)).due_at(), None);
    // Another post is under way, or stands.
    let (reserved, _) = sends(&lost, lost.due_at().unwrap(), true);
    for item in [reserved, standing()] {
        let two = late(&item, &shown(2), at(9)).unwrap();
        assert_eq!(
            (strays(&two), &card(&two).at),
            (vec![place(2)], &card(&item).at)
        );
    }
}

#[test]
fn an_edit_that_was_answered_too_late_is_drawn_over() {
    // Without an answer it may be carried out later still.
    for (result, due) in [(shown(1), 9), (PostResult::Unknown, 69)] {
        let item = late(&standing(), &result, at(9)).unwrap();
        assert_eq!((item.due_at(), strays(&item)), (Some(at(due)), vec![]));
    }
}

#[test]
fn of_a_card_that_is_not_drawn_any_more_nothing_is_drawn_over() {
    for result in [shown(1), PostResult::Unknown] {
        assert!(late(&given_up(), &result, at(9)).is_none());
    }
    assert!(pressed(&given_up(), 1, at(9)).is_none());
    // Nor where none is known to stand.
    assert!(late(&wanted(), &PostResult::Unknown, at(9)).is_none());
    assert!(late(&item(true), &PostResult::Unknown, at(9)).is_none());
}
