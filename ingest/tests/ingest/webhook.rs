//! CircleCI's webhook: how one is made and answered, and what holds for any bytes and any route. Which one is
//! accepted, and which one wakes the worker up, is in the rooms.

mod events;
mod keys;
mod signatures;

use bytes::Bytes;
use chatops_core::ports::{SecretName, SecretVersions};
use chatops_ingest::{MAX_WEBHOOK_BYTES, WEBHOOK_PATH};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderValue, Request};
use proptest::prelude::*;
use sha2::Sha256;

use crate::requests::{SECRET, command};
use crate::support::{FakeSecrets, TestIngest, TestResponse, one_version};

const KEY: &str = "the webhook's own secret";

/// A completed workflow as CircleCI documents it.
const COMPLETED: &str = r#"{"id":"3888f21b-eaa7-38e3-8f3d-75a63bba8895","type":"workflow-completed","happened_at":"2021-09-01T22:49:34.317Z","webhook":{"id":"cf8c4fdd-0587-4da1-b4ca-4846e9640af9","name":"Sample Webhook"},"project":{"id":"84996744-a854-4f5e-aea3-04e2851dc1d2","name":"webhook-service","slug":"github/circleci/webhook-service"},"organization":{"id":"f22b6566-597d-46d5-ba74-99ef5bb3d85c","name":"circleci"},"workflow":{"id":"fda08377-fe7e-46b1-8992-3a7aaecac9c3","name":"build-test-deploy","created_at":"2021-09-01T22:49:03.616Z","stopped_at":"2021-09-01T22:49:34.170Z","url":"https://app.circleci.com/pipelines/github/circleci/webhook-service/130/workflows/fda08377-fe7e-46b1-8992-3a7aaecac9c3","status":"success"},"pipeline":{"id":"1285fe1d-d3a6-44fc-8886-8979558254c4","number":130,"created_at":"2021-09-01T22:49:03.544Z","trigger":{"type":"webhook"}}}"#;

/// With the webhook set up.
pub(crate) fn test_ingest() -> TestIngest {
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

pub(crate) fn signed_webhook(body: &str) -> Request<Bytes> {
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
