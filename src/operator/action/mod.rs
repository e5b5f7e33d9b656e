//! `chatops retry`, `dismiss`, `cancel` and `unlock`: an action in the operator's name, for the worker.
//!
//! The worker's rules are checked first, to report at once what will not work. The worker checks them
//! again, because the record may have changed.

mod identity;
pub(super) mod retry_all;
mod unlock;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use chatops_core::command::DeployAction;
use chatops_core::config::Config;
use chatops_core::deploy::DeployRecord;
use chatops_core::deploy::decide::{
    self, CancelDecision, Context, DismissDecision, RetryCause, RetryDecision,
};
use chatops_core::id::{DeployId, DeployRef, InvocationId, RequestId};
use chatops_core::message::{ActionMessage, ActionRequester, MessageBody, WorkMessage};
use chatops_core::policy;
use clap::Args;
use uuid::Uuid;

pub(crate) use self::unlock::UnlockOptions;
pub(super) use self::unlock::unlock_target;
use super::store::OperatorStore;
use super::{DataFile, Installation, OptionalConfig, UsageError, now, text};
use crate::output::CommandOutput;

#[derive(Debug, Args)]
#[group(id = "which", required = true, args = ["deploy", "all"])]
pub(crate) struct RetryOptions {
    /// The deploy, by its short or full id
    #[arg(value_name = "ID", value_parser = super::parse_deploy_ref)]
    deploy: Option<DeployRef>,
    /// Confirm that an UNRESOLVED deploy did not start at CircleCI, or that this one shall replace a newer
    /// one that has succeeded
    #[arg(long)]
    confirm: bool,
    /// Retry it although it ended longer ago than `timeouts.retry_window` (24h by default)
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    bulk: retry_all::RetryAllOptions,
    #[command(flatten)]
    common: ActionOptions,
}

#[derive(Debug, Args)]
pub(crate) struct CancelOptions {
    /// The deploy, by its short or full id
    #[arg(value_name = "ID", value_parser = super::parse_deploy_ref)]
    deploy: DeployRef,
    #[command(flatten)]
    common: ActionOptions,
}

#[derive(Debug, Args)]
pub(crate) struct DismissOptions {
    /// The deploy, by its short or full id
    #[arg(value_name = "ID", value_parser = super::parse_deploy_ref)]
    deploy: DeployRef,
    #[command(flatten)]
    common: ActionOptions,
}

/// The options of every action.
#[derive(Debug, Args)]
pub(super) struct ActionOptions {
    /// A name for the audit beside the login user's, marked as unverified. Not on AWS, where the name is
    /// the session of your credentials
    #[arg(long = "as", value_name = "NAME")]
    operator: Option<String>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Write one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    data: DataFile,
    #[command(flatten)]
    config: OptionalConfig,
}

/// Requests a retry of one deploy, or of every one with a dead letter.
pub(super) fn retry_deploy(
    options: &RetryOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let common = &options.common;
    let Some(deploy) = &options.deploy else {
        return retry_all::retry_all(&options.bulk, common, installation, out);
    };
    let action = DeployAction::Retry {
        deploy: deploy.clone(),
        confirm: options.confirm,
        force: options.force,
    };
    ActionSender::open(common, installation)?.send_action(common, deploy, action, out)
}

pub(super) fn cancel_deploy(
    options: &CancelOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let (common, deploy) = (&options.common, &options.deploy);
    let action = DeployAction::Cancel {
        deploy: deploy.clone(),
    };
    ActionSender::open(common, installation)?.send_action(common, deploy, action, out)
}

pub(super) fn dismiss_deploy(
    options: &DismissOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let (common, deploy) = (&options.common, &options.deploy);
    let action = DeployAction::Dismiss {
        deploy: deploy.clone(),
    };
    ActionSender::open(common, installation)?.send_action(common, deploy, action, out)
}

/// Checks and sends actions.
pub(super) struct ActionSender<'p> {
    pub(super) installation: &'p Installation,
    pub(super) store: OperatorStore,
    pub(super) config: Config,
    pub(super) operator: String,
}

impl<'p> ActionSender<'p> {
    pub(super) fn open(common: &ActionOptions, installation: &'p Installation) -> Result<Self> {
        if installation.is_aws() && common.operator.is_some() {
            return Err(UsageError(text::AS_ON_AWS.to_owned()).into());
        }
        // With a name that cannot be one nothing is opened.
        let login = identity::operator_name(common.operator.as_deref())?;
        let store = installation.open(&common.data.path)?;
        let sender = store.sender_user_id()?;
        let name = sender.map_or(login, identity::sender_name);
        Ok(Self {
            installation,
            store,
            config: common.config.load()?,
            operator: name,
        })
    }

    pub(super) fn action_message(&self, action: DeployAction) -> ActionMessage {
        ActionMessage {
            id: RequestId::of_call(random_id()),
            requested_by: ActionRequester::Operator {
                name: self.operator.clone(),
            },
            action,
            requested_at: now(),
            card: None,
        }
    }

    /// Whether the worker would retry `old`, as things are now.
    pub(super) fn check_retry(
        &self,
        old: &DeployRecord,
        message: &ActionMessage,
    ) -> Result<RetryDecision> {
        let me = InvocationId::new("command line");
        let ctx = context(message, &me, &self.config);
        let root = match old.retry_root {
            Some(root) => self.store.read_deploy(root)?,
            None => None,
        };
        let first = root.map_or_else(|| old.request.clone(), |root| root.request);
        let cause = RetryCause::Action(message);
        match decide::decide_retry(old, &first, cause, ctx) {
            RetryDecision::Yes => {}
            // Without a configuration the rules are the worker's alone.
            RetryDecision::NotAllowed { .. } if self.config.projects.is_empty() => {
                if decide::needs_confirm(old, cause) {
                    return Ok(RetryDecision::NeedsConfirm);
                }
            }
            why => return Ok(why),
        }
        for filter in decide::newest_success_filters(old, ctx) {
            let page = self.store.list_deploys(&filter, None, 1)?;
            match decide::check_newer_success(old, page.deploys.first(), cause) {
                RetryDecision::Yes => {}
                why => return Ok(why),
            }
        }
        let allowed = policy::authorize_operator(&self.config, &old.request).ok();
        let Some(target) = allowed.and_then(|allowed| allowed.target()) else {
            return Ok(RetryDecision::Yes);
        };
        let lock = self.store.read_lock(&target)?;
        let new = cause.retry_of(old.id);
        let lock = lock.filter(|lock| lock.blocks_take(new, Some(old.id), ctx.now));
        let holder = match &lock {
            Some(lock) => self.store.read_deploy(lock.deploy)?,
            None => None,
        };
        Ok(match lock.zip(holder) {
            Some((lock, holder)) => RetryDecision::NotAllowed {
                rejection: decide::busy(target, &lock, &holder, ctx.now),
            },
            None => RetryDecision::Yes,
        })
    }

    pub(super) fn enqueue(&self, message: ActionMessage) -> Result<()> {
        let requested_at = message.requested_at;
        let body = MessageBody::encode(&WorkMessage::Action(Box::new(message)))?;
        self.store.send_message(&body, requested_at)
    }

    fn send_action(
        &self,
        common: &ActionOptions,
        deploy: &DeployRef,
        action: DeployAction,
        out: &mut CommandOutput,
    ) -> Result<ExitCode> {
        let record = super::find_deploy(&self.store, deploy, self.installation)?;
        let message = self.action_message(action);
        let seen = match self.check_action(record, &message)? {
            Ok(seen) => seen,
            Err(why) => return report_refusal(common, &why, out),
        };
        let action = message.action.clone();
        if !common.dry_run {
            self.enqueue(message)?;
        }
        let name = &self.operator;
        if common.json {
            out.write_json(&serde_json::json!({
                "enqueued": !common.dry_run, "dry_run": common.dry_run, "action": action.verb().as_str(),
                "deploy": seen.deploy, "operator": name, "outcome": seen.outcome,
            }))?;
        } else if common.dry_run {
            writeln!(
                out,
                "{}",
                text::would_enqueue(action.verb(), &seen.record, name)
            )?;
        } else {
            let stale = self.config.timeouts.request_ttl;
            let (record, show, place) = (&seen.record, &seen.shown_id, self.installation);
            let said = text::action_enqueued(&action, record, name, show, stale, place);
            write!(out, "{said}")?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Checks the worker's rules against the current record; the error says why not.
    fn check_action(
        &self,
        named: DeployRecord,
        action: &ActionMessage,
    ) -> Result<Result<AcceptedAction, String>> {
        let call = self.installation.command_prefix();
        let me = InvocationId::new("command line");
        let ctx = context(action, &me, &self.config);
        if matches!(action.action, DeployAction::Cancel { .. }) {
            return Ok(match decide::decide_cancel(&named, action, ctx)? {
                CancelDecision::Write(_) => Ok(AcceptedAction::on(named)),
                CancelDecision::Ended => Err(text::already_ended(&named)),
                CancelDecision::AlreadyRequested(earlier) => {
                    Err(text::already_canceling(&named, &earlier, &call))
                }
                CancelDecision::Denied(refusal) => Err(text::rejection_text(&refusal)),
            });
        }
        if matches!(action.action, DeployAction::Dismiss { .. }) {
            return Ok(match decide::decide_dismiss(&named, action, ctx)? {
                DismissDecision::Write(_) => Ok(AcceptedAction::on(named)),
                DismissDecision::NotWaiting | DismissDecision::AlreadyDismissed(_) => {
                    Err(text::not_dismissed(&named))
                }
                DismissDecision::Denied(refusal) => Err(text::rejection_text(&refusal)),
            });
        }
        let end = last_retry(&self.store, named)?;
        Ok(match self.check_retry(&end, action)? {
            RetryDecision::Yes => {
                let outcome = DeployId::of_retry(end.id, Some(action.id));
                Ok(AcceptedAction {
                    deploy: end.id,
                    outcome,
                    shown_id: self.store.shown_id(outcome)?,
                    record: end,
                })
            }
            why => Err(text::retry_rejected(&end, &why, &call)),
        })
    }
}

/// Says why an action is not sent.
fn report_refusal(common: &ActionOptions, why: &str, out: &mut CommandOutput) -> Result<ExitCode> {
    if common.json {
        out.write_json(&serde_json::json!({ "enqueued": false, "reason": why }))?;
    } else {
        crate::output::print_error(&anyhow::anyhow!("{why}"));
    }
    Ok(ExitCode::FAILURE)
}

/// The context in which an action is checked here.
pub(super) fn context<'h>(
    action: &ActionMessage,
    me: &'h InvocationId,
    config: &'h Config,
) -> Context<'h> {
    Context {
        now: action.requested_at,
        invocation: me,
        posted_attempt: 0,
        deadline: None,
        config,
    }
}

/// An action that the rules allow now.
struct AcceptedAction {
    /// The deploy to act on.
    record: DeployRecord,
    deploy: DeployId,
    /// The deploy that will show the outcome.
    outcome: DeployId,
    /// Its id, as short as it is unique.
    shown_id: String,
}

impl AcceptedAction {
    /// One that the deploy itself shows the outcome of.
    fn on(record: DeployRecord) -> Self {
        Self {
            deploy: record.id,
            outcome: record.id,
            shown_id: record.short_id.to_string(),
            record,
        }
    }
}

/// The last deploy of the chain of retries that `named` is in: a new retry derives from it.
fn last_retry(store: &OperatorStore, named: DeployRecord) -> Result<DeployRecord> {
    if named.retried_by.is_none() {
        return Ok(named);
    }
    let last = match store.find_last_retry(named.chain_root())? {
        Some(last) => store.read_deploy(last)?,
        None => None,
    };
    Ok(last.unwrap_or(named))
}

/// A random id: two calls of the command line are two actions.
#[expect(clippy::disallowed_methods, reason = "a random id")]
fn random_id() -> Uuid {
    Uuid::new_v4()
}
