//! Legacy commands, which carry a token and no signature: only where an operator has opted in.

use chatops_core::ports::SecretName;

use crate::requests::{
    NOW, SECRET, SIGNATURE, SlackRequest, TIMESTAMP, TOKEN, command, fields, form, signed_with,
    unsigned,
};
use crate::support::{FakeSecrets, ROUTES, TestIngest, one_version, unavailable};

/// A command as a legacy integration sends it.
fn legacy_command(text: &str, token: Option<&str>) -> SlackRequest {
    let mut fields = fields(text);
    fields.retain(|(name, _)| !["token", "trigger_id", "api_app_id"].contains(name));
    fields.extend(token.map(|token| ("token", token.to_owned())));
    unsigned(&form(&fields))
}

/// Of an operator who has opted in.
fn test_ingest() -> TestIngest {
    TestIngest::with_secrets(secrets_with(TOKEN))
}

fn secrets_with(token: &str) -> FakeSecrets {
    FakeSecrets::new(one_version(SECRET))
        .with_secret(SecretName::SlackVerification, one_version(token))
}

fn assert_rejected(ingest: &TestIngest, sent: &SlackRequest) {
    let before = ingest.queued_count();
    for route in ROUTES {
        let answer = ingest.send(sent.to_route(route));
        assert_eq!(answer.status, 401, "{sent:?}: {}", answer.text);
        assert_eq!(answer.text, "The request is not signed by Slack.\n");
    }
    assert_eq!(ingest.queued_count(), before, "queued: {sent:?}");
}

#[test]
fn the_right_token_replaces_the_signature() {
    let ingest = test_ingest();
    let answer = ingest.run(&legacy_command("main deploy", Some(TOKEN)));
    answer.is_in_channel("Accepted");
    let message = ingest.queued_deploy();
    assert_eq!(message.requester.user.as_str(), "U2CERLKJA");
    // No time is signed: the time of arrival counts.
    assert_eq!(message.requested_at.timestamp(), NOW);
    assert!(message.requester.response_url.is_some());
}

#[test]
fn without_the_opt_in_no_token_is_accepted() {
    let ingest = TestIngest::new();
    for token in [Some(TOKEN), Some(""), None] {
        assert_rejected(&ingest, &legacy_command("main deploy", token));
    }
    // An app's commands carry a token, too.
    assert_rejected(&ingest, &command("main deploy").unsigned());
}

#[test]
fn no_other_token_is_accepted() {
    let ingest = test_ingest();
    for wrong in [
        "",
        "x",
        &TOKEN[1..],
        &TOKEN[..TOKEN.len() - 1],
        &TOKEN.to_ascii_lowercase(),
        &format!("{TOKEN} "),
        &format!("{TOKEN}\0"),
        &format!("{TOKEN}{TOKEN}"),
        SECRET,
    ] {
        assert_rejected(&ingest, &legacy_command("main deploy", Some(wrong)));
    }
    for at in 0..TOKEN.len() {
        let mut wrong = TOKEN.to_owned().into_bytes();
        wrong[at] ^= 1;
        let wrong = String::from_utf8(wrong).unwrap();
        assert_rejected(&ingest, &legacy_command("main deploy", Some(&wrong)));
    }
    assert_rejected(&ingest, &legacy_command("main deploy", None));
    // Two of them are no token at all, whichever comes first.
    let body = |first: &str, then: &str| {
        let sent = legacy_command("main deploy", Some(first)).body;
        format!("{}&token={then}", String::from_utf8(sent).unwrap())
    };
    assert_rejected(&ingest, &unsigned(&body(TOKEN, "x")));
    assert_rejected(&ingest, &unsigned(&body("x", TOKEN)));
    assert_rejected(&ingest, &unsigned(&body(TOKEN, TOKEN)));
    // It counts in the form only.
    let sent = legacy_command("main deploy", None);
    assert_rejected(&ingest, &sent.clone().and("token", TOKEN));
    let bearer = format!("Bearer {TOKEN}");
    assert_rejected(&ingest, &sent.and("Authorization", bearer));
    let sent = legacy_command("main deploy", Some(TOKEN));
    assert_rejected(&ingest, &sent.set("Content-Type", "application/json"));
}

#[test]
fn a_token_does_not_replace_a_wrong_signature() {
    let ingest = test_ingest();
    let right = command("main deploy");
    for signed in [
        right.clone().set(SIGNATURE, "v0=0"),
        right.clone().set(SIGNATURE, ""),
        right.clone().set(TIMESTAMP, "1"),
        right.clone().without(SIGNATURE),
        right.clone().without(TIMESTAMP),
        signed_with("another secret", right.body.clone()),
        right.clone().with_body([&*right.body, b"&"].concat()),
    ] {
        let body = String::from_utf8(signed.body.clone()).unwrap();
        assert!(body.contains(TOKEN));
        assert_rejected(&ingest, &signed);
    }
    // A signature counts whatever the token is.
    ingest.run(&right).is_in_channel("Accepted");
}

#[test]
fn an_empty_token_is_no_token() {
    let ingest = TestIngest::with_secrets(secrets_with(""));
    for token in [Some(""), Some(TOKEN), None] {
        assert_rejected(&ingest, &legacy_command("main deploy", token));
    }
}

#[test]
fn a_new_token_is_found() {
    let mut keys = secrets_with("an older token");
    keys.optional_stored = [(SecretName::SlackVerification, one_version(TOKEN))].into();
    let ingest = TestIngest::with_secrets(keys);
    assert_rejected(&ingest, &legacy_command("main deploy", None));
    assert!(ingest.refreshed().is_empty());
    let answer = ingest.run(&legacy_command("main deploy", Some(TOKEN)));
    answer.is_in_channel("Accepted");
    let refreshed = [SecretName::SlackVerification];
    assert_eq!(ingest.refreshed(), refreshed);
    let older = legacy_command("main deploy", Some("an older token"));
    assert_rejected(&ingest, &older);
}

#[test]
fn a_legacy_command_needs_no_signing_secret() {
    let mut keys = secrets_with(TOKEN);
    keys.stored = Err(unavailable("there is none"));
    *keys.cached.get_mut().unwrap() = keys.stored.clone();
    let ingest = TestIngest::with_secrets(keys);
    let answer = ingest.run(&legacy_command("main deploy", Some(TOKEN)));
    answer.is_in_channel("Accepted");
    assert_rejected(&ingest, &legacy_command("main deploy", Some("x")));
}

#[test]
fn a_token_is_not_logged() {
    // The test support checks every log for the right one.
    let sent = legacy_command("main deploy", Some("zyzzyva"));
    let log = test_ingest().run(&sent).log;
    let reason = "the verification token does not match";
    assert!(log.contains(reason), "{log}");
    assert!(!log.contains("zyzzyva"), "{log}");
}

/// The lines of the log that warn of an unsigned command.
fn warnings(log: &str) -> usize {
    let warns = |line: &&str| {
        line.contains(r#""level":"WARN""#) && line.contains("unsigned command accepted")
    };
    log.lines().filter(warns).count()
}

#[test]
fn an_unsigned_command_is_marked_on_its_way() {
    for text in ["main deploy", "history", "cancel 1a2b3c4d"] {
        let ingest = test_ingest();
        let answer = ingest.run(&unsigned(&form(&fields(text))));
        assert!(ingest.queued_requester().unsigned, "{text}");
        assert!(answer.log.contains(r#""unsigned":true"#), "{}", answer.log);

        let ingest = test_ingest();
        let answer = ingest.run(&command(text));
        assert!(!ingest.queued_requester().unsigned, "{text}");
        // What was signed is written as it ever was.
        assert!(!ingest.queued_json().to_string().contains("unsigned"));
        assert_eq!(
            (answer.log.contains("unsigned"), warnings(&answer.log)),
            (false, 0)
        );
    }
}

#[test]
fn a_signing_secret_beside_the_token_is_warned_of_once_a_minute() {
    let ingest = test_ingest();
    let sent = legacy_command("main deploy", Some(TOKEN));
    assert_eq!(warnings(&ingest.run(&sent).log), 1);
    assert_eq!(warnings(&ingest.run(&sent).log), 0, "in the same minute");
    // One that is refused is no command.
    let refused = legacy_command("main deploy", Some("x"));
    assert_eq!(warnings(&test_ingest().run(&refused).log), 0);

    // Where there is no signing secret, the start has said it.
    let mut keys = secrets_with(TOKEN);
    keys.stored = Err(unavailable("there is none"));
    *keys.cached.get_mut().unwrap() = keys.stored.clone();
    let ingest = TestIngest::with_secrets(keys);
    let answer = ingest.run(&sent);
    assert_eq!(warnings(&answer.log), 0, "{}", answer.log);
    assert!(answer.log.contains(r#""unsigned":true"#), "{}", answer.log);
}
