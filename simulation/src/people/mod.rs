//! Who uses the product: people and operators, what they may do, and what they have typed.
//!
//! Only what is known of them is here, so that a record can be compared with it. Nobody here knows
//! the world that they act in.

mod command;
mod person;
mod rights;

pub use self::command::IssuedCommand;
pub use self::person::Person;
pub use self::rights::Rights;
