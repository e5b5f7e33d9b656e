//! The demo plays to its end, on a pipe as well as on a terminal.

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
    assert!(acts.len() >= 4, "{shown}");
    for act in acts {
        assert_eq!(act.matches('✓').count(), 1, "{act}");
    }
    let closing = format!("All {} acts ended as they must", acts.len());
    assert!(parts[parts.len() - 1].starts_with(&closing), "{shown}");
    assert!(!shown.contains('✗'), "{shown}");
    assert!(!shown.contains('\u{1b}'), "colour on a pipe: {shown}");
}
