//! A deployed stack with the sandbox on its other side, and queries to both.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use chatops_aws::client::{AwsSdk, AwsSettings};
use chatops_aws::dynamodb::DynamoDb;
use chatops_core::audit;
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::DeployId;
use chatops_core::ports::{DeployFilter, DeployReader};
use chatops_sandbox::circleci::{FakeProject, RunScript};
use chatops_sandbox::slack::{CommandAck, CommandRequest, ShownMessage, TypedCommand};
use chatops_sandbox::{JournalEntry, JournalEvent, Sandbox, SandboxSettings};
use chatops_testkit::config::{TestConfig, TestJob};
use chatops_testkit::{WAIT_TIMEOUT, emulator, programs, python, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a build takes.
const BUILD: Duration = Duration::from_millis(500);

const SIGNING_SECRET: &str = "canary1signing1secret1of1slack11";
const TOKEN: &str = "canary2token2of2circleci";
pub(crate) const WEBHOOK_SECRET: &str = "canary3webhook3secret3of3circleci";

pub(crate) struct DeployedStack {
    pub(crate) sandbox: Sandbox,
    pub(crate) programs: BTreeMap<String, PathBuf>,
    pub(crate) endpoint: String,
    pub(crate) aws: AwsSdk,
    outputs: BTreeMap<String, String>,
    dir: TempDir,
}

impl DeployedStack {
    pub(crate) async fn deploy() -> Self {
        let programs = programs::build_programs();
        let dir = tempfile::tempdir().unwrap();
        let calls = dir.path().join("calls").display().to_string();
        let launcher = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/deployed/emulator.py");
        let settings = [("AUTH", "true"), ("CALLS", calls.as_str())];
        let endpoint = emulator::start_emulator(launcher, &settings);
        let sandbox = start_sandbox().await;
        let file = dir.path().join("chatops.toml");
        std::fs::write(&file, sandbox_config(&sandbox)).unwrap();
        let aws = aws_clients(&endpoint, &account_keys());
        let mut stack = Self {
            sandbox,
            programs,
            endpoint,
            aws,
            outputs: BTreeMap::new(),
            dir,
        };
        let program = |name: &str| stack.programs[name].display().to_string();
        let code = json!({
            "ingest": program("chatops-ingest"),
            "worker": program("chatops-worker"),
            "notifier": program("chatops-notifier"),
            "config": concat!(env!("CARGO_MANIFEST_DIR"), "/../config"),
        });
        let parameters = json!({"ConfigPath": file, "Architecture": "x86_64", "LogLevel": "trace"});
        let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");
        let (code, parameters) = (code.to_string(), parameters.to_string());
        let arguments = [template, "chatops", &code, &parameters];
        let outputs = stack.run_script("deploy.py", &arguments);
        stack.outputs = serde_json::from_value(outputs).unwrap();
        stack.put_secrets().await;
        stack
    }

    async fn put_secrets(&self) {
        let put = async |output: &str, value: Value| {
            let request = self.aws.secrets().put_secret_value();
            let request = request.secret_id(self.output(output));
            request
                .secret_string(value.to_string())
                .send()
                .await
                .unwrap();
        };
        let inbound = json!({
            "slack_signing_secret": SIGNING_SECRET, "circleci_webhook_secret": WEBHOOK_SECRET,
        });
        put("InboundSecretName", inbound).await;
        put("CircleCiSecretName", json!({"circleci_token": TOKEN})).await;
    }

    pub(crate) fn output(&self, name: &str) -> &str {
        let value = self.outputs.get(name);
        value.unwrap_or_else(|| panic!("the stack has no output {name}"))
    }

    pub(crate) fn calls_path(&self) -> PathBuf {
        self.dir.path().join("calls")
    }

    /// Where a path of the API is, as the emulator serves it.
    pub(crate) fn url(&self, path: &str) -> String {
        let (endpoint, api) = (&self.endpoint, self.output("ApiId"));
        format!("{endpoint}/_aws/execute-api/{api}/$default{path}")
    }

    /// Runs one of the scripts beside this file; what it prints.
    pub(crate) fn run_script(&self, script: &str, arguments: &[&str]) -> Value {
        let path = format!("{}/tests/deployed/{script}", env!("CARGO_MANIFEST_DIR"));
        let variables = self.account_env();
        let variables = variables.each_ref();
        let variables = variables.map(|(name, value)| (*name, value.as_str()));
        python::run_script(&path, arguments, &variables)
    }

    /// What a process needs to be the account itself.
    pub(crate) fn account_env(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
    }

    /// The event of the schedule, now rather than within the minute.
    pub(crate) fn run_sweep(&self) {
        let event = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/schedule.json");
        self.run_script("invoke.py", &["chatops-worker", event]);
    }

    pub(crate) async fn types(&self, text: &str) -> (CommandRequest, CommandAck) {
        let typed = TypedCommand::new(text);
        let client = self.sandbox.command_sender();
        let sent = client.prepare_command(&self.url("/slack/commands"), &typed);
        let ack = client.send(&sent).await;
        (sent, ack)
    }

    /// Waits for a message through the response URL of one command.
    pub(crate) async fn notified(&self, sent: &CommandRequest, words: &str) -> String {
        let found = |_: &[JournalEntry]| {
            let model = self.sandbox.slack().lock();
            let mine = |m: &&ShownMessage| m.response_path == sent.response_path && m.nth_use > 0;
            let shown = model.messages().iter().filter(mine);
            let mut shown = shown.map(ShownMessage::shown_text);
            shown.find(|shown| shown.contains(words))
        };
        let journal = self.sandbox.journal();
        let shown = journal.wait_until(WAIT_TIMEOUT, found).await;
        shown.unwrap_or_else(|| panic!("no message has '{words}': {:#?}", journal.entries()))
    }

    /// The clients of somebody with these keys.
    pub(crate) fn clients_of(&self, keys: &Value) -> AwsSdk {
        aws_clients(&self.endpoint, keys)
    }

    /// Somebody who has taken the role for a redrive, which may send to the work queue.
    pub(crate) fn redriver(&self) -> AwsSdk {
        let role = self.output("RedriveRoleArn");
        self.clients_of(&self.run_script("take_role.py", &[role, "ada"]))
    }

    pub(crate) fn ledger(&self) -> DynamoDb {
        DynamoDb::new(self.aws.dynamodb(), self.output("TableName"))
    }

    /// A deploy in that state; its audit is verified.
    pub(crate) async fn reach(&self, id: DeployId, state: DeployState) -> DeployRecord {
        let store = self.ledger();
        wait_until(&format!("{id} to be {state}"), async || {
            let record = store.read_deploy(id).await.unwrap()?;
            (record.state == state).then_some(())
        })
        .await;
        let record = store.read_deploy(id).await.unwrap().unwrap();
        let events = store.read_events(id).await.unwrap();
        audit::verify_chain(id, &events, record.last_hash).unwrap();
        record
    }

    /// The retry of a deploy, in that state.
    pub(crate) async fn retry_of(&self, old: DeployId, state: DeployState) -> DeployRecord {
        let store = self.ledger();
        let named = async || store.read_deploy(old).await.unwrap()?.retried_by;
        let retry = wait_until(&format!("{old} to be retried"), named).await;
        self.reach(retry, state).await
    }

    pub(crate) async fn count_deploys(&self) -> usize {
        let (ledger, all) = (self.ledger(), DeployFilter::default());
        let page = ledger.list_deploys(&all, None, 100).await;
        page.unwrap().deploys.len()
    }

    /// How many messages a queue has that anybody could receive.
    pub(crate) async fn queue_depth(&self, output: &str) -> usize {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let request = self.aws.sqs().get_queue_attributes();
        let request = request.queue_url(self.output(output));
        let answer = request.attribute_names(name.clone()).send().await.unwrap();
        answer.attributes.unwrap()[&name].parse().unwrap()
    }

    /// The pipelines of a job at CircleCI.
    pub(crate) fn count_pipelines(&self, job: &str) -> usize {
        let model = self.sandbox.circleci().lock();
        let of_job = |p: &&chatops_sandbox::circleci::FakePipeline| p.parameters["job"] == job;
        model.all_pipelines().iter().filter(of_job).count()
    }

    /// From now on CircleCI has the project whose triggers it refused so far.
    /// A project that had only a commit that skips CI gets another.
    pub(crate) fn mend_project(&self, name: &str) {
        let mut model = self.sandbox.circleci().lock();
        model.add_project(sandbox_project(name));
    }

    pub(crate) fn webhooks(&self) -> Vec<Option<u16>> {
        let entries = self.sandbox.journal().entries();
        let webhook = |entry: &JournalEntry| match &entry.event {
            JournalEvent::WebhookSent { status, .. } => Some(*status),
            _ => None,
        };
        entries.iter().filter_map(webhook).collect()
    }
}

/// The keys of the account itself.
fn account_keys() -> Value {
    json!({"id": "test", "secret": "test"})
}

fn aws_clients(endpoint: &str, keys: &Value) -> AwsSdk {
    let mut settings = AwsSettings::read(|name| {
        Some(match name {
            "AWS_ENDPOINT_URL" => endpoint.into(),
            "AWS_REGION" => "us-east-1".into(),
            "AWS_ACCESS_KEY_ID" => keys["id"].as_str()?.into(),
            "AWS_SECRET_ACCESS_KEY" => keys["secret"].as_str()?.into(),
            "AWS_SESSION_TOKEN" => keys["token"].as_str()?.into(),
            _ => return None,
        })
    })
    .unwrap();
    // One emulator serves everything here, the functions included.
    settings.call_timeout = WAIT_TIMEOUT;
    settings.attempt_timeout = WAIT_TIMEOUT / 2;
    AwsSdk::new(&settings).unwrap()
}

async fn start_sandbox() -> Sandbox {
    let skipping = SKIPPING_PROJECTS.map(|name| FakeProject {
        ci_skip_branches: vec!["main".to_owned()],
        ..sandbox_project(name)
    });
    let projects = [vec![sandbox_project("web")], skipping.to_vec()].concat();
    let settings = SandboxSettings::new(SIGNING_SECRET, projects);
    let sandbox = Sandbox::start(settings).await.unwrap();
    for job in JOBS {
        let mut model = sandbox.circleci().lock();
        model.script_job(job, RunScript::success(BUILD));
    }
    // Long enough to be seen running.
    for job in ["deploy", "cancel", "long"] {
        let long = RunScript::success(Duration::from_secs(4));
        sandbox.circleci().lock().script_job(job, long);
    }
    sandbox
}

fn sandbox_project(name: &str) -> FakeProject {
    let slug = format!("gh/acme/{name}");
    FakeProject::declaring(&slug, TOKEN, &["job", "deploy_id"])
}

const JOBS: [&str; 8] = [
    "deploy", "press", "operate", "redrive", "bulk", "cancel", "status", "unsigned",
];

/// The projects whose triggers CircleCI refuses at first.
const SKIPPING_PROJECTS: [&str; 4] = ["press", "operate", "redrive", "bulk"];

/// Each story has a job of its own; those whose triggers fail at first a project as well.
fn sandbox_config(sandbox: &Sandbox) -> String {
    let jobs = JOBS.iter().chain(&["long"]);
    let jobs: Vec<_> = jobs.map(|job| TestJob::open(job)).collect();
    let projects = ["web"].iter().chain(&SKIPPING_PROJECTS);
    let config = TestConfig::new()
        .slack(sandbox.slack_url())
        .circleci(sandbox.circleci_url())
        .timeouts(TIMEOUTS);
    let config = projects.fold(config, |config, project| config.project(project, &jobs));
    config.text()
}

const TIMEOUTS: &str = r#"
connect_timeout = "2s"
request_timeout = "5s"
trigger_window = "8s"
poll_interval_min = "1s"
poll_interval_max = "2s"
retry_backoff = "1s"
delivery_lease = "8s"
"#;
