//! Somebody who has the operators' policy and nothing else, at the command line.

use std::process::{Command, Stdio};

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue;
use chatops_core::deploy::DeployState;
use chatops_testkit::deploy_id;
use serde_json::{Value, json};

use crate::stack::DeployedStack;
use crate::stories::failed_deploy;

/// Who it is in the record of calls.
pub(crate) const OPERATOR_NAME: &str = "operator";

/// What the emulator records of every sender; SQS records the user, or the role with its session.
const SENDER: &str = "000000000000";

pub(crate) struct OperatorCli<'a> {
    stack: &'a DeployedStack,
    keys: Value,
}

impl<'a> OperatorCli<'a> {
    pub(crate) fn new(stack: &'a DeployedStack) -> Self {
        let policy = stack.output("OperatorPolicyArn");
        let keys = stack.run_script("make_user.py", &[OPERATOR_NAME, policy]);
        Self { stack, keys }
    }

    /// `chatops --aws` with these arguments, which ends well; what it says.
    fn run_ok(&self, arguments: &[&str]) -> String {
        self.run_with_code(arguments, 0)
    }

    /// The same, with the exit code that it ends with.
    fn run_with_code(&self, arguments: &[&str], expected: i32) -> String {
        let key = |name: &str| self.keys[name].as_str().unwrap();
        let mut command = Command::new(&self.stack.programs["chatops"]);
        command.arg("--aws").args(arguments).env_clear();
        command.envs(self.stack.account_env());
        command.env("AWS_ACCESS_KEY_ID", key("id"));
        command.env("AWS_SECRET_ACCESS_KEY", key("secret"));
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        assert_eq!(code, Some(expected), "{arguments:?}: {said}{words}");
        said
    }
}

/// A deploy that did not start, retried by its id.
pub(crate) async fn retries_one(stack: &DeployedStack, operator: &OperatorCli<'_>) {
    let sent = failed_deploy(stack, "operate").await;
    let old = deploy_id(&sent);
    let id = old.to_string();
    assert!(operator.run_ok(&["failed", "--json"]).contains(&id));
    operator.run_ok(&["retry", &id]);
    let new = stack.retry_of(old, DeployState::Succeeded).await;
    let listed = operator.run_ok(&["history", "job:operate", "--json"]);
    assert!(listed.contains(&new.id.to_string()), "{listed}");
    let shown = operator.run_ok(&["show", &id]);
    assert!(shown.contains(&format!("operator {SENDER}")), "{shown}");
    assert_eq!(stack.count_pipelines("operate"), 1);
}

/// Everything that waits for a retry at once. The other stories have such deploys, so this comes after them.
pub(crate) async fn retries_all(stack: &DeployedStack, operator: &OperatorCli<'_>) {
    let sent = failed_deploy(stack, "bulk").await;
    let summary = operator.run_ok(&["retry", "--all", "--json"]);
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let id = deploy_id(&sent);
    assert_eq!(summary["enqueued"], json!([id]), "{summary}");
    assert_eq!(summary["skipped"], json!([]), "{summary}");
    stack.retry_of(id, DeployState::Succeeded).await;
    assert_eq!(stack.count_pipelines("bulk"), 1);
}

/// What would let an operator start anything, or read where to post, is refused.
pub(crate) async fn is_refused_what_is_not_theirs(stack: &DeployedStack, keys: &OperatorCli<'_>) {
    let aws = stack.clients_of(&keys.keys);
    let (sqs, dynamodb) = (aws.sqs(), aws.dynamodb());
    for queue in [
        "WorkQueueUrl",
        "PollsQueueUrl",
        "WorkDlqUrl",
        "NotifyQueueUrl",
    ] {
        let request = sqs.send_message().queue_url(stack.output(queue));
        let refused = request.message_body("{}").send().await.unwrap_err();
        assert_refused(queue, refused.code());
        let request = sqs.receive_message().queue_url(stack.output(queue));
        let refused = request.send().await.unwrap_err();
        assert_refused(queue, refused.code());
    }
    // Not even the account itself, whose own rights have no end.
    let request = stack.aws.sqs().send_message();
    let request = request.queue_url(stack.output("WorkQueueUrl"));
    let refused = request.message_body("{}").send().await.unwrap_err();
    assert_refused("the account", refused.code());
    let table = stack.output("TableName");
    let read = dynamodb.get_item().table_name(table);
    let read = read.key("pk", AttributeValue::S("N#1".to_owned()));
    let read = read.key("sk", AttributeValue::S("-".to_owned()));
    assert_refused("a notification", read.send().await.unwrap_err().code());
    let scan = dynamodb.scan().table_name(table);
    assert_refused("a scan", scan.clone().send().await.unwrap_err().code());
    let scan = scan.projection_expression("pk, notification");
    assert_refused("a scan", scan.send().await.unwrap_err().code());
}

fn assert_refused(what: &str, code: Option<&str>) {
    let refused = ["AccessDenied", "AccessDeniedException"].map(Some);
    assert!(refused.contains(&code), "{what}: {code:?}");
}

/// A build that runs is canceled.
pub(crate) async fn cancels(stack: &DeployedStack, operator: &OperatorCli<'_>) {
    let (sent, _) = stack.types("main cancel").await;
    let id = deploy_id(&sent);
    stack.reach(id, DeployState::Running).await;
    operator.run_ok(&["cancel", &id.to_string()]);
    stack.reach(id, DeployState::Canceled).await;
}

/// Nothing is wrong with the stack, nor with anything on record.
#[expect(
    clippy::print_stdout,
    reason = "`--nocapture` shows what docs/aws.md shows"
)]
pub(crate) fn reads_everything(operator: &OperatorCli<'_>) {
    let found = operator.run_ok(&["doctor"]);
    println!("{found}");
    assert!(!found.contains("FAIL"), "{found}");
    assert!(!found.contains("it cannot be known"), "{found}");
    let verified = operator.run_ok(&["audit", "verify"]);
    println!("{verified}");
}
