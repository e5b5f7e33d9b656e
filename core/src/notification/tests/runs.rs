//! A run of the notifier, phase by phase: what it does with the answer it waited for.

use super::cards::{place, shown, standing};
use super::*;
use crate::config::Config;
use crate::deploy::{DeployRecord, DeployState};
use crate::fixtures::record_in;
use crate::notification::handler::{
    NotifyContext, NotifyRun, ReadingDeploy, RereadingNotification, ReservedPost, Settling,
};
use crate::phase::Phase;
use crate::ports::{CommitError, Conflict, PostMessage, PostTarget};

fn with<R>(run: impl FnOnce(NotifyContext<'_>) -> R) -> R {
    let config: Config = crate::fixtures::config();
    run(NotifyContext {
        now: at(9),
        config: &config,
    })
}

/// A post that is reserved now.
fn reserved(item: &NotificationRecord) -> ReservedPost {
    let (reserved, sending) = sends(item, at(5), true);
    ReservedPost { reserved, sending }
}

/// What the run writes that has this result of its post, and finds this record.
fn recorded(post: ReservedPost, result: PostResult, fresh: NotificationRecord) -> NotifyRun {
    with(|ctx| RereadingNotification { post, result }.resume(Ok(Some(fresh)), ctx))
}

#[test]
fn a_result_is_added_to_what_was_asked_for_in_the_meantime() {
    let mut item = item(true);
    item.request_delivery(Progress, start());
    let post = reserved(&item);
    let mut fresh = post.reserved.clone();
    fresh.request_delivery(Final, at(6));
    let NotifyRun::Record(record) = recorded(post, PostResult::Delivered(None), fresh) else {
        panic!("the result is lost");
    };
    assert!(matches!(
        record.record.progress,
        DeliveryStatus::Delivered { .. }
    ));
    assert!(matches!(
        record.record.final_status,
        DeliveryStatus::Pending { .. }
    ));
}

/// Another run has recorded its outcome as unknown, which stays true.
#[test]
fn a_result_whose_reservation_is_over_changes_nothing() {
    let mut item = item(true);
    item.request_delivery(Progress, start());
    let post = reserved(&item);
    let due = post.reserved.due_at().unwrap();
    let fresh = settles(&post.reserved, due, true);
    let run = recorded(post.clone(), PostResult::Delivered(None), fresh);
    assert!(matches!(run, NotifyRun::Read(_)), "{run:?}");
    // Nor does it draw a card: that was another message.
    let run = recorded(post, PostResult::Delivered(None), standing());
    assert!(matches!(run, NotifyRun::Read(_)), "{run:?}");
}

#[test]
fn a_late_call_of_a_card_is_made_up_for() {
    let mut item = standing();
    item.request_redraw(at(5));
    let post = reserved(&item);
    let fresh = standing();
    let NotifyRun::Record(record) = recorded(post.clone(), shown(1), fresh.clone()) else {
        panic!("the call is forgotten");
    };
    assert_eq!(record.record.due_at(), Some(at(9)));
    // There is nothing to make up for.
    let run = recorded(post, PostResult::Later { after: None }, super::item(true));
    assert!(matches!(run, NotifyRun::Read(_)), "{run:?}");
}

#[test]
fn what_is_settled_counts_as_written_only_if_it_was() {
    let settle = |has_written, answer| {
        let settling = Settling {
            record: item(true),
            given_up: None,
            has_written,
        };
        match with(|ctx| settling.resume(answer, ctx)) {
            NotifyRun::Read(read) => read.has_written,
            other => panic!("{other:?}"),
        }
    };
    let stale = || Err(CommitError::Conflict(Conflict::StaleVersion));
    let has_written = [
        settle(false, Ok(())),
        settle(true, Ok(())),
        settle(true, stale()),
        settle(false, stale()),
    ];
    assert_eq!(has_written, [true, true, true, false]);
}

/// The message of a kind to the card's thread, about a deploy in that state.
fn told_in_thread(kind: NotificationKind, state: DeployState) -> PostMessage {
    let mut reserved = standing();
    reserved.set_delivery(kind, DeliveryStatus::InFlight { until: at(30) });
    let sending = Sending::Notification {
        kind,
        route: DeliveryRoute::Thread,
        repeat: false,
    };
    let post = ReservedPost { reserved, sending };
    let deploy: DeployRecord = record_in(state);
    match with(|ctx| ReadingDeploy { post }.resume(Ok(Some(deploy)), ctx)) {
        NotifyRun::Post(posting) => *posting.request,
        other => panic!("{other:?}"),
    }
}

/// Few follow a thread, and an edit notifies nobody.
#[test]
fn only_a_failure_is_shown_to_the_whole_channel() {
    use DeployState::{Canceled, Failed, Running, Succeeded};
    for (kind, state, whole) in [
        (Final, Failed, true),
        (Notice, Failed, true),
        (Final, Succeeded, false),
        (Final, Canceled, false),
        (Notice, Running, false),
        (Hold, Running, false),
        (Hold, Failed, false),
    ] {
        let target = told_in_thread(kind, state).to;
        let PostTarget::Thread { parent, broadcast } = target else {
            panic!("{target:?}");
        };
        assert_eq!((parent, broadcast), (place(1), whole), "{kind:?} {state}");
    }
}
