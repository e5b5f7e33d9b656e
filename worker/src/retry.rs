//! Retries, by a ticket from the dead-letter queue or by an action: the run of
//! [`chatops_core::deploy::handler`] is driven, and what it refuses is answered.

use chatops_core::deploy::handler::{DeployRun, RetryRefused, RunEnd};
use chatops_core::id::DeployId;
use chatops_core::message::ActionMessage;
use chatops_core::ports::WorkerPorts;
use chatops_core::text;
use tracing::{info, warn};

use crate::{Invocation, WorkError, Worker};

impl<P: WorkerPorts> Worker<P> {
    /// Carries out a retry ticket: it retries exactly the deploy that it names.
    pub(crate) async fn handle_ticket(
        &self,
        inv: &Invocation,
        old: DeployId,
    ) -> Result<(), WorkError> {
        if let RunEnd::NotRetried(refused) = self.drive_to_end(inv, DeployRun::ticket(old)).await? {
            let RetryRefused { record, why } = *refused;
            warn!(deploy.id = %record.id, state = %record.state, ?why, "retry ticket not carried out");
        }
        Ok(())
    }

    /// Carries out a retry action: it retries the end of the chain, if that can be retried.
    pub(crate) async fn handle_retry(
        &self,
        inv: &Invocation,
        action: &ActionMessage,
        named: DeployId,
    ) -> Result<(), WorkError> {
        let run = DeployRun::retry(named, action.clone());
        let RunEnd::NotRetried(refused) = self.drive_to_end(inv, run).await? else {
            return Ok(());
        };
        let RetryRefused { record, why } = *refused;
        info!(deploy.id = %record.id, state = %record.state, ?why, "not retried");
        let reply = text::not_retried(&record, &why, &self.config);
        self.reply_to_action(action, reply).await
    }
}
