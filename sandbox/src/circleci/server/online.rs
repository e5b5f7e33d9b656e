//! CircleCI's server, which can go offline and come back at the same address.

use std::io;

use crate::journal::{Journal, JournalEvent};
use crate::server::{LoopbackServer, now};

/// The server; the journal says when it goes and comes back.
#[derive(Debug)]
pub(crate) struct CircleCiServer {
    server: LoopbackServer,
    journal: Journal,
}

impl CircleCiServer {
    pub(crate) fn new(server: LoopbackServer, journal: Journal) -> Self {
        Self { server, journal }
    }

    /// Whether it takes connections.
    pub(crate) async fn is_online(&self) -> bool {
        self.server.is_online().await
    }

    /// From now on it takes no connection.
    pub(crate) async fn take_offline(&self) -> io::Result<()> {
        if self.server.take_offline().await? {
            let event = JournalEvent::CircleCiDown;
            self.journal.record(now(), event);
        }
        Ok(())
    }

    /// It takes connections again.
    pub(crate) async fn bring_online(&self) -> io::Result<()> {
        if self.server.bring_online().await? {
            self.journal.record(now(), JournalEvent::CircleCiUp);
        }
        Ok(())
    }
}
