//! The stop signal for every part of the server.

use std::time::Duration;

use tokio::sync::watch;

#[derive(Debug)]
pub(super) struct StopSender(watch::Sender<bool>);

#[derive(Debug, Clone)]
pub(super) struct StopReceiver(watch::Receiver<bool>);

pub(super) fn stop_channel() -> (StopSender, StopReceiver) {
    let (sender, receiver) = watch::channel(false);
    (StopSender(sender), StopReceiver(receiver))
}

impl StopSender {
    /// Asks every part to stop.
    pub(super) fn request_stop(&self) {
        self.0.send_replace(true);
    }
}

impl StopReceiver {
    /// Whether the signal was sent.
    pub(super) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the signal, or until the sender is dropped.
    pub(super) async fn requested(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Waits at most for `time`; returns whether the signal was sent.
    pub(super) async fn requested_within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.requested()).await.is_ok()
    }
}
