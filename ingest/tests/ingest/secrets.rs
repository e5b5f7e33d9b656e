//! The signing secret: rotated, empty or unreadable.

use std::sync::Mutex;

use crate::requests::{SECRET, SIGNATURE, TIMESTAMP, command, deploy_form, signed_with, unsigned};
use crate::support::{FakeSecrets, TestIngest, one_version, unavailable, versions};

#[test]
fn another_secret_is_rejected() {
    let body = deploy_form();
    for wrong in [
        "",
        " ",
        "8f742231b10e8888abcd99yyyzzz85a",
        "8F742231B10E8888ABCD99YYYZZZ85A5",
    ] {
        TestIngest::new().rejects_sender(&signed_with(wrong, body.clone()));
    }
}

#[test]
fn the_previous_secret_still_counts() {
    let both = FakeSecrets::new(versions("the-new-one", Some(SECRET)));
    let ingest = TestIngest::with_secrets(both);
    ingest.accepts(&command("main deploy"));
    let body = deploy_form();
    ingest.accepts(&signed_with("the-new-one", body.clone()));
    assert_eq!(ingest.refreshed().len(), 0);
    ingest.rejects_sender(&signed_with("an-older-one", body));
}

#[test]
fn a_rotated_secret_is_found_after_a_refresh() {
    let mut keys = FakeSecrets::new(one_version("an-older-one"));
    keys.stored = Ok(one_version(SECRET));
    let ingest = TestIngest::with_secrets(keys);
    ingest.accepts(&command("main deploy"));
    assert_eq!(ingest.refreshed().len(), 1);
}

#[test]
fn only_a_wrong_signature_costs_a_refresh() {
    let ingest = TestIngest::new();
    ingest.rejects_sender(&command("main deploy").set(SIGNATURE, "v0=0"));
    ingest.rejects_sender(&command("main deploy").set(TIMESTAMP, "x"));
    ingest.rejects_sender(&command("main deploy").set(TIMESTAMP, "1"));
    ingest.rejects_sender(&unsigned("a=b"));
    assert_eq!(ingest.refreshed().len(), 0);
}

#[test]
fn a_failed_refresh_changes_nothing() {
    let mut keys = FakeSecrets::new(one_version("an-older-one"));
    keys.stored = Err(unavailable("the store is down"));
    let ingest = TestIngest::with_secrets(keys);
    ingest.rejects_sender(&command("main deploy"));
    let sent = signed_with("an-older-one", deploy_form());
    ingest.accepts(&sent);
}

#[test]
fn without_a_secret_nothing_is_accepted() {
    let down = || Err(unavailable("the store is down"));
    let keys = FakeSecrets {
        cached: Mutex::new(down()),
        stored: down(),
        ..FakeSecrets::new(one_version(SECRET))
    };
    let ingest = TestIngest::with_secrets(keys);
    // Not a forgery: the answer says so, and that the log has more.
    let answer = ingest.rejects_with(&command("main deploy"), 500);
    let text = "The signing secret cannot be read; the log says why.\n";
    assert_eq!(answer.text, text);
    // What cannot be Slack's is rejected without reading the secret.
    let before = ingest.refreshed().len();
    ingest.rejects_sender(&unsigned("a=b"));
    ingest.rejects_sender(&command("main deploy").set(SIGNATURE, "v0=0"));
    ingest.rejects_sender(&command("main deploy").set(TIMESTAMP, "1"));
    ingest.run(&unsigned("ssl_check=1")).shows_nothing();
    assert_eq!(ingest.refreshed().len(), before);
    // The store answers at the second try.
    let keys = FakeSecrets {
        cached: Mutex::new(down()),
        ..FakeSecrets::new(one_version(SECRET))
    };
    TestIngest::with_secrets(keys).accepts(&command("main deploy"));
}

#[test]
fn an_empty_secret_is_no_secret() {
    for previous in [None, Some("")] {
        let ingest = TestIngest::with_secrets(FakeSecrets::new(versions("", previous)));
        ingest.rejects_sender(&signed_with("", deploy_form()));
        ingest.rejects_sender(&command("main deploy"));
    }
    // Beside an empty one, the other still counts.
    let both = FakeSecrets::new(versions("", Some(SECRET)));
    let ingest = TestIngest::with_secrets(both);
    ingest.accepts(&command("main deploy"));
    ingest.rejects_sender(&signed_with("", deploy_form()));
}

/// Whoever knows the token can send a command in anybody's name.
#[test]
fn a_token_is_warned_of_at_the_start() {
    chatops_testkit::thread_log::install();
    let said = |token, signing_secret| {
        chatops_ingest::warn_of_token(token, signing_secret);
        chatops_testkit::thread_log::take()
    };
    assert!(said(true, true).contains("remove the token"));
    assert!(said(true, false).contains("set a signing secret"));
    assert_eq!(
        (said(false, true), said(false, false)),
        (String::new(), String::new())
    );
}
