//! `chatops retry --all`: a retry of what waits for one, target by target.
//!
//! Of each target only the newest is retried: an older one would put an older version back. What cannot be
//! retried now stays where it is.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use chatops_core::Time;
use chatops_core::command::DeployAction;
use chatops_core::deploy::decide::{NewerSuccess, RetryDecision};
use chatops_core::deploy::{DeployRecord, Target};
use chatops_core::id::{DeployId, DeployRef, ShortId};
use chatops_core::ports::{DeployFilter, LedgerPosition};
use chatops_core::rejection::Rejection;
use clap::Args;
use serde::Serialize;

use super::{ActionOptions, ActionSender};
use super::{Installation, text};
use crate::output::{CommandOutput, print_error, progress_bar};

/// How many deploys are read at a time.
const PAGE: usize = 200;

/// Which deploys.
#[derive(Debug, Args)]
pub(crate) struct RetryAllOptions {
    /// Retry every deploy that waits for a retry, the newest of each target
    // The other options conflict with `deploy`: clap waives `requires` for options that conflict.
    #[arg(long, conflicts_with_all = ["deploy", "confirm", "force"])]
    all: bool,
    /// Only deploys that ended at most this long ago, such as 30m or 3d; older ones than
    /// `timeouts.retry_window` are forced [default: that]
    #[arg(long, value_name = "TIME", requires = "all", conflicts_with = "deploy")]
    #[arg(value_parser = humantime::parse_duration)]
    max_age: Option<Duration>,
}

/// Why a deploy is not retried. It waits as before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub(crate) enum SkipReason {
    /// A newer deploy of the same target waits, too.
    NewerWaits {
        /// That deploy.
        by: ShortId,
    },
    /// A newer deploy of the same target has succeeded.
    Superseded {
        /// That deploy.
        by: ShortId,
    },
    /// Another deploy has the target.
    Busy {
        /// That deploy.
        by: ShortId,
    },
    /// A person has to look at CircleCI and confirm.
    NeedsConfirm,
    /// It ended too long ago.
    TooOld,
    /// The rules do not allow it.
    NotAllowed,
    /// It was retried meanwhile.
    AlreadyRetried,
    /// The action could not be sent.
    NotSent,
}

impl SkipReason {
    /// Whether nothing is left to do: a newer deploy takes its place, or it is retried.
    fn is_done(&self) -> bool {
        matches!(
            self,
            Self::NewerWaits { .. } | Self::Superseded { .. } | Self::AlreadyRetried
        )
    }
}

/// A deploy that is not retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SkippedDeploy {
    pub(crate) deploy: DeployId,
    pub(crate) short_id: ShortId,
    #[serde(flatten)]
    pub(crate) reason: SkipReason,
}

/// The result for everything that waits.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct RetrySummary {
    /// How many wait.
    pub(crate) waiting: usize,
    /// The deploys that are retried, or would be.
    pub(crate) enqueued: Vec<DeployId>,
    /// Those that are not, and why.
    pub(crate) skipped: Vec<SkippedDeploy>,
    /// Whether nothing was done.
    pub(crate) dry_run: bool,
    pub(crate) operator: String,
}

/// Retries what waits for a retry.
pub(crate) fn retry_all(
    options: &RetryAllOptions,
    common: &ActionOptions,
    installation: &Installation,
    out: &mut CommandOutput,
) -> Result<ExitCode> {
    let sender = ActionSender::open(common, installation)?;
    let waiting = list_waiting(&sender)?;
    let bar = progress_bar(Some(waiting.len() as u64));
    let summary = retry_each(options, common.dry_run, &sender, &waiting, |n| {
        bar.set_position(n);
    });
    bar.finish_and_clear();
    let summary = summary?;
    if common.json {
        out.write_json(&summary)?;
    } else {
        let prefix = installation.command_prefix();
        write!(out, "{}", text::retry_summary(&summary, &prefix))?;
    }
    Ok(if summary.skipped.iter().all(|one| one.reason.is_done()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Everything that waits, newest first.
fn list_waiting(sender: &ActionSender<'_>) -> Result<Vec<DeployRecord>> {
    let filter = DeployFilter {
        awaits_retry: true,
        ..DeployFilter::default()
    };
    let (mut waiting, mut before) = (Vec::new(), None);
    loop {
        let page = sender.store.list_deploys(&filter, before, PAGE)?;
        waiting.extend(page.deploys);
        let Some(more) = page.more else {
            return Ok(waiting);
        };
        let last = sender.store.find_deploy(&DeployRef::Short(more.before))?;
        let Some(last) = last else {
            return Ok(waiting);
        };
        before = Some(LedgerPosition::of(&last));
    }
}

/// The place that a deploy deploys to: its target, or the names of its project and environment if these are
/// not configured any more.
fn place(sender: &ActionSender<'_>, record: &DeployRecord) -> Target {
    let request = &record.request;
    let environment = request.environment.as_deref().unwrap_or_default();
    let project = request.project.as_ref();
    match project.and_then(|name| sender.config.project(name)) {
        Some((_, project)) => Target::new(&project.slug, environment),
        None => Target(format!("{project:?}/{environment}")),
    }
}

fn retry_each(
    options: &RetryAllOptions,
    dry_run: bool,
    sender: &ActionSender<'_>,
    waiting: &[DeployRecord],
    progress: impl Fn(u64),
) -> Result<RetrySummary> {
    let mut summary = RetrySummary {
        waiting: waiting.len(),
        dry_run,
        operator: sender.operator.clone(),
        ..RetrySummary::default()
    };
    let (mut newest, mut failed) = (Vec::<(Target, ShortId)>::new(), None);
    let mut seen = BTreeSet::new();
    for (n, record) in (1..).zip(waiting) {
        if !seen.insert(record.id) {
            continue;
        }
        let place = place(sender, record);
        let newer = newest.iter().find(|(other, _)| *other == place);
        let done = if let Some((_, by)) = newer {
            Err(SkipReason::NewerWaits { by: by.clone() })
        } else {
            newest.push((place, record.short_id.clone()));
            // After one failure the next is unlikely to work.
            match failed {
                Some(_) => Err(SkipReason::NotSent),
                None => retry_one(options, dry_run, sender, record, &mut failed)?,
            }
        };
        match done {
            Ok(()) => summary.enqueued.push(record.id),
            Err(reason) => summary.skipped.push(SkippedDeploy {
                deploy: record.id,
                short_id: record.short_id.clone(),
                reason,
            }),
        }
        progress(n);
    }
    if let Some(error) = failed {
        print_error(&error);
    }
    Ok(summary)
}

fn retry_one(
    options: &RetryAllOptions,
    dry_run: bool,
    sender: &ActionSender<'_>,
    record: &DeployRecord,
    failed: &mut Option<anyhow::Error>,
) -> Result<Result<(), SkipReason>> {
    let max_age = options
        .max_age
        .unwrap_or(sender.config.timeouts.retry_window);
    // A larger --max-age allows older ones.
    let message = sender.action_message(DeployAction::Retry {
        deploy: DeployRef::Full(record.id),
        confirm: false,
        force: options.max_age.is_some(),
    });
    if is_older(record, max_age, message.requested_at) {
        return Ok(Err(SkipReason::TooOld));
    }
    match sender.check_retry(record, &message)? {
        RetryDecision::Yes => {}
        why => return Ok(Err(skip_reason(why))),
    }
    if !dry_run && let Err(error) = sender.enqueue(message) {
        *failed = Some(error);
        return Ok(Err(SkipReason::NotSent));
    }
    Ok(Ok(()))
}

fn skip_reason(why: RetryDecision) -> SkipReason {
    match why {
        RetryDecision::Retried => SkipReason::AlreadyRetried,
        RetryDecision::TooOld => SkipReason::TooOld,
        RetryDecision::NeedsConfirm => SkipReason::NeedsConfirm,
        RetryDecision::Superseded(NewerSuccess { short_id, .. }) => {
            SkipReason::Superseded { by: short_id }
        }
        RetryDecision::NotAllowed {
            rejection: Rejection::Busy { short_id, .. },
        } => SkipReason::Busy { by: short_id },
        RetryDecision::Yes
        | RetryDecision::InProgress
        | RetryDecision::HasRun
        | RetryDecision::NotAllowed { .. }
        | RetryDecision::Dismissed => SkipReason::NotAllowed,
    }
}

/// Whether a deploy ended longer ago than `max_age`.
fn is_older(record: &DeployRecord, max_age: Duration, now: Time) -> bool {
    let age = record.end.as_ref().map(|end| now - end.at);
    // A larger age than `TimeDelta` can hold excludes nothing.
    let most = chrono::TimeDelta::from_std(max_age).unwrap_or(chrono::TimeDelta::MAX);
    age.is_some_and(|age| age > most)
}
