//! Slack's signature: the right one, over the exact bytes, and recent.

use crate::requests::{
    NOW, PUBLISHED, PUBLISHED_SIGNATURE, SECRET, SIGNATURE, command, deploy_form, sign_now, signed,
    signed_by,
};
use crate::support::{FakeSecrets, ROUTES, TestIngest, one_version};

#[test]
fn the_published_example_is_accepted() {
    assert_eq!(sign_now(SECRET, PUBLISHED.as_bytes()), PUBLISHED_SIGNATURE);
    let sent = signed(PUBLISHED).set(SIGNATURE, PUBLISHED_SIGNATURE);
    let ingest = TestIngest::new();
    ingest.run(&sent).is_to_requester("Deploy from Slack");
    assert_eq!(ingest.refreshed().len(), 0);
    TestIngest::new().accepts(&command("main deploy"));
}

#[test]
fn the_clocks_may_be_exactly_five_minutes_apart() {
    for off in [-301_i64, -300, 0, 300, 301] {
        let ingest = TestIngest::at_time(NOW + off, FakeSecrets::new(one_version(SECRET)));
        let sent = command("main deploy");
        if off.abs() <= 300 {
            ingest.accepts(&sent);
        } else {
            ingest.rejects_sender(&sent);
        }
    }
    // Far off in both directions, where the arithmetic could go wrong.
    for timestamp in ["0", "1", "999999999999"] {
        TestIngest::new().rejects_sender(&signed_by(SECRET, timestamp.as_bytes(), deploy_form()));
    }
}

#[test]
fn no_other_signature_is_accepted() {
    let (ingest, sent) = (TestIngest::new(), command("main deploy"));
    ingest.accepts(&sent);
    let right = sent.header(SIGNATURE);
    let reject = |wrong: &[u8]| ingest.rejects_sender(&sent.clone().set(SIGNATURE, wrong));

    for length in 0..right.len() {
        reject(&right[..length]);
        reject(&right[right.len() - length..]);
    }
    for at in 0..right.len() {
        for digit in *b"0123456789abcdefABCDEF =vV" {
            let mut wrong = right.clone();
            wrong[at] = digit;
            if wrong != right {
                reject(&wrong);
            }
        }
        let mut upper = right.clone();
        upper[at].make_ascii_uppercase();
        if upper != right {
            reject(&upper);
        }
        let mut longer = right.clone();
        longer.insert(at, b'0');
        reject(&longer);
    }
    reject(&right.to_ascii_uppercase());
    for extension in ["0", "00", "=", " x", "\u{e9}", ";v1=00"] {
        reject(&[&right, extension.as_bytes()].concat());
    }
    for version in ["v1=", "V0=", "v0:", "v00=", "", "v0= "] {
        reject(&[version.as_bytes(), &right[3..]].concat());
    }
    reject(b"v0=");
    reject(&[b"v0=".as_slice(), &[b'0'; 64]].concat());
    assert_eq!(ingest.queued_count(), ROUTES.len());
}

#[test]
fn a_changed_body_does_not_match_its_signature() {
    let (ingest, sent) = (TestIngest::new(), command("main deploy"));
    for at in 0..sent.body.len() {
        let mut body = sent.body.clone();
        body[at] ^= 1;
        ingest.rejects_sender(&sent.clone().with_body(body));
    }
    ingest.rejects_sender(&sent.clone().with_body(&sent.body[..sent.body.len() - 1]));
    let longer = [sent.body.as_slice(), b"&"].concat();
    ingest.rejects_sender(&sent.clone().with_body(longer));
    ingest.rejects_sender(&sent.with_body(""));
}
