//! What doctor says about Slack's bot: its token, its scopes, and where it can post.

use chatops_core::Time;
use chatops_core::id::ChannelId;

use super::Check;
use crate::output::sanitize;

const BOT: &str = "Slack bot";

/// The scopes that the manifest of the app asks for.
const BOT_SCOPES: [&str; 2] = ["commands", "chat:write"];

pub(in crate::operator::doctor) fn bot_ok(user: &str, team: &str) -> Check {
    Check::ok(BOT, format!("{} in {}", sanitize(user), sanitize(team)))
}

pub(in crate::operator::doctor) fn bot_rejected(error: &str) -> Check {
    let fix = "copy the installed app's Bot User OAuth Token into SLACK_BOT_TOKEN, or unset it";
    let found = format!("Slack rejects its token ({})", sanitize(error));
    Check::fail(BOT, found, fix)
}

pub(in crate::operator::doctor) fn bot_unknown(said: &str) -> Check {
    let found = format!("its state is not known ({said})");
    Check::warn(BOT, found, "check again later")
}

/// Whether the token has the scopes that are needed.
pub(in crate::operator::doctor) fn scopes(has: &[String]) -> Check {
    let name = "Slack scopes";
    let lacks = |scope: &&str| !has.iter().any(|has| has == scope);
    let missing: Vec<_> = BOT_SCOPES.into_iter().filter(lacks).collect();
    if missing.is_empty() {
        return Check::ok(name, BOT_SCOPES.join(", "));
    }
    let missing = missing.join(", ");
    let fix = format!(
        "add {missing} below Bot Token Scopes of the app's page, OAuth & Permissions, and install the \
         app again"
    );
    Check::fail(name, format!("the token lacks {missing}"), fix)
}

const ANNOUNCEMENTS: &str = "announcements";

pub(in crate::operator::doctor) fn announcements_without_bot(feeds: &[String]) -> Check {
    let found = format!(
        "{}, and there is no bot token: nothing is posted there",
        feeds.join(", ")
    );
    let fix =
        "set SLACK_BOT_TOKEN to the token of a bot that is in these channels, or remove `announce`";
    Check::warn(ANNOUNCEMENTS, found, fix)
}

/// Whether the bot may post there, as far as its scopes say.
pub(in crate::operator::doctor) fn announcements(feeds: &[String], scopes: &[String]) -> Check {
    let feeds = feeds.join(", ");
    let may = |scope: &str| scopes.iter().any(|has| has == scope);
    if !may("chat:write") {
        let fix = "add the bot scope `chat:write` and install the app again";
        return Check::fail(ANNOUNCEMENTS, format!("{feeds}; the bot may not post"), fix);
    }
    let needs_invitation = if may("chat:write.public") {
        "the bot has to be in those that are private"
    } else {
        "the bot has to be in each of them (`/invite` it there)"
    };
    Check::ok(ANNOUNCEMENTS, format!("{feeds}; {needs_invitation}"))
}

const CARDS: &str = "live cards";

pub(in crate::operator::doctor) fn cards_without_bot() -> Check {
    let found = "`live = true`, and there is no bot token: `chatops serve` does not start";
    let fix = format!(
        "put the app's Bot User OAuth Token into SLACK_BOT_TOKEN and invite the bot where people \
         deploy (`{}`), or set `live = false`",
        invitation(None)
    );
    Check::fail(CARDS, found, fix)
}

/// Where the bot posts cards and ends. The scopes of the bot do not let it ask for its memberships.
pub(in crate::operator::doctor) fn card_channels(
    channels: &[String],
    is_anywhere: bool,
    has_record: bool,
    bot: Option<&str>,
) -> Check {
    let mut places = channels.to_vec();
    places
        .extend(is_anywhere.then(|| "wherever commands are typed (`channels = \"*\"`)".to_owned()));
    let record = if has_record {
        "no refusal on record in the last week"
    } else {
        "there is no record yet"
    };
    let found = format!(
        "{}; {record}. Not checked: whether the bot is there, which only a post or the scope \
         channels:read would tell; type `{}` where it is not",
        places.join(", "),
        invitation(bot)
    );
    Check::ok(CARDS, found)
}

/// A channel where Slack did not take a message of the bot.
pub(in crate::operator::doctor) fn bot_outside(
    channel: &ChannelId,
    reason: &str,
    last: (&str, Time),
    bot: Option<&str>,
) -> Check {
    let (deploy, at) = last;
    let found = format!(
        "Slack did not take the message about {deploy} there on {} ({reason}); what has changed since \
         is not known",
        at.format("%Y-%m-%d at %H:%M UTC")
    );
    let fix = format!(
        "type `{}` there, or correct the channel in the configuration if there is no {channel}",
        invitation(bot)
    );
    Check::warn(format!("bot in {channel}"), found, fix)
}

/// What a person types to have the bot in a channel.
fn invitation(bot: Option<&str>) -> String {
    match bot.map(sanitize) {
        Some(name) if !name.is_empty() => format!("/invite @{name}"),
        _ => "/invite @<the app's name>".to_owned(),
    }
}
