//! What the service manager is told about `chatops serve`, by the protocol of systemd: `sd_notify(3)`.
//!
//! Without `NOTIFY_SOCKET` in the environment nobody is told. Nothing here may end or delay the server: what
//! cannot be told is a line in the log.

use sd_notify::NotifyState;
use tracing::warn;

/// It serves, after its start or after a reload. `kept` says what the reload could not replace.
pub(crate) fn tell_serving(kept: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(kept)]);
}

/// It begins to read its configuration again. The time is for `Type=notify-reload`, which wants one.
pub(crate) fn tell_reloading() {
    let now = NotifyState::monotonic_usec_now();
    let states = [Some(NotifyState::Reloading), now.ok()];
    tell(&states.into_iter().flatten().collect::<Vec<_>>());
}

/// It ends, and finishes what is in progress.
pub(crate) fn tell_stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "the service manager cannot be told");
    }
}
