//! The files beside the program: the Slack app's manifest and the systemd unit say what the program
//! does.

use std::fs;
use std::path::Path;
use std::process::Command;

use chatops_sandbox::slack::{ButtonPress, TypedCommand};

use crate::support::{ServeWorld, assert_says, chatops};

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The value of a key that stands on a line of its own.
fn value<'t>(text: &'t str, key: &str) -> &'t str {
    let lines = text.lines().map(|line| line.trim_start_matches([' ', '-']));
    let mut found = lines.filter_map(|line| line.strip_prefix(key));
    let value = found.next().unwrap().trim();
    assert_eq!(found.next(), None, "{key} stands there twice");
    value
}

#[tokio::test]
async fn the_manifest_names_the_address_and_the_command() {
    let manifest = read("slack-manifest.yaml");
    let url = value(&manifest, "url:");
    let path = url.strip_prefix("https://chatops.example.com").unwrap();
    let (world, server) = ServeWorld::start().await;
    let here = format!("http://{}{path}", server.address());
    let help = TypedCommand::new("help");
    let ack = world.sandbox.type_command(&here, help).await;
    assert_eq!(ack.status, Some(200));
    let shown = ack.body.unwrap().text;
    let command = value(&manifest, "command:");
    assert_says(&shown, &format!("{command} "));
    // Presses have an address, too.
    let presses = value(&manifest, "request_url:");
    let path = presses.strip_prefix("https://chatops.example.com").unwrap();
    let opened = ButtonPress {
        user_id: "U0001".to_owned(),
        user_name: "ada".to_owned(),
        channel_id: "C0001".to_owned(),
        message_ts: None,
        blocks: serde_json::json!([]),
        action_id: "open".to_owned(),
        value: None,
        state: serde_json::json!({}),
    };
    let sender = world.sandbox.command_sender();
    let there = format!("http://{}{path}", server.address());
    let sent = sender.prepare_press(&there, &opened);
    assert_eq!(sender.send_press(&sent).await, Some(200));
    // Channels and users are named as typed, not by Slack's marks.
    assert_eq!(value(&manifest, "should_escape:"), "false");
    server.stop().await;
}

#[test]
fn the_manifest_asks_for_what_doctor_expects() {
    let manifest = read("slack-manifest.yaml");
    let (_, scopes) = manifest.split_once("\n    bot:\n").unwrap();
    let lines = scopes.lines().take_while(|line| line.starts_with("      "));
    let scopes: Vec<_> = lines
        .filter_map(|line| line.trim().strip_prefix("- "))
        .collect();
    assert_eq!(scopes, ["commands", "chat:write"]);
}

/// A line of the unit leaves the service something that it does not need.
#[test]
fn the_units_sandbox_is_tight() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/chatops.service");
    // Versions before 250 rate no files.
    let help = Command::new("systemd-analyze").arg("--help").output();
    let can = help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--offline"));
    if !can {
        println!("skipped: there is no systemd-analyze here that rates a file");
        return;
    }
    let mut analyze = Command::new("systemd-analyze");
    // In tenths: 2.0.
    analyze.args(["security", "--offline=true", "--threshold=20"]);
    let rated = analyze.arg(path).output().unwrap();
    let said = String::from_utf8_lossy(&rated.stdout);
    assert!(rated.status.success(), "{said}");
}

#[test]
fn the_unit_uses_what_serve_knows() {
    let unit = read("packaging/chatops.service");
    assert!(value(&unit, "ExecStart=").ends_with("/chatops serve"));
    let help = chatops("serve").arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let variables = unit
        .lines()
        .filter_map(|line| line.strip_prefix("Environment="));
    assert!(variables.clone().count() >= 4);
    for variable in variables {
        let name = variable.split('=').next().unwrap();
        assert_says(&help, name.trim_end_matches("_FILE"));
    }
}
