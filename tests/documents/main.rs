//! The documents: what can be checked in them against the code and against each other is checked here.
//! No network is used.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "everything here is a test"
)]

mod aws;
mod ci;
mod circleci;
mod commands;
mod configuration;
mod links;
mod self_hosting;

use std::fs;
use std::path::{Path, PathBuf};

/// The project's directory.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file of the project.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file of the project whose name ends so, relative to its directory. What is built or hidden is left
/// out, except what CI and issue templates have.
fn files_that_end_with(endings: &[&str]) -> Vec<PathBuf> {
    let mut found = vec![];
    let mut directories = vec![root().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let known = [".ci", ".circleci", ".github"].contains(&name.as_str());
            let is_left_out = name.starts_with("target") || name.starts_with('.') && !known;
            if is_left_out {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(entry.path().strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
