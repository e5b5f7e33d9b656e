//! Who called what, as the emulator has written it down, and whether it had the right to.

use std::collections::{BTreeMap, BTreeSet};

use chatops_aws::ACTIONS;
use serde::Deserialize;
use serde_json::Value;

use crate::operator;
use crate::stack::DeployedStack;

/// One check of a right.
#[derive(Debug, Deserialize)]
pub(crate) struct AccessCheck {
    caller: String,
    action: String,
    resource: String,
    allowed: bool,
}

impl AccessCheck {
    /// The function or the operator that called; `None` for the account itself.
    fn caller_name(&self) -> Option<&str> {
        if self
            .caller
            .ends_with(&format!(":user/{}", operator::OPERATOR_NAME))
        {
            return Some("Operator");
        }
        let role = self.caller.split(":assumed-role/").nth(1)?;
        ["Ingest", "Worker", "Notifier", "Redrive"]
            .into_iter()
            .find(|function| role.contains(function))
    }
}

/// Every call so far.
pub(crate) fn read_calls(stack: &DeployedStack) -> Vec<AccessCheck> {
    let text = std::fs::read_to_string(stack.calls_path()).unwrap();
    let calls = text.lines().map(serde_json::from_str::<AccessCheck>);
    calls.map(Result::unwrap).collect()
}

/// How often each function called what in the one story before, for the table of costs in docs/aws.md.
#[expect(
    clippy::print_stdout,
    reason = "`--nocapture` shows it to whoever brings the table up to date"
)]
pub(crate) fn print_costs(calls: &[AccessCheck]) {
    let mut counted = BTreeMap::<_, usize>::new();
    for call in calls {
        if let Some(function) = call.caller_name() {
            *counted.entry((function, &call.action)).or_default() += 1;
        }
    }
    for ((function, action), times) in counted {
        println!("{times:4} {function} {action}");
    }
}

/// Rights that no call of these stories shows, each with its reason.
const UNSEEN_RIGHTS: [(&str, &str, &str); 17] = [
    // Lambda polls a queue with the function's rights; the emulator's mappings do it with none.
    ("Worker", "sqs:ReceiveMessage", "Lambda polls with it"),
    ("Worker", "sqs:DeleteMessage", "Lambda polls with it"),
    (
        "Worker",
        "sqs:GetQueueAttributes :chatops-polls",
        "Lambda polls with it",
    ),
    (
        "Worker",
        "sqs:GetQueueAttributes :chatops-operators",
        "Lambda polls with it",
    ),
    ("Notifier", "sqs:ReceiveMessage", "Lambda polls with it"),
    ("Notifier", "sqs:DeleteMessage", "Lambda polls with it"),
    // No handler fails or panics here: what cannot be handled is poison, and buried.
    (
        "Worker",
        "sqs:ChangeMessageVisibility",
        "a failed message waits",
    ),
    (
        "Notifier",
        "sqs:ChangeMessageVisibility",
        "a failed message waits",
    ),
    (
        "Worker",
        "sqs:SendMessage :chatops-work",
        "a crash is counted in the message",
    ),
    // SQS moves messages with the caller's rights; the emulator has no such task.
    ("Redrive", "sqs:StartMessageMoveTask", "people call it"),
    ("Redrive", "sqs:ReceiveMessage", "SQS moves with it"),
    ("Redrive", "sqs:DeleteMessage", "SQS moves with it"),
    ("Redrive", "sqs:GetQueueAttributes", "SQS moves with it"),
    // Queues, secrets and the table use the key in the caller's name; the emulator encrypts nothing.
    ("*", "kms:Decrypt", "the services call it"),
    ("*", "kms:GenerateDataKey", "the services call it"),
    // Lambda writes the log.
    ("*", "logs:CreateLogStream", "Lambda calls it"),
    ("*", "logs:PutLogEvents", "Lambda calls it"),
];

/// Nobody was refused, and nobody may do what they never do.
pub(crate) fn every_call_was_allowed_and_every_right_is_used(stack: &DeployedStack) {
    stack.run_sweep();
    let calls = read_calls(stack);
    let refused: Vec<_> = calls.iter().filter(|call| !call.allowed).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let called = calls.iter().filter(|call| call.caller_name().is_some());
    let mut called: BTreeSet<_> = called.map(|call| call.action.as_str()).collect();
    // Nobody can be denied it, so that nobody is asked.
    called.insert("sts:GetCallerIdentity");
    // No handler fails here, so that no message waits.
    called.insert("sqs:ChangeMessageVisibility");
    assert_eq!(called, ACTIONS.into());
    let used: BTreeSet<(String, String, String)> = calls
        .iter()
        .filter_map(|call| {
            let resource = call.resource.rsplit(':').next().unwrap_or_default();
            Some((
                call.caller_name()?.to_owned(),
                call.action.clone(),
                resource.to_owned(),
            ))
        })
        .collect();
    let roles = stack.run_script("roles.py", &["chatops"]);
    let mut idle = Vec::new();
    assert_eq!(roles.as_object().unwrap().len(), 5);
    for (who, rights) in roles.as_object().unwrap() {
        for right in rights.as_array().unwrap() {
            let (action, resource) = (json_text(&right[0]), json_text(&right[1]));
            let seen = used.iter().any(|(by, called, on)| {
                by == who && called == action && matches_resource(resource, on)
            });
            let excused = UNSEEN_RIGHTS.iter().any(|(by, excused, _)| {
                (*by == "*" || by == who) && excuses(excused, action, resource)
            });
            if !seen && !excused {
                idle.push(format!("{who} {action} {resource}"));
            }
        }
    }
    assert!(idle.is_empty(), "rights that nobody uses: {idle:#?}");
}

/// Whether an action, or one on a resource of that name, is the one that nobody took.
fn excuses(excused: &str, action: &str, resource: &str) -> bool {
    match excused.split_once(' ') {
        None => excused == action,
        Some((excused, name)) => excused == action && resource.ends_with(name),
    }
}

fn json_text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Whether the last part of a resource's name is the one that was called.
fn matches_resource(resource: &str, called: &str) -> bool {
    let last = resource.rsplit(':').next().unwrap_or_default();
    match last.strip_suffix('*') {
        Some(prefix) => called.starts_with(prefix),
        None => called == last,
    }
}
