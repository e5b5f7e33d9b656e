//! What is logged. Every test captures it and checks that no secret is in it.

use chatops_core::ports::SendError;
use http::HeaderValue;
use insta::assert_snapshot;

use crate::requests::{
    RESPONSE_URL, SECRET, SIGNATURE, TOKEN, TRIGGER, USER_NAME, command, command_with, unsigned,
};
use crate::support::{FakeSecrets, TestIngest, one_version, unavailable};

/// No secret and no user's name is in it.
pub(crate) fn assert_clean(log: &str, signature: Option<&HeaderValue>) {
    let address = RESPONSE_URL.rsplit('/').next().unwrap();
    for secret in [SECRET, TOKEN, TRIGGER, USER_NAME, address] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    if let Some(signature) = signature.and_then(|value| value.to_str().ok())
        && signature.len() > 60
    {
        assert!(!log.contains(signature), "{log}");
    }
}

#[test]
fn a_command_is_logged_with_its_verb_and_its_user() {
    let log = |text: &str| TestIngest::new().run(&command(text)).log;
    assert_snapshot!(log("main deploy"), @r#"{"level":"INFO","message":"command queued","deploy.id":"9a4b65e1-e046-567c-83e6-af70c99ebc12","user":"U2CERLKJA","verb":"deploy","target":"chatops_ingest::command"}"#);
    assert_snapshot!(log("status"), @r#"{"level":"INFO","message":"command queued","user":"U2CERLKJA","verb":"status","target":"chatops_ingest::command"}"#);
    assert_snapshot!(log("retry 1a2b3c4d confirm"), @r#"{"level":"INFO","message":"command queued","user":"U2CERLKJA","verb":"retry","target":"chatops_ingest::command"}"#);
    for (text, verb) in [
        ("deploy web main deploy", "deploy"),
        ("plan main deploy", "plan"),
        ("status 1a2b3c4d", "status"),
        ("history", "history"),
        ("failed", "failed"),
        ("cancel 1a2b3c4d", "cancel"),
    ] {
        let log = log(text);
        let verb = format!(r#""verb":"{verb}""#);
        assert!(log.contains(&verb), "{text}: {log}");
    }
}

#[test]
fn what_was_typed_is_not_logged() {
    for text in [
        "release/zyzzyva deploy",
        "deploy zyzzyva main deploy",
        "main zyzzyva",
        "plan zyzzyva deploy",
        "history user:@zyzzyva",
        "history branch:zyzzyva",
        "history zyzzyva",
        "status zyzzyva",
        "cancel zyzzyva",
        "help zyzzyva",
        "zyzzyva",
        "zyzzyva zyzzyva zyzzyva zyzzyva",
    ] {
        let (not_sent, unknown) = (SendError::not_sent("down"), SendError::unknown("slow"));
        for ingest in [
            TestIngest::new(),
            TestIngest::with_send_error(not_sent),
            TestIngest::with_send_error(unknown),
        ] {
            for changes in [
                &[][..],
                &[("response_url", Some("https://zyzzyva.example/x"))],
                &[("response_url", None), ("trigger_id", None)],
                &[(
                    "response_url",
                    Some("https://hooks.slack.com/commands/zyzzyva"),
                )],
                &[("user_name", Some("zyzzyva"))],
                &[("team_id", Some("T0BAD"))],
                &[("team_id", Some("zyzzyva"))],
            ] {
                let log = ingest.run(&command_with(text, changes)).log;
                assert!(!log.contains("zyzzyva"), "{text} {changes:?}: {log}");
            }
        }
    }
}

#[test]
fn failures_are_logged() {
    let failing = |error| {
        TestIngest::with_send_error(error)
            .run(&command("status"))
            .log
    };
    assert_snapshot!(failing(SendError::not_sent("down")), @r#"{"level":"WARN","message":"command not accepted","user":"U2CERLKJA","verb":"status","error":"the message was not queued: down","target":"chatops_ingest::command"}"#);
    assert_snapshot!(failing(SendError::unknown("slow")), @r#"{"level":"WARN","message":"command not confirmed","user":"U2CERLKJA","verb":"status","error":"whether the message was queued is unknown: slow","target":"chatops_ingest::command"}"#);
    let forged = |sent| TestIngest::new().run(&sent).log;
    assert_snapshot!(forged(unsigned("a=b")), @r#"{"level":"WARN","message":"request rejected: not verified to be Slack's","reason":"a signature header is missing or doubled","target":"chatops_ingest::refusal"}"#);
    assert_snapshot!(forged(command("status").set(SIGNATURE, "v0=0")), @r#"{"level":"WARN","message":"request rejected: not verified to be Slack's","reason":"a signature header is malformed","target":"chatops_ingest::refusal"}"#);
    assert_snapshot!(forged(command_with("status", &[("user_id", Some("x"))])), @r#"{"level":"WARN","message":"signed request rejected","reason":"the form has no valid 'user_id'","target":"chatops_ingest::slack"}"#);
    assert_snapshot!(forged(command_with("status", &[("team_id", None)])), @r#"{"level":"WARN","message":"signed request rejected","reason":"the form has no valid 'team_id'","target":"chatops_ingest::slack"}"#);

    let mut keys = FakeSecrets::new(one_version(SECRET));
    keys.stored = Err(unavailable("the store is down"));
    *keys.cached.lock().unwrap() = keys.stored.clone();
    assert_snapshot!(TestIngest::with_secrets(keys).run(&command("status")).log, @r#"
    {"level":"WARN","message":"the secret could not be refreshed","secret":"SlackSigning","error":"the secret cannot be read: the store is down","target":"chatops_ingest::refusal"}
    {"level":"ERROR","message":"the signing secret cannot be read: every command fails","error":"the secret cannot be read: the store is down","target":"chatops_ingest::refusal"}
    "#);
}
