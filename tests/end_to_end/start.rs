//! How `serve` starts, or says in one sentence why not; and what its log never holds.

use std::net::TcpListener;
use std::process::Command;

use chatops_sandbox::Fault;
use chatops_sandbox::circleci::{Call, Script};
use chatops_sandbox::slack::SIGNATURE_HEADER;
use serde_json::Value;

use crate::support::{Ended, FORM_TOKEN, Process, SIGNING_SECRET, TOKEN, World, chatops, until};

/// Runs a command that must not start: the one sentence on standard error, with the folder of this
/// test left out.
async fn refusal(world: &World, command: Command) -> String {
    let Ended {
        code,
        stdout,
        stderr,
    } = Process::spawn(command).ended().await;
    assert_eq!(code, Some(1), "{stderr:?}");
    assert_eq!(stdout, [""; 0], "nothing is served");
    let said = stderr.join("\n");
    for secret in [SIGNING_SECRET, TOKEN] {
        assert!(!said.contains(secret), "{said}");
    }
    said.replace(world.dir().to_str().unwrap(), "<dir>")
}

#[tokio::test]
async fn secrets_that_cannot_be_used() {
    let world = World::new().await;
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
        refusal(&world, command).await
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
    insta::assert_snapshot!(said.join("\n"), @r#"
    chatops: SLACK_SIGNING_SECRET is not set: put the Slack app's signing secret there, or the path of a file that holds it in SLACK_SIGNING_SECRET_FILE
    chatops: SLACK_SIGNING_SECRET does not hold the Slack app's signing secret: it is empty
    chatops: SLACK_SIGNING_SECRET does not hold the Slack app's signing secret: it is too short
    chatops: SLACK_SIGNING_SECRET does not hold the Slack app's signing secret: it is not one word of plain characters
    chatops: CIRCLECI_TOKEN is not set: put a CircleCI personal API token there, or the path of a file that holds it in CIRCLECI_TOKEN_FILE
    chatops: SLACK_SIGNING_SECRET and SLACK_SIGNING_SECRET_FILE are both set: keep one
    chatops: SLACK_SIGNING_SECRET_FILE names <dir>/gone, which cannot be read: No such file or directory (os error 2)
    chatops: <dir>/secret does not hold the Slack app's signing secret: it is empty
    "#);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used() {
    let world = World::new().await;
    let good = std::fs::read_to_string(world.config()).unwrap();
    std::fs::remove_file(world.config()).unwrap();
    let mut said = vec![refusal(&world, world.command()).await];
    for (from, to) in [
        ("exclusive = false", "exclusiv = false"),
        ("exclusive = false", "people = []"),
        ("release/*", "release/["),
        ("\"U0009\"", "\"ada\""),
        ("send_window = \"3s\"", "send_window = \"1s\""),
        ("version = 1", "version = 2"),
    ] {
        let text = good.replace(from, to);
        assert_ne!(text, good);
        std::fs::write(world.config(), text).unwrap();
        said.push(refusal(&world, world.command()).await);
    }
    for text in [&b""[..], b"version = \xff"] {
        std::fs::write(world.config(), text).unwrap();
        said.push(refusal(&world, world.command()).await);
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    chatops: the configuration <dir>/chatops.toml cannot be read: No such file or directory (os error 2)
    chatops: <dir>/chatops.toml:61:1: unknown field `exclusiv`, expected one of `aliases`, `trigger`, `definition`, `job_parameter`, `deploy_id_parameter`, `parameters`, `environment`, `exclusive`, `branches`, `channels`, `people`
    chatops: <dir>/chatops.toml:61:1: duplicate key
    chatops: <dir>/chatops.toml:37:21: a branch pattern may hold only letters, digits, `.` `_` `/` `-` and `*`
    chatops: <dir>/chatops.toml:55:11: 'ada' is neither a user id nor a name from [people]
    chatops: <dir>/chatops.toml:20:15: send_window (1s) must be longer than request_timeout (2s)
    chatops: <dir>/chatops.toml:2:11: this program reads version = 1
    chatops: <dir>/chatops.toml:1:1: missing field `version`
    chatops: the configuration <dir>/chatops.toml cannot be read: stream did not contain valid UTF-8
    "#);
}

#[tokio::test]
async fn an_address_that_is_taken() {
    let world = World::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let command = world.command_on(&world.data(), &address);
    let said = refusal(&world, command).await;
    insta::assert_snapshot!(said.replace(&address, "<address>"), @r#"chatops: cannot listen on <address>: Address already in use (os error 98)"#);
}

#[tokio::test]
async fn a_data_file_that_cannot_be_used() {
    let world = World::new().await;
    let with_data = |path: &str| world.command_on(&world.dir().join(path), "127.0.0.1:0");
    let mut said = Vec::new();
    for path in ["gone/chatops.db", "chatops.toml", "."] {
        said.push(refusal(&world, with_data(path)).await);
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    chatops: <dir>/gone/chatops.db cannot be opened for writing; check that its directory exists and is writable (No such file or directory (os error 2))
    chatops: <dir>/chatops.toml is not a data file of chatops; name another one
    chatops: <dir>/. cannot be opened for writing; check that its directory exists and is writable (is a directory)
    "#);
}

#[tokio::test]
async fn a_second_server_on_the_same_data_stays_out() {
    let world = World::new().await;
    let server = world.serve().await;
    insta::assert_snapshot!(refusal(&world, world.command()).await, @r#"chatops: the data file <dir>/chatops.db is in use: another `chatops serve` holds <dir>/chatops.db.lock; stop that one, or give this one another file"#);
    // The first one was not disturbed.
    world.types(&server, "main test").await;
    world.message("*Succeeded:*").await;
    server.stop().await;
    world.serve().await.stop().await;
}

#[tokio::test]
async fn what_was_not_typed_right_ends_with_two() {
    for arguments in [
        &["--colour"][..],
        &["--listen", "nowhere"],
        &["--log", "xml"],
        &["more"],
    ] {
        let mut command = chatops("serve");
        command.args(arguments);
        let ended = Process::spawn(command).ended().await;
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert_eq!(ended.stdout, [""; 0]);
        assert!(
            ended.stderr.join("\n").contains("--help"),
            "{:?}",
            ended.stderr
        );
    }
    let ended = Process::spawn(chatops("sreve")).ended().await;
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.join("\n").contains("'serve'"),
        "{:?}",
        ended.stderr
    );
}

#[tokio::test]
async fn help_and_version_are_no_errors() {
    for arguments in ["--help", "--version"] {
        let ended = Process::spawn(chatops(arguments)).ended().await;
        assert_eq!((ended.code, ended.stderr.len()), (Some(0), 0));
        assert!(
            ended.stdout.join("\n").contains("chatops"),
            "{:?}",
            ended.stdout
        );
    }
    let mut command = chatops("serve");
    command.arg("--help");
    let ended = Process::spawn(command).ended().await;
    let said = ended.stdout.join("\n");
    assert_eq!(ended.code, Some(0));
    for word in [
        "--config",
        "--data",
        "--listen",
        "--log",
        "SLACK_SIGNING_SECRET",
        "_FILE",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!said.contains('\u{1b}'), "{said}");
}

#[tokio::test]
async fn a_log_level_that_is_none() {
    let world = World::new().await;
    let mut command = world.command();
    command.args(["--log-level", "chatops=loud"]);
    insta::assert_snapshot!(refusal(&world, command).await, @r#"chatops: 'chatops=loud' is not a log level such as info: error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5"#);
}

#[tokio::test]
async fn a_secret_in_a_file_is_as_good_and_can_be_changed_while_it_serves() {
    let world = World::new().await;
    let file = world.dir().join("token");
    std::fs::write(&file, "a-token-of-yesterday\n").unwrap();
    let mut command = world.command();
    command
        .env_remove("CIRCLECI_TOKEN")
        .env("CIRCLECI_TOKEN_FILE", &file);
    let process = Process::spawn(command);
    let url = process.url().await;
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let typed = chatops_sandbox::slack::Typed::new("main test");
    world.sandbox.type_command(&url, typed).await;
    // CircleCI refuses the old token; the new one is read and used.
    world.message("*Succeeded:*").await;
    process.says("a secret was read afresh").await;
    assert_eq!(world.posts_so_far(), 2);
}

#[tokio::test]
async fn the_json_log_is_json_and_names_the_deploy() {
    let world = World::new().await;
    let server = world.serve_with(&["--log", "json"]).await;
    world.types(&server, "main test").await;
    world.message("*Succeeded:*").await;
    let id = world.quiet().await.only().id.to_string();
    let ended = server.stop().await;
    assert_eq!(ended.stderr, [""; 0]);
    let lines: Vec<Value> = ended
        .stdout
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    for line in &lines {
        for key in ["timestamp", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
    }
    let about: Vec<&str> = lines
        .iter()
        .filter(|line| line["deploy.id"] == id)
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

/// Everything that could make a library talk happens once, with everything logged.
#[tokio::test]
async fn no_secret_is_ever_logged() {
    let world = World::new().await;
    let circleci = world.sandbox.circleci();
    let slack = world.sandbox.slack();
    let mut said = Vec::new();
    let mut secrets = vec![
        SIGNING_SECRET.to_owned(),
        TOKEN.to_owned(),
        FORM_TOKEN.to_owned(),
    ];
    for format in ["text", "json"] {
        let server = world
            .serve_with(&["--log", format, "--log-level", "trace"])
            .await;
        let send = async |text: &str| {
            let sent = world.compose(&server, text);
            world.sandbox.client().send(&sent).await;
            sent
        };
        let done = async |count: usize| {
            until("the deploys' ends", || {
                let records = world.records();
                let told = records.replies.values().filter(|r| r.last.is_settled());
                (told.count() == count).then_some(())
            })
            .await;
        };
        let before = world.records().heads.len();
        circleci.fail_next(Call::Trigger, Fault::AnswerLost);
        circleci.fail_next(Call::List, Fault::Garbage);
        let found = send("main test").await;
        done(before + 1).await;
        circleci.fail_next(Call::Trigger, Fault::HalfBody);
        circleci.fail_next(
            Call::Pipeline,
            Fault::Refuse {
                status: 401,
                retry_after_s: None,
                message: "You must log in first.".to_owned(),
            },
        );
        let half = send("main e2e").await;
        done(before + 2).await;
        circleci.lock().script_next(Script::config_error("no"));
        slack.fail_next(Fault::AnswerLost);
        let untold = send("main deploy").await;
        done(before + 3).await;
        let refused = send("main reboot").await;
        done(before + 4).await;
        let mut forged = world.compose(&server, "main test");
        forged
            .signed
            .set(SIGNATURE_HEADER, format!("v0={}", "0".repeat(64)));
        world.sandbox.client().send(&forged).await;
        let bad = send("a$(reboot) deploy").await;
        for sent in [found, half, untold, refused, forged, bad] {
            secrets.push(sent.response_path.rsplit('/').next().unwrap().to_owned());
            let headers = sent.signed.headers.iter();
            let signatures = headers
                .filter(|(name, value)| *name == SIGNATURE_HEADER && !value.ends_with("00000000"));
            secrets.extend(signatures.map(|(_, value)| value.clone()));
        }
        let ended = server.stop().await;
        said.extend(ended.stdout);
        said.extend(ended.stderr);
    }
    let said = said.join("\n");
    // The log did hold what was looked for to be missing.
    for word in [
        "command queued",
        "unknown",
        "looked for the proof",
        "is not known to be Slack's",
    ] {
        assert!(said.contains(word), "{word}");
    }
    for secret in &secrets {
        assert!(!said.contains(secret), "{secret} is in the log");
    }
    // Nor does the data file keep them, once everybody is told.
    let records = world.records();
    let kept = format!("{:?}", records.messages);
    for id in records.heads.keys() {
        assert!(records.replies[id].address.is_none(), "{id}");
        let audit = records.audit(*id);
        for secret in &secrets {
            assert!(
                !audit.contains(secret) && !kept.contains(secret),
                "{secret}"
            );
        }
    }
}
