//! CircleCI's webhook: whose event is believed, and which one is a reason to look.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use chatops_core::ports::{SecretName, SendError, Versions};
use chatops_ingest::{LARGEST_EVENT, WEBHOOK_PATH};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderValue, Request};
use insta::assert_snapshot;
use proptest::prelude::*;
use secrecy::SecretString;
use sha2::Sha256;

use crate::requests::{SECRET, command};
use crate::support::{Answer, Keys, Stage, only};

const KEY: &str = "the webhook's own secret";
const PIPELINE: &str = "1285fe1d-d3a6-44fc-8886-8979558254c4";

/// A workflow's end as CircleCI documents it.
const COMPLETED: &str = r#"{"id":"3888f21b-eaa7-38e3-8f3d-75a63bba8895","type":"workflow-completed","happened_at":"2021-09-01T22:49:34.317Z","webhook":{"id":"cf8c4fdd-0587-4da1-b4ca-4846e9640af9","name":"Sample Webhook"},"project":{"id":"84996744-a854-4f5e-aea3-04e2851dc1d2","name":"webhook-service","slug":"github/circleci/webhook-service"},"organization":{"id":"f22b6566-597d-46d5-ba74-99ef5bb3d85c","name":"circleci"},"workflow":{"id":"fda08377-fe7e-46b1-8992-3a7aaecac9c3","name":"build-test-deploy","created_at":"2021-09-01T22:49:03.616Z","stopped_at":"2021-09-01T22:49:34.170Z","url":"https://app.circleci.com/pipelines/github/circleci/webhook-service/130/workflows/fda08377-fe7e-46b1-8992-3a7aaecac9c3","status":"success"},"pipeline":{"id":"1285fe1d-d3a6-44fc-8886-8979558254c4","number":130,"created_at":"2021-09-01T22:49:03.544Z","trigger":{"type":"webhook"}}}"#;

/// The stage of somebody who has set up the webhook.
fn stage() -> Stage {
    Stage::with(keys(only(KEY)))
}

fn keys(webhook: Versions) -> Keys {
    Keys::new(only(SECRET)).and(SecretName::CircleCiWebhook, webhook)
}

fn sign(key: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    let tag = mac.chain_update(body).finalize().into_bytes();
    let digits: Vec<_> = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v1={}", digits.concat())
}

/// An event with these signature headers.
fn event(body: &[u8], signatures: &[&str]) -> Request<Bytes> {
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

fn signed(body: &str) -> Request<Bytes> {
    event(body.as_bytes(), &[&sign(KEY, body.as_bytes())])
}

/// What is answered; nothing of the secret or the signature is logged.
fn asked(stage: &Stage, request: Request<Bytes>) -> Answer {
    let signatures = request.headers().get_all("circleci-signature");
    let signatures: Vec<_> = signatures.iter().cloned().collect();
    let answer = stage.ask(request);
    assert!(!answer.log.contains(KEY), "{}", answer.log);
    for signature in signatures {
        crate::log::is_clean(&answer.log, Some(&signature));
    }
    answer
}

fn is_refused(stage: &Stage, request: Request<Bytes>) {
    let before = stage.queued();
    let answer = asked(stage, request);
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert_eq!(answer.text, "The event is not signed by CircleCI.\n");
    assert_eq!(stage.queued(), before, "something was queued");
}

fn is_taken(stage: &Stage, request: Request<Bytes>) {
    let before = stage.queued();
    let answer = asked(stage, request);
    assert_eq!(
        (answer.status.as_u16(), &*answer.text),
        (200, "Accepted.\n")
    );
    assert_eq!(stage.queued(), before + 1);
}

#[test]
fn a_workflows_end_is_queued_once_as_a_reason_to_look() {
    let stage = stage();
    let answer = asked(&stage, signed(COMPLETED));
    assert_eq!(
        (answer.status.as_u16(), &*answer.text),
        (200, "Accepted.\n")
    );
    // The pipeline and nothing else: what the event says about the outcome is not believed.
    assert_snapshot!(stage.wire(), @r#"{"pipeline":"1285fe1d-d3a6-44fc-8886-8979558254c4","type":"event.v1"}"#);
    assert_snapshot!(answer.log, @r#"{"level":"INFO","message":"event queued","pipeline":"1285fe1d-d3a6-44fc-8886-8979558254c4","target":"chatops_ingest::circleci"}"#);
}

#[test]
fn the_published_examples_fit() {
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
        let stage = Stage::with(keys(only(key)));
        let signature = format!("v1={signature}");
        assert_eq!(sign(key, body.as_bytes()), signature);
        // Believed, and then found to be no event.
        let answer = stage.ask(event(body.as_bytes(), &[&signature]));
        assert_eq!((answer.status.as_u16(), stage.queued()), (400, 0));
        assert_eq!(answer.text, "The event cannot be read.\n");
        let answer = stage.ask(event(b"hello worlds", &[&signature]));
        assert_eq!((answer.status.as_u16(), stage.queued()), (401, 0));
    }
}

#[test]
fn no_other_signature_is_believed() {
    let stage = stage();
    let body = COMPLETED.as_bytes();
    let right = sign(KEY, body);
    is_refused(&stage, event(body, &[]));
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
        &sign("another secret", body),
        &sign("", body),
        &sign(SECRET, body),
        // Slack's way to sign.
        &sign(KEY, &[b"v0:1531420618:", body].concat()),
        "v1=0000000000000000000000000000000000000000000000000000000000000000",
    ] {
        is_refused(&stage, event(body, &[wrong]));
    }
    // In any other header it says nothing.
    let mut elsewhere = event(body, &[]);
    let value = HeaderValue::from_str(&right).unwrap();
    elsewhere.headers_mut().insert("x-slack-signature", value);
    is_refused(&stage, elsewhere);
    // Every single digit counts.
    for at in 3..right.len() {
        let mut wrong = right.clone().into_bytes();
        wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
        is_refused(&stage, event(body, &[std::str::from_utf8(&wrong).unwrap()]));
    }
    is_taken(&stage, event(body, &[&right]));
}

#[test]
fn one_of_several_signatures_is_enough() {
    let stage = stage();
    let body = COMPLETED.as_bytes();
    let right = sign(KEY, body);
    let old = sign("the secret before", body);
    for list in [
        format!("{right},v2=0a0b0c"),
        format!("v2=0a0b0c,{right}"),
        format!("v2=0a0b0c, {right} ,v3=x"),
        format!("{old},{right}"),
        format!("{right},{old}"),
        format!(",,{right}"),
    ] {
        is_taken(&stage, event(body, &[&list]));
    }
    is_taken(&stage, event(body, &[&old, &right]));
    is_refused(&stage, event(body, &[&format!("v2={}", &right[3..])]));
    is_refused(&stage, event(body, &[&format!("{old},{old}")]));
    // Nobody gets to have a thousand guesses checked.
    let many = format!("{}{right}", format!("{old},").repeat(8));
    is_refused(&stage, event(body, &[&many]));
}

#[test]
fn a_changed_body_is_not_believed() {
    let stage = stage();
    let body = COMPLETED.as_bytes();
    let right = sign(KEY, body);
    for at in 0..body.len() {
        let mut changed = body.to_vec();
        changed[at] ^= 1;
        is_refused(&stage, event(&changed, &[&right]));
    }
    for changed in [&body[1..], &body[..body.len() - 1], b"", b"{}"] {
        is_refused(&stage, event(changed, &[&right]));
    }
    // The same JSON in other bytes.
    let spaced = COMPLETED.replace("\":", "\": ");
    is_refused(&stage, event(spaced.as_bytes(), &[&right]));
    is_taken(&stage, signed(&spaced));
}

#[test]
fn what_is_not_believed_is_not_even_read() {
    let stage = stage();
    for body in ["", "not json", "{", "[[[[", "\u{0}"] {
        is_refused(&stage, event(body.as_bytes(), &[]));
        is_refused(&stage, event(body.as_bytes(), &[&sign("another", b"")]));
        let answer = asked(&stage, signed(body));
        assert_eq!((answer.status.as_u16(), stage.queued()), (400, 0), "{body}");
    }
}

#[test]
fn a_large_event_is_refused_unread() {
    let stage = stage();
    let padded = |length: usize| format!("{COMPLETED}{}", " ".repeat(length - COMPLETED.len()));
    is_taken(&stage, signed(&padded(LARGEST_EVENT)));
    let large = padded(LARGEST_EVENT + 1);
    for request in [signed(&large), event(large.as_bytes(), &[])] {
        let answer = asked(&stage, request);
        assert_eq!(answer.status, 413);
        assert_eq!(answer.text, "The event is larger than 256 KiB.\n");
    }
    assert_eq!((stage.queued(), LARGEST_EVENT), (1, 256 * 1024));
}

#[test]
fn other_events_are_accepted_and_no_reason_to_look() {
    let stage = stage();
    let not_needed = |body: &str| {
        let answer = asked(&stage, signed(body));
        let said = (answer.status.as_u16(), answer.text.as_str());
        assert_eq!(said, (200, "Accepted, and not needed.\n"), "{body}");
        assert_eq!(stage.queued(), 0, "{body}");
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
    // Whatever else they carry.
    not_needed(r#"{"type":"ping"}"#);
    not_needed(r#"{"type":"pipeline-archived","pipeline":"all of them"}"#);
    not_needed(r#"{"type":"x","pipeline":[1,2],"workflow":null}"#);
}

#[test]
fn the_body_says_what_it_is_and_not_the_headers() {
    let stage = stage();
    for (name, value) in [
        ("circleci-event-type", "job-completed"),
        ("content-type", "text/plain"),
        ("content-type", "application/x-www-form-urlencoded"),
    ] {
        let mut request = signed(COMPLETED);
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
        is_taken(&stage, request);
        let mut request = signed(COMPLETED);
        request.headers_mut().remove(name);
        is_taken(&stage, request);
    }
}

#[test]
fn a_completed_workflow_without_a_pipeline_cannot_be_read() {
    let stage = stage();
    for body in [
        COMPLETED.replace("\"pipeline\"", "\"pipelines\""),
        COMPLETED.replace(PIPELINE, "130"),
        COMPLETED.replace(PIPELINE, ""),
        COMPLETED.replace(&format!("\"{PIPELINE}\""), "130"),
        r#"{"pipeline":{"id":"1285fe1d-d3a6-44fc-8886-8979558254c4"}}"#.to_owned(),
        r#"{"type":7}"#.to_owned(),
        "null".to_owned(),
    ] {
        let answer = asked(&stage, signed(&body));
        assert_eq!((answer.status.as_u16(), stage.queued()), (400, 0), "{body}");
    }
}

#[test]
fn an_event_that_may_not_be_queued_is_to_be_sent_again() {
    for (error, words) in [
        (
            SendError::NotSent("down".to_owned()),
            "was not queued: down",
        ),
        (SendError::Unknown("slow".to_owned()), "is unknown: slow"),
    ] {
        let mut stage = stage();
        stage.0.queue.fail(error);
        let answer = asked(&stage, signed(COMPLETED));
        assert_eq!(answer.status, 503);
        assert_eq!(
            answer.text,
            "The event could not be queued; send it again.\n"
        );
        assert!(answer.log.contains(words), "{}", answer.log);
        // What is no reason to look needs no queue.
        assert_eq!(asked(&stage, signed(r#"{"type":"ping"}"#)).status, 200);
    }
}

#[test]
fn without_a_secret_nobody_is_believed() {
    let body = COMPLETED.as_bytes();
    for stage in [Stage::new(), Stage::with(keys(only("")))] {
        for key in [KEY, "", SECRET] {
            is_refused(&stage, event(body, &[&sign(key, body)]));
        }
        is_refused(&stage, event(body, &[]));
        // Commands are no matter of the webhook's.
        stage.takes(&command("main deploy"));
    }
}

#[test]
fn the_secret_before_still_counts_and_a_new_one_is_found() {
    let both = Versions {
        current: SecretString::from("the new secret"),
        previous: Some(SecretString::from(KEY)),
    };
    let stage = Stage::with(keys(both));
    is_taken(&stage, signed(COMPLETED));
    assert!(stage.0.secrets.refreshed.lock().unwrap().is_empty());

    let mut keys = keys(only("an older one"));
    keys.more_stored = [(SecretName::CircleCiWebhook, only(KEY))].into();
    let stage = Stage::with(keys);
    // Only who claims to be CircleCI costs a reading.
    is_refused(&stage, event(COMPLETED.as_bytes(), &[]));
    is_refused(&stage, event(COMPLETED.as_bytes(), &["v1=0"]));
    assert_eq!(stage.0.secrets.refreshes.load(Ordering::Relaxed), 0);
    is_taken(&stage, signed(COMPLETED));
    let refreshed = [SecretName::CircleCiWebhook];
    assert_eq!(*stage.0.secrets.refreshed.lock().unwrap(), refreshed);
}

#[test]
fn only_a_post_is_an_event() {
    let stage = stage();
    for method in ["GET", "PUT", "HEAD"] {
        let mut request = signed(COMPLETED);
        *request.method_mut() = method.parse().unwrap();
        assert_eq!(asked(&stage, request).status, 405);
    }
    let mut request = signed(COMPLETED);
    *request.uri_mut() = "/circleci/webhook/".parse().unwrap();
    assert_eq!(asked(&stage, request).status, 404);
    // Slack's signature is none of CircleCI's, and the other way round.
    is_refused(&stage, command("main deploy").to(WEBHOOK_PATH));
    let mut request = signed(COMPLETED);
    *request.uri_mut() = "/slack/commands".parse().unwrap();
    assert_eq!(asked(&stage, request).status, 401);
    assert_eq!(stage.queued(), 0);
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
        let stage = stage();
        for signature in [header.as_slice(), list.as_bytes()] {
            let mut request = event(&body, &[]);
            if let Ok(value) = HeaderValue::from_bytes(signature) {
                request.headers_mut().insert("circleci-signature", value);
            }
            prop_assert_eq!(stage.ask(request).status, 401);
        }
        prop_assert_eq!(stage.queued(), 0);
        let status = asked(&stage, event(&body, &[&sign(KEY, &body)])).status.as_u16();
        prop_assert!([200, 400].contains(&status));
        prop_assert!(stage.queued() <= 1);
    }
}
