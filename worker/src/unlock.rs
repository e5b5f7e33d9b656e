//! Frees the lock of a target: the holder is read, and decided about, until the decision is written or
//! answered.

use chatops_core::deploy::decide::{self, UnlockDecision};
use chatops_core::deploy::{DeployRecord, Target, TargetRef};
use chatops_core::message::{ActionMessage, ActionRequester};
use chatops_core::ports::{Conflict, ReadDeploy, ReadLock, TargetLock, WorkerPorts};
use chatops_core::text::{self, SlackMessage};
use tracing::info;

use crate::{Invocation, MAX_TRIES, WorkError, Worker, tag_span};

impl<P: WorkerPorts> Worker<P> {
    pub(crate) async fn handle_unlock(
        &self,
        inv: &Invocation,
        message: &ActionMessage,
        typed: &TargetRef,
    ) -> Result<(), WorkError> {
        let Some(target) = self.resolve_target(message, typed) else {
            let reply = text::unknown_target(typed, &self.config);
            return self.reply_to_action(message, reply).await;
        };
        for _ in 0..MAX_TRIES {
            let holder = self.read_holder(&target).await?;
            let seen = holder.as_ref().map(|(lock, record)| (lock, record));
            let decision = decide::decide_unlock(&target, seen, message, self.ctx(inv))?;
            let Some(reply) = self.carry_out(message, &target, holder, decision).await? else {
                continue;
            };
            return self.reply_to_action(message, reply).await;
        }
        Err(Conflict::StaleVersion.into())
    }

    /// The target that was typed. An operator can name one that the configuration no longer has.
    pub(crate) fn resolve_target(
        &self,
        message: &ActionMessage,
        typed: &TargetRef,
    ) -> Option<Target> {
        let known = self.config.find_target(typed);
        known.or_else(|| match message.requested_by {
            ActionRequester::Operator { .. } => typed.place(),
            ActionRequester::User(_) => None,
        })
    }

    /// The lock of a target and the deploy that has it.
    async fn read_holder(
        &self,
        target: &Target,
    ) -> Result<Option<(TargetLock, DeployRecord)>, WorkError> {
        let Some(lock) = self.ports.perform(ReadLock(target.clone())).await? else {
            return Ok(None);
        };
        let record = self.ports.perform(ReadDeploy(lock.deploy)).await?;
        Ok(record.map(|record| (lock, record)))
    }

    /// Writes the decision, if there is something to write; returns the reply, or `None` if the holder
    /// has changed meanwhile.
    async fn carry_out(
        &self,
        message: &ActionMessage,
        target: &Target,
        holder: Option<(TargetLock, DeployRecord)>,
        decision: UnlockDecision,
    ) -> Result<Option<SlackMessage>, WorkError> {
        let config = &*self.config;
        let (cause, record) = match (decision, holder) {
            (UnlockDecision::Denied(rejection), _) => {
                self.record_denial(message, &rejection).await?;
                return Ok(Some(text::unlock_denied(target, &rejection, config)));
            }
            (UnlockDecision::NotHeld, _) | (_, None) => {
                return Ok(Some(text::not_locked(target, config)));
            }
            (UnlockDecision::InProgress, Some((_, record))) => {
                return Ok(Some(text::unlock_in_progress(target, &record, config)));
            }
            (UnlockDecision::NeedsConfirm(cause), Some((_, record))) => {
                let reply = text::unlock_needs_confirm(target, &record, cause, config);
                return Ok(Some(reply));
            }
            (UnlockDecision::Write(cause, commit), Some((_, record))) => {
                tag_span(record.id);
                match self.write_action(*commit).await? {
                    Ok(()) => (cause, record),
                    // It has changed, or its lock has expired and another deploy has it.
                    Err(Conflict::StaleVersion | Conflict::Lock(_)) => return Ok(None),
                    Err(other) => return Err(other.into()),
                }
            }
        };
        info!(deploy.id = %record.id, %target, state = %record.state, "unlocked");
        let by = message.requested_by.acted_by();
        Ok(Some(text::unlocked(target, &record, cause, &by, config)))
    }
}
