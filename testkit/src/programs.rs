//! The programs, built as the tests are built.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Every program of the workspace by name; `chatops` with its feature `aws`, as its own tests want it.
///
/// Under `cargo test --workspace` all of them are built already: the packages are the same and, with
/// `--examples`, of which there are none, so are the features that tests switch on.
pub fn build_programs() -> BTreeMap<String, PathBuf> {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["build", "--workspace", "--bins", "--examples"])
        .arg("--message-format=json")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::null());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    // Cargo's variables about a test's own package would make another package's build script run again,
    // and everything that depends on it.
    let own = ["PKG_", "MANIFEST_", "CRATE_", "BIN_"];
    for (name, _) in std::env::vars_os() {
        let is_own = |name: &str| {
            let rest = name.strip_prefix("CARGO_").unwrap_or_default();
            own.iter().any(|prefix| rest.starts_with(prefix))
        };
        if name.to_str().is_some_and(is_own) {
            command.env_remove(name);
        }
    }
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    let built = output.status.success();
    assert!(built, "the programs cannot be built: {words}");
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
