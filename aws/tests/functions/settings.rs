//! What is missing ends a function before it asks for an event, with one line that says what.

use chatops_testkit::account::make_secret;
use chatops_testkit::emulator::unique;
use serde_json::{Value, json};

use crate::function::{LambdaFunction, RUNTIME_API};
use crate::world::LambdaWorld;

/// Checks that it fails with one line that holds these words.
async fn is_rejected(function: &LambdaFunction, words: &[&str]) {
    let (code, log) = function.fails_to_start().await;
    let [line] = &log[..] else {
        panic!("{words:?}: {log:#?}")
    };
    let said: Value = serde_json::from_str(line).unwrap();
    assert_eq!(said["level"], "ERROR", "{line}");
    let message = said["message"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert!(code.is_some_and(|code| code != 0), "{code:?}: {line}");
    assert!(!line.contains("canary"), "{line}");
}

#[tokio::test]
async fn each_variable_that_is_missing_is_named() {
    let world = LambdaWorld::new().await;
    let all = ["CHATOPS_CONFIG", "CHATOPS_SECRETS"];
    let all = all.iter();
    let all = all.chain(&["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
    let work = "CHATOPS_WORK_QUEUE_URL";
    let notify = "CHATOPS_NOTIFY_QUEUE_URL";
    let polls = "CHATOPS_POLLS_QUEUE_URL";
    let operators = "CHATOPS_OPERATORS_QUEUE_URL";
    let dead = "CHATOPS_WORK_DLQ_URL";
    let notify_dead = "CHATOPS_NOTIFY_DLQ_URL";
    let table = "CHATOPS_TABLE";
    for (function, own) in [
        (&world.ingest, &[work, polls][..]),
        (
            &world.worker,
            &[table, work, polls, operators, notify, dead],
        ),
        (&world.notifier, &[table, notify, notify_dead]),
    ] {
        for name in all.clone().chain(own) {
            for value in [None, Some("")] {
                let words = [*name, "is not set"];
                is_rejected(&function.with(name, value), &words).await;
            }
        }
        for (name, value) in [
            ("CHATOPS_AWS_ROOTS", "none"),
            ("CHATOPS_LOG_LEVEL", "loud"),
            ("AWS_ENDPOINT_URL", "127.0.0.1"),
            ("CHATOPS_CONFIG", "/nowhere/chatops.toml"),
        ] {
            let function = function.with(name, Some(value));
            if name == "CHATOPS_LOG_LEVEL" {
                // There is no log yet.
                let said = function.fails_without_a_log().await;
                assert!(said.contains(name) && said.contains(value), "{said}");
            } else {
                is_rejected(&function, &[name, value]).await;
            }
        }
        function.warm_up().await;
    }
}

#[tokio::test]
async fn each_secret_that_is_missing_is_named() {
    let world = LambdaWorld::new().await;
    let name = unique();
    let aws = &world.aws;
    let secret = async |what: &str, value: Value| make_secret(aws, &name, what, &value).await;
    let variable = "CHATOPS_SECRETS";
    let nobody = format!("{name}/nobody");
    let empty = secret("empty", json!({"other": "canary"})).await;
    let blank = json!({"slack_signing_secret": "", "circleci_token": " "});
    let blank = secret("blank", blank).await;
    let fields = [
        (&world.ingest, Some("slack_signing_secret")),
        (&world.worker, Some("circleci_token")),
        (&world.notifier, None),
    ];
    for (function, field) in fields {
        is_rejected(&function.with(variable, Some(&nobody)), &[&nobody]).await;
        let bad = secret(&format!("bad-{field:?}"), json!(["canary"])).await;
        is_rejected(&function.with(variable, Some(&bad)), &[&bad]).await;
        for source in [&empty, &blank] {
            let function = function.with(variable, Some(source));
            match field {
                Some(field) => is_rejected(&function, &[field, source, variable]).await,
                // Without a bot it works as well.
                None => function.warm_up().await,
            }
        }
    }
}

/// One of the two that let a command in is enough.
#[tokio::test]
async fn a_verification_token_is_enough() {
    let world = LambdaWorld::new().await;
    let value = json!({"slack_verification_token": "canary"});
    let source = make_secret(&world.aws, &unique(), "legacy", &value).await;
    world
        .ingest
        .with("CHATOPS_SECRETS", Some(&source))
        .warm_up()
        .await;
}

#[tokio::test]
async fn a_wrong_configuration_is_named_by_its_place() {
    let world = LambdaWorld::new().await;
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), text.replace("version = 1", "version = 7")).unwrap();
    for function in [&world.ingest, &world.worker, &world.notifier] {
        is_rejected(&function.with("X", None), &["chatops.toml:1", "version"]).await;
    }
}

/// Anywhere but on Lambda a function says what it is.
#[tokio::test]
async fn outside_of_lambda_it_says_so() {
    let world = LambdaWorld::new().await;
    for function in [&world.ingest, &world.worker, &world.notifier] {
        let function = function.with(RUNTIME_API, Some("none"));
        is_rejected(&function, &[RUNTIME_API, "runs only there"]).await;
    }
}
