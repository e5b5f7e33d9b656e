//! A function: its program, its environment, and the one process that runs it at a time.
//!
//! What Lambda does with a process happens here: it is started when an event comes, frozen between
//! two events on request, killed when it does not answer in time, and started anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chatops_aws::clock::LambdaClock;
use chatops_core::ports::Clock;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::Instant;

use chatops_testkit::runtime_api::{FunctionReply, RuntimeApi, RuntimeEvent};

/// How long an init may take on a busy machine.
const INIT_TIMEOUT: Duration = Duration::from_mins(5);

/// Where a process on Lambda finds it.
pub(crate) const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum InvokeOutcome {
    /// With the function's answer.
    Answer(Value),
    /// With an error that the function reported.
    Error(Value),
    /// With the process.
    Died(ExitStatus),
    /// With the deadline; the process was killed.
    TimedOut,
}

impl InvokeOutcome {
    /// The answer; anything else is a failure of the test.
    pub(crate) fn into_answer(self) -> Value {
        match self {
            Self::Answer(answer) => answer,
            other => panic!("there is no answer: {other:?}"),
        }
    }
}

type OutputLines = Arc<Mutex<Vec<String>>>;

/// A function.
#[derive(Debug)]
pub(crate) struct LambdaFunction {
    program: PathBuf,
    environment: BTreeMap<String, String>,
    running: tokio::sync::Mutex<Option<FunctionProcess>>,
    pid: Mutex<Option<u32>>,
    /// The names of its invocations.
    requests: Mutex<BTreeSet<String>>,
    starts: AtomicUsize,
    stdout: OutputLines,
    stderr: OutputLines,
}

/// A process that has asked for events.
#[derive(Debug)]
struct FunctionProcess {
    child: Child,
    api: RuntimeApi,
    readers: JoinSet<()>,
    events: usize,
}

impl LambdaFunction {
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
            stdout: OutputLines::default(),
            stderr: OutputLines::default(),
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

    /// Hands it an event and awaits the outcome within `left`.
    pub(crate) async fn invoke(&self, event: &Value, left: Duration) -> InvokeOutcome {
        let mut running = self.running.lock().await;
        let fresh = match running.take() {
            Some(process) => Ok(process),
            None => self.start().await,
        };
        let mut process = match fresh {
            Ok(process) => process,
            Err(status) => return InvokeOutcome::Died(status),
        };
        let request_id = self.request_id();
        let deadline = LambdaClock.now() + left;
        let ends = Instant::now() + left;
        process.events += 1;
        process.api.hand_out(RuntimeEvent {
            request_id,
            deadline: deadline.timestamp_millis(),
            body: event.to_string(),
        });
        let outcome = tokio::select! {
            biased;
            answer = process.api.next_reply() => match answer {
                FunctionReply::Response(value) => InvokeOutcome::Answer(value),
                FunctionReply::Error(value) => InvokeOutcome::Error(value),
            },
            status = process.child.wait() => InvokeOutcome::Died(status.unwrap()),
            () = tokio::time::sleep_until(ends) => InvokeOutcome::TimedOut,
        };
        match outcome {
            InvokeOutcome::Died(_) => self.reap_process(process).await,
            InvokeOutcome::TimedOut => {
                process.child.start_kill().unwrap();
                process.child.wait().await.unwrap();
                self.reap_process(process).await;
            }
            _ => *running = Some(process),
        }
        outcome
    }

    /// Waits until the process waits for its next event, as Lambda does before it freezes it.
    pub(crate) async fn wait_until_idle(&self) {
        let mut running = self.running.lock().await;
        if let Some(process) = running.as_mut() {
            let next = process.events + 1;
            let asked = process.api.wait_until_asked(next);
            tokio::time::timeout(INIT_TIMEOUT, asked).await.unwrap();
        }
    }

    /// Starts the program; how it ended, if it did so before it asked for an event.
    async fn start(&self) -> Result<FunctionProcess, ExitStatus> {
        let mut api = RuntimeApi::start().await;
        // A function with this variable of its own is not on Lambda.
        let own = self.environment.contains_key(RUNTIME_API);
        let environment = self
            .environment
            .iter()
            .filter(|(name, _)| *name != RUNTIME_API);
        let mut child = Command::new(&self.program)
            .env_clear()
            .envs((!own).then_some((RUNTIME_API, &api.address)))
            .env("AWS_LAMBDA_FUNCTION_NAME", "chatops")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/chatops")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]1")
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        *self.pid.lock().unwrap() = child.id();
        self.starts.fetch_add(1, Ordering::Relaxed);
        let mut readers = JoinSet::new();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        readers.spawn(read_lines(stdout, Arc::clone(&self.stdout)));
        readers.spawn(read_lines(stderr, Arc::clone(&self.stderr)));
        let ended = tokio::select! {
            biased;
            () = api.wait_until_asked(1) => None,
            status = child.wait() => Some(status.unwrap()),
            () = tokio::time::sleep(INIT_TIMEOUT) => panic!("the init does not end: {:?}", self.log()),
        };
        let asked = api.was_asked();
        let process = FunctionProcess {
            child,
            api,
            readers,
            events: 0,
        };
        match ended {
            None => Ok(process),
            Some(status) => {
                assert!(!asked, "it ended after it had asked for an event");
                self.reap_process(process).await;
                Err(status)
            }
        }
    }

    /// Reads the rest of what a process has logged, after its end.
    async fn reap_process(&self, process: FunctionProcess) {
        *self.pid.lock().unwrap() = None;
        process.readers.join_all().await;
    }

    /// Starts the program, which has to end before it asks for an event: its exit code and log.
    pub(crate) async fn fails_to_start(&self) -> (Option<i32>, Vec<String>) {
        match self.start().await {
            Err(status) => (status.code(), self.log()),
            Ok(_) => panic!("it asks for events: {:?}", self.log()),
        }
    }

    /// The same where not even the log could be started: its stderr.
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
        self.send_signal("-KILL");
    }

    pub(crate) fn freeze(&self) {
        self.send_signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.send_signal("-CONT");
    }

    fn send_signal(&self, signal: &str) {
        let pid = self.pid.lock().unwrap().unwrap().to_string();
        let mut kill = std::process::Command::new("kill");
        let sent = kill.args([signal, &pid]).status().unwrap();
        assert!(sent.success(), "{signal} {pid}");
    }

    fn request_id(&self) -> String {
        let mut requests = self.requests.lock().unwrap();
        let id = format!("{}-{}", chatops_testkit::emulator::unique(), requests.len());
        requests.insert(id.clone());
        id
    }

    /// Its log so far, line by line.
    pub(crate) fn log(&self) -> Vec<String> {
        let stderr = self.stderr.lock().unwrap();
        assert!(stderr.is_empty(), "stderr: {stderr:?}");
        self.stdout.lock().unwrap().clone()
    }

    /// Checks that every line is JSON and names its invocation, and that none holds one of these.
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
async fn read_lines(pipe: impl AsyncRead + Unpin, lines: OutputLines) {
    let mut read = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = read.next_line().await {
        lines.lock().unwrap().push(line);
    }
}
