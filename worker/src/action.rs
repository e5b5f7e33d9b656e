//! Actions on a deploy on record: found by its id, then carried out or answered why not. One on the
//! lock of a target is in [`unlock`](crate::unlock).

use chatops_core::command::DeployAction;
use chatops_core::deploy::DeployRecord;
use chatops_core::deploy::decide::{self, CancelDecision};
use chatops_core::deploy::handler::DeployRun;
use chatops_core::id::{DeployId, DeployRef};
use chatops_core::message::{ActionMessage, ActionRequester};
use chatops_core::policy;
use chatops_core::ports::{Commit, CommitError, Conflict, FindByShortId, ReadDeploy, WorkerPorts};
use chatops_core::text::{self, SlackMessage};
use tracing::{info, warn};

use crate::{Invocation, MAX_TRIES, WorkError, Worker};

impl<P: WorkerPorts> Worker<P> {
    /// Handles an action. The same action twice is carried out once.
    pub(crate) async fn handle_action(
        &self,
        inv: &Invocation,
        message: &ActionMessage,
    ) -> Result<(), WorkError> {
        if let ActionRequester::User(requester) = &message.requested_by
            && policy::check_team(&self.config, &requester.team).is_err()
        {
            warn!(team = %requester.team, "action ignored: its workspace is not allowed");
            return Ok(());
        }
        let deploy = match &message.action {
            DeployAction::Unlock { target, .. } => {
                return self.handle_unlock(inv, message, target).await;
            }
            DeployAction::Retry { deploy, .. } | DeployAction::Cancel { deploy } => deploy,
        };
        let Some(record) = self.find(deploy).await? else {
            let reply = text::unknown_deploy(deploy, &self.config);
            return self.reply_to_action(message, reply).await;
        };
        if matches!(message.action, DeployAction::Retry { .. }) {
            self.handle_retry(inv, message, record).await
        } else {
            self.handle_cancel(inv, message, record.id).await
        }
    }

    async fn handle_cancel(
        &self,
        inv: &Invocation,
        message: &ActionMessage,
        id: DeployId,
    ) -> Result<(), WorkError> {
        for _ in 0..MAX_TRIES {
            let Some(record) = self.ports.perform(ReadDeploy(id)).await? else {
                return Ok(());
            };
            let reply = match decide::decide_cancel(&record, message, self.ctx(inv))? {
                CancelDecision::Write(commit) => match self.write_action(*commit).await? {
                    Ok(()) => {
                        info!(deploy.id = %id, state = %record.state, "cancel requested");
                        let by = message.requested_by.acted_by();
                        let reply = text::cancel_requested(&record, &by);
                        self.reply_to_action(message, reply).await?;
                        return self.drive(inv, DeployRun::wake_up(id)).await;
                    }
                    Err(Conflict::StaleVersion) => continue,
                    Err(other) => return Err(other.into()),
                },
                CancelDecision::Ended => text::already_ended(&record),
                CancelDecision::AlreadyRequested(earlier) => {
                    text::already_canceling(&record, &earlier)
                }
                CancelDecision::Denied(rejection) => text::cancel_denied(&record, &rejection),
            };
            return self.reply_to_action(message, reply).await;
        }
        Err(Conflict::StaleVersion.into())
    }

    /// Writes, then wakes the notifier up. The outer error is the ledger's, the inner one a condition
    /// that failed.
    pub(crate) async fn write_action(
        &self,
        commit: Commit,
    ) -> Result<Result<(), Conflict>, WorkError> {
        let (id, notifies) = (commit.record.id, !commit.notifications.is_empty());
        match self.commit(commit).await {
            Ok(()) => {}
            Err(CommitError::Conflict(conflict)) => return Ok(Err(conflict)),
            Err(CommitError::Ledger(error)) => return Err(error.into()),
        }
        if notifies && let Err(error) = self.send_notify(id).await {
            warn!(deploy.id = %id, %error, "the notifier was not woken up; the sweeper does it");
        }
        Ok(Ok(()))
    }

    pub(crate) async fn find(&self, deploy: &DeployRef) -> Result<Option<DeployRecord>, WorkError> {
        let id = match deploy {
            DeployRef::Full(id) => Some(*id),
            DeployRef::Short(short) => self.ports.perform(FindByShortId(short.clone())).await?,
        };
        match id {
            Some(id) => Ok(self.ports.perform(ReadDeploy(id)).await?),
            None => Ok(None),
        }
    }

    /// Replies to a user in Slack; an operator reads the record.
    pub(crate) async fn reply_to_action(
        &self,
        message: &ActionMessage,
        reply: SlackMessage,
    ) -> Result<(), WorkError> {
        match &message.requested_by {
            ActionRequester::User(requester) => {
                self.send_reply(requester, message.requested_at, reply)
                    .await
            }
            ActionRequester::Operator { .. } => {
                let verb = message.action.verb().as_str();
                info!(
                    verb,
                    subject = message.action.subject(),
                    "operator's action handled"
                );
                Ok(())
            }
        }
    }
}
