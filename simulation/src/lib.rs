//! The real handlers under faults: ports in memory, virtual time, an outside world that remembers
//! what it saw, and checks that read only what it remembers.
//!
//! A handler is a future over ports; dropping it at a port call is a crash at that very point.
//! [`crashes`] puts crashes at every point of a scenario, alone, in pairs and in triples; nobody
//! lists the points. [`schedule`] interleaves handlers at random and makes everything else fail,
//! too. A part of both runs on AWS: over ports that fail as [`cloud`] says.

pub mod campaign;
pub mod cloud;
pub mod coverage;
pub mod crash_points;
pub mod crashes;
mod disturbances;
pub mod fault_injector;
mod handler_ports;
pub mod history;
pub mod invariants;
pub mod matrix;
pub mod model;
pub mod outside;
pub mod people;
pub mod scenario;
pub mod schedule;
pub mod seeded;
pub mod services;
pub mod violation;
pub mod world;
