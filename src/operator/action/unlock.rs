//! `chatops unlock`: frees the lock of a target, in the operator's name.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use chatops_core::command::{DeployAction, Verb};
use chatops_core::deploy::decide::{self, UnlockDecision};
use chatops_core::deploy::{DeployRecord, Target, TargetRef};
use chatops_core::id::InvocationId;
use chatops_core::message::ActionMessage;
use chatops_core::ports::TargetLock;
use clap::Args;

use super::{ActionOptions, ActionSender, context, report_refusal};
use crate::operator::{Installation, text};
use crate::output::CommandOutput;

#[derive(Debug, Args)]
pub(crate) struct UnlockOptions {
    /// The target, such as web/production, or the place: gh/acme/web/production
    #[arg(value_name = "TARGET", value_parser = parse_target)]
    target: TargetRef,
    /// Free it; without this, show which deploy holds it
    #[arg(long)]
    confirm: bool,
    #[command(flatten)]
    common: ActionOptions,
}

fn parse_target(text: &str) -> Result<TargetRef, &'static str> {
    TargetRef::try_from(text.to_owned())
}

/// Requests that a lock is freed.
pub(in crate::operator) fn unlock_target(
    options: &UnlockOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let common = &options.common;
    ActionSender::open(common, installation)?.send_unlock(options, common, out)
}

impl ActionSender<'_> {
    fn send_unlock(
        &self,
        options: &UnlockOptions,
        common: &ActionOptions,
        out: &mut CommandOutput,
    ) -> Result<ExitCode> {
        let typed = &options.target;
        let known = self.config.find_target(typed).or_else(|| typed.place());
        let unknown = || anyhow!(text::unknown_target(typed, &self.config.target_names()));
        let target = known.ok_or_else(unknown)?;
        // By its place it means the same for the worker, whose configuration may be another.
        let by_place = TargetRef::parse(&target.0);
        let message = self.action_message(DeployAction::Unlock {
            target: by_place.unwrap_or_else(|| typed.clone()),
            confirm: options.confirm,
        });
        let holder = self.read_holder(&target)?;
        let record = match self.check_unlock(&target, holder.as_ref(), &message)? {
            Ok(record) => record,
            Err(why) => return report_refusal(common, &why, out),
        };
        if !common.dry_run {
            self.enqueue(message)?;
        }
        if common.json {
            out.write_json(&serde_json::json!({
                "enqueued": !common.dry_run, "dry_run": common.dry_run, "action": "unlock", "target": target,
                "deploy": record.id, "operator": self.operator, "outcome": record.id,
            }))?;
        } else if common.dry_run {
            let said = text::would_enqueue(Verb::Unlock, record, &self.operator);
            writeln!(out, "{said}")?;
        } else {
            let name = self.config.target_name(&target);
            let said = text::unlock_enqueued(&name, record, &self.operator, self.installation);
            write!(out, "{said}")?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn read_holder(&self, target: &Target) -> Result<Option<(TargetLock, DeployRecord)>> {
        let Some(lock) = self.store.read_lock(target)? else {
            return Ok(None);
        };
        let record = self.store.read_deploy(lock.deploy)?;
        Ok(record.map(|record| (lock, record)))
    }

    /// Checks the worker's rules against the current record; the error says why not.
    fn check_unlock<'r>(
        &self,
        target: &Target,
        holder: Option<&'r (TargetLock, DeployRecord)>,
        message: &ActionMessage,
    ) -> Result<Result<&'r DeployRecord, String>> {
        let call = self.installation.command_prefix();
        let name = self.config.target_name(target);
        let me = InvocationId::new("command line");
        let seen = holder.map(|(lock, record)| (lock, record));
        let decision =
            decide::decide_unlock(target, seen, message, context(message, &me, &self.config))?;
        Ok(match (decision, seen) {
            (UnlockDecision::Write(..), Some((_, record))) => Ok(record),
            (UnlockDecision::NeedsConfirm(cause), Some((_, record))) => {
                Err(text::unlock_needs_confirm(&name, record, cause, &call))
            }
            (UnlockDecision::InProgress, Some((_, record))) => {
                Err(text::unlock_in_progress(&name, record, &call))
            }
            (UnlockDecision::Denied(refusal), _) => Err(text::rejection_text(&refusal)),
            (_, _) => Err(text::not_locked(&name)),
        })
    }
}
