//! The program as a process of its own: how it is run, what it prints, how it ends. What it does is up to
//! the tests.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use tokio::sync::watch;

use super::waiting::{WAIT_TIMEOUT, wait_until};

/// A command of the binary under test, in an empty environment.
pub(crate) fn chatops(subcommand: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatops"));
    command
        .env_clear()
        .arg(subcommand)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the program with these arguments to its end.
pub(crate) async fn run_args(arguments: &[&str]) -> ProcessExit {
    let mut command = chatops(arguments[0]);
    command.args(&arguments[1..]);
    run(command).await
}

/// Runs a command to its end.
pub(crate) async fn run(command: Command) -> ProcessExit {
    let ended = ChildProcess::spawn(command).wait_exit().await;
    for line in ended.stdout.iter().chain(&ended.stderr) {
        // Nobody sees colours in a pipe.
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }
    ended
}

/// A child process whose output is read as it comes; it is killed when dropped.
pub(crate) struct ChildProcess {
    child: Child,
    stdout: watch::Receiver<Vec<String>>,
    stderr: watch::Receiver<Vec<String>>,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct ProcessExit {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

impl ProcessExit {
    /// What it printed; it has to succeed.
    #[track_caller]
    pub(crate) fn success(&self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout.join("\n")
    }

    /// The errors; it has to end with that code and to print nothing else.
    #[track_caller]
    pub(crate) fn failure(&self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.len()), (Some(code), 0), "{self:?}");
        self.stderr.join("\n")
    }
}

impl ChildProcess {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        // A test may have led them elsewhere.
        let nothing = || watch::channel(vec![]).1;
        let stdout = child.stdout.take().map_or_else(nothing, drain);
        let stderr = child.stderr.take().map_or_else(nothing, drain);
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// Where its commands go, once it says that it serves.
    pub(crate) async fn url(&self) -> String {
        let line = self.wait_line("serving").await;
        let (_, after) = line.split_once("127.0.0.1:").unwrap();
        let port: String = after.chars().take_while(char::is_ascii_digit).collect();
        format!("http://127.0.0.1:{port}/slack/commands")
    }

    /// Waits for a line of its log.
    pub(crate) async fn wait_line(&self, words: &str) -> String {
        let find = |lines: &Vec<String>| lines.iter().find(|line| line.contains(words)).cloned();
        let mut stdout = self.stdout.clone();
        let seen = stdout.wait_for(|lines| find(lines).is_some());
        // It ends with the line, or with the process.
        match tokio::time::timeout(WAIT_TIMEOUT, seen).await {
            Ok(Ok(lines)) => find(&lines).unwrap(),
            _ => panic!("no '{words}': {:#?} {:#?}", self.stdout, self.stderr),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no handler runs.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM: the polite request to stop.
    pub(crate) fn send_sigterm(&self) {
        self.send_signal("TERM");
    }

    pub(crate) fn send_signal(&self, name: &str) {
        let (pid, signal) = (self.id().to_string(), format!("-{name}"));
        let sent = Command::new("kill").args([&signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end and takes its output.
    pub(crate) async fn wait_exit(mut self) -> ProcessExit {
        let child = &mut self.child;
        let status: ExitStatus = wait_until("its end", || child.try_wait().unwrap()).await;
        ProcessExit {
            code: status.code(),
            stdout: remaining_lines(self.stdout.clone()).await,
            stderr: remaining_lines(self.stderr.clone()).await,
        }
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines until the pipe closes, so that the child never waits for a full pipe.
fn drain(pipe: impl Read + Send + 'static) -> watch::Receiver<Vec<String>> {
    let (sender, receiver) = watch::channel(vec![]);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            sender.send_modify(|lines| lines.push(line));
        }
    });
    receiver
}

async fn remaining_lines(mut lines: watch::Receiver<Vec<String>>) -> Vec<String> {
    while lines.changed().await.is_ok() {}
    lines.borrow().clone()
}

/// The same command under a limit of the shell's `ulimit`, such as `-n 64`.
pub(crate) fn limited(command: &Command, limit: &str) -> Command {
    shell(command, &format!("ulimit {limit}"))
}

/// The same command after one of the shell, in the same process.
pub(crate) fn shell(command: &Command, before: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .env_clear()
        .args(["-c", &format!("{before}; exec \"$@\""), "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell
}

/// A process that serves.
pub(crate) struct ServerProcess {
    pub(crate) process: ChildProcess,
    /// Where commands go.
    pub(crate) url: String,
}

impl ServerProcess {
    /// Runs `command` until it serves.
    pub(crate) async fn start(command: Command) -> Self {
        let process = ChildProcess::spawn(command);
        let url = process.url().await;
        Self { process, url }
    }

    /// Runs a command whose output cannot be read until it serves at this address.
    pub(crate) async fn start_unseen(command: Command, address: &str) -> Self {
        let process = ChildProcess::spawn(command);
        let url = format!("http://{address}/slack/commands");
        let server = Self { process, url };
        chatops_testkit::wait_until("a server", async || server.try_health().await.map(drop)).await;
        server
    }

    /// The status and the text of its health check.
    pub(crate) async fn health(&self) -> (u16, String) {
        self.try_health().await.unwrap()
    }

    async fn try_health(&self) -> Option<(u16, String)> {
        let url = format!("http://{}/healthz", self.address());
        let request = ::http::Request::get(url).body(String::new()).unwrap();
        let sent = chatops_sandbox::http::send_request(request, WAIT_TIMEOUT).await;
        let reply = sent.ok()?;
        Some((reply.status.as_u16(), reply.text().clone()))
    }

    /// Waits until the health check says these words with this status.
    pub(crate) async fn wait_health(&self, status: u16, words: &str) {
        chatops_testkit::wait_until(words, async || {
            let found = self.health().await;
            (found.0 == status && found.1.contains(words)).then_some(())
        })
        .await;
    }

    /// The host and port.
    pub(crate) fn address(&self) -> &str {
        let after = self.url.trim_start_matches("http://");
        after.split('/').next().unwrap()
    }

    /// Stops it politely; it has to end well.
    pub(crate) async fn stop(self) -> ProcessExit {
        self.process.send_sigterm();
        let ended = self.process.wait_exit().await;
        ended.success();
        ended
    }
}
