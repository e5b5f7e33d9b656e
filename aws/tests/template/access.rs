//! Who may do what. `rights.txt` has every right with its reason: what is missing, what nobody needs
//! and what grew too wide fails.
//!
//! The emulator behind the deployed template is asked for rights too, but of what AWS itself does with
//! a role (polling, writing logs, using keys) only that list knows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::document::{script, template, text, texts};
use crate::functions::{FUNCTIONS, sources};

/// Who, what, on what, on which condition.
type Right = [String; 4];

/// Every right that somebody needs, with its reasons. A right is a line; what is indented below it is
/// its condition, behind `only`, or a reason.
fn needed() -> BTreeMap<Right, Vec<String>> {
    let list = include_str!("rights.txt").lines();
    let list = list.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut all: Vec<(Right, Vec<String>)> = Vec::new();
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
    assert!(
        without_reason.is_empty(),
        "nobody says why: {without_reason:#?}"
    );
    needed
}

/// Every operation of AWS that the product calls, and the right that it takes; none where AWS asks for
/// none.
const CALLS: &[(&str, Option<&str>)] = &[
    ("batch_get_item", Some("dynamodb:BatchGetItem")),
    (
        "change_message_visibility",
        Some("sqs:ChangeMessageVisibility"),
    ),
    (
        "change_message_visibility_batch",
        Some("sqs:ChangeMessageVisibility"),
    ),
    // The template makes the table; this is for emulators.
    ("create_table", None),
    ("delete_message", Some("sqs:DeleteMessage")),
    (
        "describe_continuous_backups",
        Some("dynamodb:DescribeContinuousBackups"),
    ),
    ("describe_secret", Some("secretsmanager:DescribeSecret")),
    ("describe_table", Some("dynamodb:DescribeTable")),
    // Nobody can be denied it.
    ("get_caller_identity", None),
    ("get_item", Some("dynamodb:GetItem")),
    ("get_queue_attributes", Some("sqs:GetQueueAttributes")),
    ("get_queue_url", Some("sqs:GetQueueUrl")),
    ("get_secret_value", Some("secretsmanager:GetSecretValue")),
    ("query", Some("dynamodb:Query")),
    ("receive_message", Some("sqs:ReceiveMessage")),
    ("scan", Some("dynamodb:Scan")),
    ("send_message", Some("sqs:SendMessage")),
    // A transaction takes the rights of its writes, and those are puts.
    ("transact_write_items", Some("dynamodb:PutItem")),
];

fn squeezed(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace()).collect()
}

/// A statement's conditions as one line.
fn conditions(statement: &Value) -> String {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    let lines = operators.flat_map(|(operator, keys)| {
        let keys = keys.as_object().unwrap().iter();
        keys.map(move |(key, value)| format!("{operator} {key}={}", texts(value).join("|")))
    });
    let lines: BTreeSet<_> = lines.collect();
    lines.into_iter().collect::<Vec<_>>().join("; ")
}

/// What the template allows: who, what, on what, on which condition.
fn allowed() -> BTreeSet<Right> {
    let mut policies: Vec<(&str, Value)> = Vec::new();
    for (function, _) in FUNCTIONS {
        let role = template().properties(&format!("{function}Role"));
        let own = role["Policies"].as_array().unwrap().clone();
        policies.extend(
            own.into_iter()
                .map(|it| (function, it["PolicyDocument"].clone())),
        );
    }
    let operator = template().properties("OperatorPolicy");
    policies.push(("Operator", operator["PolicyDocument"].clone()));
    let mut all = BTreeSet::new();
    for (who, policy) in &policies {
        for statement in policy["Statement"].as_array().unwrap() {
            let known = ["Effect", "Action", "Resource", "Condition"];
            let keys = statement.as_object().unwrap().keys();
            assert!(
                keys.into_iter().all(|key| known.contains(&key.as_str())),
                "{statement}"
            );
            assert_eq!(statement["Effect"], "Allow");
            for action in texts(&statement["Action"]) {
                for resource in texts(&statement["Resource"]) {
                    let right = [*who, action, resource, &conditions(statement)];
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
    let needed: BTreeSet<_> = needed().into_keys().collect();
    let allowed = allowed();
    let missing: Vec<_> = needed.difference(&allowed).collect();
    let idle: Vec<_> = allowed.difference(&needed).collect();
    let nothing = missing.is_empty() && idle.is_empty();
    assert!(nothing, "missing: {missing:#?}\nunused: {idle:#?}");
}

#[test]
fn the_code_that_needs_a_right_is_there() {
    let mut files = BTreeMap::new();
    for (right, reasons) in needed() {
        for reason in reasons {
            let (file, code) = reason.split_once(": ").unwrap();
            if file == "AWS" {
                continue;
            }
            let text = files
                .entry(file.to_owned())
                .or_insert_with(|| squeezed(&text(file)));
            assert!(
                text.contains(&squeezed(code)),
                "{right:?}: {file} has no {code}"
            );
        }
    }
}

/// A call that some code begins to make needs a right, and one that is made no longer gives it back.
#[test]
fn every_call_of_the_code_is_known_here() {
    let operations = script("operations.py", &[]);
    let operations: BTreeSet<&str> = texts(&operations).into_iter().collect();
    let mut called = BTreeSet::new();
    // Nobody else knows the SDK, and `.ci/dependencies` sees to that.
    for (_, code) in ["aws/src", "src/aws"].into_iter().flat_map(sources) {
        let code = squeezed(&code);
        let names = code
            .split("()")
            .filter_map(|before| before.rsplit('.').next());
        called.extend(
            names
                .filter(|name| operations.contains(name))
                .map(str::to_owned),
        );
    }
    let known: BTreeSet<_> = CALLS.iter().map(|(call, _)| (*call).to_owned()).collect();
    assert_eq!(called, known);
    let rights = needed().into_keys().map(|[_, action, ..]| action);
    let rights: BTreeSet<_> = rights.collect();
    let of_calls: BTreeSet<_> = CALLS.iter().filter_map(|(_, action)| *action).collect();
    let of_aws = [
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    ];
    let all = of_calls
        .into_iter()
        .chain(of_aws)
        .map(str::to_owned)
        .collect();
    assert_eq!(rights, all);
}

#[test]
fn no_right_is_a_wildcard_and_the_only_one_on_resources_is_the_indexes() {
    for right in allowed() {
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
    assert_eq!(
        roles.keys().copied().collect::<BTreeSet<_>>(),
        functions.iter().map(String::as_str).collect()
    );
    for (name, role) in roles {
        assert_eq!(role["ManagedPolicyArns"], Value::Null, "{name}");
        let trust = role["AssumeRolePolicyDocument"]["Statement"]
            .as_array()
            .unwrap();
        let [trust] = trust.as_slice() else {
            panic!("{name} is taken by several: {trust:?}");
        };
        assert_eq!(
            trust["Principal"]["Service"], "lambda.amazonaws.com",
            "{name}"
        );
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
    let items = squeezed(&text("aws/src/dynamodb/item.rs"));
    let (_, key) = items.split_once("fnwarm_key()->Item{key(\"").unwrap();
    let (key, _) = key.split_once('"').unwrap();
    let rights = allowed();
    let reads = |right: &&Right| right[0] == "Notifier" && right[1] == "dynamodb:GetItem";
    let [_, _, _, condition] = rights.iter().find(reads).unwrap();
    let (_, patterns) = condition.split_once("LeadingKeys=").unwrap();
    let mut patterns = patterns.split(';').next().unwrap().split('|');
    let fits = patterns.any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None => key == pattern,
    });
    assert!(fits, "{key}");
}
