//! Secrets that can be rotated behind the product's back.

use std::sync::{Arc, Mutex};

use chatops_core::ports::{PortErrorKind, SecretError, SecretName, SecretReader, SecretVersions};
use secrecy::SecretString;

use super::outages::{Dependency, Outages};
use chatops_testkit::memory::lock_mutex;

/// What CircleCI signs its webhooks with.
pub const WEBHOOK_SECRET: &str = "the-secret-of-the-webhook";

/// A token in the secret store, and the copy a process has cached.
#[derive(Debug)]
pub struct RotatingSecrets {
    state: Mutex<SecretState>,
    outages: Arc<Outages>,
}

#[derive(Debug)]
struct SecretState {
    signing: String,
    stored: String,
    cached: String,
}

impl RotatingSecrets {
    /// A signing secret and a token, both known from the start.
    #[must_use]
    pub fn new(signing: &str, token: &str, outages: &Arc<Outages>) -> Self {
        let state = SecretState {
            signing: signing.into(),
            stored: token.into(),
            cached: token.into(),
        };
        Self {
            state: Mutex::new(state),
            outages: Arc::clone(outages),
        }
    }

    /// Makes the cached token one that CircleCI does not know (any more).
    pub fn forget_token(&self) {
        "an-older-token".clone_into(&mut lock_mutex(&self.state).cached);
    }
}

impl RotatingSecrets {
    fn check_outage(&self) -> Result<(), SecretError> {
        if self.outages.is_out(Dependency::Secrets) {
            return Err(SecretError::new(PortErrorKind::Unavailable, "an outage"));
        }
        Ok(())
    }
}

impl SecretReader for RotatingSecrets {
    async fn get(&self, name: SecretName) -> Result<SecretVersions, SecretError> {
        self.check_outage()?;
        let state = lock_mutex(&self.state);
        let current = match name {
            SecretName::SlackSigning => &state.signing,
            SecretName::CircleCiToken => &state.cached,
            SecretName::CircleCiWebhook => WEBHOOK_SECRET,
            SecretName::SlackVerification | SecretName::SlackBot => {
                return Err(SecretError::new(
                    PortErrorKind::Unavailable,
                    "nobody has set it",
                ));
            }
        };
        Ok(SecretVersions {
            current: SecretString::from(current),
            previous: None,
        })
    }

    async fn refresh(&self, _name: SecretName) -> Result<(), SecretError> {
        self.check_outage()?;
        let mut state = lock_mutex(&self.state);
        let SecretState { stored, cached, .. } = &mut *state;
        cached.clone_from(stored);
        Ok(())
    }
}
