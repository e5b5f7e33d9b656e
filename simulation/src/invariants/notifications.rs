//! What was told: by the deploys, as answers, and that nothing of it is a secret.

use std::collections::{BTreeMap, BTreeSet};

use chatops_core::deploy::DeployRecord;
use chatops_core::notification::{DeliveryStatus, NotificationKind};
use chatops_core::ports::Clock;

use super::{REPEAT_MARK, actions};
use crate::outside::SLACK_ORIGIN;
use crate::world::World;

/// Where the bot's messages go.
const BOT_PATH: &str = "/api/";

pub(super) fn check_notifications(world: &World, record: &DeployRecord, found: &mut Vec<String>) {
    let id = record.id;
    let Some(notification) = world
        .ledger
        .notifications()
        .into_iter()
        .find(|notification| notification.deploy == id)
    else {
        found.push(format!("I12: {id} has no reply item"));
        return;
    };
    if notification.response_url.is_some() {
        found.push(format!("I13: {id} keeps its reply address"));
    }
    // Not what only repeats it: that names it behind its own id.
    let short = format!("· `{}`", record.short_id);
    // The reply address of the command or press that made it, or the bot.
    let path = actions::find_command(world, record).map(|typed| typed.response_path.as_str());
    let its_own = |at: &str| path == Some(at) || at.starts_with(BOT_PATH);
    let shown: Vec<_> = world
        .slack
        .shown_messages()
        .into_iter()
        .filter(|m| its_own(&m.response_path) && m.text.contains(&short))
        .filter(|m| m.nth_use > 0 || m.response_path.starts_with(BOT_PATH))
        .collect();
    let says = |banner: &str| {
        let count = shown.iter().filter(|m| m.text.contains(banner)).count();
        (banner.to_owned(), count)
    };
    let [progress, hold] = [says("*Running:*"), says("*Waiting for approval:*")];
    for (banner, count) in [&progress, &hold] {
        if *count > 1 {
            found.push(format!("I9: {banner} of {id} was shown {count} times"));
        }
    }
    let is_final = |text: &str| !text.contains(&progress.0) && !text.contains(&hold.0);
    let finals: Vec<_> = shown.iter().filter(|m| is_final(&m.text)).collect();
    let faults = world.points.crash_count() + world.slack.lost_responses() + world.faults;
    if finals.len() > 1 + faults {
        found.push(format!(
            "I9: the end of {id} was shown {} times",
            finals.len()
        ));
    }
    // A copy that stood still on its way may come after the marked one.
    if finals
        .iter()
        .filter(|message| !message.text.contains(REPEAT_MARK))
        .count()
        > 1
    {
        found.push(format!("I9: a repetition about {id} is not marked"));
    }
    for (kind, delivery, count) in [
        (
            NotificationKind::Progress,
            &notification.progress,
            progress.1,
        ),
        (NotificationKind::Hold, &notification.hold, hold.1),
        (
            NotificationKind::Final,
            &notification.final_status,
            finals.len(),
        ),
    ] {
        let truthful = match delivery {
            DeliveryStatus::Delivered { .. } => count > 0,
            DeliveryStatus::Failed { .. } | DeliveryStatus::Skipped => count == 0,
            DeliveryStatus::Unknown => true,
            DeliveryStatus::NotRequested
            | DeliveryStatus::Pending { .. }
            | DeliveryStatus::InFlight { .. } => {
                found.push(format!("I15: {kind:?} of {id} is not settled"));
                true
            }
        };
        if !truthful {
            found.push(format!(
                "I10: {kind:?} of {id} is {delivery:?}, shown {count} times"
            ));
        }
    }
}

/// How often one answer is posted at most.
const MAX_POSTS: usize = 4;

/// Who asks or wishes hears of it, and no answer is posted for ever. Faults may take longer than
/// the reply address lives, and each of them may make one more answer.
pub(super) fn check_replies(world: &World, found: &mut Vec<String>) {
    let (shown, attempts) = (world.slack.shown_messages(), world.slack.post_attempts());
    let faults = world.points.crash_count() + world.slack.lost_responses() + world.faults;
    for typed in world.typed.iter().filter(|typed| typed.expects_reply()) {
        let at_its_own = |path: &str| path == typed.response_path;
        let heard = shown.iter().any(|m| at_its_own(&m.response_path));
        if !heard && faults == 0 {
            found.push(format!("I20: '{}' was not answered", typed.text));
        }
        let posts = attempts.iter().filter(|a| at_its_own(&a.response_path));
        let most = MAX_POSTS * (1 + world.points.crash_count() + world.faults);
        let posts = posts.count();
        if typed.is_query() && posts > most && !world.delivers_twice() {
            found.push(format!("I20: '{}' was answered {posts} times", typed.text));
        }
    }
}

pub(super) fn check_secrecy(world: &World, found: &mut Vec<String>) {
    let now = world.clock.now();
    // Answers are on no record: one whose message comes again and again uses its address up.
    let records = world.ledger.records();
    // So does a press that came too early and was told so, if a copy of it comes when it can be
    // fulfilled.
    let shown = world.slack.shown_messages();
    let too_early = |path: &str| {
        let mut at_its_own = shown.iter().filter(|m| m.response_path == path);
        at_its_own.any(|m| m.text.contains("*Not retried:*"))
    };
    let deploys = records
        .iter()
        .filter_map(|record| actions::find_command(world, record));
    let deploys = deploys.filter(|typed| !too_early(&typed.response_path));
    let deploys: BTreeSet<&str> = deploys.map(|typed| typed.response_path.as_str()).collect();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for attempt in world.slack.post_attempts() {
        let path = attempt.response_path;
        if deploys.contains(path.as_str()) || path.starts_with(BOT_PATH) {
            if attempt.response.status != 200 {
                found.push(format!(
                    "I9: Slack refused a post: {}",
                    attempt.response.body
                ));
            }
            *uses.entry(path).or_default() += 1;
        }
    }
    let mut uses = uses.iter().filter(|(path, _)| !path.starts_with(BOT_PATH));
    if let Some((path, count)) = uses.find(|(_, count)| **count > 5) {
        found.push(format!("I9: {path} was used {count} times by {now}"));
    }
    for record in records {
        let json = serde_json::to_string(&record).unwrap_or_default();
        let audit = world.audit_events(record.id);
        if json.contains(SLACK_ORIGIN)
            || audit.iter().any(|event| event.body.contains(SLACK_ORIGIN))
        {
            found.push(format!(
                "I13: a reply address stands in the record of {}",
                record.id
            ));
        }
    }
    for message in world.slack.shown_messages() {
        let blocks = message
            .blocks
            .map(|blocks| blocks.to_string())
            .unwrap_or_default();
        if (message.text + &blocks).contains("<!") {
            let broadcast = blocks.contains("<!channel") || blocks.contains("<!here");
            if broadcast || !blocks.contains("<!date") {
                found.push("I14: something unescaped was shown".to_owned());
            }
        }
    }
}
