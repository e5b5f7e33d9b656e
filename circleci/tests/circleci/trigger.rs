//! The meaning of each answer to the POST.

use std::collections::BTreeMap;
use std::time::Duration;

use chatops_core::name::GitRef;
use chatops_core::ports::{CiClient, TriggerOutcome};
use serde_json::{Value, json};

use crate::raw_server::{
    RawServer, assert_unknown, created_response, ok_response, pipeline_json, raw_response,
    trigger_outcome,
};
use crate::support::{
    DEPLOY, FakeToken, TOKEN, assert_created, assert_one_post, client, client_of, client_with,
    created_count, hasty_client, missing_pipeline, not_now, rejected, rejection, sandbox,
    sandbox_client, slug, trigger_request, trigger_with_fault, unauthorized,
};

#[tokio::test]
async fn a_pipeline_is_created_with_its_number_and_address() {
    let sandbox = sandbox().await;
    let outcome = client_of(&sandbox).trigger(&trigger_request()).await;
    let TriggerOutcome::Created(pipeline) = outcome else {
        panic!("{outcome:?}")
    };
    assert_one_post(&sandbox);
    let model = sandbox.circleci().lock();
    let [made] = model.all_pipelines() else {
        panic!("not one pipeline")
    };
    assert_eq!((pipeline.id.0, pipeline.number), (made.id, 470));
    let url = "https://app.circleci.com/pipelines/github/acme/web/470";
    assert_eq!(pipeline.url.as_str(), url);
    assert_eq!((&*made.slug, &*made.branch), ("gh/acme/web", "feature/x"));
    assert_eq!(made.parameters, trigger_request().parameters);
}

#[tokio::test]
async fn two_equal_requests_are_two_pipelines_on_connections_of_their_own() {
    let (sandbox, client) = sandbox_client().await;
    for _ in 0..2 {
        assert_created(&client.trigger(&trigger_request()).await);
    }
    assert_eq!(created_count(&sandbox), 2);
}

#[tokio::test]
async fn the_request_is_what_the_api_describes_and_hides_the_token() {
    let raw = RawServer::new(vec![created_response(&pipeline_json(7))]).await;
    let outcome = client(&raw.url).trigger(&trigger_request()).await;
    assert_created(&outcome);
    let [request] = &raw.requests()[..] else {
        panic!("not one request")
    };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let first = "POST /api/v2/project/gh/acme/web/pipeline HTTP/1.1";
    assert_eq!(lines.next(), Some(first));
    let headers: BTreeMap<String, &str> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    assert_eq!(headers["circle-token"], TOKEN);
    assert_eq!(headers["content-type"], "application/json");
    let agent = concat!("chatops/", env!("CARGO_PKG_VERSION"));
    assert_eq!(headers["user-agent"], agent);
    assert!(!headers.contains_key("authorization"));
    assert_eq!(request.matches(TOKEN).count(), 1);
    let body: Value = serde_json::from_str(body).unwrap();
    let parameters = json!({"job": "deploy", "deploy_id": DEPLOY});
    let expected = json!({"branch": "feature/x", "parameters": parameters});
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_rejection_is_final_and_has_circlecis_message() {
    for status in [400, 402, 403, 404, 405, 409, 410, 413, 415, 422] {
        let outcome = trigger_with_fault(rejection(status, None), 0).await;
        assert_eq!(outcome, rejected(status, "No, sorry"));
    }
}

#[tokio::test]
async fn circlecis_own_rejections_are_understood() {
    let (sandbox, client) = sandbox_client().await;
    let mut wrong = trigger_request();
    wrong.git_ref = GitRef::parse("gone").unwrap();
    let outcome = client.trigger(&wrong).await;
    assert_eq!(outcome, rejected(400, "Branch not found"));
    let mut wrong = [trigger_request(), trigger_request()];
    wrong[0].slug.repo = "gone".to_owned();
    wrong[1]
        .parameters
        .insert("undeclared".to_owned(), json!(1));
    for wrong in wrong {
        let outcome = client.trigger(&wrong).await;
        assert_eq!(outcome, rejected(404, "Project not found"));
    }
    assert_eq!(created_count(&sandbox), 0);
}

#[tokio::test]
async fn a_rejected_token_is_distinguished() {
    let outcome = trigger_with_fault(rejection(401, None), 0).await;
    assert_eq!(outcome, unauthorized("No, sorry"));
    let sandbox = sandbox().await;
    let client = client_with(sandbox.circleci_url(), "", FakeToken(Ok("an-older-token")));
    let outcome = client.trigger(&trigger_request()).await;
    assert_eq!(outcome, unauthorized("You must log in first."));
    assert_eq!(created_count(&sandbox), 0);
}

#[tokio::test]
async fn too_many_requests_may_work_later() {
    for after in [None, Some(7), Some(0)] {
        let outcome = trigger_with_fault(rejection(429, after), 0).await;
        assert_eq!(outcome, not_now("HTTP 429: No, sorry", after));
    }
}

#[tokio::test]
async fn a_pause_of_any_form_is_understood_and_never_longer_than_five_minutes() {
    for (wait, seconds) in [
        ("7", Some(7)),
        ("1764284400", Some(300)),
        ("-1", Some(0)),
        ("Wed, 21 Oct 2026 07:28:07 GMT", Some(7)),
        ("soon", None),
    ] {
        let headers = [
            format!("retry-after: {wait}"),
            "date: Wed, 21 Oct 2026 07:28:00 GMT".to_owned(),
        ];
        let headers = headers.each_ref().map(String::as_str);
        let text = raw_response("429 Too Many Requests", &headers, "{}");
        let error = "HTTP 429: an answer without a message";
        let outcome = trigger_outcome(text.clone()).await;
        assert_eq!(outcome, not_now(error, seconds), "{wait}");
        let raw = RawServer::new(vec![text]).await;
        let error = client(&raw.url)
            .poll(&slug(), &missing_pipeline(), false)
            .await;
        let after = error.unwrap_err().retry_after;
        assert_eq!(after, seconds.map(Duration::from_secs), "{wait}");
    }
}

#[tokio::test]
async fn an_answer_that_stops_halfway_leaves_the_outcome_unknown() {
    let whole = created_response(&pipeline_json(7));
    let raw = RawServer::kept_open(whole[..whole.len() - 1].to_owned()).await;
    assert_unknown(&hasty_client(&raw.url).trigger(&trigger_request()).await);
    assert_eq!(raw.requests().len(), 1);
}

#[tokio::test]
async fn a_rejection_needs_no_body() {
    let half = |status: &str| {
        raw_response(status, &["retry-after: 7"], r#"{"message":"No"}"#).replace("\"}", "")
    };
    let is_rejected = |o: &_| matches!(o, TriggerOutcome::Refused { status: 404, .. });
    let is_unauthorized = |o: &_| matches!(o, TriggerOutcome::Unauthorized { .. });
    let after = Some(Duration::from_secs(7));
    let is_paused =
        |o: &_| matches!(o, TriggerOutcome::NotNow { retry_after, .. } if *retry_after == after);
    let outcome = trigger_outcome(half("404 Not Found")).await;
    assert!(is_rejected(&outcome), "{outcome:?}");
    let outcome = trigger_outcome(half("401 Unauthorized")).await;
    assert!(is_unauthorized(&outcome), "{outcome:?}");
    let outcome = trigger_outcome(half("429 Too Many Requests")).await;
    assert!(is_paused(&outcome), "{outcome:?}");
    let outcome = trigger_outcome(raw_response("404 Not Found", &[], "")).await;
    assert_eq!(outcome, rejected(404, "an answer without a message"));
}

#[tokio::test]
async fn a_success_that_names_no_pipeline_leaves_the_outcome_unknown() {
    for body in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"message":"Accepted"}"#,
        r#"{"id":"x","number":1}"#,
    ] {
        assert_unknown(&trigger_outcome(created_response(body)).await);
        assert_unknown(&trigger_outcome(raw_response("202 Accepted", &[], body)).await);
    }
    assert_unknown(&trigger_outcome(ok_response("{}")).await);
    let no_content = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    assert_unknown(&trigger_outcome(no_content.to_owned()).await);
}

#[tokio::test]
async fn a_message_instead_of_a_pipeline_leaves_the_outcome_unknown() {
    // Only `pipeline/run` is documented to say "not triggered" like this.
    let skipped = ok_response(r#"{"message":"Skipped by [ci skip]"}"#);
    assert_unknown(&trigger_outcome(skipped).await);
    let outcome = trigger_outcome(ok_response(&pipeline_json(7))).await;
    assert_created(&outcome);
}
