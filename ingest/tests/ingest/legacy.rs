//! Legacy commands, which carry a token and no signature: only where somebody has opted in.

use chatops_core::message::DeployMessage;
use chatops_core::ports::{SecretName, SecretsError};

use crate::requests::{
    NOW, SECRET, SIGNATURE, Sent, TIMESTAMP, TOKEN, command, fields, form, signed_by,
};
use crate::support::{Keys, ROUTES, Stage, only};

/// A command as a legacy integration sends it.
fn legacy(text: &str, token: Option<&str>) -> Sent {
    let mut fields = fields(text);
    fields.retain(|(name, _)| !["token", "trigger_id", "api_app_id"].contains(name));
    fields.extend(token.map(|token| ("token", token.to_owned())));
    bare(form(&fields))
}

/// Without either header of the signature.
fn bare(body: String) -> Sent {
    signed_by(SECRET, NOW.to_string().as_bytes(), body)
        .without(SIGNATURE)
        .without(TIMESTAMP)
}

/// Of somebody who has opted in.
fn stage() -> Stage {
    Stage::with(keys(TOKEN))
}

fn keys(token: &str) -> Keys {
    Keys::new(only(SECRET)).and(SecretName::SlackVerification, only(token))
}

fn is_refused(stage: &Stage, sent: &Sent) {
    let before = stage.queued();
    for route in ROUTES {
        let answer = stage.ask(sent.to(route));
        assert_eq!(answer.status, 401, "{sent:?}: {}", answer.text);
        assert_eq!(answer.text, "The request is not signed by Slack.\n");
    }
    assert_eq!(stage.queued(), before, "something was queued: {sent:?}");
}

#[test]
fn the_right_token_stands_in_for_the_signature() {
    let stage = stage();
    let answer = stage.hears(&legacy("main deploy", Some(TOKEN)));
    answer.is_in_channel("Accepted");
    let DeployMessage {
        asker, asked_at, ..
    } = stage.message();
    assert_eq!(asker.user.as_str(), "U2CERLKJA");
    // No time is signed: it counts from the arrival.
    assert_eq!(asked_at.timestamp(), NOW);
    assert!(asker.reply_to.is_some());
}

#[test]
fn nobody_is_believed_who_has_not_opted_in() {
    let stage = Stage::new();
    for token in [Some(TOKEN), Some(""), None] {
        is_refused(&stage, &legacy("main deploy", token));
    }
    // An app's commands carry a token, too.
    is_refused(
        &stage,
        &command("main deploy").without(SIGNATURE).without(TIMESTAMP),
    );
}

#[test]
fn no_other_token_is_believed() {
    let stage = stage();
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
        is_refused(&stage, &legacy("main deploy", Some(wrong)));
    }
    for at in 0..TOKEN.len() {
        let mut wrong = TOKEN.to_owned().into_bytes();
        wrong[at] ^= 1;
        let wrong = String::from_utf8(wrong).unwrap();
        is_refused(&stage, &legacy("main deploy", Some(&wrong)));
    }
    is_refused(&stage, &legacy("main deploy", None));
    // Two of them are no token at all, whichever comes first.
    let body = |first: &str, then: &str| {
        let sent = legacy("main deploy", Some(first)).body;
        format!("{}&token={then}", String::from_utf8(sent).unwrap())
    };
    is_refused(&stage, &bare(body(TOKEN, "x")));
    is_refused(&stage, &bare(body("x", TOKEN)));
    is_refused(&stage, &bare(body(TOKEN, TOKEN)));
    // And it stands in the form, nowhere else.
    let sent = legacy("main deploy", None);
    is_refused(&stage, &sent.clone().and("token", TOKEN));
    is_refused(
        &stage,
        &sent.and("Authorization", format!("Bearer {TOKEN}")),
    );
    let sent = legacy("main deploy", Some(TOKEN));
    is_refused(&stage, &sent.set("Content-Type", "application/json"));
}

#[test]
fn a_token_excuses_no_signature() {
    let stage = stage();
    let right = command("main deploy");
    for signed in [
        right.clone().set(SIGNATURE, "v0=0"),
        right.clone().set(SIGNATURE, ""),
        right.clone().set(TIMESTAMP, "1"),
        right.clone().without(SIGNATURE),
        right.clone().without(TIMESTAMP),
        signed_by(
            "another secret",
            NOW.to_string().as_bytes(),
            right.body.clone(),
        ),
        right.clone().body([right.body.as_slice(), b"&"].concat()),
    ] {
        assert!(
            String::from_utf8(signed.body.clone())
                .unwrap()
                .contains(TOKEN)
        );
        is_refused(&stage, &signed);
    }
    // A signature counts whatever the token is.
    stage.hears(&right).is_in_channel("Accepted");
}

#[test]
fn an_empty_token_is_no_token() {
    let stage = Stage::with(keys(""));
    for token in [Some(""), Some(TOKEN), None] {
        is_refused(&stage, &legacy("main deploy", token));
    }
}

#[test]
fn a_new_token_is_found() {
    let mut keys = keys("an older token");
    keys.more_stored = [(SecretName::SlackVerification, only(TOKEN))].into();
    let stage = Stage::with(keys);
    is_refused(&stage, &legacy("main deploy", None));
    assert!(stage.0.secrets.refreshed.lock().unwrap().is_empty());
    let answer = stage.hears(&legacy("main deploy", Some(TOKEN)));
    answer.is_in_channel("Accepted");
    let refreshed = [SecretName::SlackVerification];
    assert_eq!(*stage.0.secrets.refreshed.lock().unwrap(), refreshed);
    is_refused(&stage, &legacy("main deploy", Some("an older token")));
}

#[test]
fn a_legacy_command_needs_no_signing_secret() {
    let mut keys = keys(TOKEN);
    keys.stored = Err(SecretsError("there is none".to_owned()));
    *keys.cached.get_mut().unwrap() = keys.stored.clone();
    let stage = Stage::with(keys);
    let answer = stage.hears(&legacy("main deploy", Some(TOKEN)));
    answer.is_in_channel("Accepted");
    is_refused(&stage, &legacy("main deploy", Some("x")));
}

#[test]
fn a_token_is_not_logged() {
    // Of what was sent: the harness looks for the right one in every log.
    let log = stage().hears(&legacy("main deploy", Some("zyzzyva"))).log;
    assert!(log.contains("the verification token does not fit"), "{log}");
    assert!(!log.contains("zyzzyva"), "{log}");
}
