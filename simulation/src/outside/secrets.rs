//! Secrets that can be rotated behind the product's back.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chatops_core::ports::{SecretName, Secrets, SecretsError, Versions};
use secrecy::SecretString;

/// What CircleCI signs its webhooks with.
pub const WEBHOOK: &str = "the-secret-of-the-webhook";

/// A token in the secret store, and the copy a process has cached.
#[derive(Debug)]
pub struct RotatingSecrets {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    signing: String,
    stored: String,
    cached: String,
}

impl RotatingSecrets {
    /// A signing secret and a token, both known from the start.
    #[must_use]
    pub fn new(signing: &str, token: &str) -> Self {
        let state = State {
            signing: signing.into(),
            stored: token.into(),
            cached: token.into(),
        };
        Self {
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the cached token one that CircleCI does not know (any more).
    pub fn forget_token(&self) {
        "an-older-token".clone_into(&mut self.lock().cached);
    }

    /// Makes the stored token one that CircleCI does not know.
    pub fn revoke_token(&self) {
        let mut state = self.lock();
        "a-revoked-token".clone_into(&mut state.stored);
        "a-revoked-token".clone_into(&mut state.cached);
    }
}

impl Secrets for RotatingSecrets {
    async fn get(&self, name: SecretName) -> Result<Versions, SecretsError> {
        let state = self.lock();
        let current = match name {
            SecretName::SlackSigning => &state.signing,
            SecretName::CircleCiToken => &state.cached,
            SecretName::CircleCiWebhook => WEBHOOK,
            SecretName::SlackVerification | SecretName::SlackBot => {
                return Err(SecretsError("nobody has set it".to_owned()));
            }
        };
        Ok(Versions {
            current: SecretString::from(current),
            previous: None,
        })
    }

    async fn refresh(&self, _name: SecretName) -> Result<(), SecretsError> {
        let mut state = self.lock();
        let State { stored, cached, .. } = &mut *state;
        cached.clone_from(stored);
        Ok(())
    }
}
