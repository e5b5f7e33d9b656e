//! What the queues that keep time by this machine's clock do after it was wrong. SQS keeps its own.

use std::time::Duration;

use chatops_core::ports::QueueName::{self, Notify, Work, WorkDlq};
use chatops_core::ports::{LONGEST_HIDING, MessageQueue};

use super::queue::QueueExt;
use super::support::{MAX_RECEIVES, OwnClockFixture, body};
use crate::suites::suite;

suite! { $ clock_checks:
    what_a_wrong_clock_has_hidden_is_visible,
    what_is_hidden_within_bounds_stays_hidden,
    what_a_wrong_clock_has_hidden_keeps_its_receive_count,
    no_call_hides_a_message_longer_than_the_bound,
}

const DAY: Duration = Duration::from_hours(24);

/// Whatever hides it: a delay, a receive or a release.
pub async fn what_a_wrong_clock_has_hidden_is_visible<F: OwnClockFixture>(it: F) {
    let queue = it.queue();
    it.advance(DAY).await;
    for name in QueueName::ALL {
        queue.put_later(name, "sent", Duration::from_secs(10)).await;
        for text in ["received", "released"] {
            queue.put(name, text).await;
        }
        for message in queue.take(name, 2).await {
            if message.body == body("released") {
                let delay = Duration::from_mins(2);
                queue.give_back(name, &message.receipt, delay).await;
            }
        }
        assert!(queue.is_empty(name).await);
    }
    it.turn_back(DAY).await;
    // What the right clock shows is visible beside them, and each is received once.
    queue.put(Work, "new").await;
    for name in QueueName::ALL {
        let mut received = queue.take(name, 2).await;
        assert_eq!(received.len(), 2);
        received.extend(queue.take(name, 100).await);
        let expected = if name == Work { 4 } else { 3 };
        assert_eq!(received.len(), expected);
        assert!(queue.is_empty(name).await);
        for message in received {
            queue.remove(name, &message.receipt).await;
        }
    }
    it.advance(DAY * 2).await;
    for name in QueueName::ALL {
        assert!(queue.is_empty(name).await);
    }
}

pub async fn what_is_hidden_within_bounds_stays_hidden<F: OwnClockFixture>(it: F) {
    let queue = it.queue();
    let delay = Duration::from_mins(15);
    queue.put_later(Work, "later", delay).await;
    it.turn_back(LONGEST_HIDING.saturating_sub(delay)).await;
    assert!(queue.is_empty(Work).await);
    it.turn_back(Duration::from_millis(1)).await;
    assert_eq!(queue.take_one(Work).await.body, body("later"));
}

/// And the last receive leads to the dead-letter queue, as ever.
pub async fn what_a_wrong_clock_has_hidden_keeps_its_receive_count<F: OwnClockFixture>(it: F) {
    let queue = it.queue();
    queue.put(Notify, "poison").await;
    let mut void = None;
    for receives in 1..=MAX_RECEIVES {
        let message = queue.take_one(Notify).await;
        assert_eq!(message.receive_count, receives);
        if let Some(void) = void.replace(message.receipt) {
            queue.remove(Notify, &void).await;
        }
        it.turn_back(DAY).await;
    }
    assert!(queue.is_empty(Notify).await);
    let dlq = Notify.dead_letter_queue().unwrap();
    assert_eq!(queue.take_one(dlq).await.body, body("poison"));
}

/// Or it would be visible at once.
pub async fn no_call_hides_a_message_longer_than_the_bound<F: OwnClockFixture>(it: F) {
    let queue = it.queue();
    for hidden in [LONGEST_HIDING, LONGEST_HIDING * 2, Duration::MAX] {
        queue.put(WorkDlq, "one").await;
        let received = queue.receive(WorkDlq, 9, hidden).await.unwrap();
        assert_eq!(received.len(), 1);
        assert!(queue.is_empty(WorkDlq).await, "{hidden:?}");
        it.advance(LONGEST_HIDING).await;
        let received = queue.take_one(WorkDlq).await;
        queue.give_back(WorkDlq, &received.receipt, hidden).await;
        assert!(queue.is_empty(WorkDlq).await, "{hidden:?}");
        it.advance(LONGEST_HIDING).await;
        let receipt = queue.take_one(WorkDlq).await.receipt;
        queue.remove(WorkDlq, &receipt).await;
    }
}
