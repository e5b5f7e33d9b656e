//! The `chatops` command and the one-machine runner: the three services in one process over one
//! SQLite file.
//!
//! The services live in their own crates; this one has HTTP, threads, files, the environment and the
//! terminal.

#[cfg(feature = "aws")]
mod aws;
pub mod cli;
pub mod clock;
mod config_file;
mod demo;
mod logging;
mod operator;
mod say;
mod secrets;
mod serve;
pub mod sqlite;
