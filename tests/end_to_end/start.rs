//! How `serve` starts, or says in one sentence why not, and what its log never contains.

use std::net::TcpListener;
use std::process::Command;

use chatops_core::deploy::DeployState::Succeeded;
use chatops_sandbox::HttpFault;
use chatops_sandbox::circleci::{CiCall, RunScript};
use chatops_sandbox::slack::{SIGNATURE_HEADER, TypedCommand};
use serde_json::Value;

use crate::operator::json;
use crate::support::{
    ChildProcess, FORM_TOKEN, SIGNING_SECRET, ServeWorld, TOKEN, assert_says, reject, run,
    run_args, wait_until,
};

/// Runs a command that must not start: the one sentence on standard error, without the directory of
/// this test.
async fn start_error(world: &ServeWorld, command: Command) -> String {
    let said = run(command).await.failure(1);
    for secret in [SIGNING_SECRET, TOKEN] {
        assert!(!said.contains(secret), "{said}");
    }
    said.replace(world.dir().to_str().unwrap(), "<dir>")
}

#[tokio::test]
async fn secrets_that_cannot_be_used() {
    let world = ServeWorld::new().await;
    let file = world.dir().join("secret");
    std::fs::write(&file, SIGNING_SECRET).unwrap();
    let file_name = file.to_str().unwrap();
    let gone = world.dir().join("gone");
    let with = async |changes: &[(&str, Option<&str>)]| {
        let mut command = world.command();
        for (name, value) in changes {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        start_error(&world, command).await
    };
    let (value, path) = ("SLACK_SIGNING_SECRET", "SLACK_SIGNING_SECRET_FILE");
    let mut said = vec![
        with(&[(value, None)]).await,
        with(&[(value, Some(" "))]).await,
        with(&[(value, Some("fifteen-letters"))]).await,
        with(&[(value, Some("several words are not one"))]).await,
        with(&[("CIRCLECI_TOKEN", None)]).await,
        with(&[(path, Some(file_name))]).await,
        with(&[(value, None), (path, gone.to_str())]).await,
    ];
    std::fs::write(&file, "\n").unwrap();
    said.push(with(&[(value, None), (path, Some(file_name))]).await);
    insta::assert_snapshot!(said.join("\n"), @"
    error: SLACK_SIGNING_SECRET is not set: put the Slack app's signing secret there, or the path of a file that holds it in SLACK_SIGNING_SECRET_FILE
    error: SLACK_SIGNING_SECRET does not hold the Slack app's signing secret: it is empty
    error: SLACK_SIGNING_SECRET does not hold the Slack app's signing secret: it is too short
    error: SLACK_SIGNING_SECRET does not hold the Slack app's signing secret: it is not one word of plain characters
    error: CIRCLECI_TOKEN is not set: put a CircleCI personal API token there, or the path of a file that holds it in CIRCLECI_TOKEN_FILE
    error: SLACK_SIGNING_SECRET and SLACK_SIGNING_SECRET_FILE are both set: keep one
    error: SLACK_SIGNING_SECRET_FILE names <dir>/gone, which does not exist
    error: <dir>/secret does not hold the Slack app's signing secret: it is empty
    ");
}

#[tokio::test]
async fn live_cards_without_a_bot() {
    let world = ServeWorld::new().await;
    let text = std::fs::read_to_string(world.config()).unwrap();
    let text = text.replacen("[slack]\n", "[slack]\nlive = true\n", 1);
    std::fs::write(world.config(), text).unwrap();
    let said = start_error(&world, world.command()).await;
    insta::assert_snapshot!(said, @"error: `live = true` in [slack] needs a bot, and SLACK_BOT_TOKEN is not set: put the app's bot token there, or the path of a file that holds it in SLACK_BOT_TOKEN_FILE; or set `live = false`");
    // It has touched nothing.
    assert!(!world.data().exists());
    let server = world.serve_with_bot().await;
    server.stop().await;
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used() {
    let world = ServeWorld::new().await;
    let good = std::fs::read_to_string(world.config()).unwrap();
    std::fs::remove_file(world.config()).unwrap();
    let mut said = vec![start_error(&world, world.command()).await];
    for (from, to) in [
        ("exclusive = false", "exclusiv = false"),
        ("exclusive = false", "users = []"),
        ("release/*", "release/["),
        ("\"U0009\"", "\"ada\""),
        ("trigger_window = \"3s\"", "trigger_window = \"1s\""),
        ("version = 1", "version = 2"),
    ] {
        let text = good.replace(from, to);
        assert_ne!(text, good);
        std::fs::write(world.config(), text).unwrap();
        said.push(start_error(&world, world.command()).await);
    }
    for text in [&b""[..], b"version = \xff"] {
        std::fs::write(world.config(), text).unwrap();
        said.push(start_error(&world, world.command()).await);
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    error: the configuration <dir>/chatops.toml cannot be read
      cause: No such file or directory (os error 2)
    error: <dir>/chatops.toml:55:1: [projects.web.jobs.test] has no key `exclusiv`: did you mean `exclusive`?
      55 | exclusiv = false
         | ^^^^^^^^
    error: <dir>/chatops.toml:55:1: this is there twice already: keep one of them
      55 | users = []
         | ^^^^^
    error: <dir>/chatops.toml:30:21: a branch pattern may hold only letters, digits, `.` `_` `/` `-` and `*`
      30 | branches = ["main", "release/["]
         |                     ^^^^^^^^^^^
    error: <dir>/chatops.toml:49:10: 'ada' is neither a user id nor a name from [users]: Slack's profile menu copies it ("Copy member ID"), like U012ABCDEF
      49 | users = ["ada"]
         |          ^^^^^
    error: <dir>/chatops.toml:13:18: trigger_window (1s) must be longer than request_timeout (2s)
      13 | trigger_window = "1s"
         |                  ^^^^
    error: <dir>/chatops.toml:1:11: this program reads version = 1, not 2
      1 | version = 2
        |           ^
    error: <dir>/chatops.toml has 2 mistakes

    <dir>/chatops.toml:1:1: `version` is missing: write version = 1 at the top of the file
      1 |
        | ^

    <dir>/chatops.toml:1:1: a table [slack] with teams = ["T012ABCDEF"] is missing
      1 |
        | ^
    error: the configuration <dir>/chatops.toml cannot be read
      cause: stream did not contain valid UTF-8
    "#);
}

#[tokio::test]
async fn an_address_that_is_taken() {
    let world = ServeWorld::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let command = world.command_on(&world.data(), &address);
    let said = start_error(&world, command).await;
    insta::assert_snapshot!(said.replace(&address, "<address>"), @"
    error: cannot listen on <address>
      cause: Address already in use (os error 98)
    ");
}

#[tokio::test]
async fn a_data_file_that_cannot_be_used() {
    let world = ServeWorld::new().await;
    let with_data = |path: &str| world.command_on(&world.dir().join(path), "127.0.0.1:0");
    let mut said = Vec::new();
    for path in ["gone/chatops.db", "chatops.toml", "."] {
        said.push(start_error(&world, with_data(path)).await);
    }
    // Nothing was made that would have to be removed.
    let left = std::fs::read_dir(world.dir()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["chatops.toml"]);
    insta::assert_snapshot!(said.join("\n"), @r#"
    error: <dir>/gone/chatops.db cannot be opened for writing; check that its directory exists and is writable (No such file or directory (os error 2))
    error: <dir>/chatops.toml is not a data file of chatops; name another one
    error: <dir>/. cannot be opened for writing; check that its directory exists and is writable (is a directory)
    "#);
}

#[tokio::test]
async fn a_second_server_on_the_same_data_stays_out() {
    let (world, server) = ServeWorld::start().await;
    insta::assert_snapshot!(start_error(&world, world.command()).await, @r#"error: the data file <dir>/chatops.db is in use by another `chatops serve`, perhaps under another name; stop that one, or give this one another file"#);
    // The first one was not disturbed.
    world.deploy(&server, "main test", Succeeded).await;
    server.stop().await;
    world.serve().await.stop().await;
}

#[tokio::test]
async fn a_usage_error_ends_with_two() {
    for arguments in [
        &["--colour"][..],
        &["--listen", "nowhere"],
        &["--log", "xml"],
        &["more"],
    ] {
        let ended = run_args(&[&["serve"], arguments].concat()).await;
        assert_says(&ended.failure(2), "--help");
    }
    assert_says(&run_args(&["sreve"]).await.failure(2), "'serve'");
}

#[tokio::test]
async fn help_and_version_are_no_errors() {
    for arguments in ["--help", "--version"] {
        let ended = run_args(&[arguments]).await;
        assert_says(&ended.success(), "chatops");
        assert_eq!(ended.stderr, [""; 0]);
    }
    let help = run_args(&["serve", "--help"]).await.success();
    for word in [
        "--config",
        "--data",
        "--listen",
        "--log",
        "SLACK_SIGNING_SECRET",
        "_FILE",
    ] {
        assert_says(&help, word);
    }
}

#[tokio::test]
async fn a_log_level_that_is_none() {
    let world = ServeWorld::new().await;
    let mut command = world.command();
    command.args(["--log-level", "warning"]);
    let said = run(command).await.failure(2);
    assert_says(
        &said,
        "'warning' is not a level: there are off, error, warn, info, debug and trace",
    );
    let server = world
        .serve_with(&["--log-level", "info,chatops_worker=debug"])
        .await;
    server.stop().await;
}

#[tokio::test]
async fn a_secret_in_a_file_is_as_good_and_can_be_changed_while_it_serves() {
    let world = ServeWorld::new().await;
    let file = world.dir().join("token");
    std::fs::write(&file, "a-token-of-yesterday\n").unwrap();
    let mut command = world.command();
    command
        .env_remove("CIRCLECI_TOKEN")
        .env("CIRCLECI_TOKEN_FILE", &file);
    let process = ChildProcess::spawn(command);
    let url = process.url().await;
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let typed = TypedCommand::new("main test");
    world.sandbox.type_command(&url, typed).await;
    // CircleCI rejects the old token; the new one is read and used.
    world.wait_final(Succeeded).await;
    process.wait_line("a secret was read from its file").await;
    assert_eq!(world.trigger_count(), 2);
}

#[tokio::test]
async fn the_json_log_is_json_and_names_the_deploy() {
    let world = ServeWorld::new().await;
    let server = world.serve_with(&["--log", "json"]).await;
    world.deploy(&server, "main test", Succeeded).await;
    let id = world.wait_settled().await.only_record().id.to_string();
    let ended = server.stop().await;
    assert_eq!(ended.stderr, [""; 0]);
    let lines: Vec<Value> = ended.stdout.iter().map(|line| json(line)).collect();
    for line in &lines {
        for key in ["timestamp", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
    }
    let about = lines.iter().filter(|line| line["deploy.id"] == id);
    let about: Vec<_> = about
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    for step in [
        "command queued",
        "deploy requested",
        "triggering CircleCI",
        "trigger sent",
        "recorded",
        "posted to Slack",
    ] {
        assert!(about.contains(&step), "{step}: {about:?}");
    }
}

/// Everything that a library could log happens once, at the lowest level.
#[tokio::test]
async fn no_secret_is_ever_logged() {
    let world = ServeWorld::new().await;
    let circleci = world.sandbox.circleci();
    let slack = world.sandbox.slack();
    let mut said = Vec::new();
    let mut secrets = [SIGNING_SECRET, TOKEN, FORM_TOKEN]
        .map(str::to_owned)
        .to_vec();
    for format in ["text", "json"] {
        let log = ["--log", format, "--log-level", "trace"];
        let server = world.serve_with(&log).await;
        let send = async |text: &str| world.send(&server, text).await;
        let done = async |count: usize| {
            wait_until("the deploys' ends", || {
                let notifications = world.records().notifications;
                let settled = notifications
                    .values()
                    .filter(|one| one.final_status.is_settled());
                (settled.count() == count).then_some(())
            })
            .await;
        };
        let before = world.records().records.len();
        world.fail_next_trigger(HttpFault::AnswerLost);
        circleci.fail_next(CiCall::List, HttpFault::Garbage);
        let found = send("main test").await;
        done(before + 1).await;
        world.fail_next_trigger(HttpFault::HalfBody);
        circleci.fail_next(CiCall::Pipeline, reject(401, "You must log in first."));
        let half = send("main e2e").await;
        done(before + 2).await;
        world.script_next(RunScript::config_error("no"));
        slack.fail_next(HttpFault::AnswerLost);
        let unsent = send("main deploy").await;
        done(before + 3).await;
        let rejected = send("feature/x deploy").await;
        done(before + 4).await;
        let mut forged = world.compose(&server, "main test");
        forged
            .signed
            .set_header(SIGNATURE_HEADER, format!("v0={}", "0".repeat(64)));
        world.sandbox.command_sender().send(&forged).await;
        let bad = send("a$(reboot) deploy").await;
        for sent in [found, half, unsent, rejected, forged, bad] {
            secrets.push(sent.response_path.rsplit('/').next().unwrap().to_owned());
            for (name, value) in &sent.signed.headers {
                if *name == SIGNATURE_HEADER && !value.ends_with("00000000") {
                    secrets.push(value.clone());
                }
            }
        }
        let ended = server.stop().await;
        said.extend(ended.stdout);
        said.extend(ended.stderr);
    }
    let said = said.join("\n");
    // The log does contain what happened.
    for word in [
        "command queued",
        "unknown",
        "looked up the pipeline",
        "not verified to be Slack's",
    ] {
        assert!(said.contains(word), "{word}");
    }
    for secret in &secrets {
        assert!(!said.contains(secret), "{secret} is in the log");
    }
    // Nor does the data file keep them, once every requester is notified.
    let records = world.records();
    let kept = format!("{:?}", records.messages);
    for id in records.records.keys() {
        assert!(records.notifications[id].response_url.is_none(), "{id}");
        let audit = records.audit(*id);
        for secret in &secrets {
            let found = audit.contains(secret) || kept.contains(secret);
            assert!(!found, "{secret}");
        }
    }
}
