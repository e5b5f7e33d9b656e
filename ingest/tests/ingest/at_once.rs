//! Words instead of a message in the queue.

use chatops_core::command::{self, Verb};
use chatops_core::id::{ChannelId, UserId};
use chatops_core::words::{self, Post};

use crate::requests::{command, fields, form, signed, with};
use crate::support::Stage;

fn help(topic: Option<Verb>, stage: &Stage) -> Post {
    let user = UserId::parse("U2CERLKJA").unwrap();
    let channel = ChannelId::parse("G8PSS9T3V").unwrap();
    words::help(topic, &user, &channel, &stage.0.config)
}

#[test]
fn help_is_answered_at_once() {
    let stage = Stage::new();
    let all = help(None, &stage);
    for text in ["", " ", "help", " help  "] {
        stage.only_posts(&command(text), &all);
    }
    stage.only_posts(&with("help", &[("text", None)]), &all);
    for verb in Verb::ALL {
        let text = format!("help {}", verb.word());
        stage.only_posts(&command(&text), &help(Some(verb), &stage));
    }
    stage.only_says(&command("help"), "Deploy from Slack");
    stage.only_says(&command("help cancel"), "Help");
    // It needs nowhere to be answered, and no identity.
    let bare = [("response_url", None), ("trigger_id", None)];
    stage.only_posts(&with("help", &bare), &all);
}

#[test]
fn help_is_for_whoever_asks_where_they_ask() {
    let stage = Stage::new();
    let here = stage.hears(&command("help")).text;
    for (name, value) in [("user_id", "U0BAD"), ("channel_id", "C0BAD")] {
        let there = stage.hears(&with("help", &[(name, Some(value))])).text;
        assert_ne!(there, here, "{name}");
    }
}

#[test]
fn what_is_not_the_grammar_is_answered_at_once() {
    let stage = Stage::new();
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
        "Deploy main deploy",
        "reply \u{fffd}",
        &long,
    ] {
        let error = command::parse(text).unwrap_err();
        let sent = with(text, &[]);
        stage.only_posts(&sent, &words::bad_command(&error, &stage.0.config));
        // It needs nowhere to be answered, and no identity.
        let bare = [("response_url", None), ("trigger_id", None)];
        assert_eq!(stage.hears(&with(text, &bare)).status, 200);
    }
    stage.only_says(&command("main"), "Not a command");
    assert_eq!(stage.queued(), 0);
}

#[test]
fn a_hostile_branch_goes_nowhere() {
    let stage = Stage::new();
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
        stage.only_says(&command(&format!("{branch} deploy")), "cannot be a branch");
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
            let answer = stage.ask(command(&text).to("/chatops"));
            answer.is_post("ephemeral", "");
            // Nothing of it becomes Slack's markup.
            assert!(!answer.text.contains("<!"), "{}", answer.text);
        }
    }
    assert_eq!(stage.queued(), 0);
}

#[test]
fn a_reply_address_that_is_not_slacks_is_said_so() {
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
        let stage = Stage::new();
        for text in [
            "main deploy",
            "status",
            "plan main deploy",
            "retry 1a2b3c4d",
        ] {
            let sent = with(text, &[("response_url", Some(address))]);
            stage.only_says(&sent, "not an address of Slack's");
            stage.only_posts(&sent, &words::not_slacks());
        }
    }
}

#[test]
fn what_nothing_makes_unique_is_said_so() {
    let mut bare = fields("main deploy");
    bare.retain(|(name, _)| *name != "trigger_id" && *name != "response_url");
    Stage::new().only_says(
        &signed(form(&bare)),
        "neither `trigger_id` nor `response_url`",
    );
    bare.extend([
        ("trigger_id", String::new()),
        ("response_url", String::new()),
    ]);
    Stage::new().only_says(
        &signed(form(&bare)),
        "neither `trigger_id` nor `response_url`",
    );
}
