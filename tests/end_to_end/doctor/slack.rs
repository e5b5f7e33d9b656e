//! What the doctor says about the bot: its scopes, the cards, and where it can post.

use std::sync::Arc;

use chatops_core::deploy::DeployState::Succeeded;
use chatops_core::id::{ChannelId, DeployId};
use chatops_core::notification::{Card, CardStatus};
use chatops_core::ports::NotificationStore as _;
use chatops_core::posted::{MessageTs, PostedMessage};
use chatops_local::clock::WallClock;
use chatops_local::sqlite::{Sqlite, SqliteSettings};
use serde_json::json;

use super::installation::{DoctorWorld, run_doctor};
use crate::operator;
use crate::support::{
    BOT_TOKEN, SIGNING_SECRET, ServeWorld, TOKEN, assert_says, chatops, now, run,
};

/// The installation shows live cards, and one job announces its end.
fn go_live(world: &DoctorWorld) {
    let text = world.configuration();
    let text = text.replacen("[slack]\n", "[slack]\nlive = true\n", 1);
    let project = "[projects.web]\n";
    let announcing = format!("{project}announce = [\"C0FEED\"]\n");
    world.configure(&text.replace(project, &announcing));
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named() {
    let world = DoctorWorld::new().await;
    let scopes = "Slack scopes";
    for has in ["commands,chat:write", "chat:write, users:read, commands"] {
        world.set_answers(|says| says.scopes = has);
        world.check_is(scopes, "ok", "commands, chat:write").await;
    }
    for (has, lacks) in [
        ("commands", "chat:write"),
        ("chat:write", "commands"),
        ("chat:write.public", "commands, chat:write"),
    ] {
        world.set_answers(|says| says.scopes = has);
        let words = format!("the token lacks {lacks}");
        let fix = world.check_is(scopes, "fail", &words).await;
        assert_says(&fix, &format!("add {lacks} below Bot Token Scopes"));
    }
    // Of a token that is not valid nothing is known.
    world.set_answers(|says| says.bot = (200, json!({ "ok": false, "error": "token_revoked" })));
    let text = run_doctor(world.command()).await.stdout.join("\n");
    assert!(!text.contains(scopes), "{text}");
}

#[tokio::test]
async fn live_cards_need_a_bot() {
    let world = DoctorWorld::new().await;
    go_live(&world);
    let mut command = world.command();
    command.env_remove("SLACK_BOT_TOKEN").arg("--json");
    let ended = run_doctor(command).await;
    assert_eq!(ended.code, Some(1));
    let report = operator::json(&ended.stdout[0]);
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == "live cards");
    let check = check.unwrap();
    assert_eq!(check["level"], "fail");
    let fix = check["fix"].as_str().unwrap();
    for words in ["SLACK_BOT_TOKEN", "/invite @", "`live = false`"] {
        assert_says(fix, words);
    }
    // With a token, what was not checked is said.
    for words in [
        "not checked: C0FEED, any other channel (`channels = \"*\"`), since there is no record yet",
        "`/invite @deploys`",
    ] {
        world.check_is("live cards", "ok", words).await;
    }
    // A token that is not valid has no name.
    world.set_answers(|says| says.bot = (200, json!({ "ok": false, "error": "token_revoked" })));
    let text = run_doctor(world.command()).await.stdout.join("\n");
    assert_says(&text, "`/invite @<the app's name>`");
}

#[tokio::test]
async fn slack_can_be_checked_alone() {
    let world = DoctorWorld::new().await;
    go_live(&world);
    let mut command = world.command();
    command.arg("--slack").env_remove("CIRCLECI_TOKEN");
    let text = run_doctor(command).await.success();
    let names: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("ok    ")?.split_once(": "))
        .map(|(name, _)| name)
        .collect();
    let expected = [
        "configuration",
        "secret SLACK_SIGNING_SECRET",
        "secret SLACK_BOT_TOKEN",
        "Slack's address",
        "clock against Slack's",
        "Slack bot",
        "Slack scopes",
        "announcements",
        "live cards",
    ];
    assert_eq!(names, expected, "{text}");
    assert!(text.ends_with("9 checks: all ok."), "{text}");
    let requests = world.requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(requests.iter().all(|line| line.starts_with("GET ")));
    let mut command = chatops("--aws");
    command.args(["doctor", "--slack"]);
    assert_says(&run(command).await.failure(2), "--slack");
}

#[tokio::test]
async fn a_channel_without_the_bot_is_known_from_the_record() {
    let world = ServeWorld::new().await;
    world.configure("announce = [\"C0FEED\"]\n");
    let text = std::fs::read_to_string(world.config()).unwrap();
    let text = text.replacen("[slack]\n", "[slack]\nlive = true\n", 1);
    std::fs::write(world.config(), text).unwrap();
    let server = world.serve_with_bot().await;
    world.sandbox.slack().lock().remove_bot("C0FEED");
    world.send(&server, "main test").await;
    world.wait_final(Succeeded).await;
    let records = world.wait_settled().await;
    let (id, short_id) = {
        let record = records.only_record();
        (record.id, record.short_id.clone())
    };
    let text = report(&world).await;
    for words in [
        "ok    Slack bot: chatops in Acme",
        &format!("warn  bot in C0FEED: Slack did not take the message about {short_id} there on "),
        "(not_in_channel)",
        "fix: type `/invite @chatops` there",
    ] {
        assert_says(&text, words);
    }
    let cards = |text: &str| {
        let line = text.lines().find(|line| line.contains("live cards: "));
        line.unwrap().to_owned()
    };
    let cards_say = cards(&text);
    assert!(!cards_say.contains("C0FEED"), "{cards_say}");
    server.stop().await;

    // A card says where the bot is, or is not.
    let place = PostedMessage {
        channel: ChannelId::parse("C0001").unwrap(),
        ts: MessageTs::parse("1503435956.000247").unwrap(),
    };
    let shown = Card {
        at: Some(place),
        ..Card::new(now())
    };
    set_card(&world, id, shown.clone()).await;
    let text = report(&world).await;
    assert_says(
        &cards(&text),
        "the bot has posted in C0001 in the last week",
    );
    assert!(!text.contains("bot in C0001"), "{text}");
    for (reason, is_outside) in [("channel_not_found", true), ("message_not_found", false)] {
        let reason = reason.to_owned();
        let given_up = Card {
            status: CardStatus::GivenUp { reason },
            ..shown.clone()
        };
        set_card(&world, id, given_up).await;
        let text = report(&world).await;
        assert_eq!(text.contains("warn  bot in C0001: "), is_outside, "{text}");
        let posted = cards(&text).contains("has posted in C0001");
        assert_eq!(posted, !is_outside, "{text}");
    }
}

async fn report(world: &ServeWorld) -> String {
    let mut command = operator::command(world, &["doctor", "--slack"]);
    command
        .env("SLACK_SIGNING_SECRET", SIGNING_SECRET)
        .env("CIRCLECI_TOKEN", TOKEN)
        .env("SLACK_BOT_TOKEN", BOT_TOKEN);
    run_doctor(command).await.success()
}

/// The deploy has this card from now on.
async fn set_card(world: &ServeWorld, id: DeployId, card: Card) {
    let settings = SqliteSettings::new(Arc::new(WallClock));
    let file = Sqlite::open(&world.data(), settings).unwrap();
    let mut notification = file.read_notification(id).await.unwrap().unwrap();
    notification.version += 1;
    notification.card = Some(card);
    file.save_notification(notification).await.unwrap();
}
