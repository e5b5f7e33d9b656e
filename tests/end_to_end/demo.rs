//! The demo plays to its end, on a pipe as well as on a terminal.

use std::net::TcpListener;

use crate::support::{ChildProcess, assert_says, chatops, run_args};

#[tokio::test]
async fn every_scenario_ends_as_expected() {
    let ended = run_args(&["demo"]).await;
    let shown = ended.success();
    assert_eq!(ended.stderr, [""; 0]);

    // Acts are set apart by an empty line; the first part is the opening, the last the closing.
    let parts: Vec<&str> = shown.split("\n\n").collect();
    let acts = &parts[1..parts.len() - 1];
    assert!(acts.len() >= 9, "{shown}");
    for act in acts {
        assert_eq!(act.matches('✓').count(), 1, "{act}");
    }
    let closing = format!("All {} scenarios ended as expected", acts.len());
    assert!(parts[parts.len() - 1].starts_with(&closing), "{shown}");
    assert!(!shown.contains('✗'), "{shown}");
    // Nothing is left of Slack's notation, nor of the configuration's placeholders.
    for leftover in ["<@", "<#", "<!", "|", " :", "\u{200b}", "*:"] {
        let line = shown.lines().find(|line| line.contains(leftover));
        assert_eq!(line, None, "{leftover}");
    }
}

#[tokio::test]
async fn a_stop_before_the_end_is_no_success() {
    let process = ChildProcess::spawn(chatops("demo"));
    process.wait_line("main deploy").await;
    process.send_sigterm();
    let ended = process.wait_exit().await;
    assert_eq!(ended.code, Some(1), "{:?}", ended.stdout);
    assert_eq!(ended.stderr, [""; 0]);
    let last = ended.stdout.last().unwrap();
    assert_eq!(last, "Stopped before the last scenario ended.");
}

#[tokio::test]
async fn slacks_address_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let slack = format!("127.0.0.1:{port}");
    let said = run_args(&["demo", "--keep", "--slack", &slack])
        .await
        .failure(1);
    let said = said.replace(&port.to_string(), "<port>");
    let said = said.replace(&(port + 1).to_string(), "<next>");
    insta::assert_snapshot!(said, @"error: the stand-in Slack cannot listen on 127.0.0.1:<port>, since something else does (another `chatops demo --keep`?): stop that, or take another address with --slack, such as --slack 127.0.0.1:<next>");
}

#[tokio::test]
async fn a_usage_error_ends_with_two() {
    let everywhere = "0.0.0.0:4391";
    for (arguments, why) in [
        (&["demo", "--slack", "127.0.0.1:4391"][..], "--keep"),
        (&["demo", "--keep", "--slack", "4391"], "127.0.0.1:4390"),
        (
            &["demo", "--keep", "--slack", everywhere],
            "a local address",
        ),
    ] {
        assert_says(&run_args(arguments).await.failure(2), why);
    }
}
