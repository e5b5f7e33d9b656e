//! What anybody can have refused, as often as they like: one line a minute of each kind, with how many
//! there were.
//!
//! Nothing here decides; what Slack or CircleCI has signed is logged where it is handled, each time.

use chatops_core::Time;
use chatops_core::log_tally::LogTally;
use chatops_core::ports::{SecretError, SecretName};
use tracing::{error, warn};

use crate::verify::Unauthenticated;

/// A kind of line that a request without a valid signature causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum RefusalKind {
    NotSlack(Unauthenticated),
    NotCircleCi,
    NoSecret(SecretName),
    NotRefreshed(SecretName),
    Unsigned,
}

/// Counts of what was refused. Every [`crate::Ingest`] of a process has the same.
#[derive(Debug, Default)]
pub struct RefusalLog(LogTally<RefusalKind>);

impl RefusalLog {
    /// Says what was counted since a line was last due, if a minute has passed.
    pub fn report(&self, now: Time) {
        for (kind, count) in self.0.take_due(now) {
            log(kind, count, None);
        }
    }

    pub(crate) fn not_slack(&self, reason: Unauthenticated, now: Time) {
        self.count(RefusalKind::NotSlack(reason), None, now);
    }

    pub(crate) fn not_circleci(&self, now: Time) {
        self.count(RefusalKind::NotCircleCi, None, now);
    }

    pub(crate) fn no_secret(&self, name: SecretName, error: &SecretError, now: Time) {
        self.count(RefusalKind::NoSecret(name), Some(error), now);
    }

    pub(crate) fn not_refreshed(&self, name: SecretName, error: &SecretError, now: Time) {
        self.count(RefusalKind::NotRefreshed(name), Some(error), now);
    }

    /// An unsigned command that the verification token let in.
    pub(crate) fn unsigned(&self, now: Time) {
        self.count(RefusalKind::Unsigned, None, now);
    }

    fn count(&self, kind: RefusalKind, error: Option<&SecretError>, now: Time) {
        if let Some(count) = self.0.count(kind, now) {
            log(kind, count, error);
        }
    }
}

fn log(kind: RefusalKind, count: u64, error: Option<&SecretError>) {
    let requests = (count > 1).then_some(count);
    let error = error.map(tracing::field::display);
    match kind {
        RefusalKind::NotSlack(reason) => {
            warn!(%reason, requests, "request rejected: not verified to be Slack's");
        }
        RefusalKind::NotCircleCi => {
            warn!(requests, "webhook rejected: not verified to be CircleCI's");
        }
        RefusalKind::NoSecret(SecretName::CircleCiWebhook) => warn!(
            error,
            requests, "webhook not verified: the webhook's secret could not be read"
        ),
        RefusalKind::NoSecret(_) => error!(
            error,
            requests, "the signing secret cannot be read: every command fails"
        ),
        RefusalKind::NotRefreshed(secret) => {
            warn!(
                ?secret,
                error, requests, "the secret could not be refreshed"
            );
        }
        RefusalKind::Unsigned => warn!(
            requests,
            "unsigned command accepted by the verification token although there is a signing \
             secret: a proxy may remove the signature's headers; remove the token"
        ),
    }
}
