//! What may work later, and what leaves the outcome unknown.

use std::time::Duration;

use chatops_core::notification::PostResult;
use chatops_core::ports::ChatClient as _;
use chatops_sandbox::HttpFault;

use crate::support::{
    SHORT_TIMEOUTS, any_message, client_with, issued_target, post_answered, post_result,
    post_with_fault, raw_response, rejection, sandbox, shown_count,
};

#[tokio::test]
async fn too_many_requests_may_work_later() {
    for seconds in [None, Some(30)] {
        let after = seconds.map(Duration::from_secs);
        let result = post_with_fault(rejection(429, seconds, "rate_limited"), 0).await;
        assert_eq!(result, PostResult::Later { after });
    }
    for (wait, seconds) in [
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
        ("-1", Some(0)),
        ("1.5", Some(2)),
        ("86400", Some(300)),
        ("99999999999999999999999", Some(300)),
        ("", None),
        ("soon", None),
    ] {
        let header = format!("retry-after: {wait}\r\n");
        let (result, _) = post_answered(&raw_response("429 Too Many Requests", &header, "")).await;
        let after = seconds.map(Duration::from_secs);
        assert_eq!(result, PostResult::Later { after }, "{wait}");
    }
}

#[tokio::test]
async fn a_servers_error_leaves_the_outcome_unknown() {
    for status in [408, 500, 502, 503, 504, 599] {
        let result = post_with_fault(rejection(status, None, "rollup_error"), 0).await;
        assert_eq!(result, PostResult::Unknown);
        let result = post_with_fault(HttpFault::ErrorAfter { status }, 1).await;
        assert_eq!(result, PostResult::Unknown);
    }
    let result = post_with_fault(rejection(503, Some(5), r#"{"ok":false}"#), 0).await;
    assert_eq!(result, PostResult::Unknown);
}

#[tokio::test]
async fn an_answer_that_does_not_arrive_leaves_the_outcome_unknown() {
    for fault in [HttpFault::AnswerLost, HttpFault::HalfBody] {
        assert_eq!(post_with_fault(fault, 1).await, PostResult::Unknown);
    }
    let (head, other) = ("HTTP/1.1 200 OK\r\ncontent-", "SSH-2.0-OpenSSH_9.6\r\n");
    for text in ["", "HTTP/1.1 20", head, other] {
        assert_eq!(post_answered(text).await.0, PostResult::Unknown, "{text}");
    }
    // More than is read: an error may follow.
    let result = post_result("200 OK", &"x".repeat(65 * 1024)).await;
    assert_eq!(result, PostResult::Unknown);
}

#[tokio::test]
async fn a_success_that_is_not_slacks_leaves_the_outcome_unknown() {
    for body in [
        "",
        "OK",
        "okay",
        "true",
        "[]",
        "<html>Sign in to the proxy</html>",
    ] {
        let result = post_result("200 OK", body).await;
        assert_eq!(result, PostResult::Unknown, "{body}");
    }
    let result = post_result("204 No Content", "").await;
    assert_eq!(result, PostResult::Unknown);
    let result = post_with_fault(HttpFault::Garbage, 1).await;
    assert_eq!(result, PostResult::Unknown);
}

#[tokio::test]
async fn what_passes_by_itself_is_tried_later() {
    for error in [
        "ratelimited",
        "rate_limited",
        "service_unavailable",
        "team_added_to_org",
        "org_login_required",
        "request_timeout",
        "accesslimited",
        "message_limit_exceeded",
    ] {
        for status in ["200 OK", "403 Forbidden"] {
            let body = format!(r#"{{"ok":false,"error":"{error}"}}"#);
            let answer = raw_response(status, "retry-after: 7\r\n", &body);
            let after = Some(Duration::from_secs(7));
            let result = post_answered(&answer).await.0;
            assert_eq!(result, PostResult::Later { after }, "{status} {error}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_leaves_the_outcome_unknown() {
    let sandbox = sandbox().await;
    let address = issued_target(&sandbox, 0);
    let duration = Duration::from_hours(1);
    sandbox.slack().fail_next(HttpFault::Hang { duration });
    let client = client_with(sandbox.slack_url(), SHORT_TIMEOUTS);
    let result = client.post(&address, &any_message()).await;
    assert_eq!(result, PostResult::Unknown);
    assert_eq!(sandbox.journal().entries().len(), 1);
    assert_eq!(shown_count(&sandbox), 0);
}
