//! CircleCI's webhook: which one is accepted, and which one wakes the worker up.

use bytes::Bytes;
use chatops_core::ports::{SecretName, SecretVersions, SendError};
use chatops_ingest::{MAX_WEBHOOK_BYTES, WEBHOOK_PATH};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderValue, Request};
use insta::assert_snapshot;
use proptest::prelude::*;
use sha2::Sha256;

use crate::requests::{SECRET, command};
use crate::support::{FakeSecrets, TestIngest, TestResponse, one_version, unavailable, versions};

const KEY: &str = "the webhook's own secret";
const PIPELINE: &str = "1285fe1d-d3a6-44fc-8886-8979558254c4";

/// A completed workflow as CircleCI documents it.
const COMPLETED: &str = r#"{"id":"3888f21b-eaa7-38e3-8f3d-75a63bba8895","type":"workflow-completed","happened_at":"2021-09-01T22:49:34.317Z","webhook":{"id":"cf8c4fdd-0587-4da1-b4ca-4846e9640af9","name":"Sample Webhook"},"project":{"id":"84996744-a854-4f5e-aea3-04e2851dc1d2","name":"webhook-service","slug":"github/circleci/webhook-service"},"organization":{"id":"f22b6566-597d-46d5-ba74-99ef5bb3d85c","name":"circleci"},"workflow":{"id":"fda08377-fe7e-46b1-8992-3a7aaecac9c3","name":"build-test-deploy","created_at":"2021-09-01T22:49:03.616Z","stopped_at":"2021-09-01T22:49:34.170Z","url":"https://app.circleci.com/pipelines/github/circleci/webhook-service/130/workflows/fda08377-fe7e-46b1-8992-3a7aaecac9c3","status":"success"},"pipeline":{"id":"1285fe1d-d3a6-44fc-8886-8979558254c4","number":130,"created_at":"2021-09-01T22:49:03.544Z","trigger":{"type":"webhook"}}}"#;

/// With the webhook set up.
fn test_ingest() -> TestIngest {
    TestIngest::with_secrets(secrets_with(one_version(KEY)))
}

fn secrets_with(webhook: SecretVersions) -> FakeSecrets {
    FakeSecrets::new(one_version(SECRET)).with_secret(SecretName::CircleCiWebhook, webhook)
}

fn sign_webhook(key: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    let tag = mac.chain_update(body).finalize().into_bytes();
    format!("v1={}", base16ct::lower::encode_string(&tag))
}

/// A webhook with these signature headers.
fn webhook_request(body: &[u8], signatures: &[&str]) -> Request<Bytes> {
    let mut request = Request::post(WEBHOOK_PATH)
        .header("Content-Type", "application/json")
        .header("User-Agent", "CircleCI-Webhook/1.0")
        .header("circleci-event-type", "workflow-completed");
    for signature in signatures {
        let value = HeaderValue::from_bytes(signature.as_bytes()).unwrap();
        request = request.header("circleci-signature", value);
    }
    request.body(Bytes::copy_from_slice(body)).unwrap()
}

fn signed_webhook(body: &str) -> Request<Bytes> {
    webhook_request(body.as_bytes(), &[&sign_webhook(KEY, body.as_bytes())])
}

/// The response; neither the secret nor a signature is logged.
fn response_to(ingest: &TestIngest, request: Request<Bytes>) -> TestResponse {
    let signatures = request.headers().get_all("circleci-signature");
    let signatures: Vec<_> = signatures.iter().cloned().collect();
    let answer = ingest.send(request);
    assert!(!answer.log.contains(KEY), "{}", answer.log);
    for signature in signatures {
        crate::log::assert_clean(&answer.log, Some(&signature));
    }
    answer
}

fn assert_rejected(ingest: &TestIngest, request: Request<Bytes>) {
    let before = ingest.queued_count();
    let answer = response_to(ingest, request);
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert_eq!(answer.text, "The webhook is not signed by CircleCI.\n");
    assert_eq!(ingest.queued_count(), before);
}

fn assert_unreadable(ingest: &TestIngest, body: &str) {
    let answer = response_to(ingest, signed_webhook(body));
    let count = ingest.queued_count();
    assert_eq!((answer.status.as_u16(), count), (400, 0), "{body}");
}

fn assert_accepted(ingest: &TestIngest, request: Request<Bytes>) {
    let before = ingest.queued_count();
    let answer = response_to(ingest, request);
    let shown = (answer.status.as_u16(), &*answer.text);
    assert_eq!(shown, (200, "Accepted.\n"));
    assert_eq!(ingest.queued_count(), before + 1);
}

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
fn the_published_examples_match() {
    for (body, key, signature) in [
        (
            "hello world",
            "secret",
            "734cc62f32841568f45715aeb9f4d7891324e6d948e4c6c60c0621cdac48623a",
        ),
        (
            "lalala",
            "another-secret",
            "daa220016c8f29a8b214fbfc3671aeec2145cfb1e6790184ffb38b6d0425fa00",
        ),
        (
            "an-important-request-payload",
            "hunter123",
            "9be2242094a9a8c00c64306f382a7f9d691de910b4a266f67bd314ef18ac49fa",
        ),
    ] {
        let ingest = TestIngest::with_secrets(secrets_with(one_version(key)));
        let signature = format!("v1={signature}");
        assert_eq!(sign_webhook(key, body.as_bytes()), signature);
        // Accepted, and then found to be unreadable.
        let answer = ingest.send(webhook_request(body.as_bytes(), &[&signature]));
        assert_eq!((answer.status.as_u16(), ingest.queued_count()), (400, 0));
        assert_eq!(answer.text, "The webhook cannot be read.\n");
        let answer = ingest.send(webhook_request(b"hello worlds", &[&signature]));
        assert_eq!((answer.status.as_u16(), ingest.queued_count()), (401, 0));
    }
}

#[test]
fn no_other_signature_is_accepted() {
    let ingest = test_ingest();
    let body = COMPLETED.as_bytes();
    let right = sign_webhook(KEY, body);
    assert_rejected(&ingest, webhook_request(body, &[]));
    for wrong in [
        "",
        "v1=",
        "v1",
        &right[3..],
        &right.replace("v1=", "v2="),
        &right.replace("v1=", "v0="),
        &right.replace("v1=", "V1="),
        &right.replace("v1=", "v1= "),
        &right.to_ascii_uppercase().replace("V1=", "v1="),
        &right[..66],
        &format!("{right}0"),
        &format!("{right};v2=0"),
        &sign_webhook("another secret", body),
        &sign_webhook("", body),
        &sign_webhook(SECRET, body),
        // Slack's way to sign.
        &sign_webhook(KEY, &[b"v0:1531420618:", body].concat()),
        "v1=0000000000000000000000000000000000000000000000000000000000000000",
    ] {
        assert_rejected(&ingest, webhook_request(body, &[wrong]));
    }
    // In any other header it does not count.
    let mut elsewhere = webhook_request(body, &[]);
    let value = HeaderValue::from_str(&right).unwrap();
    elsewhere.headers_mut().insert("x-slack-signature", value);
    assert_rejected(&ingest, elsewhere);
    // Every single digit counts.
    for at in 3..right.len() {
        let mut wrong = right.clone().into_bytes();
        wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
        let wrong = String::from_utf8(wrong).unwrap();
        assert_rejected(&ingest, webhook_request(body, &[&wrong]));
    }
    assert_accepted(&ingest, webhook_request(body, &[&right]));
}

#[test]
fn one_of_several_signatures_is_enough() {
    let ingest = test_ingest();
    let body = COMPLETED.as_bytes();
    let right = sign_webhook(KEY, body);
    let old = sign_webhook("the secret before", body);
    for list in [
        format!("{right},v2=0a0b0c"),
        format!("v2=0a0b0c,{right}"),
        format!("v2=0a0b0c, {right} ,v3=x"),
        format!("{old},{right}"),
        format!("{right},{old}"),
        format!(",,{right}"),
    ] {
        assert_accepted(&ingest, webhook_request(body, &[&list]));
    }
    assert_accepted(&ingest, webhook_request(body, &[&old, &right]));
    let other_version = right.replace("v1=", "v2=");
    assert_rejected(&ingest, webhook_request(body, &[&other_version]));
    assert_rejected(&ingest, webhook_request(body, &[&format!("{old},{old}")]));
    // Not every one of a thousand guesses is checked.
    let many = format!("{}{right}", format!("{old},").repeat(8));
    assert_rejected(&ingest, webhook_request(body, &[&many]));
}

#[test]
fn a_changed_body_is_not_accepted() {
    let ingest = test_ingest();
    let body = COMPLETED.as_bytes();
    let right = sign_webhook(KEY, body);
    for at in 0..body.len() {
        let mut changed = body.to_vec();
        changed[at] ^= 1;
        assert_rejected(&ingest, webhook_request(&changed, &[&right]));
    }
    for changed in [&body[1..], &body[..body.len() - 1], b"", b"{}"] {
        assert_rejected(&ingest, webhook_request(changed, &[&right]));
    }
    // The same JSON in other bytes.
    let spaced = COMPLETED.replace("\":", "\": ");
    assert_rejected(&ingest, webhook_request(spaced.as_bytes(), &[&right]));
    assert_accepted(&ingest, signed_webhook(&spaced));
}

#[test]
fn what_is_not_accepted_is_not_parsed() {
    let ingest = test_ingest();
    for body in ["", "not json", "{", "[[[[", "\u{0}"] {
        assert_rejected(&ingest, webhook_request(body.as_bytes(), &[]));
        let wrong = sign_webhook("another", b"");
        assert_rejected(&ingest, webhook_request(body.as_bytes(), &[&wrong]));
        assert_unreadable(&ingest, body);
    }
}

#[test]
fn a_large_webhook_is_rejected_unread() {
    let ingest = test_ingest();
    let padded = |length: usize| format!("{COMPLETED}{}", " ".repeat(length - COMPLETED.len()));
    assert_accepted(&ingest, signed_webhook(&padded(MAX_WEBHOOK_BYTES)));
    let large = padded(MAX_WEBHOOK_BYTES + 1);
    for request in [
        signed_webhook(&large),
        webhook_request(large.as_bytes(), &[]),
    ] {
        let answer = response_to(&ingest, request);
        assert_eq!(answer.status, 413);
        assert_eq!(answer.text, "The webhook is larger than 256 KiB.\n");
    }
    assert_eq!((ingest.queued_count(), MAX_WEBHOOK_BYTES), (1, 256 * 1024));
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

#[test]
fn without_a_secret_nothing_is_accepted() {
    let body = COMPLETED.as_bytes();
    for ingest in [
        TestIngest::new(),
        TestIngest::with_secrets(secrets_with(one_version(""))),
    ] {
        for key in [KEY, "", SECRET] {
            assert_rejected(&ingest, webhook_request(body, &[&sign_webhook(key, body)]));
        }
        assert_rejected(&ingest, webhook_request(body, &[]));
        // Commands do not depend on it.
        ingest.accepts(&command("main deploy"));
    }
}

#[test]
fn the_previous_secret_counts_and_a_new_one_is_found() {
    let both = versions("the new secret", Some(KEY));
    let ingest = TestIngest::with_secrets(secrets_with(both));
    assert_accepted(&ingest, signed_webhook(COMPLETED));
    assert!(ingest.refreshed().is_empty());

    let mut keys = secrets_with(one_version("an older one"));
    keys.optional_stored = [(SecretName::CircleCiWebhook, one_version(KEY))].into();
    let ingest = TestIngest::with_secrets(keys);
    // Only a well-formed signature costs a read.
    assert_rejected(&ingest, webhook_request(COMPLETED.as_bytes(), &[]));
    assert_rejected(&ingest, webhook_request(COMPLETED.as_bytes(), &["v1=0"]));
    assert_eq!(ingest.refreshed().len(), 0);
    assert_accepted(&ingest, signed_webhook(COMPLETED));
    let refreshed = [SecretName::CircleCiWebhook];
    assert_eq!(ingest.refreshed(), refreshed);
}

#[test]
fn a_secret_that_is_added_later_is_found() {
    let mut keys = FakeSecrets::new(one_version(SECRET));
    keys.optional_stored = [(SecretName::CircleCiWebhook, one_version(KEY))].into();
    let ingest = TestIngest::with_secrets(keys);
    // Only a well-formed signature costs a read.
    assert_rejected(&ingest, webhook_request(COMPLETED.as_bytes(), &[]));
    assert_eq!(ingest.refreshed().len(), 0);
    assert_accepted(&ingest, signed_webhook(COMPLETED));
    assert_eq!(ingest.refreshed(), [SecretName::CircleCiWebhook]);
}

#[test]
fn a_webhook_that_cannot_be_verified_is_to_be_sent_again() {
    let mut keys = FakeSecrets::new(one_version(SECRET));
    keys.refresh_error = Some(unavailable("the store is down"));
    let ingest = TestIngest::with_secrets(keys);
    let answer = response_to(&ingest, signed_webhook(COMPLETED));
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.text,
        "The webhook could not be verified; send it again.\n"
    );
    assert_eq!(ingest.queued_count(), 0);
}

#[test]
fn only_a_post_is_a_webhook() {
    let ingest = test_ingest();
    for method in ["GET", "PUT", "HEAD"] {
        let mut request = signed_webhook(COMPLETED);
        *request.method_mut() = method.parse().unwrap();
        assert_eq!(response_to(&ingest, request).status, 405);
    }
    let mut request = signed_webhook(COMPLETED);
    *request.uri_mut() = "/circleci/webhook/".parse().unwrap();
    assert_eq!(response_to(&ingest, request).status, 404);
    // Slack's signature is not CircleCI's, and the other way round.
    assert_rejected(&ingest, command("main deploy").to_route(WEBHOOK_PATH));
    let mut request = signed_webhook(COMPLETED);
    *request.uri_mut() = "/slack/commands".parse().unwrap();
    assert_eq!(response_to(&ingest, request).status, 401);
    assert_eq!(ingest.queued_count(), 0);
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..400),
        "[\\[{\"]{0,200}".prop_map(String::into_bytes),
        (0..COMPLETED.len()).prop_map(|n| COMPLETED.as_bytes()[..n].to_vec()),
        "\\{\"type\":\"(ping|workflow-completed)\",\"pipeline\":[ -~]{0,40}\\}"
            .prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn no_bytes_panic(
        body in any_bytes(),
        header in prop::collection::vec(any::<u8>(), 0..200),
        list in "(v[0-9]=[0-9a-f]{0,66}[ ,;]{0,2}){0,4}",
    ) {
        let ingest = test_ingest();
        for signature in [header.as_slice(), list.as_bytes()] {
            let mut request = webhook_request(&body, &[]);
            if let Ok(value) = HeaderValue::from_bytes(signature) {
                request.headers_mut().insert("circleci-signature", value);
            }
            prop_assert_eq!(ingest.send(request).status, 401);
        }
        prop_assert_eq!(ingest.queued_count(), 0);
        let status = response_to(&ingest, webhook_request(&body, &[&sign_webhook(KEY, &body)])).status.as_u16();
        prop_assert!([200, 400].contains(&status));
        prop_assert!(ingest.queued_count() <= 1);
    }
}
