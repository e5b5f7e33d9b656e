//! The reply item: where to answer one deploy's asker, and what has been told there.
//!
//! Slack's reply address takes 5 uses in 30 minutes and has no idempotency, so a use is reserved
//! on record before it is spent. The progress notice is told at most once; the final word at least
//! once, marked where it may be a repetition; and "unknown" is a legal end.
//! The worker makes something owed, the notifier alone does the rest.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::config::Times;
use crate::id::DeployId;
use crate::secret::ResponseUrl;

/// How often Slack lets a reply address be used.
pub const USES: u8 = 5;

/// How many of them only the final word may use.
pub const RESERVED_FOR_FINAL: u8 = 3;

/// How often the bot tries to post what is owed about one deploy.
pub const BOT_USES: u8 = 12;

/// How long a token that was refused has to be replaced before the one further try.
const NEW_TOKEN: Duration = Duration::from_secs(30);

/// What is told about a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It runs; here is the build's address.
    Progress,
    /// It waits for somebody's approval; here is where.
    Hold,
    /// How it ended.
    Final,
}

impl Kind {
    /// All of them, in the order in which they are told.
    pub const ALL: [Kind; 3] = [Kind::Progress, Kind::Hold, Kind::Final];
}

/// How far the telling of one thing has got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Telling {
    /// Not owed (yet).
    #[default]
    NotOwed,
    /// Owed; not before `from`.
    Owed {
        /// When to try.
        from: Time,
    },
    /// A use is reserved and a post may be under way.
    Sending {
        /// After this moment the sender is gone and the outcome unknown.
        until: Time,
    },
    /// Slack said it was shown.
    Told {
        /// When.
        at: Time,
    },
    /// No longer worth telling.
    Dropped,
    /// It may have been shown; Slack's answer never came.
    Unknown,
    /// It was certainly not shown.
    Undeliverable {
        /// Why.
        why: String,
    },
}

impl Telling {
    /// Whether nothing more will be done about it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(
            self,
            Telling::NotOwed | Telling::Owed { .. } | Telling::Sending { .. }
        )
    }

    /// When something has to be done about it.
    fn due_at(&self) -> Option<Time> {
        match self {
            Telling::Owed { from } => Some(*from),
            Telling::Sending { until } => Some(*until),
            _ => None,
        }
    }
}

/// The reply item of one deploy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reply {
    /// The deploy.
    pub deploy: DeployId,
    /// Counts the writes; the notifier writes only over the version it has seen.
    pub version: u64,
    /// Where to post; removed when nothing is left to tell.
    pub address: Option<ResponseUrl>,
    /// When the address stops being used.
    pub expires_at: Time,
    /// Uses of the address that were reserved.
    pub uses: u8,
    /// Posts by the bot that were reserved.
    #[serde(default)]
    pub bot_uses: u8,
    /// Whether the bot's token was refused; it is read afresh for one more try.
    #[serde(default)]
    pub token_refused: bool,
    /// Posts that never left this machine; they use nothing up and space the next try.
    pub unsent: u32,
    /// Tries of the final word whose outcome is unknown. With any, a further copy is marked, and
    /// the record never claims that nothing was shown.
    pub unsure: u8,
    /// The progress notice.
    pub progress: Telling,
    /// That it waits for an approval.
    #[serde(default)]
    pub hold: Telling,
    /// The final word.
    pub last: Telling,
}

impl Reply {
    /// The item as the deploy's first transaction writes it: nothing is owed yet.
    #[must_use]
    pub fn open(deploy: DeployId, address: Option<ResponseUrl>, expires_at: Time) -> Self {
        Self {
            deploy,
            version: 1,
            address,
            expires_at,
            uses: 0,
            bot_uses: 0,
            token_refused: false,
            unsent: 0,
            unsure: 0,
            progress: Telling::NotOwed,
            hold: Telling::NotOwed,
            last: Telling::NotOwed,
        }
    }

    /// How far the telling of `kind` has got.
    #[must_use]
    pub fn telling(&self, kind: Kind) -> &Telling {
        match kind {
            Kind::Progress => &self.progress,
            Kind::Hold => &self.hold,
            Kind::Final => &self.last,
        }
    }

    fn set(&mut self, kind: Kind, telling: Telling) {
        match kind {
            Kind::Progress => self.progress = telling,
            Kind::Hold => self.hold = telling,
            Kind::Final => self.last = telling,
        }
    }

    /// The kind of which a post may be under way.
    fn under_way(&self) -> Option<Kind> {
        let sending = |kind: &Kind| matches!(self.telling(*kind), Telling::Sending { .. });
        Kind::ALL.into_iter().find(sending)
    }

    /// When the sweeper should remind the notifier; `None` if nothing is owed.
    #[must_use]
    pub fn due_at(&self) -> Option<Time> {
        match self.under_way() {
            // Whatever else is owed waits for the post that may be under way.
            Some(kind) => self.telling(kind).due_at(),
            None => Kind::ALL
                .into_iter()
                .filter_map(|kind| self.telling(kind).due_at())
                .min(),
        }
    }

    /// Makes `kind` owed, if it was not owed or settled before. This is the worker's only change.
    pub fn owe(&mut self, kind: Kind, now: Time) {
        if *self.telling(kind) == Telling::NotOwed {
            self.set(kind, Telling::Owed { from: now });
            self.version += 1;
        }
    }
}

/// What the notifier does next about a reply item.
#[derive(Debug, Clone)]
pub enum Next {
    /// Nothing, now.
    Rest,
    /// Write this; there is nothing to post.
    Settle(Reply),
    /// Write this reservation, then post `kind`, then write [`after`].
    Post {
        /// The item with the use reserved.
        reserved: Reply,
        /// What to post.
        kind: Kind,
        /// Which way.
        via: Via,
        /// Whether the asker may have seen it before.
        repeat: bool,
    },
}

/// The two ways to the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The command's own reply address, while it lasts.
    Address,
    /// The app's bot, which has no such limit.
    Bot,
}

/// What became of one post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// Slack said it was shown.
    Shown,
    /// No byte left this machine: not shown, nothing used up.
    NotSent {
        /// What was met.
        why: String,
    },
    /// Slack said to wait: not shown.
    Later {
        /// For how long, if Slack said.
        after: Option<Duration>,
    },
    /// The bot's token may be an old one: not shown.
    Unauthorized {
        /// Slack's words.
        why: String,
    },
    /// Slack will never take it at this address: not shown.
    Refused {
        /// Slack's words.
        why: String,
    },
    /// The outcome is unknown.
    Unknown,
}

impl Posted {
    /// The outcome in one word, for logs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Posted::Shown => "shown",
            Posted::NotSent { .. } => "not sent",
            Posted::Later { .. } => "later",
            Posted::Unauthorized { .. } => "unauthorized",
            Posted::Refused { .. } => "refused",
            Posted::Unknown => "unknown",
        }
    }
}

/// Decides what to do about an item. `bot` says whether there is a bot that can post where the
/// reply address cannot any more.
#[must_use]
pub fn next(reply: &Reply, now: Time, times: &Times, bot: bool) -> Next {
    let mut item = reply.clone();
    item.version += 1;
    if let Some(kind) = item.under_way() {
        // While a post may be under way, nobody starts another.
        if matches!(item.telling(kind), Telling::Sending { until } if *until > now) {
            return Next::Rest;
        }
        // A sender that is gone leaves an unknown outcome behind.
        if kind == Kind::Final {
            item.unsure += 1;
            item.last = Telling::Owed { from: now };
        } else {
            item.set(kind, Telling::Unknown);
        }
        return Next::Settle(item);
    }
    for kind in [Kind::Progress, Kind::Hold] {
        let owed = matches!(item.telling(kind), Telling::Owed { .. });
        if owed && item.last != Telling::NotOwed {
            item.set(kind, Telling::Dropped);
            return Next::Settle(item);
        }
    }
    let owed = |kind: &Kind| matches!(item.telling(*kind), Telling::Owed { from } if *from <= now);
    let Some(kind) = Kind::ALL.into_iter().find(owed) else {
        return Next::Rest;
    };
    let via = match hindrance(&item, kind, now) {
        None => Via::Address,
        Some(_) if bot && item.bot_uses < BOT_USES => Via::Bot,
        Some(why) => {
            give_up(&mut item, kind, why);
            return Next::Settle(item);
        }
    };
    match via {
        Via::Address => item.uses += 1,
        Via::Bot => item.bot_uses += 1,
    }
    let until = now + times.reply_lease;
    item.set(kind, Telling::Sending { until });
    let repeat = kind == Kind::Final && item.unsure > 0;
    Next::Post {
        reserved: item,
        kind,
        via,
        repeat,
    }
}

/// Why the reply address cannot be used.
fn hindrance(item: &Reply, kind: Kind, now: Time) -> Option<&'static str> {
    let spare = match kind {
        Kind::Final => item.uses < USES,
        Kind::Progress | Kind::Hold => item.uses < USES - RESERVED_FOR_FINAL,
    };
    if item.address.is_none() {
        Some("there is no reply address")
    } else if now >= item.expires_at {
        Some("the reply address has expired")
    } else if !spare {
        Some("the reply address is used up")
    } else {
        None
    }
}

/// The item after a post: `reserved` is what was written before it.
#[must_use]
pub fn after(reserved: &Reply, kind: Kind, via: Via, posted: &Posted, now: Time) -> Reply {
    let mut item = reserved.clone();
    item.version += 1;
    match (kind, posted) {
        (_, Posted::Shown) => settle(&mut item, kind, Telling::Told { at: now }),
        (_, Posted::NotSent { .. }) => {
            match via {
                Via::Address => item.uses = item.uses.saturating_sub(1),
                Via::Bot => item.bot_uses = item.bot_uses.saturating_sub(1),
            }
            item.unsent += 1;
            let from = now + pause(item.unsent);
            item.set(kind, Telling::Owed { from });
        }
        (_, Posted::Unauthorized { .. }) if !item.token_refused => {
            item.token_refused = true;
            let from = now + NEW_TOKEN;
            item.set(kind, Telling::Owed { from });
        }
        (_, Posted::Refused { why } | Posted::Unauthorized { why }) => {
            give_up(&mut item, kind, why);
        }
        (Kind::Final, Posted::Later { after }) => {
            let wait = after.unwrap_or_else(|| pause(tries(&item, via)));
            let from = now + wait.min(Duration::from_mins(30));
            item.last = Telling::Owed { from };
        }
        (Kind::Final, Posted::Unknown) => {
            item.unsure += 1;
            let from = now + pause(tries(&item, via));
            item.last = Telling::Owed { from };
        }
        // No use is left for a second try; the final word says it all.
        (_, Posted::Later { .. }) => settle(&mut item, kind, Telling::Dropped),
        (_, Posted::Unknown) => settle(&mut item, kind, Telling::Unknown),
    }
    item
}

fn tries(item: &Reply, via: Via) -> u32 {
    u32::from(match via {
        Via::Address => item.uses,
        Via::Bot => item.bot_uses,
    })
}

/// 2 s, 8 s, 32 s, then two minutes each: the few uses spread over most of the 30 minutes.
fn pause(tries: u32) -> Duration {
    Duration::from_secs(2_u64 << (2 * tries.clamp(1, 4) - 2)).min(Duration::from_mins(2))
}

fn give_up(item: &mut Reply, kind: Kind, why: &str) {
    let unsure = kind == Kind::Final && item.unsure > 0;
    let end = if unsure {
        Telling::Unknown
    } else {
        Telling::Undeliverable {
            why: why.to_owned(),
        }
    };
    settle(item, kind, end);
}

fn settle(item: &mut Reply, kind: Kind, end: Telling) {
    item.set(kind, end);
    if item.last.is_settled() {
        item.address = None;
        for early in [Kind::Progress, Kind::Hold] {
            if !item.telling(early).is_settled() {
                item.set(early, Telling::Dropped);
            }
        }
    }
}

#[cfg(test)]
mod tests;
