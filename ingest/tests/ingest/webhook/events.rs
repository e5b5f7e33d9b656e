//! What a signed webhook says: which event wakes the worker up, which is ignored, which cannot be read.

use chatops_core::ports::SendError;
use insta::assert_snapshot;

use super::*;

const PIPELINE: &str = "1285fe1d-d3a6-44fc-8886-8979558254c4";

#[test]
fn a_completed_workflow_is_queued_once_as_a_wake_up() {
    let ingest = test_ingest();
    let answer = response_to(&ingest, signed_webhook(COMPLETED));
    let shown = (answer.status.as_u16(), &*answer.text);
    assert_eq!(shown, (200, "Accepted.\n"));
    // Only the pipeline: what the webhook says about the outcome is not trusted.
    assert_snapshot!(ingest.queued_json(), @r#"{"pipeline":"1285fe1d-d3a6-44fc-8886-8979558254c4","type":"webhook.v1"}"#);
    assert_snapshot!(answer.log, @r#"{"level":"INFO","message":"webhook queued","pipeline":"1285fe1d-d3a6-44fc-8886-8979558254c4","target":"chatops_ingest::circleci"}"#);
}

#[test]
fn other_events_are_accepted_and_ignored() {
    let ingest = test_ingest();
    let not_needed = |body: &str| {
        let answer = response_to(&ingest, signed_webhook(body));
        let shown = (answer.status.as_u16(), answer.text.as_str());
        assert_eq!(shown, (200, "Accepted, and not needed.\n"), "{body}");
        assert_eq!(ingest.queued_count(), 0, "{body}");
    };
    for kind in [
        "job-completed",
        "ping",
        "workflow-started",
        "",
        "Workflow-Completed",
    ] {
        not_needed(&COMPLETED.replace("workflow-completed", kind));
    }
    // Whatever else it has.
    not_needed(r#"{"type":"ping"}"#);
    not_needed(r#"{"type":"pipeline-archived","pipeline":"all of them"}"#);
    not_needed(r#"{"type":"x","pipeline":[1,2],"workflow":null}"#);
}

#[test]
fn the_body_decides_and_not_the_headers() {
    let ingest = test_ingest();
    for (name, value) in [
        ("circleci-event-type", "job-completed"),
        ("content-type", "text/plain"),
        ("content-type", "application/x-www-form-urlencoded"),
    ] {
        let mut request = signed_webhook(COMPLETED);
        let value = HeaderValue::from_static(value);
        request.headers_mut().insert(name, value);
        assert_accepted(&ingest, request);
        let mut request = signed_webhook(COMPLETED);
        request.headers_mut().remove(name);
        assert_accepted(&ingest, request);
    }
}

#[test]
fn a_completed_workflow_without_a_pipeline_cannot_be_read() {
    let ingest = test_ingest();
    for body in [
        COMPLETED.replace("\"pipeline\"", "\"pipelines\""),
        COMPLETED.replace(PIPELINE, "130"),
        COMPLETED.replace(PIPELINE, ""),
        COMPLETED.replace(&format!("\"{PIPELINE}\""), "130"),
        r#"{"pipeline":{"id":"1285fe1d-d3a6-44fc-8886-8979558254c4"}}"#.to_owned(),
        r#"{"type":7}"#.to_owned(),
        "null".to_owned(),
    ] {
        assert_unreadable(&ingest, &body);
    }
}

#[test]
fn a_webhook_that_may_not_be_queued_is_to_be_sent_again() {
    for (error, reason) in [
        (SendError::not_sent("down"), "was not queued: down"),
        (SendError::unknown("slow"), "is unknown: slow"),
    ] {
        let mut ingest = test_ingest();
        ingest.0.ports.queue.fail_with(error);
        let answer = response_to(&ingest, signed_webhook(COMPLETED));
        assert_eq!(answer.status, 503);
        let text = "The webhook could not be queued; send it again.\n";
        assert_eq!(answer.text, text);
        assert!(answer.log.contains(reason), "{}", answer.log);
        // An ignored event needs no queue.
        let answer = response_to(&ingest, signed_webhook(r#"{"type":"ping"}"#));
        assert_eq!(answer.status, 200);
    }
}
