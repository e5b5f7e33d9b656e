//! What keeps something: the table is the one that the code makes, everything is encrypted with the one
//! key, and what is the audit outlives the stack.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{AttributeDefinition, KeySchemaElement, Projection};
use chatops_aws::client::{AwsSdk, AwsSettings};
use chatops_aws::dynamodb::table;
use serde_json::{Value, json};

use crate::document::{template, texts};

/// A table as far as it decides what can be written and found: attributes, keys, and each index with
/// its keys and what it holds.
#[derive(Debug, PartialEq, Eq)]
struct TableShape {
    billing: String,
    attributes: BTreeSet<(String, String)>,
    keys: Vec<(String, String)>,
    indexes: BTreeMap<String, IndexShape>,
}

#[derive(Debug, PartialEq, Eq)]
struct IndexShape {
    keys: Vec<(String, String)>,
    projection: String,
    holds: BTreeSet<String>,
}

/// The table that the code makes.
fn table_of_code() -> TableShape {
    let settings = AwsSettings::read(|name| match name {
        "AWS_REGION" => Some("eu-central-1".into()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".into()),
        _ => None,
    });
    let client = AwsSdk::new(&settings.unwrap()).unwrap().dynamodb();
    let request = table::create_request(&client, "table").unwrap();
    let key = |key: &KeySchemaElement| {
        let kind = key.key_type().as_str().to_owned();
        (key.attribute_name().to_owned(), kind)
    };
    let attribute = |attribute: &AttributeDefinition| {
        let kind = attribute.attribute_type().as_str().to_owned();
        (attribute.attribute_name().to_owned(), kind)
    };
    let billing = request.get_billing_mode().as_ref().unwrap().as_str();
    let billing = billing.to_owned();
    let indexes = request.get_global_secondary_indexes().as_ref().unwrap();
    let indexes = indexes.iter().map(|index| {
        let projection: &Projection = index.projection().unwrap();
        let kind = projection.projection_type().unwrap().as_str().to_owned();
        let shape = IndexShape {
            keys: index.key_schema().iter().map(key).collect(),
            projection: kind,
            holds: projection.non_key_attributes().iter().cloned().collect(),
        };
        (index.index_name().to_owned(), shape)
    });
    let attributes = request.get_attribute_definitions().iter().flatten();
    TableShape {
        billing,
        attributes: attributes.map(attribute).collect(),
        keys: request.get_key_schema().iter().flatten().map(key).collect(),
        indexes: indexes.collect(),
    }
}

/// The table of the template.
fn table_of_template() -> TableShape {
    let table = template().properties("Table");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pairs = |all: &Value, kind: &str| {
        let all = all.as_array().unwrap().clone();
        let pair = |it: Value| (text(&it["AttributeName"]), text(&it[kind]));
        all.into_iter().map(pair).collect::<Vec<_>>()
    };
    let indexes = table["GlobalSecondaryIndexes"].as_array().unwrap();
    let indexes = indexes.iter().map(|index| {
        let projection = &index["Projection"];
        let holds = projection.get("NonKeyAttributes").map(texts);
        let holds = holds.unwrap_or_default();
        let shape = IndexShape {
            keys: pairs(&index["KeySchema"], "KeyType"),
            projection: text(&projection["ProjectionType"]),
            holds: holds.into_iter().map(str::to_owned).collect(),
        };
        (text(&index["IndexName"]), shape)
    });
    let attributes = pairs(&table["AttributeDefinitions"], "AttributeType");
    TableShape {
        billing: text(&table["BillingMode"]),
        attributes: attributes.into_iter().collect(),
        keys: pairs(&table["KeySchema"], "KeyType"),
        indexes: indexes.collect(),
    }
}

#[test]
fn the_table_is_the_one_that_the_ledger_makes() {
    assert_eq!(table_of_template(), table_of_code());
}

#[test]
fn nothing_in_the_table_expires_and_all_of_it_can_be_brought_back() {
    let tables = template().of_type("DynamoDB::Table");
    assert_eq!(tables.keys().copied().collect::<Vec<_>>(), ["Table"]);
    let table = &tables["Table"];
    assert_eq!(table["TimeToLiveSpecification"], Value::Null);
    let recovery = &table["PointInTimeRecoverySpecification"];
    assert_eq!(recovery["PointInTimeRecoveryEnabled"], true);
    assert_eq!(table["DeletionProtectionEnabled"], "true");
}

#[test]
fn the_audit_and_its_key_outlive_the_stack_and_nothing_else_does() {
    for attribute in ["DeletionPolicy", "UpdateReplacePolicy"] {
        let retained = template().with_attribute(attribute, "Retain");
        assert_eq!(retained, BTreeSet::from(["Key", "Table"]), "{attribute}");
    }
}

/// How each type names its key. Every type that keeps data is here.
#[test]
fn everything_that_is_kept_is_encrypted_with_the_key_of_the_stack() {
    let encrypted = [
        ("SQS::Queue", "KmsMasterKeyId", "{Key}", 6),
        ("SNS::Topic", "KmsMasterKeyId", "{Key}", 1),
        ("SecretsManager::Secret", "KmsKeyId", "{Key}", 3),
        ("Logs::LogGroup", "KmsKeyId", "{Key.Arn}", 3),
    ];
    for (kind, property, key, how_many) in encrypted {
        let all = template().of_type(kind);
        assert_eq!(all.len(), how_many, "{kind}");
        for (name, resource) in all {
            assert_eq!(resource[property], key, "{name}");
        }
    }
    let wanted = json!({"SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": "{Key}"});
    assert_eq!(template().properties("Table")["SSESpecification"], wanted);
    let key = template().properties("Key");
    assert_eq!(key["EnableKeyRotation"], true);
    assert_eq!(template().of_type("KMS::Key").len(), 1);
    let alias = template().properties("KeyAlias");
    assert_eq!(alias["TargetKeyId"], "{Key}");
}

/// Services that use the key in nobody's name get it from the key's own policy, each for what is the
/// stack's alone.
#[test]
fn the_keys_policy_lets_in_the_account_the_logs_and_the_alarms() {
    let policy = &template().properties("Key")["KeyPolicy"];
    let statements = policy["Statement"].as_array().unwrap();
    let who = |statement: &Value| statement["Principal"].to_string();
    let all: Vec<_> = statements.iter().map(who).collect();
    let wanted = [
        json!({"AWS": "arn:aws:iam::123456789012:root"}),
        json!({"Service": "logs.eu-central-1.amazonaws.com"}),
        json!({"Service": "cloudwatch.amazonaws.com"}),
    ];
    assert_eq!(all, wanted.map(|it| it.to_string()));
    for statement in &statements[1..] {
        let actions = texts(&statement["Action"]);
        let exact = actions.iter().all(|action| !action.contains('*'));
        assert!(exact, "{actions:?}");
        assert!(statement["Condition"].is_object(), "{statement}");
    }
}

/// The secrets are made without anything in them, and what people put there stays.
#[test]
fn secrets_are_empty_at_first() {
    for (name, secret) in template().of_type("SecretsManager::Secret") {
        assert_eq!(secret["SecretString"], "{}", "{name}");
        assert_eq!(secret["GenerateSecretString"], Value::Null, "{name}");
    }
}
