//! Arbitrary input: no panic, one answer, and at most one message.

use bytes::Bytes;
use chatops_ingest::MAX_BODY_BYTES;
use http::{HeaderName, HeaderValue, Request, header};
use proptest::prelude::*;

use crate::requests::{FORM, NOW, PUBLISHED_SIGNATURE, command, deploy_form, signed};
use crate::support::TestIngest;

/// Names and values close to what matters, and anything else.
fn any_header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let name = prop_oneof![
        Just("x-slack-signature".to_owned()),
        Just("x-slack-request-timestamp".to_owned()),
        Just("content-type".to_owned()),
        "[a-z][a-z0-9-]{0,20}",
    ];
    let value = prop_oneof![
        Just(PUBLISHED_SIGNATURE.as_bytes().to_vec()),
        Just(NOW.to_string().into_bytes()),
        Just(FORM.as_bytes().to_vec()),
        "v0=[0-9a-f]{60,66}".prop_map(String::into_bytes),
        "[0-9]{0,20}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..80),
    ];
    (name, value).prop_filter_map("not a header", |(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(&value).ok()?))
    })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(deploy_form().into_bytes()),
        Just(b"ssl_check=1".to_vec()),
        prop::collection::vec(any::<u8>(), 0..400),
        "[a-z_]{0,12}(=[ -~]{0,30})?(&[a-z_]{0,12}=[ -~]{0,30}){0,6}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), MAX_BODY_BYTES..MAX_BODY_BYTES + 2),
    ]
}

/// A command's verb, and what may follow it.
const VERBS: &str = "(deploy|plan|status|history|failed|retry|cancel|help)( (web|main|deploy|1a2b3c4d|\
    confirm|user:me|branch:[a-z$]{1,4}|before:1a2b3c4d|[ -~]{1,8})){0,3}";

proptest! {
    /// The published signature is among the headers, but not the body it belongs to.
    #[test]
    fn nothing_unsigned_panics_or_is_queued(
        method in prop_oneof![3 => Just("POST"), 1 => Just("GET"), 1 => Just("PUT")],
        route in prop_oneof![
            Just("/chatops".to_owned()),
            Just("/slack/commands".to_owned()),
            Just("/chatops?ssl_check=1".to_owned()),
            "/[a-z/]{0,12}",
        ],
        headers in prop::collection::vec(any_header(), 0..6),
        body in any_body(),
    ) {
        let mut request = Request::builder().method(method).uri(route);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let ingest = TestIngest::new();
        let answer = ingest.send(request.body(Bytes::from(body)).unwrap());
        prop_assert_eq!(ingest.queued_count(), 0);
        // Only signed requests are answered with a message.
        prop_assert_ne!(&answer.headers[header::CONTENT_TYPE], "application/json; charset=utf-8");
    }

    #[test]
    fn nothing_signed_panics(body in any_body()) {
        let ingest = TestIngest::new();
        ingest.run_alias(&signed(body));
        prop_assert!(ingest.queued_count() <= 1);
    }

    /// Any text: one answer, and at most one message, with a harmless branch.
    #[test]
    fn any_text_is_answered(text in prop_oneof!["\\PC{0,80}", "[ -~]{0,40}", "[a-z$`./-]{1,20} deploy", VERBS]) {
        let ingest = TestIngest::new();
        let answer = ingest.run_alias(&command(&text));
        if answer.text.is_empty() {
            // A query: its reply follows.
            let wire = ingest.queued_json();
            prop_assert_eq!(&wire["type"], "query.v1");
        } else {
            answer.message_json();
        }
        if ingest.queued_count() > 0 && ingest.queued_json()["type"] == "deploy.v1" {
            let branch = ingest.queued_deploy().deploy.git_ref;
            let safe = |c: char| c.is_ascii_alphanumeric() || "._/-+@".contains(c);
            prop_assert!(branch.name().chars().all(safe));
        }
    }
}
