//! The word to stop, heard by every part of the server.

use std::time::Duration;

use tokio::sync::watch;

/// Says it.
#[derive(Debug)]
pub(super) struct StopSender(watch::Sender<bool>);

/// Hears it.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

/// A sender, and what its word is heard by.
pub(super) fn channel() -> (StopSender, Stop) {
    let (sender, receiver) = watch::channel(false);
    (StopSender(sender), Stop(receiver))
}

impl StopSender {
    /// Asks every part to stop.
    pub(super) fn ask(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether it was said.
    pub(super) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is said (or until nobody is left to say it).
    pub(super) async fn asked(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Waits for a time at most; whether it was said meanwhile.
    pub(super) async fn within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.asked()).await.is_ok()
    }
}
