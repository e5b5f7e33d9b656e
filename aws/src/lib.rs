//! The ports of chatops on AWS: the ledger in one DynamoDB table, the queues in SQS, secrets in
//! Secrets Manager.
//!
//! As on one machine, no rule of the pipeline lives here: an adapter checks the conditions it is
//! given and writes.

pub mod client;
pub mod clock;
pub mod dynamodb;
pub mod lambda;
pub mod operator;
mod sdk_error;
pub mod secrets;
mod settings;
pub mod sqs;

pub use self::sdk_error::{ACTIONS, AwsError, failed};
pub use self::settings::SettingsError;
