//! Replies to a request to free the lock of a target.

use super::deploy::{about_deploy, deploy_headline, status_headline, with_requester};
use super::slack_message::reply;
use super::{Audience, MessageKind, Mrkdwn, SlackMessage, rejection, usage};
use crate::command::{Verb, closest_word};
use crate::config::Config;
use crate::deploy::decide::{UnlockCause, unlockable_from};
use crate::deploy::{ActedBy, DeployRecord, DeployState, Target};
use crate::rejection::Rejection;
use crate::target::TargetRef;

/// No project deploys to that target.
pub fn unknown_target(typed: &TargetRef, config: &Config) -> SlackMessage {
    let headline = Mrkdwn::new("*Not found:* no job deploys to ");
    let message = reply(headline.code(typed).and("."));
    let names = config.target_names();
    let word = typed.to_string();
    let meant = closest_word(&word, names.iter().map(String::as_str));
    let meant = meant.and_then(|name| usage::did_you_mean(config, &format!("unlock {name}")));
    message.detail(meant.unwrap_or_else(|| match names.as_slice() {
        [] => Mrkdwn::new("An operator has to add a project to `chatops.toml` first."),
        names => Mrkdwn::new("The targets are ").codes(names).and("."),
    }))
}

/// Nobody holds the lock.
pub fn not_locked(target: &Target, config: &Config) -> SlackMessage {
    let headline = Mrkdwn::new("*Not locked:* no deploy holds ");
    reply(headline.code(config.target_name(target)).and("."))
}

/// This user may not free the lock.
pub fn unlock_denied(target: &Target, rejection: &Rejection, config: &Config) -> SlackMessage {
    let headline = target_headline(":no_entry: *Not unlocked:* ", target, config);
    let who = "It can be unlocked by anyone who may deploy there from their channel.";
    let message = reply(headline).detail(Mrkdwn::new(who));
    message.details(rejection::explain_rejection(rejection, config, None))
}

/// The lock is free. `record` is the deploy that held it, as it was before.
pub fn unlocked(
    target: &Target,
    record: &DeployRecord,
    cause: UnlockCause,
    by: &ActedBy,
    config: &Config,
) -> SlackMessage {
    let headline = target_headline(":unlock: *Unlocked:* ", target, config);
    let headline = headline.and(" · ").actor(by, config);
    let message = SlackMessage::new(Audience::Channel, MessageKind::Reply, headline);
    let held = deploy_headline(Mrkdwn::new("Deploy "), record).and(" held it. ");
    about_deploy(
        message.detail(held.append(&cause_line(record, cause))),
        record,
        config,
    )
}

/// What would be freed, and the command that frees it.
pub fn unlock_needs_confirm(
    target: &Target,
    record: &DeployRecord,
    cause: UnlockCause,
    config: &Config,
) -> SlackMessage {
    let message = locked_by(":lock: *Locked:* ", target, record, config);
    let unlock = usage::unlock_command(config, target);
    let line = Mrkdwn::new("Look at CircleCI. If nothing of it runs there: ");
    let line = line.code(format_args!("{unlock} confirm"));
    about_deploy(
        message.detail(cause_line(record, cause)).detail(line),
        record,
        config,
    )
}

/// The deploy that holds the lock is in progress: it has to be canceled.
pub fn unlock_in_progress(target: &Target, record: &DeployRecord, config: &Config) -> SlackMessage {
    let message = locked_by(":no_entry: *Not unlocked:* ", target, record, config);
    let line = if let (Some(cancel), Some(from)) = (&record.cancel, unlockable_from(record)) {
        let line = Mrkdwn::new("Cancel sent by ").other_actor(&cancel.by, &record.request, config);
        let line = line.and(", ").time(cancel.at).and(". ");
        let line = line.and("If CircleCI has not carried it out, the lock can be freed from ");
        line.time(from).and(" on.")
    } else {
        let cancel = usage::command_for(config, Verb::Cancel, &record.short_id);
        Mrkdwn::new("It is in progress. To cancel it: ").code(cancel)
    };
    about_deploy(message.detail(line), record, config)
}

/// The target and the deploy that holds it.
fn locked_by(
    banner: &'static str,
    target: &Target,
    record: &DeployRecord,
    config: &Config,
) -> SlackMessage {
    let headline = target_headline(banner, target, config).and(" is held by deploy ");
    let state = with_requester(status_headline(record), record, config);
    reply(headline.code(&record.short_id)).rows([state])
}

fn target_headline(banner: &'static str, target: &Target, config: &Config) -> Mrkdwn {
    Mrkdwn::new(banner).code(config.target_name(target))
}

/// Why the lock can be freed, and what that leaves open.
fn cause_line(record: &DeployRecord, cause: UnlockCause) -> Mrkdwn {
    match (cause, record.state) {
        (UnlockCause::Ended, DeployState::Unresolved) => {
            Mrkdwn::new("Whether CircleCI started it is not known.")
        }
        (UnlockCause::Ended, DeployState::LostTrack) => {
            Mrkdwn::new("How it ended at CircleCI is not known; it may still run.")
        }
        (UnlockCause::Ended, _) => {
            Mrkdwn::new("It has ended; something of it may still start at CircleCI.")
        }
        (UnlockCause::Unreadable, _) => {
            Mrkdwn::new("CircleCI cannot be read, so it may still run.")
        }
        (UnlockCause::NotCanceled, _) => {
            Mrkdwn::new("CircleCI has not carried out its cancel, so it may still run.")
        }
    }
}
