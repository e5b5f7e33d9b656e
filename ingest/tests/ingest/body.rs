//! The body: its size, its type, its fields.

use chatops_ingest::LARGEST_BODY;

use crate::requests::{SIGNATURE, changed, command, fields, form, signed};
use crate::support::Stage;

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
        let stage = Stage::new();
        stage.refuses(&signed(usual.clone()).body(encoded.clone()));
        stage.refuses(&signed(encoded.clone()).body(usual.clone()));
        let answer = stage.ask(signed(encoded).to("/chatops"));
        answer.is_in_channel("Accepted");
        assert_eq!(stage.message().deploy.branch.as_str(), "release/1");
    }
}

#[test]
fn a_large_body_is_refused_unread() {
    let stage = Stage::new();
    let padded = |length: usize| {
        let mut body = form(&fields("main deploy")) + "&padding=";
        body.extend(std::iter::repeat_n('x', length - body.len()));
        body
    };
    stage.takes(&signed(padded(LARGEST_BODY)));
    let sent = signed(padded(LARGEST_BODY + 1));
    stage.turns_down(&sent, 413);
    stage.turns_down(&sent.without(SIGNATURE), 413);
    assert_eq!(LARGEST_BODY, 16 * 1024);
}

#[test]
fn what_is_not_a_form_is_refused() {
    let stage = Stage::new();
    let sent = command("main deploy").without("Content-Type");
    stage.turns_down(&sent, 400);
    for kind in [
        "application/json",
        "text/plain",
        "multipart/form-data",
        "",
        ";",
        "\u{e9}",
    ] {
        stage.turns_down(&sent.clone().and("Content-Type", kind), 400);
    }
    let json = signed(r#"{"team_id":"T1DC2JH3J"}"#);
    stage.turns_down(&json.set("Content-Type", "application/json"), 400);
    stage.turns_down(&signed(""), 400);
    stage.turns_down(&signed(r#"{"team_id":"T1DC2JH3J"}"#), 400);
    let kind = "Application/X-WWW-Form-Urlencoded ; charset=utf-8";
    stage.takes(&sent.and("Content-Type", kind));
}

#[test]
fn a_doubled_field_is_refused() {
    for (name, value) in fields("main deploy") {
        let body = form(&fields("main deploy"));
        // The same value, another one, and the same name written differently.
        for again in [
            form(&[(name, value)]),
            form(&[(name, "X".to_owned())]),
            name.to_owned(),
            format!(
                "{}%{:02x}=",
                &name[..name.len() - 1],
                name.as_bytes()[name.len() - 1]
            ),
        ] {
            let answer = Stage::new().turns_down(&signed(format!("{body}&{again}")), 400);
            assert_eq!(
                answer.text,
                format!("Not a command: the form has the field '{name}' twice.\n")
            );
            Stage::new().turns_down(&signed(format!("{again}&{body}")), 400);
        }
    }
}

#[test]
fn a_command_without_its_ids_is_refused() {
    for name in ["team_id", "channel_id", "user_id"] {
        let wrong = [
            None,
            Some(""),
            Some("x"),
            Some("X0001"),
            Some("U<@U1>"),
            Some("U0001 "),
            Some("*"),
        ];
        for value in wrong {
            let answer = Stage::new().turns_down(&changed(name, value), 400);
            assert_eq!(
                answer.text,
                format!("Not a command: the form has no valid '{name}'.\n")
            );
        }
    }
}

#[test]
fn the_name_of_a_doubled_field_is_shown_on_one_line_and_not_in_full() {
    let name = "a%0a%1b%5b31m".to_owned() + &"x".repeat(100);
    let answer = Stage::new().turns_down(&signed(format!("{name}=1&{name}=2")), 400);
    let shown = "a\\n\\u{1b}[31m".to_owned() + &"x".repeat(40);
    let text = format!(
        "Not a command: the form has the field '{}' twice.\n",
        &shown[..40]
    );
    assert_eq!(answer.text, text);
}
