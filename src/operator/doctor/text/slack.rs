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

/// Of an installation whose bot's token is not read.
pub(in crate::operator::doctor) fn announcements_on_aws(feeds: &[String]) -> Check {
    let found = format!(
        "{}; the bot has to be in each of them, and its token is not read here",
        feeds.join(", ")
    );
    Check::ok(ANNOUNCEMENTS, found)
}

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

/// Where cards and announcements go, as far as nothing was refused there.
#[derive(Debug, Default)]
pub(in crate::operator::doctor) struct CardPlaces {
    /// Where the bot has posted a card.
    pub(in crate::operator::doctor) posted: Vec<String>,
    /// Of which nothing is on record.
    pub(in crate::operator::doctor) unknown: Vec<String>,
    /// Whether a job may be run from everywhere.
    pub(in crate::operator::doctor) is_anywhere: bool,
    /// Whether there is a record.
    pub(in crate::operator::doctor) has_record: bool,
}

/// What is known of these places, and what is not. The scopes of the bot do not let it ask where it is.
pub(in crate::operator::doctor) fn card_channels(
    places: &CardPlaces,
    bot: Option<&str>,
) -> Option<Check> {
    let mut found = Vec::new();
    if !places.posted.is_empty() {
        let posted = places.posted.join(", ");
        found.push(format!("the bot has posted in {posted} in the last week"));
    }
    let anywhere = places
        .is_anywhere
        .then_some("any other channel (`channels = \"*\"`)");
    let unknown = places.unknown.iter().map(String::as_str).chain(anywhere);
    let unknown: Vec<_> = unknown.collect();
    if !unknown.is_empty() {
        let record = if places.has_record {
            "of which nothing is on record in the last week"
        } else {
            "since there is no record yet"
        };
        found.push(format!(
            "not checked: {}, {record}; only a post or the scope channels:read would tell, so type `{}` \
             where the bot is not",
            unknown.join(", "),
            invitation(bot)
        ));
    }
    (!found.is_empty()).then(|| Check::ok(CARDS, found.join("; ")))
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
