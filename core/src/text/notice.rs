//! What people have to know at once: trouble on the way, and what comes after the end.

use super::deploy::{about_deploy, deploy_headline, to_channel};
use super::{MessageKind, Mrkdwn, SlackMessage, end_reason, usage};
use crate::command::Verb;
use crate::config::Config;
use crate::deploy::{DeployRecord, Notice};

/// The latest notice of a deploy; one that has none says where it stands.
pub fn deploy_notice(record: &DeployRecord, config: &Config) -> SlackMessage {
    let (banner, details) = notice_text(record, config);
    let headline = deploy_headline(Mrkdwn::new(banner), record);
    let message = to_channel(MessageKind::Notice, headline, record, config);
    about_deploy(message.details(details), record, config)
}

/// What the latest notice begins with, and what it says.
pub(super) fn notice_text(record: &DeployRecord, config: &Config) -> (&'static str, Vec<Mrkdwn>) {
    let cancel = || {
        let line = Mrkdwn::new("To cancel it: ");
        line.code(usage::command_for(config, Verb::Cancel, &record.short_id))
    };
    match &record.notice {
        Some(Notice::TriggerDelayed { error }) => (
            ":hourglass_flowing_sand: *Waiting for CircleCI:* ",
            vec![
                end_reason::append_quote(Mrkdwn::new("CircleCI could not be reached"), error),
                Mrkdwn::new("It is tried again until ")
                    .time(record.valid_until)
                    .and("; its target stays locked until then."),
            ],
        ),
        Some(Notice::Unreadable { error }) => (
            ":warning: *I cannot read CircleCI:* ",
            vec![
                end_reason::append_quote(Mrkdwn::new("The last answer"), error),
                Mrkdwn::new("The run may go on; I keep asking, and its target stays locked."),
            ],
        ),
        Some(Notice::NothingStarted) => (
            ":hourglass_flowing_sand: *Nothing has started yet:* ",
            vec![
                Mrkdwn::new(
                    "CircleCI lists no workflow of the pipeline yet. The usual causes: trouble at \
                     CircleCI, a `when` condition that is not met, or a branch filter.",
                ),
                cancel(),
            ],
        ),
        Some(Notice::MayRerun { workflow }) => (
            ":hourglass_flowing_sand: *Failed, may be rerun:* ",
            vec![
                Mrkdwn::new("Workflow ")
                    .code(workflow)
                    .and(" failed, and CircleCI may rerun it by itself; I wait for that."),
            ],
        ),
        Some(Notice::AfterEnd { workflows }) => (
            ":warning: *Seen after its end:* ",
            vec![end_reason::named_statuses(
                Mrkdwn::new("CircleCI shows now: "),
                workflows,
            )],
        ),
        Some(Notice::Unlocked { by }) => (
            ":unlock: *Unlocked:* ",
            vec![
                Mrkdwn::new("The lock of its target was freed by ")
                    .other_actor(by, &record.request, config)
                    .and("."),
            ],
        ),
        None => (":information_source: ", vec![]),
    }
}
