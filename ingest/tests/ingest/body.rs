//! The body: its size, its type, its fields.

use chatops_ingest::MAX_BODY_BYTES;

use crate::requests::{SIGNATURE, changed_form, command, deploy_form, fields, form, signed};
use crate::support::TestIngest;

#[test]
fn a_body_counts_as_it_was_sent_however_it_is_encoded() {
    let usual = form(&fields("release/1 deploy"));
    let (head, tail) = usual.split_once('&').unwrap();
    let encodings = [
        usual.replace('+', "%20"),
        usual.replace("%2F", "%2f"),
        usual.replace("%2F", "/"),
        usual.replace("deploy", "%64eploy"),
        format!("{usual}&"),
        format!("&{usual}"),
        format!("{usual}&new_field=1&another"),
        format!("{tail}&{head}"),
    ];
    for encoded in encodings {
        assert_ne!(encoded, usual);
        let ingest = TestIngest::new();
        ingest.rejects_sender(&signed(usual.clone()).with_body(encoded.clone()));
        ingest.rejects_sender(&signed(encoded.clone()).with_body(usual.clone()));
        let answer = ingest.run_alias(&signed(encoded));
        answer.is_in_channel("Accepted");
        assert_eq!(ingest.queued_deploy().deploy.git_ref.name(), "release/1");
    }
}

#[test]
fn a_large_body_is_rejected_unread() {
    let ingest = TestIngest::new();
    let padded = |length: usize| {
        let mut body = deploy_form() + "&padding=";
        body.extend(std::iter::repeat_n('x', length - body.len()));
        body
    };
    ingest.accepts(&signed(padded(MAX_BODY_BYTES)));
    let sent = signed(padded(MAX_BODY_BYTES + 1));
    ingest.rejects_with(&sent, 413);
    ingest.rejects_with(&sent.without(SIGNATURE), 413);
    assert_eq!(MAX_BODY_BYTES, 16 * 1024);
}

#[test]
fn what_is_not_a_form_is_rejected() {
    let ingest = TestIngest::new();
    let sent = command("main deploy").without("Content-Type");
    ingest.rejects_with(&sent, 400);
    for kind in [
        "application/json",
        "text/plain",
        "multipart/form-data",
        "",
        ";",
        "\u{e9}",
    ] {
        ingest.rejects_with(&sent.clone().and("Content-Type", kind), 400);
    }
    let json = signed(r#"{"team_id":"T1DC2JH3J"}"#);
    ingest.rejects_with(&json.set("Content-Type", "application/json"), 400);
    ingest.rejects_with(&signed(""), 400);
    ingest.rejects_with(&signed(r#"{"team_id":"T1DC2JH3J"}"#), 400);
    let kind = "Application/X-WWW-Form-Urlencoded ; charset=utf-8";
    ingest.accepts(&sent.and("Content-Type", kind));
}

#[test]
fn a_doubled_field_is_rejected() {
    for (name, value) in fields("main deploy") {
        let body = deploy_form();
        let (start, last) = name.split_at(name.len() - 1);
        // The same value, another one, and the same name written differently.
        for again in [
            form(&[(name, value)]),
            form(&[(name, "X".to_owned())]),
            name.to_owned(),
            format!("{start}%{:02x}=", last.as_bytes()[0]),
        ] {
            let answer = TestIngest::new().rejects_with(&signed(format!("{body}&{again}")), 400);
            let text = format!("Not a command: the form has the field '{name}' twice.\n");
            assert_eq!(answer.text, text);
            TestIngest::new().rejects_with(&signed(format!("{again}&{body}")), 400);
        }
    }
}

#[test]
fn a_command_without_its_ids_is_rejected() {
    for name in ["team_id", "channel_id", "user_id"] {
        let wrong = ["", "x", "X0001", "U<@U1>", "U0001 ", "*"];
        for value in wrong.map(Some).into_iter().chain([None]) {
            let answer = TestIngest::new().rejects_with(&changed_form(name, value), 400);
            let text = format!("Not a command: the form has no valid '{name}'.\n");
            assert_eq!(answer.text, text);
        }
    }
}

#[test]
fn the_name_of_a_doubled_field_is_shown_on_one_line_and_not_in_full() {
    let name = "a%0a%1b%5b31m".to_owned() + &"x".repeat(100);
    let answer = TestIngest::new().rejects_with(&signed(format!("{name}=1&{name}=2")), 400);
    let shown = "a\\n\\u{1b}[31m".to_owned() + &"x".repeat(40);
    let shown = &shown[..40];
    let text = format!("Not a command: the form has the field '{shown}' twice.\n");
    assert_eq!(answer.text, text);
}
