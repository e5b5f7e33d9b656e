//! Secrets: read once, kept, and read afresh when they are refused.

use std::future::Future;

use secrecy::SecretString;

use super::SecretError;

/// A secret the product uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretName {
    /// Slack's signing secret.
    SlackSigning,
    /// The CircleCI token.
    CircleCiToken,
    /// What CircleCI signs its webhooks with; only where there is a webhook.
    CircleCiWebhook,
    /// The token of Slack's legacy custom commands, which carry no signature; only where somebody
    /// has opted in.
    SlackVerification,
    /// The bot's token; only where a bot tells what a reply address cannot any more.
    SlackBot,
}

/// The versions of a secret that count.
#[derive(Debug, Clone)]
pub struct SecretVersions {
    /// The one in use.
    pub current: SecretString,
    /// The one before, while it still counts.
    pub previous: Option<SecretString>,
}

/// Where secrets come from.
pub trait SecretReader: Send + Sync {
    /// A secret, from the cache where there is one.
    fn get(
        &self,
        name: SecretName,
    ) -> impl Future<Output = Result<SecretVersions, SecretError>> + Send;

    /// Reads a secret afresh, so that the next [`get`](Secrets::get) has it. An adapter may
    /// limit how often it really does.
    fn refresh(&self, name: SecretName) -> impl Future<Output = Result<(), SecretError>> + Send;
}
