//! The headers that carry the signature.

use crate::requests::{NOW, SECRET, SIGNATURE, TIMESTAMP, command, fields, form, sign, signed_by};
use crate::support::Stage;

#[test]
fn each_signature_header_stands_there_exactly_once() {
    let (stage, sent) = (Stage::new(), command("main deploy"));
    for name in [SIGNATURE, TIMESTAMP] {
        let (_, value) = sent
            .headers
            .iter()
            .find(|header| header.0 == name)
            .unwrap()
            .clone();
        stage.refuses(&sent.clone().without(name));
        stage.refuses(&sent.clone().and(name, value.clone()));
        stage.refuses(&sent.clone().and(name, "0"));
        // A gateway may have joined two headers into one.
        for comma in [",", ", "] {
            let joined = [value.as_slice(), comma.as_bytes(), &value].concat();
            stage.refuses(&sent.clone().set(name, joined));
        }
    }
    stage.refuses(&sent.clone().without(SIGNATURE).without(TIMESTAMP));
    let lower = sent.without(SIGNATURE).without(TIMESTAMP);
    let body = lower.body.clone();
    let lower = lower.and("x-slack-request-timestamp", NOW.to_string()).and(
        "x-slack-signature",
        sign(SECRET, NOW.to_string().as_bytes(), &body),
    );
    stage.takes(&lower);
}

#[test]
fn a_malformed_timestamp_is_refused_even_if_it_is_signed() {
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
        let body = form(&fields("main deploy"));
        Stage::new().refuses(&signed_by(SECRET, timestamp.as_bytes(), body));
    }
}
