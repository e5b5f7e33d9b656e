//! A stand-in Slack: it sends slash commands as Slack does and takes messages through response
//! addresses and from a bot.

mod blocks;
mod bot;
mod client;
mod keyboard;
mod model;
mod server;
mod signature;

#[cfg(test)]
mod tests;

pub use blocks::plain_text;
pub use bot::Method;
pub use client::{Ack, AckBody, Client, Sent, Typed};
pub(crate) use keyboard::Keyboard;
pub use keyboard::{Conversation, Heard, NoConversation};
pub use model::{Attempt, Message, Model, PostAnswer};
pub use server::Slack;
pub(crate) use server::router;
pub use signature::{SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER, sign, signed_request};
