//! What a message is, for programs that read it: the `block_id` of its first block.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::id::DeployId;

/// What a message is: the kind, the deploy it is about, and whether it repeats an earlier one.
///
/// Its text form is `final:<deploy id>:repeat`, at most 70 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageMark {
    /// What kind of message it is.
    pub kind: MessageKind,
    /// The one deploy it is about.
    pub deploy: Option<DeployId>,
    /// Whether an earlier copy of it may have been shown.
    pub repeat: bool,
}

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum MessageKind {
    /// The command is queued and will probably start a deploy.
    Accepted,
    /// A rule says no, and only the record follows.
    Refused,
    /// A retry, cancel or unlock is queued.
    Noted,
    /// The command may be queued.
    Unconfirmed,
    /// The command is not queued; nothing follows.
    NotAccepted,
    /// Help, or how to type a text that is no command; nothing follows.
    Help,
    /// The form; what is put into it comes with a press.
    Form,
    /// The deploy as it stands, edited until its end.
    Card,
    /// The deploy runs.
    Progress,
    /// The deploy waits for an approval.
    Hold,
    /// How the deploy ended, or why it did not start; nothing follows.
    Final,
    /// How it ended, in a channel of `announce`.
    Announcement,
    /// Something about the deploy that people have to know at once.
    Notice,
    /// The reply to a query, or to a retry, cancel or unlock; after a retry it says why there is none.
    Reply,
}

impl MessageMark {
    /// Reads a `block_id`; `None` if it is not a mark.
    #[must_use]
    pub fn parse(block_id: &str) -> Option<Self> {
        let (rest, repeat) = match block_id.strip_suffix(":repeat") {
            Some(rest) => (rest, true),
            None => (block_id, false),
        };
        let (kind, deploy) = match rest.split_once(':') {
            Some((kind, id)) => (kind, Some(DeployId::parse(id).ok()?)),
            None => (rest, None),
        };
        Some(Self {
            kind: kind.parse().ok()?,
            deploy,
            repeat,
        })
    }
}

impl From<MessageKind> for MessageMark {
    fn from(kind: MessageKind) -> Self {
        Self {
            kind,
            deploy: None,
            repeat: false,
        }
    }
}

impl fmt::Display for MessageMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.into())?;
        if let Some(id) = self.deploy {
            write!(f, ":{id}")?;
        }
        f.write_str(if self.repeat { ":repeat" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::id;

    #[test]
    fn what_it_writes_it_reads() {
        for &kind in MessageKind::VARIANTS {
            for (named, repeat) in [(false, false), (false, true), (true, false), (true, true)] {
                let mark = MessageMark {
                    deploy: named.then(id),
                    repeat,
                    ..kind.into()
                };
                let text = mark.to_string();
                assert!(text.len() <= 70, "{text}");
                assert_eq!(MessageMark::parse(&text), Some(mark));
            }
        }
        let repeated = format!("final:{}:repeat", id());
        let mark = MessageMark::parse(&repeated).unwrap();
        assert_eq!((mark.kind, mark.deploy), (MessageKind::Final, Some(id())));
        assert_eq!((mark.repeat, mark.to_string()), (true, repeated));
        for other in ["", "end", "final:", "final:1a2b3c4d", "Final", ":repeat"] {
            assert_eq!(MessageMark::parse(other), None, "{other}");
        }
    }
}
