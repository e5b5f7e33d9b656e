//! Trying again and canceling, typed in Slack, through the real process.

use chatops_core::deploy::{Head, State};
use chatops_core::message::{Body, WorkMessage};
use chatops_sandbox::Fault;
use chatops_sandbox::circleci::{Call, Script};
use chatops_sandbox::slack::{Sent, Typed};
use rusqlite::Connection;

use crate::support::{PATIENCE, Records, Server, World, until};

/// CircleCI says no to the next trigger, for good.
fn next_is_refused(world: &World) {
    let no = Fault::Refuse {
        status: 400,
        retry_after_s: None,
        message: "Branch not found".to_owned(),
    };
    world.sandbox.circleci().fail_next(Call::Trigger, no);
}

/// A deploy that could not be triggered, and whose order lies in the dead-letter queue.
async fn failed_trigger(world: &World, server: &Server) -> Head {
    next_is_refused(world);
    world.types(server, "main deploy").await;
    world.message("*Not started:*").await;
    order_of(world).await
}

/// Waits for an order in the dead-letter queue, and gives the deploy it is about.
async fn order_of(world: &World) -> Head {
    until("an order in the dead-letter queue", || {
        let records = world.records();
        let order = records
            .messages
            .iter()
            .find(|(lane, _)| lane == "work-dead")?;
        let WorkMessage::Retry { deploy } = Body::from_wire(order.1.clone()).decode().ok()? else {
            return None;
        };
        records.heads.get(&deploy).cloned()
    })
    .await
}

async fn press(world: &World, server: &Server, text: &str) -> Sent {
    press_as(world, server, Typed::new(text)).await
}

async fn press_as(world: &World, server: &Server, typed: Typed) -> Sent {
    let sent = world.sandbox.client().compose(&server.url, &typed);
    let ack = world.sandbox.client().send(&sent).await;
    let body = ack.body.unwrap();
    assert_eq!(body.response_type, "ephemeral");
    assert!(body.text.contains("Noted"), "{}", body.text);
    sent
}

/// Waits for something that was told through the reply address of one request.
async fn told(world: &World, sent: &Sent, words: &str) -> String {
    world
        .sees(words, |_| {
            let mut told = world.told(sent).into_iter().map(|message| message.shown());
            told.find(|shown| shown.contains(words))
        })
        .await
}

fn retry_of<'r>(records: &'r Records, old: &Head) -> &'r Head {
    let mut retries = records
        .heads
        .values()
        .filter(|h| h.retry_of == Some(old.id));
    let retry = retries.next().unwrap();
    assert!(retries.next().is_none());
    retry
}

/// Sends what lies in the dead-letter queue back, as an operator of a queue would.
fn redrive(world: &World) {
    let file = Connection::open(world.data()).unwrap();
    file.busy_timeout(PATIENCE).unwrap();
    let sql = "UPDATE message SET lane = 'work', receives = 0 WHERE lane = 'work-dead'";
    assert_eq!(file.execute(sql, []).unwrap(), 1);
}

#[tokio::test]
async fn a_failed_trigger_is_listed_and_tried_again() {
    let world = World::new().await;
    let server = world.serve().await;
    let old = failed_trigger(&world, &server).await;
    let list = world.compose(&server, "failed");
    world.sandbox.client().send(&list).await;
    let ready = format!("retry {}", old.short);
    assert!(
        told(&world, &list, &ready)
            .await
            .contains("CircleCI said no (400)")
    );

    let sent = press(&world, &server, &ready).await;
    let said = told(&world, &sent, "*Succeeded:*").await;
    assert!(said.contains(old.short.as_str()), "{said}");
    // The order has no use any more, and the sweeper takes it away.
    let records = world.quiet().await;
    records.verify();
    let new = retry_of(&records, &old);
    assert_eq!(new.state, State::Succeeded);
    assert_eq!(records.heads[&old.id].retried_by, Some(new.id));
    assert!(records.audit(old.id).contains(r#""what":"retried""#));
    assert_eq!(world.pipelines().len(), 1);

    // Pressed again, it starts nothing.
    let again = press(&world, &server, &ready).await;
    let said = told(&world, &again, "*Not retried:*").await;
    assert!(said.contains(new.short.as_str()), "{said}");
    let none = world.compose(&server, "failed");
    world.sandbox.client().send(&none).await;
    told(&world, &none, "Nothing").await;
    assert_eq!(world.quiet().await.heads.len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn one_press_that_comes_twice_is_one_retry_and_so_are_two_presses() {
    let world = World::new().await;
    let server = world.serve().await;
    let old = failed_trigger(&world, &server).await;
    // The retry is refused at once as well, so that a second one would have somewhere to go.
    next_is_refused(&world);
    let sent = press(&world, &server, &format!("retry {}", old.short)).await;
    told(&world, &sent, "*Not started:*").await;
    world.sandbox.client().send(&sent).await;
    world.sandbox.client().send(&sent).await;
    // Another press derives from the end of the chain, whatever link it names.
    let other = Typed {
        user_id: "U0002".to_owned(),
        ..Typed::new(&format!("retry {}", old.short))
    };
    let other = press_as(&world, &server, other).await;
    let said = told(&world, &other, "*Succeeded:*").await;
    assert!(said.contains("<@U0002>"), "{said}");
    let records = world.quiet().await;
    records.verify();
    assert_eq!(records.heads.len(), 3);
    let second = retry_of(&records, &old);
    assert_eq!(second.ask.user.as_str(), "U0001");
    assert_eq!(retry_of(&records, second).ask.user.as_str(), "U0002");
    assert_eq!(world.pipelines().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_plain_redrive_does_the_same_and_never_twice() {
    let world = World::new().await;
    let server = world.serve().await;
    let old = failed_trigger(&world, &server).await;
    redrive(&world);
    let records = until("the retry's end", || {
        let records = world.quiet_now()?;
        (records.heads.len() == 2).then_some(records)
    })
    .await;
    let new = retry_of(&records, &old);
    assert_eq!(
        (new.state, &new.ask.user),
        (State::Succeeded, &old.ask.user)
    );
    // A copy of the order that comes late.
    let file = Connection::open(world.data()).unwrap();
    file.busy_timeout(PATIENCE).unwrap();
    let order = Body::encode(&WorkMessage::Retry { deploy: old.id }).unwrap();
    let sql = "INSERT INTO message (lane, body, visible_at, sent_at, receives) \
               VALUES ('work', ?1, 0, 0, 0)";
    file.execute(sql, [order.as_wire()]).unwrap();
    let after = world.quiet().await;
    assert_eq!(after.heads, records.heads);
    assert_eq!(world.pipelines().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_tried_again_says_why() {
    let world = World::new().await;
    let server = world.serve().await;
    world.types(&server, "main deploy").await;
    world.message("*Succeeded:*").await;
    let head = world.quiet().await.only().clone();
    let sent = press(&world, &server, &format!("retry {}", head.short)).await;
    let said = told(&world, &sent, "*Not retried:*").await;
    assert!(said.contains("/chatops main deploy"), "{said}");
    let sent = press(&world, &server, "retry 00000000").await;
    told(&world, &sent, "00000000").await;
    assert_eq!(world.quiet().await.heads.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn an_unresolved_deploy_needs_a_confirmed_retry() {
    let world = World::new().await;
    // The request is read, the answer is lost, and no pipeline ever shows up.
    world
        .sandbox
        .circleci()
        .fail_next(Call::Trigger, Fault::Hang { for_: PATIENCE });
    let server = world.serve().await;
    world.types(&server, "main e2e").await;
    world.message("*Unresolved:*").await;
    let old = world.quiet().await.only().clone();
    let sent = press(&world, &server, &format!("retry {}", old.short)).await;
    told(&world, &sent, "confirm").await;
    assert_eq!(world.quiet().await.heads.len(), 1);
    // The target is still locked by what nobody knows.
    let ready = format!("retry {} confirm", old.short);
    let sent = press(&world, &server, &ready).await;
    let said = told(&world, &sent, "*Refused:*").await;
    assert!(said.contains("web/e2e"), "{said}");
    let records = world.quiet().await;
    assert_eq!(retry_of(&records, &old).state, State::Refused);
    server.stop().await;
}

#[tokio::test]
async fn rights_are_asked_of_the_one_who_presses() {
    let world = World::new().await;
    next_is_refused(&world);
    let server = world.serve().await;
    let entitled = Typed {
        user_id: "U0009".to_owned(),
        ..Typed::new("main restore")
    };
    world.sandbox.type_command(&server.url, entitled).await;
    world.message("*Not started:*").await;
    let old = order_of(&world).await;
    let sent = press(&world, &server, &format!("retry {}", old.short)).await;
    let said = told(&world, &sent, "*Refused:*").await;
    assert!(said.contains("projects.web.jobs.restore.people"), "{said}");
    assert_eq!(world.pipelines().len(), 0);
    // The refused retry is the end of the chain, from which the entitled one goes on.
    let entitled = Typed {
        user_id: "U0009".to_owned(),
        ..Typed::new(&format!("retry {}", old.short))
    };
    let sent = press_as(&world, &server, entitled).await;
    told(&world, &sent, "*Succeeded:*").await;
    assert_eq!(world.quiet().await.heads.len(), 3);
    server.stop().await;
}

#[tokio::test]
async fn a_running_deploy_is_canceled_by_those_who_may() {
    let world = World::new().await;
    let circleci = world.sandbox.circleci();
    circleci.lock().script("restore", Script::endless());
    let server = world.serve().await;
    let entitled = Typed {
        user_id: "U0009".to_owned(),
        ..Typed::new("main restore")
    };
    world.sandbox.type_command(&server.url, entitled).await;
    world.message("*Running:*").await;
    let ready = format!("cancel {}", world.records().only().short);
    let sent = press(&world, &server, &ready).await;
    let said = told(&world, &sent, "*Not canceled:*").await;
    assert!(said.contains("projects.web.jobs.restore.people"), "{said}");
    assert_eq!(world.records().only().cancel, None);

    let entitled = Typed {
        user_id: "U0009".to_owned(),
        ..Typed::new(&ready)
    };
    let sent = press_as(&world, &server, entitled).await;
    told(&world, &sent, "*Canceling:*").await;
    let said = world.message("*Canceled:*").await;
    assert!(said.contains("<@U0009>"), "{said}");
    let records = world.quiet().await;
    records.verify();
    assert_eq!(records.only().state, State::Canceled);
    assert!(records.locks.is_empty());
    let sent = press(&world, &server, &ready).await;
    told(&world, &sent, "ended").await;
    server.stop().await;
}

#[tokio::test]
async fn a_deploy_that_waits_to_be_sent_is_canceled_at_once() {
    let world = World::new().await;
    let later = Fault::Refuse {
        status: 429,
        retry_after_s: Some(500),
        message: "Rate limit exceeded".to_owned(),
    };
    world.sandbox.circleci().fail_next(Call::Trigger, later);
    let server = world.serve().await;
    let sent = world.compose(&server, "main deploy");
    world.sandbox.client().send(&sent).await;
    let head = until("the attempt to be taken back", || {
        let records = world.records();
        let head = records.heads.values().next()?;
        (head.state == State::Requested && head.attempts == 1).then(|| head.clone())
    })
    .await;
    press(&world, &server, &format!("cancel {}", head.short)).await;
    told(&world, &sent, "*Canceled:*").await;
    assert_eq!(world.records().only().state, State::Canceled);
    assert_eq!((world.posts_so_far(), world.pipelines().len()), (1, 0));
    server.stop().await;
}
