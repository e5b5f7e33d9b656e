//! Actions on a deploy on record: found by its id, then carried out or answered why not. One on the
//! lock of a target is in [`unlock`](crate::unlock).

use chatops_core::command::DeployAction;
use chatops_core::deploy::decide::{self, CancelDecision, DismissDecision};
use chatops_core::deploy::handler::DeployRun;
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::{DeployId, DeployRef};
use chatops_core::message::{ActionMessage, ActionRequester, NotifyMessage};
use chatops_core::policy;
use chatops_core::ports::{
    ACTION_WINDOW, ActionOutcome, ActionRecord, Commit, CommitError, Conflict, CountAction,
    FindByShortId, OutgoingMessage, ReadAction, ReadDeploy, RecordAction, SendMessage, WorkerPorts,
};
use chatops_core::posted::PostedMessage;
use chatops_core::rejection::Rejection;
use chatops_core::text::{self, SlackMessage};
use tracing::{info, warn};

use crate::{Invocation, MAX_TRIES, WorkError, Worker};

/// Whether a canceled deploy ends right now, where the one who canceled it reads how.
fn is_answered_by_the_end(record: &DeployRecord, message: &ActionMessage) -> bool {
    let ActionRequester::User(requester) = &message.requested_by else {
        return false;
    };
    let asked = &record.request;
    record.state == DeployState::Requested
        && (&asked.team, &asked.channel) == (&requester.team, &requester.channel)
}

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
        if let Some(known) = self.ports.perform(ReadAction(message.id)).await? {
            return self.repeat_outcome(inv, message, known).await;
        }
        if let Some(reply) = self.limit_actions(message).await? {
            return self.reply_to_action(message, reply).await;
        }
        let deploy = match &message.action {
            DeployAction::Unlock { target, .. } => {
                return self.handle_unlock(inv, message, target).await;
            }
            DeployAction::Retry { deploy, .. }
            | DeployAction::Cancel { deploy }
            | DeployAction::Dismiss { deploy } => deploy,
        };
        let found = self.find(deploy).await?;
        let may =
            |record: &DeployRecord| policy::may_act_on(&self.config, message, &record.request);
        // For somebody who may not read it, it does not exist.
        let Some(record) = found.filter(may) else {
            let reply = text::unknown_deploy(deploy, &self.config);
            return self.reply_to_action(message, reply).await;
        };
        if let Some(card) = &message.card {
            self.look_at_card(record.id, card).await;
        }
        match message.action {
            DeployAction::Retry { .. } => self.handle_retry(inv, message, record.id).await,
            DeployAction::Dismiss { .. } => self.handle_dismiss(inv, message, record.id).await,
            DeployAction::Cancel { .. } | DeployAction::Unlock { .. } => {
                self.handle_cancel(inv, message, record.id).await
            }
        }
    }

    /// Tells the notifier which card the button was in. The action does not depend on it.
    async fn look_at_card(&self, deploy: DeployId, card: &PostedMessage) {
        let card = card.clone();
        let message = NotifyMessage::CardPressed { deploy, card };
        let send = SendMessage::now(OutgoingMessage::Notify(message));
        if let Err(error) = self.ports.perform(send).await {
            warn!(deploy.id = %deploy, %error, "the pressed card is not looked at");
        }
    }

    /// The action came before: what it has begun goes on, and what was refused is answered again.
    async fn repeat_outcome(
        &self,
        inv: &Invocation,
        message: &ActionMessage,
        known: ActionRecord,
    ) -> Result<(), WorkError> {
        let reply = match known.outcome {
            ActionOutcome::Retried { deploy } => {
                return self.drive(inv, DeployRun::wake_up(deploy)).await;
            }
            ActionOutcome::NotRetried { deploy, why } => {
                let record = self.ports.perform(ReadDeploy(deploy)).await?;
                record.map(|record| text::not_retried(&record, &why, &self.config))
            }
            ActionOutcome::Denied { rejection } => match &message.action {
                DeployAction::Unlock { target, .. } => self
                    .resolve_target(message, target)
                    .map(|target| text::unlock_denied(&target, &rejection, &self.config)),
                DeployAction::Dismiss { deploy } => {
                    let record = self.find(deploy).await?;
                    record.map(|record| text::dismiss_denied(&record, &rejection, &self.config))
                }
                DeployAction::Cancel { deploy } | DeployAction::Retry { deploy, .. } => {
                    let record = self.find(deploy).await?;
                    record.map(|record| text::cancel_denied(&record, &rejection, &self.config))
                }
            },
        };
        match reply {
            Some(reply) => self.reply_to_action(message, reply).await,
            None => Ok(()),
        }
    }

    /// The reply to a user who has requested too many actions. Nobody can crowd out the rest.
    async fn limit_actions(
        &self,
        message: &ActionMessage,
    ) -> Result<Option<SlackMessage>, WorkError> {
        let ActionRequester::User(requester) = &message.requested_by else {
            return Ok(None);
        };
        let (user, now) = (requester.qualified_user(), self.clock.now());
        let most = self.config.slack.actions_per_minute;
        let counted = self.ports.perform(CountAction { user, now }).await?;
        Ok((counted.count > most).then(|| {
            warn!(user = %requester.user, "action ignored: too many within a minute");
            text::too_many_actions(&message.action, most, counted.since + ACTION_WINDOW)
        }))
    }

    /// Puts on record that the one who acts may not. Nothing else is written.
    pub(crate) async fn record_denial(
        &self,
        message: &ActionMessage,
        rejection: &Rejection,
    ) -> Result<(), WorkError> {
        let verb = message.action.verb().as_str();
        info!(
            verb,
            subject = message.action.subject(),
            ?rejection,
            "action denied"
        );
        let record = RecordAction(ActionRecord {
            id: message.id,
            action: message.action.clone(),
            requested_by: message.requested_by.acted_by(),
            at: self.clock.now(),
            outcome: ActionOutcome::Denied {
                rejection: rejection.clone(),
            },
        });
        Ok(self.ports.perform(record).await?)
    }

    async fn handle_dismiss(
        &self,
        inv: &Invocation,
        message: &ActionMessage,
        id: DeployId,
    ) -> Result<(), WorkError> {
        for _ in 0..MAX_TRIES {
            let Some(record) = self.ports.perform(ReadDeploy(id)).await? else {
                return Ok(());
            };
            let reply = match decide::decide_dismiss(&record, message, self.ctx(inv))? {
                DismissDecision::Write(commit) => match self.write_action(*commit).await? {
                    Ok(()) => {
                        info!(deploy.id = %id, state = %record.state, "dismissed");
                        let by = message.requested_by.acted_by();
                        text::dismissed(&record, &by, &self.config)
                    }
                    Err(Conflict::StaleVersion) => continue,
                    Err(other) => return Err(other.into()),
                },
                DismissDecision::NotWaiting => text::nothing_to_dismiss(&record, &self.config),
                DismissDecision::AlreadyDismissed(by) => {
                    text::already_dismissed(&record, &by, &self.config)
                }
                DismissDecision::Denied(rejection) => {
                    self.record_denial(message, &rejection).await?;
                    text::dismiss_denied(&record, &rejection, &self.config)
                }
            };
            return self.reply_to_action(message, reply).await;
        }
        Err(Conflict::StaleVersion.into())
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
                        if !is_answered_by_the_end(&record, message) {
                            let by = message.requested_by.acted_by();
                            let reply = text::cancel_requested(&record, &by, &self.config);
                            self.reply_to_action(message, reply).await?;
                        }
                        return self.drive(inv, DeployRun::wake_up(id)).await;
                    }
                    Err(Conflict::StaleVersion) => continue,
                    Err(other) => return Err(other.into()),
                },
                CancelDecision::Ended => text::already_ended(&record, &self.config),
                CancelDecision::AlreadyRequested(earlier) => {
                    text::already_canceling(&record, &earlier, &self.config)
                }
                CancelDecision::Denied(rejection) => {
                    self.record_denial(message, &rejection).await?;
                    text::cancel_denied(&record, &rejection, &self.config)
                }
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
        let (id, notifies) = (commit.record.id, commit.wakes_notifier());
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
