//! The sandbox around a real `chatops serve`, and what the two leave behind.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use chatops::clock::SystemClock;
use chatops_core::Time;
use chatops_core::audit::{self, Event, Hash};
use chatops_core::deploy::Head;
use chatops_core::id::DeployId;
use chatops_core::ports::Clock;
use chatops_core::reply::Reply;
use chatops_sandbox::circleci::{Pipeline, Project, Script};
use chatops_sandbox::slack::{Ack, Message, Sent, Typed};
use chatops_sandbox::{Entry, Sandbox, Seen, Settings};
use rusqlite::{Connection, OpenFlags, Row};
use tempfile::TempDir;
use tokio::sync::watch;

/// What is waited for comes within this time even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long a build takes.
pub(crate) const BUILD: Duration = Duration::from_millis(200);

// Nothing else may ever look like these, so that a leak of them can be searched for.
pub(crate) const SIGNING_SECRET: &str = "canary1signing1secret1of1slack11";
pub(crate) const TOKEN: &str = "canary2token2of2circleci";
/// The sandbox puts it into every form, as Slack does.
pub(crate) const FORM_TOKEN: &str = "gIkuvaNzQIHg97ATvDxqgjtO";

/// Quick, but with room for a slow machine wherever a time limits what may be met.
const TIMES: &str = r#"
connect_timeout = "1s"
request_timeout = "2s"
send_window = "3s"
horizon = "1s"
search_for = "4s"
grace = "500ms"
poll_first = "50ms"
poll_longest = "100ms"
retry_first = "50ms"
reply_lease = "3s"
sweep_every = "300ms"
"#;

/// One sandbox, one configuration and one data file.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    dir: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_times(TIMES).await
    }

    pub(crate) async fn with_times(times: &str) -> Self {
        let project = Project::declaring("gh/acme/web", TOKEN, &["job", "deploy_id"]);
        let settings = Settings::new(SIGNING_SECRET, vec![project]);
        let sandbox = Sandbox::start(settings).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        for job in ["deploy", "migrate", "e2e", "restore", "test"] {
            let mut model = sandbox.circleci().lock();
            model.script(job, Script::success(BUILD));
        }
        let world = Self { sandbox, dir };
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

    pub(crate) async fn serve(&self) -> Server {
        self.serve_with(&[]).await
    }

    pub(crate) async fn serve_with(&self, arguments: &[&str]) -> Server {
        let mut command = self.command();
        command.args(arguments);
        Server::start(command).await
    }

    /// Somebody types a command in the channel of the deploys.
    pub(crate) async fn types(&self, server: &Server, text: &str) -> Ack {
        self.sandbox
            .type_command(&server.url, Typed::new(text))
            .await
    }

    /// The signed request for a command, not sent yet.
    pub(crate) fn compose(&self, server: &Server, text: &str) -> Sent {
        self.sandbox
            .client()
            .compose(&server.url, &Typed::new(text))
    }

    /// Waits for something in the journal.
    pub(crate) async fn sees<T>(&self, what: &str, found: impl FnMut(&[Entry]) -> Option<T>) -> T {
        let found = self.sandbox.journal().wait_until(PATIENCE, found).await;
        found.unwrap_or_else(|| {
            panic!(
                "{what} was not seen: {:#?}",
                self.sandbox.journal().entries()
            )
        })
    }

    /// Waits for a message in Slack that holds `words`.
    pub(crate) async fn message(&self, words: &str) -> String {
        self.sees(&format!("a message that says '{words}'"), |entries| {
            messages(entries).find(|shown| shown.contains(words))
        })
        .await
    }

    /// Waits for `count` calls of CircleCI's trigger.
    pub(crate) async fn posts(&self, count: usize) {
        self.sees("the trigger", |entries| {
            (posts(entries) >= count).then_some(())
        })
        .await;
    }

    /// How often CircleCI's trigger was called so far.
    pub(crate) fn posts_so_far(&self) -> usize {
        posts(&self.sandbox.journal().entries())
    }

    /// Whether CircleCI was called at all.
    pub(crate) fn circleci_was_called(&self) -> bool {
        let entries = self.sandbox.journal().entries();
        entries
            .iter()
            .any(|entry| matches!(entry.what, Seen::CircleCall { .. }))
    }

    pub(crate) fn pipelines(&self) -> Vec<Pipeline> {
        self.sandbox.circleci().lock().ledger().to_vec()
    }

    /// What came through the reply address of one command, in order.
    pub(crate) fn told(&self, sent: &Sent) -> Vec<Message> {
        let model = self.sandbox.slack().lock();
        let posted = |m: &&Message| m.response_path == sent.response_path && m.nth_use > 0;
        model.messages().iter().filter(posted).cloned().collect()
    }

    /// Somebody cancels every workflow that runs, in CircleCI's own interface.
    pub(crate) fn cancel_all(&self) {
        let mut model = self.sandbox.circleci().lock();
        let ids: Vec<_> = model.ledger().iter().map(|pipeline| pipeline.id).collect();
        for id in ids {
            for workflow in model.workflows(now(), id).unwrap().items {
                model.cancel_workflow(now(), workflow.id).unwrap();
            }
        }
    }

    /// What lies in the data file.
    pub(crate) fn records(&self) -> Records {
        Records::read(&self.data())
    }

    /// What lies in the data file, if every deploy has ended and been told and nothing is queued.
    pub(crate) fn quiet_now(&self) -> Option<Records> {
        Some(self.records()).filter(Records::is_quiet)
    }

    /// Waits until every deploy has ended and been told, and nothing is queued.
    pub(crate) async fn quiet(&self) -> Records {
        until("the data file to become quiet", || self.quiet_now()).await
    }
}

fn messages(entries: &[Entry]) -> impl Iterator<Item = String> {
    entries.iter().filter_map(|entry| match &entry.what {
        Seen::SlackMessage { shown, .. } => Some(shown.clone()),
        _ => None,
    })
}

fn posts(entries: &[Entry]) -> usize {
    let is_trigger = |entry: &&Entry| matches!(&entry.what, Seen::CircleCall { method, path, .. } if method == "POST" && path.ends_with("/pipeline"));
    entries.iter().filter(is_trigger).count()
}

pub(crate) fn now() -> Time {
    SystemClock.now()
}

/// Asks `found` again and again until it finds something.
pub(crate) async fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        // Only the space between two questions.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
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

/// A child process whose output is read as it comes; it is killed when dropped.
pub(crate) struct Process {
    child: Child,
    stdout: watch::Receiver<Vec<String>>,
    stderr: watch::Receiver<Vec<String>>,
}

/// How a process ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
}

impl Process {
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
        let line = self.says("serving").await;
        let (_, after) = line.split_once("127.0.0.1:").unwrap();
        let port: String = after.chars().take_while(char::is_ascii_digit).collect();
        format!("http://127.0.0.1:{port}/slack/commands")
    }

    /// Waits for a line of its log.
    pub(crate) async fn says(&self, words: &str) -> String {
        let find = |lines: &Vec<String>| lines.iter().find(|line| line.contains(words)).cloned();
        let mut stdout = self.stdout.clone();
        let seen = tokio::time::timeout(PATIENCE, stdout.wait_for(|lines| find(lines).is_some()));
        match seen.await {
            Ok(Ok(lines)) => find(&lines).unwrap(),
            _ => panic!(
                "it never said '{words}': {:#?} {:#?}",
                self.stdout.borrow(),
                self.stderr.borrow()
            ),
        }
    }

    /// SIGKILL: no handler runs, nothing is tidied up.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM: the polite request to stop.
    pub(crate) fn ask_to_stop(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end and takes all that it said.
    pub(crate) async fn ended(mut self) -> Ended {
        let child = &mut self.child;
        let status: ExitStatus = until("its end", || child.try_wait().unwrap()).await;
        Ended {
            code: status.code(),
            stdout: rest(self.stdout.clone()).await,
            stderr: rest(self.stderr.clone()).await,
        }
    }
}

impl Drop for Process {
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

async fn rest(mut lines: watch::Receiver<Vec<String>>) -> Vec<String> {
    while lines.changed().await.is_ok() {}
    lines.borrow().clone()
}

/// A process that serves.
pub(crate) struct Server {
    pub(crate) process: Process,
    /// Where commands go.
    pub(crate) url: String,
}

impl Server {
    /// Runs `command` until it serves.
    pub(crate) async fn start(command: Command) -> Self {
        let process = Process::spawn(command);
        let url = process.url().await;
        Self { process, url }
    }

    /// The host and port.
    pub(crate) fn address(&self) -> &str {
        let after = self.url.trim_start_matches("http://");
        after.split('/').next().unwrap()
    }

    /// Stops it politely; it has to end well.
    pub(crate) async fn stop(self) -> Ended {
        self.process.ask_to_stop();
        let ended = self.process.ended().await;
        assert_eq!(ended.code, Some(0), "{:?} {:?}", ended.stdout, ended.stderr);
        ended
    }
}

/// The data file's rows, read by a connection of our own.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) heads: BTreeMap<DeployId, Head>,
    events: BTreeMap<DeployId, Vec<Event>>,
    pub(crate) replies: BTreeMap<DeployId, Reply>,
    /// Lane and body of every message.
    pub(crate) messages: Vec<(String, String)>,
    /// The deploy of every lock, and whether it ends by itself.
    pub(crate) locks: Vec<(DeployId, bool)>,
}

impl Records {
    fn read(path: &Path) -> Self {
        let mut connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        // One transaction, so that the tables fit together.
        let tx = connection.transaction().unwrap();
        let heads = rows(&tx, "SELECT body, state FROM head", |row| {
            let head: Head = json(row, 0);
            assert_eq!(text(row, 1), head.state.word());
            (head.id, head)
        });
        let mut events: BTreeMap<DeployId, Vec<Event>> = BTreeMap::new();
        let sql = "SELECT deploy, n, body, hash FROM event ORDER BY deploy, n";
        for event in rows(&tx, sql, event) {
            events.entry(event.deploy).or_default().push(event);
        }
        let replies = rows(&tx, "SELECT body FROM reply", |row| {
            let reply: Reply = json(row, 0);
            (reply.deploy, reply)
        });
        let messages = rows(&tx, "SELECT lane, body FROM message", |row| {
            (text(row, 0), text(row, 1))
        });
        let locks = rows(&tx, "SELECT deploy, until IS NOT NULL FROM lock", |row| {
            (id(row, 0), row.get(1).unwrap())
        });
        Self {
            heads: heads.into_iter().collect(),
            events,
            replies: replies.into_iter().collect(),
            messages,
            locks,
        }
    }

    fn is_quiet(&self) -> bool {
        self.messages.is_empty()
            && self.heads.values().all(|head| head.state.is_terminal())
            && self.replies.values().all(|reply| reply.last.is_settled())
    }

    /// Every deploy's audit is whole: numbered, chained, and as long as its head says.
    pub(crate) fn verify(&self) {
        for (id, head) in &self.heads {
            let events = self.events.get(id).map_or(&[][..], Vec::as_slice);
            assert_eq!(events.len() as u64, head.events, "{id}");
            audit::verify(*id, events, head.last_hash).unwrap();
            let ends = events
                .iter()
                .filter(|event| event.body.contains(r#""what":"ended""#));
            let terminal = usize::from(head.state.is_terminal());
            assert_eq!(ends.count(), terminal, "{id} does not end once");
        }
        assert!(self.events.keys().all(|id| self.heads.contains_key(id)));
    }

    /// The audit's text of one deploy.
    pub(crate) fn audit(&self, id: DeployId) -> String {
        let bodies: Vec<&str> = self.events[&id].iter().map(|e| e.body.as_str()).collect();
        bodies.join("\n")
    }

    /// The one deploy there is.
    pub(crate) fn only(&self) -> &Head {
        assert_eq!(self.heads.len(), 1, "{:#?}", self.heads);
        self.heads.values().next().unwrap()
    }
}

fn event(row: &Row<'_>) -> Event {
    Event {
        deploy: id(row, 0),
        n: row.get::<_, u32>(1).unwrap().into(),
        body: text(row, 2),
        hash: Hash::parse(&text(row, 3)).unwrap(),
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
    format!(
        r#"
version = 1
default_project = "web"

[slack]
teams = ["T0001"]
reply_origins = ["{slack}"]
api = "{slack}"

[circleci]
api = "{circleci}"

[channels]
deploys = "C0001"

[times]
{times}

[projects.web]
slug = "gh/acme/web"

# Two jobs of one environment: one excludes the other.
[projects.web.jobs.deploy]
environment = "production"
branches = ["main", "release/*"]
channels = ["deploys"]
people = ["*"]

[projects.web.jobs.migrate]
environment = "production"
branches = ["**"]
channels = ["deploys"]
people = ["*"]

[projects.web.jobs.e2e]
branches = ["**"]
channels = ["deploys"]
people = ["*"]

[projects.web.jobs.restore]
branches = ["main"]
channels = ["deploys"]
people = ["U0009"]

[projects.web.jobs.test]
branches = ["**"]
channels = ["*"]
people = ["*"]
exclusive = false
"#,
        slack = sandbox.slack_url(),
        circleci = sandbox.circleci_url(),
    )
}
