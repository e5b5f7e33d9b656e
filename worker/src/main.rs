//! The Lambda function of the worker service: batches of the work queue, and the sweeper's schedule.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use chatops_aws::client::{AwsSdk, AwsSettings};
use chatops_aws::clock::LambdaClock;
use chatops_aws::dynamodb::DynamoDb;
use chatops_aws::lambda::batch::{self, BatchResponse, WorkerEvent};
use chatops_aws::lambda::{self, env_var, new_invocation};
use chatops_aws::secrets::{AwsSecrets, SecretSources};
use chatops_aws::sqs::{QueueUrls, Sqs};
use chatops_circleci::CircleCiClient;
use chatops_core::ports::{Clock, Ports, QueueName, SecretName};
use chatops_worker::{Invocation, Worker};

fn main() -> ExitCode {
    lambda::run(run_worker())
}

async fn run_worker() -> Result<()> {
    let config = lambda::load_config(env_var)?;
    let aws = AwsSdk::new(&AwsSettings::read(env_var)?)?;
    let queues = [QueueName::Work, QueueName::Notify, QueueName::WorkDlq];
    let queue = Sqs::new(aws.sqs(), QueueUrls::read(env_var, &queues)?);
    let ledger = DynamoDb::new(aws.dynamodb(), lambda::table_name(env_var)?);
    let (clock, sources) = (LambdaClock, SecretSources::read(env_var)?);
    // Opened at start-up, while nobody waits and the function has a whole processor.
    let previous_ttl = config.timeouts.previous_secret_ttl;
    let secrets = AwsSecrets::open(aws.secrets(), Arc::new(clock), &sources, previous_ttl);
    let (secrets, (), ()) = futures::join!(secrets, ledger.warm(), queue.warm(QueueName::Work));
    let secrets = secrets?;
    secrets.require_any(&[SecretName::CircleCiToken])?;
    let circleci = CircleCiClient::new(config.circleci.clone(), &config.timeouts, secrets.clone())?;
    let worker = Worker {
        ports: Ports {
            ledger,
            queue,
            vendor: circleci,
            secrets,
        },
        clock: Arc::new(clock),
        config,
    };
    lambda::serve(async |work: WorkerEvent, left| match work {
        WorkerEvent::Batch(batch) => {
            let deadline = Some(batch::work_deadline(clock.now(), left));
            let handle = async |body| {
                let id = new_invocation();
                Box::pin(worker.handle(&Invocation { id, deadline }, &body)).await
            };
            Ok(batch::run(&worker.ports.queue, QueueName::Work, batch, left, handle).await)
        }
        WorkerEvent::Schedule(_) => {
            let found = worker.sweep_due().await?;
            let removed = worker.clean_dead_letters().await?;
            tracing::info!(found, removed, "swept");
            Ok(BatchResponse::default())
        }
    })
    .await
}
