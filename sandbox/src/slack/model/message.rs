//! A message as people see it, and what it showed before.

use serde_json::Value;

use super::super::blocks;
use super::bot::BotMethod;
use crate::server::Time;

/// What a message shows, or showed until it was edited.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageVersion {
    /// When it was posted or edited.
    pub at: Time,
    /// The text; with blocks, only the notification.
    pub text: String,
    /// The blocks, if there are any.
    pub blocks: Option<Value>,
}

impl MessageVersion {
    /// What people saw.
    pub fn shown_text(&self) -> String {
        blocks::plain_text(&self.text, self.blocks.as_ref())
    }
}

/// A message that people can see, or could until it was deleted.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownMessage {
    /// When it arrived.
    pub at: Time,
    /// The channel.
    pub channel: String,
    /// Its timestamp, which no other message of the channel has.
    pub ts: String,
    /// The message whose thread it is in.
    pub thread_ts: Option<String>,
    /// Whether the channel sees a reply in a thread, too.
    pub is_broadcast: bool,
    /// The only person who sees it; `None` means the whole channel.
    pub visible_to: Option<String>,
    /// The text; with blocks, only the notification.
    pub text: String,
    /// The blocks, if there are any.
    pub blocks: Option<Value>,
    /// What it showed before, in order; the first is what was posted.
    pub earlier: Vec<MessageVersion>,
    /// When it was edited last.
    pub edited_at: Option<Time>,
    /// When it was deleted.
    pub deleted_at: Option<Time>,
    /// The paths of the presses' response URLs through which it was replaced, in order.
    pub replaced_by: Vec<String>,
    /// The path of the command's response URL, or of the bot's method.
    pub response_path: String,
    /// Which use of the URL it was, from one; zero for the immediate answer and the bot.
    pub nth_use: u32,
}

impl ShownMessage {
    /// What people see.
    pub fn shown_text(&self) -> String {
        blocks::plain_text(&self.text, self.blocks.as_ref())
    }

    /// The id of the first block.
    pub fn block_id(&self) -> Option<String> {
        blocks::first_block_id(self.blocks.as_ref())
    }

    /// Whether something took its place through this response URL.
    pub fn was_replaced_by(&self, path: &str) -> bool {
        self.replaced_by.iter().any(|by| by == path)
    }

    /// Whether it is still there.
    pub fn stands(&self) -> bool {
        self.deleted_at.is_none()
    }

    /// Whether the bot posted it for all, so that the bot can edit and delete it.
    pub fn is_own(&self) -> bool {
        self.response_path == BotMethod::PostMessage.path()
    }

    /// Every text that people have seen here, in order.
    pub fn ever_shown(&self) -> Vec<String> {
        let earlier = self.earlier.iter().map(MessageVersion::shown_text);
        earlier.chain([self.shown_text()]).collect()
    }

    /// Shows something else from now on.
    pub(super) fn edit(&mut self, now: Time, text: String, blocks: Option<Value>) {
        self.earlier.push(MessageVersion {
            at: self.edited_at.unwrap_or(self.at),
            text: std::mem::replace(&mut self.text, text),
            blocks: std::mem::replace(&mut self.blocks, blocks),
        });
        self.edited_at = Some(now);
    }
}
