//! The end of a deploy in a channel that follows: by the bot, once, and what becomes of it if the bot
//! may not post there.

use chatops_core::deploy::DeployState::{Failed, Succeeded, TriggerFailed};
use chatops_core::notification::{Announcement, DeliveryStatus};
use chatops_core::text::MessageKind;
use chatops_sandbox::HttpFault;
use chatops_sandbox::circleci::RunScript;
use chatops_sandbox::slack::ShownMessage;

use crate::support::{BUILD_TIME, ServeWorld, assert_says, chatops, mark, run};

/// A world in which the ends of `test` are announced in a channel, and in the one where it is typed.
async fn world() -> ServeWorld {
    let world = ServeWorld::new().await;
    world.configure("announce = [\"C0FEED\", \"C0001\"]\n");
    world
}

/// What was shown in the channel that follows.
fn announced(world: &ServeWorld) -> Vec<ShownMessage> {
    let model = world.sandbox.slack().lock();
    let there = |message: &&ShownMessage| message.channel == "C0FEED";
    model.messages().iter().filter(there).cloned().collect()
}

/// The announcements on record of the one deploy.
fn on_record(world: &ServeWorld) -> Vec<Announcement> {
    let records = world.records();
    let id = records.only_record().id;
    records.notifications[&id].announcements.clone()
}

#[tokio::test]
async fn the_end_is_announced_once_and_mentions_nobody() {
    for (script, state, word) in [
        (RunScript::success(BUILD_TIME), Succeeded, "*Succeeded:*"),
        (RunScript::failure(BUILD_TIME), Failed, "*Failed:*"),
    ] {
        let world = world().await;
        world.script("test", script);
        let server = world.serve_with_bot().await;
        world.sandbox.slack().lock().invite_bot("C0FEED");
        let sent = world.send(&server, "main test").await;
        // Where it was typed, the response URL says it, with the mention; no bot does.
        assert_says(&world.wait_end(&sent, state).await, "<@U0001>");
        world.wait_settled().await;
        let shown = announced(&world);
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert_eq!(mark(&shown[0]).unwrap().kind, MessageKind::Announcement);
        for part in [word, "`test` on `main`", " · ada", "View build"] {
            assert_says(&format!("{} {:?}", shown[0].text, shown[0].blocks), part);
        }
        assert!(!shown[0].text.contains("<@"), "{}", shown[0].text);
        let [feed] = &on_record(&world)[..] else {
            panic!("{:?}", on_record(&world))
        };
        assert!(
            matches!(feed.status, DeliveryStatus::Delivered { .. }),
            "{feed:?}"
        );
        server.stop().await;
    }
}

#[tokio::test]
async fn what_never_reached_circleci_is_not_announced() {
    let world = world().await;
    let server = world.serve_with_bot().await;
    world.sandbox.slack().lock().invite_bot("C0FEED");
    world.reject_next_trigger();
    let sent = world.send(&server, "main test").await;
    world.wait_end(&sent, TriggerFailed).await;
    assert!(announced(&world).is_empty() && on_record(&world).is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_channel_that_is_not_told_is_on_record_and_aloud() {
    for (bot, reason) in [(true, "not_in_channel"), (false, "there is no bot token")] {
        let world = world().await;
        let server = if bot {
            world.serve_with_bot().await
        } else {
            world.serve().await
        };
        world.sandbox.slack().lock().remove_bot("C0FEED");
        let sent = world.send(&server, "main test").await;
        world.wait_end(&sent, Succeeded).await;
        world.wait_settled().await;
        let [feed] = &on_record(&world)[..] else {
            panic!("{:?}", on_record(&world))
        };
        let failed = DeliveryStatus::Failed {
            reason: reason.to_owned(),
        };
        assert_eq!(feed.status, failed);
        let failed = world.send(&server, "failed").await;
        let line = format!("how it ended in <#C0FEED>: `{reason}`");
        assert_says(&world.wait_reply(&failed).await, &line);
        let ended = server.stop().await;
        let log = [ended.stdout, ended.stderr].concat().join("\n");
        assert_says(&log, "Slack was not told");
        assert_says(&log, "C0FEED");
        let mut command = chatops("failed");
        command.arg("--data").arg(world.data());
        let listed = run(command).await.stdout.join("\n");
        assert_says(&listed, &format!("how it ended in C0FEED: {reason}, "));
    }
}

#[tokio::test]
async fn a_lost_answer_is_repeated_with_a_mark_and_a_limit_is_waited_for() {
    let world = world().await;
    let server = world.serve_with_bot().await;
    let slack = world.sandbox.slack();
    slack.lock().invite_bot("C0FEED");
    slack.fail_next_bot(HttpFault::Reject {
        status: 429,
        retry_after_s: Some(1),
        message: "rate_limited".to_owned(),
    });
    slack.fail_next_bot(HttpFault::AnswerLost);
    let sent = world.send(&server, "main test").await;
    world.wait_end(&sent, Succeeded).await;
    world.wait_settled().await;
    let shown = announced(&world);
    let repeats: Vec<_> = shown
        .iter()
        .map(|message| mark(message).unwrap().repeat)
        .collect();
    assert_eq!(repeats, [false, true], "{shown:?}");
    assert_says(
        &shown[1].text,
        "repeated in case the first message was lost",
    );
    server.stop().await;
}
