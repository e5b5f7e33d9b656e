//! What only an operator at the command line calls: where the parts of a deployment are, and how
//! it is set up. No function uses any of it.

pub mod inspect;

use chatops_core::ports::QueueName;

use crate::client::AwsSdk;
use crate::{AwsError, failed};

/// The names of a deployment's parts, as the template gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackNames(String);

impl StackNames {
    /// The names of a stack.
    #[must_use]
    pub fn new(stack: &str) -> Self {
        Self(stack.to_owned())
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> String {
        format!("{}-ledger", self.0)
    }

    /// A queue.
    #[must_use]
    pub fn queue(&self, queue_name: QueueName) -> String {
        format!("{}-{}", self.0, queue_name.as_str())
    }

    /// The secrets.
    #[must_use]
    pub fn secrets(&self) -> [String; 3] {
        ["inbound", "circleci", "slack-bot"].map(|name| format!("{}/{name}", self.0))
    }

    /// The URL of a queue.
    pub async fn queue_url(&self, aws: &AwsSdk, queue_name: QueueName) -> Result<String, AwsError> {
        let request = aws.sqs().get_queue_url().queue_name(self.queue(queue_name));
        let answer = request.send().await.map_err(failed("sqs:GetQueueUrl"))?;
        Ok(answer.queue_url.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_have_the_names_of_their_stack() {
        let names = StackNames::new("web");
        assert_eq!(names.table(), "web-ledger");
        let queues = QueueName::ALL.map(|queue_name| names.queue(queue_name));
        let expected = [
            "web-work",
            "web-polls",
            "web-operators",
            "web-notify",
            "web-work-dlq",
            "web-notify-dlq",
        ];
        assert_eq!(queues, expected);
        let secrets = ["web/inbound", "web/circleci", "web/slack-bot"];
        assert_eq!(names.secrets(), secrets);
    }
}
