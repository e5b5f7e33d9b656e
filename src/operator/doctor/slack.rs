//! Slack: whether the response URLs can be reached, its clock, the bot, and where it can post.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use chatops_core::config::{AllowList, Config};
use chatops_core::id::ChannelId;
use chatops_core::notification::Undelivered;
use chatops_core::ports::SecretName;
use chatops_http::VendorResponse;
use chatops_slack::{AuthTest, SlackInspector};

use super::super::now;
use super::super::store::OperatorStore;
use super::answer::{clock_ahead, status_text};
use super::{DoctorCheck, DoctorReport, text};
use crate::output::sanitize;
use chatops_local::secrets::{self, ExaminedSecret};

/// The bot, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct FoundBot {
    /// Whether its token is set.
    is_set: bool,
    /// Its name, if Slack has said it.
    name: Option<String>,
}

/// Slack's words where the bot is not in a channel, or there is none.
const OUTSIDE: [&str; 2] = ["not_in_channel", "channel_not_found"];

pub(super) async fn check_slack(
    config: &Config,
    secrets: &[ExaminedSecret],
    report: &mut DoctorReport<'_>,
) -> Result<FoundBot> {
    let slack = SlackInspector::new(&config.slack, &config.timeouts)?;
    for origin in &config.slack.response_url_origins {
        let sent_at = now();
        // Any answer will do.
        match slack.reach(origin).await {
            Err(why) => {
                report.add_check(text::host_unreachable("Slack", origin, &sanitize(&why)))?;
            }
            Ok(answer) => {
                let status = answer.status.as_u16();
                report.add_check(text::host_reachable("Slack", origin, status))?;
                let clock = clock_ahead(&answer, sent_at);
                report.add_checks(clock.map(|ahead| text::clock_offset("Slack", ahead)))?;
            }
        }
    }
    let feeds: Vec<_> = config
        .feeds()
        .into_iter()
        .map(|id| config.written_id(id))
        .collect();
    let Some(bot) = secrets::find_value(secrets, SecretName::SlackBot) else {
        let unset = (!feeds.is_empty()).then(|| text::announcements_without_bot(&feeds));
        report.add_checks(unset)?;
        report.add_checks(config.slack.live.then(text::cards_without_bot))?;
        return Ok(FoundBot::default());
    };
    let mut found = FoundBot {
        is_set: true,
        name: None,
    };
    match slack.auth_test(bot).await {
        Err(why) => {
            let why = sanitize(&why);
            report.add_check(text::host_unreachable("Slack", &config.slack.api, &why))?;
        }
        Ok(answer) => {
            let (check, name) = check_bot(&answer.response);
            // Slack names the scopes of a valid token alone.
            let scopes = answer.scopes.filter(|_| name.is_some());
            report.add_check(check)?;
            report.add_checks(scopes.as_deref().map(text::scopes))?;
            let scopes = scopes.filter(|_| !feeds.is_empty());
            report.add_checks(scopes.map(|scopes| text::announcements(&feeds, &scopes)))?;
            found.name = name;
        }
    }
    Ok(found)
}

/// The check of a token, and the bot's name if it is valid.
fn check_bot(answer: &VendorResponse) -> (DoctorCheck, Option<String>) {
    match answer.json::<AuthTest>() {
        Some(AuthTest {
            ok: true,
            user,
            team,
            ..
        }) => (text::bot_ok(&user, &team), Some(user)),
        Some(AuthTest { error, .. }) => (text::bot_rejected(&error), None),
        None => (text::bot_unknown(&status_text(answer)), None),
    }
}

/// Where the bot posts, by what is on record: nothing else says where it is without a post. What Slack
/// took by a response URL is not on record as refused.
pub(super) fn check_channels(
    config: Option<&Config>,
    bot: &FoundBot,
    record: Option<(&OperatorStore, &[Undelivered])>,
    report: &mut DoctorReport<'_>,
) -> Result<()> {
    let bot_name = bot.name.as_deref();
    let outside = record.map(|(store, untold)| bot_refusals(store, untold));
    for (channel, last) in outside.iter().flatten() {
        let about = (last.deploy.as_str(), last.undelivered.at);
        let check = text::bot_outside(channel, last.word, about, bot_name);
        report.add_check(check)?;
    }
    let Some(config) = config.filter(|config| config.slack.live && bot.is_set) else {
        return Ok(());
    };
    let jobs = config.projects.values().flat_map(|p| p.jobs.values());
    let lists: Vec<_> = jobs.map(|job| &job.channels).collect();
    let is_anywhere = lists.iter().any(|list| matches!(list, AllowList::Any));
    let listed = lists.iter().flat_map(|list| list.listed());
    let is_refused = |channel: &ChannelId| {
        let refused = outside.as_ref();
        refused.is_some_and(|refused| refused.contains_key(channel))
    };
    let places: BTreeSet<_> = listed
        .chain(config.feeds())
        .filter(|channel| !is_refused(&channel.id))
        .map(|channel| config.written_id(channel))
        .collect();
    if places.is_empty() && !is_anywhere {
        return Ok(());
    }
    let places: Vec<_> = places.into_iter().collect();
    let check = text::card_channels(&places, is_anywhere, outside.is_some(), bot_name);
    report.add_check(check)
}

/// The last time that Slack did not take a message of the bot in a channel.
struct BotRefusal<'a> {
    /// The deploy that it was about.
    deploy: String,
    /// Slack's word.
    word: &'static str,
    undelivered: &'a Undelivered,
}

fn bot_refusals<'a>(
    store: &OperatorStore,
    untold: &'a [Undelivered],
) -> BTreeMap<ChannelId, BotRefusal<'a>> {
    let mut refusals = BTreeMap::new();
    // The oldest first, so that the last one stays.
    for undelivered in untold {
        let mut words = undelivered
            .reason
            .split(|c: char| !c.is_alphanumeric() && c != '_');
        let Some(word) = words.find_map(|word| OUTSIDE.into_iter().find(|known| *known == word))
        else {
            continue;
        };
        // What cannot be read is left out: `failed` says so.
        let Ok(Some(record)) = store.read_deploy(undelivered.deploy) else {
            continue;
        };
        let channels = match undelivered.channels.as_slice() {
            [] => std::slice::from_ref(&record.request.channel),
            channels => channels,
        };
        for channel in channels {
            let refusal = BotRefusal {
                deploy: record.short_id.to_string(),
                word,
                undelivered,
            };
            refusals.insert(channel.clone(), refusal);
        }
    }
    refusals
}
