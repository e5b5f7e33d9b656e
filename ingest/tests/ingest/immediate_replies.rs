//! Commands that are answered at once and queue nothing.

use chatops_core::command::{self, Verb};
use chatops_core::id::{QualifiedChannel, QualifiedUser};
use chatops_core::text::{self, SlackMessage};

use crate::requests::{command, command_with, fields, form, signed};
use crate::support::TestIngest;

fn help_message(topic: Option<Verb>, ingest: &TestIngest) -> SlackMessage {
    let user = QualifiedUser::parse("T1DC2JH3J/U2CERLKJA").unwrap();
    let channel = QualifiedChannel::parse("T1DC2JH3J/G8PSS9T3V").unwrap();
    text::help_message(topic, &user, &channel, &ingest.0.config)
}

#[test]
fn help_is_answered_at_once() {
    let ingest = TestIngest::new();
    let all = help_message(None, &ingest);
    for text in ["", " ", "help", " help  "] {
        ingest.only_shows(&command(text), &all);
    }
    ingest.only_shows(&command_with("help", &[("text", None)]), &all);
    for word in Verb::words() {
        let expected = help_message(Verb::parse(word), &ingest);
        ingest.only_shows(&command(&format!("help {word}")), &expected);
    }
    ingest.only_answers(&command("help"), "Deploy from Slack");
    ingest.only_answers(&command("help cancel"), "Help");
    // It needs no response URL and no idempotency key.
    let bare = [("response_url", None), ("trigger_id", None)];
    ingest.only_shows(&command_with("help", &bare), &all);
}

#[test]
fn help_depends_on_the_user_and_the_channel() {
    let ingest = TestIngest::new();
    let here = ingest.run(&command("help")).text;
    for (name, value) in [("user_id", "U0BAD"), ("channel_id", "C0BAD")] {
        let sent = command_with("help", &[(name, Some(value))]);
        assert_ne!(ingest.run(&sent).text, here, "{name}");
    }
}

#[test]
fn a_usage_error_is_answered_at_once() {
    let ingest = TestIngest::new();
    let long = "x".repeat(1025);
    for text in [
        "main",
        "a b c",
        "deploy",
        "main -x",
        "deploy .x main deploy",
        "plan main",
        "plan a b c d",
        "status x",
        "status 1a2b3c4d now",
        "history x",
        "history user:",
        "history branch:main branch:main",
        "failed x",
        "failed before:x",
        "retry",
        "retry 1a2b3c4d please",
        "cancel",
        "cancel main",
        "help me",
        "reply \u{fffd}",
        &long,
    ] {
        let error = command::parse(text).unwrap_err();
        let sent = command_with(text, &[]);
        ingest.only_shows(&sent, &text::bad_command(&error, &ingest.0.config));
        // It needs no response URL and no idempotency key.
        let bare = [("response_url", None), ("trigger_id", None)];
        assert_eq!(ingest.run(&command_with(text, &bare)).status, 200);
    }
    ingest.only_answers(&command("main"), "Not a command");
    assert_eq!(ingest.queued_count(), 0);
}

#[test]
fn a_hostile_branch_is_not_queued() {
    let ingest = TestIngest::new();
    for branch in [
        "a$(reboot)",
        "a`reboot`",
        "a;reboot",
        "a|sh",
        "a&b",
        "&amp;amp;",
        "${IFS}",
        "$HOME",
        "{a,b}",
        "a'b",
        "a\"b",
        "a\\b",
        "a>b",
        "&lt;!channel&gt;",
        "<!channel>",
        "<<pipeline.id>>",
        "a\u{0}b",
        "a\u{1b}[2J",
        "a\u{202e}b",
        "m\u{430}in",
        "-main",
        "--upload-pack=x",
        "../main",
        "a/../b",
        "/main",
        "main/",
        "a//b",
        "main.",
        ".main",
        "a/.b",
        "main.lock",
        "main.LOCK/x",
        "main~1",
        "main^",
        "main:x",
        "main@{1}",
        "@",
        "*",
        "a?b",
        "a[b",
        "%2e%2e",
        "HEAD",
        "0123456789abcdef0123456789abcdef01234567",
        "https://evil.example/x",
    ] {
        ingest.only_answers(&command(&format!("{branch} deploy")), "cannot be a branch");
        for text in [
            format!("deploy {branch} deploy"),
            format!("plan {branch} deploy"),
            format!("history branch:{branch}"),
            format!("history {branch}"),
            format!("status {branch}"),
            format!("retry {branch}"),
            format!("cancel {branch}"),
            format!("help {branch}"),
        ] {
            let answer = ingest.run_alias(&command(&text));
            answer.is_message("ephemeral", "");
            // None of it becomes Slack's markup.
            assert!(!answer.text.contains("<!"), "{}", answer.text);
        }
    }
    assert_eq!(ingest.queued_count(), 0);
}

#[test]
fn a_response_url_that_is_not_slacks_is_reported() {
    for address in [
        "http://hooks.slack.com/commands/T1/2/x",
        "https://hooks.slack.com.evil.example/commands/T1/2/x",
        "https://evil.example/commands/T1/2/x",
        "https://hooks.slack.com@evil.example/commands/T1/2/x",
        "https://hooks.slack.com:8443/commands/T1/2/x",
        "https://hooks.slack.com/services/T1/2/x",
        "https://hooks.slack.com/commands/../services/x",
        "https://169.254.169.254/commands/T1/2/x",
        "http://127.0.0.1/commands/T1/2/x",
        "file:///commands/x",
        "not an address",
    ] {
        let ingest = TestIngest::new();
        for text in [
            "main deploy",
            "status",
            "plan main deploy",
            "retry 1a2b3c4d",
        ] {
            let sent = command_with(text, &[("response_url", Some(address))]);
            ingest.only_answers(&sent, "not an address of Slack's");
            ingest.only_shows(&sent, &text::invalid_response_url());
        }
    }
}

#[test]
fn a_missing_idempotency_key_is_reported() {
    let mut bare = fields("main deploy");
    bare.retain(|(name, _)| *name != "trigger_id" && *name != "response_url");
    let text = "neither `trigger_id` nor `response_url`";
    TestIngest::new().only_answers(&signed(form(&bare)), text);
    bare.extend(["trigger_id", "response_url"].map(|name| (name, String::new())));
    TestIngest::new().only_answers(&signed(form(&bare)), text);
}
