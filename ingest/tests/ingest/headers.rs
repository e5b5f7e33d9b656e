//! The headers that carry the signature.

use crate::requests::{
    NOW, SECRET, SIGNATURE, TIMESTAMP, command, deploy_form, sign_now, signed_by,
};
use crate::support::TestIngest;

#[test]
fn each_signature_header_occurs_exactly_once() {
    let (ingest, sent) = (TestIngest::new(), command("main deploy"));
    for name in [SIGNATURE, TIMESTAMP] {
        let value = sent.header(name);
        ingest.rejects_sender(&sent.clone().without(name));
        ingest.rejects_sender(&sent.clone().and(name, value.clone()));
        ingest.rejects_sender(&sent.clone().and(name, "0"));
        // A gateway may have joined two headers into one.
        for comma in [",", ", "] {
            let joined = [value.as_slice(), comma.as_bytes(), &value].concat();
            ingest.rejects_sender(&sent.clone().set(name, joined));
        }
    }
    ingest.rejects_sender(&sent.clone().unsigned());
    let lower = sent.unsigned();
    let body = lower.body.clone();
    let lower = lower
        .and("x-slack-request-timestamp", NOW.to_string())
        .and("x-slack-signature", sign_now(SECRET, &body));
    ingest.accepts(&lower);
}

#[test]
fn a_malformed_timestamp_is_rejected_even_if_it_is_signed() {
    let now = NOW.to_string();
    for timestamp in [
        String::new(),
        "x".to_owned(),
        format!("+{now}"),
        format!("-{now}"),
        format!("{now}.0"),
        format!("{now} 0"),
        format!("{now}e0"),
        format!("000{now}"),
        format!("{now}000"),
        format!("{now},{now}"),
        "0x5b475e8a".to_owned(),
        "9".repeat(12),
        "9".repeat(13),
        "9".repeat(40),
        "\u{661}\u{665}\u{663}\u{661}\u{664}\u{662}\u{660}\u{666}\u{661}\u{668}".to_owned(),
    ] {
        let body = deploy_form();
        TestIngest::new().rejects_sender(&signed_by(SECRET, timestamp.as_bytes(), body));
    }
}
