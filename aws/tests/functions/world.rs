//! One of everything that the functions are run between, and what people do there. How messages reach the
//! functions is in `delivery`, what came of them in `outcome`.

mod delivery;
mod outcome;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use chatops_aws::client::AwsSdk;
use chatops_aws::clock::LambdaClock;
use chatops_aws::dynamodb::DynamoDb;
use chatops_aws::sqs::QueueUrls;
use chatops_core::ports::{Clock, QueueName};
use chatops_sandbox::Sandbox;
use chatops_sandbox::circleci::RunScript;
use chatops_sandbox::slack::{CommandAck, CommandRequest, TypedCommand};
use chatops_testkit::account::{make_queues, make_secret, make_table};
use chatops_testkit::emulator::{self, endpoint, unique};
use chatops_testkit::programs;
use chatops_testkit::proxy::Proxy;
use chatops_testkit::wait_until;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::function::LambdaFunction;
use crate::gateway::{ApiGateway, PayloadFormat};
use crate::setup::{self, MAX_RECEIVES, function_env};

/// How long a build takes.
pub(crate) const BUILD_TIME: Duration = Duration::from_millis(300);

/// How long an invocation may take: longer than anything needs that does not hang.
pub(crate) const LEFT: Duration = Duration::from_secs(30);

// Nothing else may look like these, so that a leak of them can be found.
pub(crate) const SIGNING_SECRET: &str = "canary1signing1secret1of1slack11";
pub(crate) const TOKEN: &str = "canary2token2of2circleci";
pub(crate) const WEBHOOK_SECRET: &str = "canary3webhook3secret3of3circleci";
/// The sandbox puts it into every form, as Slack does.
const FORM_TOKEN: &str = "gIkuvaNzQIHg97ATvDxqgjtO";

static PROGRAMS: LazyLock<BTreeMap<String, PathBuf>> = LazyLock::new(programs::build_programs);

/// One of everything, shared with no other test.
pub(crate) struct LambdaWorld {
    pub(crate) sandbox: Sandbox,
    pub(crate) aws: AwsSdk,
    /// In front of the emulator and CircleCI, for the worker alone, if wanted.
    pub(crate) to_aws: Option<Proxy>,
    pub(crate) to_circleci: Option<Proxy>,
    pub(crate) store: DynamoDb,
    pub(crate) queues: HashMap<QueueName, String>,
    pub(crate) ingest: Arc<LambdaFunction>,
    pub(crate) worker: Arc<LambdaFunction>,
    pub(crate) notifier: Arc<LambdaFunction>,
    /// The names of the secrets that ingest and the notifier read.
    pub(crate) inbound_secret: String,
    pub(crate) bot_secret: String,
    gateways: [ApiGateway; 2],
    mappings: Mutex<JoinSet<()>>,
    dir: TempDir,
}

impl LambdaWorld {
    pub(crate) async fn new() -> Self {
        Self::build(false, &endpoint().url).await
    }

    /// The worker's ways to AWS and CircleCI can be disturbed.
    pub(crate) async fn with_proxies() -> Self {
        Self::build(true, &endpoint().url).await
    }

    /// All functions reach AWS at that address.
    pub(crate) async fn with_endpoint(url: &str) -> Self {
        Self::build(false, url).await
    }

    async fn build(proxies: bool, endpoint_url: &str) -> Self {
        let (name, aws) = (unique(), emulator::aws_clients(&endpoint().url));
        let sandbox = setup::start_sandbox().await;
        let (to_aws, to_circleci) = if proxies {
            let aws = Proxy::to(endpoint_url).await;
            (Some(aws), Some(Proxy::to(sandbox.circleci_url()).await))
        } else {
            (None, None)
        };
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("chatops.toml");
        let circleci = to_circleci.as_ref();
        let circleci = circleci.map_or(sandbox.circleci_url(), |to| &to.url);
        std::fs::write(&config, setup::sandbox_config(&sandbox, circleci)).unwrap();
        let store = make_table(&aws, &name).await;
        let queues = make_queues(&aws, &name, MAX_RECEIVES).await;
        let inbound = json!({
            "slack_signing_secret": SIGNING_SECRET, "circleci_webhook_secret": WEBHOOK_SECRET,
        });
        let inbound_name = make_secret(&aws, &name, "inbound", &inbound).await;
        let token = json!({"circleci_token": TOKEN});
        let token = make_secret(&aws, &name, "circleci", &token).await;
        let bot_name = make_secret(&aws, &name, "slack", &json!({"slack_bot_token": ""})).await;

        let function = |program: &str, endpoint: &str, own: &[(&'static str, &str)]| {
            let common = function_env(&config, endpoint).into_iter();
            let own = own.iter().map(|(name, value)| (*name, (*value).to_owned()));
            Arc::new(LambdaFunction::new(&PROGRAMS[program], common.chain(own)))
        };
        let url = |queue| (QueueUrls::env_name(queue), queues[&queue].as_str());
        let (work, notify) = (url(QueueName::Work), url(QueueName::Notify));
        let (polls, operators) = (url(QueueName::Polls), url(QueueName::Operators));
        let (dead, notify_dead) = (url(QueueName::WorkDlq), url(QueueName::NotifyDlq));
        let ledger = ("CHATOPS_TABLE", name.as_str());
        let secrets = "CHATOPS_SECRETS";
        let to_worker = to_aws.as_ref().map_or(endpoint_url, |to| &to.url);
        let ingest = [work, polls, (secrets, &inbound_name)];
        let queues_of_worker = [work, polls, operators, notify, dead];
        let worker = [ledger, (secrets, &token)]
            .into_iter()
            .chain(queues_of_worker);
        let worker: Vec<_> = worker.collect();
        let notifier = [ledger, notify, notify_dead, (secrets, &bot_name)];
        let ingest = function("chatops-ingest", endpoint_url, &ingest);
        let worker = function("chatops-worker", to_worker, &worker);
        let notifier = function("chatops-notifier", endpoint_url, &notifier);
        let one = ApiGateway::open(&ingest, PayloadFormat::V1).await;
        let two = ApiGateway::open(&ingest, PayloadFormat::V2).await;
        Self {
            sandbox,
            aws,
            to_aws,
            to_circleci,
            store,
            queues,
            ingest,
            worker,
            notifier,
            inbound_secret: inbound_name,
            bot_secret: bot_name,
            gateways: [one, two],
            mappings: Mutex::default(),
            dir,
        }
    }

    /// Where a path of the API is.
    pub(crate) fn url(&self, payload: PayloadFormat, path: &str) -> String {
        let [one, two] = &self.gateways;
        let gateway = match payload {
            PayloadFormat::V1 => one,
            PayloadFormat::V2 => two,
        };
        format!("{}{path}", gateway.url)
    }

    /// How long the builds of `deploy` take from now on.
    pub(crate) fn builds_take(&self, long: Duration) {
        let mut model = self.sandbox.circleci().lock();
        model.script_job("deploy", RunScript::success(long));
    }

    /// Somebody cancels the only workflow in CircleCI's own interface, once it runs.
    pub(crate) async fn cancel_at_circleci(&self) {
        wait_until("a workflow to cancel", async || {
            let now = LambdaClock.now();
            let mut model = self.sandbox.circleci().lock();
            let pipeline = model.all_pipelines().first()?.id;
            let workflow = model.list_workflows(now, pipeline).ok()?.items.pop()?;
            model.cancel_workflow(now, workflow.id).ok()
        })
        .await;
    }

    /// Somebody types a command.
    pub(crate) async fn type_command(
        &self,
        payload: PayloadFormat,
        text: &str,
    ) -> (CommandRequest, CommandAck) {
        let client = self.sandbox.command_sender();
        let url = self.url(payload, "/slack/commands");
        let sent = client.prepare_command(&url, &TypedCommand::new(text));
        self.ingest.warm_up().await;
        let ack = client.send(&sent).await;
        (sent, ack)
    }

    /// Somebody types a command that is taken.
    pub(crate) async fn request_deploy(&self, text: &str) -> CommandRequest {
        let (sent, ack) = self.type_command(PayloadFormat::V2, text).await;
        assert!(ack.shown.contains("*Accepted:*"), "{}", ack.shown);
        sent
    }

    /// A process of its own for the same work.
    pub(crate) fn another_worker(&self) -> LambdaFunction {
        self.worker.with("CHATOPS_LOG_LEVEL", Some("trace"))
    }

    /// Somebody changes what a secret holds.
    pub(crate) async fn put_secret(&self, name: &str, value: &Value) {
        let request = self.aws.secrets().put_secret_value().secret_id(name);
        let request = request.secret_string(value.to_string());
        request.send().await.unwrap();
    }

    /// The end of every test: the logs are JSON by invocation, and hold no secret.
    pub(crate) fn check_logs(&self) {
        let mut secrets = vec!["canary", FORM_TOKEN];
        let model = self.sandbox.slack().lock();
        let paths = model.messages().iter().map(|m| m.response_path.as_str());
        secrets.extend(paths);
        secrets.push("/commands/T0001/");
        for function in [&self.ingest, &self.worker, &self.notifier] {
            function.check_log(&secrets);
        }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("chatops.toml")
    }
}
