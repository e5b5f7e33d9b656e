//! What the handlers and their runners rely on. Nothing here relies on an order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chatops_core::ports::{Delivery, Lane, Queue, Receipt};
use tokio::task::JoinSet;

use super::support::{Fixture, MAX_RECEIVES, body};
use crate::fixtures::suite;

suite![
    what_is_sent_is_received,
    a_receive_takes_no_more_than_asked_for,
    a_delayed_message_waits,
    a_long_delay_is_cut_to_fifteen_minutes,
    a_received_message_is_hidden_and_comes_back,
    a_void_receipt_does_nothing,
    a_receipt_counts_in_its_lane_only,
    a_deleted_message_is_gone,
    a_receipt_counts_until_the_next_receive,
    a_released_message_waits_its_delay,
    what_is_received_too_often_goes_to_the_dead_lane,
    the_last_try_is_not_cut_short,
    a_dead_lane_gives_for_ever,
    lanes_are_separate,
    a_body_survives_byte_by_byte,
    many_senders_all_arrive,
    two_receivers_never_share_a_message,
];

const HIDDEN: Duration = Duration::from_mins(1);
const NOW: Duration = Duration::ZERO;

async fn receive<Q: Queue>(queue: &Q, lane: Lane) -> Vec<Delivery> {
    queue.receive(lane, 100, HIDDEN).await.unwrap()
}

async fn receive_one<Q: Queue>(queue: &Q, lane: Lane) -> Delivery {
    let mut deliveries = receive(queue, lane).await;
    assert_eq!(deliveries.len(), 1);
    deliveries.remove(0)
}

fn texts(deliveries: &[Delivery]) -> BTreeSet<String> {
    deliveries
        .iter()
        .map(|delivery| delivery.body.as_wire().to_owned())
        .collect()
}

async fn what_is_sent_is_received<F: Fixture>(it: F) {
    let queue = it.queue();
    assert!(receive(&*queue, Lane::Work).await.is_empty());
    for text in ["one", "two", "two", "three"] {
        queue.send(Lane::Work, &body(text), NOW).await.unwrap();
    }
    let deliveries = receive(&*queue, Lane::Work).await;
    assert_eq!(deliveries.len(), 4);
    assert!(deliveries.iter().all(|delivery| delivery.receives == 1));
    let expected = ["one", "two", "three"].map(str::to_owned);
    assert_eq!(texts(&deliveries), BTreeSet::from(expected));
    let receipts: BTreeSet<_> = deliveries
        .iter()
        .map(|delivery| &delivery.receipt)
        .collect();
    assert_eq!(receipts.len(), 4);
}

async fn a_receive_takes_no_more_than_asked_for<F: Fixture>(it: F) {
    let queue = it.queue();
    for n in 0..5 {
        queue
            .send(Lane::Work, &body(&n.to_string()), NOW)
            .await
            .unwrap();
    }
    let none = queue.receive(Lane::Work, 0, HIDDEN).await.unwrap();
    assert!(none.is_empty());
    let mut all = queue.receive(Lane::Work, 2, HIDDEN).await.unwrap();
    assert_eq!(all.len(), 2);
    all.extend(queue.receive(Lane::Work, 2, HIDDEN).await.unwrap());
    all.extend(queue.receive(Lane::Work, usize::MAX, HIDDEN).await.unwrap());
    assert_eq!((all.len(), texts(&all).len()), (5, 5));
}

async fn a_delayed_message_waits<F: Fixture>(it: F) {
    let queue = it.queue();
    queue
        .send(Lane::Work, &body("later"), Duration::from_secs(10))
        .await
        .unwrap();
    it.advance(Duration::from_millis(9_999)).await;
    assert!(receive(&*queue, Lane::Work).await.is_empty());
    it.advance(Duration::from_millis(1)).await;
    assert_eq!(receive_one(&*queue, Lane::Work).await.receives, 1);
}

async fn a_long_delay_is_cut_to_fifteen_minutes<F: Fixture>(it: F) {
    let queue = it.queue();
    for delay in [
        Duration::from_secs(901),
        Duration::from_hours(24),
        Duration::MAX,
    ] {
        queue.send(Lane::Work, &body("later"), delay).await.unwrap();
    }
    it.advance(Duration::from_secs(899)).await;
    assert!(receive(&*queue, Lane::Work).await.is_empty());
    it.advance(Duration::from_secs(1)).await;
    assert_eq!(receive(&*queue, Lane::Work).await.len(), 3);
}

async fn a_received_message_is_hidden_and_comes_back<F: Fixture>(it: F) {
    let queue = it.queue();
    queue.send(Lane::Work, &body("one"), NOW).await.unwrap();
    let first = receive_one(&*queue, Lane::Work).await;
    it.advance(Duration::from_millis(59_999)).await;
    assert!(receive(&*queue, Lane::Work).await.is_empty());
    it.advance(Duration::from_millis(1)).await;
    let second = receive_one(&*queue, Lane::Work).await;
    assert_eq!(second.receives, 2);
    assert_eq!(second.body, first.body);
    assert_ne!(second.receipt, first.receipt);
}

async fn a_void_receipt_does_nothing<F: Fixture>(it: F) {
    let queue = it.queue();
    queue.send(Lane::Work, &body("one"), NOW).await.unwrap();
    let void = receive_one(&*queue, Lane::Work).await.receipt;
    it.advance(HIDDEN).await;
    let valid = receive_one(&*queue, Lane::Work).await.receipt;
    let strange = [
        "",
        "-",
        "1",
        "1-",
        "-1",
        "9-9",
        "nonsense",
        "99999999999999999999-1",
        "ü-1",
    ];
    let strange = strange.map(|text| Receipt(text.to_owned()));
    for receipt in strange.iter().chain([&void]) {
        queue.release(Lane::Work, receipt, NOW).await.unwrap();
        assert!(
            receive(&*queue, Lane::Work).await.is_empty(),
            "{receipt:?} released it"
        );
        queue.delete(Lane::Work, receipt).await.unwrap();
    }
    queue.release(Lane::Work, &valid, NOW).await.unwrap();
    assert_eq!(receive_one(&*queue, Lane::Work).await.receives, 3);
}

async fn a_receipt_counts_in_its_lane_only<F: Fixture>(it: F) {
    let queue = it.queue();
    queue.send(Lane::Work, &body("one"), NOW).await.unwrap();
    let receipt = receive_one(&*queue, Lane::Work).await.receipt;
    for lane in [Lane::Notice, Lane::WorkDead, Lane::NoticeDead] {
        queue.delete(lane, &receipt).await.unwrap();
        queue.release(lane, &receipt, NOW).await.unwrap();
    }
    assert!(receive(&*queue, Lane::Work).await.is_empty());
    it.advance(HIDDEN).await;
    receive_one(&*queue, Lane::Work).await;
}

async fn a_deleted_message_is_gone<F: Fixture>(it: F) {
    let queue = it.queue();
    queue.send(Lane::Work, &body("one"), NOW).await.unwrap();
    queue.send(Lane::Work, &body("two"), NOW).await.unwrap();
    let deliveries = receive(&*queue, Lane::Work).await;
    let gone = deliveries
        .iter()
        .find(|delivery| delivery.body == body("one"))
        .unwrap();
    for _ in 0..2 {
        queue.delete(Lane::Work, &gone.receipt).await.unwrap();
    }
    queue.release(Lane::Work, &gone.receipt, NOW).await.unwrap();
    it.advance(HIDDEN).await;
    assert_eq!(receive_one(&*queue, Lane::Work).await.body, body("two"));
}

async fn a_receipt_counts_until_the_next_receive<F: Fixture>(it: F) {
    let queue = it.queue();
    queue.send(Lane::Work, &body("one"), NOW).await.unwrap();
    let receipt = receive_one(&*queue, Lane::Work).await.receipt;
    it.advance(HIDDEN * 2).await;
    queue.delete(Lane::Work, &receipt).await.unwrap();
    assert!(receive(&*queue, Lane::Work).await.is_empty());
}

async fn a_released_message_waits_its_delay<F: Fixture>(it: F) {
    let queue = it.queue();
    queue.send(Lane::Work, &body("one"), NOW).await.unwrap();
    let receipt = receive_one(&*queue, Lane::Work).await.receipt;
    queue.release(Lane::Work, &receipt, NOW).await.unwrap();
    let again = receive_one(&*queue, Lane::Work).await;
    assert_eq!(again.receives, 2);
    // Later than it would have come back by itself.
    queue
        .release(Lane::Work, &again.receipt, HIDDEN * 2)
        .await
        .unwrap();
    it.advance(Duration::from_millis(119_999)).await;
    assert!(receive(&*queue, Lane::Work).await.is_empty());
    it.advance(Duration::from_millis(1)).await;
    let last = receive_one(&*queue, Lane::Work).await;
    assert_eq!(last.receives, 3);
    queue
        .release(Lane::Work, &last.receipt, Duration::MAX)
        .await
        .unwrap();
    // As far ahead as any queue can hide a message.
    it.advance(Duration::from_hours(10)).await;
    assert!(receive(&*queue, Lane::Work).await.is_empty());
}

async fn what_is_received_too_often_goes_to_the_dead_lane<F: Fixture>(it: F) {
    let queue = it.queue();
    for (lane, dead) in [
        (Lane::Work, Lane::WorkDead),
        (Lane::Notice, Lane::NoticeDead),
    ] {
        queue.send(lane, &body("poison"), NOW).await.unwrap();
        let mut receipt = None;
        for receives in 1..=MAX_RECEIVES {
            let delivery = receive_one(&*queue, lane).await;
            assert_eq!(delivery.receives, receives);
            receipt = Some(delivery.receipt);
            it.advance(HIDDEN).await;
            assert!(receive(&*queue, dead).await.is_empty());
        }
        queue.send(lane, &body("good"), NOW).await.unwrap();
        assert_eq!(
            receive_one(&*queue, lane).await.body,
            body("good"),
            "it blocks nobody"
        );
        // The receipt from before the move is void.
        queue.delete(lane, &receipt.clone().unwrap()).await.unwrap();
        queue.delete(dead, &receipt.unwrap()).await.unwrap();
        let buried = receive_one(&*queue, dead).await;
        // Whether a dead lane counts afresh is the queue's own affair.
        assert_eq!(buried.body, body("poison"));
        queue.delete(dead, &buried.receipt).await.unwrap();
        it.advance(HIDDEN).await;
        assert!(receive(&*queue, dead).await.is_empty());
    }
}

async fn the_last_try_is_not_cut_short<F: Fixture>(it: F) {
    let queue = it.queue();
    queue.send(Lane::Work, &body("slow"), NOW).await.unwrap();
    for _ in 1..MAX_RECEIVES {
        receive_one(&*queue, Lane::Work).await;
        it.advance(HIDDEN).await;
    }
    let last = receive_one(&*queue, Lane::Work).await;
    it.advance(Duration::from_millis(59_999)).await;
    assert!(receive(&*queue, Lane::Work).await.is_empty());
    assert!(receive(&*queue, Lane::WorkDead).await.is_empty());
    queue.delete(Lane::Work, &last.receipt).await.unwrap();
    it.advance(HIDDEN).await;
    assert!(receive(&*queue, Lane::Work).await.is_empty());
    assert!(receive(&*queue, Lane::WorkDead).await.is_empty());
}

async fn a_dead_lane_gives_for_ever<F: Fixture>(it: F) {
    let queue = it.queue();
    queue
        .send(Lane::WorkDead, &body("order"), NOW)
        .await
        .unwrap();
    for receives in 1..=4 * MAX_RECEIVES {
        assert_eq!(
            receive_one(&*queue, Lane::WorkDead).await.receives,
            receives
        );
        it.advance(HIDDEN).await;
    }
}

async fn lanes_are_separate<F: Fixture>(it: F) {
    let queue = it.queue();
    for lane in Lane::ALL {
        queue.send(lane, &body(lane.name()), NOW).await.unwrap();
    }
    for lane in Lane::ALL {
        let delivery = receive_one(&*queue, lane).await;
        assert_eq!(delivery.body, body(lane.name()));
        queue.delete(lane, &delivery.receipt).await.unwrap();
    }
    it.advance(HIDDEN).await;
    for lane in Lane::ALL {
        assert!(receive(&*queue, lane).await.is_empty());
    }
}

async fn a_body_survives_byte_by_byte<F: Fixture>(it: F) {
    let queue = it.queue();
    let long = "\u{1f680}x".repeat(50_000);
    // What JSON can be made of; control characters and the empty text are not.
    for text in [" ", "'\"\\%_?1;--", "\r\n\t\u{feff}e\u{301}\u{202e}", &long] {
        queue.send(Lane::Notice, &body(text), NOW).await.unwrap();
        let delivery = receive_one(&*queue, Lane::Notice).await;
        assert!(delivery.body == body(text), "{:.20}", text.escape_debug());
        queue.delete(Lane::Notice, &delivery.receipt).await.unwrap();
    }
}

async fn many_senders_all_arrive<F: Fixture>(it: F) {
    let queue = it.queue();
    let mut senders = JoinSet::new();
    for n in 0..50 {
        let queue = Arc::clone(&queue);
        senders.spawn(async move { queue.send(Lane::Work, &body(&n.to_string()), NOW).await });
    }
    assert!(senders.join_all().await.iter().all(Result::is_ok));
    assert_eq!(texts(&receive(&*queue, Lane::Work).await).len(), 50);
}

async fn two_receivers_never_share_a_message<F: Fixture>(it: F) {
    let queue = it.queue();
    for n in 0..40 {
        queue
            .send(Lane::Work, &body(&n.to_string()), NOW)
            .await
            .unwrap();
    }
    let mut receivers = JoinSet::new();
    for _ in 0..10 {
        let queue = Arc::clone(&queue);
        receivers.spawn(async move { queue.receive(Lane::Work, 5, HIDDEN).await.unwrap() });
    }
    let all: Vec<_> = receivers.join_all().await.into_iter().flatten().collect();
    assert_eq!((all.len(), texts(&all).len()), (40, 40));
}
