//! The ports of chatops on AWS: the ledger in one DynamoDB table, the queues in SQS, secrets in
//! Secrets Manager.
//!
//! As on one machine, no rule of the pipeline lives here: an adapter checks the conditions it is
//! given and writes.

pub mod client;
pub mod clock;
pub mod dynamodb;
mod failure;
pub mod lambda;
pub mod operator;
pub mod secrets;
mod settings;
pub mod sqs;

pub use self::settings::BadSettings;
