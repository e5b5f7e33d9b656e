//! The Lambda function that works: batches of the work queue, and the sweeper's schedule.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use chatops_aws::client::{Aws, Settings};
use chatops_aws::clock::SystemClock;
use chatops_aws::dynamodb::DynamoDb;
use chatops_aws::lambda::batch::{self, Answer, Work};
use chatops_aws::lambda::{self, environment, invocation};
use chatops_aws::secrets::{AwsSecrets, Sources};
use chatops_aws::sqs::{Addresses, Sqs};
use chatops_core::ports::{Clock, Lane, SecretName};
use chatops_worker::{CircleCi, Turn, Worker};

fn main() -> ExitCode {
    lambda::run(worker())
}

async fn worker() -> Result<()> {
    let config = lambda::config(environment)?;
    let aws = Aws::new(&Settings::read(environment)?)?;
    let lanes = [Lane::Work, Lane::Notice, Lane::WorkDead];
    let queue = Sqs::new(aws.sqs(), Addresses::read(environment, &lanes)?);
    let store = DynamoDb::new(aws.dynamodb(), lambda::table(environment)?);
    let (clock, sources) = (SystemClock, Sources::read(environment)?);
    // Opened here, while nobody waits and the function has a whole processor.
    let secrets = AwsSecrets::open(aws.secrets(), Arc::new(clock), &sources);
    let (secrets, (), ()) = futures::join!(secrets, store.warm(), queue.warm(Lane::Work));
    let secrets = secrets?;
    secrets.need_one_of(&[SecretName::CircleCiToken])?;
    let worker = Worker {
        store,
        ci: CircleCi::new(config.circleci.clone(), &config.times, secrets.clone())?,
        queue,
        secrets,
        clock,
        config,
    };
    lambda::serve(async |work: Work, left| match work {
        Work::Batch(batch) => {
            let ends = Some(batch::ends(clock.now(), left));
            let handle = async |body| {
                let me = invocation();
                Box::pin(worker.handle(&Turn { me, ends }, &body)).await
            };
            Ok(batch::run(&worker.queue, Lane::Work, batch, left, handle).await)
        }
        Work::Schedule(_) => {
            let found = worker.sweep().await?;
            let removed = worker.tidy().await?;
            tracing::info!(found, removed, "swept");
            Ok(Answer::default())
        }
    })
    .await
}
