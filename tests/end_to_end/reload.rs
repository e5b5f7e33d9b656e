//! SIGHUP: a changed configuration and changed secrets count without a restart, and what cannot be used
//! changes nothing.

use std::fs;

use chatops_core::deploy::DeployState::Succeeded;
use chatops_sandbox::circleci::RunScript;

use crate::support::{BUILD_TIME, ServeWorld, ServerProcess, TOKEN, assert_says, rate_limit};

/// A job that the world's configuration does not have.
const SHIP: &str = "\n[projects.web.jobs.ship]\nworkflow = \"deploy\"\nexclusive = false\nbranches = [\"*\"]\n\
    channels = [\"*\"]\nusers = [\"*\"]\n";

async fn reload(server: &ServerProcess, words: &str) -> String {
    server.process.send_signal("HUP");
    server.process.wait_line(words).await
}

#[tokio::test]
async fn a_changed_configuration_counts_from_now_on() {
    let world = ServeWorld::new().await;
    world.script("ship", RunScript::success(BUILD_TIME));
    let server = world.serve().await;
    let ack = world.type_command(&server, "main ship").await;
    assert_says(&ack.shown, "no job `ship`");
    world.configure(SHIP);
    let line = reload(&server, "the changed configuration is used from now on").await;
    assert_says(&line, "changed=\"[projects.web] changed\"");
    world.deploy(&server, "main ship", Succeeded).await;
    // The audit has the revision that decided.
    let records = world.wait_settled().await;
    let shipped = records.only_record().id;
    let (_, revision) = line.split_once(" config=").unwrap();
    let revision = revision.split(' ').next().unwrap();
    assert_says(&records.audit(shipped), revision);
    reload(&server, "the configuration has not changed").await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_in_progress_ends_as_it_began() {
    let world = ServeWorld::new().await;
    world.script("e2e", RunScript::success(BUILD_TIME * 5));
    let server = world.serve().await;
    let sent = world.send(&server, "main e2e").await;
    world.wait_running().await;
    // Its job is not there any more.
    let text = fs::read_to_string(world.config()).unwrap();
    fs::write(world.config(), text.replace("jobs.e2e]", "jobs.e3e]")).unwrap();
    reload(&server, "the changed configuration is used from now on").await;
    world.wait_end(&sent, Succeeded).await;
    let ack = world.type_command(&server, "main e2e").await;
    assert_says(&ack.shown, "no job `e2e`");
    server.stop().await;
}

#[tokio::test]
async fn a_configuration_with_a_mistake_changes_nothing() {
    let (world, server) = ServeWorld::start().await;
    let good = fs::read_to_string(world.config()).unwrap();
    let stays = "the configuration that was read before stays in use";
    for (text, mistake) in [
        ("nonsense".to_owned(), "chatops.toml:1:"),
        (
            good.replace("release/*", "release/["),
            "a branch pattern may hold only",
        ),
        (
            good.replacen("[slack]\n", "[slack]\nlive = true\n", 1),
            "`live = true` in [slack] needs a bot",
        ),
    ] {
        fs::write(world.config(), text).unwrap();
        let line = reload(&server, mistake).await;
        assert_says(&line, "the configuration is not used");
        server.process.wait_line(stays).await;
        world.deploy(&server, "main test", Succeeded).await;
    }
    fs::remove_file(world.config()).unwrap();
    reload(&server, "cannot be read: No such file").await;
    world.deploy(&server, "main test", Succeeded).await;
    server.stop().await;
}

#[tokio::test]
async fn secrets_are_read_again() {
    let world = ServeWorld::new().await;
    let (token, bot) = (world.dir().join("token"), world.dir().join("bot"));
    fs::write(&token, TOKEN).unwrap();
    fs::write(&bot, "xoxb-the-first-bot-token").unwrap();
    let mut command = world.command();
    command.env_remove("CIRCLECI_TOKEN");
    command.env("CIRCLECI_TOKEN_FILE", &token);
    command.env("SLACK_BOT_TOKEN_FILE", &bot);
    let server = ServerProcess::start(command).await;
    fs::write(&bot, "xoxb-the-second-bot-token").unwrap();
    let line = reload(&server, "a secret was read from its file").await;
    assert_says(&line, "SLACK_BOT_TOKEN");
    // What cannot be used is not.
    fs::write(&token, "\n").unwrap();
    let line = reload(&server, "the one that was read before stays in use").await;
    assert_says(
        &line,
        "token does not hold a CircleCI personal API token: it is empty",
    );
    world.deploy(&server, "main test", Succeeded).await;
    server.stop().await;
}

/// A pause that CircleCI has asked for holds, whatever the configuration says by then.
#[tokio::test]
async fn a_pause_outlasts_a_reload() {
    let (world, server) = ServeWorld::start().await;
    world.fail_next_trigger(rate_limit(60));
    world.send(&server, "main test").await;
    world.wait_triggers(1).await;
    world.configure(SHIP);
    reload(&server, "the changed configuration is used from now on").await;
    // The services are new ones, and wait as the others did.
    world.send(&server, "main test").await;
    server.process.wait_line("has asked for a pause").await;
    assert_eq!(world.trigger_count(), 1);
    server.stop().await;
}
