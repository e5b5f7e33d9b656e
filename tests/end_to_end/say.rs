//! Typing into a demo that stays: real processes on both sides.

use std::net::TcpListener;

use crate::support::{Ended, PATIENCE, Process, chatops};

/// A demo that stays, once its acts are over.
struct Kept {
    process: Process,
    slack: String,
}

impl Kept {
    async fn start() -> Self {
        let slack = free_address();
        let mut command = chatops("demo");
        command.args(["--keep", "--slack", &slack]);
        let process = Process::spawn(command);
        // In parts, each of which has its time.
        process.says("What failed so far?").await;
        let said = process.says(" say --slack ").await;
        assert!(said.contains(&slack), "{said}");
        process.says("Ctrl-C ends it").await;
        Self { process, slack }
    }

    /// Types, and waits until nothing more follows.
    async fn say(&self, arguments: &[&str]) -> Ended {
        let ended = say(&self.slack, arguments).await;
        assert!(
            !ended.stdout.join("").contains('\u{1b}'),
            "colour on a pipe: {:?}",
            ended.stdout
        );
        ended
    }

    /// The same, which has to work; what was shown.
    async fn hear(&self, arguments: &[&str]) -> Vec<String> {
        let ended = self.say(arguments).await;
        assert_eq!(ended.code, Some(0), "{:?} {:?}", ended.stdout, ended.stderr);
        assert_eq!(ended.stderr, [""; 0]);
        ended.stdout
    }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

async fn say(slack: &str, arguments: &[&str]) -> Ended {
    let mut command = chatops("say");
    command.args(["--slack", slack]).args(arguments);
    Process::spawn(command).ended().await
}

/// The lines that begin a message, by what stands behind who sees it.
fn messages(shown: &[String]) -> Vec<(&str, &str)> {
    let begins = shown.iter().filter(|line| !line.starts_with(' '));
    begins
        .map(|line| {
            let (who, what) = line.split_at(line.find("  ").unwrap());
            (who.split(',').next().unwrap(), what.trim())
        })
        .collect()
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
    let demo = Kept::start().await;

    let (help, typo, failed, deploy, channel, person, branch) = tokio::join!(
        demo.hear(&["help"]),
        demo.hear(&["main", "deploy", "now"]),
        demo.hear(&["history status:failed"]),
        demo.hear(&["feature/login e2e"]),
        demo.hear(&["--channel", "random", "main deploy"]),
        demo.hear(&["--user", "visitor", "main migrate"]),
        demo.hear(&["--user", "teammate", "feature/login deploy"]),
    );
    assert_heard(&help, &[("to you", "👋")]);
    assert_heard(&typo, &[("to you", "Not a command:")]);
    assert_heard(&failed, &[("acknowledged", "…"), ("to you", "History")]);
    assert_heard(
        &deploy,
        &[
            ("to all", "Accepted:"),
            ("to all", "Running:"),
            ("to all", "Failed:"),
        ],
    );
    assert!(deploy[0].contains(" ms "), "{deploy:?}");
    let refused = |shown: &[String], to: &str, rule: &str| {
        assert_heard(shown, &[(to, "Checking:"), (to, "Refused:")]);
        assert!(shown.join("\n").contains(rule), "{shown:#?}");
    };
    refused(&channel, "to you", "channels");
    refused(&person, "to visitor", "people");
    refused(&branch, "to teammate", "branches");

    // Waiting has a limit; what was typed goes on.
    let cut_short = demo.say(&["--for", "2s", "main deploy"]).await;
    assert_eq!(cut_short.code, Some(1));
    let said = cut_short.stderr.join("\n");
    assert!(said.contains("within 2s (--for)"), "{said}");
    let open = demo.hear(&["status"]).await.join("\n");
    assert!(open.contains("Open now"), "{open}");
    let accepted = &cut_short.stdout[0];
    let id = accepted.split('`').nth(7).unwrap();
    assert!(open.contains(id), "{id}: {open}");
    let cancel = demo.hear(&["cancel", id]).await;
    assert_heard(&cancel, &[("to you", "Noted:"), ("to all", "Canceling:")]);
    // Until then its target is taken.
    let canceled = async {
        let status = async || demo.hear(&["status", id]).await.join("\n");
        while !status().await.contains("Canceled:") {}
    };
    tokio::time::timeout(PATIENCE, canceled).await.unwrap();

    // Who still waits when it stops is told.
    let mut command = chatops("say");
    command.args(["--slack", &demo.slack, "main deploy"]);
    let waiting = Process::spawn(command);
    waiting.says("Accepted:").await;
    demo.process.ask_to_stop();
    let waiting = waiting.ended().await;
    assert_eq!(waiting.code, Some(1), "{:?}", waiting.stdout);
    let said = waiting.stderr.join("\n");
    assert!(said.ends_with("ended before the last answer"), "{said}");
    let ended = demo.process.ended().await;
    assert_eq!(ended.code, Some(0), "{:?}", ended.stderr);
    assert_eq!(ended.stderr, [""; 0]);
    assert_eq!(
        ended.stdout.last().unwrap(),
        "Stopped. Nothing of it is left."
    );
    let gone = say(&demo.slack, &["help"]).await;
    assert_eq!(gone.code, Some(1));
}

#[tokio::test]
async fn nobody_listens() {
    let slack = free_address();
    let ended = say(&slack, &["main deploy"]).await;
    assert_eq!((ended.code, ended.stdout.len()), (Some(1), 0));
    let said = ended.stderr.join("\n").replace(&slack, "<address>");
    insta::assert_snapshot!(said, @"chatops: nobody answers at <address>: start `chatops demo --keep` in another terminal, or name its address with --slack");
}

#[tokio::test]
async fn somebody_else_listens() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slack = listener.local_addr().unwrap().to_string();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, axum::Router::new()).await });
    let ended = say(&slack, &["main deploy"]).await;
    assert_eq!((ended.code, ended.stdout.len()), (Some(1), 0));
    let said = ended.stderr.join("\n").replace(&slack, "<address>");
    insta::assert_snapshot!(said, @"chatops: what listens at <address> is not the stand-in Slack of `chatops demo --keep` (HTTP 404)");
}

#[tokio::test]
async fn what_is_not_typed_right_ends_with_two() {
    for (arguments, why) in [
        (&[][..], "TEXT"),
        (&["--user", "nobody", "help"], "teammate"),
        (&["--channel", "nowhere", "help"], "random"),
        (&["--for", "soon", "help"], "--for"),
    ] {
        let ended = say("127.0.0.1:4390", arguments).await;
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        let said = ended.stderr.join("\n");
        assert!(said.contains(why), "{said}");
    }
}
