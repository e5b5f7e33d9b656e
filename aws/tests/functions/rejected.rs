//! Requests that are no command: rejected in both payload formats, and nothing is queued.

use chatops_core::deploy::DeployState;
use chatops_core::ports::QueueName;
use chatops_sandbox::slack::{
    SIGNATURE_HEADER, SignedForm, TIMESTAMP_HEADER, TypedCommand, sign_form, signed_request,
};
use serde_json::{Value, json};

use crate::gateway::PayloadFormat;
use crate::mapping::DeliveryMode;
use crate::world::{LEFT, LambdaWorld, SIGNING_SECRET, WEBHOOK_SECRET};

/// A request, and the status of its response.
struct Bad {
    what: &'static str,
    method: &'static str,
    target: &'static str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    status: u64,
}

const COMMAND: &str = "/slack/commands";
const WEBHOOK: &str = "/circleci/webhook";

impl Bad {
    fn new(what: &'static str, (headers, body): SignedParts, status: u64) -> Self {
        let (method, target) = ("POST", COMMAND);
        Self {
            what,
            method,
            target,
            headers,
            body,
            status,
        }
    }

    fn to(mut self, method: &'static str, target: &'static str) -> Self {
        (self.method, self.target) = (method, target);
        self
    }
}

type SignedParts = (Vec<(String, String)>, Vec<u8>);

/// A body signed as Slack signs.
fn signed(world: &LambdaWorld, body: impl Into<String>) -> SignedParts {
    let mut headers = command(world).headers.into_iter();
    let time = headers.find(|header| header.0 == TIMESTAMP_HEADER).unwrap();
    let time = time.1.parse().unwrap();
    let signed = signed_request(SIGNING_SECRET, time, body.into());
    let headers = signed.headers.into_iter();
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    (headers.collect(), signed.body.into_bytes())
}

/// A command as Slack sends it.
fn command(world: &LambdaWorld) -> SignedForm {
    let typed = TypedCommand::new("main deploy");
    world
        .sandbox
        .command_sender()
        .prepare_command("", &typed)
        .signed
}

/// The form of a command.
fn command_form(world: &LambdaWorld) -> String {
    command(world).body
}

fn without(mut signed: SignedParts, name: &str) -> SignedParts {
    signed.0.retain(|header| header.0 != name);
    signed
}

fn with(signed: SignedParts, name: &str, value: &str) -> SignedParts {
    let mut other = without(signed, name);
    other.0.push((name.to_owned(), value.to_owned()));
    other
}

fn bad_cases(world: &LambdaWorld) -> Vec<Bad> {
    let good = || signed(world, command_form(world));
    let json = |body: &str, more: &[(&str, &str)]| {
        let headers = [("Content-Type", "application/json")];
        let headers = headers.iter().chain(more);
        let headers = headers.map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        (headers.collect::<Vec<_>>(), body.as_bytes().to_vec())
    };
    let forged = [("circleci-signature", &*format!("v1={}", "0".repeat(64)))];
    let bad_signature = format!("v0={}", "0".repeat(64));
    let form = command_form(world);
    let not_utf8 = form.replace("text=main+deploy", "text=%00%f0%9f");
    let strange = "99999999999999999999";
    let padded = |length: usize| format!("{}&padding={}", command_form(world), "x".repeat(length));
    vec![
        Bad::new("no signature", without(good(), SIGNATURE_HEADER), 401),
        Bad::new("no timestamp", without(good(), TIMESTAMP_HEADER), 401),
        Bad::new("no headers at all", (vec![], good().1), 401),
        Bad::new(
            "forged",
            with(good(), SIGNATURE_HEADER, &bad_signature),
            401,
        ),
        Bad::new("another body", (good().0, b"text=other".to_vec()), 401),
        Bad::new("old", with(good(), TIMESTAMP_HEADER, "1"), 401),
        Bad::new(
            "a strange time",
            with(good(), TIMESTAMP_HEADER, strange),
            401,
        ),
        Bad::new("wrong method", good(), 405).to("PUT", COMMAND),
        Bad::new("wrong method", good(), 405).to("GET", COMMAND),
        Bad::new("a method of nobody's", good(), 405).to("BREW", COMMAND),
        Bad::new("no method", good(), 400).to("", COMMAND),
        Bad::new("another path", good(), 404).to("POST", "/slack/commands/more"),
        Bad::new("a path that is none", good(), 400).to("POST", "/slack commands"),
        Bad::new("no path", good(), 400).to("POST", ""),
        Bad::new("oversized", signed(world, padded(16 * 1024)), 413),
        Bad::new("oversized and unsigned", (vec![], vec![b'x'; 5 << 20]), 413),
        Bad::new("malformed", signed(world, "%%%=%"), 400),
        Bad::new("JSON", signed(world, r#"{"text":"main deploy"}"#), 400),
        Bad::new(
            "another type",
            with(good(), "Content-Type", "text/plain"),
            400,
        ),
        Bad::new("no type", without(good(), "Content-Type"), 400),
        Bad::new("empty", signed(world, ""), 400),
        Bad::new("empty and unsigned", (vec![], vec![]), 401),
        Bad::new("a field twice", signed(world, form + "&team_id=T0001"), 400),
        Bad::new("not UTF-8", signed(world, not_utf8), 400),
        Bad::new("an event without a signature", json("{}", &[]), 401).to("POST", WEBHOOK),
        Bad::new("a forged event", json("{}", &forged), 401).to("POST", WEBHOOK),
        Bad::new("an event of Slack's", good(), 401).to("POST", WEBHOOK),
        Bad::new("an oversized event", (vec![], vec![b' '; 257 * 1024]), 413).to("POST", WEBHOOK),
        Bad::new("an event asked for", json("", &[]), 405).to("GET", WEBHOOK),
    ]
}

/// Each in both formats, and in each as text and as base64.
#[tokio::test]
async fn nothing_from_outside_breaks_the_ingest() {
    let world = LambdaWorld::new().await;
    for bad in bad_cases(&world) {
        for payload in PayloadFormat::ALL {
            for base64 in [true, false] {
                let what = format!("{} as {payload:?}, base64: {base64}", bad.what);
                let event =
                    payload.encode_event(bad.method, bad.target, &bad.headers, &bad.body, base64);
                let answer = world.ingest.invoke(&event, LEFT).await.into_answer();
                assert_eq!(answer["statusCode"], bad.status, "{what}: {answer}");
                assert!(!answer.to_string().contains("canary"), "{what}: {answer}");
                let queued = world.queue_depth(QueueName::Work).await;
                assert_eq!(queued, 0, "{what}: {answer}");
            }
        }
    }
    assert_eq!(world.ingest.starts(), 1);
    world.check_logs();
}

/// What no HTTP client can make, but an event can hold.
#[tokio::test]
async fn no_event_breaks_the_ingest() {
    let world = LambdaWorld::new().await;
    for payload in PayloadFormat::ALL {
        let (headers, body) = signed(&world, command_form(&world));
        let good = payload.encode_event("POST", COMMAND, &headers, &body, true);
        let changed = |name: &str, value: Value| {
            let mut event = good.clone();
            event[name] = value;
            event
        };
        let header = match payload {
            PayloadFormat::V1 => "multiValueHeaders",
            PayloadFormat::V2 => "headers",
        };
        let mut bare = changed("headers", json!({}));
        bare["multiValueHeaders"] = json!({});
        let value = |text: &str| match payload {
            PayloadFormat::V1 => json!([text]),
            PayloadFormat::V2 => json!(text),
        };
        let events = [
            (changed("body", json!("%%% not base64 %%%")), 400),
            (changed("body", json!("AAA")), 400),
            (changed("body", Value::Null), 401),
            (changed("isBase64Encoded", json!(false)), 401),
            (bare, 401),
            (changed(header, json!({"x": value("a\nb")})), 400),
            (changed(header, json!({"a header": value("b")})), 400),
        ];
        for (event, status) in events {
            let answer = world.ingest.invoke(&event, LEFT).await.into_answer();
            assert_eq!(answer["statusCode"], status, "{event}: {answer}");
            let queued = world.queue_depth(QueueName::Work).await;
            assert_eq!(queued, 0, "{event}: {answer}");
        }
        // The same event without the change is accepted.
        let answer = world.ingest.invoke(&good, LEFT).await.into_answer();
        assert_eq!(answer["statusCode"], 200, "{answer}");
        assert_eq!(world.take_messages(QueueName::Work).await.len(), 1);
        world.lose_wake_ups().await;
    }
    assert_eq!(world.ingest.starts(), 1);
    world.check_logs();
}

/// A command from a foreign workspace is put on record and rejected there.
#[tokio::test]
async fn a_foreign_team_starts_nothing() {
    let world = LambdaWorld::new().await;
    let url = world.url(PayloadFormat::V2, COMMAND);
    let client = world.sandbox.command_sender();
    let mut sent = client.prepare_command(&url, &TypedCommand::new("main deploy"));
    let foreign = sent.signed.body.replace("team_id=T0001", "team_id=T0666");
    sent.signed.body.clone_from(&foreign);
    let (headers, _) = signed(&world, foreign);
    for name in [TIMESTAMP_HEADER, SIGNATURE_HEADER] {
        let value = headers.iter().find(|h| h.0 == name).unwrap().1.clone();
        sent.signed.set_header(name, value);
    }
    let ack = client.send(&sent).await;
    assert_eq!(ack.body.unwrap().response_type, "ephemeral");
    world.connect(DeliveryMode::Once);
    world.wait_for_end(&sent, DeployState::Rejected, 0).await;
    assert!(!world.circleci_was_called());
    world.check_logs();
}

/// Each secret counts only where it belongs.
#[tokio::test]
async fn a_secret_signs_only_its_own() {
    let world = LambdaWorld::new().await;
    let good = signed(&world, command_form(&world));
    let time = good.0.iter().find(|h| h.0 == TIMESTAMP_HEADER).unwrap();
    let text = String::from_utf8(good.1.clone()).unwrap();
    let forged = sign_form(WEBHOOK_SECRET, time.1.parse().unwrap(), &text);
    let (headers, body) = with(good, SIGNATURE_HEADER, &forged);
    let event = PayloadFormat::V2.encode_event("POST", COMMAND, &headers, &body, true);
    let answer = world.ingest.invoke(&event, LEFT).await.into_answer();
    assert_eq!(answer["statusCode"], 401);
    world.check_logs();
}
