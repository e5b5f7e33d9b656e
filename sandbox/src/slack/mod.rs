//! A stand-in Slack: it sends slash commands, and takes messages through response URLs and from a
//! bot.

mod blocks;
mod bot;
mod model;
mod say;
mod sender;
mod server;
mod signature;

#[cfg(test)]
mod tests;

pub use blocks::plain_text;
pub use bot::BotMethod;
pub use model::{PostAttempt, PostResponse, ShownMessage, SlackModel};
pub(crate) use say::SayEndpoint;
pub use say::{SayError, SayEvent, SaySession};
pub use sender::{AckBody, CommandAck, CommandRequest, CommandSender, TypedCommand};
pub use server::FakeSlack;
pub(crate) use server::router;
pub use signature::{SIGNATURE_HEADER, SignedForm, TIMESTAMP_HEADER, sign_form, signed_request};
