//! What was told: by the deploys, as answers, and that nothing of it is a secret.

use std::collections::{BTreeMap, BTreeSet};

use chatops_core::deploy::Head;
use chatops_core::ports::Clock;
use chatops_core::reply::{Kind, Telling};

use super::{REPEAT, wishes};
use crate::outside::ORIGIN;
use crate::world::World;

/// Where the bot's messages go.
const BOT: &str = "/api/";

pub(super) fn of(world: &World, head: &Head, found: &mut Vec<String>) {
    let id = head.id;
    let Some(reply) = world
        .store
        .replies()
        .into_iter()
        .find(|reply| reply.deploy == id)
    else {
        found.push(format!("I12: {id} has no reply item"));
        return;
    };
    if reply.address.is_some() {
        found.push(format!("I13: {id} keeps its reply address"));
    }
    // Not what only repeats it: that names it behind its own id.
    let short = format!("· `{}`", head.short);
    // The reply address of the command or press that made it, or the bot.
    let path = wishes::origin(world, head).map(|typed| typed.path.as_str());
    let its_own = |at: &str| path == Some(at) || at.starts_with(BOT);
    let shown: Vec<_> = world
        .slack
        .shown()
        .into_iter()
        .filter(|m| its_own(&m.response_path) && m.text.contains(&short))
        .filter(|m| m.nth_use > 0 || m.response_path.starts_with(BOT))
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
    let faults = world.points.crashes() + world.slack.lost() + world.faults;
    if finals.len() > 1 + faults {
        found.push(format!(
            "I9: the end of {id} was shown {} times",
            finals.len()
        ));
    }
    // A copy that stood still on its way may come after the marked one.
    if finals
        .iter()
        .filter(|message| !message.text.contains(REPEAT))
        .count()
        > 1
    {
        found.push(format!("I9: a repetition about {id} is not marked"));
    }
    for (kind, telling, count) in [
        (Kind::Progress, &reply.progress, progress.1),
        (Kind::Hold, &reply.hold, hold.1),
        (Kind::Final, &reply.last, finals.len()),
    ] {
        let truthful = match telling {
            Telling::Told { .. } => count > 0,
            Telling::Undeliverable { .. } | Telling::Dropped => count == 0,
            Telling::Unknown => true,
            Telling::NotOwed | Telling::Owed { .. } | Telling::Sending { .. } => {
                found.push(format!("I15: {kind:?} of {id} is not settled"));
                true
            }
        };
        if !truthful {
            found.push(format!(
                "I10: {kind:?} of {id} is {telling:?}, shown {count} times"
            ));
        }
    }
}

/// How often one answer is posted at most.
const POSTS: usize = 4;

/// Who asks or wishes hears of it, and no answer is posted for ever. Faults may take longer than
/// the reply address lives, and each of them may make one more answer.
pub(super) fn answers(world: &World, found: &mut Vec<String>) {
    let (shown, attempts) = (world.slack.shown(), world.slack.attempts());
    let faults = world.points.crashes() + world.slack.lost() + world.faults;
    for typed in world.typed.iter().filter(|typed| typed.is_answered()) {
        let at_its_own = |path: &str| path == typed.path;
        let heard = shown.iter().any(|m| at_its_own(&m.response_path));
        if !heard && faults == 0 {
            found.push(format!("I20: '{}' was not answered", typed.text));
        }
        let posts = attempts.iter().filter(|a| at_its_own(&a.response_path));
        let most = POSTS * (1 + world.points.crashes() + world.faults);
        let posts = posts.count();
        if typed.is_question() && posts > most && !world.is_doubling() {
            found.push(format!("I20: '{}' was answered {posts} times", typed.text));
        }
    }
}

pub(super) fn secrecy(world: &World, found: &mut Vec<String>) {
    let now = world.clock.now();
    // Answers are on no record: one whose message comes again and again uses its address up.
    let heads = world.store.heads();
    let deploys = heads.iter().filter_map(|head| wishes::origin(world, head));
    let deploys: BTreeSet<&str> = deploys.map(|typed| typed.path.as_str()).collect();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for attempt in world.slack.attempts() {
        let path = attempt.response_path;
        if deploys.contains(path.as_str()) || path.starts_with(BOT) {
            if attempt.answer.status != 200 {
                found.push(format!("I9: Slack refused a post: {}", attempt.answer.body));
            }
            *uses.entry(path).or_default() += 1;
        }
    }
    let mut uses = uses.iter().filter(|(path, _)| !path.starts_with(BOT));
    if let Some((path, count)) = uses.find(|(_, count)| **count > 5) {
        found.push(format!("I9: {path} was used {count} times by {now}"));
    }
    for head in heads {
        let record = serde_json::to_string(&head).unwrap_or_default();
        let audit = world.audit(head.id);
        if record.contains(ORIGIN) || audit.iter().any(|event| event.body.contains(ORIGIN)) {
            found.push(format!(
                "I13: a reply address stands in the record of {}",
                head.id
            ));
        }
    }
    for message in world.slack.shown() {
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
