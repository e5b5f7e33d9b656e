//! One ordered record of everything that is visible from outside.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::server::{Time, lock};
use tokio::sync::watch;

/// An event and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// When it happened.
    pub at: Time,
    /// What happened.
    pub event: JournalEvent,
}

impl JournalEntry {
    /// Whether this is a call of CircleCI that changes nothing.
    pub fn is_get(&self) -> bool {
        matches!(&self.event, JournalEvent::CircleCiCall { method, .. } if method == "GET")
    }
}

/// What is visible from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalEvent {
    /// A person typed a command.
    CommandTyped {
        /// Who, by id.
        user_id: String,
        /// Who, by name.
        user_name: String,
        /// Where, by id.
        channel_id: String,
        /// Where, by name.
        channel_name: String,
        /// The command, such as `/chatops`.
        command: String,
        /// What follows it.
        text: String,
    },
    /// The app answered a command at once, or failed to.
    CommandAcknowledged {
        /// Who typed it, by id.
        user_id: String,
        /// From sending the command to the complete answer, or to giving up.
        latency: Duration,
        /// What the person sees; empty for an empty answer.
        shown: String,
        /// The id of its first block.
        block_id: Option<String>,
        /// Whether the whole channel sees it.
        public: bool,
    },
    /// A message was delivered through a response URL or by the bot.
    MessageDelivered {
        /// Where.
        channel: String,
        /// The only person who sees it; `None` means the whole channel.
        visible_to: Option<String>,
        /// The path of the response URL, or of the bot's method such as `/api/chat.postMessage`.
        response_path: String,
        /// What people see.
        shown: String,
        /// The id of its first block.
        block_id: Option<String>,
        /// Which use of the URL it was, from one; zero for the bot.
        nth_use: u32,
        /// The status that the app saw; `None` if the response was lost.
        status: Option<u16>,
    },
    /// The bot edited a message.
    MessageEdited {
        /// Where.
        channel: String,
        /// The message's timestamp.
        ts: String,
        /// What people see now.
        shown: String,
        /// The id of its first block.
        block_id: Option<String>,
        /// The status that the app saw; `None` if the response was lost or the edit came late.
        status: Option<u16>,
    },
    /// The bot deleted a message.
    MessageDeleted {
        /// Where.
        channel: String,
        /// The message's timestamp.
        ts: String,
        /// The status that the app saw; `None` if the response was lost or the deletion came late.
        status: Option<u16>,
    },
    /// A message was not delivered, edited or deleted.
    MessageRejected {
        /// The status that the app saw; `None` without a response.
        status: Option<u16>,
        /// The reason.
        error: String,
    },
    /// CircleCI was called.
    CircleCiCall {
        /// The HTTP method.
        method: String,
        /// The path and query.
        path: String,
        /// The status that the caller saw; `None` if the response was lost.
        status: Option<u16>,
        /// The effect.
        note: String,
    },
    /// CircleCI sent a webhook.
    WebhookSent {
        /// The kind of event, such as `workflow-completed`.
        event: String,
        /// The app's status; `None` without a response.
        status: Option<u16>,
        /// How it was sent.
        note: String,
    },
    /// CircleCI went offline.
    CircleCiDown,
    /// CircleCI came back.
    CircleCiUp,
}

/// The journal. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    entries: Arc<Mutex<Vec<JournalEntry>>>,
    count: Arc<watch::Sender<usize>>,
}

impl Journal {
    /// Adds an entry and wakes all listeners.
    pub fn record(&self, at: Time, event: JournalEvent) {
        let mut entries = lock(&self.entries);
        entries.push(JournalEntry { at, event });
        self.count.send_replace(entries.len());
    }

    /// Everything so far.
    pub fn entries(&self) -> Vec<JournalEntry> {
        lock(&self.entries).clone()
    }

    /// What `found` makes of each entry so far and its place.
    pub(crate) fn collect<T>(
        &self,
        mut found: impl FnMut(usize, &JournalEntry) -> Option<T>,
    ) -> Vec<T> {
        let entries = lock(&self.entries);
        let numbered = entries.iter().enumerate();
        numbered.filter_map(|(n, entry)| found(n, entry)).collect()
    }

    /// Calls `found` with everything so far, and again after each new entry, until it finds
    /// something or `timeout` passes.
    pub async fn wait_until<T>(
        &self,
        timeout: Duration,
        mut found: impl FnMut(&[JournalEntry]) -> Option<T>,
    ) -> Option<T> {
        let mut count = self.count.subscribe();
        let search = async {
            loop {
                // Before reading the entries, so that none is missed.
                count.mark_unchanged();
                if let Some(found) = found(&self.entries()) {
                    return Some(found);
                }
                count.changed().await.ok()?;
            }
        };
        tokio::time::timeout(timeout, search).await.ok().flatten()
    }

    /// The number of subscriptions and running searches.
    pub fn listener_count(&self) -> usize {
        self.count.receiver_count()
    }

    /// Every entry from now on, in order.
    pub fn subscribe(&self) -> JournalSubscription {
        let count = self.count.subscribe();
        let next = *count.borrow();
        JournalSubscription {
            entries: Arc::clone(&self.entries),
            count,
            next,
        }
    }
}

/// The entries after the subscription, one by one.
#[derive(Debug)]
pub struct JournalSubscription {
    entries: Arc<Mutex<Vec<JournalEntry>>>,
    count: watch::Receiver<usize>,
    next: usize,
}

impl JournalSubscription {
    /// The next entry; `None` once every clone of the journal is dropped.
    pub async fn next(&mut self) -> Option<JournalEntry> {
        // The count is only a wake-up: entries come from the journal, so none is skipped.
        let (next, count) = (self.next, &mut self.count);
        let more = count.wait_for(|count| *count > next).await.is_ok();
        let entry = lock(&self.entries)
            .get(self.next)
            .filter(|_| more)
            .cloned()?;
        self.next += 1;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn rejected(error: &str) -> JournalEvent {
        JournalEvent::MessageRejected {
            status: Some(404),
            error: error.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_subscription_gives_each_entry_once_in_order() {
        let journal = Journal::default();
        journal.record(DateTime::UNIX_EPOCH, rejected("before"));
        let mut subscription = journal.subscribe();
        journal.record(DateTime::UNIX_EPOCH, rejected("one"));
        journal.record(DateTime::UNIX_EPOCH, rejected("two"));
        assert_eq!(subscription.next().await.unwrap().event, rejected("one"));
        assert_eq!(subscription.next().await.unwrap().event, rejected("two"));
        drop(journal);
        assert_eq!(subscription.next().await, None);
    }

    #[tokio::test]
    async fn waiting_ends_with_the_entry_waited_for() {
        let journal = Journal::default();
        let second = |entries: &[JournalEntry]| entries.get(1).map(|entry| entry.event.clone());
        let (found, ()) = tokio::join!(journal.wait_until(Duration::from_secs(5), second), async {
            journal.record(DateTime::UNIX_EPOCH, rejected("one"));
            tokio::task::yield_now().await;
            journal.record(DateTime::UNIX_EPOCH, rejected("two"));
        });
        assert_eq!(found, Some(rejected("two")));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_the_time_limit() {
        let journal = Journal::default();
        let never = |_: &[JournalEntry]| None::<()>;
        let found = journal.wait_until(Duration::from_hours(1), never).await;
        assert_eq!(found, None);
    }
}
