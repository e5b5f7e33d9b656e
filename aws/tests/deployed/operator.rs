//! Somebody who has the operators' policy and nothing else, at the command line.

use std::process::{Command, Stdio};

use chatops_core::deploy::DeployState;
use chatops_testkit::deploy_id;
use serde_json::Value;

use crate::stack::DeployedStack;
use crate::stories::failed_deploy;

/// Who it is in the audit and in the record of calls.
pub(crate) const OPERATOR_NAME: &str = "operator";

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
    let arn = format!("arn:aws:iam::000000000000:user/{OPERATOR_NAME}");
    assert!(shown.contains(&arn), "{shown}");
    assert_eq!(stack.count_pipelines("operate"), 1);
}

/// All tickets in the dead-letter queue at once, beside the poison. Another reader of that queue would
/// be in the way, so this has the stack for itself.
pub(crate) async fn retries_all(stack: &DeployedStack, operator: &OperatorCli<'_>) {
    let sent = failed_deploy(stack, "bulk").await;
    let summary = operator.run_with_code(&["retry", "--all", "--json"], 1);
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let id = deploy_id(&sent);
    let enqueued = summary["enqueued"].to_string().contains(&id.to_string());
    assert!(enqueued, "{summary}");
    assert_eq!(summary["skipped"]["not_a_ticket"], 1, "{summary}");
    stack.retry_of(id, DeployState::Succeeded).await;
    assert_eq!(stack.count_pipelines("bulk"), 1);
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
    reason = "`--nocapture` shows what the README shows"
)]
pub(crate) fn reads_everything(operator: &OperatorCli<'_>) {
    let found = operator.run_ok(&["doctor"]);
    println!("{found}");
    assert!(!found.contains("FAIL"), "{found}");
    assert!(!found.contains("it cannot be known"), "{found}");
    let verified = operator.run_ok(&["audit", "verify"]);
    println!("{verified}");
}
