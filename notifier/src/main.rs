//! The Lambda function of the notifier service: batches of the notify queue.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use chatops_aws::client::{AwsSdk, AwsSettings};
use chatops_aws::clock::LambdaClock;
use chatops_aws::dynamodb::DynamoDb;
use chatops_aws::lambda::batch::{self, BatchResponse, SqsBatch};
use chatops_aws::lambda::{self, env_var};
use chatops_aws::secrets::{AwsSecrets, SecretSources};
use chatops_aws::sqs::{QueueUrls, Sqs};
use chatops_core::ports::{Ports, QueueName, ReceivedMessage};
use chatops_notifier::Notifier;
use chatops_slack::SlackClient;

fn main() -> ExitCode {
    lambda::run(run_notifier())
}

async fn run_notifier() -> Result<()> {
    let config = lambda::load_config(env_var)?;
    let aws = AwsSdk::new(&AwsSettings::read(env_var)?)?;
    let urls = QueueUrls::read(env_var, &[QueueName::Notify, QueueName::NotifyDlq])?;
    let queue = Sqs::new(aws.sqs(), urls.clone());
    let ledger = DynamoDb::new(aws.dynamodb(), lambda::table_name(env_var)?);
    let (clock, sources) = (LambdaClock, SecretSources::read(env_var)?);
    // Opened at start-up, while nobody waits and the function has a whole processor.
    let previous_ttl = config.timeouts.previous_secret_ttl;
    let secrets = AwsSecrets::open(aws.secrets(), Arc::new(clock), &sources, previous_ttl);
    let (secrets, (), ()) = futures::join!(secrets, ledger.warm(), queue.warm(QueueName::Notify));
    let secrets = secrets?;
    let notifier = Notifier {
        ports: Ports {
            ledger,
            queue,
            vendor: SlackClient::new(&config.slack, &config.timeouts, secrets)?,
            secrets: (),
        },
        clock: Arc::new(clock),
        config,
    };
    lambda::serve(async |batch: SqsBatch, left| {
        let Some(queue) = batch.queue_name(&urls)? else {
            return Ok(BatchResponse::default());
        };
        let handle = async |message: ReceivedMessage| notifier.handle(&message.body).await;
        Ok(batch::run(&notifier.ports.queue, queue, batch, left, handle).await?)
    })
    .await
}
