//! The adapters of AWS, with a table and queues of their own for each check.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatops_aws::client::Aws;
use chatops_aws::dynamodb::DynamoDb;
use chatops_aws::sqs::{Addresses, Sqs};
use chatops_core::Time;
use chatops_core::ports::Lane;
use chatops_testbed::account::{make_queues, make_table};
use chatops_testbed::emulator::{self, endpoint, set_clock, unique};

use crate::suites::support::{Fixture, MAX_RECEIVES, at, block_on};

/// A table, queues, and the clock of the queues.
pub(crate) struct Cloud {
    name: String,
    aws: Aws,
    clock: Mutex<Time>,
    store: Arc<DynamoDb>,
    queue: Arc<Sqs>,
}

impl Fixture for Cloud {
    type Store = DynamoDb;
    type Queue = Sqs;

    async fn fresh() -> Self {
        let (name, aws) = (unique(), emulator::aws(&endpoint().url));
        let store = Arc::new(make_table(&aws, &name).await);
        if endpoint().ours {
            set_clock(&name, at(0).timestamp_micros());
        }
        let queues = make_queues(&aws, &name, MAX_RECEIVES).await;
        let queues = Sqs::new(aws.sqs(), queues.into_iter().collect::<Addresses>());
        let queue = Arc::new(if endpoint().ours {
            queues.impatient()
        } else {
            queues
        });
        Self {
            name,
            aws,
            clock: Mutex::new(at(0)),
            store,
            queue,
        }
    }

    /// Elsewhere than in our own emulator the clock cannot be moved: there it means waiting. Where
    /// a check stops a millisecond short, that is two seconds short, so that the way there and back
    /// does not matter.
    async fn advance(&self, by: Duration) {
        let from = *self.clock.lock().unwrap();
        let to = from + by;
        *self.clock.lock().unwrap() = to;
        if endpoint().ours {
            return set_clock(&self.name, to.timestamp_micros());
        }
        assert!(
            by < Duration::from_secs(1_200),
            "this check waits {by:?}: leave it out with --skip where no clock can be moved"
        );
        let real = |time: Time| {
            let short = time.timestamp_subsec_millis() == 999;
            time.timestamp() + if short { -1 } else { 2 }
        };
        let wait = u64::try_from(real(to) - real(from)).unwrap_or(0);
        tokio::time::sleep(Duration::from_secs(wait)).await;
    }

    fn store(&self) -> Arc<DynamoDb> {
        Arc::clone(&self.store)
    }

    fn queue(&self) -> Arc<Sqs> {
        Arc::clone(&self.queue)
    }
}

/// Runs a check of a suite; what it made elsewhere than in our own emulator is removed again.
pub(crate) fn run<C: AsyncFnOnce(Cloud)>(check: C) {
    block_on(async {
        let cloud = Cloud::fresh().await;
        let (name, aws, queue) = (cloud.name.clone(), cloud.aws.clone(), cloud.queue());
        check(cloud).await;
        if !endpoint().ours {
            let table = aws.dynamodb().delete_table().table_name(name);
            table.send().await.unwrap();
            for lane in Lane::ALL {
                let queue = aws
                    .sqs()
                    .delete_queue()
                    .queue_url(queue.address(lane).unwrap());
                queue.send().await.unwrap();
            }
        }
    });
}

/// Makes each check a test of its own.
macro_rules! suite {
    ($($check:ident),* $(,)?) => {
        mod aws {
            $(#[test]
            fn $check() {
                crate::fixtures::run(super::$check);
            })*
        }
    };
}
pub(crate) use suite;
