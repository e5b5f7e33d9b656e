//! Terminals of several widths: lines are broken between words, and ids, times and addresses stay whole.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use chatops_core::deploy::DeployState::{Succeeded, TriggerFailed};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::operator;
use crate::support::{ServeWorld, chatops};

/// What a command writes to a terminal of this width, without colours.
fn on_terminal(mut command: Command, width: u16) -> String {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, vec![]).unwrap();
    let theirs = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let size = Winsize {
        ws_row: 40,
        ws_col: width,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&theirs, size).unwrap();
    let mut child = command
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .stdout(theirs.try_clone().unwrap())
        .stderr(theirs)
        .spawn()
        .unwrap();
    // Only the child has the other end now: when it ends, reading does, too (with an error, on Linux).
    drop(command);
    let mut written = vec![];
    let _ = File::from(ours).read_to_end(&mut written);
    child.wait().unwrap();
    let text = String::from_utf8(written).unwrap().replace('\r', "");
    anstream::adapter::strip_str(&text).to_string()
}

#[tokio::test]
async fn nothing_is_cut_in_a_terminal_of_any_width() {
    let (world, server) = ServeWorld::start().await;
    world.deploy(&server, "main deploy", Succeeded).await;
    world.reject_next_trigger();
    world.deploy(&server, "feature/a e2e", TriggerFailed).await;
    let records = world.records().records;
    let mut records = records.values();
    let done = records.find(|record| record.state == Succeeded).unwrap();
    let id = done.short_id.to_string();
    let calls: [&[&str]; 9] = [
        &["history"],
        &["failed"],
        &["show", &id],
        &["cancel", "00000000"],
        &["config", "check"],
        &["config", "check", "--config", "/nowhere/chatops.toml"],
        &["retry", "--help"],
        &["serve", "--help"],
        &["plan", "main", "deploy"],
    ];
    for width in [40, 60, 80, 200] {
        for call in calls {
            let takes_data = ["history", "failed", "show", "cancel"].contains(&call[0]);
            let command = if takes_data {
                operator::command(&world, call)
            } else {
                let mut command = chatops(call[0]);
                command.args(&call[1..]).current_dir(world.dir());
                command
            };
            let text = tokio::task::spawn_blocking(move || on_terminal(command, width));
            let text = text.await.unwrap();
            assert!(!text.is_empty(), "{call:?}");
            for line in text.lines() {
                let is_one_word = line.split_whitespace().count() < 2;
                let is_usage = line.starts_with("Usage: ");
                let fits = line.chars().count() <= usize::from(width);
                assert!(fits || is_one_word || is_usage, "{width} {call:?}: {line}");
            }
            if takes_data && call[0] != "cancel" && call[0] != "failed" {
                assert!(text.contains(&id), "{width} {call:?}: {text}");
            }
        }
    }
    server.stop().await;
}
