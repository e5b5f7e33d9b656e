//! What may be set, in which form, and what is said about what may not.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use insta::assert_snapshot;

use super::*;

const SIGNING: &str = "canary-of-the-signing-secret";
const CI: &str = "canary-of-circleci";

/// What has to be set.
const NEEDED: [(&str, &str); 2] = [("SLACK_SIGNING_SECRET", SIGNING), ("CIRCLECI_TOKEN", CI)];

/// What may be: the variable, and which secret it is.
const OPTIONAL: [(&str, SecretName); 3] = [
    ("SLACK_VERIFICATION_TOKEN", SecretName::SlackVerification),
    ("SLACK_BOT_TOKEN", SecretName::SlackBot),
    ("CIRCLECI_WEBHOOK_SECRET", SecretName::CircleCiWebhook),
];

const PREVIOUS_VARIABLE: &str = "SLACK_SIGNING_SECRET_PREVIOUS";

/// Reads what is needed, with changes: other values, or none.
fn read(changes: &[(&str, Option<&str>)]) -> Result<EnvSecrets, BadSecret> {
    let mut all = BTreeMap::from(NEEDED);
    for (name, value) in changes {
        match value {
            Some(value) => all.insert(name, value),
            None => all.remove(name),
        };
    }
    EnvSecrets::read(|name| all.get(name).map(OsString::from))
}

fn refused(changes: &[(&str, Option<&str>)]) -> String {
    let said = read(changes).unwrap_err().to_string();
    assert!(!said.contains("canary"), "{said}");
    said
}

/// These futures wait for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn versions(secrets: &EnvSecrets, name: SecretName) -> (String, Option<String>) {
    let Versions { current, previous } = now(secrets.get(name)).unwrap();
    let previous = previous.map(|previous| previous.expose_secret().to_owned());
    (current.expose_secret().to_owned(), previous)
}

fn current(secrets: &EnvSecrets, name: SecretName) -> String {
    versions(secrets, name).0
}

#[test]
fn two_secrets_are_needed_and_nothing_else_is() {
    let secrets = read(&[]).unwrap();
    assert_eq!(
        versions(&secrets, SecretName::SlackSigning),
        (SIGNING.to_owned(), None)
    );
    assert_eq!(current(&secrets, SecretName::CircleCiToken), CI);
    for (_, name) in OPTIONAL {
        assert!(!secrets.has(name));
        let said = now(secrets.get(name)).unwrap_err().to_string();
        assert!(said.ends_with("is not configured"), "{said}");
        assert!(now(secrets.refresh(name)).is_err());
    }
    assert_snapshot!(refused(&[("SLACK_SIGNING_SECRET", None)]), @"SLACK_SIGNING_SECRET is not set: put the Slack app's signing secret there, or the path of a file that holds it in SLACK_SIGNING_SECRET_FILE");
    assert_snapshot!(refused(&[("CIRCLECI_TOKEN", None)]), @"CIRCLECI_TOKEN is not set: put a CircleCI personal API token there, or the path of a file that holds it in CIRCLECI_TOKEN_FILE");
}

#[test]
fn each_of_the_others_may_be_set() {
    for (variable, name) in OPTIONAL {
        let secrets = read(&[(variable, Some(" canary-of-sixteen-or-more\n"))]).unwrap();
        assert!(secrets.has(name));
        let both = ("canary-of-sixteen-or-more".to_owned(), None);
        assert_eq!(versions(&secrets, name), both);
        for (_, other) in OPTIONAL {
            assert_eq!(secrets.has(other), other == name);
        }
    }
}

#[test]
fn a_legacy_command_may_do_without_the_signing_secret() {
    let token = (
        "SLACK_VERIFICATION_TOKEN",
        Some("canary-of-the-legacy-token"),
    );
    let secrets = read(&[("SLACK_SIGNING_SECRET", None), token]).unwrap();
    assert!(!secrets.has(SecretName::SlackSigning));
    assert!(secrets.has(SecretName::SlackVerification));
    // Of all the others, none stands in for it.
    for (variable, _) in &OPTIONAL[1..] {
        let other = (*variable, Some("canary-of-sixteen-or-more"));
        let said = refused(&[("SLACK_SIGNING_SECRET", None), other]);
        assert!(
            said.starts_with("SLACK_SIGNING_SECRET is not set"),
            "{said}"
        );
    }
    assert!(read(&[("CIRCLECI_TOKEN", None), token]).is_err());
}

#[test]
fn the_signing_secret_before_counts_beside_the_one_in_use() {
    let before = (PREVIOUS_VARIABLE, Some("canary-of-last-year"));
    let secrets = read(&[before]).unwrap();
    let both = (SIGNING.to_owned(), Some("canary-of-last-year".to_owned()));
    assert_eq!(versions(&secrets, SecretName::SlackSigning), both);
    assert_eq!(versions(&secrets, SecretName::CircleCiToken).1, None);
    // It is no signing secret on its own.
    let said = refused(&[("SLACK_SIGNING_SECRET", None), before]);
    assert!(
        said.starts_with("SLACK_SIGNING_SECRET is not set"),
        "{said}"
    );
}

#[test]
fn what_is_set_and_can_be_none_is_an_error_that_names_it() {
    let unfit = |variable, value| refused(&[(variable, Some(value))]);
    assert_snapshot!(unfit("SLACK_BOT_TOKEN", ""), @"SLACK_BOT_TOKEN does not hold the Slack app's bot token: it is empty");
    assert_snapshot!(unfit("SLACK_BOT_TOKEN", "xoxb-canary"), @"SLACK_BOT_TOKEN does not hold the Slack app's bot token: it is too short");
    assert_snapshot!(unfit("SLACK_BOT_TOKEN", "xoxb-canary of two words"), @"SLACK_BOT_TOKEN does not hold the Slack app's bot token: it is not one word of plain characters");
    assert_snapshot!(unfit("SLACK_VERIFICATION_TOKEN", " "), @"SLACK_VERIFICATION_TOKEN does not hold the verification token of a legacy slash command: it is empty");
    assert_snapshot!(unfit("CIRCLECI_WEBHOOK_SECRET", "canary-15-bytes"), @"CIRCLECI_WEBHOOK_SECRET does not hold the signing secret of CircleCI's webhook: it is too short");
    assert_snapshot!(unfit(PREVIOUS_VARIABLE, "canary"), @"SLACK_SIGNING_SECRET_PREVIOUS does not hold the Slack app's signing secret before the last rotation: it is too short");
    // All of them, in each of these ways.
    let optional = OPTIONAL.map(|(variable, _)| variable);
    for variable in optional
        .into_iter()
        .chain([PREVIOUS_VARIABLE, "SLACK_SIGNING_SECRET"])
    {
        for value in [
            "",
            " \n",
            "canary-15-bytes",
            "canary of three words",
            "canary-\u{e9}-canary-canary",
        ] {
            let said = unfit(variable, value);
            assert!(
                said.starts_with(&format!("{variable} does not hold ")),
                "{said}"
            );
        }
        assert!(read(&[(variable, Some("canary-16-bytes-"))]).is_ok());
    }
}

#[cfg(unix)]
#[test]
fn what_is_not_text_is_no_secret() {
    use std::os::unix::ffi::OsStringExt as _;

    for variable in ["SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN", PREVIOUS_VARIABLE] {
        let lookup = |name: &str| match name {
            name if name == variable => Some(OsString::from_vec(vec![0xff; 32])),
            name => BTreeMap::from(NEEDED).get(name).map(OsString::from),
        };
        let said = EnvSecrets::read(lookup).unwrap_err().to_string();
        assert!(
            said.starts_with(variable) && said.ends_with("it is not text"),
            "{said}"
        );
    }
}

#[test]
fn a_secret_stands_in_one_place() {
    let names = OPTIONAL.map(|(variable, _)| variable);
    let needed = NEEDED.map(|(variable, _)| variable);
    for variable in names.into_iter().chain(needed).chain([PREVIOUS_VARIABLE]) {
        let file = format!("{variable}_FILE");
        let value = Some("canary-of-sixteen-or-more");
        let said = refused(&[(variable, value), (&file, Some("secret"))]);
        assert_eq!(
            said,
            format!("{variable} and {file} are both set: keep one")
        );
    }
}

#[test]
fn a_file_holds_it_as_well_and_is_read_afresh() {
    let folder = tempfile::tempdir().unwrap();
    for (variable, name) in OPTIONAL.into_iter().chain([
        ("SLACK_SIGNING_SECRET", SecretName::SlackSigning),
        ("CIRCLECI_TOKEN", SecretName::CircleCiToken),
    ]) {
        let path = folder.path().join(variable);
        let file = format!("{variable}_FILE");
        let changes = [(variable, None), (file.as_str(), path.to_str())];
        let missing = refused(&changes);
        assert!(missing.starts_with(&format!("{file} names ")), "{missing}");
        std::fs::write(&path, "\n").unwrap();
        assert!(refused(&changes).ends_with("it is empty"));

        std::fs::write(&path, "canary-of-the-first-day\n").unwrap();
        let secrets = read(&changes).unwrap();
        assert_eq!(current(&secrets, name), "canary-of-the-first-day");
        std::fs::write(&path, "canary-of-the-second-day\n").unwrap();
        assert_eq!(current(&secrets, name), "canary-of-the-first-day");
        now(secrets.refresh(name)).unwrap();
        assert_eq!(current(&secrets, name), "canary-of-the-second-day");
        // What cannot be one does not replace one that is.
        for wrong in ["", "two words that are no secret"] {
            std::fs::write(&path, wrong).unwrap();
            let said = now(secrets.refresh(name)).unwrap_err().to_string();
            assert!(!said.contains("no secret"), "{said}");
            assert_eq!(current(&secrets, name), "canary-of-the-second-day");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(now(secrets.refresh(name)).is_err());
        assert_eq!(current(&secrets, name), "canary-of-the-second-day");
    }
    let path = folder.path().join("before");
    std::fs::write(&path, "canary-of-last-year").unwrap();
    let before = format!("{PREVIOUS_VARIABLE}_FILE");
    let secrets = read(&[(&before, path.to_str())]).unwrap();
    let both = (SIGNING.to_owned(), Some("canary-of-last-year".to_owned()));
    assert_eq!(versions(&secrets, SecretName::SlackSigning), both);
}

#[test]
fn a_variable_is_read_once() {
    let secrets = read(&[]).unwrap();
    now(secrets.refresh(SecretName::CircleCiToken)).unwrap();
    assert_eq!(current(&secrets, SecretName::CircleCiToken), CI);
}

#[test]
fn nothing_is_printed() {
    let all = OPTIONAL.map(|(variable, _)| (variable, Some("canary-of-sixteen-or-more")));
    let secrets = read(&all).unwrap();
    for text in [format!("{secrets:?}"), format!("{secrets:#?}")] {
        assert!(!text.contains("canary"), "{text}");
    }
}
