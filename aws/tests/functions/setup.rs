//! What a world is made of: table, queues, secrets, sandbox and settings.

use std::collections::HashMap;
use std::path::Path;

use aws_sdk_dynamodb::types::TableStatus;
use aws_sdk_sqs::types::QueueAttributeName;
use chatops_aws::client::Aws;
use chatops_aws::dynamodb::{DynamoDb, table};
use chatops_core::ports::Lane;
use chatops_sandbox::circleci::{Project, Script};
use chatops_sandbox::{Sandbox, Settings};
use serde_json::{Value, json};

use crate::world::{BUILD, SIGNING_SECRET, TOKEN};

/// How often a message is received before it goes to the dead-letter queue.
const MAX_RECEIVES: u32 = 5;

const KEY: &str = "canary4key4of4aws";

/// Quick, but with room for a slow machine wherever a time limits what may be met.
const TIMES: &str = r#"
connect_timeout = "2s"
request_timeout = "4s"
send_window = "5s"
horizon = "2s"
search_for = "20s"
grace = "2s"
poll_first = "100ms"
poll_longest = "1s"
retry_first = "100ms"
reply_lease = "5s"
"#;

/// What all functions read, and Lambda's own.
pub(crate) fn environment(config: &Path, endpoint: &str) -> Vec<(&'static str, String)> {
    vec![
        ("CHATOPS_CONFIG", config.display().to_string()),
        ("CHATOPS_LOG_LEVEL", "trace".to_owned()),
        ("CHATOPS_AWS_ROOTS", "amazon".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", KEY.to_owned()),
        ("AWS_SESSION_TOKEN", KEY.to_owned()),
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
    ]
}

pub(crate) async fn make_table(aws: &Aws, name: &str) -> DynamoDb {
    let client = aws.dynamodb();
    let made = table::create(&client, name).unwrap().send().await.unwrap();
    let status = made.table_description.unwrap().table_status;
    assert_eq!(status, Some(TableStatus::Active));
    DynamoDb::new(client, name)
}

pub(crate) async fn make_queues(aws: &Aws, name: &str) -> HashMap<Lane, String> {
    let client = aws.sqs();
    let mut queues: HashMap<Lane, String> = HashMap::new();
    for lane in [Lane::WorkDead, Lane::NoticeDead, Lane::Work, Lane::Notice] {
        let queue = format!("{name}-{}", lane.name());
        let mut request = client.create_queue().queue_name(queue);
        if let Some(dead) = lane.dead() {
            let queue = queues[&dead].rsplit('/').next().unwrap();
            let arn = format!("arn:aws:sqs:us-east-1:000000000000:{queue}");
            let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES});
            request = request.attributes(QueueAttributeName::RedrivePolicy, policy.to_string());
        }
        let made = request.send().await.unwrap();
        queues.insert(lane, made.queue_url.unwrap());
    }
    queues
}

/// A secret; its name.
pub(crate) async fn make_secret(aws: &Aws, name: &str, what: &str, value: &Value) -> String {
    let name = format!("{name}/{what}");
    let request = aws.secrets().create_secret().name(&name);
    let request = request.secret_string(value.to_string());
    request.send().await.unwrap();
    name
}

pub(crate) async fn sandbox() -> Sandbox {
    let project = Project {
        any_branch: true,
        parameters: vec!["job".to_owned(), "deploy_id".to_owned()],
        ..Project::new("gh/acme/web", TOKEN)
    };
    let settings = Settings::new(SIGNING_SECRET, vec![project]);
    let sandbox = Sandbox::start(settings).await.unwrap();
    for job in ["deploy", "test"] {
        let mut model = sandbox.circleci().lock();
        model.script(job, Script::success(BUILD));
    }
    sandbox
}

pub(crate) fn config(sandbox: &Sandbox, circleci: &str) -> String {
    let slack = sandbox.slack_url();
    format!(
        r#"
version = 1
default_project = "web"

[slack]
teams = ["T0001"]
reply_origins = ["{slack}"]
api = "{slack}"

[circleci]
api = "{circleci}"

[times]
{TIMES}

[projects.web]
slug = "gh/acme/web"

[projects.web.jobs.deploy]
environment = "production"
branches = ["main"]
channels = ["*"]
people = ["*"]

# Any number at a time.
[projects.web.jobs.test]
branches = ["**"]
channels = ["*"]
people = ["*"]
exclusive = false
"#
    )
}
