//! The queues: what hides a message, what moves it away, how long it is kept, who may not read it, and
//! how Lambda polls them.

use chatops_aws::operator::StackNames;
use chatops_core::ports::QueueName;
use serde_json::{Value, json};

use crate::document::{STACK, number, template, texts};

const DAY: u64 = 24 * 60 * 60;

/// A queue, with its name in the template.
pub(crate) fn queue_resource(queue_name: QueueName) -> (String, Value) {
    let name = StackNames::new(STACK).queue(queue_name);
    let mut queues = template().of_type("SQS::Queue").into_iter();
    let found = queues.find(|(_, queue)| queue["QueueName"] == *name);
    let (id, queue) = found.unwrap_or_else(|| panic!("no queue is called {name}"));
    (id.to_owned(), queue)
}

#[test]
fn the_queues_are_those_of_the_code() {
    assert_eq!(template().of_type("SQS::Queue").len(), QueueName::ALL.len());
    for queue_name in QueueName::ALL {
        let (_, queue) = queue_resource(queue_name);
        assert_eq!(queue["FifoQueue"], Value::Null, "{}", queue_name.as_str());
    }
}

#[test]
fn what_is_received_five_times_goes_to_the_dead_letter_queue() {
    for queue_name in QueueName::ALL {
        let (id, own) = queue_resource(queue_name);
        let Some(dead) = queue_name.dead_letter_queue() else {
            assert_eq!(own["RedrivePolicy"], Value::Null, "{id}");
            continue;
        };
        let (dead, dead_queue) = queue_resource(dead);
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
    for queue_name in QueueName::ALL {
        let (id, queue) = queue_resource(queue_name);
        let days = queue_name.dead_letter_queue().map_or(14, |_| 4);
        assert_eq!(number(&queue["MessageRetentionPeriod"]), days * DAY, "{id}");
    }
}

/// The mapping of each function that has one, by the function.
fn source_mapping(function: &str) -> Value {
    let mappings = template().of_type("Lambda::EventSourceMapping");
    assert_eq!(mappings.len(), 2);
    let mut mappings = mappings.into_values();
    let of_function = |mapping: &Value| mapping["FunctionName"] == format!("{{{function}}}");
    mappings.find(of_function).unwrap()
}

#[test]
fn a_message_is_hidden_for_six_times_as_long_as_its_function_may_take() {
    for (function, queue_name) in [("Worker", QueueName::Work), ("Notifier", QueueName::Notify)] {
        let timeout = number(&template().properties(function)["Timeout"]);
        for name in [Some(queue_name), queue_name.dead_letter_queue()] {
            let (id, queue) = queue_resource(name.unwrap());
            let hidden = number(&queue["VisibilityTimeout"]);
            assert!(hidden >= 6 * timeout, "{id}: {hidden} s for {timeout} s");
        }
    }
}

#[test]
fn lambda_polls_each_queue_and_takes_partial_failures_from_its_function() {
    for (function, queue_name) in [("Worker", QueueName::Work), ("Notifier", QueueName::Notify)] {
        let mapping = source_mapping(function);
        let source = format!("{{{}.Arn}}", queue_resource(queue_name).0);
        assert_eq!(mapping["EventSourceArn"], source, "{function}");
        let response = json!(["ReportBatchItemFailures"]);
        assert_eq!(mapping["FunctionResponseTypes"], response);
        assert_eq!(mapping["BatchSize"], 10);
        assert!(mapping["MaximumBatchingWindowInSeconds"].is_null());
        let most = number(&mapping["ScalingConfig"]["MaximumConcurrency"]);
        assert!((2..=1000).contains(&most), "{function}: {most}");
        assert_ne!(mapping["Enabled"], false, "{function}");
    }
}

#[test]
fn no_queue_is_read_without_tls() {
    let policies = template().of_type("SQS::QueuePolicy");
    let covered = policies.values().flat_map(|it| texts(&it["Queues"]));
    let mut covered: Vec<_> = covered.collect();
    covered.sort_unstable();
    let mut all = QueueName::ALL.map(|queue_name| format!("{{{}}}", queue_resource(queue_name).0));
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
