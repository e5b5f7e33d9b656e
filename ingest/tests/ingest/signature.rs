//! Slack's signature: only the right one, over the very bytes, and of now.

use std::sync::atomic::Ordering;

use crate::requests::{
    NOW, PUBLISHED, PUBLISHED_SIGNATURE, SECRET, SIGNATURE, command, fields, form, sign, signed,
    signed_by,
};
use crate::support::{Keys, ROUTES, Stage, only};

#[test]
fn the_published_example_is_accepted() {
    assert_eq!(
        sign(SECRET, NOW.to_string().as_bytes(), PUBLISHED.as_bytes()),
        PUBLISHED_SIGNATURE
    );
    let sent = signed(PUBLISHED).set(SIGNATURE, PUBLISHED_SIGNATURE);
    let stage = Stage::new();
    stage
        .ask(sent.to("/slack/commands"))
        .is_to_asker("Deploy from Slack");
    assert_eq!(stage.0.secrets.refreshes.load(Ordering::Relaxed), 0);
    Stage::new().takes(&command("main deploy"));
}

#[test]
fn the_clocks_may_be_exactly_five_minutes_apart() {
    for (off, fits) in [
        (-301, false),
        (-300, true),
        (0, true),
        (300, true),
        (301, false),
    ] {
        let stage = Stage::at(NOW + off, Keys::new(only(SECRET)));
        let sent = command("main deploy");
        if fits {
            stage.takes(&sent);
        } else {
            stage.refuses(&sent);
        }
    }
    // Far off in both directions, where the arithmetic could go wrong.
    for timestamp in ["0", "1", "999999999999"] {
        Stage::new().refuses(&signed_by(
            SECRET,
            timestamp.as_bytes(),
            form(&fields("main deploy")),
        ));
    }
}

#[test]
fn no_other_signature_is_accepted() {
    let (stage, sent) = (Stage::new(), command("main deploy"));
    stage.takes(&sent);
    let (_, right) = sent
        .headers
        .iter()
        .find(|header| header.0 == SIGNATURE)
        .unwrap()
        .clone();
    let refuse = |wrong: &[u8]| stage.refuses(&sent.clone().set(SIGNATURE, wrong));

    for length in 0..right.len() {
        refuse(&right[..length]);
        refuse(&right[right.len() - length..]);
    }
    for at in 0..right.len() {
        for digit in *b"0123456789abcdefABCDEF =vV" {
            let mut wrong = right.clone();
            wrong[at] = digit;
            if wrong != right {
                refuse(&wrong);
            }
        }
        let mut upper = right.clone();
        upper[at].make_ascii_uppercase();
        if upper != right {
            refuse(&upper);
        }
        let mut longer = right.clone();
        longer.insert(at, b'0');
        refuse(&longer);
    }
    refuse(&right.to_ascii_uppercase());
    for extension in ["0", "00", "=", " x", "\u{e9}", ";v1=00"] {
        refuse(&[&right, extension.as_bytes()].concat());
    }
    for version in ["v1=", "V0=", "v0:", "v00=", "", "v0= "] {
        refuse(&[version.as_bytes(), &right[3..]].concat());
    }
    refuse(b"v0=");
    refuse(&[b"v0=".as_slice(), &[b'0'; 64]].concat());
    assert_eq!(stage.queued(), ROUTES.len());
}

#[test]
fn a_changed_body_does_not_fit_its_signature() {
    let (stage, sent) = (Stage::new(), command("main deploy"));
    for at in 0..sent.body.len() {
        let mut body = sent.body.clone();
        body[at] ^= 1;
        stage.refuses(&sent.clone().body(body));
    }
    stage.refuses(&sent.clone().body(&sent.body[..sent.body.len() - 1]));
    stage.refuses(&sent.clone().body([sent.body.as_slice(), b"&"].concat()));
    stage.refuses(&sent.body(""));
}
