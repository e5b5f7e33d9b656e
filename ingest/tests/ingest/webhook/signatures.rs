//! Which signature makes a webhook CircleCI's, and which bytes it covers. Every secret here is the right one;
//! where it comes from is in `keys`.

use super::*;
use crate::requests::SECRET;

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
