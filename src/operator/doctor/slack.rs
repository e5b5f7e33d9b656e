//! Slack: whether the response URLs can be reached, its clock, the bot, and where it can post.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use chatops_core::Time;
use chatops_core::config::{AllowList, Config};
use chatops_core::deploy::DeployRecord;
use chatops_core::id::ChannelId;
use chatops_core::notification::{CardStatus, Undelivered};
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

/// Where the bot is, by what is on record: without a post nothing else says that.
pub(super) fn check_channels(
    config: Option<&Config>,
    bot: &FoundBot,
    record: Option<(&OperatorStore, &[Undelivered])>,
    report: &mut DoctorReport<'_>,
) -> Result<()> {
    let bot_name = bot.name.as_deref();
    let seen = record.map(|(store, untold)| last_sightings(store, untold));
    for (channel, last) in seen.iter().flatten() {
        let check = last
            .refusal
            .map(|word| text::bot_outside(channel, word, (&last.deploy, last.at), bot_name));
        report.add_checks(check)?;
    }
    let Some(config) = config.filter(|config| config.slack.live && bot.is_set) else {
        return Ok(());
    };
    let jobs = config.projects.values().flat_map(|p| p.jobs.values());
    let lists: Vec<_> = jobs.map(|job| &job.channels).collect();
    let mut places = text::CardPlaces {
        is_anywhere: lists.iter().any(|list| matches!(list, AllowList::Any)),
        has_record: seen.is_some(),
        ..text::CardPlaces::default()
    };
    let listed = lists.iter().flat_map(|list| list.listed());
    let named: BTreeSet<_> = listed.chain(config.feeds()).collect();
    let seen = seen.unwrap_or_default();
    for channel in named {
        let written = config.written_id(channel);
        match seen.get(&channel.id).map(|last| last.refusal) {
            None => places.unknown.push(written),
            Some(None) => places.posted.push(written),
            // It has a check of its own.
            Some(Some(_)) => {}
        }
    }
    report.add_checks(text::card_channels(&places, bot_name))
}

/// What Slack made last of a message of the bot in a channel.
#[derive(Debug)]
struct BotSighting {
    /// The deploy that it was about.
    deploy: String,
    /// When.
    at: Time,
    /// Slack's word; `None` if it took the message.
    refusal: Option<&'static str>,
}

fn last_sightings(
    store: &OperatorStore,
    untold: &[Undelivered],
) -> BTreeMap<ChannelId, BotSighting> {
    let mut seen: BTreeMap<ChannelId, BotSighting> = BTreeMap::new();
    let mut note = |channel: &ChannelId, record: &DeployRecord, at, refusal| {
        let deploy = record.short_id.to_string();
        let is_newer = seen.get(channel).is_none_or(|last| last.at <= at);
        if is_newer {
            let sighting = BotSighting {
                deploy,
                at,
                refusal,
            };
            seen.insert(channel.clone(), sighting);
        }
    };
    // What cannot be read is left out: other commands say so.
    for (record, card) in store.list_cards(now()).unwrap_or_default() {
        let at = record.request.requested_at;
        let refusal = match &card.status {
            CardStatus::GivenUp { reason } => outside_word(reason),
            CardStatus::Idle { .. } | CardStatus::InFlight { .. } => None,
        };
        match (&card.at, refusal) {
            (None, None) => {}
            (_, Some(_)) => note(&record.request.channel, &record, at, refusal),
            (Some(posted), None) => note(&posted.channel, &record, at, None),
        }
    }
    for undelivered in untold {
        let refusal = outside_word(&undelivered.reason);
        let Some(record) = refusal.and_then(|_| store.read_deploy(undelivered.deploy).ok()?) else {
            continue;
        };
        let channels = match undelivered.channels.as_slice() {
            [] => std::slice::from_ref(&record.request.channel),
            channels => channels,
        };
        for channel in channels {
            note(channel, &record, undelivered.at, refusal);
        }
    }
    seen
}

/// Slack's word in a reason, if the bot is not in the channel or there is none.
fn outside_word(reason: &str) -> Option<&'static str> {
    let mut words = reason.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.find_map(|word| OUTSIDE.into_iter().find(|known| *known == word))
}
