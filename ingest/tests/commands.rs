//! Commands as raw requests: who is believed, what is queued, and what is answered.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the exemption for tests does not reach their helper functions"
)]

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chatops_core::Time;
use chatops_core::config::Config;
use chatops_core::id::{ChannelId, DeployId, TeamId, UserId};
use chatops_core::message::{Body, DeployMessage, WorkMessage};
use chatops_core::ports::{
    Clock, Delivery, Lane, Queue, QueueError, Receipt, SecretName, Secrets, SecretsError,
    SendError, Versions,
};
use chatops_core::secret::ResponseUrl;
use chatops_ingest::{Ingest, LARGEST_BODY};
use chrono::DateTime;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::Value;
use sha2::Sha256;

/// The example in Slack's documentation.
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
const NOW: i64 = 1_531_420_618;
const PUBLISHED: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
    &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
    &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands\
    %2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121\
    .803a0bc887a14d10d2c447fce8b6703c";
const PUBLISHED_SIGNATURE: &str =
    "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

const CONFIG: &str = r#"
version = 1
default_project = "web"

[slack]
teams = ["T1DC2JH3J"]

[projects.web]
slug = "gh/acme/web"

[projects.web.jobs.deploy]
environment = "production"
branches = ["main", "release/*"]
channels = ["G8PSS9T3V"]
people = ["U2CERLKJA"]
"#;

const ADDRESS: &str =
    "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXa";
const TRIGGER: &str = "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

const SIGNATURE: &str = "X-Slack-Signature";
const TIMESTAMP: &str = "X-Slack-Request-Timestamp";
const FORM: &str = "application/x-www-form-urlencoded";

/// Both addresses of the command; each has to refuse what the other refuses.
const ROUTES: [&str; 2] = ["/slack/commands", "/chatops"];

// --- The stage and its ports ---

#[derive(Debug, Default)]
struct Recorder {
    sent: Mutex<Vec<(Lane, Body, Duration)>>,
    fails: Option<SendError>,
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
struct Keys {
    cached: Mutex<Result<Versions, SecretsError>>,
    stored: Result<Versions, SecretsError>,
    refreshes: AtomicUsize,
}

impl Keys {
    fn new(cached: Versions) -> Self {
        Self {
            stored: Ok(cached.clone()),
            cached: Mutex::new(Ok(cached)),
            refreshes: AtomicUsize::new(0),
        }
    }
}

impl Secrets for Keys {
    async fn get(&self, name: SecretName) -> Result<Versions, SecretsError> {
        assert_eq!(
            name,
            SecretName::SlackSigning,
            "ingest has no use for another secret"
        );
        self.cached.lock().unwrap().clone()
    }

    async fn refresh(&self, _: SecretName) -> Result<(), SecretsError> {
        self.refreshes.fetch_add(1, Ordering::Relaxed);
        *self.cached.lock().unwrap() = Ok(self.stored.clone()?);
        Ok(())
    }
}

#[derive(Debug)]
struct Fixed(Time);

impl Clock for Fixed {
    fn now(&self) -> Time {
        self.0
    }
}

fn only(secret: &str) -> Versions {
    Versions {
        current: SecretString::from(secret),
        previous: None,
    }
}

struct Stage(Ingest<Recorder, Keys, Fixed>);

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    /// The message for Slack.
    fn post(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/json; charset=utf-8"
        );
        serde_json::from_str(&self.text).unwrap()
    }

    fn is_to_asker(&self, words: &str) {
        self.is_post("ephemeral", words);
    }

    fn is_in_channel(&self, words: &str) {
        self.is_post("in_channel", words);
    }

    fn is_post(&self, to: &str, words: &str) {
        let post = self.post();
        assert_eq!(post["response_type"], to, "{post}");
        assert!(
            post["text"].as_str().unwrap().contains(words),
            "{words}: {post}"
        );
    }
}

impl Stage {
    fn new() -> Self {
        Self::with(Keys::new(only(SECRET)))
    }

    fn with(secrets: Keys) -> Self {
        Self::at(NOW, secrets)
    }

    fn at(now: i64, secrets: Keys) -> Self {
        Self(Ingest {
            queue: Recorder::default(),
            secrets,
            clock: Fixed(DateTime::from_timestamp(now, 0).unwrap()),
            config: Arc::new(Config::parse(CONFIG, "chatops.toml").unwrap()),
        })
    }

    fn failing(error: SendError) -> Self {
        let mut stage = Self::new();
        stage.0.queue.fails = Some(error);
        stage
    }

    fn ask(&self, request: Request<Bytes>) -> Answer {
        // Nothing in these ports waits, so any runtime will do.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let (head, body) = runtime.block_on(self.0.handle(request)).into_parts();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Answer {
            status: head.status,
            headers: head.headers,
            text,
        }
    }

    fn queued(&self) -> usize {
        self.0.queue.sent.lock().unwrap().len()
    }

    /// The one message that was queued.
    fn message(&self) -> DeployMessage {
        let sent = self.0.queue.sent.lock().unwrap();
        let [(lane, body, delay)] = sent.as_slice() else {
            panic!("{} messages", sent.len())
        };
        assert_eq!((*lane, *delay), (Lane::Work, Duration::ZERO));
        match body.decode().unwrap() {
            WorkMessage::Deploy(message) => *message,
            other => panic!("{other:?}"),
        }
    }

    /// Both routes answer with `status` and queue nothing; an unsigned repetition of the same
    /// body is refused, too. Returns the first answer.
    fn turns_down(&self, sent: &Sent, status: u16) -> Answer {
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
    fn refuses(&self, sent: &Sent) {
        let answer = self.turns_down(sent, 401);
        assert_eq!(answer.text, "The request is not signed by Slack.\n");
    }

    /// With words for the asker, and without queueing.
    fn only_says(&self, sent: &Sent, words: &str) {
        let answer = self.turns_down(sent, 200);
        answer.is_to_asker(words);
        assert_eq!(self.queued(), 0);
    }

    /// The command is queued once by each route.
    fn takes(&self, sent: &Sent) {
        for route in ROUTES {
            let before = self.queued();
            let answer = self.ask(sent.to(route));
            assert_eq!(answer.status, 200, "{route}: {sent:?}: {}", answer.text);
            assert_eq!(self.queued(), before + 1, "{route}: {sent:?}");
        }
    }
}

// --- Requests ---

/// A request without its route.
#[derive(Clone)]
struct Sent {
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in &self.headers {
            write!(f, "{name}: {}; ", value.escape_ascii())?;
        }
        write!(f, "{}", self.body.escape_ascii())
    }
}

impl Sent {
    fn to(&self, route: &str) -> Request<Bytes> {
        let mut request = Request::post(route);
        for (name, value) in &self.headers {
            request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
        }
        request.body(Bytes::from(self.body.clone())).unwrap()
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|header| header.0 != name);
        self
    }

    /// Adds a header beside those of the same name.
    fn and(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn set(self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.without(name).and(name, value)
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// Slack's own signature, made here a second time.
fn sign(secret: &str, timestamp: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    for part in [b"v0:", timestamp, b":", body] {
        mac.update(part);
    }
    let mut signature = String::from("v0=");
    for byte in mac.finalize().into_bytes() {
        write!(signature, "{byte:02x}").unwrap();
    }
    signature
}

fn signed_by(secret: &str, timestamp: &[u8], body: impl Into<Vec<u8>>) -> Sent {
    let body = body.into();
    let signature = sign(secret, timestamp, &body);
    Sent {
        headers: vec![("Content-Type", FORM.into())],
        body,
    }
    .and(TIMESTAMP, timestamp)
    .and(SIGNATURE, signature)
}

fn signed(body: impl Into<Vec<u8>>) -> Sent {
    signed_by(SECRET, NOW.to_string().as_bytes(), body)
}

fn unsigned(body: &str) -> Sent {
    signed(body).without(SIGNATURE).without(TIMESTAMP)
}

/// The fields of a command; tests change or remove some.
fn fields(text: &str) -> Vec<(&'static str, String)> {
    [
        ("token", "gIkuvaNzQIHg97ATvDxqgjtO"),
        ("team_id", "T1DC2JH3J"),
        ("channel_id", "G8PSS9T3V"),
        ("user_id", "U2CERLKJA"),
        ("user_name", "roadrunner"),
        ("command", "/chatops"),
        ("text", text),
        ("api_app_id", "A0001"),
        ("response_url", ADDRESS),
        ("trigger_id", TRIGGER),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

fn form(fields: &[(&'static str, String)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

fn command(text: &str) -> Sent {
    signed(form(&fields(text)))
}

/// `main deploy` with one field replaced, or left out.
fn changed(name: &str, value: Option<&str>) -> Sent {
    let mut fields = fields("main deploy");
    fields.retain_mut(|field| {
        if field.0 == name {
            value.unwrap_or_default().clone_into(&mut field.1);
        }
        field.0 != name || value.is_some()
    });
    signed(form(&fields))
}

// --- The signature ---

#[test]
fn the_published_example_is_accepted() {
    assert_eq!(
        sign(SECRET, NOW.to_string().as_bytes(), PUBLISHED.as_bytes()),
        PUBLISHED_SIGNATURE
    );
    let sent = signed(PUBLISHED).set(SIGNATURE, PUBLISHED_SIGNATURE);
    let stage = Stage::new();
    stage
        .ask(sent.to("/slack/commands"))
        .is_to_asker("Deploy from here");
    assert_eq!(stage.0.secrets.refreshes.load(Ordering::Relaxed), 0);
    Stage::new().takes(&command("main deploy"));
}

#[test]
fn the_clocks_may_be_exactly_five_minutes_apart() {
    for (off, fits) in [
        (-301, false),
        (-300, true),
        (0, true),
        (300, true),
        (301, false),
    ] {
        let stage = Stage::at(NOW + off, Keys::new(only(SECRET)));
        let sent = command("main deploy");
        if fits {
            stage.takes(&sent);
        } else {
            stage.refuses(&sent);
        }
    }
    // Far off in both directions, where the arithmetic could go wrong.
    for timestamp in ["0", "1", "999999999999"] {
        Stage::new().refuses(&signed_by(
            SECRET,
            timestamp.as_bytes(),
            form(&fields("main deploy")),
        ));
    }
}

#[test]
fn no_other_signature_is_accepted() {
    let (stage, sent) = (Stage::new(), command("main deploy"));
    stage.takes(&sent);
    let (_, right) = sent
        .headers
        .iter()
        .find(|header| header.0 == SIGNATURE)
        .unwrap()
        .clone();
    let refuse = |wrong: &[u8]| stage.refuses(&sent.clone().set(SIGNATURE, wrong));

    for length in 0..right.len() {
        refuse(&right[..length]);
        refuse(&right[right.len() - length..]);
    }
    for at in 0..right.len() {
        for digit in *b"0123456789abcdefABCDEF =vV" {
            let mut wrong = right.clone();
            wrong[at] = digit;
            if wrong != right {
                refuse(&wrong);
            }
        }
        let mut upper = right.clone();
        upper[at].make_ascii_uppercase();
        if upper != right {
            refuse(&upper);
        }
        let mut longer = right.clone();
        longer.insert(at, b'0');
        refuse(&longer);
    }
    refuse(&right.to_ascii_uppercase());
    for extension in ["0", "00", "=", " x", "\u{e9}", ";v1=00"] {
        refuse(&[&right, extension.as_bytes()].concat());
    }
    for version in ["v1=", "V0=", "v0:", "v00=", "", "v0= "] {
        refuse(&[version.as_bytes(), &right[3..]].concat());
    }
    refuse(b"v0=");
    refuse(&[b"v0=".as_slice(), &[b'0'; 64]].concat());
    assert_eq!(stage.queued(), ROUTES.len());
}

#[test]
fn each_signature_header_stands_there_exactly_once() {
    let (stage, sent) = (Stage::new(), command("main deploy"));
    for name in [SIGNATURE, TIMESTAMP] {
        let (_, value) = sent
            .headers
            .iter()
            .find(|header| header.0 == name)
            .unwrap()
            .clone();
        stage.refuses(&sent.clone().without(name));
        stage.refuses(&sent.clone().and(name, value.clone()));
        stage.refuses(&sent.clone().and(name, "0"));
        // A gateway may have joined two headers into one.
        for comma in [",", ", "] {
            let joined = [value.as_slice(), comma.as_bytes(), &value].concat();
            stage.refuses(&sent.clone().set(name, joined));
        }
    }
    stage.refuses(&sent.clone().without(SIGNATURE).without(TIMESTAMP));
    let lower = sent.without(SIGNATURE).without(TIMESTAMP);
    let body = lower.body.clone();
    let lower = lower.and("x-slack-request-timestamp", NOW.to_string()).and(
        "x-slack-signature",
        sign(SECRET, NOW.to_string().as_bytes(), &body),
    );
    stage.takes(&lower);
}

#[test]
fn a_malformed_timestamp_is_refused_even_if_it_is_signed() {
    let now = NOW.to_string();
    for timestamp in [
        String::new(),
        "x".to_owned(),
        format!("+{now}"),
        format!("-{now}"),
        format!("{now}.0"),
        format!("{now} 0"),
        format!("{now}e0"),
        format!("000{now}"),
        format!("{now}000"),
        format!("{now},{now}"),
        "0x5b475e8a".to_owned(),
        "9".repeat(12),
        "9".repeat(13),
        "9".repeat(40),
        "\u{661}\u{665}\u{663}\u{661}\u{664}\u{662}\u{660}\u{666}\u{661}\u{668}".to_owned(),
    ] {
        let body = form(&fields("main deploy"));
        Stage::new().refuses(&signed_by(SECRET, timestamp.as_bytes(), body));
    }
}

#[test]
fn another_secret_is_refused() {
    let body = form(&fields("main deploy"));
    for wrong in [
        "",
        " ",
        "8f742231b10e8888abcd99yyyzzz85a",
        "8F742231B10E8888ABCD99YYYZZZ85A5",
    ] {
        Stage::new().refuses(&signed_by(wrong, NOW.to_string().as_bytes(), body.clone()));
    }
}

#[test]
fn the_previous_secret_still_counts() {
    let both = Versions {
        current: SecretString::from("the-new-one"),
        previous: Some(SecretString::from(SECRET)),
    };
    let stage = Stage::with(Keys::new(both));
    stage.takes(&command("main deploy"));
    let body = form(&fields("main deploy"));
    stage.takes(&signed_by(
        "the-new-one",
        NOW.to_string().as_bytes(),
        body.clone(),
    ));
    assert_eq!(stage.0.secrets.refreshes.load(Ordering::Relaxed), 0);
    stage.refuses(&signed_by("an-older-one", NOW.to_string().as_bytes(), body));
}

#[test]
fn a_rotated_secret_is_found_after_a_refresh() {
    let mut keys = Keys::new(only("an-older-one"));
    keys.stored = Ok(only(SECRET));
    let stage = Stage::with(keys);
    stage.takes(&command("main deploy"));
    assert_eq!(stage.0.secrets.refreshes.load(Ordering::Relaxed), 1);
}

#[test]
fn only_a_signature_that_does_not_fit_costs_a_refresh() {
    let stage = Stage::new();
    stage.refuses(&command("main deploy").set(SIGNATURE, "v0=0"));
    stage.refuses(&command("main deploy").set(TIMESTAMP, "x"));
    stage.refuses(&command("main deploy").set(TIMESTAMP, "1"));
    stage.refuses(&unsigned("a=b"));
    assert_eq!(stage.0.secrets.refreshes.load(Ordering::Relaxed), 0);
}

#[test]
fn a_secret_that_cannot_be_read_afresh_changes_nothing() {
    let mut keys = Keys::new(only("an-older-one"));
    keys.stored = Err(SecretsError("the store is down".to_owned()));
    let stage = Stage::with(keys);
    stage.refuses(&command("main deploy"));
    let sent = signed_by(
        "an-older-one",
        NOW.to_string().as_bytes(),
        form(&fields("main deploy")),
    );
    stage.takes(&sent);
}

#[test]
fn without_a_secret_nothing_is_accepted() {
    let down = || Err(SecretsError("the store is down".to_owned()));
    let keys = Keys {
        cached: Mutex::new(down()),
        stored: down(),
        refreshes: AtomicUsize::new(0),
    };
    let stage = Stage::with(keys);
    stage.refuses(&command("main deploy"));
    // The store answers at the second try.
    let keys = Keys {
        cached: Mutex::new(down()),
        stored: Ok(only(SECRET)),
        refreshes: AtomicUsize::new(0),
    };
    Stage::with(keys).takes(&command("main deploy"));
}

#[test]
fn an_empty_secret_is_no_secret() {
    let empty = SecretString::from("");
    for previous in [None, Some(empty.clone())] {
        let stage = Stage::with(Keys::new(Versions {
            current: empty.clone(),
            previous,
        }));
        let body = form(&fields("main deploy"));
        stage.refuses(&signed_by("", NOW.to_string().as_bytes(), body));
        stage.refuses(&command("main deploy"));
    }
    // Beside an empty one, the other still counts.
    let both = Versions {
        current: empty,
        previous: Some(SecretString::from(SECRET)),
    };
    let stage = Stage::with(Keys::new(both));
    stage.takes(&command("main deploy"));
    let body = form(&fields("main deploy"));
    stage.refuses(&signed_by("", NOW.to_string().as_bytes(), body));
}

// --- The body ---

#[test]
fn a_changed_body_does_not_fit_its_signature() {
    let (stage, sent) = (Stage::new(), command("main deploy"));
    for at in 0..sent.body.len() {
        let mut body = sent.body.clone();
        body[at] ^= 1;
        stage.refuses(&sent.clone().body(body));
    }
    stage.refuses(&sent.clone().body(&sent.body[..sent.body.len() - 1]));
    stage.refuses(&sent.clone().body([sent.body.as_slice(), b"&"].concat()));
    stage.refuses(&sent.body(""));
}

#[test]
fn a_body_counts_as_it_was_sent_however_it_is_encoded() {
    let usual = form(&fields("release/1 deploy"));
    let (head, tail) = usual.split_once('&').unwrap();
    let encodings = [
        usual.replace('+', "%20"),
        usual.replace("%2F", "%2f"),
        usual.replace("%2F", "/"),
        usual.replace("deploy", "%64eploy"),
        format!("{usual}&"),
        format!("&{usual}"),
        format!("{usual}&new_field=1&another"),
        format!("{tail}&{head}"),
    ];
    for encoded in encodings {
        assert_ne!(encoded, usual);
        let stage = Stage::new();
        stage.refuses(&signed(usual.clone()).body(encoded.clone()));
        stage.refuses(&signed(encoded.clone()).body(usual.clone()));
        let answer = stage.ask(signed(encoded).to("/chatops"));
        answer.is_in_channel("Accepted");
        assert_eq!(stage.message().deploy.branch.as_str(), "release/1");
    }
}

#[test]
fn a_large_body_is_refused_unread() {
    let stage = Stage::new();
    let padded = |length: usize| {
        let mut body = form(&fields("main deploy")) + "&padding=";
        body.extend(std::iter::repeat_n('x', length - body.len()));
        body
    };
    stage.takes(&signed(padded(LARGEST_BODY)));
    let sent = signed(padded(LARGEST_BODY + 1));
    stage.turns_down(&sent, 413);
    stage.turns_down(&sent.without(SIGNATURE), 413);
    assert_eq!(LARGEST_BODY, 16 * 1024);
}

#[test]
fn what_is_not_a_form_is_refused() {
    let stage = Stage::new();
    let sent = command("main deploy").without("Content-Type");
    stage.turns_down(&sent, 400);
    for kind in [
        "application/json",
        "text/plain",
        "multipart/form-data",
        "",
        ";",
        "\u{e9}",
    ] {
        stage.turns_down(&sent.clone().and("Content-Type", kind), 400);
    }
    let json = signed(r#"{"team_id":"T1DC2JH3J"}"#);
    stage.turns_down(&json.set("Content-Type", "application/json"), 400);
    stage.turns_down(&signed(""), 400);
    stage.turns_down(&signed(r#"{"team_id":"T1DC2JH3J"}"#), 400);
    let kind = "Application/X-WWW-Form-Urlencoded ; charset=utf-8";
    stage.takes(&sent.and("Content-Type", kind));
}

#[test]
fn what_is_not_utf_8_is_refused() {
    let stage = Stage::new();
    let body = form(&fields("main deploy"));
    for wrong in [
        body.replace("main", "ma%ffin").into_bytes(),
        body.replace("main", "ma%c0%afin").into_bytes(),
        body.replace("user_name", "user%80name").into_bytes(),
        [body.as_bytes(), b"&x=\xff"].concat(),
        [body.as_bytes(), b"&\xc3=x"].concat(),
    ] {
        let answer = stage.turns_down(&signed(wrong), 400);
        assert_eq!(answer.text, "Not a command: the form is not UTF-8.\n");
    }
}

#[test]
fn a_doubled_field_is_refused() {
    for (name, value) in fields("main deploy") {
        let body = form(&fields("main deploy"));
        // The same value, another one, and the same name written differently.
        for again in [
            form(&[(name, value)]),
            form(&[(name, "X".to_owned())]),
            name.to_owned(),
            format!(
                "{}%{:02x}=",
                &name[..name.len() - 1],
                name.as_bytes()[name.len() - 1]
            ),
        ] {
            let answer = Stage::new().turns_down(&signed(format!("{body}&{again}")), 400);
            assert_eq!(
                answer.text,
                format!("Not a command: the form has the field '{name}' twice.\n")
            );
            Stage::new().turns_down(&signed(format!("{again}&{body}")), 400);
        }
    }
}

#[test]
fn a_command_without_its_ids_is_refused() {
    for name in ["team_id", "channel_id", "user_id"] {
        let wrong = [
            None,
            Some(""),
            Some("x"),
            Some("X0001"),
            Some("U<@U1>"),
            Some("U0001 "),
            Some("*"),
        ];
        for value in wrong {
            let answer = Stage::new().turns_down(&changed(name, value), 400);
            assert_eq!(
                answer.text,
                format!("Not a command: the form has no valid '{name}'.\n")
            );
        }
    }
}

// --- Slack's test of the certificate ---

#[test]
fn a_bare_test_of_the_certificate_is_answered_with_nothing() {
    let stage = Stage::new();
    for body in [
        "ssl_check=1",
        "ssl_check=1&token=x",
        &(form(&fields("main deploy")) + "&ssl_check=1"),
    ] {
        for route in ROUTES {
            let answer = stage.ask(unsigned(body).to(route));
            assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
            let answer = stage.ask(signed(body).to(route));
            assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
        }
    }
    assert_eq!(stage.queued(), 0);
}

#[test]
fn a_test_of_the_certificate_does_not_excuse_a_bad_signature() {
    let stage = Stage::new();
    for body in [
        "ssl_check=1".to_owned(),
        form(&fields("main deploy")) + "&ssl_check=1",
    ] {
        let wrong = sign(
            "another secret",
            NOW.to_string().as_bytes(),
            body.as_bytes(),
        );
        for sent in [
            signed(body.clone()).set(SIGNATURE, wrong.clone()),
            signed(body.clone()).set(SIGNATURE, ""),
            signed(body.clone()).without(SIGNATURE),
            signed(body.clone()).without(TIMESTAMP),
            signed(body.clone()).set(TIMESTAMP, "1"),
        ] {
            for route in ROUTES {
                assert_eq!(stage.ask(sent.to(route)).status, 401, "{sent:?}");
            }
        }
    }
    assert_eq!(stage.queued(), 0);
}

#[test]
fn another_value_or_form_is_no_test_of_the_certificate() {
    let stage = Stage::new();
    for body in [
        "ssl_check=0",
        "ssl_check",
        "ssl_check=",
        "ssl_check=1&ssl_check=1",
        "SSL_CHECK=1",
    ] {
        stage.refuses(&unsigned(body));
    }
    stage.refuses(&unsigned("ssl_check=1").without("Content-Type"));
    stage.refuses(&unsigned("a=b").set("Content-Type", "ssl_check=1"));
}

#[test]
fn the_older_test_of_the_certificate_is_a_get() {
    let stage = Stage::new();
    for route in ROUTES {
        let get = |query: &str| {
            let request = Request::get(format!("{route}{query}"))
                .body(Bytes::new())
                .unwrap();
            stage.ask(request)
        };
        for query in ["?ssl_check=1", "?token=x&ssl_check=1"] {
            let answer = get(query);
            assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
        }
        for query in ["", "?", "?ssl_check=0", "?xssl_check=1", "?ssl_check=11"] {
            assert_eq!(get(query).status, 405, "{query}");
        }
        // In a POST the query says nothing.
        let sent = unsigned(&form(&fields("main deploy")));
        assert_eq!(
            stage.ask(sent.to(&format!("{route}?ssl_check=1"))).status,
            401
        );
    }
    assert_eq!(stage.queued(), 0);
}

// --- Routes ---

#[test]
fn every_route_refuses_an_unsigned_post() {
    let stage = Stage::new();
    for route in [
        "/",
        "/slack/commands",
        "/chatops",
        "/healthz",
        "/slack",
        "/slack/commands/",
        "//chatops",
    ] {
        for body in [form(&fields("main deploy")), String::new(), "{}".to_owned()] {
            let status = stage.ask(unsigned(&body).to(route)).status;
            assert!(status.is_client_error(), "{route}: {status}");
        }
    }
    assert_eq!(stage.queued(), 0);
}

#[test]
fn what_is_not_there_is_not_found_even_if_it_is_signed() {
    let stage = Stage::new();
    for route in [
        "/",
        "/slack",
        "/slack/commands/",
        "/Chatops",
        "/chatops/x",
        "//chatops",
        "/slack/%63ommands",
    ] {
        assert_eq!(
            stage.ask(command("main deploy").to(route)).status,
            404,
            "{route}"
        );
    }
    assert_eq!(stage.queued(), 0);
}

#[test]
fn another_method_is_told_the_right_one() {
    let stage = Stage::new();
    for (route, right) in [
        ("/slack/commands", "POST"),
        ("/chatops", "POST"),
        ("/healthz", "GET"),
    ] {
        for method in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X",
        ] {
            if method == right {
                continue;
            }
            let mut request = command("main deploy").to(route);
            *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = stage.ask(request);
            assert_eq!(answer.status, 405, "{method} {route}");
            assert_eq!(answer.headers[header::ALLOW], right);
        }
    }
    assert_eq!(stage.queued(), 0);
    let health = stage.ask(Request::get("/healthz").body(Bytes::new()).unwrap());
    assert_eq!(
        (health.status, health.text.as_str()),
        (StatusCode::OK, "ok\n")
    );
}

// --- Words instead of a message in the queue ---

#[test]
fn help_is_answered_at_once() {
    let stage = Stage::new();
    for text in ["", " ", "help", " help  me "] {
        stage.only_says(&command(text), "Deploy from here");
    }
    let sent = signed(form(&fields("help")).replace("text=help&", ""));
    stage.only_says(&sent, "Deploy from here");
}

#[test]
fn what_is_not_the_grammar_is_answered_at_once() {
    let stage = Stage::new();
    let long = "x".repeat(1025);
    for (text, why) in [
        ("main", "that is 1 word."),
        ("a b c", "that is 3 words."),
        ("deploy", "a branch and a job are needed"),
        ("status x", "`status` is a reserved word"),
        ("main -x", "cannot be a job"),
        ("deploy .x main deploy", "cannot be a project"),
        (long.as_str(), "longer than 1,024 characters"),
    ] {
        stage.only_says(&command(text), "Not a command");
        stage.only_says(&command(text), why);
    }
}

#[test]
fn a_hostile_branch_goes_nowhere() {
    let stage = Stage::new();
    for branch in [
        "a$(reboot)",
        "a`reboot`",
        "a;reboot",
        "a|sh",
        "a&b",
        "&amp;amp;",
        "${IFS}",
        "$HOME",
        "{a,b}",
        "a'b",
        "a\"b",
        "a\\b",
        "a>b",
        "&lt;!channel&gt;",
        "<!channel>",
        "<<pipeline.id>>",
        "a\u{0}b",
        "a\u{1b}[2J",
        "a\u{202e}b",
        "m\u{430}in",
        "-main",
        "--upload-pack=x",
        "../main",
        "a/../b",
        "/main",
        "main/",
        "a//b",
        "main.",
        ".main",
        "a/.b",
        "main.lock",
        "main.LOCK/x",
        "main~1",
        "main^",
        "main:x",
        "main@{1}",
        "@",
        "*",
        "a?b",
        "a[b",
        "%2e%2e",
        "HEAD",
        "0123456789abcdef0123456789abcdef01234567",
        "https://evil.example/x",
    ] {
        stage.only_says(&command(&format!("{branch} deploy")), "cannot be a branch");
        let answer = stage.ask(command(&format!("deploy {branch} deploy")).to("/chatops"));
        // Nothing of it becomes Slack's markup.
        assert!(!answer.text.contains("<!"), "{}", answer.text);
    }
    assert_eq!(stage.queued(), 0);
}

#[test]
fn a_reply_address_that_is_not_slacks_is_said_so() {
    for address in [
        "http://hooks.slack.com/commands/T1/2/x",
        "https://hooks.slack.com.evil.example/commands/T1/2/x",
        "https://evil.example/commands/T1/2/x",
        "https://hooks.slack.com@evil.example/commands/T1/2/x",
        "https://hooks.slack.com:8443/commands/T1/2/x",
        "https://hooks.slack.com/services/T1/2/x",
        "https://hooks.slack.com/commands/../services/x",
        "https://169.254.169.254/commands/T1/2/x",
        "http://127.0.0.1/commands/T1/2/x",
        "file:///commands/x",
        "not an address",
    ] {
        let stage = Stage::new();
        stage.only_says(
            &changed("response_url", Some(address)),
            "not an address of Slack's",
        );
    }
}

#[test]
fn what_nothing_makes_unique_is_said_so() {
    let mut bare = fields("main deploy");
    bare.retain(|(name, _)| *name != "trigger_id" && *name != "response_url");
    Stage::new().only_says(
        &signed(form(&bare)),
        "neither `trigger_id` nor `response_url`",
    );
    bare.extend([
        ("trigger_id", String::new()),
        ("response_url", String::new()),
    ]);
    Stage::new().only_says(
        &signed(form(&bare)),
        "neither `trigger_id` nor `response_url`",
    );
}

// --- What is queued ---

#[test]
fn the_message_says_who_what_where_and_when() {
    // Slack's clock is behind: the message carries the moment that Slack signed.
    let stage = Stage::at(NOW + 120, Keys::new(only(SECRET)));
    let answer = stage.ask(command("  release/1   deploy ").to("/slack/commands"));
    answer.is_in_channel("Accepted");
    let message = stage.message();
    assert_eq!(
        message.id,
        DeployId::of_request("T1DC2JH3J", "A0001", TRIGGER)
    );
    assert_eq!(message.team, TeamId::parse("T1DC2JH3J").unwrap());
    assert_eq!(message.channel, ChannelId::parse("G8PSS9T3V").unwrap());
    assert_eq!(message.user, UserId::parse("U2CERLKJA").unwrap());
    assert_eq!(message.deploy.project, None);
    assert_eq!(message.deploy.branch.as_str(), "release/1");
    assert_eq!(message.deploy.job.as_str(), "deploy");
    assert_eq!(message.asked_at.timestamp(), NOW);
    assert_eq!(
        message.reply_to.as_ref().map(ResponseUrl::expose),
        Some(ADDRESS)
    );
    let post = answer.post()["text"].as_str().unwrap().to_owned();
    assert!(post.contains(message.id.short(8).as_str()), "{post}");
    assert!(post.contains("<@U2CERLKJA>"), "{post}");
    // The reply address is a secret and the token is nobody's business.
    assert!(!answer.text.contains("hooks.slack.com"));
    assert!(!answer.text.contains("gIkuvaNzQIHg97ATvDxqgjtO"));
}

#[test]
fn the_identity_is_the_form_that_was_signed() {
    for (name, value) in [
        ("user_id", "U0BAD"),
        ("channel_id", "C0BAD"),
        ("team_id", "T0BAD"),
    ] {
        let stage = Stage::new();
        let sent = changed(name, Some(value)).and("X-User-Id", "U2CERLKJA");
        let answer = stage.ask(sent.to("/chatops"));
        answer.is_to_asker("Checking");
        let message = stage.message();
        let of = [
            message.user.as_str(),
            message.channel.as_str(),
            message.team.as_str(),
        ];
        assert!(of.contains(&value), "{of:?}");
    }
}

#[test]
fn what_the_policy_would_refuse_is_queued_and_only_the_asker_hears() {
    for text in [
        "main unknown-job",
        "feature/x deploy",
        "deploy elsewhere main deploy",
    ] {
        let stage = Stage::new();
        stage
            .ask(command(text).to("/chatops"))
            .is_to_asker("Checking");
        stage.message();
    }
}

#[test]
fn without_a_trigger_id_the_reply_address_stands_in() {
    let stage = Stage::new();
    let answer = stage.ask(changed("trigger_id", None).to("/chatops"));
    answer.is_in_channel("Accepted");
    assert_eq!(
        stage.message().id,
        DeployId::of_request("T1DC2JH3J", "A0001", ADDRESS)
    );

    let stage = Stage::new();
    stage
        .ask(changed("response_url", None).to("/chatops"))
        .is_in_channel("Accepted");
    let message = stage.message();
    assert_eq!(
        message.id,
        DeployId::of_request("T1DC2JH3J", "A0001", TRIGGER)
    );
    assert!(message.reply_to.is_none());
}

#[test]
fn older_requests_without_an_app_id_are_taken() {
    let stage = Stage::new();
    stage
        .ask(changed("api_app_id", None).to("/chatops"))
        .is_in_channel("Accepted");
    assert_eq!(
        stage.message().id,
        DeployId::of_request("T1DC2JH3J", "", TRIGGER)
    );
}

#[test]
fn a_repeated_request_is_the_same_deploy_and_a_new_one_is_not() {
    let id = |sent: &Sent| {
        let stage = Stage::new();
        stage.ask(sent.to("/chatops"));
        stage.message().id
    };
    let first = id(&command("main deploy"));
    assert_eq!(id(&command("main deploy")), first);
    // Typed again, Slack gives it another trigger id.
    assert_ne!(id(&changed("trigger_id", Some("1.2.3"))), first);
    assert_ne!(id(&changed("team_id", Some("T0002"))), first);
    assert_ne!(id(&changed("api_app_id", Some("A0002"))), first);
}

#[test]
fn a_queue_that_took_nothing_is_said_so() {
    let stage = Stage::failing(SendError::NotSent("no connection".to_owned()));
    let answer = stage.turns_down(&command("main deploy"), 200);
    answer.is_to_asker("Not accepted");
    assert!(!answer.text.contains("no connection"));
}

#[test]
fn a_queue_that_did_not_answer_is_said_so() {
    let stage = Stage::failing(SendError::Unknown("timed out".to_owned()));
    let answer = stage.turns_down(&command("main deploy"), 200);
    answer.is_to_asker("Could not confirm");
    let short = DeployId::of_request("T1DC2JH3J", "A0001", TRIGGER).short(8);
    assert!(answer.text.contains(short.as_str()), "{}", answer.text);
    assert!(!answer.text.contains("timed out"));
}

// --- Anything at all ---

/// Names and values close to what matters, and anything else.
fn any_header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let name = prop_oneof![
        Just("x-slack-signature".to_owned()),
        Just("x-slack-request-timestamp".to_owned()),
        Just("content-type".to_owned()),
        "[a-z][a-z0-9-]{0,20}",
    ];
    let value = prop_oneof![
        Just(PUBLISHED_SIGNATURE.as_bytes().to_vec()),
        Just(NOW.to_string().into_bytes()),
        Just(FORM.as_bytes().to_vec()),
        "v0=[0-9a-f]{60,66}".prop_map(String::into_bytes),
        "[0-9]{0,20}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..80),
    ];
    (name, value).prop_filter_map("not a header", |(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(&value).ok()?))
    })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(form(&fields("main deploy")).into_bytes()),
        Just(b"ssl_check=1".to_vec()),
        prop::collection::vec(any::<u8>(), 0..400),
        "[a-z_]{0,12}(=[ -~]{0,30})?(&[a-z_]{0,12}=[ -~]{0,30}){0,6}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), LARGEST_BODY..LARGEST_BODY + 2),
    ]
}

proptest! {
    /// The published signature is among the headers, but not the body it belongs to.
    #[test]
    fn nothing_unsigned_panics_or_is_queued(
        method in prop_oneof![3 => Just("POST"), 1 => Just("GET"), 1 => Just("PUT")],
        route in prop_oneof![
            Just("/chatops".to_owned()),
            Just("/slack/commands".to_owned()),
            Just("/chatops?ssl_check=1".to_owned()),
            "/[a-z/]{0,12}",
        ],
        headers in prop::collection::vec(any_header(), 0..6),
        body in any_body(),
    ) {
        let mut request = Request::builder().method(method).uri(route);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let stage = Stage::new();
        let answer = stage.ask(request.body(Bytes::from(body)).unwrap());
        prop_assert_eq!(stage.queued(), 0);
        // Words for an asker are for signed requests alone.
        prop_assert_ne!(&answer.headers[header::CONTENT_TYPE], "application/json; charset=utf-8");
    }

    #[test]
    fn nothing_signed_panics(body in any_body()) {
        let stage = Stage::new();
        stage.ask(signed(body).to("/chatops"));
        prop_assert!(stage.queued() <= 1);
    }

    /// Whatever a person types: one answer, and at most one message, with a harmless branch.
    #[test]
    fn any_text_is_answered(text in prop_oneof!["\\PC{0,80}", "[ -~]{0,40}", "[a-z$`./-]{1,20} deploy"]) {
        let stage = Stage::new();
        let answer = stage.ask(command(&text).to("/chatops"));
        if text.contains('\u{fffd}') {
            prop_assert_eq!(answer.status, 400);
        } else {
            answer.post();
        }
        if stage.queued() > 0 {
            let branch = stage.message().deploy.branch;
            let safe = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
            prop_assert!(branch.as_str().chars().all(safe));
        }
    }
}
