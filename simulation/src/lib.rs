//! Fault simulation of the real handlers over memory ports.

pub mod memory;
pub mod invariants;
pub mod outside;
pub mod points;
pub mod scenario;
pub mod world;
