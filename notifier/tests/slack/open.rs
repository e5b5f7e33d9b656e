//! What may work later, and what leaves everything open.

use std::time::Duration;

use chatops_core::ports::Chat as _;
use chatops_core::reply::Posted;
use chatops_sandbox::Fault;

use crate::support::{
    SHORT, answer, answered, client_with, issued, meets, outcome, post, refuse, sandbox, shown,
};

#[tokio::test]
async fn too_many_requests_may_work_later() {
    for (asked, after) in [(None, None), (Some(30), Some(Duration::from_secs(30)))] {
        assert_eq!(
            meets(refuse(429, asked, "rate_limited"), 0).await,
            Posted::Later { after }
        );
    }
    for wait in [
        "Wed, 21 Oct 2026 07:28:00 GMT",
        "-1",
        "1.5",
        "",
        "99999999999999999999999",
    ] {
        let header = format!("retry-after: {wait}\r\n");
        let (posted, _) = answered(&answer("429 Too Many Requests", &header, "")).await;
        assert_eq!(posted, Posted::Later { after: None }, "{wait}");
    }
}

#[tokio::test]
async fn a_servers_error_leaves_everything_open() {
    for status in [408, 500, 502, 503, 504, 599] {
        assert_eq!(
            meets(refuse(status, None, "rollup_error"), 0).await,
            Posted::Unknown
        );
        assert_eq!(
            meets(Fault::ErrorAfter { status }, 1).await,
            Posted::Unknown
        );
    }
    assert_eq!(
        meets(refuse(503, Some(5), r#"{"ok":false}"#), 0).await,
        Posted::Unknown
    );
}

#[tokio::test]
async fn an_answer_that_does_not_arrive_leaves_everything_open() {
    for fault in [Fault::AnswerLost, Fault::HalfBody] {
        assert_eq!(meets(fault, 1).await, Posted::Unknown);
    }
    for text in [
        "",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\ncontent-",
        "SSH-2.0-OpenSSH_9.6\r\n",
    ] {
        assert_eq!(answered(text).await.0, Posted::Unknown, "{text}");
    }
    // More than is read: the refusal might stand behind it.
    assert_eq!(
        outcome("200 OK", &"x".repeat(65 * 1024)).await,
        Posted::Unknown
    );
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_leaves_everything_open() {
    let sandbox = sandbox().await;
    let address = issued(&sandbox, 0);
    sandbox.slack().fail_next(Fault::Hang {
        for_: Duration::from_hours(1),
    });
    let posted = client_with(sandbox.slack_url(), SHORT)
        .post(&address, &post())
        .await;
    assert_eq!(posted, Posted::Unknown);
    assert_eq!(sandbox.journal().entries().len(), 1);
    assert_eq!(shown(&sandbox), 0);
}
