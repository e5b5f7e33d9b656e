//! Retrying and canceling, typed in Slack, through the real process.

use chatops_core::deploy::DeployRecord;
use chatops_core::deploy::DeployState::{
    Canceled, Rejected, Requested, Succeeded, TriggerFailed, Unresolved,
};
use chatops_core::message::{MessageBody, WorkMessage};
use chatops_core::text::MessageKind::Noted;
use chatops_sandbox::circleci::RunScript;
use chatops_sandbox::slack::{CommandRequest, TypedCommand};

use crate::support::{
    DataFileRows, HANG, ServeWorld, ServerProcess, ack_kind, assert_says, rate_limit, typed_by,
    wait_until,
};

/// A deploy that could not be triggered and whose ticket is in the dead-letter queue.
async fn failed_trigger(world: &ServeWorld, server: &ServerProcess) -> DeployRecord {
    world.reject_next_trigger();
    world.deploy(server, "main deploy", TriggerFailed).await;
    failed_with_ticket(world).await
}

/// Waits for a ticket in the dead-letter queue; the deploy it is about.
async fn failed_with_ticket(world: &ServeWorld) -> DeployRecord {
    wait_until("a ticket in the dead-letter queue", || {
        let records = world.records();
        let mut messages = records.messages.iter();
        let (_, ticket) = messages.find(|(queue, _)| queue == "work-dlq")?;
        match MessageBody::from_wire(ticket.clone()).decode().ok()? {
            WorkMessage::Retry { deploy } => records.records.get(&deploy).cloned(),
            _ => None,
        }
    })
    .await
}

pub(crate) async fn press(
    world: &ServeWorld,
    server: &ServerProcess,
    text: &str,
) -> CommandRequest {
    press_as(world, server, TypedCommand::new(text)).await
}

async fn press_as(
    world: &ServeWorld,
    server: &ServerProcess,
    typed: TypedCommand,
) -> CommandRequest {
    let (sent, ack) = world.send_as(server, typed).await;
    assert_eq!(ack_kind(&ack), Some(Noted), "{}", ack.shown);
    assert_eq!(ack.body.unwrap().response_type, "ephemeral");
    sent
}

fn retry_of<'r>(records: &'r DataFileRows, old: &DeployRecord) -> &'r DeployRecord {
    records.retry_of(old.id).unwrap()
}

#[tokio::test]
async fn a_failed_trigger_is_listed_and_retried() {
    let (world, server) = ServeWorld::start().await;
    let old = failed_trigger(&world, &server).await;
    let list = world.send(&server, "failed").await;
    let ready = format!("retry {}", old.short_id);
    let listed = world.wait_reply(&list).await;
    assert_says(&listed, &ready);
    assert_says(&listed, "CircleCI said no (403)");

    let sent = press(&world, &server, &ready).await;
    let said = world.wait_end(&sent, Succeeded).await;
    assert_says(&said, old.short_id.as_str());
    // The ticket has no use any more: the sweeper deletes it.
    let records = world.wait_settled().await;
    records.verify();
    let new = retry_of(&records, &old);
    assert_eq!(new.state, Succeeded);
    assert_eq!(records.records[&old.id].retried_by, Some(new.id));
    assert!(records.audit(old.id).contains(r#""kind":"retried""#));
    assert_eq!(world.pipelines().len(), 1);

    // Pressed again, it starts nothing.
    let again = press(&world, &server, &ready).await;
    let said = world.wait_reply(&again).await;
    assert_says(&said, new.short_id.as_str());
    let none = world.send(&server, "failed").await;
    assert_says(&world.wait_reply(&none).await, "Nothing");
    assert_eq!(world.wait_settled().await.records.len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn one_press_that_comes_twice_is_one_retry_and_so_are_two_presses() {
    let (world, server) = ServeWorld::start().await;
    let old = failed_trigger(&world, &server).await;
    // The retry is rejected at once as well, so that a second one would have somewhere to go.
    world.reject_next_trigger();
    let sent = press(&world, &server, &format!("retry {}", old.short_id)).await;
    world.wait_end(&sent, TriggerFailed).await;
    world.sandbox.command_sender().send(&sent).await;
    world.sandbox.command_sender().send(&sent).await;
    // Another press derives from the end of the chain, whatever link it names.
    let other = typed_by("U0002", &format!("retry {}", old.short_id));
    let other = press_as(&world, &server, other).await;
    let said = world.wait_end(&other, Succeeded).await;
    assert_says(&said, "<@U0002>");
    let records = world.wait_settled().await;
    records.verify();
    assert_eq!(records.records.len(), 3);
    let second = retry_of(&records, &old);
    assert_eq!(second.request.user.as_str(), "U0001");
    assert_eq!(retry_of(&records, second).request.user.as_str(), "U0002");
    assert_eq!(world.pipelines().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_plain_redrive_does_the_same_and_never_twice() {
    let (world, server) = ServeWorld::start().await;
    let old = failed_trigger(&world, &server).await;
    // As an operator of a queue would.
    let file = world.open_data();
    let sql = "UPDATE message SET queue = 'work', receive_count = 0 WHERE queue = 'work-dlq'";
    assert_eq!(file.execute(sql, []).unwrap(), 1);
    let records = wait_until("the retry's end", || {
        let records = world.settled_now()?;
        (records.records.len() == 2).then_some(records)
    })
    .await;
    let new = retry_of(&records, &old);
    assert_eq!(new.state, Succeeded);
    assert_eq!(new.request.user, old.request.user);
    // A copy of the ticket that comes late.
    let ticket = MessageBody::encode(&WorkMessage::Retry { deploy: old.id }).unwrap();
    let sql = "INSERT INTO message (queue, body, visible_at, sent_at, receive_count) \
               VALUES ('work', ?1, 0, 0, 0)";
    file.execute(sql, [ticket.as_wire()]).unwrap();
    let after = world.wait_settled().await;
    assert_eq!(after.records, records.records);
    assert_eq!(world.pipelines().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_retried_says_why() {
    let (world, server) = ServeWorld::start().await;
    world.deploy(&server, "main deploy", Succeeded).await;
    let record = world.wait_settled().await.only_record().clone();
    let sent = press(&world, &server, &format!("retry {}", record.short_id)).await;
    let said = world.wait_reply(&sent).await;
    assert_says(&said, "/chatops main deploy");
    let sent = press(&world, &server, "retry 00000000").await;
    assert_says(&world.wait_reply(&sent).await, "00000000");
    assert_eq!(world.wait_settled().await.records.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn an_unresolved_deploy_needs_a_confirmed_retry() {
    let world = ServeWorld::new().await;
    // The request is read, the answer is lost, and no pipeline ever shows up.
    world.fail_next_trigger(HANG);
    let server = world.serve().await;
    world.deploy(&server, "main e2e", Unresolved).await;
    let old = world.wait_settled().await.only_record().clone();
    let sent = press(&world, &server, &format!("retry {}", old.short_id)).await;
    assert_says(&world.wait_reply(&sent).await, "confirm");
    assert_eq!(world.wait_settled().await.records.len(), 1);
    // The deploy whose outcome is unknown still holds the lock, which the confirmed retry inherits.
    let said = world.deploy(&server, "main e2e", Rejected).await;
    assert_says(&said, "web/e2e");
    let ready = format!("retry {} confirm", old.short_id);
    let sent = press(&world, &server, &ready).await;
    world.wait_end(&sent, Succeeded).await;
    let records = world.wait_settled().await;
    records.verify();
    assert_eq!(retry_of(&records, &old).state, Succeeded);
    assert!(records.locks.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn rights_are_those_of_the_one_who_retries() {
    let world = ServeWorld::new().await;
    world.reject_next_trigger();
    let server = world.serve().await;
    let entitled = typed_by("U0009", "main restore");
    let (sent, _) = world.send_as(&server, entitled).await;
    world.wait_end(&sent, TriggerFailed).await;
    let old = failed_with_ticket(&world).await;
    let sent = press(&world, &server, &format!("retry {}", old.short_id)).await;
    let said = world.wait_reply(&sent).await;
    assert_says(&said, "projects.web.jobs.restore.users");
    assert_says(&said, "still waits for a retry");
    assert_eq!(world.records().only_record().retried_by, None);
    // Nothing has changed for the one who may.
    let entitled = typed_by("U0009", &format!("retry {}", old.short_id));
    let sent = press_as(&world, &server, entitled).await;
    world.wait_end(&sent, Succeeded).await;
    assert_eq!(world.wait_settled().await.records.len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_running_deploy_is_canceled_by_those_who_may() {
    let world = ServeWorld::new().await;
    world.script("restore", RunScript::endless());
    let server = world.serve().await;
    let entitled = typed_by("U0009", "main restore");
    world.send_as(&server, entitled).await;
    world.wait_running().await;
    let ready = format!("cancel {}", world.records().only_record().short_id);
    let sent = press(&world, &server, &ready).await;
    let said = world.wait_reply(&sent).await;
    assert_says(&said, "projects.web.jobs.restore.users");
    assert_eq!(world.records().only_record().cancel, None);

    let entitled = typed_by("U0009", &ready);
    let sent = press_as(&world, &server, entitled).await;
    world.wait_reply(&sent).await;
    let said = world.wait_final(Canceled).await;
    assert_says(&said, "<@U0009>");
    let records = world.wait_settled().await;
    records.verify();
    assert_eq!(records.only_record().state, Canceled);
    assert!(records.locks.is_empty());
    let sent = press(&world, &server, &ready).await;
    assert_says(&world.wait_reply(&sent).await, "ended");
    server.stop().await;
}

#[tokio::test]
async fn a_deploy_that_waits_to_be_sent_is_canceled_at_once() {
    let world = ServeWorld::new().await;
    world.fail_next_trigger(rate_limit(500));
    let server = world.serve().await;
    let sent = world.send(&server, "main deploy").await;
    let record = wait_until("the attempt to be rolled back", || {
        let records = world.records();
        let record = records.records.values().next()?;
        (record.state == Requested && record.attempts == 1).then(|| record.clone())
    })
    .await;
    press(&world, &server, &format!("cancel {}", record.short_id)).await;
    world.wait_end(&sent, Canceled).await;
    assert_eq!(world.records().only_record().state, Canceled);
    assert_eq!((world.trigger_count(), world.pipelines().len()), (1, 0));
    server.stop().await;
}
