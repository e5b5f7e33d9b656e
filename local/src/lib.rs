//! One machine: the ports on one SQLite file and the environment's secrets, and the three services in
//! one process.
//!
//! Nothing here decides anything, reads a command line or prints to a terminal.

pub mod clock;
pub mod modes;
pub mod secrets;
pub mod serve;
pub mod sqlite;
