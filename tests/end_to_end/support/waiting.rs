//! Waiting for what a test is about, as long as something still moves. No test sleeps instead.

use std::time::{Duration, UNIX_EPOCH};

use chatops_core::deploy::DeployState;
use chatops_core::text::{MessageKind, MessageMark};
use chatops_sandbox::slack::{CommandRequest, ShownMessage};
use chatops_sandbox::{JournalEntry, JournalEvent};

use super::data_file::DataFileRows;
use super::process::ServerProcess;
use super::slack::mark;
use super::world::ServeWorld;

/// The longest that a single call takes, even on a busy machine.
pub(crate) const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

impl ServeWorld {
    /// Requests a deploy and waits for its end; it ended in that state.
    pub(crate) async fn deploy(
        &self,
        server: &ServerProcess,
        text: &str,
        state: DeployState,
    ) -> String {
        let sent = self.send(server, text).await;
        self.wait_end(&sent, state).await
    }

    /// Waits for the final message at the response URL of a command; the deploy that it is about
    /// ended in that state.
    pub(crate) async fn wait_end(&self, sent: &CommandRequest, state: DeployState) -> String {
        let (mark, shown) = self.wait_at(sent, MessageKind::Final).await;
        let record = &self.records().records[&mark.deploy.unwrap()];
        assert_eq!(record.state, state, "{shown}");
        shown
    }

    /// Waits for a reply at the response URL of a command.
    pub(crate) async fn wait_reply(&self, sent: &CommandRequest) -> String {
        self.wait_at(sent, MessageKind::Reply).await.1
    }

    /// Waits for a message of that kind at the response URL of a command.
    pub(crate) async fn wait_at(
        &self,
        sent: &CommandRequest,
        kind: MessageKind,
    ) -> (MessageMark, String) {
        let of_kind = |message: &ShownMessage| {
            let mark = mark(message).filter(|mark| mark.kind == kind)?;
            Some((mark, message.shown_text()))
        };
        let what = format!("{kind:?} for {}", sent.command_line);
        let found = |_: &[JournalEntry]| self.delivered_to(sent).iter().find_map(of_kind);
        self.wait_journal(&what, found).await
    }

    /// Waits for the final message of a deploy that ended in that state.
    pub(crate) async fn wait_final(&self, state: DeployState) -> String {
        let ended = |mark: MessageMark| {
            let record = |deploy| self.records().records[&deploy].state;
            mark.kind == MessageKind::Final && mark.deploy.map(record) == Some(state)
        };
        self.wait_mark(state.as_str(), ended).await
    }

    /// Waits for the message that a deploy runs.
    pub(crate) async fn wait_running(&self) -> String {
        let running = |mark: MessageMark| mark.kind == MessageKind::Progress;
        self.wait_mark("a running deploy", running).await
    }

    /// Waits for a message with such a mark.
    pub(crate) async fn wait_mark(
        &self,
        what: &str,
        wanted: impl Fn(MessageMark) -> bool,
    ) -> String {
        let shown = |entry: &JournalEntry| match &entry.event {
            JournalEvent::MessageDelivered {
                shown, block_id, ..
            } => {
                let mark = MessageMark::parse(block_id.as_ref()?)?;
                wanted(mark).then(|| shown.clone())
            }
            _ => None,
        };
        let found = |entries: &[JournalEntry]| entries.iter().find_map(shown);
        self.wait_journal(what, found).await
    }

    /// Waits for something in the journal.
    pub(crate) async fn wait_journal<T>(
        &self,
        what: &str,
        found: impl FnMut(&[JournalEntry]) -> Option<T>,
    ) -> T {
        let mut found = found;
        self.wait_moving(what, || found(&self.sandbox.journal().entries()))
            .await
    }

    /// What is in the data file, once every requester is notified of the end and no message is left.
    pub(crate) fn settled_now(&self) -> Option<DataFileRows> {
        Some(self.records()).filter(DataFileRows::is_settled)
    }

    /// Waits until every requester is notified of the end and no message is left.
    pub(crate) async fn wait_settled(&self) -> DataFileRows {
        self.wait_moving("the data file to become quiet", || self.settled_now())
            .await
    }

    /// Calls `found` again and again until it finds something, for as long as something moves: at the
    /// stand-ins, or in the data file.
    pub(crate) async fn wait_moving<T>(
        &self,
        what: &str,
        mut found: impl FnMut() -> Option<T>,
    ) -> T {
        let moved = || {
            let log = self.data().with_extension("db-wal");
            let written = std::fs::metadata(log)
                .ok()
                .and_then(|log| log.modified().ok());
            let written = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let written = written.map_or(0, |at| at.subsec_nanos().into());
            self.sandbox.journal().entries().len() as u64 + written
        };
        chatops_testkit::wait_while_moving(what, moved, async || found()).await
    }
}

/// Calls `found` again and again until it finds something.
pub(crate) async fn wait_until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    chatops_testkit::wait_until(what, async || found()).await
}
