//! The three functions between the sandbox and the emulator, and what can be asked of all of them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use chatops_aws::client::Aws;
use chatops_aws::dynamodb::DynamoDb;
use chatops_core::audit;
use chatops_core::deploy::{Head, State};
use chatops_core::id::DeployId;
use chatops_core::ports::{Filter, Lane, Replies, Store};
use chatops_sandbox::circleci::{Pipeline, Script};
use chatops_sandbox::slack::{Ack, Message, Sent, Typed};
use chatops_sandbox::{Entry, Sandbox, Seen};
use chatops_testbed::account::{make_queues, make_secret, make_table};
use chatops_testbed::emulator::{self, endpoint, unique};
use chatops_testbed::programs;
use chatops_testbed::proxy::Proxy;
use chatops_testbed::{deploy_id, until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::function::{Function, Outcome};
use crate::gateway::{Gateway, Payload};
use crate::mapping::{Manner, Mapping, receive, record};
use crate::setup::{self, MAX_RECEIVES, environment};

/// How long a build takes.
pub(crate) const BUILD: Duration = Duration::from_millis(300);

/// How long an invocation may take: longer than anything needs that does not hang.
pub(crate) const LEFT: Duration = Duration::from_secs(30);

// Nothing else may ever look like these, so that a leak of them can be searched for.
pub(crate) const SIGNING_SECRET: &str = "canary1signing1secret1of1slack11";
pub(crate) const TOKEN: &str = "canary2token2of2circleci";
pub(crate) const WEBHOOK_SECRET: &str = "canary3webhook3secret3of3circleci";
/// The sandbox puts it into every form, as Slack does.
const FORM_TOKEN: &str = "gIkuvaNzQIHg97ATvDxqgjtO";

static PROGRAMS: LazyLock<BTreeMap<String, PathBuf>> = LazyLock::new(programs::build);

/// A stand of everything, of which nobody else has a part.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) aws: Aws,
    /// In front of the emulator and CircleCI, for the worker alone, if somebody wants that.
    pub(crate) to_aws: Option<Proxy>,
    pub(crate) to_circleci: Option<Proxy>,
    pub(crate) store: DynamoDb,
    pub(crate) queues: HashMap<Lane, String>,
    pub(crate) ingest: Arc<Function>,
    pub(crate) worker: Arc<Function>,
    pub(crate) notifier: Arc<Function>,
    gateways: [Gateway; 2],
    mappings: Mutex<JoinSet<()>>,
    dir: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::make(false, &endpoint().url).await
    }

    /// The worker's ways to AWS and CircleCI can be disturbed.
    pub(crate) async fn with_proxies() -> Self {
        Self::make(true, &endpoint().url).await
    }

    /// All functions reach AWS at that address.
    pub(crate) async fn by_way_of(url: &str) -> Self {
        Self::make(false, url).await
    }

    async fn make(proxies: bool, endpoint_url: &str) -> Self {
        let (name, aws) = (unique(), emulator::aws(&endpoint().url));
        let sandbox = setup::sandbox().await;
        let (to_aws, to_circleci) = if proxies {
            let aws = Proxy::to(endpoint_url).await;
            (Some(aws), Some(Proxy::to(sandbox.circleci_url()).await))
        } else {
            (None, None)
        };
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("chatops.toml");
        let circleci = to_circleci
            .as_ref()
            .map_or(sandbox.circleci_url(), |to| &to.url);
        std::fs::write(&config, setup::config(&sandbox, circleci)).unwrap();
        let store = make_table(&aws, &name).await;
        let queues = make_queues(&aws, &name, MAX_RECEIVES).await;
        let inbound = json!({
            "slack_signing_secret": SIGNING_SECRET, "circleci_webhook_secret": WEBHOOK_SECRET,
        });
        let inbound = make_secret(&aws, &name, "inbound", &inbound).await;
        let token = json!({"circleci_token": TOKEN});
        let token = make_secret(&aws, &name, "circleci", &token).await;
        let bot = make_secret(&aws, &name, "slack", &json!({"slack_bot_token": ""})).await;

        let function = |program: &str, endpoint: &str, own: &[(&'static str, &str)]| {
            let common = environment(&config, endpoint);
            let own = own.iter().map(|(name, value)| (*name, (*value).to_owned()));
            Arc::new(Function::new(
                &PROGRAMS[program],
                common.into_iter().chain(own),
            ))
        };
        let work = ("CHATOPS_WORK_QUEUE_URL", queues[&Lane::Work].as_str());
        let notice = ("CHATOPS_NOTICE_QUEUE_URL", queues[&Lane::Notice].as_str());
        let dead = (
            "CHATOPS_WORK_DEAD_QUEUE_URL",
            queues[&Lane::WorkDead].as_str(),
        );
        let ledger = ("CHATOPS_TABLE", name.as_str());
        let secrets = "CHATOPS_SECRETS";
        let to_worker = to_aws.as_ref().map_or(endpoint_url, |to| &to.url);
        let ingest = [work, (secrets, &inbound)];
        let worker = [ledger, work, notice, dead, (secrets, &token)];
        let notifier = [ledger, notice, (secrets, &bot)];
        let ingest = function("chatops-ingest", endpoint_url, &ingest);
        let worker = function("chatops-worker", to_worker, &worker);
        let notifier = function("chatops-notifier", endpoint_url, &notifier);
        let one = Gateway::open(&ingest, Payload::One).await;
        let two = Gateway::open(&ingest, Payload::Two).await;
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
            gateways: [one, two],
            mappings: Mutex::default(),
            dir,
        }
    }

    /// Where a path of the API is.
    pub(crate) fn url(&self, payload: Payload, path: &str) -> String {
        let [one, two] = &self.gateways;
        let gateway = match payload {
            Payload::One => one,
            Payload::Two => two,
        };
        format!("{}{path}", gateway.url)
    }

    /// How long the builds of `deploy` take from now on.
    pub(crate) fn builds_take(&self, long: Duration) {
        let mut model = self.sandbox.circleci().lock();
        model.script("deploy", Script::success(long));
    }

    /// Somebody types a command.
    pub(crate) async fn types(&self, payload: Payload, text: &str) -> (Sent, Ack) {
        let client = self.sandbox.client();
        let sent = client.compose(&self.url(payload, "/slack/commands"), &Typed::new(text));
        self.ingest.warm_up().await;
        let ack = client.send(&sent).await;
        (sent, ack)
    }

    /// Somebody types a command that is taken.
    pub(crate) async fn asks(&self, text: &str) -> Sent {
        let (sent, ack) = self.types(Payload::Two, text).await;
        assert!(ack.shown.contains("*Accepted:*"), "{}", ack.shown);
        sent
    }

    /// The function that works on a lane.
    fn of(&self, lane: Lane) -> &Arc<Function> {
        match lane {
            Lane::Work => &self.worker,
            Lane::Notice => &self.notifier,
            _ => unreachable!("nobody works on {lane:?}"),
        }
    }

    /// A mapping that does nothing by itself yet.
    pub(crate) fn mapping(&self, lane: Lane, manner: Manner) -> Arc<Mapping> {
        Arc::new(Mapping {
            sqs: self.aws.sqs(),
            queue: self.queues[&lane].clone(),
            function: Arc::clone(self.of(lane)),
            left: LEFT,
            manner,
            runs: Mutex::default(),
            stopped: AtomicBool::new(false),
        })
    }

    /// From now on messages are delivered.
    pub(crate) fn connect(&self, manner: Manner) -> [Arc<Mapping>; 2] {
        let both = [Lane::Work, Lane::Notice].map(|lane| self.mapping(lane, manner));
        for mapping in &both {
            let running = Arc::clone(mapping).run();
            self.mappings.lock().unwrap().spawn(running);
        }
        both
    }

    /// From now on nothing is delivered; what is in hand is finished first.
    pub(crate) async fn disconnect(&self, mappings: &[Arc<Mapping>]) {
        for mapping in mappings {
            mapping.stop();
        }
        let running = std::mem::take(&mut *self.mappings.lock().unwrap());
        running.join_all().await;
    }

    /// A process of its own for the same work.
    pub(crate) fn another_worker(&self) -> Function {
        self.worker.with("CHATOPS_LOG_LEVEL", Some("trace"))
    }

    /// All messages of a lane, hidden from everybody else.
    pub(crate) async fn takes(&self, lane: Lane) -> Vec<aws_sdk_sqs::types::Message> {
        let mut all = Vec::new();
        loop {
            let some = receive(&self.aws.sqs(), &self.queues[&lane], 0).await;
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }

    /// What is queued now is lost; nothing that was taken comes again.
    pub(crate) async fn loses_hints(&self) {
        for lane in [Lane::Work, Lane::Notice] {
            let purge = self.aws.sqs().purge_queue().queue_url(&self.queues[&lane]);
            purge.send().await.unwrap();
        }
    }

    /// Waits until a lane has nothing left.
    pub(crate) async fn is_empty(&self, lane: Lane) {
        self.is_empty_but(lane, 0).await;
    }

    /// Waits until a lane has nothing left but what the test itself has taken.
    pub(crate) async fn is_empty_but(&self, lane: Lane, taken: usize) {
        let empty = async || (self.depth(lane).await == taken).then_some(());
        until(&format!("{lane:?} to be empty"), empty).await;
    }

    pub(crate) async fn sends(&self, lane: Lane, body: &str) {
        let request = self.aws.sqs().send_message().queue_url(&self.queues[&lane]);
        request.message_body(body).send().await.unwrap();
    }

    /// How many messages a lane has, those included that nobody may see yet.
    pub(crate) async fn depth(&self, lane: Lane) -> usize {
        let request = self.aws.sqs().get_queue_attributes();
        let request = request.queue_url(&self.queues[&lane]);
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = request.set_attribute_names(Some(names.to_vec()));
        let counts = request.send().await.unwrap().attributes.unwrap();
        counts
            .values()
            .map(|count| count.parse::<usize>().unwrap())
            .sum()
    }

    /// From now on the schedule comes as well, more often than once a minute.
    pub(crate) fn sweeps(&self) {
        let worker = Arc::clone(&self.worker);
        self.mappings.lock().unwrap().spawn(async move {
            loop {
                worker.invoke(&schedule(), LEFT).await;
                // Only the space between two sweeps.
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
    }

    /// It is time for the sweep.
    pub(crate) async fn sweep(&self) -> Outcome {
        self.worker.invoke(&schedule(), LEFT).await
    }

    /// Hands a batch to a function by hand.
    pub(crate) async fn hands(
        &self,
        function: &Function,
        messages: &[aws_sdk_sqs::types::Message],
        left: Duration,
    ) -> Value {
        let records: Vec<Value> = messages.iter().map(record).collect();
        function
            .invoke(&json!({ "Records": records }), left)
            .await
            .answer()
    }

    pub(crate) async fn head(&self, id: DeployId) -> Option<Head> {
        self.store.head(id).await.unwrap()
    }

    /// Waits until a deploy has ended so and that was told, see [`World::settles`]; it has exactly
    /// this many pipelines.
    pub(crate) async fn ends(&self, sent: &Sent, state: State, pipelines: usize) -> Head {
        let (head, made) = self.settles(sent).await;
        assert_eq!((head.state, made), (state, pipelines), "{head:#?}");
        head
    }

    /// Waits until a deploy has ended and that was told; then its audit is whole. With the number of
    /// its pipelines.
    pub(crate) async fn settles(&self, sent: &Sent) -> (Head, usize) {
        let id = deploy_id(sent);
        let settled = async || {
            let head = self.head(id).await?;
            let reply = self.store.reply(id).await.unwrap()?;
            (head.state.is_terminal() && reply.last.is_settled()).then_some(head)
        };
        let head = until(&format!("{id} to end and be told"), settled).await;
        let events = self.store.events(id).await.unwrap();
        assert_eq!(events.len() as u64, head.events);
        audit::verify(id, &events, head.last_hash).unwrap();
        let ended = |event: &&audit::Event| event.body.contains(r#""what":"ended""#);
        assert_eq!(events.iter().filter(ended).count(), 1);
        let made = self.pipelines();
        let of_this = |p: &&Pipeline| p.parameters["deploy_id"] == id.to_string();
        let made: Vec<_> = made.iter().filter(of_this).collect();
        if let (Some(run), [pipeline]) = (&head.run, &made[..]) {
            assert_eq!(run.pipeline.id.0, pipeline.id);
        }
        (head, made.len())
    }

    pub(crate) fn pipelines(&self) -> Vec<Pipeline> {
        self.sandbox.circleci().lock().ledger().to_vec()
    }

    pub(crate) async fn deploys(&self) -> usize {
        let page = self.store.list(&Filter::default(), None, 100).await;
        page.unwrap().deploys.len()
    }

    /// What came through the reply address of one command, in order.
    pub(crate) fn told(&self, sent: &Sent) -> Vec<String> {
        let model = self.sandbox.slack().lock();
        let mine = |m: &&Message| m.response_path == sent.response_path && m.nth_use > 0;
        model
            .messages()
            .iter()
            .filter(mine)
            .map(Message::shown)
            .collect()
    }

    /// How often CircleCI's trigger was called.
    pub(crate) fn posts(&self) -> usize {
        let is_trigger = |entry: &&Entry| matches!(&entry.what, Seen::CircleCall { method, path, .. } if method == "POST" && path.ends_with("/pipeline"));
        self.sandbox
            .journal()
            .entries()
            .iter()
            .filter(is_trigger)
            .count()
    }

    /// Whether CircleCI has heard anything at all.
    pub(crate) fn circleci_was_called(&self) -> bool {
        let entries = self.sandbox.journal().entries();
        let mut calls = entries.iter().map(|entry| &entry.what);
        calls.any(|what| matches!(what, Seen::CircleCall { .. }))
    }

    /// What every story ends with: the logs are JSON by invocation, and hold no secret.
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
fn schedule() -> Value {
    json!({
        "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event", "source": "aws.events", "account": "000000000000",
        "time": "2026-01-01T00:00:00Z", "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:000000000000:rule/sweep"], "detail": {},
    })
}
