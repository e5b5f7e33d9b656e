//! The `chatops` command: the one-machine server, the demo, and what operators do on either shell.
//!
//! The services and their shells live in crates of their own; this one has the command line and the
//! terminal.

#[cfg(feature = "aws")]
mod aws;
pub mod cli;
mod config_file;
#[cfg(feature = "demo")]
mod demo;
mod logging;
mod operator;
mod output;
#[cfg(feature = "demo")]
mod say;
mod serve;
mod service_manager;
