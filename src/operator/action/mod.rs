//! `chatops retry`, `cancel` and `unlock`: an action in the operator's name, for the worker.
//!
//! The worker's rules are checked first, to report at once what will not work. The worker checks them
//! again, because the record may have changed.

pub(super) mod retry_all;
mod unlock;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use chatops_core::command::DeployAction;
use chatops_core::config::Config;
use chatops_core::deploy::DeployRecord;
use chatops_core::deploy::decide::{self, CancelDecision, Context, RetryCause, RetryDecision};
use chatops_core::id::{DeployId, DeployRef, InvocationId, RequestId, ShortId};
use chatops_core::message::{ActionMessage, ActionRequester, MessageBody, WorkMessage};
use clap::Args;
use uuid::Uuid;

pub(crate) use self::unlock::UnlockOptions;
pub(super) use self::unlock::unlock_target;
use super::output::CommandOutput;
use super::store::OperatorStore;
use super::{DataFile, Installation, OptionalConfig, UsageError, now, text};

/// The most retries of one deploy that are followed.
const MAX_RETRIES: usize = 1_000;

/// The longest name of an operator, in characters.
const MAX_NAME_LEN: usize = 64;

#[derive(Debug, Args)]
pub(crate) struct RetryOptions {
    /// The deploy, by its short or full id
    #[arg(value_name = "ID", value_parser = super::parse_deploy_ref, required_unless_present = "all")]
    deploy: Option<DeployRef>,
    /// Confirm that this UNRESOLVED deploy did not start at CircleCI
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

/// The options of every action.
#[derive(Debug, Args)]
pub(super) struct ActionOptions {
    /// Your name for the audit [default: the login name, from $USER or $LOGNAME; on AWS the ARN of
    /// your credentials]
    #[arg(long = "as", value_name = "NAME")]
    operator: Option<String>,
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
        let login = || operator_name(common.operator.as_deref(), |name| std::env::var_os(name));
        // Without a name nothing is opened.
        let login = (!installation.is_aws()).then(login).transpose()?;
        let store = installation.open(&common.data.path)?;
        let name = login.map_or_else(|| store.operator_name(), Ok)?;
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
        }
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
        self.enqueue(message)?;
        let name = &self.operator;
        if common.json {
            out.write_json(&serde_json::json!({
                "enqueued": true, "action": action.verb().as_str(), "deploy": seen.deploy,
                "operator": name, "outcome": seen.outcome,
            }))?;
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
                CancelDecision::Write(_) => Ok(AcceptedAction {
                    deploy: named.id,
                    outcome: named.id,
                    shown_id: named.short_id.to_string(),
                    record: named,
                }),
                CancelDecision::Ended => Err(text::already_ended(&named)),
                CancelDecision::AlreadyRequested(earlier) => {
                    Err(text::already_canceling(&named, &earlier, &call))
                }
                CancelDecision::Denied(refusal) => Err(text::rejection_text(&refusal)),
            });
        }
        let end = last_retry(&self.store, named)?;
        Ok(
            match decide::decide_retry(&end, RetryCause::Action(action), ctx) {
                RetryDecision::Yes => {
                    let outcome = DeployId::of_retry(end.id);
                    Ok(AcceptedAction {
                        deploy: end.id,
                        outcome,
                        shown_id: shown_id(&self.store, outcome)?,
                        record: end,
                    })
                }
                why => Err(text::retry_rejected(&end, why, &call)),
            },
        )
    }
}

/// Says why an action is not sent.
fn report_refusal(common: &ActionOptions, why: &str, out: &mut CommandOutput) -> Result<ExitCode> {
    if common.json {
        out.write_json(&serde_json::json!({ "enqueued": false, "reason": why }))?;
    } else {
        super::output::print_remark(&format!("chatops: {why}"));
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

/// The last retry of a deploy: a new retry derives from it.
fn last_retry(store: &OperatorStore, named: DeployRecord) -> Result<DeployRecord> {
    let mut record = named;
    for _ in 0..MAX_RETRIES {
        let Some(next) = record.retried_by else { break };
        let Some(next) = store.read_deploy(next)? else {
            break;
        };
        record = next;
    }
    Ok(record)
}

/// The id that a new deploy will be shown by: its short id, unless that is taken.
fn shown_id(store: &OperatorStore, id: DeployId) -> Result<String> {
    let usual = id.short_id(ShortId::USUAL);
    let holder = store.find_by_short_id(&usual)?;
    Ok(match holder {
        Some(other) if other != id => id.to_string(),
        _ => usual.to_string(),
    })
}

/// The operator's name: given, or the login name.
fn operator_name(
    given: Option<&str>,
    lookup: impl Fn(&str) -> Option<OsString>,
) -> Result<String, UsageError> {
    let login = || {
        let mut names = ["USER", "LOGNAME"].into_iter().filter_map(&lookup);
        names.find_map(|name| name.into_string().ok().filter(|name| !name.is_empty()))
    };
    let Some(name) = given.map(str::to_owned).or_else(login) else {
        return Err(UsageError(text::NO_NAME.to_owned()));
    };
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.len() <= MAX_NAME_LEN && name.starts_with(first) && name.chars().all(inner) {
        Ok(name)
    } else {
        Err(UsageError(text::bad_name(&name)))
    }
}

/// A random id: two calls of the command line are two actions.
#[expect(clippy::disallowed_methods, reason = "a random id")]
fn random_id() -> Uuid {
    Uuid::new_v4()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(given: Option<&str>, environment: &[(&str, &str)]) -> Result<String, String> {
        let lookup = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        operator_name(given, lookup).map_err(|usage| usage.0)
    }

    #[test]
    fn the_operator_has_a_name() {
        let both = [("USER", "ada"), ("LOGNAME", "grace")];
        assert_eq!(named(Some("ops.1@host"), &both).unwrap(), "ops.1@host");
        assert_eq!(named(None, &both).unwrap(), "ada");
        assert_eq!(named(None, &[("USER", ""), both[1]]).unwrap(), "grace");
        insta::assert_snapshot!(named(None, &[]).unwrap_err(), @"your name is not known ($USER and $LOGNAME are not set): give it for the audit with --as NAME");
        let long = "a".repeat(65);
        let bad = ["", "-rf", "a b", "a\nb", "ana\u{1b}[2J", "Zoë", "<@U012>"];
        for bad in bad.into_iter().chain([long.as_str()]) {
            let why = named(Some(bad), &both).unwrap_err();
            assert!(why.contains("--as"), "{why}");
            assert!(!why.contains('\u{1b}') && !why.contains('\n'), "{why}");
        }
    }
}
