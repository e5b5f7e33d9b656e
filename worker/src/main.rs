//! The Lambda function of the worker service: batches of its queues, and the sweeper's schedule.

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
use chatops_core::ports::{Clock, Ports, QueueName, ReceivedMessage, SecretName};
use chatops_worker::{Invocation, Worker};

fn main() -> ExitCode {
    lambda::run(run_worker())
}

async fn run_worker() -> Result<()> {
    let config = lambda::load_config(env_var)?;
    let aws = AwsSdk::new(&AwsSettings::read(env_var)?)?;
    let queues = [
        QueueName::Work,
        QueueName::Polls,
        QueueName::Operators,
        QueueName::Notify,
        QueueName::WorkDlq,
    ];
    let urls = QueueUrls::read(env_var, &queues)?;
    let queue = Sqs::new(aws.sqs(), urls.clone());
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
            let Some(queue) = batch.queue_name(&urls)? else {
                return Ok(BatchResponse::default());
            };
            let deadline = Some(batch::work_deadline(clock.now(), left));
            let handle = async |message: ReceivedMessage| {
                let (id, sender) = (new_invocation(), message.sender.as_ref());
                let invocation = Invocation { id, deadline };
                Box::pin(worker.handle(&invocation, queue, &message.body, sender)).await
            };
            Ok(batch::run(&worker.ports.queue, queue, batch, left, handle).await?)
        }
        WorkerEvent::Schedule(_) => {
            let deadline = Some(batch::work_deadline(clock.now(), left));
            let id = new_invocation();
            worker.sweep(&Invocation { id, deadline }).await?.log();
            Ok(BatchResponse::default())
        }
    })
    .await
}
