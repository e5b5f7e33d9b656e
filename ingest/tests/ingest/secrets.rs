//! The signing secret: rotated, empty, or not to be read.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use chatops_core::ports::{SecretsError, Versions};
use secrecy::SecretString;

use crate::requests::{
    NOW, SECRET, SIGNATURE, TIMESTAMP, command, fields, form, signed_by, unsigned,
};
use crate::support::{Keys, Stage, only};

#[test]
fn another_secret_is_refused() {
    let body = form(&fields("main deploy"));
    for wrong in [
        "",
        " ",
        "8f742231b10e8888abcd99yyyzzz85a",
        "8F742231B10E8888ABCD99YYYZZZ85A5",
    ] {
        Stage::new().refuses(&signed_by(wrong, NOW.to_string().as_bytes(), body.clone()));
    }
}

#[test]
fn the_previous_secret_still_counts() {
    let both = Versions {
        current: SecretString::from("the-new-one"),
        previous: Some(SecretString::from(SECRET)),
    };
    let stage = Stage::with(Keys::new(both));
    stage.takes(&command("main deploy"));
    let body = form(&fields("main deploy"));
    stage.takes(&signed_by(
        "the-new-one",
        NOW.to_string().as_bytes(),
        body.clone(),
    ));
    assert_eq!(stage.0.secrets.refreshes.load(Ordering::Relaxed), 0);
    stage.refuses(&signed_by("an-older-one", NOW.to_string().as_bytes(), body));
}

#[test]
fn a_rotated_secret_is_found_after_a_refresh() {
    let mut keys = Keys::new(only("an-older-one"));
    keys.stored = Ok(only(SECRET));
    let stage = Stage::with(keys);
    stage.takes(&command("main deploy"));
    assert_eq!(stage.0.secrets.refreshes.load(Ordering::Relaxed), 1);
}

#[test]
fn only_a_signature_that_does_not_fit_costs_a_refresh() {
    let stage = Stage::new();
    stage.refuses(&command("main deploy").set(SIGNATURE, "v0=0"));
    stage.refuses(&command("main deploy").set(TIMESTAMP, "x"));
    stage.refuses(&command("main deploy").set(TIMESTAMP, "1"));
    stage.refuses(&unsigned("a=b"));
    assert_eq!(stage.0.secrets.refreshes.load(Ordering::Relaxed), 0);
}

#[test]
fn a_secret_that_cannot_be_read_afresh_changes_nothing() {
    let mut keys = Keys::new(only("an-older-one"));
    keys.stored = Err(SecretsError("the store is down".to_owned()));
    let stage = Stage::with(keys);
    stage.refuses(&command("main deploy"));
    let sent = signed_by(
        "an-older-one",
        NOW.to_string().as_bytes(),
        form(&fields("main deploy")),
    );
    stage.takes(&sent);
}

#[test]
fn without_a_secret_nothing_is_accepted() {
    let down = || Err(SecretsError("the store is down".to_owned()));
    let keys = Keys {
        cached: Mutex::new(down()),
        stored: down(),
        ..Keys::new(only(SECRET))
    };
    let stage = Stage::with(keys);
    // That is nobody's forgery: it is our trouble, and somebody has to look.
    let answer = stage.turns_down(&command("main deploy"), 500);
    assert_eq!(
        answer.text,
        "The signing secret cannot be read; an operator has to look.\n"
    );
    // What is certainly no command of Slack's is refused all the same, and costs no reading.
    let before = stage.0.secrets.refreshes.load(Ordering::Relaxed);
    stage.refuses(&unsigned("a=b"));
    stage.refuses(&command("main deploy").set(SIGNATURE, "v0=0"));
    stage.refuses(&command("main deploy").set(TIMESTAMP, "1"));
    let answer = stage.hears(&unsigned("ssl_check=1"));
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
    assert_eq!(stage.0.secrets.refreshes.load(Ordering::Relaxed), before);
    // The store answers at the second try.
    let keys = Keys {
        cached: Mutex::new(down()),
        ..Keys::new(only(SECRET))
    };
    Stage::with(keys).takes(&command("main deploy"));
}

#[test]
fn an_empty_secret_is_no_secret() {
    let empty = SecretString::from("");
    for previous in [None, Some(empty.clone())] {
        let stage = Stage::with(Keys::new(Versions {
            current: empty.clone(),
            previous,
        }));
        let body = form(&fields("main deploy"));
        stage.refuses(&signed_by("", NOW.to_string().as_bytes(), body));
        stage.refuses(&command("main deploy"));
    }
    // Beside an empty one, the other still counts.
    let both = Versions {
        current: empty,
        previous: Some(SecretString::from(SECRET)),
    };
    let stage = Stage::with(Keys::new(both));
    stage.takes(&command("main deploy"));
    let body = form(&fields("main deploy"));
    stage.refuses(&signed_by("", NOW.to_string().as_bytes(), body));
}
