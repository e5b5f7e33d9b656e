//! Which secrets may be set, in which form, and the errors.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use insta::assert_snapshot;

use super::*;

const SIGNING_SECRET: &str = "canary-of-the-signing-secret";
const CI_TOKEN: &str = "canary-of-circleci";

/// The required secrets.
const REQUIRED: [(&str, &str); 2] = [
    ("SLACK_SIGNING_SECRET", SIGNING_SECRET),
    ("CIRCLECI_TOKEN", CI_TOKEN),
];

/// The optional secrets.
const OPTIONAL: [(&str, SecretName); 3] = [
    ("SLACK_VERIFICATION_TOKEN", SecretName::SlackVerification),
    ("SLACK_BOT_TOKEN", SecretName::SlackBot),
    ("CIRCLECI_WEBHOOK_SECRET", SecretName::CircleCiWebhook),
];

const NOT_SET: &str = "SLACK_SIGNING_SECRET is not set";

const PREVIOUS_VARIABLE: &str = "SLACK_SIGNING_SECRET_PREVIOUS";

/// Reads the required secrets with changes: other values, or none.
fn read_secrets(changes: &[(&str, Option<&str>)]) -> Result<EnvSecrets, BadSecret> {
    let mut all = BTreeMap::from(REQUIRED);
    for (name, value) in changes {
        match value {
            Some(value) => all.insert(name, value),
            None => all.remove(name),
        };
    }
    EnvSecrets::read(|name| all.get(name).map(OsString::from))
}

fn rejected(changes: &[(&str, Option<&str>)]) -> String {
    let said = read_secrets(changes).unwrap_err().to_string();
    assert!(!said.contains("canary"), "{said}");
    said
}

/// The value of a future that does not wait.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn versions(secrets: &EnvSecrets, name: SecretName) -> (String, Option<String>) {
    let SecretVersions { current, previous } = ready(secrets.get(name)).unwrap();
    let previous = previous.map(|previous| previous.expose_secret().to_owned());
    (current.expose_secret().to_owned(), previous)
}

fn current_version(secrets: &EnvSecrets, name: SecretName) -> String {
    versions(secrets, name).0
}

#[test]
fn two_secrets_are_required() {
    let secrets = read_secrets(&[]).unwrap();
    let signing = versions(&secrets, SecretName::SlackSigning);
    assert_eq!(signing, (SIGNING_SECRET.to_owned(), None));
    let token = current_version(&secrets, SecretName::CircleCiToken);
    assert_eq!(token, CI_TOKEN);
    for (_, name) in OPTIONAL {
        assert!(!secrets.has(name));
        let said = ready(secrets.get(name)).unwrap_err().to_string();
        assert!(said.ends_with("is not configured"), "{said}");
        assert!(ready(secrets.refresh(name)).is_err());
    }
    assert_snapshot!(rejected(&[("SLACK_SIGNING_SECRET", None)]), @"SLACK_SIGNING_SECRET is not set: put the Slack app's signing secret there, or the path of a file that holds it in SLACK_SIGNING_SECRET_FILE");
    assert_snapshot!(rejected(&[("CIRCLECI_TOKEN", None)]), @"CIRCLECI_TOKEN is not set: put a CircleCI personal API token there, or the path of a file that holds it in CIRCLECI_TOKEN_FILE");
}

#[test]
fn the_other_secrets_are_optional() {
    for (variable, name) in OPTIONAL {
        let secrets = read_secrets(&[(variable, Some(" canary-of-sixteen-or-more\n"))]).unwrap();
        assert!(secrets.has(name));
        let both = ("canary-of-sixteen-or-more".to_owned(), None);
        assert_eq!(versions(&secrets, name), both);
        for (_, other) in OPTIONAL {
            assert_eq!(secrets.has(other), other == name);
        }
    }
}

#[test]
fn a_legacy_command_needs_no_signing_secret() {
    let token = Some("canary-of-the-legacy-token");
    let token = ("SLACK_VERIFICATION_TOKEN", token);
    let secrets = read_secrets(&[("SLACK_SIGNING_SECRET", None), token]).unwrap();
    assert!(!secrets.has(SecretName::SlackSigning));
    assert!(secrets.has(SecretName::SlackVerification));
    // No other secret replaces it.
    for (variable, _) in &OPTIONAL[1..] {
        let other = (*variable, Some("canary-of-sixteen-or-more"));
        let said = rejected(&[("SLACK_SIGNING_SECRET", None), other]);
        assert!(said.starts_with(NOT_SET), "{said}");
    }
    assert!(read_secrets(&[("CIRCLECI_TOKEN", None), token]).is_err());
}

#[test]
fn the_previous_signing_secret_is_valid_beside_the_current_one() {
    let before = (PREVIOUS_VARIABLE, Some("canary-of-last-year"));
    let secrets = read_secrets(&[before]).unwrap();
    let previous = Some("canary-of-last-year".to_owned());
    let both = (SIGNING_SECRET.to_owned(), previous);
    assert_eq!(versions(&secrets, SecretName::SlackSigning), both);
    assert_eq!(versions(&secrets, SecretName::CircleCiToken).1, None);
    // It is not enough on its own.
    let said = rejected(&[("SLACK_SIGNING_SECRET", None), before]);
    assert!(said.starts_with(NOT_SET), "{said}");
}

#[test]
fn an_invalid_secret_is_an_error_that_names_it() {
    let unfit = |variable, value| rejected(&[(variable, Some(value))]);
    assert_snapshot!(unfit("SLACK_BOT_TOKEN", ""), @"SLACK_BOT_TOKEN does not hold the Slack app's bot token: it is empty");
    assert_snapshot!(unfit("SLACK_BOT_TOKEN", "xoxb-canary"), @"SLACK_BOT_TOKEN does not hold the Slack app's bot token: it is too short");
    assert_snapshot!(unfit("SLACK_BOT_TOKEN", "xoxb-canary of two words"), @"SLACK_BOT_TOKEN does not hold the Slack app's bot token: it is not one word of plain characters");
    for quoted in [
        "\"0123456789abcdef\"",
        "'0123456789abcdef'",
        "\u{201c}0123456789abcdef\u{201d}",
        "`0123456789abcdef`",
    ] {
        let said = unfit("SLACK_SIGNING_SECRET", quoted);
        assert!(
            said.ends_with("it is in quotes, which would be part of it: take them away"),
            "{said}"
        );
        assert!(!said.contains("0123"), "{said}");
    }
    assert_snapshot!(unfit("SLACK_SIGNING_SECRET", "SLACK_SIGNING_SECRET=0123456789abcdef"), @"SLACK_SIGNING_SECRET does not hold the Slack app's signing secret: it is written as NAME=value: keep the value alone");
    assert_snapshot!(unfit("SLACK_SIGNING_SECRET", "<your signing secret>"), @"SLACK_SIGNING_SECRET does not hold the Slack app's signing secret: it is a placeholder: put the real one there");
    assert_snapshot!(unfit("SLACK_SIGNING_SECRET", "xoxb-0123456789abcdef"), @"SLACK_SIGNING_SECRET does not hold the Slack app's signing secret: it is a token of the app: take the signing secret (Basic Information)");
    assert_snapshot!(unfit("SLACK_VERIFICATION_TOKEN", " "), @"SLACK_VERIFICATION_TOKEN does not hold the verification token of a legacy slash command: it is empty");
    assert_snapshot!(unfit("CIRCLECI_WEBHOOK_SECRET", "canary-15-bytes"), @"CIRCLECI_WEBHOOK_SECRET does not hold the signing secret of CircleCI's webhook: it is too short");
    assert_snapshot!(unfit(PREVIOUS_VARIABLE, "canary"), @"SLACK_SIGNING_SECRET_PREVIOUS does not hold the Slack app's signing secret before the last rotation: it is too short");
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
            let expected = format!("{variable} does not hold ");
            assert!(said.starts_with(&expected), "{said}");
        }
        assert!(read_secrets(&[(variable, Some("canary-16-bytes-"))]).is_ok());
    }
}

#[cfg(unix)]
#[test]
fn bytes_that_are_not_text_are_rejected() {
    use std::os::unix::ffi::OsStringExt as _;

    for variable in ["SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN", PREVIOUS_VARIABLE] {
        let lookup = |name: &str| match name {
            name if name == variable => Some(OsString::from_vec(vec![0xff; 32])),
            name => BTreeMap::from(REQUIRED).get(name).map(OsString::from),
        };
        let said = EnvSecrets::read(lookup).unwrap_err().to_string();
        assert!(said.starts_with(variable), "{said}");
        assert!(said.ends_with("it is not text"), "{said}");
    }
}

#[test]
fn a_secret_is_set_in_one_place() {
    let names = OPTIONAL.map(|(variable, _)| variable);
    let needed = REQUIRED.map(|(variable, _)| variable);
    for variable in names.into_iter().chain(needed).chain([PREVIOUS_VARIABLE]) {
        let file = format!("{variable}_FILE");
        let value = Some("canary-of-sixteen-or-more");
        let said = rejected(&[(variable, value), (&file, Some("secret"))]);
        let expected = format!("{variable} and {file} are both set: keep one");
        assert_eq!(said, expected);
    }
}

#[test]
fn a_secret_file_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    for (variable, name) in OPTIONAL.into_iter().chain([
        ("SLACK_SIGNING_SECRET", SecretName::SlackSigning),
        ("CIRCLECI_TOKEN", SecretName::CircleCiToken),
    ]) {
        let path = folder.path().join(variable);
        let file = format!("{variable}_FILE");
        let changes = [(variable, None), (file.as_str(), path.to_str())];
        if REQUIRED.iter().any(|(required, _)| *required == variable) {
            let missing = rejected(&changes);
            assert!(missing.starts_with(&format!("{file} names ")), "{missing}");
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(rejected(&changes).ends_with("it is empty"));

        std::fs::write(&path, "canary-of-the-first-day\n").unwrap();
        let secrets = read_secrets(&changes).unwrap();
        assert_eq!(current_version(&secrets, name), "canary-of-the-first-day");
        std::fs::write(&path, "canary-of-the-second-day\n").unwrap();
        assert_eq!(current_version(&secrets, name), "canary-of-the-first-day");
        ready(secrets.refresh(name)).unwrap();
        assert_eq!(current_version(&secrets, name), "canary-of-the-second-day");
        // An invalid value does not replace a valid one.
        for wrong in ["", "two words that are no secret"] {
            std::fs::write(&path, wrong).unwrap();
            let said = ready(secrets.refresh(name)).unwrap_err().to_string();
            assert!(!said.contains("no secret"), "{said}");
            assert_eq!(current_version(&secrets, name), "canary-of-the-second-day");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(ready(secrets.refresh(name)).is_err());
        assert_eq!(current_version(&secrets, name), "canary-of-the-second-day");
    }
    let path = folder.path().join("before");
    std::fs::write(&path, "canary-of-last-year").unwrap();
    let before = format!("{PREVIOUS_VARIABLE}_FILE");
    let secrets = read_secrets(&[(&before, path.to_str())]).unwrap();
    let previous = Some("canary-of-last-year".to_owned());
    let both = (SIGNING_SECRET.to_owned(), previous);
    assert_eq!(versions(&secrets, SecretName::SlackSigning), both);
}

#[test]
fn an_optional_secret_can_be_added_while_the_process_runs() {
    let folder = tempfile::tempdir().unwrap();
    for (variable, name) in OPTIONAL {
        let path = folder.path().join(variable);
        let file = format!("{variable}_FILE");
        let secrets = read_secrets(&[(file.as_str(), path.to_str())]).unwrap();
        assert!(!secrets.has(name));
        let found = || ready(secrets.find(name));
        assert_eq!(found().unwrap_err().kind(), PortErrorKind::Missing);
        // Half of a file is no secret, and no proof that there is none.
        std::fs::write(&path, "half").unwrap();
        assert_eq!(found().unwrap_err().kind(), PortErrorKind::Unavailable);
        std::fs::write(&path, "canary-of-the-first-day\n").unwrap();
        let current = found().unwrap().current;
        assert_eq!(current.expose_secret(), "canary-of-the-first-day");
        assert!(secrets.has(name));
    }
}

#[test]
fn a_signing_secret_can_be_added_beside_a_legacy_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signing");
    let secrets = read_secrets(&[
        ("SLACK_SIGNING_SECRET", None),
        ("SLACK_SIGNING_SECRET_FILE", path.to_str()),
        (
            "SLACK_VERIFICATION_TOKEN",
            Some("canary-of-the-legacy-token"),
        ),
    ])
    .unwrap();
    std::fs::write(&path, SIGNING_SECRET).unwrap();
    let found = ready(secrets.find(SecretName::SlackSigning)).unwrap();
    assert_eq!(found.current.expose_secret(), SIGNING_SECRET);
}

#[test]
fn a_variable_is_read_once() {
    let secrets = read_secrets(&[]).unwrap();
    ready(secrets.refresh(SecretName::CircleCiToken)).unwrap();
    let token = current_version(&secrets, SecretName::CircleCiToken);
    assert_eq!(token, CI_TOKEN);
}

#[test]
fn nothing_is_printed() {
    let all = OPTIONAL.map(|(variable, _)| (variable, Some("canary-of-sixteen-or-more")));
    let secrets = read_secrets(&all).unwrap();
    for text in [format!("{secrets:?}"), format!("{secrets:#?}")] {
        assert!(!text.contains("canary"), "{text}");
    }
}
