//! The Lambda function in front of the pipeline: API Gateway's requests to ingest, and back.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use chatops_aws::client::{Aws, Settings};
use chatops_aws::clock::SystemClock;
use chatops_aws::lambda::{self, environment, http};
use chatops_aws::secrets::{AwsSecrets, Sources};
use chatops_aws::sqs::{Addresses, Sqs};
use chatops_core::ports::{Lane, SecretName};
use chatops_ingest::Ingest;

/// How long the queue may take. Slack waits for three seconds, start and way included.
const PATIENCE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    lambda::run(ingest())
}

async fn ingest() -> Result<()> {
    let config = lambda::config(environment)?;
    let patience = PATIENCE;
    let aws = Aws::new(&Settings {
        patience,
        ..Settings::read(environment)?
    })?;
    let queue = Sqs::new(aws.sqs(), Addresses::read(environment, &[Lane::Work])?);
    let (clock, sources) = (SystemClock, Sources::read(environment)?);
    // Opened here, while nobody waits and the function has a whole processor.
    let secrets = AwsSecrets::open(aws.secrets(), Arc::new(clock), &sources);
    let (secrets, ()) = futures::join!(secrets, queue.warm(Lane::Work));
    let secrets = secrets?;
    secrets.need_one_of(&[SecretName::SlackSigning, SecretName::SlackVerification])?;
    let ingest = Ingest {
        queue,
        secrets,
        clock,
        config,
    };
    lambda::serve(async |call: http::Call, _| match call.request() {
        Ok(request) => Ok(http::Reply::from(ingest.handle(request).await)),
        Err(http::BadCall::Malformed) => Ok(http::Reply::malformed()),
        Err(nothing) => Err(nothing.into()),
    })
    .await
}
