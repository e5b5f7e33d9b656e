//! One ordered record of everything that can be seen from outside.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

/// Something seen, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it was seen.
    pub at: DateTime<Utc>,
    /// What was seen.
    pub what: Seen,
}

impl Entry {
    /// Whether this is a question to CircleCI that changes nothing.
    pub fn is_poll(&self) -> bool {
        matches!(&self.what, Seen::CircleCall { method, .. } if method == "GET")
    }
}

/// What can be seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A person typed a command.
    Typed {
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
    Acknowledged {
        /// Who had typed it, by id.
        user_id: String,
        /// From sending the command to the whole answer, or to giving up.
        latency: Duration,
        /// What the person sees; empty for an empty answer.
        shown: String,
        /// Whether the whole channel sees it.
        public: bool,
    },
    /// A message was delivered through a response address or from the bot.
    SlackMessage {
        /// Where.
        channel: String,
        /// The only person who sees it; nobody in particular means the whole channel.
        visible_to: Option<String>,
        /// The response address it came through, or the bot's method such as
        /// `/api/chat.postMessage`.
        response_path: String,
        /// What people see.
        shown: String,
        /// Which use of the address it was, from one; zero for the bot.
        nth_use: u32,
        /// The status that the app saw; nothing if the answer was lost.
        status: Option<u16>,
    },
    /// A message was not delivered.
    SlackRefused {
        /// The status that the app saw; nothing if there was no answer.
        status: Option<u16>,
        /// The reason.
        error: String,
    },
    /// CircleCI was called.
    CircleCall {
        /// The HTTP method.
        method: String,
        /// The path and query.
        path: String,
        /// The status that the caller saw; nothing if the answer was lost.
        status: Option<u16>,
        /// What came of it.
        note: String,
    },
    /// CircleCI sent a webhook.
    Webhook {
        /// The kind of event, such as `workflow-completed`.
        event: String,
        /// The status that the app answered with; nothing if there was no answer.
        status: Option<u16>,
        /// What it said, and how it was sent.
        note: String,
    },
    /// CircleCI cannot be reached from now on.
    CircleGone,
    /// CircleCI can be reached again.
    CircleBack,
}

/// The record. Clones share it.
#[derive(Debug, Clone)]
pub struct Journal {
    entries: Arc<Mutex<Vec<Entry>>>,
    count: Arc<watch::Sender<usize>>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            entries: Arc::default(),
            count: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Journal {
    /// Adds an entry and wakes everyone who waits.
    pub fn record(&self, at: DateTime<Utc>, what: Seen) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push(Entry { at, what });
        self.count.send_replace(entries.len());
    }

    /// Everything so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Asks `found` about everything so far, and again after each new entry, until it finds
    /// something or `timeout` passes.
    pub async fn wait_until<T>(
        &self,
        timeout: Duration,
        mut found: impl FnMut(&[Entry]) -> Option<T>,
    ) -> Option<T> {
        let mut count = self.count.subscribe();
        let search = async {
            loop {
                // Marked as seen before looking, so that no entry falls between.
                count.mark_unchanged();
                if let Some(found) = found(&self.entries()) {
                    return Some(found);
                }
                count.changed().await.ok()?;
            }
        };
        tokio::time::timeout(timeout, search).await.ok().flatten()
    }

    /// How many wait for entries: subscriptions and searches that still run.
    pub fn listeners(&self) -> usize {
        self.count.receiver_count()
    }

    /// Every entry from now on, in order.
    pub fn subscribe(&self) -> Subscription {
        let count = self.count.subscribe();
        let next = *count.borrow();
        Subscription {
            entries: Arc::clone(&self.entries),
            count,
            next,
        }
    }
}

/// The entries after a certain moment, one by one.
#[derive(Debug)]
pub struct Subscription {
    entries: Arc<Mutex<Vec<Entry>>>,
    count: watch::Receiver<usize>,
    next: usize,
}

impl Subscription {
    /// The next entry; nothing once every clone of the journal is gone.
    pub async fn next(&mut self) -> Option<Entry> {
        // The number is only a wake-up: entries come from the record, so none is skipped.
        let (next, count) = (self.next, &mut self.count);
        let more = count.wait_for(|count| *count > next).await.is_ok();
        let entry = self
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(self.next)
            .filter(|_| more)
            .cloned()?;
        self.next += 1;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(error: &str) -> Seen {
        Seen::SlackRefused {
            status: Some(404),
            error: error.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_subscription_gives_each_entry_once_in_order() {
        let journal = Journal::default();
        journal.record(DateTime::UNIX_EPOCH, refused("before"));
        let mut subscription = journal.subscribe();
        journal.record(DateTime::UNIX_EPOCH, refused("one"));
        journal.record(DateTime::UNIX_EPOCH, refused("two"));
        assert_eq!(subscription.next().await.unwrap().what, refused("one"));
        assert_eq!(subscription.next().await.unwrap().what, refused("two"));
        drop(journal);
        assert_eq!(subscription.next().await, None);
    }

    #[tokio::test]
    async fn waiting_ends_with_the_entry_waited_for() {
        let journal = Journal::default();
        let second = |entries: &[Entry]| entries.get(1).map(|entry| entry.what.clone());
        let (found, ()) = tokio::join!(journal.wait_until(Duration::from_secs(5), second), async {
            journal.record(DateTime::UNIX_EPOCH, refused("one"));
            tokio::task::yield_now().await;
            journal.record(DateTime::UNIX_EPOCH, refused("two"));
        });
        assert_eq!(found, Some(refused("two")));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_the_time_limit() {
        let journal = Journal::default();
        let never = |_: &[Entry]| None::<()>;
        let found = journal.wait_until(Duration::from_hours(1), never).await;
        assert_eq!(found, None);
    }
}
