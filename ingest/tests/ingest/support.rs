//! The stage with ports that record, and what it answered and logged.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chatops_core::Time;
use chatops_core::config::Config;
use chatops_core::message::{Asker, Body, DeployMessage, Wisher, WorkMessage};
use chatops_core::ports::{
    Clock, Delivery, Lane, Queue, QueueError, Receipt, SecretName, Secrets, SecretsError,
    SendError, Versions,
};
use chatops_core::words::Post;
use chatops_ingest::Ingest;
use chrono::DateTime;
use http::{HeaderMap, Request, StatusCode, header};
use secrecy::SecretString;
use serde_json::Value;

use crate::log;
use crate::requests::{NOW, SECRET, SIGNATURE, Sent, TIMESTAMP};

const CONFIG: &str = r#"
version = 1
default_project = "web"

[slack]
teams = ["T1DC2JH3J"]

[projects.web]
slug = "gh/acme/web"
aliases = ["site"]

[projects.web.jobs.deploy]
aliases = ["ship"]
environment = "production"
branches = ["main", "release/*"]
channels = ["G8PSS9T3V"]
people = ["U2CERLKJA"]
"#;

/// Both addresses of the command; each has to refuse what the other refuses.
pub(crate) const ROUTES: [&str; 2] = ["/slack/commands", "/chatops"];

#[derive(Debug, Default)]
pub(crate) struct Recorder {
    sent: Mutex<Vec<(Lane, Body, Duration)>>,
    fails: Option<SendError>,
}

impl Recorder {
    /// From now on nothing is taken.
    pub(crate) fn fail(&mut self, error: SendError) {
        self.fails = Some(error);
    }
}

impl Queue for Recorder {
    async fn send(&self, lane: Lane, body: &Body, delay: Duration) -> Result<(), SendError> {
        if let Some(error) = &self.fails {
            return Err(error.clone());
        }
        self.sent.lock().unwrap().push((lane, body.clone(), delay));
        Ok(())
    }

    async fn receive(&self, _: Lane, _: usize, _: Duration) -> Result<Vec<Delivery>, QueueError> {
        panic!("ingest receives nothing")
    }

    async fn delete(&self, _: Lane, _: &Receipt) -> Result<(), QueueError> {
        panic!("ingest deletes nothing")
    }

    async fn release(&self, _: Lane, _: &Receipt, _: Duration) -> Result<(), QueueError> {
        panic!("ingest releases nothing")
    }
}

/// What a process has cached, and what a refresh would find.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) cached: Mutex<Result<Versions, SecretsError>>,
    pub(crate) stored: Result<Versions, SecretsError>,
    /// Only what an operator has opted in to: what is cached of it, and what a refresh would find.
    pub(crate) more: Mutex<BTreeMap<SecretName, Versions>>,
    pub(crate) more_stored: BTreeMap<SecretName, Versions>,
    /// Which were read afresh.
    pub(crate) refreshed: Mutex<Vec<SecretName>>,
    pub(crate) refreshes: AtomicUsize,
}

impl Keys {
    pub(crate) fn new(cached: Versions) -> Self {
        Self {
            stored: Ok(cached.clone()),
            cached: Mutex::new(Ok(cached)),
            more: Mutex::default(),
            more_stored: BTreeMap::new(),
            refreshed: Mutex::default(),
            refreshes: AtomicUsize::new(0),
        }
    }

    /// With one more secret.
    pub(crate) fn and(mut self, name: SecretName, secret: Versions) -> Self {
        self.more.get_mut().unwrap().insert(name, secret.clone());
        self.more_stored.insert(name, secret);
        self
    }
}

impl Secrets for Keys {
    async fn get(&self, name: SecretName) -> Result<Versions, SecretsError> {
        match name {
            SecretName::SlackSigning => self.cached.lock().unwrap().clone(),
            SecretName::CircleCiWebhook | SecretName::SlackVerification => {
                let more = self.more.lock().unwrap();
                let none = || SecretsError(format!("{name:?} is not configured"));
                more.get(&name).cloned().ok_or_else(none)
            }
            SecretName::CircleCiToken | SecretName::SlackBot => {
                panic!("ingest has no use for {name:?}")
            }
        }
    }

    async fn refresh(&self, name: SecretName) -> Result<(), SecretsError> {
        self.refreshes.fetch_add(1, Ordering::Relaxed);
        self.refreshed.lock().unwrap().push(name);
        if name == SecretName::SlackSigning {
            *self.cached.lock().unwrap() = Ok(self.stored.clone()?);
        } else {
            self.more.lock().unwrap().clone_from(&self.more_stored);
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) Time);

impl Clock for Fixed {
    fn now(&self) -> Time {
        self.0
    }
}

pub(crate) fn only(secret: &str) -> Versions {
    Versions {
        current: SecretString::from(secret),
        previous: None,
    }
}

pub(crate) struct Stage(pub(crate) Ingest<Recorder, Keys, Fixed>);

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// What was logged meanwhile, a line of JSON for each event.
    pub(crate) log: String,
}

impl Answer {
    /// The message for Slack.
    pub(crate) fn post(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/json; charset=utf-8"
        );
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn is_to_asker(&self, words: &str) {
        self.is_post("ephemeral", words);
    }

    pub(crate) fn is_in_channel(&self, words: &str) {
        self.is_post("in_channel", words);
    }

    pub(crate) fn is_post(&self, to: &str, words: &str) {
        let post = self.post();
        assert_eq!(post["response_type"], to, "{post}");
        assert!(
            post["text"].as_str().unwrap().contains(words),
            "{words}: {post}"
        );
    }

    /// It is this post.
    pub(crate) fn says(&self, post: &Post) {
        assert_eq!(self.post(), post.to_json());
    }

    /// Slack shows nothing.
    pub(crate) fn shows_nothing(&self) {
        assert_eq!((self.status, self.text.as_str()), (StatusCode::OK, ""));
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(Keys::new(only(SECRET)))
    }

    pub(crate) fn with(secrets: Keys) -> Self {
        Self::at(NOW, secrets)
    }

    pub(crate) fn at(now: i64, secrets: Keys) -> Self {
        log::listen();
        Self(Ingest {
            queue: Recorder::default(),
            secrets,
            clock: Fixed(DateTime::from_timestamp(now, 0).unwrap()),
            config: Arc::new(Config::parse(CONFIG, "chatops.toml").unwrap()),
        })
    }

    pub(crate) fn failing(error: SendError) -> Self {
        let mut stage = Self::new();
        stage.0.queue.fail(error);
        stage
    }

    pub(crate) fn ask(&self, request: Request<Bytes>) -> Answer {
        // Nothing in these ports waits, so any runtime will do.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let signature = request.headers().get(SIGNATURE).cloned();
        log::take();
        let (head, body) = runtime.block_on(self.0.handle(request)).into_parts();
        let log = log::take();
        log::is_clean(&log, signature.as_ref());
        let text = String::from_utf8(body.to_vec()).unwrap();
        Answer {
            status: head.status,
            headers: head.headers,
            text,
            log,
        }
    }

    /// The answer to a command.
    pub(crate) fn hears(&self, sent: &Sent) -> Answer {
        self.ask(sent.to("/slack/commands"))
    }

    pub(crate) fn queued(&self) -> usize {
        self.0.queue.sent.lock().unwrap().len()
    }

    /// The one message that was queued, as it lies there.
    pub(crate) fn wire(&self) -> Value {
        serde_json::from_str(self.body().as_wire()).unwrap()
    }

    fn body(&self) -> Body {
        let sent = self.0.queue.sent.lock().unwrap();
        let [(lane, body, delay)] = sent.as_slice() else {
            panic!("{} messages", sent.len())
        };
        assert_eq!((*lane, *delay), (Lane::Work, Duration::ZERO));
        body.clone()
    }

    /// The one message that was queued, for a deploy.
    pub(crate) fn message(&self) -> DeployMessage {
        match self.body().decode().unwrap() {
            WorkMessage::Deploy(message) => *message,
            other => panic!("{other:?}"),
        }
    }

    /// Who the one message is from, of whatever kind it is.
    pub(crate) fn asker(&self) -> Asker {
        match self.body().decode().unwrap() {
            WorkMessage::Deploy(message) => message.asker,
            WorkMessage::Question(message) => message.asker,
            WorkMessage::Wish(message) => match message.from {
                Wisher::Person(asker) => asker,
                operator @ Wisher::Operator { .. } => panic!("{operator:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Both routes answer with `status` and queue nothing; an unsigned repetition of the same
    /// body is refused, too. Returns the first answer.
    pub(crate) fn turns_down(&self, sent: &Sent, status: u16) -> Answer {
        let before = self.queued();
        let [answer, _] = ROUTES.map(|route| {
            let answer = self.ask(sent.to(route));
            assert_eq!(answer.status, status, "{route}: {sent:?}: {}", answer.text);
            let unsigned = sent.clone().without(SIGNATURE).without(TIMESTAMP);
            let status = self.ask(unsigned.to(route)).status;
            assert!(status.is_client_error(), "{route}: {unsigned:?}: {status}");
            answer
        });
        assert_eq!(self.queued(), before, "something was queued: {sent:?}");
        answer
    }

    /// As a forgery: with the one answer that tells nothing about the reason.
    pub(crate) fn refuses(&self, sent: &Sent) {
        let answer = self.turns_down(sent, 401);
        assert_eq!(answer.text, "The request is not signed by Slack.\n");
    }

    /// With words for the asker, and without queueing.
    pub(crate) fn only_says(&self, sent: &Sent, words: &str) {
        let answer = self.turns_down(sent, 200);
        answer.is_to_asker(words);
        assert_eq!(self.queued(), 0);
    }

    /// With this post, and without queueing.
    pub(crate) fn only_posts(&self, sent: &Sent, post: &Post) {
        self.turns_down(sent, 200).says(post);
        assert_eq!(self.queued(), 0);
    }

    /// The command is queued once by each route.
    pub(crate) fn takes(&self, sent: &Sent) {
        for route in ROUTES {
            let before = self.queued();
            let answer = self.ask(sent.to(route));
            assert_eq!(answer.status, 200, "{route}: {sent:?}: {}", answer.text);
            assert_eq!(self.queued(), before + 1, "{route}: {sent:?}");
        }
    }
}
