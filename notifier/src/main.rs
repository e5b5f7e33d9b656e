//! The Lambda function that tells: batches of the notice queue.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use chatops_aws::client::{Aws, Settings};
use chatops_aws::clock::SystemClock;
use chatops_aws::dynamodb::DynamoDb;
use chatops_aws::lambda::batch::{self, Batch};
use chatops_aws::lambda::{self, environment};
use chatops_aws::secrets::{AwsSecrets, Sources};
use chatops_aws::sqs::{Addresses, Sqs};
use chatops_core::ports::{Lane, SecretName};
use chatops_notifier::{Notifier, SlackClient};

fn main() -> ExitCode {
    lambda::run(notifier())
}

async fn notifier() -> Result<()> {
    let config = lambda::config(environment)?;
    let aws = Aws::new(&Settings::read(environment)?)?;
    let queue = Sqs::new(aws.sqs(), Addresses::read(environment, &[Lane::Notice])?);
    let replies = DynamoDb::new(aws.dynamodb(), lambda::table(environment)?);
    let (clock, sources) = (SystemClock, Sources::read(environment)?);
    // Opened here, while nobody waits and the function has a whole processor.
    let secrets = AwsSecrets::open(aws.secrets(), Arc::new(clock), &sources);
    let (secrets, (), ()) = futures::join!(secrets, replies.warm(), queue.warm(Lane::Notice));
    let secrets = secrets?;
    let notifier = Notifier {
        replies,
        bot: secrets.has(SecretName::SlackBot),
        chat: SlackClient::new(&config.slack, &config.times, secrets)?,
        queue,
        clock,
        config,
    };
    lambda::serve(async |batch: Batch, left| {
        let handle = async |body| notifier.handle(&body).await;
        Ok(batch::run(&notifier.queue, Lane::Notice, batch, left, handle).await)
    })
    .await
}
