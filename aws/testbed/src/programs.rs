//! The programs, built as the tests are built.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Every program of the workspace by name; `chatops` with its feature `aws`, as its own tests want it.
///
/// Under `cargo test --workspace` all of them are built already: the same packages are asked for, and,
/// by asking for examples, of which there are none, the features that tests switch on.
pub fn build() -> BTreeMap<String, PathBuf> {
    let mut command = Command::new(env!("CARGO"));
    command
        .args([
            "build",
            "--workspace",
            "--bins",
            "--examples",
            "--message-format=json",
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .stdin(Stdio::null());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    // What cargo says to a test about its own package is no business of the others' build scripts:
    // one of them is run again whenever it changes, and all that depends on it is built again.
    let own = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_CRATE_",
        "CARGO_BIN_",
    ];
    for (name, _) in std::env::vars_os() {
        let is_own = |name: &str| own.iter().any(|prefix| name.starts_with(prefix));
        if name.to_str().is_some_and(is_own) {
            command.env_remove(name);
        }
    }
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the programs cannot be built: {words}"
    );
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let programs = messages.filter_map(|message| {
        let is_program =
            message["target"]["kind"][0] == "bin" && message["profile"]["test"] == false;
        let name = message["target"]["name"].as_str()?.to_owned();
        let path = message["executable"].as_str()?.into();
        is_program.then_some((name, path))
    });
    programs.collect()
}
