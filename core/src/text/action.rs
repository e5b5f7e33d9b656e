//! Replies to actions: why a deploy is not retried or canceled, and that a cancel is accepted.

use super::deploy::{about_deploy, deploy_headline, job_on_branch, retry_button, retry_command};
use super::help::id_sources;
use super::label::emoji_and_label;
use super::slack_message::reply;
use super::{Audience, Button, MessageKind, Mrkdwn, SlackMessage, end_reason, rejection, usage};
use crate::Time;
use crate::command::{ButtonVerb, DeployAction, Verb};
use crate::config::Config;
use crate::deploy::decide::RetryDecision;
use crate::deploy::{ActedBy, CancelRequest, DeployRecord, DeployState, EndReason};
use crate::id::{DeployRef, ShortId};
use crate::rejection::Rejection;

/// No deploy has that id.
pub fn unknown_deploy(deploy: &DeployRef, config: &Config) -> SlackMessage {
    let headline = Mrkdwn::new("*Not found:* there is no deploy ");
    reply(headline.code(deploy).and(".")).detail(id_sources(config))
}

/// An action whose handler failed for good.
pub fn action_buried(action: &DeployAction, config: &Config) -> SlackMessage {
    let typed = usage::command_for(config, action.verb(), action.subject());
    let headline = Mrkdwn::new(":warning: *Not carried out:* ").code(typed);
    let status = match action {
        DeployAction::Retry { deploy, .. }
        | DeployAction::Cancel { deploy }
        | DeployAction::Dismiss { deploy } => usage::command_for(config, Verb::Status, deploy),
        DeployAction::Unlock { .. } => usage::full_command(config, Verb::Status.as_str()),
    };
    let line = Mrkdwn::new("chatops failed over it, perhaps in the middle. Look at ").code(status);
    reply(headline.and(" ran into an error."))
        .detail(line.and(", then type it again if it is still needed."))
}

/// A query whose handler failed for good.
pub fn query_buried() -> SlackMessage {
    let headline = ":warning: *Not answered:* your command ran into an error of chatops.";
    reply(Mrkdwn::new(headline)).detail(Mrkdwn::new(
        "Nothing was changed. Type it again; if it fails again, tell an operator.",
    ))
}

fn with_button(message: SlackMessage, button: Button, config: &Config) -> SlackMessage {
    if config.slack.interactivity {
        message.button(button)
    } else {
        message
    }
}

/// The deploy at the end of the chain is not retried.
pub fn not_retried(record: &DeployRecord, why: &RetryDecision, config: &Config) -> SlackMessage {
    let headline = deploy_headline(Mrkdwn::new(":no_entry: *Not retried:* "), record);
    let message = about_deploy(reply(headline), record, config);
    let (_, label) = emoji_and_label(record);
    let anew = Mrkdwn::new("As a new deploy: ").code(usage::start_again(config, &record.request));
    let see = |id: &ShortId| Mrkdwn::new("See ").code(usage::command_for(config, Verb::Status, id));
    match why {
        RetryDecision::Yes | RetryDecision::Retried => {
            let retry = record.retried_by.map(|id| id.short_id(ShortId::USUAL));
            let id = retry.unwrap_or_else(|| record.short_id.clone());
            let line = Mrkdwn::new("It is already being retried as ").code(&id);
            message.detail(line.and(". ").append(&see(&id)))
        }
        RetryDecision::InProgress => {
            let line = Mrkdwn::new("It has not ended: *").and(label).and("*. ");
            message.detail(line.append(&see(&record.short_id)))
        }
        RetryDecision::HasRun => {
            let line = if record.state == DeployState::Canceled {
                Mrkdwn::new("It was canceled, so nothing waits for a retry.")
            } else {
                let line = Mrkdwn::new("It reached CircleCI and ended there: *");
                line.and(label).and("*.")
            };
            message.detail(line).detail(anew)
        }
        RetryDecision::NeedsConfirm => {
            let message = message.detail(Mrkdwn::new(
                "Whether CircleCI started it is not known, and it must not run twice.",
            ));
            let message = message.details(match record.end.as_ref().map(|end| &end.reason) {
                Some(EndReason::OutcomeUnknown { candidates, .. }) => {
                    end_reason::candidate_links(candidates)
                }
                _ => None,
            });
            let line = Mrkdwn::new("Look at CircleCI. If it did not start there: ");
            let message = message.detail(line.code(retry_command(record, config)));
            with_button(message, retry_button(record), config)
        }
        RetryDecision::NotAllowed { rejection } => {
            let message = message.details(rejection::explain_rejection(rejection, config, None));
            if record.awaits_retry() {
                message.detail(Mrkdwn::new(
                    "Nothing has changed: it still waits for a retry.",
                ))
            } else {
                message
            }
        }
        RetryDecision::Superseded(newer) => {
            let line = Mrkdwn::new("A newer deploy there has succeeded: ").code(&newer.short_id);
            let line = job_on_branch(line.and(", "), &newer.request).and(", requested ");
            let line = line.time(newer.request.requested_at).and(".");
            let retry = usage::command_for(config, Verb::Retry, &record.short_id);
            let confirm = Mrkdwn::new("To put this one in its place: ");
            let message = message
                .detail(line)
                .detail(confirm.code(format!("{retry} confirm")));
            let anyway = Button::act(ButtonVerb::RetryConfirm, "Retry anyway", record.id);
            let anyway = anyway.confirm("Put this one over the newer deploy?");
            with_button(message, anyway, config)
        }
        RetryDecision::Dismissed => message.detail(Mrkdwn::new("It was dismissed.")),
        RetryDecision::TooOld => {
            let line = Mrkdwn::new("It ended more than ").period(config.timeouts.retry_window);
            let line = match &record.end {
                Some(end) => line.and(" ago, ").time(end.at),
                None => line.and(" ago"),
            };
            message.detail(line.and(".")).detail(anew)
        }
    }
}

/// The cancel is stored. `record` is the deploy before that.
pub fn cancel_requested(record: &DeployRecord, by: &ActedBy, config: &Config) -> SlackMessage {
    let headline = deploy_headline(
        Mrkdwn::new(":hourglass_flowing_sand: *Cancel requested:* "),
        record,
    );
    let headline = headline.and(" · by ").actor(by, config);
    let message = SlackMessage::new(audience(record, config), MessageKind::Reply, headline);
    about_deploy(message.detail(cancel_effect(record)), record, config)
}

/// Who has to be told of what was done to a deploy: the one who did it, where the card says it to all.
fn audience(record: &DeployRecord, config: &Config) -> Audience {
    if config.slack.live && record.trigger_intent.is_some() {
        Audience::Requester
    } else {
        Audience::Channel
    }
}

/// A cancel was stored before.
pub fn already_canceling(
    record: &DeployRecord,
    earlier: &CancelRequest,
    config: &Config,
) -> SlackMessage {
    let banner = Mrkdwn::new("*Cancel requested already:* ");
    let line = Mrkdwn::new("Cancel sent by ").other_actor(&earlier.by, &record.request, config);
    let line = line.and(", ").time(earlier.at).and(". ");
    let message = reply(deploy_headline(banner, record));
    about_deploy(
        message.detail(line.append(&cancel_effect(record))),
        record,
        config,
    )
}

/// What a cancel does to the deploy.
fn cancel_effect(record: &DeployRecord) -> Mrkdwn {
    Mrkdwn::new(match record.state {
        DeployState::Requested => "Nothing was sent to CircleCI yet, so it ends at once.",
        DeployState::Triggering => {
            "It is being sent right now. Once CircleCI has it, CircleCI is asked to cancel it; how \
             it ends is reported once CircleCI says so."
        }
        _ => "CircleCI is asked to cancel it; how it ends is reported once CircleCI says so.",
    })
}

/// The deploy has ended, so there is nothing to cancel.
pub fn already_ended(record: &DeployRecord, config: &Config) -> SlackMessage {
    let headline = deploy_headline(Mrkdwn::new(":no_entry: *Not canceled:* "), record);
    let (emoji, label) = emoji_and_label(record);
    let line = Mrkdwn::new("It has ended");
    let line = match &record.end {
        Some(end) => line.and(", ").time(end.at),
        None => line,
    };
    let line = line.and(": ").and(emoji).and(" *").and(label).and("*.");
    about_deploy(reply(headline).detail(line), record, config)
}

/// This user may not cancel the deploy.
pub fn cancel_denied(
    record: &DeployRecord,
    rejection: &Rejection,
    config: &Config,
) -> SlackMessage {
    let headline = deploy_headline(Mrkdwn::new(":no_entry: *Not canceled:* "), record);
    let who = Mrkdwn::new("It can be canceled by the requester, ")
        .requester(&record.request, config)
        .and(", and by anyone who may run that job from their channel.");
    let message = reply(headline).about(record.id).detail(who);
    message.details(rejection::explain_rejection(rejection, config, None))
}

/// It no longer waits for a retry.
pub fn dismissed(record: &DeployRecord, by: &ActedBy, config: &Config) -> SlackMessage {
    let headline = deploy_headline(Mrkdwn::new("*Dismissed:* "), record);
    let message = SlackMessage::new(
        audience(record, config),
        MessageKind::Reply,
        headline.and(" · ").actor(by, config),
    );
    let line = Mrkdwn::new("It no longer waits for a retry. To retry it all the same: ");
    about_deploy(
        message.detail(line.code(retry_command(record, config))),
        record,
        config,
    )
}

/// It was dismissed before.
pub fn already_dismissed(record: &DeployRecord, by: &ActedBy, config: &Config) -> SlackMessage {
    let banner = Mrkdwn::new("*Dismissed already:* ");
    let line = Mrkdwn::new("Dismissed by ")
        .other_actor(by, &record.request, config)
        .and(".");
    about_deploy(
        reply(deploy_headline(banner, record)).detail(line),
        record,
        config,
    )
}

/// It does not wait for a retry, so there is nothing to dismiss.
pub fn nothing_to_dismiss(record: &DeployRecord, config: &Config) -> SlackMessage {
    let banner = Mrkdwn::new("*Nothing to dismiss:* ");
    let (_, label) = emoji_and_label(record);
    let line = Mrkdwn::new("It does not wait for a retry; its state is *").and(label);
    about_deploy(
        reply(deploy_headline(banner, record)).detail(line.and("*.")),
        record,
        config,
    )
}

/// This user may not dismiss the deploy.
pub fn dismiss_denied(
    record: &DeployRecord,
    rejection: &Rejection,
    config: &Config,
) -> SlackMessage {
    let headline = deploy_headline(Mrkdwn::new(":no_entry: *Not dismissed:* "), record);
    let message = reply(headline).about(record.id);
    message.details(rejection::explain_rejection(rejection, config, None))
}

/// This user has requested too many actions within a short time.
pub fn too_many_actions(action: &DeployAction, most: u32, again_at: Time) -> SlackMessage {
    let verb = action.verb().as_str();
    let headline =
        Mrkdwn::new(":no_entry: *Not done:* ").code(format!("{verb} {}", action.subject()));
    let line = Mrkdwn::new("You have requested more than ")
        .number(most)
        .and(" actions within a minute. Nothing was changed; try again at ")
        .time(again_at)
        .and(".");
    reply(headline).detail(line)
}
