//! What concerns the terminal and the configuration alone: a reader that stops reading, `config check`,
//! completions, manual pages.

use chatops_core::deploy::DeployState::Succeeded;
use serde_json::{Value, json};

use crate::operator;
use crate::support::{ServeWorld, assert_says, chatops, run, run_args};

#[tokio::test]
async fn a_reader_that_has_enough_is_no_error() {
    let (world, server) = ServeWorld::start().await;
    world.deploy(&server, "main deploy", Succeeded).await;
    let config = world.config();
    let config = config.to_str().unwrap();
    for (arguments, code) in [
        (&["history"][..], 0),
        (&["history", "--json"], 0),
        (&["audit", "verify"], 0),
        (&["config", "check", "--config", config], 0),
        (&["completions", "bash"], 0),
        (&["man"], 0),
        // The verdict stands even if nobody reads it.
        (&["doctor", "--config", "/nowhere"], 1),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = chatops(arguments[0]);
        command.args(&arguments[1..]);
        command.env("CHATOPS_DATA", world.data()).stdout(writer);
        let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
        let ended = ended.await.unwrap();
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}");
        let said = String::from_utf8(ended.stderr).unwrap();
        let is_warned = arguments[0] == "config" && said.starts_with("warning: ");
        assert!(said.is_empty() || is_warned, "{arguments:?}: {said}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_configuration_is_checked_without_anything_else() {
    let world = ServeWorld::new().await;
    let check = async |path: &str| run_args(&["config", "check", "--config", path]).await;
    let path = world.config();
    let path = path.to_str().unwrap();
    let text = check(path).await.success();
    assert_says(&text, "Project web, gh/acme/web at CircleCI");
    assert_says(&text, "    users     U0009");

    let written = std::fs::read_to_string(path).unwrap();
    let wrong = written.replace("slug = \"gh/acme/web\"", "slug = \"web\"");
    std::fs::write(path, wrong).unwrap();
    let line = written.lines().position(|line| line.starts_with("slug"));
    let position = format!("chatops.toml:{}:", line.unwrap() + 1);
    assert_says(&check(path).await.failure(1), &position);
    let why = check("/nowhere/chatops.toml").await.failure(1);
    assert_says(&why, "cannot be read");
}

#[tokio::test]
async fn every_mistake_is_said_to_people_and_to_programs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chatops.toml");
    let path = path.to_str().unwrap();
    std::fs::write(
        path,
        "version = 1\n[slak]\nteams = 'T012'\n[chanels]\nops = '#ops'\n",
    )
    .unwrap();
    let said = run_args(&["config", "check", "--config", path])
        .await
        .failure(1);
    let said = said.replace(path, "chatops.toml");
    insta::assert_snapshot!(said, @r#"
    error: chatops.toml has 4 mistakes

    chatops.toml:2:2: there is no [slak]: did you mean [slack]?
      2 | [slak]
        |  ^^^^

    chatops.toml:3:9: `teams` takes a list of texts, not a text in quotes: write ["T012"]
      3 | teams = 'T012'
        |         ^^^^^^

    chatops.toml:4:2: there is no [chanels]: did you mean [channels]?
      4 | [chanels]
        |  ^^^^^^^

    chatops.toml:5:7: '#ops' is not a channel id; Slack shows it at the foot of a channel's details, like C012ABCDEF
      5 | ops = '#ops'
        |       ^^^^^^
    "#);
    let json = run_args(&["config", "check", "--json", "--config", path]).await;
    assert_eq!((json.code, json.stderr.len()), (Some(1), 0), "{json:?}");
    let report = operator::json(&json.stdout[0]);
    assert_eq!(
        (&report["ok"], &report["summary"]),
        (&false.into(), &Value::Null)
    );
    let mistakes = report["mistakes"].as_array().unwrap();
    assert_eq!(mistakes.len(), 4, "{report}");
    let first = &mistakes[0];
    assert_eq!((&first["line"], &first["column"]), (&2.into(), &2.into()));
    assert_eq!(
        (&first["key"], &first["suggestion"]),
        (&"slak".into(), &"slack".into())
    );

    // Warnings are no mistakes, unless they are meant to be.
    std::fs::write(path, "version = 1\n[slack]\nteams = []\n").unwrap();
    let json = run_args(&["config", "check", "--json", "--config", path])
        .await
        .success();
    let report = operator::json(&json);
    assert_eq!(report["warnings"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(report["summary"]["teams"], json!([]));
    let strict = run_args(&["config", "check", "--strict", "--config", path]).await;
    assert_eq!(strict.code, Some(1));
    assert_says(
        &strict.stderr.join("\n"),
        "has 2 warnings, which --strict takes for mistakes",
    );
}

#[tokio::test]
async fn a_first_configuration_is_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let init = async |arguments: &[&str]| {
        let mut command = chatops("config");
        command.arg("init").args(arguments).current_dir(dir.path());
        run(command).await
    };
    let ids = [
        "--team",
        "T012ABCDEF",
        "--channel",
        "C012ABCDEF",
        "--user",
        "U012ABCDEF",
    ];
    let written = init(&[&["--slug", "gh/acme/web"], &ids[..]].concat()).await;
    assert_says(&written.success(), "chatops.toml is written");
    assert_eq!(written.stderr, [""; 0]);
    let mut check = chatops("config");
    check.args(["check", "--strict"]).current_dir(dir.path());
    assert_says(
        &run(check).await.success(),
        "Project web, gh/acme/web at CircleCI",
    );
    assert_says(
        &init(&[]).await.failure(1),
        "chatops.toml exists and is not overwritten",
    );
    // Nothing is asked where nobody can answer; the gaps are named.
    let gaps = init(&["other.toml"]).await;
    assert_eq!(gaps.code, Some(0));
    assert_says(&gaps.stderr.join("\n"), "Still to fill in:");
    let shown = init(&["-"]).await.success();
    assert_says(&shown, "slug = \"\"");
}

#[tokio::test]
async fn errors_look_alike_and_are_json_for_programs() {
    let wrong = |arguments: &'static [&'static str]| async move {
        let ended = run_args(arguments).await;
        (ended.code, ended.stdout, ended.stderr)
    };
    let (code, out, said) = wrong(&["cancel", "1a2b3c4d", "--data", "/nowhere/x.db"]).await;
    assert_eq!((code, out.len()), (Some(1), 0));
    assert!(said[0].starts_with("error: "), "{said:?}");
    let (code, out, said) =
        wrong(&["cancel", "1a2b3c4d", "--json", "--data", "/nowhere/x.db"]).await;
    assert_eq!((code, said.len()), (Some(1), 1), "{said:?}");
    let error = operator::json(&out[0])["error"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(said[0], format!("error: {error}"));
    for arguments in [
        &["cancel", "main", "--json"][..],
        &["retry", "--json"],
        &["hsitory", "--json"],
        &["history", "--json", "--stack", "web"],
        &["plan", "main", "deploy", "--json"],
    ] {
        let ended = run_args(arguments).await;
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        let error = operator::json(&ended.stdout[0]);
        let first = format!("error: {}", error["error"].as_str().unwrap());
        let said = ended.stderr.iter().take_while(|line| !line.is_empty());
        let said: Vec<&str> = said.map(|line| line.trim()).collect();
        assert_eq!(said.join(" "), first);
        assert!(ended.stderr.last().unwrap().contains("--help"), "{ended:?}");
    }
    let alone = run_args(&["retry"]).await.failure(2);
    assert_says(&alone, "--all");
}

#[tokio::test]
async fn options_for_aws_are_shown_where_they_count() {
    for (command, is_shown) in [
        ("history", true),
        ("status", true),
        ("doctor", true),
        ("serve", false),
        ("config", false),
        ("man", false),
        ("demo", false),
    ] {
        let help = run_args(&[command, "--help"]).await.success();
        assert_eq!(help.contains("--stack"), is_shown, "{command}: {help}");
    }
    let check = run_args(&["config", "check", "--help"]).await.success();
    assert!(
        !check.contains("--stack") && check.contains("--strict"),
        "{check}"
    );
    // They are understood all the same.
    let why = run_args(&["--aws", "man"]).await.failure(2);
    assert_says(&why, "leave it out here");
}

#[tokio::test]
async fn completions_and_manual_pages_are_printed() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run_args(&["completions", shell]).await.success();
        assert_says(&script, "history");
    }
    for (arguments, title) in [
        (&["man"][..], ".TH \"CHATOPS\" \"1\""),
        (
            &["man", "audit", "verify"],
            ".TH \"CHATOPS-AUDIT-VERIFY\" \"1\"",
        ),
    ] {
        let page = run_args(arguments).await.success();
        assert_says(&page, title);
    }
    run_args(&["man", "hsitory"]).await.failure(2);
    let dir = tempfile::tempdir().unwrap();
    let written = run_args(&["man", "--dir", dir.path().to_str().unwrap()])
        .await
        .success();
    assert!(written.lines().count() > 15, "{written}");
    assert!(dir.path().join("chatops-config-check.1").exists());
    run_args(&["man", "--dir", "/nowhere/man1"])
        .await
        .failure(1);
}
