//! The sandbox around a real `chatops serve`, and what the two leave behind.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use chatops_core::Time;
use chatops_core::audit::{self, AuditEvent, EventHash};
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::DeployId;
use chatops_core::notification::NotificationRecord;
use chatops_core::ports::Clock;
use chatops_core::text::{MessageKind, MessageMark};
use chatops_local::clock::WallClock;
use chatops_sandbox::circleci::{CiCall, FakePipeline, FakeProject, RunScript};
use chatops_sandbox::slack::{CommandAck, CommandRequest, ShownMessage, TypedCommand};
use chatops_sandbox::{HttpFault, JournalEntry, JournalEvent, Sandbox, SandboxSettings};
use chatops_testkit::config::{TestConfig, TestJob};
use rusqlite::{Connection, OpenFlags, Row};
use tempfile::TempDir;
use tokio::sync::watch;

/// The longest that a single call takes, even on a busy machine.
pub(crate) const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

/// How long a build takes.
pub(crate) const BUILD_TIME: Duration = Duration::from_millis(200);

// Nothing else may be like these, so that a leak of them can be searched for.
pub(crate) const SIGNING_SECRET: &str = "canary1signing1secret1of1slack11";
pub(crate) const TOKEN: &str = "canary2token2of2circleci";
/// The sandbox puts it into every form, as Slack does.
pub(crate) const FORM_TOKEN: &str = "gIkuvaNzQIHg97ATvDxqgjtO";

/// Quick, but with room for a slow machine wherever a time limits what may be met.
const TIMES: &str = r#"
connect_timeout = "1s"
request_timeout = "2s"
trigger_window = "3s"
lookup_timeout = "1s"
lookup_give_up = "4s"
workflow_start_timeout = "500ms"
empty_pipeline_timeout = "1s"
settle_time = "500ms"
rerun_timeout = "1s"
poll_interval_min = "50ms"
poll_interval_max = "100ms"
retry_backoff = "50ms"
delivery_lease = "3s"
sweep_interval = "300ms"
"#;

/// One sandbox, one configuration and one data file.
pub(crate) struct ServeWorld {
    pub(crate) sandbox: Sandbox,
    dir: TempDir,
}

impl ServeWorld {
    pub(crate) async fn new() -> Self {
        Self::with_times(TIMES).await
    }

    /// A world and its server.
    pub(crate) async fn start() -> (Self, ServerProcess) {
        let world = Self::new().await;
        let server = world.serve().await;
        (world, server)
    }

    pub(crate) async fn with_times(times: &str) -> Self {
        let project = FakeProject::declaring("gh/acme/web", TOKEN, &["job", "deploy_id"]);
        let settings = SandboxSettings::new(SIGNING_SECRET, vec![project]);
        let sandbox = Sandbox::start(settings).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let world = Self { sandbox, dir };
        for job in ["deploy", "migrate", "e2e", "restore", "test"] {
            world.script(job, RunScript::success(BUILD_TIME));
        }
        std::fs::write(world.config(), config(&world.sandbox, times)).unwrap();
        world
    }

    /// More of the configuration, for the next start.
    pub(crate) fn configure(&self, more: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        std::fs::write(self.config(), text + more).unwrap();
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir().join("chatops.toml")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir().join("chatops.db")
    }

    /// `chatops serve` with the secrets in an environment that holds nothing else.
    pub(crate) fn command(&self) -> Command {
        self.command_on(&self.data(), "127.0.0.1:0")
    }

    /// The same on another data file or address.
    pub(crate) fn command_on(&self, data: &Path, listen: &str) -> Command {
        let mut command = chatops("serve");
        command
            .env("SLACK_SIGNING_SECRET", SIGNING_SECRET)
            .env("CIRCLECI_TOKEN", TOKEN)
            .arg("--config")
            .arg(self.config())
            .arg("--data")
            .arg(data)
            .args(["--listen", listen]);
        command
    }

    pub(crate) async fn serve(&self) -> ServerProcess {
        self.serve_with(&[]).await
    }

    pub(crate) async fn serve_with(&self, arguments: &[&str]) -> ServerProcess {
        let mut command = self.command();
        command.args(arguments);
        ServerProcess::start(command).await
    }

    /// A server with one more variable in its environment.
    pub(crate) async fn serve_with_env(&self, name: &str, value: &str) -> ServerProcess {
        let mut command = self.command();
        command.env(name, value);
        ServerProcess::start(command).await
    }

    /// How every run of a job goes from now on.
    pub(crate) fn script(&self, job: &str, script: RunScript) {
        self.sandbox.circleci().lock().script_job(job, script);
    }

    /// How the next run goes.
    pub(crate) fn script_next(&self, script: RunScript) {
        self.sandbox.circleci().lock().script_next(script);
    }

    /// CircleCI rejects the next trigger for good.
    pub(crate) fn reject_next_trigger(&self) {
        self.fail_next_trigger(reject(403, "Permission denied"));
    }

    pub(crate) fn fail_next_trigger(&self, fault: HttpFault) {
        self.sandbox.circleci().fail_next(CiCall::Run, fault);
    }

    /// Somebody types a command in the channel of the deploys.
    pub(crate) async fn type_command(&self, server: &ServerProcess, text: &str) -> CommandAck {
        self.send_as(server, TypedCommand::new(text)).await.1
    }

    /// The signed request for a command, not sent yet.
    pub(crate) fn compose(&self, server: &ServerProcess, text: &str) -> CommandRequest {
        self.compose_as(server, &TypedCommand::new(text))
    }

    pub(crate) fn compose_as(
        &self,
        server: &ServerProcess,
        typed: &TypedCommand,
    ) -> CommandRequest {
        let sender = self.sandbox.command_sender();
        sender.prepare_command(&server.url, typed)
    }

    /// Types a command whose acknowledgement is of no interest.
    pub(crate) async fn send(&self, server: &ServerProcess, text: &str) -> CommandRequest {
        self.send_as(server, TypedCommand::new(text)).await.0
    }

    pub(crate) async fn send_as(
        &self,
        server: &ServerProcess,
        typed: TypedCommand,
    ) -> (CommandRequest, CommandAck) {
        let sent = self.compose_as(server, &typed);
        let ack = self.sandbox.command_sender().send(&sent).await;
        (sent, ack)
    }

    /// Requests a deploy and waits for its end; it ended in that state.
    pub(crate) async fn deploy(
        &self,
        server: &ServerProcess,
        text: &str,
        state: DeployState,
    ) -> String {
        let sent = self.send(server, text).await;
        self.wait_end(&sent, state).await
    }

    /// Waits for the final message at the response URL of a command; the deploy that it is about
    /// ended in that state.
    pub(crate) async fn wait_end(&self, sent: &CommandRequest, state: DeployState) -> String {
        let (mark, shown) = self.wait_at(sent, MessageKind::Final).await;
        let record = &self.records().records[&mark.deploy.unwrap()];
        assert_eq!(record.state, state, "{shown}");
        shown
    }

    /// Waits for a reply at the response URL of a command.
    pub(crate) async fn wait_reply(&self, sent: &CommandRequest) -> String {
        self.wait_at(sent, MessageKind::Reply).await.1
    }

    /// Waits for a message of that kind at the response URL of a command.
    pub(crate) async fn wait_at(
        &self,
        sent: &CommandRequest,
        kind: MessageKind,
    ) -> (MessageMark, String) {
        let of_kind = |message: &ShownMessage| {
            let mark = mark(message).filter(|mark| mark.kind == kind)?;
            Some((mark, message.shown_text()))
        };
        let what = format!("{kind:?} for {}", sent.command_line);
        let found = |_: &[JournalEntry]| self.delivered_to(sent).iter().find_map(of_kind);
        self.wait_journal(&what, found).await
    }

    /// Waits for the final message of a deploy that ended in that state.
    pub(crate) async fn wait_final(&self, state: DeployState) -> String {
        let ended = |mark: MessageMark| {
            let record = |deploy| self.records().records[&deploy].state;
            mark.kind == MessageKind::Final && mark.deploy.map(record) == Some(state)
        };
        self.wait_mark(state.as_str(), ended).await
    }

    /// Waits for the message that a deploy runs.
    pub(crate) async fn wait_running(&self) -> String {
        let running = |mark: MessageMark| mark.kind == MessageKind::Progress;
        self.wait_mark("a running deploy", running).await
    }

    /// Waits for a message with such a mark.
    pub(crate) async fn wait_mark(
        &self,
        what: &str,
        wanted: impl Fn(MessageMark) -> bool,
    ) -> String {
        let shown = |entry: &JournalEntry| match &entry.event {
            JournalEvent::MessageDelivered {
                shown, block_id, ..
            } => {
                let mark = MessageMark::parse(block_id.as_ref()?)?;
                wanted(mark).then(|| shown.clone())
            }
            _ => None,
        };
        let found = |entries: &[JournalEntry]| entries.iter().find_map(shown);
        self.wait_journal(what, found).await
    }

    /// Waits for something in the journal.
    pub(crate) async fn wait_journal<T>(
        &self,
        what: &str,
        found: impl FnMut(&[JournalEntry]) -> Option<T>,
    ) -> T {
        let mut found = found;
        self.wait_moving(what, || found(&self.sandbox.journal().entries()))
            .await
    }

    /// Waits for `count` calls of CircleCI's trigger.
    pub(crate) async fn wait_triggers(&self, count: usize) {
        let called = |entries: &[JournalEntry]| (count_triggers(entries) >= count).then_some(());
        self.wait_journal("the trigger", called).await;
    }

    /// How often CircleCI's trigger was called so far.
    pub(crate) fn trigger_count(&self) -> usize {
        count_triggers(&self.sandbox.journal().entries())
    }

    /// Whether CircleCI was called at all.
    pub(crate) fn circleci_was_called(&self) -> bool {
        let entries = self.sandbox.journal().entries();
        let is_call =
            |entry: &JournalEntry| matches!(entry.event, JournalEvent::CircleCiCall { .. });
        entries.iter().any(is_call)
    }

    pub(crate) fn pipelines(&self) -> Vec<FakePipeline> {
        self.sandbox.circleci().lock().all_pipelines().to_vec()
    }

    /// A connection of our own to the data file.
    pub(crate) fn open_data(&self) -> Connection {
        let connection = Connection::open(self.data()).unwrap();
        connection.busy_timeout(WAIT_TIMEOUT).unwrap();
        connection
    }

    /// What came through the response URL of one command, in order.
    pub(crate) fn delivered_to(&self, sent: &CommandRequest) -> Vec<ShownMessage> {
        let model = self.sandbox.slack().lock();
        let posted = |m: &&ShownMessage| m.response_path == sent.response_path && m.nth_use > 0;
        model.messages().iter().filter(posted).cloned().collect()
    }

    /// Somebody cancels every workflow that runs, in CircleCI's own interface.
    pub(crate) fn cancel_all(&self) {
        let mut model = self.sandbox.circleci().lock();
        let pipelines = model.all_pipelines().to_vec();
        for FakePipeline { id, .. } in pipelines {
            for workflow in model.list_workflows(now(), id).unwrap().items {
                model.cancel_workflow(now(), workflow.id).unwrap();
            }
        }
    }

    /// What is in the data file.
    pub(crate) fn records(&self) -> DataFileRows {
        DataFileRows::read(&self.data())
    }

    /// What is in the data file, once every requester is notified of the end and no message is left.
    pub(crate) fn settled_now(&self) -> Option<DataFileRows> {
        Some(self.records()).filter(DataFileRows::is_settled)
    }

    /// Waits until every requester is notified of the end and no message is left.
    pub(crate) async fn wait_settled(&self) -> DataFileRows {
        self.wait_moving("the data file to become quiet", || self.settled_now())
            .await
    }

    /// Calls `found` again and again until it finds something, for as long as something moves: at the
    /// stand-ins, or in the data file.
    pub(crate) async fn wait_moving<T>(
        &self,
        what: &str,
        mut found: impl FnMut() -> Option<T>,
    ) -> T {
        let moved = || {
            let log = self.data().with_extension("db-wal");
            let written = std::fs::metadata(log)
                .ok()
                .and_then(|log| log.modified().ok());
            let written = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let written = written.map_or(0, |at| at.subsec_nanos().into());
            self.sandbox.journal().entries().len() as u64 + written
        };
        chatops_testkit::wait_while_moving(what, moved, async || found()).await
    }
}

fn count_triggers(entries: &[JournalEntry]) -> usize {
    let is_trigger = |entry: &&JournalEntry| match &entry.event {
        JournalEvent::CircleCiCall { method, path, .. } => {
            method == "POST" && (path.ends_with("/pipeline/run") || path.ends_with("/pipeline"))
        }
        _ => false,
    };
    entries.iter().filter(is_trigger).count()
}

/// What a message in Slack is.
pub(crate) fn mark(message: &ShownMessage) -> Option<MessageMark> {
    MessageMark::parse(&message.block_id()?)
}

/// What kind of message the immediate answer is.
pub(crate) fn ack_kind(ack: &CommandAck) -> Option<MessageKind> {
    let block_id = ack.body.as_ref()?.block_id()?;
    Some(MessageMark::parse(&block_id)?.kind)
}

/// A command of another person.
pub(crate) fn typed_by(user_id: &str, text: &str) -> TypedCommand {
    TypedCommand {
        user_id: user_id.to_owned(),
        ..TypedCommand::new(text)
    }
}

/// The other side answers with that status.
pub(crate) fn reject(status: u16, message: &str) -> HttpFault {
    HttpFault::Reject {
        status,
        retry_after_s: None,
        message: message.to_owned(),
    }
}

/// Too many requests: the next one is allowed after so many seconds.
pub(crate) fn rate_limit(seconds: u64) -> HttpFault {
    HttpFault::Reject {
        status: 429,
        retry_after_s: Some(seconds),
        message: "Rate limit exceeded".to_owned(),
    }
}

/// The answer is lost, and nothing comes of the request.
pub(crate) const HANG: HttpFault = HttpFault::Hang {
    duration: Duration::from_mins(1),
};

#[track_caller]
pub(crate) fn assert_says(text: &str, words: &str) {
    assert!(text.contains(words), "'{words}' is not in: {text}");
}

pub(crate) fn now() -> Time {
    WallClock.now()
}

/// Calls `found` again and again until it finds something.
pub(crate) async fn wait_until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    chatops_testkit::wait_until(what, async || found()).await
}

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
        let stdout = drain(child.stdout.take().unwrap());
        let stderr = drain(child.stderr.take().unwrap());
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

    /// SIGKILL: no handler runs.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM: the polite request to stop.
    pub(crate) fn send_sigterm(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
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

/// The data file's rows, read by a connection of our own.
#[derive(Debug)]
pub(crate) struct DataFileRows {
    pub(crate) records: BTreeMap<DeployId, DeployRecord>,
    events: BTreeMap<DeployId, Vec<AuditEvent>>,
    pub(crate) notifications: BTreeMap<DeployId, NotificationRecord>,
    /// Queue and body of every message.
    pub(crate) messages: Vec<(String, String)>,
    /// The deploy of every lock, and whether the lock expires.
    pub(crate) locks: Vec<(DeployId, bool)>,
}

impl DataFileRows {
    fn read(path: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let mut connection = Connection::open_with_flags(path, flags).unwrap();
        connection.busy_timeout(WAIT_TIMEOUT).unwrap();
        // One transaction, so that the tables fit together.
        let tx = connection.transaction().unwrap();
        let records = rows(&tx, "SELECT body, state FROM deploy", |row| {
            let record: DeployRecord = json(row, 0);
            assert_eq!(text(row, 1), record.state.as_str());
            (record.id, record)
        });
        let mut events: BTreeMap<DeployId, Vec<AuditEvent>> = BTreeMap::new();
        let sql = "SELECT deploy, n, body, hash FROM event ORDER BY deploy, n";
        for event in rows(&tx, sql, event) {
            events.entry(event.deploy).or_default().push(event);
        }
        let notifications = rows(&tx, "SELECT body FROM notification", |row| {
            let notification: NotificationRecord = json(row, 0);
            (notification.deploy, notification)
        });
        let messages = rows(&tx, "SELECT queue, body FROM message", |row| {
            (text(row, 0), text(row, 1))
        });
        let locks = rows(&tx, "SELECT deploy, until IS NOT NULL FROM lock", |row| {
            (id(row, 0), row.get(1).unwrap())
        });
        Self {
            records: records.into_iter().collect(),
            events,
            notifications: notifications.into_iter().collect(),
            messages,
            locks,
        }
    }

    fn is_settled(&self) -> bool {
        let (mut records, mut notifications) = (self.records.values(), self.notifications.values());
        self.messages.is_empty()
            && records.all(|record| record.state.is_terminal())
            && notifications.all(|notification| notification.final_status.is_settled())
    }

    /// Every deploy's audit is verified: numbered, chained, and as long as its record says.
    pub(crate) fn verify(&self) {
        for (id, record) in &self.records {
            let events = self.events.get(id).map_or(&[][..], Vec::as_slice);
            assert_eq!(events.len() as u64, record.events, "{id}");
            audit::verify_chain(*id, events, record.last_hash).unwrap();
            let is_end = |event: &&AuditEvent| event.body.contains(r#""kind":"ended""#);
            let ends = events.iter().filter(is_end).count();
            assert_eq!(ends, usize::from(record.state.is_terminal()), "{id}");
        }
        assert!(self.events.keys().all(|id| self.records.contains_key(id)));
    }

    /// The audit's text of one deploy.
    pub(crate) fn audit(&self, id: DeployId) -> String {
        let bodies: Vec<&str> = self.events[&id].iter().map(|e| e.body.as_str()).collect();
        bodies.join("\n")
    }

    /// The deploy that retries this one.
    pub(crate) fn retry_of(&self, deploy: DeployId) -> Option<&DeployRecord> {
        let mut retries = self.records.values().filter(|r| r.retry_of == Some(deploy));
        let retry = retries.next();
        assert!(retries.next().is_none(), "{deploy} has two retries");
        retry
    }

    /// How many actions wait for the worker. A wake-up that is not due yet may wait beside them.
    pub(crate) fn action_count(&self) -> usize {
        let for_worker = ["work", "operators"];
        let action = |(queue, body): &&(String, String)| {
            for_worker.contains(&queue.as_str()) && body.contains("action.v1")
        };
        self.messages.iter().filter(action).count()
    }

    /// The one deploy there is.
    pub(crate) fn only_record(&self) -> &DeployRecord {
        assert_eq!(self.records.len(), 1, "{:#?}", self.records);
        self.records.values().next().unwrap()
    }
}

fn event(row: &Row<'_>) -> AuditEvent {
    AuditEvent {
        deploy: id(row, 0),
        n: row.get::<_, u32>(1).unwrap().into(),
        body: text(row, 2),
        hash: EventHash::parse(&text(row, 3)).unwrap(),
    }
}

fn rows<T>(connection: &Connection, sql: &str, read: impl Fn(&Row<'_>) -> T) -> Vec<T> {
    let mut query = connection.prepare(sql).unwrap();
    let rows = query.query_map([], |row| Ok(read(row))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn text(row: &Row<'_>, column: usize) -> String {
    row.get(column).unwrap()
}

fn id(row: &Row<'_>, column: usize) -> DeployId {
    DeployId::parse(&text(row, column)).unwrap()
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> T {
    serde_json::from_str(&text(row, column)).unwrap()
}

fn config(sandbox: &Sandbox, times: &str) -> String {
    let (here, everybody) = (["C0001"], ["*"]);
    let job = |name, branches: &[&str]| TestJob::limited(name, branches, &here, &everybody);
    let production = "environment = \"production\"";
    let jobs = [
        // Two jobs of one environment: one excludes the other.
        job("deploy", &["main", "release/*"]).with(production),
        job("migrate", &["**"]).with(production),
        job("e2e", &["**"]),
        TestJob::limited("restore", &["main"], &here, &["U0009"]),
        TestJob::open("test").with("exclusive = false"),
    ];
    TestConfig::new()
        .slack(sandbox.slack_url())
        .circleci(sandbox.circleci_url())
        .timeouts(times)
        .project("web", &jobs)
        .text()
}
