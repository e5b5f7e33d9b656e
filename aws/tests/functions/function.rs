//! A function: its program, its environment, and the one process that runs it at a time.
//!
//! What Lambda does with a process is done here: it is started when an event comes, frozen between
//! two events if somebody says so, killed when it does not answer in time, and started anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatops_aws::clock::SystemClock;
use chatops_core::ports::Clock;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::runtime_api::{Answer, Event, RuntimeApi};

/// How long an init may take on a busy machine.
const INIT: Duration = Duration::from_mins(1);

/// Where a process on Lambda finds it.
pub(crate) const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// With the function's answer.
    Answer(Value),
    /// With an error that the function reported.
    Error(Value),
    /// With the process.
    Died(ExitStatus),
    /// With the deadline; the process was killed.
    TimedOut,
}

impl Outcome {
    /// The answer; anything else is a failure of the test.
    pub(crate) fn answer(self) -> Value {
        match self {
            Self::Answer(answer) => answer,
            other => panic!("there is no answer: {other:?}"),
        }
    }
}

type Lines = Arc<Mutex<Vec<String>>>;

/// A function.
#[derive(Debug)]
pub(crate) struct Function {
    program: PathBuf,
    environment: BTreeMap<String, String>,
    running: tokio::sync::Mutex<Option<Process>>,
    pid: Mutex<Option<u32>>,
    /// The names of its invocations.
    requests: Mutex<BTreeSet<String>>,
    starts: AtomicUsize,
    stdout: Lines,
    stderr: Lines,
}

/// A process that has asked for events.
#[derive(Debug)]
struct Process {
    child: Child,
    api: RuntimeApi,
    readers: JoinSet<()>,
    events: usize,
}

impl Function {
    pub(crate) fn new(
        program: &std::path::Path,
        variables: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        let variables = variables.into_iter();
        Self {
            program: program.to_owned(),
            environment: variables.map(|(n, v)| (n.to_owned(), v)).collect(),
            running: tokio::sync::Mutex::default(),
            pid: Mutex::default(),
            requests: Mutex::default(),
            starts: AtomicUsize::new(0),
            stdout: Lines::default(),
            stderr: Lines::default(),
        }
    }

    /// The same function with a variable changed, or without it.
    pub(crate) fn with(&self, name: &str, value: Option<&str>) -> Self {
        let mut other = Self::new(&self.program, []);
        other.environment.clone_from(&self.environment);
        match value {
            Some(value) => other.environment.insert(name.to_owned(), value.to_owned()),
            None => other.environment.remove(name),
        };
        other
    }

    /// Hands it an event and awaits what becomes of it within `left`.
    pub(crate) async fn invoke(&self, event: &Value, left: Duration) -> Outcome {
        let mut running = self.running.lock().await;
        let fresh = match running.take() {
            Some(process) => Ok(process),
            None => self.start().await,
        };
        let mut process = match fresh {
            Ok(process) => process,
            Err(status) => return Outcome::Died(status),
        };
        let request_id = self.request_id();
        // An answer that was late for an earlier event has ended that process.
        let deadline = SystemClock.now() + left;
        let ends = Instant::now() + left;
        process.events += 1;
        process.api.hand_out(Event {
            request_id,
            deadline: deadline.timestamp_millis(),
            body: event.to_string(),
        });
        let outcome = tokio::select! {
            biased;
            answer = process.api.answer() => match answer {
                Answer::Response(value) => Outcome::Answer(value),
                Answer::Error(value) => Outcome::Error(value),
            },
            status = process.child.wait() => Outcome::Died(status.unwrap()),
            () = tokio::time::sleep_until(ends) => Outcome::TimedOut,
        };
        match outcome {
            Outcome::Died(_) => self.reaped(process).await,
            Outcome::TimedOut => {
                process.child.start_kill().unwrap();
                process.child.wait().await.unwrap();
                self.reaped(process).await;
            }
            _ => *running = Some(process),
        }
        outcome
    }

    /// Waits until the process waits for its next event, as Lambda does before it freezes it.
    pub(crate) async fn idle(&self) {
        let mut running = self.running.lock().await;
        if let Some(process) = running.as_mut() {
            let next = process.events + 1;
            tokio::time::timeout(INIT, process.api.asked(next))
                .await
                .unwrap();
        }
    }

    /// Starts the program; how it ended, if it did so before it asked for an event.
    async fn start(&self) -> Result<Process, ExitStatus> {
        let mut api = RuntimeApi::start().await;
        let mut command = Command::new(&self.program);
        command.env_clear();
        // Whoever sets it means a process that is not on Lambda at all.
        if !self.environment.contains_key(RUNTIME_API) {
            command.env(RUNTIME_API, &api.address);
        }
        let mut child = command
            .env("AWS_LAMBDA_FUNCTION_NAME", "chatops")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/chatops")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]1")
            .envs(
                self.environment
                    .iter()
                    .filter(|(name, _)| *name != RUNTIME_API),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        *self.pid.lock().unwrap() = child.id();
        self.starts.fetch_add(1, Ordering::Relaxed);
        let mut readers = JoinSet::new();
        readers.spawn(drain(
            child.stdout.take().unwrap(),
            Arc::clone(&self.stdout),
        ));
        readers.spawn(drain(
            child.stderr.take().unwrap(),
            Arc::clone(&self.stderr),
        ));
        let ended = tokio::select! {
            biased;
            () = api.asked(1) => None,
            status = child.wait() => Some(status.unwrap()),
            () = tokio::time::sleep(INIT) => panic!("the init does not end: {:?}", self.log()),
        };
        let asked = api.was_asked();
        let process = Process {
            child,
            api,
            readers,
            events: 0,
        };
        match ended {
            None => Ok(process),
            Some(status) => {
                assert!(!asked, "it ended after it had asked for an event");
                self.reaped(process).await;
                Err(status)
            }
        }
    }

    /// All that a process said is read when it has ended.
    async fn reaped(&self, process: Process) {
        *self.pid.lock().unwrap() = None;
        process.readers.join_all().await;
    }

    /// Starts the program, which is expected to end before it asks for an event: its exit code, and
    /// what it said.
    pub(crate) async fn fails_to_start(&self) -> (Option<i32>, Vec<String>) {
        match self.start().await {
            Err(status) => (status.code(), self.log()),
            Ok(_) => panic!("it asks for events: {:?}", self.log()),
        }
    }

    /// The same where not even the log could be started: what it said elsewhere.
    pub(crate) async fn fails_without_a_log(&self) -> String {
        assert!(self.start().await.is_err_and(|status| !status.success()));
        assert!(self.stdout.lock().unwrap().is_empty());
        self.stderr.lock().unwrap().join("\n")
    }

    /// Starts the program and waits until it asks for an event.
    pub(crate) async fn warm_up(&self) {
        let mut running = self.running.lock().await;
        if running.is_none() {
            *running = Some(self.start().await.unwrap());
        }
    }

    /// How often its program was started.
    pub(crate) fn starts(&self) -> usize {
        self.starts.load(Ordering::Relaxed)
    }

    /// SIGKILL, whatever it is doing.
    pub(crate) fn kill(&self) {
        self.signal("-KILL");
    }

    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.pid.lock().unwrap().unwrap().to_string();
        let sent = std::process::Command::new("kill")
            .args([signal, &pid])
            .status();
        assert!(sent.unwrap().success(), "{signal} {pid}");
    }

    fn request_id(&self) -> String {
        let mut requests = self.requests.lock().unwrap();
        let id = format!("{}-{}", chatops_testbed::emulator::unique(), requests.len());
        requests.insert(id.clone());
        id
    }

    /// What it has said so far, line by line.
    pub(crate) fn log(&self) -> Vec<String> {
        let stderr = self.stderr.lock().unwrap();
        assert!(stderr.is_empty(), "it has said elsewhere: {stderr:?}");
        self.stdout.lock().unwrap().clone()
    }

    /// Every line is JSON and says which invocation it is of; none holds one of these.
    pub(crate) fn check_log(&self, secrets: &[&str]) {
        let requests = self.requests.lock().unwrap();
        for line in self.log() {
            let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            let mut spans = said["spans"].as_array().into_iter().flatten();
            let id = spans.find_map(|span| span["request_id"].as_str());
            let known = id.is_some_and(|id| requests.contains(id));
            assert!(known, "the line is of no invocation: {line}");
            for secret in secrets {
                assert!(!line.contains(secret), "{secret} is shown: {line}");
            }
        }
    }
}

/// Reads lines until the pipe closes, so that the process never waits for a full pipe.
async fn drain(pipe: impl AsyncRead + Unpin, lines: Lines) {
    let mut read = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = read.next_line().await {
        lines.lock().unwrap().push(line);
    }
}
