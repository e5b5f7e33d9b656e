//! An order to try again: a new deploy for the same ask, its id derived from the old one's.

use chatops_core::decide::{self, Retryable};
use chatops_core::id::{DeployId, Invocation};
use chatops_core::ports::{Ci, Clock, Queue, Secrets, Store};
use tracing::{info, warn};

use crate::{HandlerError, Worker};

impl<S, Q, C, X, K> Worker<S, Q, C, X, K>
where
    S: Store,
    Q: Queue,
    C: Ci,
    X: Secrets,
    K: Clock,
{
    /// Starts the one retry that can be derived from `old`, unless it was started before.
    pub(crate) async fn retry(&self, me: &Invocation, old: DeployId) -> Result<(), HandlerError> {
        let Some(head) = self.store.head(old).await? else {
            warn!(deploy.id = %old, "an order for a deploy that is not on record");
            return Ok(());
        };
        let here = self.here(me, 0);
        match decide::retryable(&head, here) {
            Retryable::Yes => {}
            Retryable::NotFailed | Retryable::TooOld => {
                warn!(deploy.id = %old, state = %head.state, "an order that is not carried out");
                return Ok(());
            }
        }
        let new = DeployId::of_retry(old);
        if self.store.head(new).await?.is_none() {
            self.create(|digits| decide::open_retry(&head, digits, here))
                .await?;
            info!(deploy.id = %new, retry_of = %old, "retry requested");
        }
        self.advance(me, new).await
    }
}
