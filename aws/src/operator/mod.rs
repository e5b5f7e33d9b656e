//! What only an operator at the command line asks of AWS: where the parts of a deployment are, what
//! lies in its dead-letter queue, and how it is set up. No function uses any of it.

pub mod inspect;
mod letters;

use std::error::Error;
use std::fmt;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use chatops_core::ports::{Lane, StoreError};

pub use self::letters::Letters;
use crate::client::Aws;
use crate::failure::words;

/// What a deployment's parts are called; the template gives them these names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(String);

impl Names {
    /// The names of a stack.
    #[must_use]
    pub fn of_stack(stack: &str) -> Self {
        Self(stack.to_owned())
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> String {
        format!("{}-ledger", self.0)
    }

    /// A queue.
    #[must_use]
    pub fn queue(&self, lane: Lane) -> String {
        format!("{}-{}", self.0, lane.name())
    }

    /// The secrets.
    #[must_use]
    pub fn secrets(&self) -> [String; 3] {
        ["inbound", "circleci", "slack-bot"].map(|name| format!("{}/{name}", self.0))
    }

    /// Where a queue is.
    pub async fn address(&self, aws: &Aws, lane: Lane) -> Result<String, Trouble> {
        let request = aws.sqs().get_queue_url().queue_name(self.queue(lane));
        let answer = request.send().await;
        let answer = answer.map_err(|error| Trouble::of("sqs:GetQueueUrl", &error))?;
        Ok(answer.queue_url.unwrap_or_default())
    }
}

/// Why a call was of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What was tried, as rights are called; unknown where a port hides it.
    pub action: Option<&'static str>,
    /// What kind of trouble it is.
    pub kind: Kind,
    /// What AWS said, or what happened on the way.
    pub words: String,
}

/// The kinds of trouble that have a fix of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// There is no such table, queue or secret.
    Missing,
    /// The right to do it is missing.
    Denied,
    /// The credentials have run out or are none.
    Credentials,
    /// Anything else.
    Other,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Error for Trouble {}

impl Trouble {
    /// What a failed call means.
    pub fn of<E, R>(action: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: fmt::Debug + 'static,
    {
        let action = Some(action);
        let words = words(error);
        Self {
            action,
            kind: Kind::of(&words),
            words,
        }
    }

    /// The same, of what came through a port, which has words only: they begin with AWS's code.
    #[must_use]
    pub fn of_words(words: &str) -> Self {
        Self {
            action: None,
            kind: Kind::of(words),
            words: words.to_owned(),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::of_words(&error.0)
    }
}

impl Kind {
    /// By the code that the words begin with.
    fn of(words: &str) -> Self {
        let code = words.split(':').next().unwrap_or_default();
        // SQS puts its own name before the code in the older of its two protocols.
        match code.rsplit('.').next().unwrap_or_default() {
            "ResourceNotFoundException" | "QueueDoesNotExist" | "NonExistentQueue" => Self::Missing,
            "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => Self::Denied,
            "ExpiredToken"
            | "ExpiredTokenException"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch" => Self::Credentials,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_says_is_understood_by_its_code() {
        for (words, kind) in [
            (
                "ResourceNotFoundException: Requested resource not found",
                Kind::Missing,
            ),
            (
                "AWS.SimpleQueueService.NonExistentQueue: none",
                Kind::Missing,
            ),
            (
                "AccessDeniedException: User: arn:aws:iam::1:user/a is not authorized",
                Kind::Denied,
            ),
            ("ExpiredTokenException", Kind::Credentials),
            ("ThrottlingException: slow down", Kind::Other),
            ("no answer in time", Kind::Other),
        ] {
            assert_eq!(Kind::of(words), kind, "{words}");
        }
    }

    #[test]
    fn the_parts_have_the_names_of_their_stack() {
        let names = Names::of_stack("web");
        assert_eq!(names.table(), "web-ledger");
        let queues = Lane::ALL.map(|lane| names.queue(lane));
        assert_eq!(
            queues,
            ["web-work", "web-notice", "web-work-dead", "web-notice-dead"]
        );
        assert_eq!(
            names.secrets(),
            ["web/inbound", "web/circleci", "web/slack-bot"]
        );
    }
}
