//! The queues: what hides a message, what moves it away, how long it is kept, who may not read it, and
//! how Lambda polls them.

use chatops_aws::operator::Names;
use chatops_core::ports::Lane;
use serde_json::{Value, json};

use crate::document::{STACK, number, template, texts};

const DAY: u64 = 24 * 60 * 60;

/// The queue of a lane, by its name in the template.
pub(crate) fn queue(lane: Lane) -> (String, Value) {
    let name = Names::of_stack(STACK).queue(lane);
    let queues = template().of_type("SQS::Queue");
    let found = queues
        .into_iter()
        .find(|(_, queue)| queue["QueueName"] == *name);
    let (id, queue) = found.unwrap_or_else(|| panic!("no queue is called {name}"));
    (id.to_owned(), queue)
}

#[test]
fn the_queues_are_the_lanes() {
    assert_eq!(template().of_type("SQS::Queue").len(), Lane::ALL.len());
    for lane in Lane::ALL {
        let (_, queue) = queue(lane);
        assert_eq!(queue["FifoQueue"], Value::Null, "{}", lane.name());
    }
}

#[test]
fn what_is_received_five_times_goes_to_the_lanes_dead_letter_queue() {
    for lane in Lane::ALL {
        let (id, own) = queue(lane);
        let Some(dead) = lane.dead() else {
            assert_eq!(own["RedrivePolicy"], Value::Null, "{id}");
            continue;
        };
        let (dead, dead_queue) = queue(dead);
        let policy =
            json!({"deadLetterTargetArn": format!("{{{dead}.Arn}}"), "maxReceiveCount": 5});
        assert_eq!(own["RedrivePolicy"], policy, "{id}");
        let name = own["QueueName"].as_str().unwrap();
        let source = format!("arn:aws:sqs:eu-central-1:123456789012:{name}");
        let allows = json!({"redrivePermission": "byQueue", "sourceQueueArns": [source]});
        assert_eq!(dead_queue["RedriveAllowPolicy"], allows, "{dead}");
    }
}

#[test]
fn a_dead_letter_queue_keeps_longer_than_the_queue_before_it() {
    for lane in Lane::ALL {
        let (id, queue) = queue(lane);
        let days = if lane.dead().is_some() { 4 } else { 14 };
        assert_eq!(number(&queue["MessageRetentionPeriod"]), days * DAY, "{id}");
    }
}

/// The mapping of each function that has one, by the function.
fn mapping(function: &str) -> Value {
    let mappings = template().of_type("Lambda::EventSourceMapping");
    assert_eq!(mappings.len(), 2);
    let mut mappings = mappings.into_values();
    let of_function = |mapping: &Value| mapping["FunctionName"] == format!("{{{function}}}");
    mappings.find(of_function).unwrap()
}

#[test]
fn a_message_is_hidden_for_six_times_as_long_as_its_function_may_take() {
    for (function, lane) in [("Worker", Lane::Work), ("Notifier", Lane::Notice)] {
        let timeout = number(&template().properties(function)["Timeout"]);
        for lane in [Some(lane), lane.dead()].into_iter().flatten() {
            let (id, queue) = queue(lane);
            let hidden = number(&queue["VisibilityTimeout"]);
            assert!(hidden >= 6 * timeout, "{id}: {hidden} s for {timeout} s");
        }
    }
}

#[test]
fn lambda_polls_each_queue_and_takes_partial_failures_from_its_function() {
    for (function, lane) in [("Worker", Lane::Work), ("Notifier", Lane::Notice)] {
        let mapping = mapping(function);
        let source = format!("{{{}.Arn}}", queue(lane).0);
        assert_eq!(mapping["EventSourceArn"], source, "{function}");
        assert_eq!(
            mapping["FunctionResponseTypes"],
            json!(["ReportBatchItemFailures"])
        );
        assert_eq!(mapping["BatchSize"], 10);
        assert_eq!(
            mapping["MaximumBatchingWindowInSeconds"],
            Value::Null,
            "nobody waits"
        );
        let most = number(&mapping["ScalingConfig"]["MaximumConcurrency"]);
        assert!((2..=1000).contains(&most), "{function}: {most}");
        assert_ne!(mapping["Enabled"], false, "{function}");
    }
}

#[test]
fn nobody_reads_a_queue_without_tls() {
    let policies = template().of_type("SQS::QueuePolicy");
    let mut covered: Vec<_> = policies
        .values()
        .flat_map(|it| texts(&it["Queues"]))
        .collect();
    covered.sort_unstable();
    let mut all = Lane::ALL.map(|lane| format!("{{{}}}", queue(lane).0));
    all.sort_unstable();
    assert_eq!(covered, all);
    for (name, policy) in policies {
        let wanted = json!([{
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }]);
        assert_eq!(policy["PolicyDocument"]["Statement"], wanted, "{name}");
    }
}
