//! Who may do what. `rights.txt` has every right with its user: a right that is missing, unused or wider
//! fails.
//!
//! The emulator behind the deployed template checks rights, too, but what AWS itself does with a role
//! (polling, writing logs, using keys) only that list has.

use std::collections::{BTreeMap, BTreeSet};

use chatops_aws::ACTIONS;
use chatops_aws::dynamodb::WARM_UP_KEY;
use serde_json::{Value, json};

use crate::document::{template, texts};
use crate::functions::FUNCTIONS;

/// The role for SQS's own redrive.
const REDRIVE_ROLE: &str = "RedriveRole";

/// Who, what, on what, on which condition.
type AccessRight = [String; 4];

/// Every right that somebody needs, with its reasons. A right is a line; what is indented below it is
/// its condition, behind `only`, or a reason.
fn needed_rights() -> BTreeMap<AccessRight, Vec<String>> {
    let list = include_str!("rights.txt").lines();
    let list = list.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut all: Vec<(AccessRight, Vec<String>)> = Vec::new();
    for line in list {
        let Some(below) = line.strip_prefix("    ") else {
            let parts: Vec<_> = line.split(' ').map(str::to_owned).collect();
            let [who, action, on] = parts.try_into().unwrap();
            all.push(([who, action, on, String::new()], vec![]));
            continue;
        };
        let (right, reasons) = all.last_mut().unwrap();
        match below.strip_prefix("only ") {
            Some(condition) => condition.clone_into(&mut right[3]),
            None => reasons.push(below.to_owned()),
        }
    }
    let how_many = all.len();
    let needed: BTreeMap<_, _> = all.into_iter().collect();
    assert_eq!(needed.len(), how_many, "rights.txt has a right twice");
    let without_reason: Vec<_> = needed.iter().filter(|(_, why)| why.is_empty()).collect();
    assert!(without_reason.is_empty(), "unused: {without_reason:#?}");
    needed
}

/// A statement's conditions as one line.
fn condition_line(statement: &Value) -> String {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    let lines = operators.flat_map(|(operator, keys)| {
        let keys = keys.as_object().unwrap().iter();
        keys.map(move |(key, value)| format!("{operator} {key}={}", texts(value).join("|")))
    });
    let lines: BTreeSet<_> = lines.collect();
    lines.into_iter().collect::<Vec<_>>().join("; ")
}

/// What the template allows: who, what, on what, on which condition.
fn allowed_rights() -> BTreeSet<AccessRight> {
    let mut policies: Vec<(&str, Value)> = Vec::new();
    for (function, _) in FUNCTIONS {
        let role = template().properties(&format!("{function}Role"));
        let own = role["Policies"].as_array().unwrap().clone();
        policies.extend(
            own.into_iter()
                .map(|it| (function, it["PolicyDocument"].clone())),
        );
    }
    let redrive = template().properties("RedriveRole");
    let own = redrive["Policies"].as_array().unwrap().clone();
    policies.extend(
        own.into_iter()
            .map(|it| ("Redrive", it["PolicyDocument"].clone())),
    );
    let operator = template().properties("OperatorPolicy");
    policies.push(("Operator", operator["PolicyDocument"].clone()));
    let mut all = BTreeSet::new();
    for (who, policy) in &policies {
        for statement in policy["Statement"].as_array().unwrap() {
            let known = ["Effect", "Action", "Resource", "Condition"];
            let keys = statement.as_object().unwrap().keys();
            let all_known = keys.into_iter().all(|key| known.contains(&key.as_str()));
            assert!(all_known, "{statement}");
            assert_eq!(statement["Effect"], "Allow");
            for action in texts(&statement["Action"]) {
                for resource in texts(&statement["Resource"]) {
                    let right = [*who, action, resource, &condition_line(statement)];
                    let fresh = all.insert(right.map(str::to_owned));
                    assert!(fresh, "it is there twice: {right:?}");
                }
            }
        }
    }
    all
}

#[test]
fn everybody_may_do_exactly_what_is_needed() {
    let needed: BTreeSet<_> = needed_rights().into_keys().collect();
    let allowed = allowed_rights();
    let missing: Vec<_> = needed.difference(&allowed).collect();
    let idle: Vec<_> = allowed.difference(&needed).collect();
    let nothing = missing.is_empty() && idle.is_empty();
    assert!(nothing, "missing: {missing:#?}\nunused: {idle:#?}");
}

/// The code calls what [`ACTIONS`] lists and nothing else: `failed` checks each call, and the deployed test
/// compares the list with the calls that the emulator has recorded.
#[test]
fn each_action_of_the_code_is_a_right_of_somebody() {
    let rights = needed_rights().into_iter();
    let of_code = rights.filter(|(_, reasons)| reasons.iter().any(|reason| reason == "code"));
    let of_code: BTreeSet<_> = of_code.map(|([_, action, ..], _)| action).collect();
    // Nobody can be denied it.
    let listed = ACTIONS.into_iter();
    let listed = listed.filter(|action| *action != "sts:GetCallerIdentity");
    assert_eq!(of_code, listed.map(str::to_owned).collect());
}

#[test]
fn no_right_is_a_wildcard_and_the_only_one_on_resources_is_the_indexes() {
    for right in allowed_rights() {
        let [_, action, resource, _] = &right;
        assert!(!action.contains(['*', '?']), "{right:?}");
        let indexes = resource == "{Table.Arn}/index/*" && action == "dynamodb:Query";
        assert!(indexes || !resource.contains(['*', '?']), "{right:?}");
        assert!(resource.starts_with('{'), "not of this stack: {right:?}");
    }
}

/// No managed policy widens a role, nobody but Lambda takes it, and each function has its own.
#[test]
fn a_role_is_its_functions_alone() {
    let roles = template().of_type("IAM::Role");
    let functions = FUNCTIONS.map(|(function, _)| format!("{function}Role"));
    let names = roles.keys().copied().collect::<BTreeSet<_>>();
    let mut wanted: BTreeSet<_> = functions.iter().map(String::as_str).collect();
    wanted.insert(REDRIVE_ROLE);
    assert_eq!(names, wanted);
    for (name, role) in roles {
        assert_eq!(role["ManagedPolicyArns"], Value::Null, "{name}");
        if name == REDRIVE_ROLE {
            continue;
        }
        let trust = role["AssumeRolePolicyDocument"]["Statement"].as_array();
        let trust = trust.unwrap();
        let [trust] = trust.as_slice() else {
            panic!("{name} is taken by several: {trust:?}");
        };
        let service = &trust["Principal"]["Service"];
        assert_eq!(service, "lambda.amazonaws.com", "{name}");
        assert_eq!(trust["Action"], "sts:AssumeRole", "{name}");
    }
    for (function, _) in FUNCTIONS {
        let role = format!("{{{function}Role.Arn}}");
        assert_eq!(template().properties(function)["Role"], role);
    }
    // Whoever reads nothing but the template sees no other policy.
    assert_eq!(template().of_type("IAM::Policy").len(), 0);
    assert_eq!(template().of_type("IAM::ManagedPolicy").len(), 1);
}

/// Only who was given the right to takes it, and nobody is by this stack.
#[test]
fn the_redrive_role_is_for_people_of_this_account() {
    let role = template().properties(REDRIVE_ROLE);
    let trust = json!([{
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "sts:AssumeRole",
    }]);
    assert_eq!(role["AssumeRolePolicyDocument"]["Statement"], trust);
    let assumes = |right: &AccessRight| right[1].starts_with("sts:");
    assert!(!allowed_rights().iter().any(assumes));
}

/// What operators can read and send, in words.
#[test]
fn an_operator_reads_no_response_url_and_no_message_and_sends_only_actions() {
    let rights = allowed_rights();
    let of_operator = rights.iter().filter(|right| right[0] == "Operator");
    for right in of_operator.clone() {
        let [_, action, resource, condition] = right;
        let is_read = ["GetItem", "BatchGetItem", "Query"].map(|it| format!("dynamodb:{it}"));
        if is_read.contains(action) && resource == "{Table.Arn}" {
            let keys =
                "ForAllValues:StringLike dynamodb:LeadingKeys=D#*|S#*|P#*|R#*|A#*|T#*|V#*|LOCK#*";
            let null = "Null dynamodb:LeadingKeys=false";
            assert_eq!(*condition, format!("{keys}; {null}"), "{right:?}");
        }
        if action == "dynamodb:Scan" {
            let attributes = "dynamodb:Attributes=pk|sk|n|body|hash|v|events|requested_at|user|user_name|branch|job|project|environment|state|ledger|awaiting_retry|timer|due_at|deploy";
            assert!(condition.contains(attributes), "{right:?}");
        }
        let writes = ["Put", "Update", "Delete", "Receive", "ChangeMessage"];
        let is_write = writes.iter().any(|write| action.contains(write));
        assert!(!is_write, "{right:?}");
    }
    let sends = of_operator.filter(|right| right[1] == "sqs:SendMessage");
    let sends: Vec<_> = sends.map(|right| right[2].as_str()).collect();
    assert_eq!(sends, ["{OperatorsQueue.Arn}"]);
}

/// Who may invoke a function: the API and the schedule, by their own names.
#[test]
fn a_function_is_invoked_by_what_stands_before_it_alone() {
    let permissions = template().of_type("Lambda::Permission");
    let mut invoked = BTreeSet::new();
    for (name, permission) in permissions {
        assert_eq!(permission["Action"], "lambda:InvokeFunction", "{name}");
        let source = permission["SourceArn"].as_str().unwrap();
        let principal = permission["Principal"].as_str().unwrap();
        let of_api = source.starts_with("arn:aws:execute-api:eu-central-1:123456789012:{Api}/*/");
        let fits = match principal {
            "apigateway.amazonaws.com" => of_api,
            "events.amazonaws.com" => source == "{WorkerSweep.Arn}",
            _ => false,
        };
        assert!(fits, "{name}: {principal} {source}");
        invoked.insert(permission["FunctionName"].as_str().unwrap().to_owned());
    }
    assert_eq!(invoked, ["{Ingest}", "{Worker}"].map(str::to_owned).into());
}

/// What is read before the first event has to be allowed as well: a key of no item.
#[test]
fn the_first_read_of_the_notifier_is_allowed() {
    let rights = allowed_rights();
    let reads = |right: &&AccessRight| right[0] == "Notifier" && right[1] == "dynamodb:GetItem";
    let [_, _, _, condition] = rights.iter().find(reads).unwrap();
    let (_, patterns) = condition.split_once("LeadingKeys=").unwrap();
    let mut patterns = patterns.split(';').next().unwrap().split('|');
    let fits = patterns.any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => WARM_UP_KEY.starts_with(start),
        None => WARM_UP_KEY == pattern,
    });
    assert!(fits, "{WARM_UP_KEY}");
}
