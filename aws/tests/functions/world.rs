//! The three functions between the sandbox and the emulator, and queries to all of them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_sdk_sqs::types::{Message, QueueAttributeName};
use chatops_aws::client::AwsSdk;
use chatops_aws::clock::LambdaClock;
use chatops_aws::dynamodb::DynamoDb;
use chatops_aws::sqs::QueueUrls;
use chatops_core::audit;
use chatops_core::deploy::{DeployRecord, DeployState};
use chatops_core::id::DeployId;
use chatops_core::ports::{Clock, DeployFilter, DeployReader, NotificationStore, QueueName};
use chatops_sandbox::circleci::{FakePipeline, RunScript};
use chatops_sandbox::slack::{CommandAck, CommandRequest, ShownMessage, TypedCommand};
use chatops_sandbox::{JournalEntry, JournalEvent, Sandbox};
use chatops_testkit::account::{make_queues, make_secret, make_table};
use chatops_testkit::emulator::{self, endpoint, unique};
use chatops_testkit::programs;
use chatops_testkit::proxy::Proxy;
use chatops_testkit::{deploy_id, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::function::{InvokeOutcome, LambdaFunction};
use crate::gateway::{ApiGateway, PayloadFormat};
use crate::mapping::{DeliveryMode, SourceMapping, event_record, receive_messages};
use crate::setup::{self, MAX_RECEIVES, function_env};

/// How long a build takes.
pub(crate) const BUILD_TIME: Duration = Duration::from_millis(300);

/// How long an invocation may take: longer than anything needs that does not hang.
pub(crate) const LEFT: Duration = Duration::from_secs(30);

/// The queues that functions are run over.
const SERVED_QUEUES: [QueueName; 4] = [
    QueueName::Work,
    QueueName::Notify,
    QueueName::Polls,
    QueueName::Operators,
];

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

    /// The function that handles a queue.
    fn function_of(&self, queue_name: QueueName) -> &Arc<LambdaFunction> {
        match queue_name {
            QueueName::Work | QueueName::Polls | QueueName::Operators => &self.worker,
            QueueName::Notify => &self.notifier,
            _ => unreachable!("no function handles {queue_name:?}"),
        }
    }

    /// A mapping that does nothing by itself yet.
    pub(crate) fn new_mapping(&self, queue: QueueName, mode: DeliveryMode) -> Arc<SourceMapping> {
        Arc::new(SourceMapping {
            sqs: self.aws.sqs(),
            queue: self.queues[&queue].clone(),
            function: Arc::clone(self.function_of(queue)),
            left: LEFT,
            mode,
            runs: Mutex::default(),
            stopped: AtomicBool::new(false),
        })
    }

    /// From now on messages are delivered.
    pub(crate) fn connect(&self, mode: DeliveryMode) -> [Arc<SourceMapping>; 4] {
        let all = SERVED_QUEUES.map(|queue| self.new_mapping(queue, mode));
        for mapping in &all {
            let running = Arc::clone(mapping).run();
            self.mappings.lock().unwrap().spawn(running);
        }
        all
    }

    /// From now on nothing is delivered; what was received is finished first.
    pub(crate) async fn disconnect(&self, mappings: &[Arc<SourceMapping>]) {
        for mapping in mappings {
            mapping.stop();
        }
        let running = std::mem::take(&mut *self.mappings.lock().unwrap());
        running.join_all().await;
    }

    /// A process of its own for the same work.
    pub(crate) fn another_worker(&self) -> LambdaFunction {
        self.worker.with("CHATOPS_LOG_LEVEL", Some("trace"))
    }

    /// All messages of a queue, hidden from every other receiver.
    pub(crate) async fn take_messages(&self, queue_name: QueueName) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            let some = receive_messages(&self.aws.sqs(), &self.queues[&queue_name], 0).await;
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }

    /// Deletes what is queued; what was taken does not come again, either.
    pub(crate) async fn lose_wake_ups(&self) {
        for queue_name in SERVED_QUEUES {
            let purge = self.aws.sqs().purge_queue();
            let purge = purge.queue_url(&self.queues[&queue_name]);
            purge.send().await.unwrap();
        }
    }

    /// Waits until a queue is empty.
    pub(crate) async fn is_empty(&self, queue_name: QueueName) {
        self.is_empty_but(queue_name, 0).await;
    }

    /// Waits until a queue has only what the test itself has taken.
    pub(crate) async fn is_empty_but(&self, queue_name: QueueName, taken: usize) {
        let empty = async || (self.queue_depth(queue_name).await == taken).then_some(());
        wait_until(&format!("{queue_name:?} to be empty"), empty).await;
    }

    pub(crate) async fn send_message_text(&self, queue_name: QueueName, body: &str) {
        let request = self.aws.sqs().send_message();
        let request = request.queue_url(&self.queues[&queue_name]);
        request.message_body(body).send().await.unwrap();
    }

    /// How many messages a queue has, the invisible ones included.
    pub(crate) async fn queue_depth(&self, queue_name: QueueName) -> usize {
        let request = self.aws.sqs().get_queue_attributes();
        let request = request.queue_url(&self.queues[&queue_name]);
        let names = vec![
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = request.set_attribute_names(Some(names));
        let counts = request.send().await.unwrap().attributes.unwrap();
        let counts = counts.values().map(|count| count.parse::<usize>().unwrap());
        counts.sum()
    }

    /// From now on the schedule runs, too, more often than once a minute.
    pub(crate) fn start_sweeping(&self) {
        let worker = Arc::clone(&self.worker);
        self.mappings.lock().unwrap().spawn(async move {
            loop {
                worker.invoke(&schedule_event(), LEFT).await;
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
    }

    /// It is time for the sweep.
    pub(crate) async fn sweep(&self) -> InvokeOutcome {
        self.worker.invoke(&schedule_event(), LEFT).await
    }

    /// A batch of messages of a queue, as Lambda hands it over.
    pub(crate) fn batch_event<'m>(
        &self,
        queue_name: QueueName,
        messages: impl IntoIterator<Item = &'m Message>,
    ) -> Value {
        let queue = &self.queues[&queue_name];
        let records = messages.into_iter().map(|one| event_record(queue, one));
        let records: Vec<Value> = records.collect();
        json!({ "Records": records })
    }

    /// Hands a batch to a function by hand.
    pub(crate) async fn hand_batch(
        &self,
        function: &LambdaFunction,
        queue_name: QueueName,
        messages: &[Message],
        left: Duration,
    ) -> Value {
        let event = self.batch_event(queue_name, messages);
        function.invoke(&event, left).await.into_answer()
    }

    pub(crate) async fn record(&self, id: DeployId) -> Option<DeployRecord> {
        self.store.read_deploy(id).await.unwrap()
    }

    /// Waits for the end of a deploy, see [`LambdaWorld::wait_until_notified`]; it has this state and
    /// this many pipelines.
    pub(crate) async fn wait_for_end(
        &self,
        sent: &CommandRequest,
        state: DeployState,
        pipelines: usize,
    ) -> DeployRecord {
        let (record, made) = self.wait_until_notified(sent).await;
        assert_eq!((record.state, made), (state, pipelines), "{record:#?}");
        record
    }

    /// Waits until a deploy has ended and its final status was delivered, and verifies its audit. With
    /// the number of its pipelines.
    pub(crate) async fn wait_until_notified(&self, sent: &CommandRequest) -> (DeployRecord, usize) {
        let id = deploy_id(sent);
        let settled = async || {
            let record = self.record(id).await?;
            let notification = self.store.read_notification(id).await.unwrap()?;
            (record.state.is_terminal() && notification.final_status.is_settled()).then_some(record)
        };
        let record = wait_until(&format!("the final status of {id}"), settled).await;
        let events = self.store.read_events(id).await.unwrap();
        assert_eq!(events.len() as u64, record.events);
        audit::verify_chain(id, &events, record.last_hash).unwrap();
        let ended = |event: &&audit::AuditEvent| event.body.contains(r#""kind":"ended""#);
        assert_eq!(events.iter().filter(ended).count(), 1);
        let made = self.pipelines();
        let of_this = |p: &&FakePipeline| p.parameters["deploy_id"] == id.to_string();
        let made: Vec<_> = made.iter().filter(of_this).collect();
        if let (Some(run), [pipeline]) = (&record.run, &made[..]) {
            assert_eq!(run.pipeline.id.0, pipeline.id);
        }
        (record, made.len())
    }

    pub(crate) fn pipelines(&self) -> Vec<FakePipeline> {
        self.sandbox.circleci().lock().all_pipelines().to_vec()
    }

    pub(crate) async fn count_deploys(&self) -> usize {
        let all = DeployFilter::default();
        let page = self.store.list_deploys(&all, None, 100).await;
        page.unwrap().deploys.len()
    }

    /// What came through the response URL of one command, in order.
    pub(crate) fn notified(&self, sent: &CommandRequest) -> Vec<String> {
        let model = self.sandbox.slack().lock();
        let mine = |m: &&ShownMessage| m.response_path == sent.response_path && m.nth_use > 0;
        let mine = model.messages().iter().filter(mine);
        mine.map(ShownMessage::shown_text).collect()
    }

    /// How often CircleCI's trigger was called.
    pub(crate) fn posts(&self) -> usize {
        let is_trigger = |entry: &&JournalEntry| matches!(&entry.event, JournalEvent::CircleCiCall { method, path, .. } if method == "POST" && path.ends_with("/pipeline/run"));
        let entries = self.sandbox.journal().entries();
        entries.iter().filter(is_trigger).count()
    }

    /// What the webhooks that CircleCI sent were answered with.
    pub(crate) fn webhook_answers(&self) -> Vec<u16> {
        let entries = self.sandbox.journal().entries();
        let answers = entries.iter().filter_map(|entry| match &entry.event {
            JournalEvent::WebhookSent { status, .. } => *status,
            _ => None,
        });
        answers.collect()
    }

    /// Somebody changes what a secret holds.
    pub(crate) async fn put_secret(&self, name: &str, value: &Value) {
        let request = self.aws.secrets().put_secret_value().secret_id(name);
        let request = request.secret_string(value.to_string());
        request.send().await.unwrap();
    }

    /// Whether CircleCI has been called at all.
    pub(crate) fn circleci_was_called(&self) -> bool {
        let entries = self.sandbox.journal().entries();
        let mut calls = entries.iter().map(|entry| &entry.event);
        calls.any(|what| matches!(what, JournalEvent::CircleCiCall { .. }))
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

/// `EventBridge`'s event of a schedule.
fn schedule_event() -> Value {
    json!({
        "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event", "source": "aws.events", "account": "000000000000",
        "time": "2026-01-01T00:00:00Z", "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:000000000000:rule/sweep"], "detail": {},
    })
}
