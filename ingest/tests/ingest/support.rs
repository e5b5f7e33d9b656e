//! The service with recording ports, and what it answered and logged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chatops_core::Time;
use chatops_core::config::Config;
use chatops_core::message::{ActionRequester, DeployMessage, MessageBody, Requester, WorkMessage};
use chatops_core::ports::{
    Clock, MessageQueue, MessageReceipt, PortErrorKind, Ports, QueueError, QueueName,
    ReceivedMessage, SecretError, SecretName, SecretReader, SecretVersions, SendError,
};
use chatops_core::text::SlackMessage;
use chatops_ingest::Ingest;
use chatops_testkit::config::{TestConfig, TestJob};
use chatops_testkit::thread_log;
use chrono::DateTime;
use http::{HeaderMap, Request, StatusCode, header};
use secrecy::SecretString;
use serde_json::Value;

use crate::log;
use crate::requests::{NOW, SECRET, SIGNATURE, SlackRequest};

fn config() -> Config {
    let (branches, channels, users) = (["main", "release/*"], ["G8PSS9T3V"], ["U2CERLKJA"]);
    let deploy = TestJob::limited("deploy", &branches, &channels, &users)
        .with("aliases = [\"ship\"]")
        .with("environment = \"production\"");
    TestConfig::new()
        .team("T1DC2JH3J")
        .project_with("web", "aliases = [\"site\"]", &[deploy])
        .parse()
}

/// Both addresses of the command; each rejects what the other rejects.
pub(crate) const ROUTES: [&str; 2] = ["/slack/commands", "/chatops"];

#[derive(Debug, Default)]
pub(crate) struct RecordingQueue {
    sent: Mutex<Vec<(QueueName, MessageBody, Duration)>>,
    send_error: Option<SendError>,
}

impl RecordingQueue {
    pub(crate) fn fail_with(&mut self, error: SendError) {
        self.send_error = Some(error);
    }
}

type Queued<T> = Result<T, QueueError>;

impl MessageQueue for RecordingQueue {
    async fn send(
        &self,
        queue: QueueName,
        body: &MessageBody,
        delay: Duration,
    ) -> Result<(), SendError> {
        if let Some(error) = &self.send_error {
            return Err(error.clone());
        }
        self.sent.lock().unwrap().push((queue, body.clone(), delay));
        Ok(())
    }

    async fn receive(&self, _: QueueName, _: usize, _: Duration) -> Queued<Vec<ReceivedMessage>> {
        panic!("ingest receives nothing")
    }

    async fn delete(&self, _: QueueName, _: &MessageReceipt) -> Queued<()> {
        panic!("ingest deletes nothing")
    }

    async fn release(&self, _: QueueName, _: &MessageReceipt, _: Duration) -> Queued<()> {
        panic!("ingest releases nothing")
    }
}

/// What is cached, and what a refresh finds.
#[derive(Debug)]
pub(crate) struct FakeSecrets {
    pub(crate) cached: Mutex<Result<SecretVersions, SecretError>>,
    pub(crate) stored: Result<SecretVersions, SecretError>,
    /// Only what an operator has opted in to: cached, and found by a refresh.
    pub(crate) optional: Mutex<BTreeMap<SecretName, SecretVersions>>,
    pub(crate) optional_stored: BTreeMap<SecretName, SecretVersions>,
    /// What fails a refresh.
    pub(crate) refresh_error: Option<SecretError>,
    pub(crate) refreshed: Mutex<Vec<SecretName>>,
}

impl FakeSecrets {
    pub(crate) fn new(cached: SecretVersions) -> Self {
        Self {
            stored: Ok(cached.clone()),
            cached: Mutex::new(Ok(cached)),
            optional: Mutex::default(),
            optional_stored: BTreeMap::new(),
            refresh_error: None,
            refreshed: Mutex::default(),
        }
    }

    pub(crate) fn with_secret(mut self, name: SecretName, secret: SecretVersions) -> Self {
        let cached = self.optional.get_mut().unwrap();
        cached.insert(name, secret.clone());
        self.optional_stored.insert(name, secret);
        self
    }
}

impl SecretReader for FakeSecrets {
    async fn get(&self, name: SecretName) -> Result<SecretVersions, SecretError> {
        match name {
            SecretName::SlackSigning => self.cached.lock().unwrap().clone(),
            SecretName::CircleCiWebhook | SecretName::SlackVerification => {
                let cached = self.optional.lock().unwrap().get(&name).cloned();
                cached.ok_or_else(|| SecretError::new(PortErrorKind::Missing, "not configured"))
            }
            SecretName::CircleCiToken | SecretName::SlackBot => {
                panic!("ingest has no use for {name:?}")
            }
        }
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretError> {
        self.refreshed.lock().unwrap().push(name);
        if let Some(error) = &self.refresh_error {
            return Err(error.clone());
        }
        if name == SecretName::SlackSigning {
            *self.cached.lock().unwrap() = Ok(self.stored.clone()?);
        } else {
            let mut cached = self.optional.lock().unwrap();
            cached.clone_from(&self.optional_stored);
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct FixedClock(pub(crate) Time);

impl Clock for FixedClock {
    fn now(&self) -> Time {
        self.0
    }
}

pub(crate) fn unavailable(message: &str) -> SecretError {
    SecretError::new(PortErrorKind::Unavailable, message)
}

pub(crate) fn versions(current: &str, previous: Option<&str>) -> SecretVersions {
    SecretVersions {
        current: SecretString::from(current),
        previous: previous.map(SecretString::from),
    }
}

pub(crate) fn one_version(secret: &str) -> SecretVersions {
    versions(secret, None)
}

type TestPorts = Ports<(), RecordingQueue, (), FakeSecrets>;

pub(crate) struct TestIngest(pub(crate) Ingest<TestPorts>);

pub(crate) struct TestResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// What was logged meanwhile, in lines of JSON.
    pub(crate) log: String,
}

impl TestResponse {
    pub(crate) fn message_json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/json; charset=utf-8"
        );
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn message_text(&self) -> String {
        self.message_json()["text"].as_str().unwrap().to_owned()
    }

    pub(crate) fn is_to_requester(&self, text: &str) {
        self.is_message("ephemeral", text);
    }

    pub(crate) fn is_in_channel(&self, text: &str) {
        self.is_message("in_channel", text);
    }

    pub(crate) fn is_message(&self, to: &str, text: &str) {
        assert_eq!(self.message_json()["response_type"], to, "{}", self.text);
        let shown = self.message_text();
        assert!(shown.contains(text), "{text}: {shown}");
    }

    pub(crate) fn is_exactly(&self, message: &SlackMessage) {
        assert_eq!(self.message_json(), message.to_json());
    }

    /// Slack shows nothing.
    pub(crate) fn shows_nothing(&self) {
        assert_eq!((self.status, self.text.as_str()), (StatusCode::OK, ""));
    }
}

impl TestIngest {
    pub(crate) fn new() -> Self {
        Self::with_secrets(FakeSecrets::new(one_version(SECRET)))
    }

    pub(crate) fn with_secrets(secrets: FakeSecrets) -> Self {
        Self::at_time(NOW, secrets)
    }

    pub(crate) fn at_time(now: i64, secrets: FakeSecrets) -> Self {
        thread_log::install();
        Self(Ingest {
            ports: Ports {
                ledger: (),
                queue: RecordingQueue::default(),
                vendor: (),
                secrets,
            },
            clock: Arc::new(FixedClock(DateTime::from_timestamp(now, 0).unwrap())),
            config: Arc::new(config()),
            refusals: Arc::default(),
        })
    }

    /// The app has an address for presses.
    pub(crate) fn interactive() -> Self {
        let mut ingest = Self::new();
        let mut config = config();
        config.slack.interactivity = true;
        ingest.0.config = Arc::new(config);
        ingest
    }

    pub(crate) fn with_send_error(error: SendError) -> Self {
        let mut ingest = Self::new();
        ingest.0.ports.queue.fail_with(error);
        ingest
    }

    pub(crate) fn send(&self, request: Request<Bytes>) -> TestResponse {
        // Nothing in these ports waits, so any runtime works.
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.build().unwrap();
        let signature = request.headers().get(SIGNATURE).cloned();
        thread_log::take();
        let (head, body) = runtime.block_on(self.0.handle(request)).into_parts();
        let log = thread_log::take();
        log::assert_clean(&log, signature.as_ref());
        let text = String::from_utf8(body.to_vec()).unwrap();
        TestResponse {
            status: head.status,
            headers: head.headers,
            text,
            log,
        }
    }

    pub(crate) fn run(&self, sent: &SlackRequest) -> TestResponse {
        self.send(sent.to_route("/slack/commands"))
    }

    pub(crate) fn run_alias(&self, sent: &SlackRequest) -> TestResponse {
        self.send(sent.to_route("/chatops"))
    }

    pub(crate) fn refreshed(&self) -> Vec<SecretName> {
        self.0.ports.secrets.refreshed.lock().unwrap().clone()
    }

    /// What was sent since the last time.
    pub(crate) fn take_sent(&self) -> Vec<MessageBody> {
        let mut sent = self.0.ports.queue.sent.lock().unwrap();
        sent.drain(..).map(|(_, body, _)| body).collect()
    }

    pub(crate) fn queued_count(&self) -> usize {
        self.0.ports.queue.sent.lock().unwrap().len()
    }

    /// The one message that was queued, in its wire form.
    pub(crate) fn queued_json(&self) -> Value {
        serde_json::from_str(self.queued_body().as_wire()).unwrap()
    }

    fn queued_body(&self) -> MessageBody {
        let sent = self.0.ports.queue.sent.lock().unwrap();
        let [(queue, body, delay)] = sent.as_slice() else {
            panic!("{} messages", sent.len())
        };
        // A webhook is a wake-up, which waits behind no command and before none.
        let of_webhook = body.as_wire().contains("webhook.v1");
        let expected = if of_webhook {
            QueueName::Polls
        } else {
            QueueName::Work
        };
        assert_eq!((*queue, *delay), (expected, Duration::ZERO));
        body.clone()
    }

    pub(crate) fn queued_deploy(&self) -> DeployMessage {
        match self.queued_body().decode().unwrap() {
            WorkMessage::Deploy(message) => *message,
            other => panic!("{other:?}"),
        }
    }

    /// The requester of the one message, of any kind.
    pub(crate) fn queued_requester(&self) -> Requester {
        match self.queued_body().decode().unwrap() {
            WorkMessage::Deploy(message) => message.requester,
            WorkMessage::Query(message) => message.requester,
            WorkMessage::Action(message) => match message.requested_by {
                ActionRequester::User(requester) => requester,
                operator @ ActionRequester::Operator { .. } => panic!("{operator:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Both routes answer with `status` and queue nothing; the same body without a signature is
    /// rejected, too. Returns the first answer.
    pub(crate) fn rejects_with(&self, sent: &SlackRequest, status: u16) -> TestResponse {
        let before = self.queued_count();
        let [answer, _] = ROUTES.map(|route| {
            let answer = self.send(sent.to_route(route));
            assert_eq!(answer.status, status, "{route}: {sent:?}: {}", answer.text);
            let unsigned = sent.clone().unsigned();
            let status = self.send(unsigned.to_route(route)).status;
            assert!(status.is_client_error(), "{route}: {unsigned:?}: {status}");
            answer
        });
        assert_eq!(self.queued_count(), before, "queued: {sent:?}");
        answer
    }

    /// As a forgery: the answer does not tell the reason.
    pub(crate) fn rejects_sender(&self, sent: &SlackRequest) {
        let answer = self.rejects_with(sent, 401);
        assert_eq!(answer.text, "The request is not signed by Slack.\n");
    }

    /// With a text for the requester, and nothing queued.
    pub(crate) fn only_answers(&self, sent: &SlackRequest, text: &str) {
        self.rejects_with(sent, 200).is_to_requester(text);
        assert_eq!(self.queued_count(), 0);
    }

    /// With this message, and nothing queued.
    pub(crate) fn only_shows(&self, sent: &SlackRequest, message: &SlackMessage) {
        self.rejects_with(sent, 200).is_exactly(message);
        assert_eq!(self.queued_count(), 0);
    }

    /// Each route queues the command once.
    pub(crate) fn accepts(&self, sent: &SlackRequest) {
        for route in ROUTES {
            let before = self.queued_count();
            let answer = self.send(sent.to_route(route));
            assert_eq!(answer.status, 200, "{route}: {sent:?}: {}", answer.text);
            assert_eq!(self.queued_count(), before + 1, "{route}: {sent:?}");
        }
    }
}
