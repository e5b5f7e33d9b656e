//! A stack in the emulator and a data file with the same records, and the program between them.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chatops_aws::client::AwsSdk;
use chatops_aws::dynamodb::DynamoDb;
use chatops_core::Time;
use chatops_core::audit::{AuditActor, AuditChange};
use chatops_core::config::{ProjectSlug, TriggerCall, WorkflowSelector};
use chatops_core::deploy::decide::{self, Context, RetryCause};
use chatops_core::deploy::machine;
use chatops_core::deploy::{
    DeployRecord, DeployRequest, DeployState, EndReason, Target, TriggerIntent,
};
use chatops_core::id::{ChannelId, DeployId, InvocationId, ShortId, TeamId, UserId};
use chatops_core::message::{MessageBody, WorkMessage};
use chatops_core::name::{GitRef, JobName, ProjectName};
use chatops_core::notification::{NotificationKind, NotificationRecord};
use chatops_core::parameters::Parameters;
use chatops_core::ports::{Clock, Commit, Ledger, MessageQueue, QueueName};
use chatops_local::clock::WallClock;
use chatops_local::sqlite::{Sqlite, SqliteSettings};
use chatops_testkit::account::{make_queues, make_table};
use chatops_testkit::config::{TestConfig, TestJob};
use chatops_testkit::emulator::{self, endpoint, unique};
use chrono::TimeDelta;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How the program ended.
#[derive(Debug)]
pub(crate) struct ProgramExit {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl ProgramExit {
    /// What it printed, if it ended well.
    pub(crate) fn success_output(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    /// What it printed as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A stack and a file.
pub(crate) struct StackWorld {
    pub(crate) stack: String,
    pub(crate) aws: AwsSdk,
    pub(crate) table: DynamoDb,
    pub(crate) file: Arc<Sqlite>,
    dir: TempDir,
    runtime: Runtime,
}

impl StackWorld {
    /// Both empty.
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (stack, aws) = (unique(), emulator::aws_clients(&endpoint().url));
        let dir = tempfile::tempdir().unwrap();
        let clock = SqliteSettings::new(Arc::new(WallClock));
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
    pub(crate) fn write(&self, commits: &[Commit]) -> DeployRecord {
        self.block(async {
            for commit in commits {
                self.table.commit(commit.clone()).await.unwrap();
                self.file.commit(commit.clone()).await.unwrap();
            }
        });
        commits.last().unwrap().record.clone()
    }

    /// Writes a deploy that was requested so many minutes ago and not triggered.
    pub(crate) fn write_failed(&self, key: &str, minutes: i64) -> DeployId {
        self.write(&CommitStory::begin(key, minutes).not_started().0)
            .id
    }

    /// Puts it into the dead-letter queues of both.
    pub(crate) fn send_dead_letter(&self, text: &str) {
        let body = MessageBody::from_wire(text.to_owned());
        self.block(async {
            let sent = self.file.send(QueueName::WorkDlq, &body, Duration::ZERO);
            sent.await.unwrap();
            let url = self.url(QueueName::WorkDlq).await;
            let request = self.aws.sqs().send_message().queue_url(url);
            request.message_body(text).send().await.unwrap();
        });
    }

    pub(crate) fn send_retry_ticket(&self, deploy: DeployId) {
        let ticket = MessageBody::encode(&WorkMessage::Retry { deploy }).unwrap();
        self.send_dead_letter(ticket.as_wire());
    }

    async fn url(&self, queue: QueueName) -> String {
        let name = format!("{}-{}", self.stack, queue.as_str());
        let request = self.aws.sqs().get_queue_url().queue_name(name);
        request.send().await.unwrap().queue_url.unwrap()
    }

    /// Takes everything out of a queue.
    pub(crate) fn drain(&self, queue: QueueName) -> Vec<String> {
        self.block(async {
            let (sqs, url) = (self.aws.sqs(), self.url(queue).await);
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

    /// The program with these arguments, in an environment that only leads to the emulator.
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

    pub(crate) fn run(&self, arguments: &[&str]) -> ProgramExit {
        run_program(&mut self.command(arguments))
    }

    /// On AWS.
    pub(crate) fn on_aws(&self, arguments: &[&str]) -> ProgramExit {
        let mut all = vec!["--aws", "--stack", &self.stack];
        all.extend(arguments);
        self.run(&all)
    }

    /// On the file.
    pub(crate) fn on_file(&self, arguments: &[&str]) -> ProgramExit {
        self.run(&[arguments, &["--data", "chatops.db"]].concat())
    }
}

pub(crate) fn run_program(command: &mut Command) -> ProgramExit {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let ended = ProgramExit {
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

/// The commits of a deploy.
pub(crate) struct CommitStory(pub(crate) Vec<Commit>);

fn worker() -> AuditActor {
    AuditActor::Worker(InvocationId::new("w"))
}

impl CommitStory {
    /// Requested so many minutes ago, for an environment of its own.
    pub(crate) fn begin(key: &str, minutes: i64) -> Self {
        Self::begin_in(key, key, minutes)
    }

    /// Requested so many minutes ago.
    pub(crate) fn begin_in(environment: &str, key: &str, minutes: i64) -> Self {
        let requested_at = now() - TimeDelta::minutes(minutes);
        let request = DeployRequest {
            team: TeamId::parse("T01").unwrap(),
            channel: ChannelId::parse("C01").unwrap(),
            user: UserId::parse("U01").unwrap(),
            user_name: Some("ana".to_owned()),
            project: Some(ProjectName::parse("web").unwrap()),
            git_ref: GitRef::parse(&format!("fix/{key}")).unwrap(),
            job: JobName::parse("deploy").unwrap(),
            parameters: Parameters::default(),
            environment: Some(environment.to_owned()),
            requested_at,
            unsigned: false,
            refused: None,
            press: None,
        };
        let id = DeployId::of_request("T01", "A01", key);
        let key = (id, id.short_id(ShortId::USUAL));
        let by = AuditActor::User(request.qualified_user());
        let until = requested_at + TimeDelta::minutes(10);
        let (record, event) = machine::begin_deploy(key, request, None, until, by, requested_at);
        Self(vec![commit(record, event)])
    }

    fn apply(mut self, change: AuditChange) -> Self {
        let record = &self.0.last().unwrap().record;
        let at = record.request.requested_at + TimeDelta::seconds(1);
        let (record, event) = machine::apply_change(record, change, worker(), at).unwrap();
        self.0.push(commit(record, event));
        self
    }

    /// CircleCI rejected the trigger.
    pub(crate) fn not_started(self) -> Self {
        let requested_at = self.0[0].record.request.requested_at;
        let triggering = AuditChange::TriggerBegun {
            attempt: 1,
            intent: TriggerIntent {
                by: InvocationId::new("w"),
                at: requested_at,
                send_by: requested_at + TimeDelta::seconds(15),
                unknown_because: None,
                slug: ProjectSlug {
                    vcs: "gh".into(),
                    org: "acme".into(),
                    repo: "web".into(),
                },
                call: TriggerCall::Pipeline,
                deploy_id_parameter: Some("deploy_id".into()),
                workflow: WorkflowSelector::ALL,
                must_run: vec![],
            },
            target: Some(Target("web/production".into())),
            config: "0123456789ab".into(),
        };
        let reason = EndReason::TriggerRefused {
            status: 403,
            message: "Permission denied".into(),
        };
        let state = DeployState::TriggerFailed;
        self.apply(triggering)
            .apply(AuditChange::Ended { state, reason })
    }

    /// The commit of a retry.
    pub(crate) fn retry(self) -> Self {
        let config = TestConfig::new()
            .team("T01")
            .project("web", &[TestJob::limited("deploy", &["*"], &["*"], &["*"])])
            .parse();
        let me = InvocationId::new("w");
        let ctx = Context {
            now: now(),
            invocation: &me,
            posted_attempt: 0,
            deadline: None,
            config: &config,
        };
        let old = self.0.last().unwrap().record.clone();
        let (first, cause) = (&old.request, RetryCause::Ticket);
        let retry = decide::begin_retry(&old, first, cause, ShortId::USUAL, ctx);
        let mut commits = self.0;
        commits.push(retry.unwrap().unwrap());
        Self(commits)
    }
}

pub(crate) fn now() -> Time {
    WallClock.now()
}

fn commit(record: DeployRecord, event: chatops_core::audit::AuditEvent) -> Commit {
    let ends = record.state.is_terminal();
    let open = NotificationRecord::open(record.id, None, record.valid_until);
    Commit {
        open_notifications: (record.version == 1).then_some(open),
        events: vec![event],
        notifications: ends
            .then_some(NotificationKind::Final)
            .into_iter()
            .collect(),
        ..Commit::of(record)
    }
}
