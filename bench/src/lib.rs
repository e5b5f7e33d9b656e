//! What measures the product and a test may run, too.

pub mod chaos;
