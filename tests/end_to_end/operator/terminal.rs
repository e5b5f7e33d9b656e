//! What concerns the terminal and the configuration alone: a reader that stops reading, `config check`,
//! completions, manual pages.

use chatops_core::deploy::DeployState::Succeeded;

use crate::support::{ServeWorld, assert_says, chatops, run_args};

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
        assert_eq!(ended.stderr, b"", "{arguments:?}");
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
async fn completions_and_manual_pages_are_printed() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run_args(&["completions", shell]).await.success();
        assert_says(&script, "history");
    }
    for (arguments, title) in [
        (&["man"][..], "\n.TH chatops 1"),
        (&["man", "audit", "verify"], "\n.TH chatops-audit-verify 1"),
    ] {
        let page = run_args(arguments).await.success();
        assert_says(&page, title);
    }
    run_args(&["man", "hsitory"]).await.failure(2);
}
