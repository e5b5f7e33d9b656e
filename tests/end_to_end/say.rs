//! Typing into a demo that stays: real processes on both sides.

use chatops_testkit::address::free_address;

use crate::support::{ChildProcess, ProcessExit, assert_says, chatops, run_args};

/// A demo that stays, once its scenarios are over.
struct KeptDemo {
    process: ChildProcess,
    slack: String,
}

impl KeptDemo {
    async fn start() -> Self {
        let slack = free_address().to_string();
        let mut command = chatops("demo");
        command.args(["--keep", "--slack", &slack]);
        let process = ChildProcess::spawn(command);
        // In parts, each within its own timeout.
        process.wait_line("Which deploys failed?").await;
        let said = process.wait_line(" say --slack ").await;
        assert_says(&said, &slack);
        // As it was called, so that it can be pasted; a name that a shell would read otherwise is left out.
        let program = env!("CARGO_BIN_EXE_chatops");
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        let called = program.chars().all(plain).then_some(program);
        let pasted = said.split_whitespace().next();
        assert_eq!(pasted, Some(called.unwrap_or("chatops")));
        process.wait_line(&format!("    http://{slack}/")).await;
        let listed = process.wait_line(" --data ").await;
        let (_, arguments) = listed.trim().split_once(' ').unwrap();
        let arguments: Vec<&str> = arguments.split(' ').collect();
        run_args(&arguments).await.success();
        process.wait_line("Ctrl-C ends it").await;
        Self { process, slack }
    }

    /// Types, and waits until nothing more follows; what was shown.
    async fn say(&self, arguments: &[&str]) -> Vec<String> {
        let ended = say(&self.slack, arguments).await;
        ended.success();
        assert_eq!(ended.stderr, [""; 0]);
        ended.stdout
    }
}

async fn say(slack: &str, arguments: &[&str]) -> ProcessExit {
    run_args(&[&["say", "--slack", slack], arguments].concat()).await
}

/// The lines that begin a message: who sees it, and what it says.
fn messages(shown: &[String]) -> Vec<(&str, &str)> {
    let begins = shown.iter().filter(|line| !line.starts_with(' '));
    let split = |line: &'_ String| line.find("  ").unwrap();
    let parts = begins.map(|line| line.split_at(split(line)));
    let parts = parts.map(|(who, what)| (who.split(',').next().unwrap(), what.trim()));
    parts.collect()
}

/// Whether these are the messages: who sees it, and what it says.
fn assert_heard(shown: &[String], expected: &[(&str, &str)]) {
    let heard = messages(shown);
    assert_eq!(heard.len(), expected.len(), "{shown:#?}");
    for ((who, what), (to, says)) in heard.into_iter().zip(expected) {
        assert!(who == *to && what.contains(says), "{says}: {shown:#?}");
    }
}

#[tokio::test]
async fn a_kept_demo_can_be_typed_at() {
    let demo = KeptDemo::start().await;

    let (help, typo, failed, deploy, channel, person, branch) = tokio::join!(
        demo.say(&["help"]),
        demo.say(&["main", "deploy", "now"]),
        demo.say(&["history status:failed"]),
        demo.say(&["feature/login e2e"]),
        demo.say(&["--channel", "random", "main deploy"]),
        demo.say(&["--user", "visitor", "main migrate"]),
        demo.say(&["--user", "teammate", "feature/login deploy"]),
    );
    assert_heard(&help, &[("to you", "Deploy from Slack:")]);
    assert_heard(&typo, &[("to you", "Not a command:")]);
    assert_heard(&failed, &[("acknowledged", "…"), ("to you", "History")]);
    // The card, as often as it was edited, and the end in its thread.
    let heard = messages(&deploy);
    let (first, last) = (heard[0], heard[heard.len() - 1]);
    assert!(
        first.0 == "to you" && first.1.contains("Accepted:"),
        "{deploy:#?}"
    );
    assert!(heard[1].0 == "to all" && last.0 == "to all", "{deploy:#?}");
    assert!(last.1.contains("Failed:"), "{deploy:#?}");
    let edits = &heard[2..heard.len() - 1];
    assert!(
        edits.iter().all(|(who, _)| *who == "instead"),
        "{deploy:#?}"
    );
    assert!(
        edits.iter().any(|(_, what)| what.contains("Running:")),
        "{deploy:#?}"
    );
    assert!(deploy[0].contains(" ms "), "{deploy:?}");
    let rejected = |shown: &[String], to: &str, rule: &str| {
        assert_heard(shown, &[(to, "Not allowed:")]);
        assert_says(&shown.join("\n"), rule);
    };
    rejected(&channel, "to you", "channels");
    rejected(&person, "to visitor", "users");
    rejected(&branch, "to teammate", "branches");

    // Waiting has a limit; what was typed goes on.
    let cut_short = say(&demo.slack, &["--for", "2s", "main deploy"]).await;
    assert_eq!(cut_short.code, Some(1));
    let said = cut_short.stderr.join("\n");
    assert_says(&said, "within 2s (--for)");
    let open = demo.say(&["status"]).await.join("\n");
    assert_says(&open, "In progress");
    let accepted = &cut_short.stdout[0];
    let id = accepted.split('`').nth(5).unwrap();
    assert_says(&open, id);
    let cancel = demo.say(&["cancel", id]).await;
    assert_heard(
        &cancel,
        &[("to you", "Noted:"), ("to you", "Cancel requested:")],
    );

    // A `say` that still waits when the demo stops gets an error. (What was canceled may keep its target for
    // a while, so this takes another.)
    let mut command = chatops("say");
    command.args(["--slack", &demo.slack, "feature/login e2e"]);
    let waiting = ChildProcess::spawn(command);
    waiting.wait_line("Accepted:").await;
    demo.process.send_sigterm();
    let waiting = waiting.wait_exit().await;
    assert_eq!(waiting.code, Some(1), "{:?}", waiting.stdout);
    let said = waiting.stderr.join("\n");
    assert!(said.ends_with("ended before the last reply"), "{said}");
    let ended = demo.process.wait_exit().await;
    ended.success();
    assert_eq!(ended.stderr, [""; 0]);
    let last = ended.stdout.last().unwrap();
    assert_eq!(last, "Stopped. Its files are removed.");
    let gone = say(&demo.slack, &["help"]).await;
    assert_eq!(gone.code, Some(1));
}

#[tokio::test]
async fn nobody_listens() {
    let slack = free_address().to_string();
    let ended = say(&slack, &["main deploy"]).await;
    let said = ended.failure(1).replace(&slack, "<address>");
    insta::assert_snapshot!(said, @"error: nothing listens at <address>: start `chatops demo --keep` in another terminal, or name its address with --slack");
}

#[tokio::test]
async fn somebody_else_listens() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slack = listener.local_addr().unwrap().to_string();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, axum::Router::new()).await });
    let ended = say(&slack, &["main deploy"]).await;
    let said = ended.failure(1).replace(&slack, "<address>");
    insta::assert_snapshot!(said, @"error: what listens at <address> is not the stand-in Slack of `chatops demo --keep` (HTTP 404)");
}

#[tokio::test]
async fn a_usage_error_ends_with_two() {
    for (arguments, why) in [
        (&[][..], "TEXT"),
        (&["--user", "nobody", "help"], "teammate"),
        (&["--channel", "nowhere", "help"], "random"),
        (&["--for", "soon", "help"], "--for"),
    ] {
        let ended = say("127.0.0.1:4390", arguments).await;
        assert_says(&ended.failure(2), why);
    }
}
