//! What the handlers and their runners rely on. Nothing here relies on an order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chatops_core::message::{MessageBody, WorkMessage};
use chatops_core::ports::QueueName::{self, Notify, NotifyDlq, Operators, Polls, Work, WorkDlq};
use chatops_core::ports::{LONGEST_HIDING, MessageQueue, MessageReceipt, ReceivedMessage};
use tokio::task::JoinSet;

use super::support::{MAX_RECEIVES, PortFixture, body, id};
use crate::suites::suite;

suite! { $ queue_checks:
    what_is_sent_is_received,
    a_receive_takes_no_more_than_asked_for,
    a_delayed_message_waits,
    a_long_delay_is_cut_to_fifteen_minutes,
    a_received_message_is_hidden_and_comes_back,
    a_void_receipt_does_nothing,
    a_receipt_counts_in_its_queue_only,
    a_deleted_message_is_gone,
    a_receipt_counts_until_the_next_receive,
    a_released_message_waits_its_delay,
    what_is_received_too_often_goes_to_the_dead_letter_queue,
    the_last_try_is_not_cut_short,
    a_dead_letter_queue_gives_for_ever,
    a_look_hides_nothing,
    what_is_seen_in_a_look_can_be_deleted,
    queues_are_separate,
    a_body_survives_byte_by_byte,
    a_crash_count_travels_in_the_message,
    many_senders_all_arrive,
    two_receivers_never_share_a_message,
}

const HIDDEN: Duration = Duration::from_mins(1);
const NOW: Duration = Duration::ZERO;

/// What the checks ask of a queue. Whatever the queue cannot do ends the check.
pub trait QueueExt: MessageQueue {
    async fn put(&self, queue: QueueName, text: &str) {
        self.put_later(queue, text, NOW).await;
    }

    async fn put_later(&self, queue: QueueName, text: &str, delay: Duration) {
        self.send(queue, &body(text), delay).await.unwrap();
    }

    async fn take(&self, queue: QueueName, max: usize) -> Vec<ReceivedMessage> {
        self.receive(queue, max, HIDDEN).await.unwrap()
    }

    /// The one message that is there.
    async fn take_one(&self, queue: QueueName) -> ReceivedMessage {
        let mut received = self.take(queue, 100).await;
        assert_eq!(received.len(), 1);
        received.remove(0)
    }

    async fn is_empty(&self, queue: QueueName) -> bool {
        self.take(queue, 100).await.is_empty()
    }

    async fn remove(&self, queue: QueueName, receipt: &MessageReceipt) {
        self.delete(queue, receipt).await.unwrap();
    }

    async fn give_back(&self, queue: QueueName, receipt: &MessageReceipt, delay: Duration) {
        self.release(queue, receipt, delay).await.unwrap();
    }
}

impl<Q: MessageQueue> QueueExt for Q {}

fn texts(received: &[ReceivedMessage]) -> BTreeSet<&str> {
    received.iter().map(|one| one.body.as_wire()).collect()
}

pub async fn what_is_sent_is_received<F: PortFixture>(it: F) {
    let queue = it.queue();
    assert!(queue.is_empty(Work).await);
    for text in ["one", "two", "two", "three"] {
        queue.put(Work, text).await;
    }
    let received = queue.take(Work, 100).await;
    assert_eq!(received.len(), 4);
    assert!(received.iter().all(|one| one.receive_count == 1));
    assert_eq!(texts(&received), BTreeSet::from(["one", "two", "three"]));
    let receipts: BTreeSet<_> = received.iter().map(|one| &one.receipt).collect();
    assert_eq!(receipts.len(), 4);
}

pub async fn a_receive_takes_no_more_than_asked_for<F: PortFixture>(it: F) {
    let queue = it.queue();
    for n in 0..5 {
        queue.put(Work, &n.to_string()).await;
    }
    assert!(queue.take(Work, 0).await.is_empty());
    let mut all = queue.take(Work, 2).await;
    assert_eq!(all.len(), 2);
    all.extend(queue.take(Work, 2).await);
    all.extend(queue.take(Work, usize::MAX).await);
    assert_eq!((all.len(), texts(&all).len()), (5, 5));
}

pub async fn a_delayed_message_waits<F: PortFixture>(it: F) {
    let queue = it.queue();
    queue
        .put_later(Work, "later", Duration::from_secs(10))
        .await;
    it.advance(Duration::from_millis(9_999)).await;
    assert!(queue.is_empty(Work).await);
    it.advance(Duration::from_millis(1)).await;
    assert_eq!(queue.take_one(Work).await.receive_count, 1);
}

pub async fn a_long_delay_is_cut_to_fifteen_minutes<F: PortFixture>(it: F) {
    let queue = it.queue();
    let (more, day) = (Duration::from_secs(901), Duration::from_hours(24));
    for delay in [more, day, Duration::MAX] {
        queue.put_later(Work, "later", delay).await;
    }
    it.advance(Duration::from_secs(899)).await;
    assert!(queue.is_empty(Work).await);
    it.advance(Duration::from_secs(1)).await;
    assert_eq!(queue.take(Work, 100).await.len(), 3);
}

pub async fn a_received_message_is_hidden_and_comes_back<F: PortFixture>(it: F) {
    let queue = it.queue();
    queue.put(Work, "one").await;
    let first = queue.take_one(Work).await;
    it.advance(Duration::from_millis(59_999)).await;
    assert!(queue.is_empty(Work).await);
    it.advance(Duration::from_millis(1)).await;
    let second = queue.take_one(Work).await;
    assert_eq!(second.receive_count, 2);
    assert_eq!(second.body, first.body);
    assert_ne!(second.receipt, first.receipt);
}

pub async fn a_void_receipt_does_nothing<F: PortFixture>(it: F) {
    let queue = it.queue();
    queue.put(Work, "one").await;
    let void = queue.take_one(Work).await.receipt;
    it.advance(HIDDEN).await;
    let valid = queue.take_one(Work).await.receipt;
    let huge = "99999999999999999999-1";
    let strange = ["", "-", "1", "1-", "-1", "9-9", "nonsense", huge, "ü-1"];
    let strange = strange.map(|text| MessageReceipt(text.to_owned()));
    for receipt in strange.iter().chain([&void]) {
        queue.give_back(Work, receipt, NOW).await;
        assert!(queue.is_empty(Work).await, "{receipt:?} released it");
        queue.remove(Work, receipt).await;
    }
    queue.give_back(Work, &valid, NOW).await;
    assert_eq!(queue.take_one(Work).await.receive_count, 3);
}

pub async fn a_receipt_counts_in_its_queue_only<F: PortFixture>(it: F) {
    let queue = it.queue();
    queue.put(Work, "one").await;
    let receipt = queue.take_one(Work).await.receipt;
    for other in [Notify, WorkDlq, NotifyDlq] {
        queue.remove(other, &receipt).await;
        queue.give_back(other, &receipt, NOW).await;
    }
    assert!(queue.is_empty(Work).await);
    it.advance(HIDDEN).await;
    queue.take_one(Work).await;
}

pub async fn a_deleted_message_is_gone<F: PortFixture>(it: F) {
    let queue = it.queue();
    queue.put(Work, "one").await;
    queue.put(Work, "two").await;
    let received = queue.take(Work, 100).await;
    let gone = received.iter().find(|one| one.body == body("one"));
    let gone = &gone.unwrap().receipt;
    queue.remove(Work, gone).await;
    queue.remove(Work, gone).await;
    queue.give_back(Work, gone, NOW).await;
    it.advance(HIDDEN).await;
    assert_eq!(queue.take_one(Work).await.body, body("two"));
}

pub async fn a_receipt_counts_until_the_next_receive<F: PortFixture>(it: F) {
    let queue = it.queue();
    queue.put(Work, "one").await;
    let receipt = queue.take_one(Work).await.receipt;
    it.advance(HIDDEN * 2).await;
    queue.remove(Work, &receipt).await;
    assert!(queue.is_empty(Work).await);
}

pub async fn a_released_message_waits_its_delay<F: PortFixture>(it: F) {
    let queue = it.queue();
    queue.put(Work, "one").await;
    let receipt = queue.take_one(Work).await.receipt;
    queue.give_back(Work, &receipt, NOW).await;
    let again = queue.take_one(Work).await;
    assert_eq!(again.receive_count, 2);
    // Later than it would have come back by itself.
    queue.give_back(Work, &again.receipt, HIDDEN * 2).await;
    it.advance(Duration::from_millis(119_999)).await;
    assert!(queue.is_empty(Work).await);
    it.advance(Duration::from_millis(1)).await;
    let last = queue.take_one(Work).await;
    assert_eq!(last.receive_count, 3);
    queue.give_back(Work, &last.receipt, Duration::MAX).await;
    // As far ahead as every queue can hide a message.
    let almost = LONGEST_HIDING.saturating_sub(Duration::from_millis(1));
    it.advance(almost).await;
    assert!(queue.is_empty(Work).await);
}

pub async fn what_is_received_too_often_goes_to_the_dead_letter_queue<F: PortFixture>(it: F) {
    let queue = it.queue();
    for name in [Work, Polls, Operators, Notify] {
        let dlq = name.dead_letter_queue().unwrap();
        queue.put(name, "poison").await;
        let mut receipt = None;
        for receives in 1..=MAX_RECEIVES {
            let message = queue.take_one(name).await;
            assert_eq!(message.receive_count, receives);
            receipt = Some(message.receipt);
            it.advance(HIDDEN).await;
            assert!(queue.is_empty(dlq).await);
        }
        queue.put(name, "good").await;
        let next = queue.take_one(name).await.body;
        assert_eq!(next, body("good"), "it blocks nobody");
        // The receipt from before the move is void.
        let receipt = receipt.unwrap();
        queue.remove(name, &receipt).await;
        queue.remove(dlq, &receipt).await;
        let dead = queue.take_one(dlq).await;
        // Whether a dead-letter queue counts afresh is its own affair.
        assert_eq!(dead.body, body("poison"));
        queue.remove(dlq, &dead.receipt).await;
        it.advance(HIDDEN).await;
        assert!(queue.is_empty(dlq).await);
    }
}

pub async fn the_last_try_is_not_cut_short<F: PortFixture>(it: F) {
    let queue = it.queue();
    let both_empty = async || queue.is_empty(Work).await && queue.is_empty(WorkDlq).await;
    queue.put(Work, "slow").await;
    for _ in 1..MAX_RECEIVES {
        queue.take_one(Work).await;
        it.advance(HIDDEN).await;
    }
    let last = queue.take_one(Work).await;
    it.advance(Duration::from_millis(59_999)).await;
    assert!(both_empty().await);
    queue.remove(Work, &last.receipt).await;
    it.advance(HIDDEN).await;
    assert!(both_empty().await);
}

pub async fn a_dead_letter_queue_gives_for_ever<F: PortFixture>(it: F) {
    let queue = it.queue();
    queue.put(WorkDlq, "ticket").await;
    for receives in 1..=4 * MAX_RECEIVES {
        assert_eq!(queue.take_one(WorkDlq).await.receive_count, receives);
        it.advance(HIDDEN).await;
    }
}

pub async fn a_look_hides_nothing<F: PortFixture>(it: F) {
    let queue = it.queue();
    // An empty queue is not waited for.
    assert!(queue.receive(WorkDlq, 100, NOW).await.unwrap().is_empty());
    for n in 0..25 {
        queue.put(WorkDlq, &n.to_string()).await;
    }
    let taken = queue.receive(WorkDlq, 3, HIDDEN).await.unwrap();
    assert_eq!(taken.len(), 3);
    for _ in 0..3 {
        // Perhaps not all of them, but each once, and nothing that somebody else has in hand.
        let seen = queue.receive(WorkDlq, 100, NOW).await.unwrap();
        assert!(seen.len() >= 10, "{}", seen.len());
        assert_eq!(texts(&seen).len(), seen.len());
        assert!(texts(&seen).is_disjoint(&texts(&taken)));
    }
    assert_eq!(texts(&queue.take(WorkDlq, 100).await).len(), 22);
}

pub async fn what_is_seen_in_a_look_can_be_deleted<F: PortFixture>(it: F) {
    let queue = it.queue();
    for n in 0..5 {
        queue.put(WorkDlq, &n.to_string()).await;
    }
    for left in (0..5).rev() {
        let seen = queue.receive(WorkDlq, 100, NOW).await.unwrap();
        assert_eq!(seen.len(), left + 1);
        queue.remove(WorkDlq, &seen[0].receipt).await;
    }
    assert!(queue.is_empty(WorkDlq).await);
}

pub async fn queues_are_separate<F: PortFixture>(it: F) {
    let queue = it.queue();
    for name in QueueName::ALL {
        queue.put(name, name.as_str()).await;
    }
    for name in QueueName::ALL {
        let message = queue.take_one(name).await;
        assert_eq!(message.body, body(name.as_str()));
        queue.remove(name, &message.receipt).await;
    }
    it.advance(HIDDEN).await;
    for name in QueueName::ALL {
        assert!(queue.is_empty(name).await);
    }
}

pub async fn a_body_survives_byte_by_byte<F: PortFixture>(it: F) {
    let queue = it.queue();
    let long = "\u{1f680}x".repeat(50_000);
    // What JSON can be made of; control characters and the empty text are not.
    for text in [" ", "'\"\\%_?1;--", "\r\n\t\u{feff}e\u{301}\u{202e}", &long] {
        queue.put(Notify, text).await;
        let message = queue.take_one(Notify).await;
        assert!(message.body == body(text), "{:.20}", text.escape_debug());
        queue.remove(Notify, &message.receipt).await;
    }
}

/// However often the message is received and sent again; the message stays the same otherwise.
pub async fn a_crash_count_travels_in_the_message<F: PortFixture>(it: F) {
    let queue = it.queue();
    let uncrashed = MessageBody::encode(&WorkMessage::Retry { deploy: id(1) }).unwrap();
    let mut sent = uncrashed.clone();
    for crashes in 0..3 {
        assert_eq!(sent.crash_count(), crashes);
        queue.put(Work, sent.as_wire()).await;
        let received = queue.take_one(Work).await;
        assert_eq!(received.body.crash_count(), crashes);
        let read: WorkMessage = received.body.decode().unwrap();
        assert_eq!(MessageBody::encode(&read).unwrap(), uncrashed);
        queue.remove(Work, &received.receipt).await;
        sent = received.body.after_crash().unwrap();
    }
}

pub async fn many_senders_all_arrive<F: PortFixture>(it: F) {
    let queue = it.queue();
    let mut senders = JoinSet::new();
    for n in 0..50 {
        let queue = Arc::clone(&queue);
        senders.spawn(async move { queue.send(Work, &body(&n.to_string()), NOW).await });
    }
    assert!(senders.join_all().await.iter().all(Result::is_ok));
    assert_eq!(texts(&queue.take(Work, 100).await).len(), 50);
}

pub async fn two_receivers_never_share_a_message<F: PortFixture>(it: F) {
    let queue = it.queue();
    for n in 0..40 {
        queue.put(Work, &n.to_string()).await;
    }
    let mut receivers = JoinSet::new();
    for _ in 0..10 {
        let queue = Arc::clone(&queue);
        receivers.spawn(async move { queue.receive(Work, 5, HIDDEN).await.unwrap() });
    }
    let all: Vec<_> = receivers.join_all().await.into_iter().flatten().collect();
    assert_eq!((all.len(), texts(&all).len()), (40, 40));
}
