//! The real `chatops` as a process of its own, between the sandbox's Slack and CircleCI. What is
//! checked is what can be seen from outside: the sandbox's ledgers, the terminal, the data file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "everything here is a test"
)]

mod actions;
mod announce;
mod bot;
mod cards;
mod chaos;
mod connections;
mod demo;
mod doctor;
mod events;
mod files;
mod form;
mod locked_file;
mod log_output;
mod lost_file;
mod operator;
mod outages;
mod parameters;
mod presses;
mod private_files;
mod queries;
mod rejections;
mod reload;
mod say;
mod signals;
mod start;
mod stop;
mod stories;
mod support;
mod systemd;
mod triggers;
mod unlock;
