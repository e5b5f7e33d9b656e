//! The Lambda shell: what every function does before, around and after its service.
//!
//! A function's `main` opens its ports and names its service. What all of them share is here: the
//! runtime on one thread, logs, the configuration, Lambda's two ways to hand over work ([`batch`] from
//! a queue, [`http`] from an API). No decision of the pipeline lives here.

pub mod batch;
mod env;
#[cfg(test)]
mod fuzz;
pub mod http;
mod logs;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chatops_core::Time;
use chatops_core::id::InvocationId;
use chatops_core::ports::Clock;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{Instrument, error, info_span};
use uuid::Uuid;

pub use self::env::{env_var, load_config, table_name};
use crate::clock::LambdaClock;

/// The variable with the address that a function gets its events from.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// Runs a function from its init to its end, on one thread: a function handles one event at a time, and
/// a second thread costs more than it brings.
///
/// An error before the first event is one line in the log, which names the fix.
pub fn run(function: impl Future<Output = Result<()>>) -> ExitCode {
    if let Err(problem) = logs::start_logs() {
        return print_error(&problem);
    }
    // Slack's and CircleCI's clients use the provider that is installed first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime
        .context("the runtime cannot be started")
        .and_then(|runtime| runtime.block_on(function));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            error!("{problem:#}");
            ExitCode::FAILURE
        }
    }
}

/// Without a log there is only this.
#[expect(clippy::print_stderr, reason = "the log could not be started")]
fn print_error(problem: &anyhow::Error) -> ExitCode {
    eprintln!("{problem:#}");
    ExitCode::FAILURE
}

/// Hands every event to `handle`, with the time that Lambda leaves for it, until Lambda ends the
/// process.
pub async fn serve<T, R, F>(handle: impl Fn(T, Duration) -> F) -> Result<()>
where
    T: DeserializeOwned,
    R: Serialize,
    F: Future<Output = Result<R>>,
{
    if std::env::var_os(RUNTIME_API).is_none() {
        bail!("{RUNTIME_API} is not set: this program is a Lambda function and runs only there");
    }
    let handle = &handle;
    let runtime = Runtime::new(service_fn(|event: LambdaEvent<T>| {
        let LambdaEvent { payload, context } = event;
        let span = info_span!("invocation", request_id = context.request_id);
        handle(payload, left(context.deadline, LambdaClock.now())).instrument(span)
    }));
    runtime.run().await.map_err(anyhow::Error::from_boxed)
}

/// The time left until Lambda's deadline, which comes in milliseconds since 1970. With an invalid
/// deadline none is left: then nothing is begun, rather than begun and not finished.
fn left(deadline: u64, now: Time) -> Duration {
    let deadline = i64::try_from(deadline).ok();
    let deadline = deadline.and_then(Time::from_timestamp_millis);
    let left = deadline.and_then(|deadline| (deadline - now).to_std().ok());
    left.unwrap_or_default()
}

/// An id that no other run of a handler has, not even one over the same message: Lambda's own request
/// id comes again when an invocation is retried.
#[expect(
    clippy::disallowed_methods,
    reason = "the shell is where the one drawn id is made"
)]
#[must_use]
pub fn new_invocation() -> InvocationId {
    InvocationId::new(Uuid::new_v4().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_is_in_milliseconds_since_1970() {
        let now = Time::from_timestamp_millis(1_800_000_000_000).unwrap();
        assert_eq!(left(1_800_000_030_500, now), Duration::from_millis(30_500));
        assert_eq!(left(1_799_999_999_999, now), Duration::ZERO);
        assert_eq!(left(0, now), Duration::ZERO);
        assert_eq!(left(u64::MAX, now), Duration::ZERO);
    }

    #[test]
    fn no_two_invocations_have_one_id() {
        assert_ne!(new_invocation(), new_invocation());
    }
}
