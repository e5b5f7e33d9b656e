//! The alarms: what is watched, when it is too much, and that somebody hears of it.

use std::collections::{BTreeMap, BTreeSet};

use chatops_core::config::Config;
use serde_json::{Value, json};

use crate::document::{number, project_file, template};

const DEPTH: &str = "AWS/SQS ApproximateNumberOfMessagesVisible";
const AGE: &str = "AWS/SQS ApproximateAgeOfOldestMessage";

/// What is watched: the metric and what it is of.
const WATCHED: [(&str, &str); 17] = [
    ("chatops/chatops BuriedWork", ""),
    ("chatops/chatops BuriedNotify", ""),
    ("chatops/chatops Undelivered", ""),
    (AGE, "QueueName={WorkDlq.QueueName}"),
    (DEPTH, "QueueName={NotifyDlq.QueueName}"),
    (AGE, "QueueName={WorkQueue.QueueName}"),
    (AGE, "QueueName={PollsQueue.QueueName}"),
    (AGE, "QueueName={OperatorsQueue.QueueName}"),
    (AGE, "QueueName={NotifyQueue.QueueName}"),
    ("AWS/Lambda Errors", "FunctionName={Ingest}"),
    ("AWS/Lambda Errors", "FunctionName={Worker}"),
    ("AWS/Lambda Errors", "FunctionName={Notifier}"),
    ("AWS/Lambda Throttles", "FunctionName={Ingest}"),
    ("AWS/Lambda Throttles", "FunctionName={Worker}"),
    ("AWS/Lambda Throttles", "FunctionName={Notifier}"),
    ("AWS/ApiGateway Latency", "ApiId={Api}"),
    ("AWS/ApiGateway 5xx", "ApiId={Api}"),
];

fn alarms() -> BTreeMap<&'static str, Value> {
    template().of_type("CloudWatch::Alarm")
}

fn metric_name(alarm: &Value) -> String {
    let (space, name) = (&alarm["Namespace"], &alarm["MetricName"]);
    format!("{} {}", space.as_str().unwrap(), name.as_str().unwrap())
}

#[test]
fn everything_that_can_go_wrong_is_watched() {
    let watched = alarms().into_values().map(|alarm| {
        let dimensions = alarm["Dimensions"].as_array().into_iter().flatten();
        let dimensions = dimensions.map(|dimension| {
            let (name, value) = (&dimension["Name"], &dimension["Value"]);
            format!("{}={}", name.as_str().unwrap(), value.as_str().unwrap())
        });
        let dimensions: Vec<_> = dimensions.collect();
        (metric_name(&alarm), dimensions.join(" "))
    });
    let watched: BTreeSet<_> = watched.collect();
    let wanted = WATCHED.map(|(metric, of)| (metric.to_owned(), of.to_owned()));
    assert_eq!(watched, wanted.into());
    assert_eq!(alarms().len(), WATCHED.len());
}

#[test]
fn every_alarm_is_heard_and_its_end_too() {
    for (name, alarm) in alarms() {
        assert_eq!(alarm["AlarmActions"], json!(["{Alarms}"]), "{name}");
        assert_eq!(alarm["OKActions"], json!(["{Alarms}"]), "{name}");
        assert_ne!(alarm["ActionsEnabled"], false, "{name}");
        let operator = "GreaterThanOrEqualToThreshold";
        assert_eq!(alarm["ComparisonOperator"], operator, "{name}");
        // Nobody types at night.
        assert_eq!(alarm["TreatMissingData"], "notBreaching", "{name}");
        let sentence = alarm["AlarmDescription"].as_str().unwrap().ends_with('.');
        assert!(sentence, "{name}");
    }
}

#[test]
fn an_alarm_comes_before_it_is_too_late() {
    let times = Config::parse(&project_file("config/chatops.toml"), "chatops.toml").unwrap();
    let times = times.timeouts.clone();
    let (stale, poll) = (
        times.request_ttl.as_secs(),
        times.poll_interval_max.as_secs(),
    );
    for (name, alarm) in alarms() {
        let (threshold, statistic) = (number(&alarm["Threshold"]), &alarm["Statistic"]);
        let lasts = number(&alarm["Period"]) * number(&alarm["EvaluationPeriods"]);
        match metric_name(&alarm).as_str() {
            // A ticket waits for people, who may sleep; a day later somebody should look.
            AGE if name == "WorkDlqAgeAlarm" => assert_eq!(threshold, 24 * 60 * 60),
            "AWS/SQS ApproximateAgeOfOldestMessage" => {
                assert_eq!(statistic, "Maximum", "{name}");
                // A poll that is delayed until it is due does not count.
                assert!(threshold > poll, "{name}: a poll is delayed by {poll} s");
                assert!(
                    threshold + lasts < stale,
                    "{name}: a command is refused after {stale} s"
                );
            }
            "AWS/ApiGateway Latency" => {
                assert_eq!(alarm["ExtendedStatistic"], "p99", "{name}");
                assert!(
                    (1_000..3_000).contains(&threshold),
                    "{name}: Slack waits for 3,000 ms"
                );
            }
            DEPTH => {
                assert_eq!((threshold, statistic), (1, &json!("Maximum")), "{name}");
            }
            _ => assert_eq!((threshold, statistic), (1, &json!("Sum")), "{name}"),
        }
    }
}

/// What is buried shares its queue with tickets, and what Slack was not told is in no queue: both are
/// counted where they are written down.
#[test]
fn what_is_buried_or_not_told_is_counted_by_the_line_that_says_so() {
    let filters = template().of_type("Logs::MetricFilter");
    let counted = filters.into_values().map(|filter| {
        let pattern = filter["FilterPattern"].as_str().unwrap().to_owned();
        let [metric] = filter["MetricTransformations"]
            .as_array()
            .unwrap()
            .as_slice()
        else {
            panic!("{filter} counts several things");
        };
        assert_eq!(metric["MetricValue"], "1");
        let (space, name) = (&metric["MetricNamespace"], &metric["MetricName"]);
        let metric = format!("{} {}", space.as_str().unwrap(), name.as_str().unwrap());
        let log = filter["LogGroupName"].as_str().unwrap().to_owned();
        (log, pattern, metric)
    });
    // No other line has these fields.
    let [buried, untold] = ["{ $.buried = 1 }", "{ $.undelivered = 1 }"];
    let wanted = [
        ("{WorkerLogs}", buried, "BuriedWork"),
        ("{NotifierLogs}", buried, "BuriedNotify"),
        ("{NotifierLogs}", untold, "Undelivered"),
    ];
    let wanted = wanted.map(|(log, pattern, metric)| {
        let metric = format!("chatops/chatops {metric}");
        (log.to_owned(), pattern.to_owned(), metric)
    });
    assert_eq!(counted.collect::<BTreeSet<_>>(), wanted.into());
}

/// Without an address there is the topic; with one it is told.
#[test]
fn mail_is_sent_to_whoever_is_named() {
    let subscription = template().properties("AlarmsByEmail");
    assert_eq!(subscription["TopicArn"], "{Alarms}");
    assert_eq!(subscription["Protocol"], "email");
    let subscriptions = template().with_attribute("Condition", "HasAlarmEmail");
    assert_eq!(subscriptions, BTreeSet::from(["AlarmsByEmail"]));
    assert_eq!(template().0["Parameters"]["AlarmEmail"]["Default"], "");
}

#[test]
fn what_to_do_is_written_down() {
    let page = project_file("docs/operations.md");
    for (id, alarm) in alarms() {
        let name = alarm["AlarmName"].as_str().unwrap();
        let name = name.strip_prefix("chatops-").unwrap();
        assert!(
            page.contains(&format!("`{name}`")),
            "{id}: docs/operations.md has no `{name}`"
        );
    }
}
