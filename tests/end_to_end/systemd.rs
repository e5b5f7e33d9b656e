//! The server as `packaging/chatops.service` has it: its threads are as many as it may have.

use std::fs;

use crate::support::{ServeWorld, ServerProcess};

const UNIT: &str = include_str!("../../packaging/chatops.service");

/// A runtime has a thread for each processor, if nobody says otherwise.
#[tokio::test]
async fn a_machine_of_many_processors_gives_it_no_more_threads_than_it_may_have() {
    let allowed = UNIT.lines().find_map(|line| line.strip_prefix("TasksMax="));
    let allowed: usize = allowed.unwrap().parse().unwrap();
    let world = ServeWorld::new().await;
    let mut command = world.command();
    command.env("TOKIO_WORKER_THREADS", "200");
    let server = ServerProcess::start(command).await;
    let threads = fs::read_dir(format!("/proc/{}/task", server.process.id())).unwrap();
    // The others are those of a busy server: for names, and for answers of CircleCI that are read.
    let threads = threads.count();
    assert!(threads <= allowed / 2, "{threads} of {allowed}");
    server.stop().await;
}
