//! The Lambda function of the ingest service, behind API Gateway.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use chatops_aws::client::{AwsSdk, AwsSettings};
use chatops_aws::clock::LambdaClock;
use chatops_aws::lambda::{self, env_var, http};
use chatops_aws::secrets::{AwsSecrets, SecretSources};
use chatops_aws::sqs::{QueueUrls, Sqs};
use chatops_core::ports::{Ports, QueueName, SecretName};
use chatops_ingest::Ingest;

/// How long the queue may take. Slack waits for three seconds, cold start and network included.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    lambda::run(run_ingest())
}

async fn run_ingest() -> Result<()> {
    let config = lambda::load_config(env_var)?;
    let aws = AwsSdk::new(&AwsSettings {
        call_timeout: QUEUE_TIMEOUT,
        ..AwsSettings::read(env_var)?
    })?;
    let queues = [QueueName::Work, QueueName::Polls];
    let queue = Sqs::new(aws.sqs(), QueueUrls::read(env_var, &queues)?);
    let (clock, sources) = (LambdaClock, SecretSources::read(env_var)?);
    // Opened at start-up, while nobody waits and the function has a whole processor.
    let previous_ttl = config.timeouts.previous_secret_ttl;
    let secrets = AwsSecrets::open(aws.secrets(), Arc::new(clock), &sources, previous_ttl);
    let (secrets, ()) = futures::join!(secrets, queue.warm(QueueName::Work));
    let secrets = secrets?;
    secrets.require_any(&[SecretName::SlackSigning, SecretName::SlackVerification])?;
    let has = |name| secrets.has_secret(name);
    chatops_ingest::warn_of_token(
        has(SecretName::SlackVerification),
        has(SecretName::SlackSigning),
    );
    let ingest = Ingest {
        ports: Ports {
            ledger: (),
            queue,
            vendor: (),
            secrets,
        },
        clock: Arc::new(clock),
        config,
        refusals: Arc::default(),
    };
    lambda::serve(async |call: http::GatewayRequest, _| match call.request() {
        Ok(request) => Ok(http::GatewayResponse::from(ingest.handle(request).await)),
        Err(http::RequestError::Malformed) => Ok(http::GatewayResponse::bad_request()),
        Err(error) => Err(error.into()),
    })
    .await
}
