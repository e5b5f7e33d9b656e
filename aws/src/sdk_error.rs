//! Failed calls to AWS: the action, the kind of failure by AWS's code, and the text for people.

use std::error::Error;
use std::fmt;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use chatops_core::ports::{LedgerError, PortErrorKind, QueueError, SecretError};

/// Every action that the code takes, as IAM policies name it. [`failed`] accepts no other, and the test
/// of the template's policies reads this list.
pub const ACTIONS: [&str; 16] = [
    "dynamodb:BatchGetItem",
    "dynamodb:DescribeContinuousBackups",
    "dynamodb:DescribeTable",
    "dynamodb:GetItem",
    // A transaction takes the rights of its writes, and those are puts.
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    // The batch of it takes the same right.
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
    // Nobody can be denied it.
    "sts:GetCallerIdentity",
];

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// The action; `None` if it is not about a call.
    pub action: Option<&'static str>,
    /// The kind of failure.
    pub kind: PortErrorKind,
    /// AWS's code and message, or what happened on the way.
    pub message: String,
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for AwsError {}

/// For `map_err`: the error of a failed call of `action`.
pub fn failed<E, R>(action: &'static str) -> impl Fn(SdkError<E, R>) -> AwsError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: fmt::Debug + 'static,
{
    debug_assert!(ACTIONS.contains(&action), "{action} is not in the list");
    move |error| AwsError {
        action: Some(action),
        kind: kind_of_code(error.code().unwrap_or_default()),
        message: describe_error(&error),
    }
}

fn kind_of_code(code: &str) -> PortErrorKind {
    // The older of SQS's two protocols puts the service's name before the code.
    match code.rsplit('.').next().unwrap_or_default() {
        "ResourceNotFoundException" | "QueueDoesNotExist" | "NonExistentQueue" => {
            PortErrorKind::Missing
        }
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => PortErrorKind::Denied,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch" => PortErrorKind::Unauthenticated,
        "ProvisionedThroughputExceededException" | "RequestLimitExceeded" => {
            PortErrorKind::Throttled
        }
        code if code.contains("Throttl") => PortErrorKind::Throttled,
        _ => PortErrorKind::Unavailable,
    }
}

macro_rules! port_errors {
    ($($error:ty),*) => {$(
        impl From<AwsError> for $error {
            fn from(error: AwsError) -> Self {
                Self::new(error.kind, error)
            }
        }

        impl From<$error> for AwsError {
            fn from(error: $error) -> Self {
                let aws = error.cause().downcast_ref::<Self>().cloned();
                aws.unwrap_or_else(|| Self {
                    action: None,
                    kind: error.kind(),
                    message: error.cause().to_string(),
                })
            }
        }
    )*};
}
port_errors!(LedgerError, QueueError, SecretError);

/// A failed call in one sentence: the service's code and message, or what happened on the way.
fn describe_error<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: fmt::Debug + 'static,
{
    match error {
        SdkError::ServiceError(answer) => match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            // An answer that cannot be parsed is a service error as well.
            (None, _) => error_chain(answer.err()),
        },
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) => {
            let cause = failure.as_connector_error().map(|error| error_chain(error));
            let cause = cause.unwrap_or_else(|| "for an unknown reason".to_owned());
            format!("it could not be sent or answered: {cause}")
        }
        SdkError::ResponseError(_) => "the answer makes no sense".to_owned(),
        other => error_chain(other),
    }
}

/// An error and its causes.
fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_classified_by_its_code() {
        let queue = "AWS.SimpleQueueService.NonExistentQueue";
        for (code, kind) in [
            ("ResourceNotFoundException", PortErrorKind::Missing),
            (queue, PortErrorKind::Missing),
            ("AccessDeniedException", PortErrorKind::Denied),
            ("ExpiredTokenException", PortErrorKind::Unauthenticated),
            ("ThrottlingException", PortErrorKind::Throttled),
            ("InternalServerError", PortErrorKind::Unavailable),
            ("", PortErrorKind::Unavailable),
        ] {
            assert_eq!(kind_of_code(code), kind, "{code}");
        }
    }

    #[test]
    fn a_port_error_carries_the_error_of_aws() {
        let denied = AwsError {
            action: Some("dynamodb:Query"),
            kind: PortErrorKind::Denied,
            message: "AccessDeniedException: no".to_owned(),
        };
        let of_port = LedgerError::from(denied.clone());
        assert_eq!(of_port.kind(), PortErrorKind::Denied);
        assert_eq!(AwsError::from(of_port), denied);
    }
}
