//! The queues: what hides a message, what moves it away, how long it is kept, who may not read it, and
//! how Lambda polls them.

use chatops_aws::operator::StackNames;
use chatops_core::ports::{MAX_RECEIVES, QueueName};
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
fn what_is_received_too_often_goes_to_the_dead_letter_queue() {
    for queue_name in QueueName::ALL {
        let (id, own) = queue_resource(queue_name);
        let Some(dead) = queue_name.dead_letter_queue() else {
            assert_eq!(own["RedrivePolicy"], Value::Null, "{id}");
            continue;
        };
        let (dead, dead_queue) = queue_resource(dead);
        let arn = format!("{{{dead}.Arn}}");
        let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES});
        assert_eq!(own["RedrivePolicy"], policy, "{id}");
        let allows = &dead_queue["RedriveAllowPolicy"];
        assert_eq!(allows["redrivePermission"], "byQueue", "{dead}");
        let name = own["QueueName"].as_str().unwrap();
        let source = format!("arn:aws:sqs:eu-central-1:123456789012:{name}");
        let sources = texts(&allows["sourceQueueArns"]);
        assert!(sources.contains(&&*source), "{dead}: {sources:?}");
    }
    for dead in [QueueName::WorkDlq, QueueName::NotifyDlq] {
        let (id, queue) = queue_resource(dead);
        let before = QueueName::ALL.into_iter();
        let before = before.filter(|queue_name| queue_name.dead_letter_queue() == Some(dead));
        let sources = texts(&queue["RedriveAllowPolicy"]["sourceQueueArns"]);
        assert_eq!(sources.len(), before.count(), "{id}");
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

/// Which function handles which queue.
const HANDLED: [(&str, QueueName); 4] = [
    ("Worker", QueueName::Work),
    ("Worker", QueueName::Polls),
    ("Worker", QueueName::Operators),
    ("Notifier", QueueName::Notify),
];

/// The mapping of a queue.
fn source_mapping(queue_name: QueueName) -> Value {
    let mappings = template().of_type("Lambda::EventSourceMapping");
    assert_eq!(mappings.len(), HANDLED.len());
    let source = format!("{{{}.Arn}}", queue_resource(queue_name).0);
    let mut mappings = mappings.into_values();
    let found = mappings.find(|mapping| mapping["EventSourceArn"] == *source);
    found.unwrap_or_else(|| panic!("nothing handles {source}"))
}

#[test]
fn a_message_is_hidden_for_six_times_as_long_as_its_function_may_take() {
    for (function, queue_name) in HANDLED {
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
    for (function, queue_name) in HANDLED {
        let mapping = source_mapping(queue_name);
        assert_eq!(mapping["FunctionName"], format!("{{{function}}}"));
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
        let over_tls = json!({
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        });
        let statements = &policy["PolicyDocument"]["Statement"];
        assert_eq!(statements[0], over_tls, "{name}");
    }
}

/// The statements of a queue's policy besides the one about TLS.
fn own_statements(queue_name: QueueName) -> Vec<Value> {
    let id = format!("{{{}}}", queue_resource(queue_name).0);
    let mut policies = template().of_type("SQS::QueuePolicy").into_values();
    let policy = policies.find(|policy| texts(&policy["Queues"]).contains(&&*id));
    let statements = policy.unwrap()["PolicyDocument"]["Statement"].clone();
    statements.as_array().unwrap()[1..].to_vec()
}

/// Whoever could send there could start anything in anybody's name.
#[test]
fn only_their_senders_send_to_the_queues_of_work_and_polls() {
    let roles = ["{IngestRole.Arn}", "{WorkerRole.Arn}", "{RedriveRole.Arn}"];
    for queue_name in QueueName::ALL {
        let senders = match queue_name {
            QueueName::Work => &roles[..],
            QueueName::Polls => &roles[..2],
            _ => {
                assert!(own_statements(queue_name).is_empty(), "{queue_name:?}");
                continue;
            }
        };
        let only_senders = json!({
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:SendMessage",
            "Resource": "*",
            "Condition": {"ArnNotEquals": {"aws:PrincipalArn": senders}},
        });
        assert_eq!(own_statements(queue_name), [only_senders], "{queue_name:?}");
    }
}
