//! Somebody who has the operators' policy and nothing else, at the command line.

use std::process::{Command, Stdio};

use chatops_core::deploy::State;
use chatops_testbed::deploy_id;
use serde_json::Value;

use crate::stack::Stack;
use crate::stories::failed;

/// Who it is in the audit and in the record of calls.
pub(crate) const NAME: &str = "operator";

pub(crate) struct Operator<'a> {
    stack: &'a Stack,
    keys: Value,
}

impl<'a> Operator<'a> {
    pub(crate) fn new(stack: &'a Stack) -> Self {
        let policy = stack.output("OperatorPolicyArn");
        let keys = stack.python("make_user.py", &[NAME, policy]);
        Self { stack, keys }
    }

    /// `chatops --aws` with these arguments, which ends well; what it says.
    fn runs(&self, arguments: &[&str]) -> String {
        self.ends(arguments, 0)
    }

    /// The same, with the exit code that it ends with.
    fn ends(&self, arguments: &[&str], expected: i32) -> String {
        let key = |name: &str| self.keys[name].as_str().unwrap();
        let output = Command::new(&self.stack.programs["chatops"])
            .arg("--aws")
            .args(arguments)
            .env_clear()
            .envs(self.stack.environment())
            .env("AWS_ACCESS_KEY_ID", key("id"))
            .env("AWS_SECRET_ACCESS_KEY", key("secret"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        assert_eq!(code, Some(expected), "{arguments:?}: {said}{words}");
        said
    }
}

/// A deploy that did not start, tried again by its id.
pub(crate) async fn tries_one_again(stack: &Stack, operator: &Operator<'_>) {
    let sent = failed(stack, "operate").await;
    let old = deploy_id(&sent);
    let id = old.to_string();
    assert!(operator.runs(&["failed", "--json"]).contains(&id));
    operator.runs(&["retry", &id]);
    let new = stack.retry_of(old, State::Succeeded).await;
    let listed = operator.runs(&["history", "job:operate", "--json"]);
    assert!(listed.contains(&new.id.to_string()), "{listed}");
    let shown = operator.runs(&["show", &id]);
    let arn = format!("arn:aws:iam::000000000000:user/{NAME}");
    assert!(shown.contains(&arn), "{shown}");
    assert_eq!(stack.pipelines("operate"), 1);
}

/// All that wait in the dead-letter queue at once, in which the poison lies as well. Whoever else looks
/// into that queue meanwhile is in the way, so this has the stack for itself.
pub(crate) async fn tries_all_again(stack: &Stack, operator: &Operator<'_>) {
    let sent = failed(stack, "bulk").await;
    let summary = operator.ends(&["retry", "--all", "--json"], 1);
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let id = deploy_id(&sent);
    assert!(
        summary["enqueued"].to_string().contains(&id.to_string()),
        "{summary}"
    );
    assert_eq!(summary["left"]["not_an_order"], 1, "{summary}");
    stack.retry_of(id, State::Succeeded).await;
    assert_eq!(stack.pipelines("bulk"), 1);
}

/// A build that runs is canceled.
pub(crate) async fn cancels(stack: &Stack, operator: &Operator<'_>) {
    let (sent, _) = stack.types("main cancel").await;
    let id = deploy_id(&sent);
    stack.head(id, State::Running).await;
    operator.runs(&["cancel", &id.to_string()]);
    stack.head(id, State::Canceled).await;
}

/// Nothing is wrong with the stack, nor with anything on record.
#[expect(
    clippy::print_stdout,
    reason = "`--nocapture` shows what the README shows"
)]
pub(crate) fn looks_around(operator: &Operator<'_>) {
    let found = operator.runs(&["doctor"]);
    println!("{found}");
    assert!(!found.contains("FAIL"), "{found}");
    assert!(!found.contains("it cannot be known"), "{found}");
    let verified = operator.runs(&["audit", "verify"]);
    println!("{verified}");
}
