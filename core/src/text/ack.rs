//! The immediate replies of ingest.

use super::deploy::{deploy_status, job_on_branch};
use super::slack_message::{reply, to_requester};
use super::{Audience, MessageKind, Mrkdwn, SlackMessage, rejection, usage};
use crate::command::{DeployAction, Verb};
use crate::config::Config;
use crate::deploy::{DeployRecord, DeployRequest};
use crate::id::{DeployId, ShortId};
use crate::rejection::Rejection;

/// The command is queued, and no rule rejects it. Where a card follows, the channel sees that alone.
pub fn deploy_accepted(request: &DeployRequest, id: DeployId, config: &Config) -> SlackMessage {
    let headline = job_and_id(":hourglass_flowing_sand: *Accepted:* ", request, id);
    let headline = headline.and(" · ").requester(request, config);
    if config.slack.live {
        let headline = headline.and(" · the card follows.");
        return to_requester(MessageKind::Accepted, headline).about(id);
    }
    SlackMessage::new(Audience::Channel, MessageKind::Accepted, headline).about(id)
}

/// The answer to the press of a plan's button, in place of the plan: what a typed command is told at once, or how
/// the deploy has ended by now.
pub fn press_answer(record: &DeployRecord, config: &Config) -> SlackMessage {
    let message = match &record.request.refused {
        Some(rejection) => deploy_refused(rejection, &record.request, record.id, config),
        None if record.state.is_terminal() => deploy_status(record, None, config),
        None => deploy_accepted(&record.request, record.id, config),
    };
    SlackMessage {
        // A message that one person sees stays theirs.
        audience: Audience::Requester,
        ..message
    }
}

/// An action is queued; its reply follows.
pub fn action_accepted(action: &DeployAction) -> SlackMessage {
    let headline = Mrkdwn::new("*Noted:* ").code(typed(action.verb(), action));
    to_requester(MessageKind::Noted, headline.and(" · the answer follows."))
}

/// A rule says no; nothing follows, and the worker only puts it on record.
pub fn deploy_refused(
    rejection: &Rejection,
    request: &DeployRequest,
    id: DeployId,
    config: &Config,
) -> SlackMessage {
    let headline = job_and_id(":no_entry: *Not allowed:* ", request, id);
    let message = to_requester(MessageKind::Refused, headline).about(id);
    message.details(rejection::explain_rejection(
        rejection,
        config,
        Some(request),
    ))
}

/// Commands from this workspace are not accepted.
pub fn team_not_allowed(rejection: &Rejection, config: &Config) -> SlackMessage {
    not_queued(
        ":no_entry: *Not allowed:* commands from this workspace are not accepted (rule \
         `slack.teams`).",
    )
    .detail(rejection::way_out(rejection, config, None))
}

/// The command names no project or job that there is, so nothing is put on record.
pub fn nothing_named(
    rejection: &Rejection,
    request: &DeployRequest,
    config: &Config,
) -> SlackMessage {
    let headline = job_on_branch(Mrkdwn::new("*Nothing to start:* "), request);
    let message = to_requester(MessageKind::Help, headline);
    message.details(rejection::explain_rejection(
        rejection,
        config,
        Some(request),
    ))
}

/// The command is certainly not queued.
pub fn not_accepted() -> SlackMessage {
    not_queued(
        ":warning: *Not accepted:* the command could not be queued. Nothing was started; try again \
         in a minute.",
    )
}

/// A button of another version was pressed.
pub fn unknown_button(config: &Config) -> SlackMessage {
    let headline =
        ":information_source: *This button is of another version* of the app, so it did nothing.";
    let line = Mrkdwn::new("Type the command instead: ")
        .code(usage::full_command(config, Verb::Help.as_str()));
    reply(Mrkdwn::new(headline)).detail(line.and(" lists them."))
}

/// The command may be queued.
pub fn deploy_unconfirmed(request: &DeployRequest, id: DeployId) -> SlackMessage {
    let headline = job_and_id(":warning: *Could not confirm:* ", request, id);
    let wait = "It may have been accepted: if it was, a message follows here. Wait for it before you \
                type the command again.";
    let message = to_requester(MessageKind::Unconfirmed, headline).about(id);
    message.detail(Mrkdwn::new(wait))
}

/// An action may be queued.
pub fn action_unconfirmed(action: &DeployAction) -> SlackMessage {
    let headline = Mrkdwn::new(":warning: *Could not confirm:* ");
    let headline = headline.code(typed(action.verb(), action));
    let look = match action {
        DeployAction::Retry { .. } | DeployAction::Cancel { .. } | DeployAction::Dismiss { .. } => {
            Verb::Status
        }
        // Without `confirm` it only says who holds the target.
        DeployAction::Unlock { .. } => Verb::Unlock,
    };
    let wait =
        Mrkdwn::new("It may have been accepted: if it was, a message follows here. Look at ")
            .code(typed(look, action))
            .and(" before you type it again.");
    to_requester(MessageKind::Unconfirmed, headline).detail(wait)
}

/// A query without a response URL.
pub fn no_response_url() -> SlackMessage {
    not_queued(
        ":no_entry: *Not accepted:* the request has no `response_url`, so there is nowhere to \
         answer.",
    )
}

/// The response URL is not Slack's.
pub fn invalid_response_url() -> SlackMessage {
    not_queued(
        ":no_entry: *Not accepted:* the request's `response_url` is not an address of Slack's \
         (rule `slack.response_url_origins`). Nothing was started.",
    )
}

/// The request has nothing that makes it unique.
pub fn no_request_id() -> SlackMessage {
    not_queued(
        ":no_entry: *Not accepted:* the request has neither `trigger_id` nor `response_url`, so a \
         repeat of it could not be distinguished from a new command. Nothing was started.",
    )
}

fn not_queued(why: &'static str) -> SlackMessage {
    to_requester(MessageKind::NotAccepted, Mrkdwn::new(why))
}

fn job_and_id(banner: &'static str, request: &DeployRequest, id: DeployId) -> Mrkdwn {
    let headline = job_on_branch(Mrkdwn::new(banner), request).and(" · ");
    headline.code(id.short_id(ShortId::USUAL))
}

/// A command about the deploy or target of `action`, as it is typed.
fn typed(verb: Verb, action: &DeployAction) -> String {
    format!("{} {}", verb.as_str(), action.subject())
}
