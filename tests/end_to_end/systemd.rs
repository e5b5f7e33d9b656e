//! The server as `packaging/chatops.service` has it: `systemctl start` waits until it serves, `systemctl status`
//! shows what a reload did not take up, and its threads are as many as it may have.

use std::fs;
use std::process::Command;

use tokio::net::UnixDatagram;
use tokio::time::timeout;

use crate::support::{ChildProcess, ServeWorld, ServerProcess, TOKEN, WAIT_TIMEOUT, assert_says};

const UNIT: &str = include_str!("../../packaging/chatops.service");

/// The end of the socket that the service manager has.
struct Manager(UnixDatagram);

impl Manager {
    /// Has the command tell it.
    fn of(world: &ServeWorld, command: &mut Command) -> Self {
        let path = world.dir().join("notify");
        command.env("NOTIFY_SOCKET", &path);
        Self(UnixDatagram::bind(path).unwrap())
    }

    /// The next message, without the time that a reload has.
    async fn hear(&self) -> String {
        let mut message = [0; 4096];
        let heard = timeout(WAIT_TIMEOUT, self.0.recv(&mut message)).await;
        let message = str::from_utf8(&message[..heard.unwrap().unwrap()]).unwrap();
        let lines = message.lines();
        let lines: Vec<_> = lines
            .filter(|line| !line.starts_with("MONOTONIC_USEC="))
            .collect();
        lines.join(" ")
    }

    async fn hear_reload(&self, server: &ServerProcess) -> String {
        server.process.send_signal("HUP");
        assert_eq!(self.hear().await, "RELOADING=1");
        self.hear().await
    }
}

#[tokio::test]
async fn it_is_told_what_the_server_does() {
    assert_says(UNIT, "\nType=notify\n");
    let world = ServeWorld::new().await;
    let token = world.dir().join("token");
    fs::write(&token, TOKEN).unwrap();
    let mut command = world.command();
    command.env_remove("CIRCLECI_TOKEN");
    command.env("CIRCLECI_TOKEN_FILE", &token);
    let manager = Manager::of(&world, &mut command);
    let server = ServerProcess::start(command).await;
    assert_eq!(manager.hear().await, "READY=1 STATUS=");
    let good = fs::read_to_string(world.config()).unwrap();
    // Only the server sees this mistake: `config check` reads no secret.
    let live = good.replacen("[slack]\n", "[slack]\nlive = true\n", 1);
    fs::write(world.config(), live).unwrap();
    assert_eq!(
        manager.hear_reload(&server).await,
        "READY=1 STATUS=the configuration that was read before stays in use: the log says why"
    );
    fs::write(world.config(), good).unwrap();
    fs::write(&token, "\n").unwrap();
    assert_eq!(
        manager.hear_reload(&server).await,
        "READY=1 STATUS=a secret that was read before stays in use: the log says why"
    );
    fs::write(&token, TOKEN).unwrap();
    assert_eq!(manager.hear_reload(&server).await, "READY=1 STATUS=");
    server.process.send_sigterm();
    assert_eq!(manager.hear().await, "STOPPING=1");
    assert_eq!(server.process.wait_exit().await.code, Some(0));
}

#[tokio::test]
async fn a_start_that_fails_is_not_told_as_one() {
    let world = ServeWorld::new().await;
    fs::write(world.config(), "nonsense").unwrap();
    let mut command = world.command();
    let manager = Manager::of(&world, &mut command);
    let ended = ChildProcess::spawn(command).wait_exit().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    // All that it could have said is here by now.
    manager.0.try_recv(&mut [0]).unwrap_err();
}

/// A socket that nobody reads costs a line, and no command.
#[tokio::test]
async fn a_manager_that_is_gone_stops_nothing() {
    let world = ServeWorld::new().await;
    let mut command = world.command();
    command.env("NOTIFY_SOCKET", world.dir().join("gone"));
    let server = ServerProcess::start(command).await;
    let line = server.process.wait_line("the service manager").await;
    assert_says(&line, "WARN");
    server.wait_health(200, "ok").await;
    server.stop().await;
}

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
