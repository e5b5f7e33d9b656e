//! The demo plays to its end, on a pipe as well as on a terminal.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::{Process, chatops};

#[tokio::test]
async fn every_act_ends_as_it_must() {
    let started = Instant::now();
    let ended = Process::spawn(chatops("demo")).ended().await;
    assert!(started.elapsed() < Duration::from_secs(30));
    let shown = ended.stdout.join("\n");
    assert_eq!(ended.code, Some(0), "{shown}");
    assert_eq!(ended.stderr, [""; 0]);

    // Acts are set apart by an empty line; the first part is the opening, the last the closing.
    let parts: Vec<&str> = shown.split("\n\n").collect();
    let acts = &parts[1..parts.len() - 1];
    assert!(acts.len() >= 9, "{shown}");
    for act in acts {
        assert_eq!(act.matches('✓').count(), 1, "{act}");
    }
    let closing = format!("All {} acts ended as they must", acts.len());
    assert!(parts[parts.len() - 1].starts_with(&closing), "{shown}");
    assert!(!shown.contains('✗'), "{shown}");
    assert!(!shown.contains('\u{1b}'), "colour on a pipe: {shown}");
    // Nothing is left of Slack's notation, nor of the configuration's placeholders.
    for leftover in ["<@", "<#", "<!", "|", " :", "\u{200b}", "*:"] {
        let line = shown.lines().find(|line| line.contains(leftover));
        assert_eq!(line, None, "{leftover}");
    }
}

#[tokio::test]
async fn a_stop_before_the_end_is_no_success() {
    let process = Process::spawn(chatops("demo"));
    process.says("main deploy").await;
    process.ask_to_stop();
    let ended = process.ended().await;
    assert_eq!(ended.code, Some(1), "{:?}", ended.stdout);
    assert_eq!(ended.stderr, [""; 0]);
    let last = ended.stdout.last().unwrap();
    assert_eq!(last, "Stopped before the last act had ended.");
}

#[tokio::test]
async fn slacks_address_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut command = chatops("demo");
    command.args(["--keep", "--slack", &format!("127.0.0.1:{port}")]);
    let ended = Process::spawn(command).ended().await;
    assert_eq!((ended.code, ended.stdout.len()), (Some(1), 0));
    let said = ended.stderr.join("\n");
    let said = said
        .replace(&port.to_string(), "<port>")
        .replace(&(port + 1).to_string(), "<next>");
    insta::assert_snapshot!(said, @"chatops: the stand-in Slack cannot listen on 127.0.0.1:<port>, since something else does (another `chatops demo --keep`?): stop that, or take another address with --slack, such as --slack 127.0.0.1:<next>");
}

#[tokio::test]
async fn what_is_not_typed_right_ends_with_two() {
    for (arguments, why) in [
        (&["--slack", "127.0.0.1:4391"][..], "--keep"),
        (&["--keep", "--slack", "4391"], "127.0.0.1:4390"),
        (
            &["--keep", "--slack", "0.0.0.0:4391"],
            "an address of this machine alone",
        ),
    ] {
        let mut command = chatops("demo");
        command.args(arguments);
        let ended = Process::spawn(command).ended().await;
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        let said = ended.stderr.join("\n");
        assert!(said.contains(why), "{said}");
    }
}
