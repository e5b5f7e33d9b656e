//! The app that is installed in this Slack: where it takes commands and presses, and what is on its way
//! to it. What was sent arrives even if whoever asked for it hangs up; Slack's time limit ends each.

use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::press::ButtonPress;
use super::sender::{CommandAck, CommandSender, TypedCommand};
use crate::server::lock;

/// The installed app.
#[derive(Debug)]
pub(crate) struct InstalledApp {
    sender: Arc<CommandSender>,
    request_url: Mutex<Option<String>>,
    interactions_url: Mutex<Option<String>>,
    in_flight: Mutex<JoinSet<()>>,
}

impl InstalledApp {
    pub(crate) fn new(sender: Arc<CommandSender>) -> Self {
        Self {
            sender,
            request_url: Mutex::default(),
            interactions_url: Mutex::default(),
            in_flight: Mutex::default(),
        }
    }

    /// Commands go to this URL from now on.
    pub(crate) fn set_request_url(&self, url: &str) {
        *lock(&self.request_url) = Some(url.to_owned());
    }

    /// Presses go to this URL from now on.
    pub(crate) fn set_interactions_url(&self, url: &str) {
        *lock(&self.interactions_url) = Some(url.to_owned());
    }

    /// Types a command. Returns the path of its response URL, and its acknowledgement later; `None` if
    /// no app is installed.
    pub(crate) fn type_command(
        &self,
        typed: TypedCommand,
    ) -> Option<(String, oneshot::Receiver<CommandAck>)> {
        let url = lock(&self.request_url).clone()?;
        let sent = self.sender.record_command(&url, typed);
        let path = sent.response_path.clone();
        let sender = Arc::clone(&self.sender);
        let ack = self.spawn(async move { sender.send(&sent).await });
        Some((path, ack))
    }

    /// Presses a button. Returns the status of the answer later, or `None` in it if there was none; `None`
    /// if the app takes no presses.
    pub(crate) fn press(&self, press: &ButtonPress) -> Option<oneshot::Receiver<Option<u16>>> {
        let url = lock(&self.interactions_url).clone()?;
        let sent = self.sender.prepare_press(&url, press);
        let sender = Arc::clone(&self.sender);
        Some(self.spawn(async move { sender.send_press(&sent).await }))
    }

    fn spawn<T: Send + 'static>(
        &self,
        send: impl Future<Output = T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (done, receiver) = oneshot::channel();
        let mut in_flight = lock(&self.in_flight);
        // Removes those that ended, so that the set does not grow.
        while in_flight.try_join_next().is_some() {}
        in_flight.spawn(async move {
            // Nobody receives it if whoever asked hung up.
            let _ = done.send(send.await);
        });
        receiver
    }
}
