//! A stand-in Slack: it sends slash commands, and takes messages through response URLs and from a
//! bot.

pub(crate) mod blocks;
mod model;
mod server;
mod signature;

#[cfg(test)]
mod tests;

pub use blocks::{initial_state, plain_text};
pub use model::bot::BotMethod;
pub use model::message::{MessageVersion, ShownMessage};
pub use model::{PostAttempt, PostResponse, SlackModel};
pub use server::FakeSlack;
pub(crate) use server::installed_app::InstalledApp;
pub use server::press::ButtonPress;
pub(crate) use server::router;
pub(crate) use server::say::SayEndpoint;
pub use server::say::{SayError, SayEvent, SaySession};
pub use server::sender::{AckBody, CommandAck, CommandRequest, CommandSender, TypedCommand};
pub use signature::{SIGNATURE_HEADER, SignedForm, TIMESTAMP_HEADER, sign_form, signed_request};
