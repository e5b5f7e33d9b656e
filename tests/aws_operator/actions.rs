//! Actions: under the ARN of the credentials, into the work queue, and one for each ticket.

use std::collections::BTreeMap;

use chatops_core::command::DeployAction;
use chatops_core::id::{DeployId, DeployRef};
use chatops_core::message::{ActionMessage, ActionRequester, MessageBody, WorkMessage};
use chatops_core::ports::{MessageQueue, QueueName};
use serde_json::json;

use crate::support::{CommitStory, StackWorld};

/// Who the emulator says that everybody is.
const ARN: &str = "arn:aws:iam::000000000000:root";

/// The actions in the work queue.
fn sent_actions(world: &StackWorld) -> Vec<ActionMessage> {
    let action = |body| match MessageBody::from_wire(body).decode() {
        Ok(WorkMessage::Action(action)) => *action,
        other => panic!("{other:?}"),
    };
    let bodies = world.drain(QueueName::Work).into_iter();
    bodies.map(action).collect()
}

fn action_operator(action: &ActionMessage) -> &str {
    match &action.requested_by {
        ActionRequester::Operator { name } => name,
        ActionRequester::User(_) => panic!("nobody in Slack requested it"),
    }
}

#[test]
fn an_action_is_enqueued_under_the_name_of_the_credentials() {
    let world = StackWorld::new();
    let failed = world.write(&CommitStory::begin("failed", 60).not_started().0);
    let open = world.write(&CommitStory::begin("open", 1).0);

    let retry = ["retry", failed.short_id.as_str()];
    let said = world.on_aws(&retry).success_output();
    assert!(said.contains(&format!("as operator {ARN}")), "{said}");
    let soon = "The worker carries it out within seconds";
    assert!(said.contains(soon), "{said}");
    let show = format!("chatops --aws --stack {} show ", world.stack);
    assert!(said.contains(&show), "{said}");
    let cancel = ["cancel", open.short_id.as_str(), "--json"];
    let enqueued = json!({
        "enqueued": true, "action": "cancel", "deploy": open.id, "operator": ARN, "outcome": open.id,
    });
    assert_eq!(world.on_aws(&cancel).json(), enqueued);
    let mut found = sent_actions(&world);
    found.sort_by_key(|action| matches!(action.action, DeployAction::Cancel { .. }));
    let [retry, cancel] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(action_operator(retry), ARN);
    assert_eq!(action_operator(cancel), ARN);
    assert!(retry.id != cancel.id);
    let named = |action: &ActionMessage| match action.action.deploy_ref() {
        Some(DeployRef::Short(short)) => short.clone(),
        Some(DeployRef::Full(id)) => id.short_id(8),
        None => panic!("{action:?} names no deploy"),
    };
    assert_eq!(named(retry), failed.short_id);
    assert_eq!(named(cancel), open.short_id);

    // What the rules do not allow is not requested, and nobody takes another name.
    let no = world.on_aws(&["retry", open.short_id.as_str()]);
    assert_eq!(no.code, Some(1));
    assert!(no.stderr.contains("has not ended"), "{no:?}");
    let no = world.on_aws(&["cancel", failed.short_id.as_str()]);
    assert_eq!(no.code, Some(1));
    let no = world.on_aws(&["retry", failed.short_id.as_str(), "--as", "grace"]);
    assert_eq!(no.code, Some(2));
    assert!(no.stderr.contains("leave --as out"), "{no:?}");
    assert_eq!(sent_actions(&world).len(), 0);
}

struct TicketDeploys {
    new: DeployId,
    other: DeployId,
    old: DeployId,
}

/// Tickets of every kind, and other messages.
fn send_dead_letters(world: &StackWorld) -> TicketDeploys {
    let new = world.write_failed("new", 60);
    let other = world.write_failed("other", 5);
    let old = world.write_failed("old", 3 * 24 * 60);
    let tried = CommitStory::begin("tried", 60).not_started().retry();
    let retried = tried.0[0].record.id;
    world.write(&tried.0);
    let open = world.write(&CommitStory::begin("open", 1).0).id;
    let nobody = DeployId::of_request("T", "A", "nobody");
    for deploy in [new, other, new, old, retried, open, nobody, other, new] {
        world.send_retry_ticket(deploy);
    }
    world.send_dead_letter("{\"type\":\"no.v9\"}");
    world.send_dead_letter("poison");
    TicketDeploys { new, other, old }
}

fn retried_deploys(found: &[ActionMessage]) -> BTreeMap<String, bool> {
    let retried = found.iter().map(|action| match &action.action {
        DeployAction::Retry {
            deploy,
            confirm: false,
            force,
        } => (deploy.to_string(), *force),
        other => panic!("{other:?}"),
    });
    let retried: BTreeMap<_, _> = retried.collect();
    assert_eq!(retried.len(), found.len());
    retried
}

#[test]
fn every_ticket_is_retried_once_and_stays_where_it_is() {
    let world = StackWorld::new();
    let dead_letters = send_dead_letters(&world);
    let left = json!({
        "duplicate": 3, "already_retried": 1, "not_a_ticket": 2, "unknown_deploy": 1, "too_old": 1, "not_allowed": 1,
    });
    let dry = world.on_aws(&["retry", "--all", "--dry-run", "--json"]);
    assert_eq!(dry.code, Some(1));
    let mut said = dry.json();
    assert_eq!(said["enqueued"].as_array().unwrap().len(), 2);
    said["enqueued"].take();
    assert_eq!(
        said,
        json!({"dead_letters": 11, "enqueued": null, "skipped": left, "dry_run": true, "operator": ARN})
    );
    assert_eq!(sent_actions(&world).len(), 0);

    // The dry run has given everything back at once.
    let ended = world.on_aws(&["retry", "--all"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stderr, "");
    let lines: Vec<&str> = ended.stdout.lines().map(str::trim_start).collect();
    assert_eq!(lines[0], format!("11 dead letters, as operator {ARN}"));
    assert_eq!(lines[1], "2  enqueued for a retry");
    let others = "\n     2  skipped: no retry tickets";
    assert!(ended.stdout.contains(others), "{lines:?}");
    let found = sent_actions(&world);
    assert!(found.iter().all(|action| action_operator(action) == ARN));
    let (new, other) = (dead_letters.new.to_string(), dead_letters.other.to_string());
    let retried = BTreeMap::from([(new, false), (other, false)]);
    assert_eq!(retried_deploys(&found), retried);

    // Older ones are forced, as the worker would not take them otherwise.
    let ended = world.on_aws(&["retry", "--all", "--max-age", "30days", "--json"]);
    assert_eq!(ended.json()["skipped"].get("too_old"), None, "{ended:?}");
    let retried = retried_deploys(&sent_actions(&world));
    assert!(retried[&dead_letters.old.to_string()], "{retried:?}");
    // Younger ones only.
    let ended = world.on_aws(&["retry", "--all", "--max-age", "30m", "--json"]);
    let enqueued = json!([dead_letters.other]);
    assert_eq!(ended.json()["enqueued"], enqueued, "{ended:?}");
    assert_eq!(retried_deploys(&sent_actions(&world)).len(), 1);
    assert_eq!(world.drain(QueueName::WorkDlq).len(), 11);

    // An empty queue is a success, and so is one with nothing but retried deploys.
    let said = world.on_aws(&["retry", "--all"]).success_output();
    assert_eq!(said, "The dead-letter queue is empty.\n");
}

#[test]
fn tickets_that_can_all_be_retried_end_well() {
    let world = StackWorld::new();
    let tried = CommitStory::begin("tried", 60).not_started().retry();
    world.write(&tried.0);
    let new = world.write_failed("new", 60);
    for deploy in [tried.0[0].record.id, new, new] {
        world.send_retry_ticket(deploy);
    }
    let said = world.on_aws(&["retry", "--all"]).success_output();
    assert!(said.contains("1  enqueued"), "{said}");
    assert_eq!(sent_actions(&world).len(), 1);
}

#[test]
fn the_tickets_of_a_file_are_retried_in_the_same_way() {
    let world = StackWorld::new();
    send_dead_letters(&world);
    let dry = ["retry", "--all", "--dry-run", "--json"];
    let there = world.on_aws(&dry).json();
    let here = world.on_file(&["retry", "--all", "--json"]);
    assert_eq!(here.code, Some(1));
    let here = here.json();
    assert_eq!(here["operator"], "ada");
    assert_eq!(here["dead_letters"], there["dead_letters"]);
    assert_eq!(here["skipped"], there["skipped"]);
    assert_eq!(here["enqueued"].as_array().unwrap().len(), 2);
    let hour = std::time::Duration::from_hours(1);
    let received = |queue| world.block(world.file.receive(queue, 100, hour)).unwrap();
    assert_eq!(received(QueueName::Work).len(), 2);
    assert_eq!(received(QueueName::WorkDlq).len(), 11);
}
