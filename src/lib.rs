//! The `chatops` command and the one-machine runner.

pub mod sqlite;
