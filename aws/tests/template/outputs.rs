//! The outputs: everything that a person has to paste somewhere, or to look for.

use std::collections::{BTreeMap, BTreeSet};

use chatops_aws::operator::StackNames;
use chatops_core::ports::QueueName;

use crate::document::{STACK, project_file, template};

/// Each output and what it is.
const OUTPUTS: [(&str, &str); 22] = [
    (
        "SlackRequestUrl",
        "https://{Api}.execute-api.eu-central-1.amazonaws.com/slack/commands",
    ),
    (
        "SlackInteractivityUrl",
        "https://{Api}.execute-api.eu-central-1.amazonaws.com/slack/interactions",
    ),
    (
        "CircleCiWebhookUrl",
        "https://{Api}.execute-api.eu-central-1.amazonaws.com/circleci/webhook",
    ),
    ("ApiId", "{Api}"),
    ("InboundSecretName", "chatops/inbound"),
    ("CircleCiSecretName", "chatops/circleci"),
    ("SlackBotSecretName", "chatops/slack-bot"),
    ("OperatorPolicyArn", "{OperatorPolicy}"),
    ("TableName", "{Table}"),
    ("WorkQueueUrl", "{WorkQueue}"),
    ("WorkQueueArn", "{WorkQueue.Arn}"),
    ("PollsQueueUrl", "{PollsQueue}"),
    ("OperatorsQueueUrl", "{OperatorsQueue}"),
    ("WorkDlqUrl", "{WorkDlq}"),
    ("WorkDlqArn", "{WorkDlq.Arn}"),
    ("RedriveRoleArn", "{RedriveRole.Arn}"),
    ("NotifyQueueUrl", "{NotifyQueue}"),
    ("NotifyDlqUrl", "{NotifyDlq}"),
    ("NotifyDlqArn", "{NotifyDlq.Arn}"),
    ("AlarmsTopicArn", "{Alarms}"),
    ("KeyAliasName", "{KeyAlias}"),
    ("LogGroups", "{IngestLogs} {WorkerLogs} {NotifierLogs}"),
];

#[test]
fn everything_that_is_pasted_somewhere_is_an_output() {
    let outputs = template().0["Outputs"].as_object().unwrap();
    let outputs = outputs.iter().map(|(name, output)| {
        let described = output["Description"].as_str();
        let described = described.is_some_and(|it| !it.is_empty());
        assert!(described, "{name} says not what it is");
        let value = template().resolved(&output["Value"]);
        (name.clone(), value.as_str().unwrap().to_owned())
    });
    let outputs: BTreeMap<_, _> = outputs.collect();
    let wanted = OUTPUTS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(outputs, wanted.into());
}

/// Two stacks of one account do not meet, and the command line finds each by its name.
#[test]
fn every_name_begins_with_the_stacks() {
    let names = [
        ("ApiGatewayV2::Api", "Body"),
        ("CloudWatch::Alarm", "AlarmName"),
        ("DynamoDB::Table", "TableName"),
        ("Events::Rule", "Name"),
        ("KMS::Alias", "AliasName"),
        ("Lambda::Function", "FunctionName"),
        ("Lambda::LayerVersion", "LayerName"),
        ("Logs::LogGroup", "LogGroupName"),
        ("SNS::Topic", "TopicName"),
        ("SQS::Queue", "QueueName"),
        ("SecretsManager::Secret", "Name"),
    ];
    let mut used = BTreeSet::new();
    for (kind, property) in names {
        for (id, resource) in template().of_type(kind) {
            let name = match property {
                "Body" => &resource["Body"]["info"]["title"],
                property => &resource[property],
            };
            let name = name.as_str().unwrap().to_owned();
            let bare = name.trim_start_matches("alias/");
            let bare = bare.trim_start_matches("/aws/lambda/");
            assert!(bare.starts_with(STACK), "{id}: {name}");
            assert!(
                used.insert((kind, name.clone())),
                "{id}: {name} is there twice"
            );
        }
    }
    // By these the command line looks for them.
    let known = StackNames::new(STACK);
    let queues = QueueName::ALL.map(|queue_name| ("SQS::Queue", known.queue(queue_name)));
    let secrets = known.secrets().map(|name| ("SecretsManager::Secret", name));
    let table = [("DynamoDB::Table", known.table())];
    for name in queues.into_iter().chain(secrets).chain(table) {
        assert!(used.contains(&name), "{name:?}");
    }
}

/// A role with a name of its own would ask everybody who deploys for a further confirmation.
#[test]
fn roles_and_policies_are_named_by_cloudformation() {
    for (kind, property) in [
        ("IAM::Role", "RoleName"),
        ("IAM::ManagedPolicy", "ManagedPolicyName"),
    ] {
        for (id, resource) in template().of_type(kind) {
            assert!(resource[property].is_null(), "{id}");
        }
    }
    assert!(project_file("samconfig.toml.example").contains("capabilities = \"CAPABILITY_IAM\"\n"));
}

/// Whoever deploys with the console sees each parameter in a group, with words.
#[test]
fn every_parameter_is_described_and_in_a_group() {
    let interface = &template().0["Metadata"]["AWS::CloudFormation::Interface"];
    let groups = interface["ParameterGroups"].as_array().unwrap();
    let grouped = groups.iter();
    let grouped = grouped.flat_map(|group| group["Parameters"].as_array().unwrap());
    let grouped: Vec<_> = grouped.map(|name| name.as_str().unwrap()).collect();
    let parameters = template().0["Parameters"].as_object().unwrap();
    assert_eq!(grouped.len(), parameters.len());
    let example = project_file("samconfig.toml.example");
    for (name, parameter) in parameters {
        assert!(grouped.contains(&name.as_str()), "{name}");
        let described = parameter["Description"]
            .as_str()
            .is_some_and(|it| !it.is_empty());
        assert!(described, "{name}");
        assert!(!parameter["Default"].is_null(), "{name}");
        let bounded = ["AllowedValues", "AllowedPattern", "MinValue"];
        let checked = bounded.iter().any(|bound| !parameter[*bound].is_null());
        assert!(checked, "{name}");
        // The path of the configuration is for those who put it elsewhere.
        let shown = example.contains(&format!("\"{name}="));
        let shown = shown || name == "ConfigPath";
        assert!(shown, "{name} is not in samconfig.toml.example");
    }
    for line in example
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"'))
    {
        let (name, value) = line.trim_end_matches("\",").split_once('=').unwrap();
        let default = match &parameters[name]["Default"] {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        assert_eq!(value, default, "samconfig.toml.example: {name}");
    }
}
