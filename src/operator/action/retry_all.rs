//! `chatops retry --all`: a retry for every retry ticket in the work queue's dead-letter queue.
//!
//! The tickets stay there: the worker's sweep removes those whose deploy was retried.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use chatops_core::Time;
use chatops_core::command::DeployAction;
use chatops_core::deploy::DeployRecord;
use chatops_core::deploy::decide::{self, RetryCause, RetryDecision};
use chatops_core::id::{DeployId, DeployRef, InvocationId};
use chatops_core::message::{MessageBody, WorkMessage};
use clap::Args;
use serde::Serialize;
use strum::VariantArray;

use super::super::output::{CommandOutput, print_remark, progress_bar};
use super::{ActionOptions, ActionSender, context};
use super::{Installation, text};

/// Which dead letters.
#[derive(Debug, Args)]
pub(crate) struct RetryAllOptions {
    /// Retry every deploy with a retry ticket in the dead-letter queue
    // The other options conflict with `deploy`: clap waives `requires` for options that conflict.
    #[arg(long, conflicts_with_all = ["deploy", "confirm", "force"])]
    all: bool,
    /// Only deploys that ended at most this long ago, such as 30m or 3d; older ones than
    /// `timeouts.retry_window` are forced [default: that]
    #[arg(long, value_name = "TIME", requires = "all", conflicts_with = "deploy")]
    #[arg(value_parser = humantime::parse_duration)]
    max_age: Option<Duration>,
    /// Show what would be done, and do nothing
    #[arg(long, requires = "all", conflicts_with = "deploy")]
    dry_run: bool,
}

/// Why a dead letter is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, VariantArray)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SkipReason {
    /// Another ticket is for the same deploy.
    Duplicate,
    /// The deploy was retried already.
    AlreadyRetried,
    /// It is another message, or cannot be read.
    NotATicket,
    /// Its deploy is not on record.
    UnknownDeploy,
    /// Its deploy ended too long ago.
    TooOld,
    /// The rules do not allow it.
    NotAllowed,
    /// The action could not be sent.
    NotSent,
}

impl SkipReason {
    /// Whether nothing is left to do.
    fn is_done(self) -> bool {
        matches!(self, SkipReason::Duplicate | SkipReason::AlreadyRetried)
    }
}

/// The result for all dead letters.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct RetrySummary {
    /// How many there are.
    pub(crate) dead_letters: usize,
    /// The deploys that are retried, or would be.
    pub(crate) enqueued: Vec<DeployId>,
    /// How many were skipped, and why.
    pub(crate) skipped: BTreeMap<SkipReason, usize>,
    /// Whether nothing was done.
    pub(crate) dry_run: bool,
    pub(crate) operator: String,
}

/// Retries the deploys of the dead letters.
pub(crate) fn retry_all(
    options: &RetryAllOptions,
    common: &ActionOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let sender = ActionSender::open(common, installation)?;
    let bar = progress_bar(Some(0));
    let show = |what, n, of| {
        bar.set_prefix(what);
        bar.set_length(of);
        bar.set_position(n);
    };
    let summary = sender.store.dead_letters(
        |read, of| show("read", read, of),
        |letters| retry_each(options, &sender, letters, |n, of| show("sent", n, of)),
    );
    bar.finish_and_clear();
    let summary = summary?;
    if common.json {
        out.write_json(&summary)?;
    } else {
        let prefix = installation.command_prefix();
        write!(out, "{}", text::retry_summary(&summary, &prefix))?;
    }
    Ok(if summary.skipped.keys().all(|why| why.is_done()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn retry_each(
    options: &RetryAllOptions,
    sender: &ActionSender<'_>,
    dead_letters: &[MessageBody],
    progress: impl Fn(u64, u64),
) -> Result<RetrySummary> {
    let mut summary = RetrySummary {
        dead_letters: dead_letters.len(),
        dry_run: options.dry_run,
        operator: sender.operator.clone(),
        ..RetrySummary::default()
    };
    let (mut met, mut failed) = (BTreeSet::new(), None);
    for (n, body) in (1..).zip(dead_letters) {
        let deploy = match ticket_deploy(body) {
            Some(deploy) if !met.insert(deploy) => Err(SkipReason::Duplicate),
            Some(deploy) => Ok(deploy),
            None => Err(SkipReason::NotATicket),
        };
        let done = match deploy {
            Err(skipped) => Err(skipped),
            // After one failure the next is unlikely to work.
            Ok(_) if failed.is_some() => Err(SkipReason::NotSent),
            Ok(deploy) => match sender.store.read_deploy(deploy)? {
                None => Err(SkipReason::UnknownDeploy),
                Some(record) => retry_one(options, sender, &record, &mut failed),
            },
        };
        match done {
            Ok(deploy) => summary.enqueued.push(deploy),
            Err(skipped) => *summary.skipped.entry(skipped).or_default() += 1,
        }
        progress(n, dead_letters.len() as u64);
    }
    if let Some(error) = failed {
        print_remark(&format!("chatops: {error:#}"));
    }
    Ok(summary)
}

/// The deploy of a retry ticket.
fn ticket_deploy(body: &MessageBody) -> Option<DeployId> {
    match body.decode() {
        Ok(WorkMessage::Retry { deploy }) => Some(deploy),
        _ => None,
    }
}

fn retry_one(
    options: &RetryAllOptions,
    sender: &ActionSender<'_>,
    record: &DeployRecord,
    failed: &mut Option<anyhow::Error>,
) -> Result<DeployId, SkipReason> {
    let action = |force| DeployAction::Retry {
        deploy: DeployRef::Full(record.id),
        confirm: false,
        force,
    };
    let me = InvocationId::new("command line");
    let judge = |force| {
        let message = sender.action_message(action(force));
        let ctx = context(&message, &me, &sender.config);
        (
            decide::decide_retry(record, RetryCause::Action(&message), ctx),
            message,
        )
    };
    let (mut why, mut message) = judge(false);
    let max_age = options
        .max_age
        .unwrap_or(sender.config.timeouts.retry_window);
    if why != RetryDecision::Retried && is_older(record, max_age, message.requested_at) {
        return Err(SkipReason::TooOld);
    }
    // A larger --max-age allows older ones.
    if why == RetryDecision::TooOld {
        (why, message) = judge(true);
    }
    match why {
        RetryDecision::Yes => {}
        RetryDecision::Retried => return Err(SkipReason::AlreadyRetried),
        RetryDecision::TooOld => return Err(SkipReason::TooOld),
        RetryDecision::InProgress | RetryDecision::HasRun | RetryDecision::NeedsConfirm => {
            return Err(SkipReason::NotAllowed);
        }
    }
    if !options.dry_run
        && let Err(error) = sender.enqueue(message)
    {
        *failed = Some(error);
        return Err(SkipReason::NotSent);
    }
    Ok(record.id)
}

/// Whether a deploy ended longer ago than `max_age`.
fn is_older(record: &DeployRecord, max_age: Duration, now: Time) -> bool {
    let age = record.end.as_ref().map(|end| now - end.at);
    // A larger age than `TimeDelta` can hold excludes nothing.
    let most = chrono::TimeDelta::from_std(max_age).unwrap_or(chrono::TimeDelta::MAX);
    age.is_some_and(|age| age > most)
}
