//! A stack in the emulator and a data file with the same record, and the program between them.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use chatops::clock::SystemClock;
use chatops::sqlite::{Settings, Sqlite};
use chatops_aws::client::Aws;
use chatops_aws::dynamodb::DynamoDb;
use chatops_core::Time;
use chatops_core::audit::{Actor, Change};
use chatops_core::config::{Config, Slug, TriggerCall};
use chatops_core::decide::{self, Cause, Here};
use chatops_core::deploy::{Armed, Ask, Head, Reason, State, Target};
use chatops_core::id::{ChannelId, DeployId, Invocation, ShortId, TeamId, UserId};
use chatops_core::machine;
use chatops_core::message::{Body, WorkMessage};
use chatops_core::name::{BranchName, JobName, ProjectName};
use chatops_core::ports::{Clock, Commit, Lane, Queue, Store};
use chatops_testbed::account::{make_queues, make_table};
use chatops_testbed::emulator::{self, endpoint, unique};
use chrono::TimeDelta;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How the program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// What it printed, if it ended well.
    pub(crate) fn said(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// What it printed as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A stack and a file.
pub(crate) struct World {
    pub(crate) stack: String,
    pub(crate) aws: Aws,
    pub(crate) table: DynamoDb,
    pub(crate) file: Arc<Sqlite>,
    dir: TempDir,
    runtime: Runtime,
}

impl World {
    /// Both empty.
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (stack, aws) = (unique(), emulator::aws(&endpoint().url));
        let dir = tempfile::tempdir().unwrap();
        let clock = Settings::new(Arc::new(SystemClock));
        let file = Sqlite::open(&dir.path().join("chatops.db"), clock).unwrap();
        let table = runtime.block_on(async {
            make_queues(&aws, &stack, 5).await;
            make_table(&aws, &format!("{stack}-ledger")).await
        });
        Self {
            stack,
            aws,
            table,
            file: Arc::new(file),
            dir,
            runtime,
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    pub(crate) fn block<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// Writes the same into the table and the file.
    pub(crate) fn write(&self, commits: &[Commit]) -> Head {
        self.block(async {
            for commit in commits {
                self.table.commit(commit.clone()).await.unwrap();
                self.file.commit(commit.clone()).await.unwrap();
            }
        });
        commits.last().unwrap().head.clone()
    }

    /// Puts it into the dead-letter queue and the file's dead lane.
    pub(crate) fn bury(&self, letter: &str) {
        let body = Body::from_wire(letter.to_owned());
        self.block(async {
            let sent = self
                .file
                .send(Lane::WorkDead, &body, std::time::Duration::ZERO);
            sent.await.unwrap();
            let url = self.url(Lane::WorkDead).await;
            let request = self.aws.sqs().send_message().queue_url(url);
            request.message_body(letter).send().await.unwrap();
        });
    }

    pub(crate) fn bury_order(&self, deploy: DeployId) {
        let order = Body::encode(&WorkMessage::Retry { deploy }).unwrap();
        self.bury(order.as_wire());
    }

    async fn url(&self, lane: Lane) -> String {
        let name = format!("{}-{}", self.stack, lane.name());
        let request = self.aws.sqs().get_queue_url().queue_name(name);
        request.send().await.unwrap().queue_url.unwrap()
    }

    /// Takes everything out of a queue.
    pub(crate) fn drain(&self, lane: Lane) -> Vec<String> {
        self.block(async {
            let (sqs, url) = (self.aws.sqs(), self.url(lane).await);
            let mut bodies = Vec::new();
            loop {
                let request = sqs.receive_message().queue_url(&url);
                let answer = request.max_number_of_messages(10).send().await.unwrap();
                let messages = answer.messages.unwrap_or_default();
                if messages.is_empty() {
                    return bodies;
                }
                for message in messages {
                    let request = sqs.delete_message().queue_url(&url);
                    let receipt = message.receipt_handle.unwrap();
                    request.receipt_handle(receipt).send().await.unwrap();
                    bodies.push(message.body.unwrap());
                }
            }
        })
    }

    /// The program with these arguments, in an environment that holds nothing but the way to the
    /// emulator.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chatops"));
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .env("USER", "ada")
            .env("AWS_ENDPOINT_URL", &endpoint().url)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "canary-of-the-secret-key")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .current_dir(self.dir.path())
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        ended(&mut self.command(arguments))
    }

    /// On AWS.
    pub(crate) fn there(&self, arguments: &[&str]) -> Ended {
        let mut all = vec!["--aws", "--stack", &self.stack];
        all.extend(arguments);
        self.run(&all)
    }

    /// On the file.
    pub(crate) fn here(&self, arguments: &[&str]) -> Ended {
        self.run(&[arguments, &["--data", "chatops.db"]].concat())
    }
}

pub(crate) fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ended = Ended {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    for said in [&ended.stdout, &ended.stderr] {
        assert!(!said.contains("canary"), "{said}");
        assert!(!said.contains('\u{1b}'), "{said}");
    }
    ended
}

/// A deploy as it comes to be.
pub(crate) struct Story(pub(crate) Vec<Commit>);

fn worker() -> Actor {
    Actor::Worker(Invocation::new("w"))
}

impl Story {
    /// Asked for so many minutes ago.
    pub(crate) fn begin(occasion: &str, minutes: i64) -> Self {
        let asked_at = now() - TimeDelta::minutes(minutes);
        let ask = Ask {
            team: TeamId::parse("T01").unwrap(),
            channel: ChannelId::parse("C01").unwrap(),
            user: UserId::parse("U01").unwrap(),
            user_name: Some("ana".to_owned()),
            project: Some(ProjectName::parse("web").unwrap()),
            branch: BranchName::parse(&format!("fix/{occasion}")).unwrap(),
            job: JobName::parse("deploy").unwrap(),
            asked_at,
        };
        let id = DeployId::of_request("T01", "A01", occasion);
        let key = (id, id.short(ShortId::USUAL));
        let by = Actor::Person(ask.user.clone());
        let until = asked_at + TimeDelta::minutes(10);
        let (head, event) = machine::begin(key, ask, None, until, by, asked_at);
        Self(vec![commit(head, Some(event))])
    }

    fn then(mut self, change: Change) -> Self {
        let head = &self.0.last().unwrap().head;
        let at = head.ask.asked_at + TimeDelta::seconds(1);
        let (head, event) = machine::apply(head, change, worker(), at).unwrap();
        self.0.push(commit(head, Some(event)));
        self
    }

    /// CircleCI said no.
    pub(crate) fn not_started(self) -> Self {
        let asked_at = self.0[0].head.ask.asked_at;
        let armed = Change::Armed {
            attempt: 1,
            armed: Armed {
                by: Invocation::new("w"),
                at: asked_at,
                send_by: asked_at + TimeDelta::seconds(15),
                doubt: None,
                slug: Slug {
                    vcs: "gh".into(),
                    org: "acme".into(),
                    repo: "web".into(),
                },
                call: TriggerCall::Pipeline,
                proof_parameter: Some("deploy_id".into()),
            },
            target: Some(Target("web/production".into())),
            config: "0123456789ab".into(),
        };
        let reason = Reason::TriggerRefused {
            status: 400,
            message: "Branch not found".into(),
        };
        let state = State::TriggerFailed;
        self.then(armed).then(Change::Ended { state, reason })
    }

    /// The commit that tries it again.
    pub(crate) fn retried(self) -> Self {
        let config = Config::parse("version = 1\n[slack]\nteams = []\n", "none").unwrap();
        let me = Invocation::new("w");
        let here = Here {
            now: now(),
            me: &me,
            posted: 0,
            ends: None,
            config: &config,
        };
        let old = self.0.last().unwrap().head.clone();
        let retry = decide::open_retry(&old, &old.ask, Cause::Order, ShortId::USUAL, here);
        let mut commits = self.0;
        commits.push(retry.unwrap());
        Self(commits)
    }
}

pub(crate) fn now() -> Time {
    SystemClock.now()
}

fn commit(head: Head, event: Option<chatops_core::audit::Event>) -> Commit {
    Commit {
        head,
        event,
        lock: None,
        claim: None,
        owe: vec![],
        open: None,
        repeats: None,
    }
}
