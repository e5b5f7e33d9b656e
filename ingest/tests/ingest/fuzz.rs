//! Requests of any bytes, tried by a fuzzer; see `core/src/fuzz.rs`. What is signed goes through to the
//! grammar, buttons and forms.

use std::panic::AssertUnwindSafe;

use bolero::check;
use bytes::Bytes;
use chatops_core::message::{DeployMessage, WorkMessage};
use chatops_ingest::PRESS_PATH;
use chatops_testkit::thread_log;
use futures::FutureExt;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};

use crate::requests::{FORM, NOW, SECRET, SIGNATURE, TIMESTAMP, sign_now};
use crate::support::TestIngest;
use crate::webhook::{signed_webhook, test_ingest};

/// The service's answer, and the message that it sent, if it did.
fn answer(ingest: &TestIngest, request: Request<Bytes>) -> (Response<Bytes>, Option<WorkMessage>) {
    let response = ingest.0.handle(request).now_or_never().unwrap();
    thread_log::take();
    let mut sent = ingest.take_sent();
    assert!(sent.len() <= 1, "{sent:?}");
    (response, sent.pop().map(|body| body.decode().unwrap()))
}

fn signed(route: &str, body: &[u8]) -> Request<Bytes> {
    Request::post(route)
        .header(header::CONTENT_TYPE, FORM)
        .header(TIMESTAMP, NOW)
        .header(SIGNATURE, sign_now(SECRET, body))
        .body(Bytes::copy_from_slice(body))
        .unwrap()
}

/// Lines of headers, an empty line, and a body: nothing of it is signed by Slack or CircleCI, so nothing is
/// queued.
#[test]
fn unsigned_requests() {
    let ingest = AssertUnwindSafe(TestIngest::new());
    check!(name = "unsigned_requests").for_each(|input: &[u8]| {
        let mut parts = input.splitn(2, |byte| *byte == 0);
        let (head, body) = (parts.next().unwrap_or_default(), parts.next());
        let mut lines = head.split(|byte| *byte == b'\n');
        let mut target = lines.next().unwrap_or_default().splitn(2, |b| *b == b' ');
        let [method, uri] = [target.next(), target.next()].map(Option::unwrap_or_default);
        let mut request = Request::builder().method(method).uri(uri);
        for line in lines {
            let mut header = line.splitn(2, |byte| *byte == b':');
            let [name, value] = [header.next(), header.next()].map(Option::unwrap_or_default);
            let name = HeaderName::from_bytes(name);
            let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) else {
                return;
            };
            request = request.header(name, value);
        }
        let body = Bytes::copy_from_slice(body.unwrap_or_default());
        let Ok(request) = request.body(body) else {
            return;
        };
        let (_, sent) = answer(&ingest, request);
        assert!(sent.is_none(), "{sent:?}");
    });
}

/// A signed form is answered with 200 or refused as a whole, and what is queued came from the workspace that
/// may.
#[test]
fn forms() {
    let ingest = AssertUnwindSafe(TestIngest::interactive());
    check!(name = "forms").for_each(|body: &[u8]| {
        let (response, sent) = answer(&ingest, signed("/slack/commands", body));
        check_answer(&response, sent.as_ref());
    });
}

/// The same for the payload of a press.
#[test]
fn presses() {
    let ingest = AssertUnwindSafe(TestIngest::interactive());
    check!(name = "presses").for_each(|payload: &[u8]| {
        let payload = form_urlencoded::byte_serialize(payload).collect::<String>();
        let body = format!("payload={payload}");
        let (response, sent) = answer(&ingest, signed(PRESS_PATH, body.as_bytes()));
        check_answer(&response, sent.as_ref());
    });
}

/// A webhook decides nothing: what is queued of it is a wake-up.
#[test]
fn webhooks() {
    let ingest = AssertUnwindSafe(test_ingest());
    check!(name = "webhooks").for_each(|body: &[u8]| {
        let Ok(body) = str::from_utf8(body) else {
            return;
        };
        let (response, sent) = answer(&ingest, signed_webhook(body));
        check_answer(&response, sent.as_ref());
        let is_wake_up = matches!(sent, None | Some(WorkMessage::Webhook { .. }));
        assert!(is_wake_up, "{sent:?}");
    });
}

fn check_answer(response: &Response<Bytes>, sent: Option<&WorkMessage>) {
    let status = response.status();
    assert!(
        status == StatusCode::OK || status.is_client_error(),
        "{status}"
    );
    match sent {
        Some(WorkMessage::Deploy(message)) => {
            let DeployMessage {
                deploy, requester, ..
            } = &**message;
            let is_safe = |c: char| c.is_ascii_alphanumeric() || "._/-+@".contains(c);
            assert!(deploy.git_ref.name().chars().all(is_safe));
            assert!(!requester.unsigned);
            assert_eq!(status, StatusCode::OK);
        }
        Some(_) => assert_eq!(status, StatusCode::OK),
        None => {}
    }
}
