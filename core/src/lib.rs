//! The domain of chatops, without I/O: the grammar, the policy, the state machine, the messages, the
//! audit and every text that people read.
//!
//! Everything here is a value or a pure function. Time is an argument, external services are traits
//! in [`ports`], and nothing reads the environment. The Lambda functions, the one-machine runner and
//! the simulation run the same code.

pub mod audit;
pub mod backoff;
pub mod command;
pub mod config;
pub mod delivery;
pub mod deploy;
pub mod id;
pub mod log_tally;
pub mod message;
pub mod name;
pub mod notification;
pub mod parameters;
pub mod phase;
pub mod policy;
pub mod ports;
pub mod posted;
pub mod rejection;
pub mod release;
pub mod request;
pub mod secret;
pub mod target;
pub mod text;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod fuzz;

/// A moment, always UTC.
pub type Time = chrono::DateTime<chrono::Utc>;
