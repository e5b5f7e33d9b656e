//! The card of a deploy, through the real process: posted once, edited to the end, with the end in its
//! thread; and what happens where Slack does not play along.

use chatops_core::deploy::DeployState::{Canceled, Failed, Succeeded, TriggerFailed};
use chatops_core::text::MessageKind::{self, Accepted, Card, Final, Hold, Progress, Refused};
use chatops_sandbox::HttpFault;
use chatops_sandbox::circleci::RunScript;
use chatops_sandbox::slack::{BotMethod, ButtonPress, ShownMessage, TypedCommand};

use crate::support::{
    BUILD_TIME, ServeWorld, ServerProcess, ack_kind, assert_says, mark, now, reject,
};

/// A server whose deploys have cards.
async fn live() -> (ServeWorld, ServerProcess) {
    let world = ServeWorld::new().await;
    world.configure_slack("interactivity = true\nlive = true\n");
    let server = world.serve_with_bot().await;
    (world, server)
}

/// The card that stands, once it says this.
async fn wait_card(world: &ServeWorld, words: &str) -> ShownMessage {
    let what = format!("a card that says {words}");
    world
        .wait_moving(&what, || {
            let cards = world.shown(Card).into_iter().rev();
            let mut standing = cards.filter(ShownMessage::stands);
            standing.find(|card| card.text.contains(words))
        })
        .await
}

fn count(world: &ServeWorld, kind: MessageKind) -> usize {
    world.shown(kind).len()
}

#[tokio::test]
async fn it_is_posted_once_edited_to_the_end_and_the_end_is_in_its_thread() {
    let (world, server) = live().await;
    let (_, ack) = world
        .send_as(&server, TypedCommand::new("main deploy"))
        .await;
    assert_eq!(ack_kind(&ack), Some(Accepted));
    assert_says(&ack.shown, "the card follows");
    let card = wait_card(&world, "*Succeeded:*").await;
    world.wait_final(Succeeded).await;
    let records = world.wait_settled().await;
    records.verify();
    // Everything is in one message. Which states it showed before is up to how busy the machine is: an
    // edit that comes late shows what is true by then.
    let ever = card.ever_shown();
    assert_says(&card.shown_text(), "*Commit* ");
    let counts = [Card, Progress, Final].map(|kind| count(&world, kind));
    assert_eq!(counts, [1, 0, 1]);
    let end = world.latest(Final);
    assert_eq!(
        (&end.thread_ts, end.is_broadcast),
        (&Some(card.ts.clone()), false)
    );
    // Nobody is mentioned but once, at the end.
    assert_says(&end.text, "<@U0001>");
    assert!(ever.iter().all(|text| !text.contains("<@")), "{ever:?}");
    // The response URL was not needed.
    let by_bot = {
        let model = world.sandbox.slack().lock();
        let mut calls = model.attempts().iter();
        calls.all(|call| call.response_path.starts_with("/api/"))
    };
    assert!(by_bot);
    server.stop().await;
}

#[tokio::test]
async fn a_failure_is_seen_in_the_channel_and_an_approval_in_the_thread() {
    let (world, server) = live().await;
    world.script("deploy", RunScript::on_hold_then(BUILD_TIME, "failed"));
    world.send(&server, "main deploy").await;
    world.wait_final(Failed).await;
    let card = wait_card(&world, "*Failed:*").await;
    let (hold, end) = (world.latest(Hold), world.latest(Final));
    for (reply, broadcast) in [(&hold, false), (&end, true)] {
        assert_eq!(reply.thread_ts.as_ref(), Some(&card.ts));
        assert_eq!(reply.is_broadcast, broadcast);
    }
    server.stop().await;
}

#[tokio::test]
async fn after_a_lost_answer_one_more_says_that_it_counts() {
    let (world, server) = live().await;
    let slack = world.sandbox.slack();
    slack.fail_next_call(BotMethod::PostMessage, HttpFault::AnswerLost);
    world.script("deploy", RunScript::endless());
    world.send(&server, "main deploy").await;
    let counts = wait_card(&world, "*Running:*").await;
    assert_says(
        &counts.shown_text(),
        "An earlier card of this deploy may stand above; this one counts.",
    );
    let cards = world.shown(Card);
    assert_eq!(cards.len(), 2);
    assert!(!mark(&cards[0]).unwrap().repeat && mark(&cards[1]).unwrap().repeat);
    // Somebody presses the other one: it goes, and the press counts.
    let cancel = ButtonPress::of(&cards[0], "cancel").unwrap();
    let sent = world.press(&server, &cancel).await;
    assert_says(&world.wait_reply(&sent).await, "*Cancel requested:*");
    world.wait_final(Canceled).await;
    let card = wait_card(&world, "*Canceled:*").await;
    assert_eq!(card.ts, counts.ts);
    world
        .wait_moving("the stray card to be deleted", || {
            let standing = world.shown(Card).into_iter().filter(ShownMessage::stands);
            (standing.count() == 1).then_some(())
        })
        .await;
    world.wait_settled().await;
    server.stop().await;
}

#[tokio::test]
async fn where_there_can_be_no_card_everything_is_told_as_without() {
    let (world, server) = live().await;
    world.sandbox.slack().lock().remove_bot("C0001");
    world.deploy(&server, "main deploy", Succeeded).await;
    world.wait_settled().await;
    let counts = [Card, Progress, Final].map(|kind| count(&world, kind));
    assert_eq!(counts, [0, 1, 1]);
    assert_eq!(world.latest(Final).thread_ts, None);
    server.stop().await;
}

#[tokio::test]
async fn a_card_that_a_person_deletes_is_not_posted_again() {
    let (world, server) = live().await;
    world.script("deploy", RunScript::endless());
    world.send(&server, "main deploy").await;
    let card = wait_card(&world, "*Running:*").await;
    let cancel = ButtonPress::of(&card, "cancel").unwrap();
    {
        let mut slack = world.sandbox.slack().lock();
        assert!(slack.delete_message(now(), &card.channel, &card.ts));
    }
    world.press(&server, &cancel).await;
    world.wait_final(Canceled).await;
    world.wait_settled().await;
    assert_eq!(count(&world, Card), 1);
    assert_eq!(world.latest(Final).thread_ts, None);
    server.stop().await;
}

#[tokio::test]
async fn what_is_refused_is_for_the_requester_alone_and_what_failed_is_retried_by_its_button() {
    let (world, server) = live().await;
    let ack = world.type_command(&server, "hotfix deploy").await;
    assert_eq!(ack_kind(&ack), Some(Refused));
    world.wait_settled().await;
    assert_eq!(count(&world, Card), 0);
    world.fail_next_trigger(reject(401, "Invalid token provided."));
    world.fail_next_trigger(reject(401, "Invalid token provided."));
    world.send(&server, "main deploy").await;
    world.wait_final(TriggerFailed).await;
    let old = wait_card(&world, "*Trigger failed:*").await;
    assert_says(&old.shown_text(), "[Retry] [Dismiss]");
    let retry = ButtonPress::of(&old, "retry").unwrap();
    world.press(&server, &retry).await;
    world.wait_final(Succeeded).await;
    wait_card(&world, "*Succeeded:*").await;
    world.wait_settled().await;
    // The old card says what has become of it, and has no button for it any more.
    let cards = world.shown(Card);
    assert_eq!(cards.len(), 2);
    assert_says(&cards[0].shown_text(), "Retried as ");
    assert!(ButtonPress::of(&cards[0], "retry").is_none());
    server.stop().await;
}
