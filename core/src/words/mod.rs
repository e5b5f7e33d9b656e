//! Every word a person reads in Slack, and the shape it is posted in.
//!
//! The first line of a post carries everything; the asker is mentioned once. Foreign text enters
//! through [`Line`], which escapes it; nothing else builds text. Commands are shown under the
//! installed name, ready to be pasted (`typed`).

mod answer;
mod deploy;
mod example;
mod grammar;
mod help;
mod intake;
mod line;
mod list;
mod plan;
mod post;
mod reason;
mod refusal;
mod sign;
mod typed;

pub use self::answer::{
    already_wished, cancel_denied, cancel_noted, ended_before, not_retried, unknown_deploy,
};
pub use self::deploy::{hold, last, progress, status};
pub use self::grammar::bad_command;
pub use self::help::help;
pub use self::intake::{
    accepted, cannot_confirm, cannot_confirm_wish, checking, no_identity, not_accepted,
    not_listened_to, not_slacks, noted, nowhere_to_answer,
};
pub use self::line::Line;
pub use self::list::{failed, history, open_now};
pub use self::plan::plan;
pub use self::post::{Audience, Link, Post};
pub use self::sign::is_last;

#[cfg(test)]
mod tests;
