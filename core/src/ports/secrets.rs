//! Secrets: cached, and refreshed when they are refused.

use std::future::Future;

use secrecy::SecretString;

use super::{PortErrorKind, SecretError};

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
    /// A secret, as it was read last. One that did not exist then is
    /// [`Missing`](PortErrorKind::Missing).
    fn get(
        &self,
        name: SecretName,
    ) -> impl Future<Output = Result<SecretVersions, SecretError>> + Send;

    /// Refreshes a secret for the next [`get`](SecretReader::get), or looks for one that did not exist.
    /// An adapter may limit how often it really reads.
    fn refresh(&self, name: SecretName) -> impl Future<Output = Result<(), SecretError>> + Send;

    /// A secret that may have been added since the last read: a missing one is looked for again.
    fn find(
        &self,
        name: SecretName,
    ) -> impl Future<Output = Result<SecretVersions, SecretError>> + Send {
        async move {
            match self.get(name).await {
                Err(error) if error.kind() == PortErrorKind::Missing => {
                    self.refresh(name).await?;
                    self.get(name).await
                }
                found => found,
            }
        }
    }
}
