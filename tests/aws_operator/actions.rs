//! Actions: under the name that SQS records of the sender, into the operators' queue, and of what waits for a retry the
//! newest of each environment.

use std::collections::BTreeMap;

use chatops_core::command::DeployAction;
use chatops_core::deploy::DeployRecord;
use chatops_core::id::DeployRef;
use chatops_core::message::{ActionMessage, ActionRequester, MessageBody, WorkMessage};
use chatops_core::ports::{MessageQueue, QueueName};
use serde_json::{Value, json};

use crate::support::{CommitStory, StackWorld};

/// The user id that the emulator gives everybody.
const SENDER: &str = "000000000000";

/// The actions in the operators' queue.
fn sent_actions(world: &StackWorld) -> Vec<ActionMessage> {
    let action = |body| match MessageBody::from_wire(body).decode() {
        Ok(WorkMessage::Action(action)) => *action,
        other => panic!("{other:?}"),
    };
    let bodies = world.drain(QueueName::Operators).into_iter();
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
    assert!(said.contains(&format!("as operator {SENDER}")), "{said}");
    let soon = "The worker carries it out within seconds";
    assert!(said.contains(soon), "{said}");
    let show = format!("chatops --aws --stack {} show ", world.stack);
    assert!(said.contains(&show), "{said}");
    let cancel = ["cancel", open.short_id.as_str(), "--json"];
    let enqueued = json!({
        "enqueued": true, "dry_run": false, "action": "cancel", "deploy": open.id, "operator": SENDER, "outcome": open.id,
    });
    assert_eq!(world.on_aws(&cancel).json(), enqueued);
    let mut found = sent_actions(&world);
    found.sort_by_key(|action| matches!(action.action, DeployAction::Cancel { .. }));
    let [retry, cancel] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(action_operator(retry), SENDER);
    assert_eq!(action_operator(cancel), SENDER);
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

struct WaitingDeploys {
    new: DeployRecord,
    other: DeployRecord,
    /// Of the same environment as `new`, and before it.
    older: DeployRecord,
    old: DeployRecord,
}

/// Deploys that wait for a retry, and two that do not.
fn write_waiting(world: &StackWorld) -> WaitingDeploys {
    let new = CommitStory::begin("new", 60).not_started();
    let other = CommitStory::begin("other", 5).not_started();
    let older = CommitStory::begin_in("new", "older", 90).not_started();
    let old = CommitStory::begin("old", 3 * 24 * 60).not_started();
    world.write(&CommitStory::begin("tried", 60).not_started().retry().0);
    world.write(&CommitStory::begin("open", 1).0);
    let [new, other, older, old] = [new, other, older, old].map(|story| world.write(&story.0));
    world.send_retry_ticket(new.id);
    WaitingDeploys {
        new,
        other,
        older,
        old,
    }
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
fn the_newest_that_waits_for_each_environment_is_retried() {
    let world = StackWorld::new();
    let waiting = write_waiting(&world);
    let skipped = |record: &DeployRecord, reason: Value| {
        let mut all = json!({"deploy": record.id, "short_id": record.short_id});
        let fields = all.as_object_mut().unwrap();
        fields.extend(reason.as_object().unwrap().clone());
        all
    };
    let superseded = json!({"reason": "newer_waits", "by": waiting.new.short_id});
    let superseded = skipped(&waiting.older, superseded);
    let too_old = skipped(&waiting.old, json!({"reason": "too_old"}));
    let mut summary = json!({
        "waiting": 4, "enqueued": [waiting.other.id, waiting.new.id],
        "skipped": [superseded, too_old], "dry_run": true, "operator": SENDER,
    });
    let dry = world.on_aws(&["retry", "--all", "--dry-run", "--json"]);
    assert_eq!(dry.json(), summary);
    // What ended too long ago is left for somebody to decide.
    assert_eq!(dry.code, Some(1));
    assert_eq!(sent_actions(&world).len(), 0);

    let ended = world.on_aws(&["retry", "--all"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!(ended.stderr, "");
    let lines: Vec<&str> = ended.stdout.lines().map(str::trim_start).collect();
    let first = format!("4 deploys waiting for a retry, as operator {SENDER}");
    assert_eq!(lines[0], first);
    assert_eq!(lines[1], "2  enqueued for a retry");
    let found = sent_actions(&world);
    assert!(found.iter().all(|action| action_operator(action) == SENDER));
    let (new, other) = (waiting.new.id.to_string(), waiting.other.id.to_string());
    let retried = BTreeMap::from([(new, false), (other.clone(), false)]);
    assert_eq!(retried_deploys(&found), retried);

    // Older ones are forced, as the worker would not take them otherwise.
    let ended = world.on_aws(&["retry", "--all", "--max-age", "30days", "--json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.json()["skipped"], json!([superseded]));
    let retried = retried_deploys(&sent_actions(&world));
    assert!(retried[&waiting.old.id.to_string()], "{retried:?}");
    // Younger ones only.
    let ended = world.on_aws(&["retry", "--all", "--max-age", "30m", "--json"]);
    assert_eq!(ended.json()["enqueued"], json!([other]), "{ended:?}");
    assert_eq!(retried_deploys(&sent_actions(&world)).len(), 1);

    // A data file has the same in it, and its operator a name that no variable gives.
    let here = world.on_file(&["retry", "--all", "--json"]).json();
    assert_ne!(here["operator"], "ada");
    summary["operator"] = here["operator"].clone();
    summary["dry_run"] = false.into();
    assert_eq!(here, summary);
    let hour = std::time::Duration::from_hours(1);
    let received = |queue| world.block(world.file.receive(queue, 100, hour)).unwrap();
    assert_eq!(received(QueueName::Operators).len(), 2);
    // Nobody has touched the ticket.
    assert_eq!(received(QueueName::WorkDlq).len(), 1);
    assert_eq!(world.drain(QueueName::WorkDlq).len(), 1);
}

#[test]
fn where_nothing_is_left_to_decide_it_ends_well() {
    let world = StackWorld::new();
    let said = world.on_aws(&["retry", "--all"]).success_output();
    assert_eq!(said, "Nothing waits for a retry.\n");
    world.write_failed("new", 60);
    world.write(&CommitStory::begin_in("new", "older", 90).not_started().0);
    let said = world.on_aws(&["retry", "--all"]).success_output();
    assert!(said.contains("1  enqueued"), "{said}");
    assert!(said.contains("1  left as they are"), "{said}");
    assert_eq!(sent_actions(&world).len(), 1);
}
