//! A log that cannot be written: the server goes on, and says how much is missing.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};

use chatops_core::deploy::DeployState::Succeeded;
use chatops_testkit::address::free_address;

use crate::support::{ServeWorld, ServerProcess, assert_says, chatops, run};

/// A server at an address that is known without its log.
async fn serve_unseen(world: &ServeWorld, lead: impl FnOnce(&mut Command)) -> ServerProcess {
    let address = free_address().to_string();
    let mut command = world.command_on(&world.data(), &address);
    lead(&mut command);
    ServerProcess::start_unseen(command, &address).await
}

fn full() -> Stdio {
    let full = OpenOptions::new().write(true).open("/dev/full");
    Stdio::from(full.unwrap())
}

#[tokio::test]
async fn a_full_disk_costs_lines_and_nothing_else() {
    let world = ServeWorld::new().await;
    let server = serve_unseen(&world, |command| {
        command.stdout(full()).stderr(full());
    })
    .await;
    world.deploy(&server, "main test", Succeeded).await;
    let lost = "log lines could not be written";
    assert_says(&server.health().await.1, lost);
    server.stop().await;
    // Said where it can be.
    let server = serve_unseen(&world, |command| {
        command.stdout(full());
    })
    .await;
    let said = server.stop().await.stderr.join("\n");
    let words = "chatops: lines of the log cannot be written to standard output: No space left";
    assert!(said.starts_with(words), "{said}");
}

#[tokio::test]
async fn a_reader_that_goes_takes_nothing_along() {
    let world = ServeWorld::new().await;
    let (read, write) = io::pipe().unwrap();
    let server = serve_unseen(&world, |command| {
        command.stdout(write.try_clone().unwrap()).stderr(write);
    })
    .await;
    let mut first = String::new();
    let mut reader = BufReader::new(read);
    reader.read_line(&mut first).unwrap();
    assert_says(&first, "a new data file was made");
    drop(reader);
    world.deploy(&server, "main test", Succeeded).await;
    world.deploy(&server, "main test", Succeeded).await;
    let lost = "log lines could not be written";
    assert_says(&server.health().await.1, lost);
    server.stop().await;
}

/// A full pipe that nobody reads: whoever waited for it would stand still.
#[tokio::test]
async fn a_reader_that_does_not_read_stops_nothing() {
    let world = ServeWorld::new().await;
    let (read, write) = io::pipe().unwrap();
    let server = serve_unseen(&world, |command| {
        command.args(["--log", "json", "--log-level", "trace"]);
        command.stdout(write);
    })
    .await;
    // More than the 64 KiB of a pipe.
    for _ in 0..30 {
        world.deploy(&server, "main test", Succeeded).await;
    }
    server.wait_health(200, "ok").await;
    server.stop().await;
    drop(read);
}

#[tokio::test]
async fn the_demo_goes_on_without_a_reader() {
    let mut command = chatops("demo");
    command.stdout(full());
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn an_error_that_nobody_can_read_is_no_panic() {
    let mut command = chatops("history");
    command.args(["--data", "/nothing/there.db"]).stderr(full());
    assert_eq!(run(command).await.code, Some(1));
}
