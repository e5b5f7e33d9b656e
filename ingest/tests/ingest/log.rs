//! What is logged. Every test listens, so that none of them finds a secret in the log.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use chatops_core::ports::{SecretsError, SendError};
use http::HeaderValue;
use insta::assert_snapshot;
use tracing_subscriber::filter::LevelFilter;

use crate::requests::{
    ADDRESS, SECRET, SIGNATURE, TOKEN, TRIGGER, USER_NAME, command, unsigned, with,
};
use crate::support::{Keys, Stage, only};

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(vec![]) };
}

/// Keeps what is logged for the thread that logs it.
struct Here;

impl io::Write for Here {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Listens at every level. Before anything can log: whether a place logs at all is decided when it
/// does so first.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .without_time()
            .with_max_level(LevelFilter::TRACE)
            .with_writer(|| Here)
            .init();
    });
}

/// What this thread has logged since the last time.
pub(crate) fn take() -> String {
    String::from_utf8(LINES.take()).unwrap()
}

/// Nothing secret and nobody's name is in it.
pub(crate) fn is_clean(log: &str, signature: Option<&HeaderValue>) {
    let address = ADDRESS.rsplit('/').next().unwrap();
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
    let log = |text: &str| Stage::new().hears(&command(text)).log;
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
        assert!(
            log.contains(&format!(r#""verb":"{verb}""#)),
            "{text}: {log}"
        );
    }
}

#[test]
fn nothing_of_what_was_typed_is_logged() {
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
        let (not_sent, unknown) = (
            SendError::NotSent("down".into()),
            SendError::Unknown("slow".into()),
        );
        for stage in [
            Stage::new(),
            Stage::failing(not_sent),
            Stage::failing(unknown),
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
                let log = stage.hears(&with(text, changes)).log;
                assert!(!log.contains("zyzzyva"), "{text} {changes:?}: {log}");
            }
        }
    }
}

#[test]
fn trouble_is_logged() {
    let failing = |error| Stage::failing(error).hears(&command("status")).log;
    assert_snapshot!(failing(SendError::NotSent("down".into())), @r#"{"level":"WARN","message":"command not accepted","user":"U2CERLKJA","verb":"status","error":"the message was not queued: down","target":"chatops_ingest::command"}"#);
    assert_snapshot!(failing(SendError::Unknown("slow".into())), @r#"{"level":"WARN","message":"command not confirmed","user":"U2CERLKJA","verb":"status","error":"whether the message was queued is unknown: slow","target":"chatops_ingest::command"}"#);
    let forged = |sent| Stage::new().hears(&sent).log;
    assert_snapshot!(forged(unsigned("a=b")), @r#"{"level":"WARN","message":"request refused: it is not known to be Slack's","reason":"a signature header is missing or doubled","target":"chatops_ingest::slack"}"#);
    assert_snapshot!(forged(command("status").set(SIGNATURE, "v0=0")), @r#"{"level":"WARN","message":"request refused: it is not known to be Slack's","reason":"a signature header is malformed","target":"chatops_ingest::slack"}"#);
    assert_snapshot!(forged(with("status", &[("user_id", Some("x"))])), @r#"{"level":"WARN","message":"signed request refused","reason":"the form has no valid 'user_id'","target":"chatops_ingest::slack"}"#);
    assert_snapshot!(forged(with("status", &[("team_id", None)])), @r#"{"level":"WARN","message":"signed request refused","reason":"the form has no valid 'team_id'","target":"chatops_ingest::slack"}"#);

    let mut keys = Keys::new(only(SECRET));
    keys.stored = Err(SecretsError("the store is down".into()));
    *keys.cached.lock().unwrap() = keys.stored.clone();
    assert_snapshot!(Stage::with(keys).hears(&command("status")).log, @r#"
    {"level":"WARN","message":"the signing secret could not be read afresh","error":"the secret cannot be read: the store is down","target":"chatops_ingest::slack"}
    {"level":"ERROR","message":"the signing secret cannot be read: every command fails","error":"the secret cannot be read: the store is down","target":"chatops_ingest::slack"}
    "#);
}
