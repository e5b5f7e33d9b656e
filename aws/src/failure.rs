//! What an AWS call met, in words.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A failed call in one sentence: the service's code and words, or what happened on the way.
pub(crate) fn words<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let meta = answer.err().meta();
            match (meta.code(), meta.message()) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(code), None) => code.to_owned(),
                // An answer that is not understood is one of these as well.
                (None, _) => chain(answer.err()),
            }
        }
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(failure) => {
            let cause = failure.as_connector_error().map(|error| chain(error));
            let cause = cause.unwrap_or_else(|| "for an unknown reason".to_owned());
            format!("it could not be sent or answered: {cause}")
        }
        SdkError::ResponseError(_) => "the answer makes no sense".to_owned(),
        other => chain(other),
    }
}

/// An error and what caused it.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
