//! Secrets: cached, and refreshed when they are refused.

use std::future::Future;

use secrecy::SecretString;

use super::SecretError;

/// A secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretName {
    /// Slack's signing secret.
    SlackSigning,
    /// The CircleCI token.
    CircleCiToken,
    /// The secret of CircleCI's webhook; only with a webhook.
    CircleCiWebhook,
    /// The token of Slack's legacy custom commands, which are unsigned; only if enabled.
    SlackVerification,
    /// The bot's token; only with a bot that posts where the response URL no longer works.
    SlackBot,
}

/// The valid versions of a secret.
#[derive(Debug, Clone)]
pub struct SecretVersions {
    /// The current version.
    pub current: SecretString,
    /// The previous version, while it is valid.
    pub previous: Option<SecretString>,
}

/// Reads secrets.
pub trait SecretReader: Send + Sync {
    /// A secret, cached if possible.
    fn get(
        &self,
        name: SecretName,
    ) -> impl Future<Output = Result<SecretVersions, SecretError>> + Send;

    /// Refreshes a secret for the next [`get`](SecretReader::get). An adapter may limit how often it
    /// really reads.
    fn refresh(&self, name: SecretName) -> impl Future<Output = Result<(), SecretError>> + Send;
}
