//! What CircleCI says when it refuses, in whatever form; and the refusal that passes.

use chatops_core::ports::{CiClient, TriggerOutcome};
use serde_json::json;

use crate::ends::every_call;
use crate::raw_server::{RawServer, raw_response, trigger_outcome};
use crate::support::{client, missing_pipeline, not_now, rejected, slug, trigger_request_by};

#[tokio::test]
async fn a_refusal_of_any_form_says_why() {
    let page = "<!doctype html><html><head><style>p {}</style></head><body><h1>403 Forbidden</h1>\
                <p>Request blocked &amp; logged.</p></body></html>";
    for (body, message) in [
        (r#"{"message":"Permission denied"}"#, "Permission denied"),
        (
            r#"{"error":{"id":"1","title":"Forbidden","detail":"No access"}}"#,
            "Forbidden: No access",
        ),
        (r#"{"error":"Forbidden"}"#, "Forbidden"),
        (r#"{"errors":[{"message":"a"},"b"]}"#, "a; b"),
        (page, "403 Forbidden Request blocked & logged."),
        ("Forbidden", "Forbidden"),
        ("", "an answer without a message"),
        (r#"{"message":null}"#, "an answer without a message"),
    ] {
        let answer = raw_response("403 Forbidden", &[], body);
        assert_eq!(
            trigger_outcome(answer.clone()).await,
            rejected(403, message)
        );
        let raw = RawServer::new(vec![answer]).await;
        let error = client(&raw.url)
            .poll(&slug(), &missing_pipeline(), true)
            .await;
        let error = error.unwrap_err();
        assert_eq!(error.message, format!("HTTP 403: {message}"));
        assert!(!error.unauthorized);
    }
    let long = raw_response("400 Bad Request", &[], &"x".repeat(5_000));
    let message = format!("{}…", "x".repeat(300));
    assert_eq!(trigger_outcome(long).await, rejected(400, &message));
}

#[tokio::test]
async fn githubs_rate_limit_passes() {
    // The answer of API v1.1, where GitHub's own is a text in the message.
    let said = "API rate limit exceeded for user ID 1.";
    let inner = json!({"message": said, "documentation_url": "https://docs.github.com"});
    let nested = json!({ "message": inner.to_string() }).to_string();
    let far_behind = json!({"message": format!("{} {said}", "x".repeat(400))}).to_string();
    for call in every_call() {
        for body in [&nested, &far_behind] {
            let answer = raw_response("403 Forbidden", &["retry-after: 86400"], body);
            let raw = RawServer::new(vec![answer]).await;
            let outcome = client(&raw.url).trigger(&trigger_request_by(&call)).await;
            let TriggerOutcome::NotNow { retry_after, .. } = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!(retry_after.map(|after| after.as_secs()), Some(300));
        }
    }
    let answer = raw_response("403 Forbidden", &[], &nested);
    let expected = not_now(&format!("HTTP 403: {said}"), None);
    assert_eq!(trigger_outcome(answer.clone()).await, expected);
    let raw = RawServer::new(vec![answer]).await;
    let error = client(&raw.url)
        .poll(&slug(), &missing_pipeline(), true)
        .await;
    assert_eq!(error.unwrap_err().message, format!("HTTP 403: {said}"));
    // Any other status keeps its meaning.
    let gone = raw_response("404 Not Found", &[], &nested);
    assert_eq!(trigger_outcome(gone).await, rejected(404, said));
}
