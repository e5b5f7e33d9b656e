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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// It never has the secret, for this reason, and counts how often it looks again.
    struct Without(PortErrorKind, AtomicU32);

    impl SecretReader for Without {
        async fn get(&self, _: SecretName) -> Result<SecretVersions, SecretError> {
            Err(SecretError::new(self.0, "no"))
        }

        async fn refresh(&self, _: SecretName) -> Result<(), SecretError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    #[test]
    fn only_a_missing_secret_is_looked_for_again() {
        for (kind, refreshed) in [(PortErrorKind::Missing, 1), (PortErrorKind::Unavailable, 0)] {
            let reader = Without(kind, AtomicU32::new(0));
            let mut found = pin!(reader.find(SecretName::SlackBot));
            let polled = found.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(Err(error)) = polled else {
                panic!("it waits, or has the secret");
            };
            assert_eq!(error.kind(), kind);
            assert_eq!(reader.1.load(Ordering::Relaxed), refreshed, "{kind:?}");
        }
    }
}
