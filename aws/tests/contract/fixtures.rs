//! The adapters of AWS, with a table and queues of their own for each check.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatops_aws::client::AwsSdk;
use chatops_aws::dynamodb::DynamoDb;
use chatops_aws::sqs::{QueueUrls, Sqs};
use chatops_core::Time;
use chatops_core::ports::QueueName;
use chatops_testkit::account::{make_queues, make_table};
use chatops_testkit::emulator::{self, endpoint, set_clock, unique};

use chatops_testkit::suites::support::{MAX_RECEIVES, PortFixture, at, block_on};

/// A table, queues, and the clock of the queues.
pub(crate) struct AwsFixture {
    name: String,
    aws: AwsSdk,
    clock: Mutex<Time>,
    store: Arc<DynamoDb>,
    queue: Arc<Sqs>,
}

impl PortFixture for AwsFixture {
    type Store = DynamoDb;
    type Reader = DynamoDb;
    type Queue = Sqs;
    const FILTER_STEP: usize = 11;

    async fn fresh() -> Self {
        let (name, aws) = (unique(), emulator::aws_clients(&endpoint().url));
        let store = Arc::new(make_table(&aws, &name).await);
        if endpoint().is_ours {
            set_clock(&name, at(0).timestamp_micros());
        }
        let queues = make_queues(&aws, &name, MAX_RECEIVES).await;
        let queues = Sqs::new(aws.sqs(), queues.into_iter().collect::<QueueUrls>());
        let queue = Arc::new(if endpoint().is_ours {
            queues.without_wait()
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
        if endpoint().is_ours {
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

    fn reader(&self) -> Arc<DynamoDb> {
        self.store()
    }

    fn queue(&self) -> Arc<Sqs> {
        Arc::clone(&self.queue)
    }
}

/// Runs a check of a suite; what it made elsewhere than in our own emulator is removed again.
pub(crate) fn run_check<C: AsyncFnOnce(AwsFixture)>(check: C) {
    block_on(async {
        let it = AwsFixture::fresh().await;
        let AwsFixture {
            name, aws, queue, ..
        } = &it;
        let (name, aws, queue) = (name.clone(), aws.clone(), Arc::clone(queue));
        check(it).await;
        if !endpoint().is_ours {
            let table = aws.dynamodb().delete_table().table_name(name);
            table.send().await.unwrap();
            for queue_name in QueueName::ALL {
                let url = queue.queue_url(queue_name).unwrap();
                let delete = aws.sqs().delete_queue().queue_url(url);
                delete.send().await.unwrap();
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
                crate::fixtures::run_check(super::$check);
            })*
        }
    };
}
pub(crate) use suite;
